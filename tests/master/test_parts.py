"""The parts of the master, each alone; as a whole: tests/live/test_master.py."""

from __future__ import annotations

import os
import selectors
import socket
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from skitai.backoff import STEADY, BackOff
from skitai.core.config import Address, ListenSettings, load
from skitai.core.listeners import BindError
from skitai.launch import Launch
from skitai.orders import Order, Report, Talk, WorkerOrders

if sys.platform != "win32":
    from skitai.master.child import Child, Phase, describe_end
    from skitai.master.relay import Line, Relay
    from skitai.master.sockets import Sockets

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no master on Windows")


# --- back-off


def test_what_served_for_a_while_is_replaced_at_once() -> None:
    backoff = BackOff(30.0)
    assert backoff.ended(100.0, STEADY) == 0.0
    assert backoff.until == 100.0


def test_rests_double_up_to_the_longest() -> None:
    backoff = BackOff(3.0)
    assert [backoff.ended(100.0, 0.0) for _ in range(6)] == [0.25, 0.5, 1.0, 2.0, 3.0, 3.0]
    assert backoff.until == 103.0
    backoff.ended(200.0, STEADY)
    assert backoff.ended(200.0, 0.1) == 0.25


def test_a_longest_rest_of_nothing_is_obeyed() -> None:
    assert [BackOff(0.0).ended(1.0, 0.0) for _ in range(3)] == [0.0] * 3


# --- messages


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_messages_may_come_in_pieces(size: int) -> None:
    heard: list[tuple[str, Any]] = []
    talk = Talk(lambda word, value: heard.append((word, value)))
    data = Talk.message(Report.READY, ["a b\nc", "ü"]) + Talk.message(Order.RETIRE) + b"serv"
    for start in range(0, len(data), size):
        talk.receive(data[start : start + size])
    assert heard == [("ready", ["a b\nc", "ü"]), ("retire", None)]


def test_orders_are_read_as_they_were_written(tmp_path: Path) -> None:
    launch = Launch(
        Path("/a/b.conf"), "", {"threads": "3"}, "b", None, Path("/mail"), text="[server]\n; ü\n" * 100_000
    )
    orders = WorkerOrders(launch.to_json(), [7, 8], 9, 10, 11, [["default", "/"]], 12, 1, 30.0)
    descriptor = os.open(tmp_path / "orders", os.O_RDWR | os.O_CREAT)
    orders.write(descriptor)
    found = WorkerOrders.read(descriptor)
    assert found == orders
    assert Launch.from_json(found.launch) == launch
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)


# --- one worker


def line_of(sock: socket.socket) -> Line:
    return Line(Relay(selectors.DefaultSelector(), 0, print), sock, 1, "worker", 1)


def test_moves_that_make_no_sense_are_refused() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        child = Child(1, ours, line_of(ours), 1, 1, 0.0)
        with pytest.raises(RuntimeError, match="BOOTING to RETIRING"):
            child.move(Phase.RETIRING)


def test_an_order_to_one_that_does_not_listen_waits_for_nobody() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        child = Child(1, ours, line_of(ours), 1, 1, 0.0)
        for _ in range(100_000):
            child.order(Order.REOPEN)
        theirs.close()
        child.order(Order.REOPEN)


def test_an_end_in_words() -> None:
    assert describe_end(3 << 8) == "ended with exit code 3"
    assert describe_end(9) == "was ended by SIGKILL"
    assert describe_end(120) == "was ended by signal 120"


# --- sockets


def listener(path: Path | None = None, *, port: int = 0) -> ListenSettings:
    address = Address("127.0.0.1", port) if path is None else Address(path=path)
    return replace(load(None).listeners[0], name="x", address=address, backlog=5)


def test_what_stays_is_the_same_socket(tmp_path: Path) -> None:
    sockets = Sockets()
    a, b = listener(tmp_path / "a"), listener(tmp_path / "b")
    first = sockets.bind([listener(), listener(), a])
    second = sockets.bind([listener(), b, listener(), replace(a, socket_mode=0o600)])
    assert [second[0], second[2], second[3]] == first
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o600
    sockets.keep_only([listener(), b])
    assert second[2].fileno() == second[3].fileno() == -1
    assert not (tmp_path / "a").exists()
    sockets.close()
    assert second[0].fileno() == second[1].fileno() == -1
    assert not list(tmp_path.iterdir())


def test_a_failure_leaves_all_as_it_was(tmp_path: Path) -> None:
    sockets = Sockets()
    (first,) = sockets.bind([listener()])
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(BindError):
        sockets.bind([listener(), listener(tmp_path / "a"), listener(port=taken.getsockname()[1])])
    assert not (tmp_path / "a").exists()
    assert first.fileno() >= 0
    assert sockets.bind([listener()]) == [first]
    sockets.close()
