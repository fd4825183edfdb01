"""The http1 kernel alone: the price of a head, of a whole request, of chunks; and the same from the
client's end.  The price of an environ is in ``test_environ.py``.

``make bench`` measures; `make test` runs each once, so that they do not rot.  h11 is the
yardstick of the pure build, not a rival: the one other sans-I/O HTTP/1.1 that is strict and pure
Python.  httptools is the one of the compiled build: a C parser (llhttp) that calls back for each
field, as uvicorn uses it.
"""

from __future__ import annotations

from typing import Any

import h11
import httptools
import pytest

from skitai._kernels import http1
from skitai.limits import Limits

read_response_head: Any
try:
    from skitai._speedups.responses import read_response_head
except ImportError:
    read_response_head = None

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

RESPONSE = (
    b"HTTP/1.1 200 OK\r\n"
    b"Server: nginx/1.22.1\r\n"
    b"Date: Sun, 22 Nov 2026 12:00:00 GMT\r\n"
    b"Content-Type: text/html; charset=utf-8\r\n"
    b"Content-Length: 12\r\n"
    b"Last-Modified: Sat, 21 Nov 2026 08:00:00 GMT\r\n"
    b"Connection: keep-alive\r\n"
    b'ETag: "6744f5b0-c"\r\n'
    b"Cache-Control: max-age=60\r\n"
    b"Vary: Accept-Encoding\r\n"
    b"Accept-Ranges: bytes\r\n"
    b"\r\n"
)
ASKED = [("Host", "www.example.com"), ("User-Agent", "skitai"), ("Accept", "*/*")]

CHUNKED_HEAD = b"POST /upload HTTP/1.1\r\nHost: 127.0.0.1:5000\r\nTransfer-Encoding: chunked\r\n\r\n"
SMALL_CHUNKS = b"1\r\nx\r\n" * 1000 + b"0\r\n\r\n"
LARGE_CHUNKS = (b"1000\r\n" + bytes(4096) + b"\r\n") * 15 + b"0\r\n\r\n"

FIELDS = [("Content-Type", "text/plain"), ("Content-Length", "12"), ("Date", "Sun, 22 Nov 2026 12:00:00 GMT")]
BODY = b"Hello World\n"
LIMITS = Limits()

heads = pytest.mark.parametrize("head", [HELLO, BROWSER], ids=["hello", "browser"])
chunks = pytest.mark.parametrize("body", [SMALL_CHUNKS, LARGE_CHUNKS], ids=["1000 of 1 B", "15 of 4 KiB"])


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


def answer_ours() -> Any:
    connection = http1.ClientConnection(LIMITS)
    connection.send_request("GET", "/", ASKED)
    connection.end_of_message()
    connection.receive_data(RESPONSE)
    return connection.next_event()


def answer_h11() -> Any:
    connection = h11.Connection(h11.CLIENT)
    connection.send(h11.Request(method="GET", target="/", headers=ASKED))
    connection.send(h11.EndOfMessage())
    connection.receive_data(RESPONSE)
    return connection.next_event()


def answer_kernel() -> tuple[int, str, list[tuple[str, str]]]:
    """Without a connection and its states, of which httptools has none."""
    found = read_response_head(RESPONSE, 0, LIMITS, "GET")
    assert found is not None
    head = found[0]
    return head.status, head.reason, head.headers


class HttptoolsAnswer:
    """The callbacks of ``httptools.HttpResponseParser``."""

    def __init__(self) -> None:
        self.reason = ""
        self.headers: list[tuple[str, str]] = []

    def on_status(self, status: bytes) -> None:
        self.reason += status.decode("latin-1")

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.decode("latin-1"), value.decode("latin-1")))


def answer_httptools() -> tuple[int, str, list[tuple[str, str]]]:
    reading = HttptoolsAnswer()
    parser = httptools.HttpResponseParser(reading)
    parser.feed_data(RESPONSE)
    return parser.get_status_code(), reading.reason, reading.headers


