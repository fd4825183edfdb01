"""The processes of skitaid's programs, and what they tell of themselves.

Each has a datagram socket of its own, named to it as ``NOTIFY_SOCKET``: what comes there comes from this
program, and needs no credentials.  What a program prints goes where we print, or to a file beside its
logs where nobody would see that.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import monotonic

from skitai.interpreter import INTERPRETER_OPTIONS

__all__ = ["Child", "NotifySocket", "handed_descriptors"]

_FIRST_HANDED = 3
#: Messages that are heard in one turn: a program that talks without end leaves the others theirs.
_HEARD_AT_ONCE = 64


class NotifySocket:
    """Raises OSError where it cannot be made."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.unlink(missing_ok=True)  # of a service that was killed
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.setblocking(False)
        old_mask = os.umask(0o177)
        try:
            self.socket.bind(str(path))
        except OSError:
            self.socket.close()
            raise
        finally:
            os.umask(old_mask)

    def receive(self) -> list[dict[str, str]]:
        """What has come, a mapping for each message: ``{"READY": "1"}``."""
        found: list[dict[str, str]] = []
        for _ in range(_HEARD_AT_ONCE):
            try:
                data = self.socket.recv(4096)
            except BlockingIOError:
                break
            lines = (line.partition("=") for line in data.decode("utf-8", "replace").splitlines())
            found.append({name: _printable(value) for name, _, value in lines})
        return found

    def close(self) -> None:
        self.socket.close()
        self.path.unlink(missing_ok=True)


def _printable(text: str) -> str:
    """It is shown to operators, whose terminal obeys no application."""
    return text if text.isprintable() else ascii(text)[1:-1]


class Child:
    """A process.  Raises OSError where it cannot be started."""

    def __init__(
        self,
        command: Sequence[str],
        notify: NotifySocket,
        *,
        lifeline: int,
        watchdog: float,
        output: Path | None,
    ) -> None:
        """``command``: behind the interpreter's name.  ``lifeline``: see `skitai.notify`.  ``output``: the
        file for what it prints."""
        self.notify = notify
        self.last_sign = monotonic()
        #: Seconds within which it was told to give one; 0: none.
        self.watchdog = watchdog
        handed = handed_descriptors(os.environ)
        environ = {**os.environ, "NOTIFY_SOCKET": str(notify.path), "SKITAID_LIFELINE": str(lifeline)}
        environ.pop("WATCHDOG_PID", None)
        environ["WATCHDOG_USEC"] = str(int(watchdog * 1e6))
        if handed:
            environ["LISTEN_PID"] = str(os.getpid())
        stream = None
        if output is not None:
            output.parent.mkdir(parents=True, exist_ok=True)
            stream = os.open(output, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
        try:
            self._process = subprocess.Popen(
                [sys.executable, *INTERPRETER_OPTIONS, *command],
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                pass_fds=[*handed, lifeline],
                # Ctrl-C of a terminal is for us; what it means for our programs we tell them ourselves.
                start_new_session=True,
            )
        finally:
            if stream is not None:
                os.close(stream)

    @property
    def pid(self) -> int:
        return self._process.pid

    def code(self) -> int | None:
        """Of its end; None while it runs."""
        return self._process.poll()

    def send(self, number: int) -> None:
        """Its number is its own until `code` has seen its end."""
        self._process.send_signal(number)


def handed_descriptors(environ: Mapping[str, str]) -> range:
    """What the service manager has handed us (`skitai.core.activation`), for our programs."""
    count = environ.get("LISTEN_FDS", "")
    if environ.get("LISTEN_PID") != str(os.getpid()) or not count.isdecimal():
        return range(0)
    return range(_FIRST_HANDED, _FIRST_HANDED + int(count))
