"""The http1 kernel alone, beside h11: the price of a head and of a whole request.

``make bench`` measures; `make test` runs each once, so that they do not rot.  h11 is the
yardstick, not a rival: the one other sans-I/O HTTP/1.1 that is strict and pure Python.
"""

from __future__ import annotations

from typing import Any

import h11
import pytest

from skitai._kernels import http1
from skitai.limits import Limits

HELLO = b"GET /hello HTTP/1.1\r\nHost: 127.0.0.1:5000\r\n\r\n"

BROWSER = (
    b"GET /articles/2026/11?sort=new HTTP/1.1\r\n"
    b"Host: www.example.com\r\n"
    b"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0\r\n"
    b"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n"
    b"Accept-Language: en-US,en;q=0.5\r\n"
    b"Accept-Encoding: gzip, deflate, br, zstd\r\n"
    b"Referer: https://www.example.com/articles/\r\n"
    b"Connection: keep-alive\r\n"
    b"Cookie: session=8f1c0e2b7d; theme=dark; seen=1\r\n"
    b"Upgrade-Insecure-Requests: 1\r\n"
    b"Sec-Fetch-Dest: document\r\n"
    b"Sec-Fetch-Mode: navigate\r\n"
    b"Sec-Fetch-Site: same-origin\r\n"
    b"Priority: u=0, i\r\n"
    b"\r\n"
)

FIELDS = [("Content-Type", "text/plain"), ("Content-Length", "12"), ("Date", "Sun, 22 Nov 2026 12:00:00 GMT")]
BODY = b"Hello World\n"
LIMITS = Limits()

heads = pytest.mark.parametrize("head", [HELLO, BROWSER], ids=["hello", "browser"])


def parse_ours(head: bytes) -> Any:
    connection = http1.ServerConnection(LIMITS)
    connection.receive_data(head)
    return connection.next_event()


def parse_h11(head: bytes) -> Any:
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(head)
    return connection.next_event()


def cycle_ours(connection: http1.ServerConnection) -> bytes:
    connection.receive_data(HELLO)
    connection.next_event()
    connection.next_event()
    answer = connection.send_response(200, FIELDS) + connection.send_data(BODY) + connection.end_of_message()
    connection.start_next_cycle()
    return answer


def cycle_h11(connection: h11.Connection) -> bytes:
    connection.receive_data(HELLO)
    connection.next_event()
    connection.next_event()
    events = [h11.Response(status_code=200, headers=FIELDS), h11.Data(data=BODY), h11.EndOfMessage()]
    answer = b"".join(connection.send(event) or b"" for event in events)
    connection.start_next_cycle()
    return answer


@heads
@pytest.mark.benchmark(group="head")
def test_head(benchmark: Any, head: bytes) -> None:
    parsed = benchmark(parse_ours, head)
    assert parsed.method == "GET"
    assert len(parsed.headers) == head.count(b"\r\n") - 2


@heads
@pytest.mark.benchmark(group="head")
def test_head_h11(benchmark: Any, head: bytes) -> None:
    parsed = benchmark(parse_h11, head)
    assert parsed.method == b"GET"
    assert len(parsed.headers) == head.count(b"\r\n") - 2


@pytest.mark.benchmark(group="cycle")
def test_cycle(benchmark: Any) -> None:
    assert benchmark(cycle_ours, http1.ServerConnection(LIMITS)).endswith(b"\r\n\r\n" + BODY)


@pytest.mark.benchmark(group="cycle")
def test_cycle_h11(benchmark: Any) -> None:
    assert benchmark(cycle_h11, h11.Connection(h11.SERVER)).endswith(b"\r\n\r\n" + BODY)
