"""How it ends: Ctrl-C, a second Ctrl-C, SIGTERM, and as the first process of a container."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest

from tests.live.program import LiveServer, Serve
from tests.live.wire import Wire
from tests.waiting import takes_less_than, wait_until

APP = "tests.live.apps.blocking:app"


def begin(server: LiveServer, until: float | Path) -> Wire:
    """A request that stays in its handler for so long, or until there is such a file; returns once it is
    there."""
    wire = server.connect()
    wire.request("GET", f"/until?{until}" if isinstance(until, Path) else f"/sleep?{until}")
    server.wait_for_text(f"begun {until}")
    return wire


def pressed_till_ended(server: LiveServer) -> float:
    """Seconds from Ctrl-C to the end."""
    pressed = time.monotonic()
    server.press_ctrl_c()
    assert server.wait() == 130
    took = time.monotonic() - pressed
    assert "Traceback" not in server.console_text()
    return took


# --- Ctrl-C


@pytest.mark.parametrize("threads", ["0", "4"])
def test_ctrl_c_ends_an_idle_server(serve: Serve, threads: str) -> None:
    def end() -> float:
        server = serve(APP, "--threads", threads)
        with server.connect() as wire:
            wire.get("/")
            return pressed_till_ended(server)

    takes_less_than(1.2, end)


@pytest.mark.parametrize("threads", ["0", "4"])
def test_ctrl_c_ends_within_a_second_with_a_handler_blocked(serve: Serve, threads: str) -> None:
    def end() -> float:
        server = serve(APP, "--threads", threads, "--response-timeout", "100")
        with begin(server, 60):
            return pressed_till_ended(server)

    takes_less_than(1.2, end)


def test_ctrl_c_does_not_wait_for_threads_of_the_application(serve: Serve) -> None:
    def end() -> float:
        server = serve(APP)
        with server.connect() as wire:
            wire.get("/thread")
        return pressed_till_ended(server)

    takes_less_than(1.2, end)


def test_a_second_ctrl_c_ends_at_once(serve: Serve) -> None:
    def end() -> float:
        server = serve(APP)
        with begin(server, 60):
            server.press_ctrl_c()
            server.wait_for_text("(?i)interrupted|stopping")
            return pressed_till_ended(server)

    takes_less_than(0.3, end)


# --- SIGTERM


def test_term_lets_running_requests_finish(serve: Serve, tmp_path: Path) -> None:
    server = serve(APP)
    with begin(server, tmp_path / "enough") as wire:
        server.send_signal(signal.SIGTERM)
        wait_until(server.refuses_connections, what="the listening socket is closed")
        (tmp_path / "enough").touch()
        reply = wire.read_reply()
        assert reply.status == 200
        assert reply.get("Connection") == "close"
    assert server.wait(10) == 0
    assert "Traceback" not in server.console_text()


def test_term_closes_idle_connections_at_once(serve: Serve) -> None:
    server = serve(APP, "--keep-alive", "60")
    with server.connect() as wire:
        wire.get("/")
        server.send_signal(signal.SIGTERM)
        assert wire.is_closed()
    assert server.wait(10) == 0


def test_term_waits_no_longer_than_shutdown_timeout(serve: Serve) -> None:
    server = serve(APP, "--shutdown-timeout", "300ms")
    with begin(server, 60):
        begun = time.monotonic()
        server.stop(signal.SIGTERM)
    assert 0.2 < time.monotonic() - begun < 15


def test_ctrl_c_cuts_a_drain_short(serve: Serve) -> None:
    def end() -> float:
        server = serve(APP)
        with begin(server, 60):
            server.send_signal(signal.SIGTERM)
            wait_until(server.refuses_connections)
            return pressed_till_ended(server)

    takes_less_than(1.2, end)


# --- in a container


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_as_process_1_signals_are_obeyed(
    serve: Serve,
    require_program: Callable[[str], str],
    missing: Callable[[str], NoReturn],
    number: int,
    status: int,
) -> None:
    """The kernel drops a signal to process 1 that has no handler: the default would not end it."""
    namespace = (require_program("unshare"), "--pid", "--fork", "--kill-child")
    if subprocess.run([*namespace, "true"], capture_output=True).returncode:
        missing("the right to make a process namespace")
    server = serve(APP, prefix=namespace)
    with server.connect() as wire:
        assert json.loads(wire.get("/").body)["pid"] == 1
        outer = server.process.pid
        [child] = Path(f"/proc/{outer}/task/{outer}/children").read_text().split()
        # unshare reports its child's exit status as its own.
        subprocess.run(["kill", f"-{int(number)}", child], check=True)
        assert server.wait(10) == status
