"""What one handler may never do to the others, or to the clocks, wherever it lasts.

Each of these was once so: the server died, was deaf, or forgot a clock.
"""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Callable

import pytest

from tests.live.program import Serve
from tests.live.wire import Truncated, Wire

APP = "tests.live.apps.lasting:app"


@pytest.mark.parametrize("threads", ["0", "1", "4"])
def test_a_child_process_of_the_application_does_no_harm(serve: Serve, threads: str) -> None:
    """It has copies of all connections: what is closed here is still open there, and the system goes
    on telling what comes from the client."""
    server = serve(APP, "--threads", threads)
    watcher = server.connect()
    others = [server.connect() for _ in range(20)]
    for wire in others:
        assert wire.get("/plain?token=a").status == 200
    assert watcher.get("/forks?token=a&before=3000").status == 200
    for wire in others:
        assert wire.get("/plain?token=a", "Connection: close").status == 200
    time.sleep(0.1)  # they are closed, and their memory is given away:
    assert watcher.get("/plain?token=a&size=100000").status == 200
    for wire in others:
        wire.send("GET / HTTP/1.1\r\n")
    time.sleep(0.1)
    assert watcher.get("/plain?token=a").status == 200
    assert server.process.poll() is None


@pytest.mark.parametrize("threads", ["0", "1", "4"])
def test_an_iterable_that_raises_when_asked_for_its_class_is_a_failed_request(
    serve: Serve, threads: str
) -> None:
    server = serve(APP, "--threads", threads)
    with server.connect() as wire:
        assert wire.get("/odd_class?token=a").status == 500
        assert wire.get("/plain?token=a").status == 200
    server.wait_for_text("asked for its class")


def test_two_slow_requests_of_different_kinds_leave_a_thread_for_a_third(serve: Serve) -> None:
    """The first is a job of a worker, the second lasts in the leader: somebody has to be left to lead."""
    server = serve(APP, "--threads", "4")
    with server.connect() as job, server.connect() as inline, server.connect() as third:
        job.request("GET", "/plain/a?token=a&before=5000", version="1.0")
        time.sleep(0.1)
        inline.request("GET", "/plain/b?token=b&before=5000")
        time.sleep(0.1)
        asked = time.monotonic()
        assert third.get("/plain/c?token=c").status == 200
        assert time.monotonic() - asked < 1.5


def test_a_crowd_that_comes_first_waits_in_all_threads_once_the_route_is_known(serve: Serve) -> None:
    """What stood in the queue by then went one by one, up to 503."""
    server = serve(APP, "--threads", "8")
    asked = time.monotonic()
    with contextlib.ExitStack() as stack:
        wires = [stack.enter_context(server.connect()) for _ in range(24)]
        for wire in wires:
            wire.request("GET", "/plain/a?token=a&before=300")
        assert [wire.read_reply().status for wire in wires] == [200] * 24
    assert time.monotonic() - asked < 3  # of 7.2 seconds of waiting


@pytest.mark.parametrize("kind", ["plain", "unsized", "stream"])
def test_response_timeout_of_a_mount_is_kept_for_a_call_that_lasts(serve_conf: Serve, kind: str) -> None:
    server = serve_conf(
        "[server]\nthreads = 4\nresponse_timeout = 30\n"
        f"[routes:line]\n/app = {APP}\n[mount /app]\nresponse_timeout = 500ms\n"
    )
    with server.connect() as wire:
        asked = time.monotonic()
        reply = wire.get(f"/app/{kind}?token=a&before=10000")
        assert reply.status == 503
        assert time.monotonic() - asked < 5


@pytest.mark.parametrize("threads", ["0", "4"])
def test_keep_alive_is_kept_behind_an_answer_that_was_not_plain(serve: Serve, threads: str) -> None:
    server = serve(APP, "--threads", threads, "--keep-alive", "300ms")
    with server.connect() as wire:
        wire.get("/plain?token=a")
        wire.get("/stream?token=a")
        answered = time.monotonic()
        assert wire.is_closed()
        assert 0.2 < time.monotonic() - answered < 2


@pytest.mark.parametrize("threads", ["0", "4"])
def test_the_end_of_a_client_that_pipelined_for_long_is_noticed(serve: Serve, threads: str) -> None:
    """It comes, with one more request, while the connection waits for its next turn."""
    server = serve(APP, "--threads", threads, "--keep-alive", "30")
    request = "GET /plain?token=a&before=0.05 HTTP/1.1\r\nHost: h\r\n\r\n"
    with server.connect() as wire:
        wire.send(request * 300)
        time.sleep(0.005)
        wire.send(request)
        wire.half_close()
        for _ in range(301):
            assert wire.read_reply().status == 200
        asked = time.monotonic()
        assert wire.is_closed()
        assert time.monotonic() - asked < 5


@pytest.mark.parametrize("threads", ["0", "1", "4"])
def test_a_thread_that_the_application_has_not_waited_for_harms_nobody(serve: Serve, threads: str) -> None:
    """It goes on with start_response and write() when the answer is being made, or was."""
    server = serve(APP, "--threads", threads)
    for kind in ("writes_late", "two_write"):
        for number in range(30):
            with server.connect() as wire, server.connect() as other:
                wire.request("GET", f"/{kind}?token=mine&size=5000&before={number / 20}&after={number / 20}")
                assert other.get("/plain?token=others&size=600").body == b"others" * 100
                _some_answer(wire)
    assert server.process.poll() is None
    assert "SystemError" not in server.console_text()
    assert server.stop(signal.SIGTERM) == 0


@pytest.mark.parametrize("threads", ["0", "1", "4"])
def test_a_client_that_leaves_while_write_waits_for_it_frees_the_thread(serve: Serve, threads: str) -> None:
    server = serve(APP, "--threads", threads)
    wires = [server.connect() for _ in range(max(1, int(threads) - 1))]  # one is the leader's
    for wire in wires:
        wire.request("GET", "/writes?token=a&size=20000000")
        assert wire.read_head().status == 200
    time.sleep(0.2)
    for wire in wires:
        wire.reset()
    left = time.monotonic()
    with server.connect() as wire:
        assert wire.get("/plain?token=a").status == 200
    assert time.monotonic() - left < 2


def _some_answer(wire: Wire) -> None:
    """Whole or cut: the application has spoilt it.  A timeout is no answer."""
    with contextlib.suppress(Truncated, ConnectionResetError):
        wire.read_reply()


def test_why_no_connection_can_be_accepted_is_in_the_log(
    serve: Serve, require_program: Callable[[str], str]
) -> None:
    prefix = (require_program("prlimit"), "--nofile=48:48")
    server = serve(APP, "--threads", "4", "--connections-max", "1000", prefix=prefix)
    wires = [server.connect() for _ in range(60)]
    server.wait_for_text("Too many open files")
    for wire in wires:
        wire.close()
    with server.connect() as wire:
        assert wire.get("/plain?token=a").status == 200