def ask_ours(connection: http1.ClientConnection) -> bytes:
    connection.send_request("GET", "/", ASKED)
    connection.end_of_message()
    connection.receive_data(RESPONSE + BODY)
    connection.next_event()
    data = connection.next_event()
    connection.next_event()
    connection.start_next_cycle()
    assert isinstance(data, http1.Data)
    return data.data


def ask_h11(connection: h11.Connection) -> bytes:
    connection.send(h11.Request(method="GET", target="/", headers=ASKED))
    connection.send(h11.EndOfMessage())
    connection.receive_data(RESPONSE + BODY)
    connection.next_event()
    data = connection.next_event()
    connection.next_event()
    connection.start_next_cycle()
    assert isinstance(data, h11.Data)
    return bytes(data.data)


def upload_ours(body: bytes) -> int:
    connection = http1.ServerConnection(LIMITS)
    connection.receive_data(CHUNKED_HEAD)
    connection.next_event()
    connection.receive_data(body)
    length = 0
    while isinstance(event := connection.next_event(), http1.Data):
        length += len(event.data)
    assert isinstance(event, http1.EndOfMessage)
    return length


def upload_h11(body: bytes) -> int:
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(CHUNKED_HEAD)
    connection.next_event()
    connection.receive_data(body)
    length = 0
    while isinstance(event := connection.next_event(), h11.Data):
        length += len(event.data)
    assert isinstance(event, h11.EndOfMessage)
    return length


class HttptoolsUpload:
    """The callbacks of ``httptools.HttpRequestParser`` that a body needs."""

    def __init__(self) -> None:
        self.length = 0
        self.complete = False

    def on_body(self, data: bytes) -> None:
        self.length += len(data)

    def on_message_complete(self) -> None:
        self.complete = True


def upload_httptools(body: bytes) -> int:
    reading = HttptoolsUpload()
    parser = httptools.HttpRequestParser(reading)
    parser.feed_data(CHUNKED_HEAD)
    parser.feed_data(body)
    assert reading.complete
    return reading.length


@pytest.mark.benchmark(group="response head")
def test_answer(benchmark: Any) -> None:
    head = benchmark(answer_ours)
    assert (head.status, head.reason, head.headers) == answer_httptools()


@pytest.mark.benchmark(group="response head")
def test_answer_h11(benchmark: Any) -> None:
    assert benchmark(answer_h11).status_code == 200


@pytest.mark.skipif(read_response_head is None, reason="no extensions are built here")
@pytest.mark.benchmark(group="response head")
def test_answer_kernel(benchmark: Any) -> None:
    assert benchmark(answer_kernel) == answer_httptools()


@pytest.mark.benchmark(group="response head")
def test_answer_httptools(benchmark: Any) -> None:
    assert benchmark(answer_httptools)[0] == 200


@pytest.mark.benchmark(group="client's cycle")
def test_ask(benchmark: Any) -> None:
    assert benchmark(ask_ours, http1.ClientConnection(LIMITS)) == BODY


@pytest.mark.benchmark(group="client's cycle")
def test_ask_h11(benchmark: Any) -> None:
    assert benchmark(ask_h11, h11.Connection(h11.CLIENT)) == BODY


@chunks
@pytest.mark.benchmark(group="chunks")
def test_upload(benchmark: Any, body: bytes) -> None:
    assert benchmark(upload_ours, body) == upload_httptools(body)


@chunks
@pytest.mark.benchmark(group="chunks")
def test_upload_h11(benchmark: Any, body: bytes) -> None:
    assert benchmark(upload_h11, body) == upload_httptools(body)


@chunks
@pytest.mark.benchmark(group="chunks")
def test_upload_httptools(benchmark: Any, body: bytes) -> None:
    assert benchmark(upload_httptools, body) in (1000, 15 * 4096)
