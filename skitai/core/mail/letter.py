"""A letter: one message of the spool, which is one file.

    {"skitai-mail": 1, "sender": …, "recipients": […], "size": 480, …}   the envelope: a line of JSON
    From: Hans <hans@example.com>                                        the message: ``size`` bytes
    …
    {"at": …, "event": "deferred", "reason": "451 try later", …}         the journal: a line of JSON each

One file, so that a single rename or unlink moves or ends all that is known of a message.  Envelope and
message are never written again.  The journal only grows, by one write for each line, which begins with its
line end: whoever is killed there leaves half a line, which nobody can read and nobody misses.

What came of a letter is what its journal says, from the first line to the last (`State`).  The agent writes
there, and so do operators' commands, at the same time.

Any thread and any process; a `Letter` object belongs to one.
"""

from __future__ import annotations

import enum
import json
import os
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from skitai.core.config.smtpservers import SmtpServer

__all__ = ["BadLetter", "Envelope", "Event", "Letter", "State", "is_address"]

_VERSION = 1
#: Bytes of an envelope: a thousand recipients of 254 bytes, and some.
_ENVELOPE_MAX = 1 << 20
_NO_LINKS = getattr(os, "O_NOFOLLOW", 0)
_BINARY = getattr(os, "O_BINARY", 0)


class BadLetter(ValueError):
    """A file that is no letter, or none any more."""


def is_address(text: str) -> bool:
    """Whether it can stand between ``<`` and ``>`` in a command of SMTP: no controls, spaces or
    brackets.  Quoted local parts, which could have them, are in use nowhere."""
    return (
        text.count("@") >= 1
        and text.isprintable()
        and not any(mark in text for mark in " <>")
        and not text.startswith("@")
        and not text.endswith("@")
    )


class Event(enum.Enum):
    """What lines of the journal are about."""

    SENDING = "sending"
    DELIVERED = "delivered"
    DEFERRED = "deferred"
    REFUSED = "refused"
    RETRY = "retry"


@dataclass(frozen=True, slots=True)
class Envelope:
    """Who sends to whom, which the message itself need not say (``bcc``).  ``server`` None: the agent's own.
    ``utf8``: there are addresses that only servers with SMTPUTF8 (RFC 6531) take."""

    sender: str
    recipients: tuple[str, ...]
    server: SmtpServer | None = None
    utf8: bool = False
    message_id: str = ""
    subject: str = ""

    def front(self, message: bytes) -> bytes:
        """The first line of the file of ``message``."""
        told = {
            "skitai-mail": _VERSION,
            "queued": round(time.time(), 3),
            "sender": self.sender,
            "recipients": self.recipients,
            "subject": self.subject,
            "message_id": self.message_id,
            "utf8": self.utf8,
            "server": self.server.to_json() if self.server else None,
            "size": len(message),
            "crc32": zlib.crc32(message),
        }
        return json.dumps(told).encode() + b"\n"


@dataclass(slots=True)
class State:
    """What the journal says.  ``waiting``: whom it has still to go to.  ``attempts``: that have failed since
    the letter came, or since an operator said ``retry``.  ``due``: when the next one is, as `time.time`;
    ``reason``: what the last one ended with.  ``unconfirmed``: the last one may have gone well, though nobody
    has heard so."""

    waiting: list[str]
    refused: dict[str, str] = field(default_factory=dict)
    attempts: int = 0
    last_attempt: float = 0.0
    due: float = 0.0
    reason: str = ""
    unconfirmed: bool = False

    def take(self, event: Event, entry: Mapping[str, Any]) -> None:
        about = entry.get("recipients", ())
        reason = str(entry.get("reason", ""))
        self.unconfirmed = event is Event.SENDING
        if event is Event.SENDING:
            # Counted now: should this message be what ends the agent, it must not do so for ever.
            self.attempts += 1
            self.last_attempt = float(entry["at"])
            self.due = 0.0
            self.reason = "the agent was ended while it sent this: it may have arrived"
        elif event is Event.DEFERRED:
            self.attempts = int(entry["attempts"])
            self.last_attempt = float(entry["at"])
            self.due = float(entry["due"])
            self.reason = reason
        elif event is Event.RETRY:
            self.waiting += self.refused
            self.refused = {}
            self.attempts = 0
            self.due = 0.0
        else:
            self.waiting = [name for name in self.waiting if name not in about]
            if event is Event.REFUSED:
                self.refused.update(dict.fromkeys(about, reason))
                self.reason = reason


class Letter:
    """An open letter is read from the file that it was, wherever that is moved meanwhile."""

    def __init__(self, path: Path) -> None:
        """Raises BadLetter, or OSError: FileNotFoundError where somebody has taken it away."""
        self.path = path
        self.name = path.stem
        with _opened(path) as file:
            front = file.readline(_ENVELOPE_MAX)
            try:
                self._read_front(json.loads(front))
            except (ValueError, TypeError, KeyError, AttributeError) as error:
                raise BadLetter(f"{path}: the envelope cannot be read ({error})") from error
            self._begin = len(front)
            file.seek(self._begin + self.size)
            journal = file.read()
        self.state = State(list(self.envelope.recipients))
        for event, entry in _entries(journal):
            self.state.take(event, entry)

    def _read_front(self, told: dict[str, Any]) -> None:
        if told["skitai-mail"] != _VERSION:
            raise ValueError(f"version {told['skitai-mail']!r}")
        recipients = tuple(told["recipients"])
        for address in (*recipients, *filter(None, [told["sender"]])):
            if not is_address(address):
                raise ValueError(f"{address!r} is no address")
        server = told["server"]
        self.queued = float(told["queued"])
        self.size = int(told["size"])
        self._crc32 = told["crc32"]
        self.envelope = Envelope(
            told["sender"],
            recipients,
            SmtpServer.from_json(server) if server else None,
            bool(told["utf8"]),
            str(told["message_id"]),
            str(told["subject"]),
        )

    def message(self) -> bytes:
        """Raises BadLetter where it is not what was written, or OSError."""
        with _opened(self.path) as file:
            file.seek(self._begin)
            message = file.read(self.size)
        if len(message) != self.size or zlib.crc32(message) != self._crc32:
            raise BadLetter(f"{self.path}: the message is not as it was written")
        return message

    def note(
        self,
        event: Event,
        recipients: Iterable[str] = (),
        reason: str = "",
        *,
        attempts: int = 0,
        due: float = 0.0,
        durable: bool = False,
    ) -> None:
        """A further line of the journal; ``durable``: it must not be lost, even if the machine is.

        Raises OSError: FileNotFoundError where somebody has taken the letter away.
        """
        entry: dict[str, Any] = {"at": round(time.time(), 3), "event": event.value}
        if recipients:
            entry["recipients"] = list(recipients)
        if reason:
            entry["reason"] = reason
        if event is Event.DEFERRED:
            entry |= {"attempts": attempts, "due": round(due, 3)}
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | _NO_LINKS | _BINARY)
        try:
            os.write(descriptor, b"\n" + json.dumps(entry).encode())
            if durable:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)
        self.state.take(event, entry)


def _opened(path: Path) -> BinaryIO:
    return open(os.open(path, os.O_RDONLY | _NO_LINKS | _BINARY), "rb")


def _entries(journal: bytes) -> Iterator[tuple[Event, dict[str, Any]]]:
    for line in journal.split(b"\n"):
        try:
            entry = json.loads(line)
            yield Event(entry["event"]), entry
        except (ValueError, TypeError, KeyError):
            continue  # the half line of somebody who was killed there
