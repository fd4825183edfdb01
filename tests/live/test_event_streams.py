"""Server-sent events end with the server, and are not cut."""

from __future__ import annotations

import re
import signal
import sys

import pytest
import requests

from tests.live.program import Serve
from tests.live.test_master import has_workers

APP = "tests.live.apps.events:app"


@pytest.mark.parametrize("threads", ["0", "4"])
@pytest.mark.parametrize("path", ["/events", "/async"])
def test_a_stream_ends_behind_an_event_when_the_server_stops(serve: Serve, threads: str, path: str) -> None:
    server = serve(APP, "--threads", threads)
    with requests.get(server.url + path, stream=True, timeout=10) as answer:
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        lines = answer.iter_lines()
        assert next(lines) == b"id: 0"
        server.send_signal(signal.SIGTERM)
        # A body that was cut would raise here (ChunkedEncodingError).
        rest = b"\n".join([b"id: 0", *lines, b""])
    assert re.fullmatch(rb"(id: \d+\ndata: \d+\n\n?)+", rest), rest[-100:]
    assert server.wait(5) == 0
    assert "closed" in server.stderr_text()
    assert "were cut" not in server.console_text()


def test_what_has_an_end_comes_to_it(serve: Serve) -> None:
    server = serve(APP)
    with requests.get(f"{server.url}/plain", stream=True, timeout=10) as answer:
        lines = answer.iter_lines()
        assert next(lines) == b"0"
        server.send_signal(signal.SIGTERM)
        assert [line for line in lines if line] == [str(number).encode() for number in range(1, 50)]


@pytest.mark.skipif(sys.platform == "win32", reason="there is no master on Windows")
def test_a_reload_ends_streams_too(serve: Serve) -> None:
    server = serve(APP, "--processes", "2")
    has_workers(server, 2)
    with requests.get(f"{server.url}/events", stream=True, timeout=10) as answer:
        lines = answer.iter_lines()
        next(lines)
        server.send_signal(signal.SIGHUP)
        *_, last, empty = lines
    assert (last[:6], empty) == (b"data: ", b"")
