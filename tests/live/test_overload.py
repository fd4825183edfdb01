"""More than the threads can do: the queue is short in number and time, memory stays, and it ends at once."""

from __future__ import annotations

import select
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.live.memory import KIB, MIB, resident
from tests.live.program import LiveServer, Serve
from tests.live.wire import Reply, Wire
from tests.waiting import wait_until

BLOCKING = "tests.live.apps.blocking:app"
#: Above what a body may have in memory by default it would go to a file.
BODY = b"x" * (200 * KIB)


def rush(server: LiveServer, stack: ExitStack, count: int, path: str) -> list[Wire]:
    wires = [stack.enter_context(server.connect()) for _ in range(count)]
    for wire in wires:
        wire.request("POST", path, f"Content-Length: {len(BODY)}")
        wire.send(BODY)
    return wires


def shed(replies: list[Reply]) -> int:
    refused = [reply for reply in replies if reply.status == 503]
    assert all(int(reply.get("Retry-After") or 0) > 0 for reply in refused)
    return len(refused)


def answered(wires: list[Wire]) -> list[Wire]:
    """Those that something has come for."""
    ready, _, _ = select.select([wire.sock for wire in wires], [], [], 0)
    return [wire for wire in wires if wire.sock in ready]


def is_served_at_once(server: LiveServer) -> bool:
    """Within the time of a request, not of a queue.  Another program may have had the processor once."""
    asked = time.monotonic()
    with server.connect() as wire:
        return wire.get("/").status == 200 and time.monotonic() - asked < 0.3


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_a_rush_is_shed_before_memory_grows(serve: Serve, tmp_path: Path) -> None:
    server = serve(BLOCKING, "--threads", "2", "--queue-max", "8", "--no-access-log")
    wait_until(lambda: is_served_at_once(server))
    before = resident(server)
    with ExitStack() as stack:
        enough = tmp_path / "enough"
        sleepers = rush(server, stack, 2, f"/until?{enough}")
        wait_until(lambda: server.stderr_text().count(f"begun {enough}") == 2)
        # All but those in the queue are answered while every thread is taken.  They come in waves: until a
        # body is whole it is the connection's, and how many are on their way at once is not the queue's.
        crowd: list[Wire] = []
        for wave in range(5):
            crowd += rush(server, stack, 30, "/")
            wait_until(lambda: len(answered(crowd)) == 30 * (wave + 1) - 8)  # noqa: B023
        assert not answered(sleepers)
        first = answered(crowd)
        assert shed([wire.read_reply() for wire in first]) == 142
        assert resident(server) - before < 20 * MIB, "150 bodies would be 29 MiB"
        enough.touch()
        statuses = [wire.read_reply().status for wire in [*sleepers, *(set(crowd) - set(first))]]
    assert statuses == [200] * 10
    wait_until(lambda: is_served_at_once(server))


def test_who_waits_too_long_is_shed_and_then_all_is_as_before(serve: Serve, tmp_path: Path) -> None:
    server = serve(BLOCKING, "--threads", "1", "--queue-timeout", "400ms", "--no-access-log")
    with ExitStack() as stack:
        enough = tmp_path / "enough"
        sleepers = rush(server, stack, 1, f"/until?{enough}")
        server.wait_for_text(f"begun {enough}")
        began = time.monotonic()
        # All of them while the only thread is taken.
        crowd = [wire.read_reply() for wire in rush(server, stack, 60, "/")]
        assert shed(crowd) == 60
        assert time.monotonic() - began > 0.3
        assert not answered(sleepers)
        enough.touch()
        assert sleepers[0].read_reply().status == 200
    wait_until(lambda: is_served_at_once(server))
