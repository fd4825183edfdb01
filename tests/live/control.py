"""A client that only wants a quick answer, while others abuse the server: `Control`.

It asks ten times a second, each time on a connection that it keeps and on a new one, and notes how
long it has to wait for the whole answer, connecting included.  It is a process of its own
(``python -m tests.live.control HOST PORT``): in the process of the abusers it would wait for their
turns at the interpreter, and blame the server.  Its standard input's end ends it, and it prints what
it saw.
"""

from __future__ import annotations

import json
import select
import socket
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.live.program import PACKAGE_HOME, LiveServer
from tests.live.wire import Truncated, Wire

INTERVAL = 0.1
#: Longer than any wait that a test allows, so that a long wait is told and not only that it was one.
TIMEOUT = 5.0


@dataclass
class Seen:
    asked: int = 0
    longest_wait: float = 0.0
    #: What the machine itself was late by: the longest that this process overslept.
    overslept: float = 0.0
    failures: list[str] = field(default_factory=list)


class Control:
    """``with Control(server) as control: ...``; afterwards ``control.seen``."""

    def __init__(self, server: LiveServer) -> None:
        self.seen = Seen()
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__, server.host, str(server.port)],
            cwd=Path(__file__).resolve().parents[2],
            env={"PYTHONPATH": str(PACKAGE_HOME)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Control:
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "asking\n", "the control client did not come up"
        return self

    def __exit__(self, *exc: object) -> None:
        said, _ = self._process.communicate(timeout=2 * TIMEOUT)
        self.seen = Seen(**json.loads(said))


def ask(wire: Wire, seen: Seen, asked_at: float) -> None:
    reply = wire.get("/")
    seen.asked += 1
    seen.longest_wait = max(seen.longest_wait, time.monotonic() - asked_at)
    if (reply.status, reply.body) != (200, b"hello"):
        seen.failures.append(f"{reply.status} {reply.body[:100]!r}")


def main(host: str, port: int) -> None:
    def connect() -> Wire:
        return Wire(socket.create_connection((host, port), timeout=TIMEOUT))

    seen = Seen()
    kept: Wire | None = None
    print("asking", flush=True)
    tick = time.monotonic()
    while not select.select([sys.stdin], [], [], max(0.0, tick - time.monotonic()))[0]:
        seen.overslept = max(seen.overslept, time.monotonic() - tick)
        try:
            asked_at = time.monotonic()
            kept = kept or connect()
            ask(kept, seen, asked_at)
            asked_at = time.monotonic()
            with connect() as new:
                ask(new, seen, asked_at)
        except (OSError, AssertionError, Truncated) as error:
            seen.failures.append(repr(error))
            kept = None
        tick = max(tick + INTERVAL, time.monotonic())
    print(json.dumps(asdict(seen)))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
