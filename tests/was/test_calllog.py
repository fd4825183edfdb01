"""Requests to others in the log: which of them, at which level, and with what in the line."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from skitai import was

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
HERE = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}


class Missing(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_error(404)

    def log_message(self, format: str, *args: object) -> None:
        """The test's console is not for this."""


@pytest.fixture
def url() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Missing) as server:
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/find?key=secret"
        server.shutdown()


def lines(caplog: pytest.LogCaptureFixture, url: str) -> list[str]:
    caplog.clear()
    was.get(url, headers=HERE).getwait(5)
    was.get("http://hans:secret@127.0.0.1:1/gone?key=secret").getwait(5)
    assert {record.name for record in caplog.records} <= {"skitai.was"}
    return [f"{record.levelname} {record.getMessage()}" for record in caplog.records]


def test_failures_at_info_and_all_at_debug(caplog: pytest.LogCaptureFixture, url: str) -> None:
    assert lines(caplog, url) == []
    failed = r"INFO GET http://127\.0\.0\.1:1/gone \d+ms: no connection to 127\.0\.0\.1:1: .*refused"
    with caplog.at_level(logging.INFO, "skitai.was"):
        (line,) = lines(caplog, url)
        assert re.fullmatch(failed, line)
    with caplog.at_level(logging.DEBUG, "skitai.was"):
        answered, line = lines(caplog, url)
        assert re.fullmatch(failed, line)
    where = re.escape(url.partition("?")[0])
    assert re.fullmatch(rf"DEBUG GET {where} \d+ms trace={TRACE} span=00f067aa0ba902b7: 404", answered)


def test_what_nobody_wants_any_more_is_no_failure(caplog: pytest.LogCaptureFixture, url: str) -> None:
    with caplog.at_level(logging.DEBUG, "skitai.was"):
        call = was.get(url)
        call.cancel()
        assert call.getwait(5).status in (0, 3)  # it may have been answered by then
        assert [record.levelno for record in caplog.records] == [logging.DEBUG]
