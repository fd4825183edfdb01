"""What operators ask of a running skitaid, over a unix socket whose mode is its guard (``control_mode``).

A request is a line of JSON, ``{"verb": "stop", "names": ["site"]}``, and so is its answer, ``{"ok": true,
"lines": […], "programs": […]}``, which comes when what was asked for has come to an end: the server runs, or
it does not.  Then the connection is closed.

`Inquiry` is the service's side of one connection, in its loop; `ask` the command's, which waits.
"""

from __future__ import annotations

import enum
import json
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["Answer", "BadRequest", "Inquiry", "NotRunning", "Verb", "ask"]

#: Bytes of a request: names of servers, which are names of files.
_REQUEST_MAX = 65536


class Verb(enum.Enum):
    START = "start"
    STOP = "stop"
    RESTART = "restart"
    RELOAD = "reload"
    ROTATE = "rotate"
    STATUS = "status"


class NotRunning(Exception):
    """Nobody listens at this socket; ``str()`` is a line for people."""


class BadRequest(Exception):
    """What came is no request of ours."""


@dataclass(slots=True)
class Answer:
    ok: bool = True
    lines: list[str] = field(default_factory=list)
    programs: list[dict[str, Any]] = field(default_factory=list)


class Inquiry:
    """One connection, of which only a line is read and only a line is written."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self.socket = sock
        self._data = b""

    def receive(self) -> tuple[Verb, list[str]] | None:
        """What is asked for; None until all of it has come.  Raises BadRequest, also where nobody asks."""
        try:
            data = self.socket.recv(_REQUEST_MAX)
        except BlockingIOError:
            return None
        except OSError as error:
            raise BadRequest(str(error)) from error
        self._data += data
        line, newline, _ = self._data.partition(b"\n")
        if not newline:
            if not data or len(self._data) > _REQUEST_MAX:
                raise BadRequest("no line")
            return None
        try:
            request = json.loads(line)
            return Verb(request["verb"]), [str(name) for name in request["names"]]
        except (ValueError, KeyError, TypeError) as error:
            raise BadRequest(f"no request: {error}") from error

    def answer(self, answer: Answer) -> None:
        """And end.  Who does not read loses the end of it: a status fits into what a socket holds."""
        text = {"ok": answer.ok, "lines": answer.lines, "programs": answer.programs}
        try:
            self.socket.send(json.dumps(text).encode() + b"\n")
        except OSError:
            pass  # who asked is gone, and what was asked for has been done
        finally:
            self.socket.close()


def ask(path: Path, verb: Verb, names: Sequence[str], patience: float) -> Answer:
    """Raises NotRunning, or OSError: the socket is not for this user, or there was no answer in time."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(patience)
        try:
            sock.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError) as error:
            raise NotRunning(
                f"skitaid does not run: nobody listens at {path}; start it: skitaid start, "
                "or say --home DIR if it has another"
            ) from error
        sock.sendall(json.dumps({"verb": verb.value, "names": list(names)}).encode() + b"\n")
        data = b""
        while piece := sock.recv(65536):
            data += piece
    if not data:
        raise NotRunning("skitaid ended before it answered")
    try:
        told = json.loads(data)
    except ValueError as error:
        raise OSError("its answer broke off") from error
    return Answer(told["ok"], told["lines"], told["programs"])
