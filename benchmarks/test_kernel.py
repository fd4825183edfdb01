"""The http1 kernel alone: the price of a head, of a head made an environ, of a whole request, of chunks;
and the same from the client's end.

``make bench`` measures; `make test` runs each once, so that they do not rot.  h11 is the
yardstick of the pure build, not a rival: the one other sans-I/O HTTP/1.1 that is strict and pure
Python.  httptools is the one of the compiled build: a C parser (llhttp) that calls back for each
field, as uvicorn uses it.  Its environ is made here as one would by hand, with the same keys and
the same values as ours, which a test compares; that it checks less (Host, for one) is
not counted.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote_to_bytes

import h11
import httptools
import pytest

from skitai._kernels import http1, percent_decode
from skitai.core.environ import build_environ, make_template
from skitai.limits import Limits

compiled: Any
try:
    from skitai._speedups import heads as compiled
    from skitai._speedups.responses import read_response_head
except ImportError:
    compiled = None

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
TEMPLATE = make_template(threads=4, processes=1, errors=None, was=None)
CLIENT = ("127.0.0.1", 40000)
SERVER = ("127.0.0.1", 5000)

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


def environ_connection(head: bytes) -> dict[str, Any]:
    return environ_of(parse_ours(head))


def environ_kernel(head: bytes) -> dict[str, Any]:
    """Without a connection and its states, of which httptools has none."""
    request, _ = compiled.read_request_head(head, 0, LIMITS)
    return environ_of(request)


def environ_of(request: http1.RequestHead) -> dict[str, Any]:
    return build_environ(
        TEMPLATE,
        request,
        script_name="",
        path_info=percent_decode(request.path).decode("latin-1"),
        client=CLIENT,
        scheme="http",
        host=request.host,
        server=SERVER,
    )


class HttptoolsEnviron:
    """The callbacks of ``httptools.HttpRequestParser``; ``environ`` is complete after the head."""

    keys: dict[bytes, str] = {}  # noqa: RUF012 (of all requests, as the table of ours)

    def __init__(self) -> None:
        self.environ = TEMPLATE.copy()
        self.url = b""

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        key = self.keys.get(name) or self.learn(name)
        text = value.decode("latin-1")
        known = self.environ.get(key)
        if known is not None:
            text = f"{known}; {text}" if key == "HTTP_COOKIE" else f"{known}, {text}"
        self.environ[key] = text

    def learn(self, name: bytes) -> str:
        key = name.decode("latin-1").upper().replace("-", "_")
        if key not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
            key = f"HTTP_{key}"
        self.keys[name] = key
        return key

    def finish(self, parser: httptools.HttpRequestParser) -> dict[str, Any]:
        environ = self.environ
        target = self.url.decode("latin-1")
        path, _, query = self.url.partition(b"?")
        host, _, port = environ["HTTP_HOST"].lower().partition(":")
        environ["REQUEST_METHOD"] = parser.get_method().decode("latin-1")
        environ["SCRIPT_NAME"] = ""
        environ["PATH_INFO"] = unquote_to_bytes(path).decode("latin-1")
        environ["QUERY_STRING"] = query.decode("latin-1")
        environ["REQUEST_URI"] = environ["RAW_URI"] = target
        environ["SERVER_PROTOCOL"] = f"HTTP/{parser.get_http_version()}"
        environ["SERVER_NAME"] = host
        environ["SERVER_PORT"] = port or "80"
        environ["REMOTE_ADDR"] = CLIENT[0]
        environ["REMOTE_PORT"] = str(CLIENT[1])
        environ["wsgi.url_scheme"] = "http"
        return environ


def environ_httptools(head: bytes) -> dict[str, Any]:
    making = HttptoolsEnviron()
    parser = httptools.HttpRequestParser(making)
    parser.feed_data(head)
    return making.finish(parser)


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


@heads
@pytest.mark.benchmark(group="environ")
def test_environ_connection(benchmark: Any, head: bytes) -> None:
    assert benchmark(environ_connection, head) == environ_httptools(head)


@pytest.mark.skipif(compiled is None, reason="no extensions are built here")
@heads
@pytest.mark.benchmark(group="environ")
def test_environ_kernel(benchmark: Any, head: bytes) -> None:
    assert benchmark(environ_kernel, head) == environ_httptools(head)


@heads
@pytest.mark.benchmark(group="environ")
def test_environ_httptools(benchmark: Any, head: bytes) -> None:
    assert benchmark(environ_httptools, head)["REQUEST_METHOD"] == "GET"


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


@pytest.mark.skipif(compiled is None, reason="no extensions are built here")
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
