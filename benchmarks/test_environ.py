"""From the bytes of a request to its WSGI environ, beside httptools doing the same.

httptools is a C parser (llhttp) that calls back for each field, as uvicorn uses it: one parser for
a connection, fed request after request.  Its environ is made here as one would by hand, with the
same keys and the same values as ours, which each test compares; that it checks less (Host, for
one) is not counted.

Of ours there are three ways: the lane's, which nearly every request takes in the compiled engine;
the head's own, which the general connection takes; and that with the connection and its states,
the only one of the pure build.

What is measured is a connection's requests in their order.  ``hello`` and ``browser`` are the same
ones again and again, of which ours keeps what it made; of ``visit`` path, query and cookie are new
each time, and of ``strangers`` the value of every field is.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import unquote_to_bytes

import httptools
import pytest

from benchmarks.test_kernel import BROWSER, HELLO
from skitai import was
from skitai._kernels import http1, percent_decode
from skitai.core.apps import MountedApp
from skitai.core.config import for_app
from skitai.core.environ import build_environ, make_template
from skitai.core.forwarded import UNTRUSTED_FIELDS
from skitai.core.lanes import LaneCallbacks, make_lane
from skitai.core.routes import RouteTable
from skitai.counters import private_row
from skitai.limits import Limits

compiled: Any
try:
    from skitai._speedups import heads as compiled
    from skitai._speedups.lanes import EnvironReader, Lanes
    from skitai._speedups.loop import EventLoop
except ImportError:
    compiled = None

REQUESTS = 256  # of a round
LIMITS = Limits()
TEMPLATE = make_template(threads=4, processes=1, errors=None, was=None)
CLIENT = ("127.0.0.1", 40000)
SERVER = ("127.0.0.1", 5000)

Reader = Callable[[bytes], "dict[str, Any] | None"]


def visit(number: int) -> bytes:
    """One of the pages that one visitor looks at."""
    return BROWSER.replace(b"/11?sort=new", b"/%d?page=%d" % (number % 12, number)).replace(
        b"8f1c0e2b7d", b"%010x" % (number * 7919)
    )


def stranger(number: int) -> bytes:
    """A request of which no field but Host, Connection and what HTTP itself says was there before."""
    lines = visit(number).split(b"\r\n")
    for index, line in enumerate(lines):
        if line and not line.startswith((b"GET ", b"Host:", b"Connection:")):
            lines[index] = line + b"; n=%d" % number
    return b"\r\n".join(lines)


REQUESTS_OF: dict[str, list[bytes]] = {
    "hello": [HELLO] * REQUESTS,
    "browser": [BROWSER] * REQUESTS,
    "visit": [visit(number) for number in range(REQUESTS)],
    "strangers": [stranger(number) for number in range(REQUESTS)],
}


def lane_reader() -> Reader:
    """Its lane is a real one; of the engine it has what the lanes of one ask for."""

    def lane(host: str, path: str, info: Any) -> Any:
        return make_lane(
            mount,
            app,
            TEMPLATE,
            host=host,
            scheme="http",
            server=SERVER,
            slot=0,
            ids=None,
            body_memory_max=LIMITS.body_memory_max,
            callbacks=LaneCallbacks(was.BINDING, None, print, print),
        )

    (mount,) = RouteTable.of(for_app("benchmarks.apps:hello", base=Path(__file__).parents[1])).mounts
    app = MountedApp(mount.target)  # type: ignore[arg-type]  # an application's
    app.load()
    service = SimpleNamespace(depth=0, lane=lane, log=None, learned=print)
    engine = SimpleNamespace(limits=LIMITS, service=service, loop=EventLoop(print), counts=private_row())
    return EnvironReader(Lanes(engine), None, CLIENT[0], str(CLIENT[1])).read


def kernel_reader() -> Reader:
    """Without a connection and its states, of which httptools has none."""
    return lambda data: environ_of(compiled.read_request_head(data, 0, LIMITS)[0])


def connection_reader() -> Reader:
    connection = http1.ServerConnection(LIMITS)

    def read(data: bytes) -> dict[str, Any]:
        connection.receive_data(data)
        head = connection.next_event()
        connection.next_event()
        connection.send_response(200, [("Content-Length", "0")])
        connection.end_of_message()
        connection.start_next_cycle()
        assert isinstance(head, http1.RequestHead)
        return environ_of(head)

    return read


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
        withheld=UNTRUSTED_FIELDS,
    )


class HttptoolsEnviron:
    """The callbacks of ``httptools.HttpRequestParser``; ``environ`` is complete after the head."""

    keys: dict[bytes, str] = {}  # noqa: RUF012 (of all requests, as the table of ours)

    def on_message_begin(self) -> None:
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


def httptools_reader() -> Reader:
    making = HttptoolsEnviron()
    parser = httptools.HttpRequestParser(making)

    def read(data: bytes) -> dict[str, Any]:
        parser.feed_data(data)
        return making.finish(parser)

    return read


needs_extensions = pytest.mark.skipif(compiled is None, reason="no extensions are built here")
READERS = [
    pytest.param(lane_reader, id="lane", marks=needs_extensions),
    pytest.param(kernel_reader, id="kernel", marks=needs_extensions),
    pytest.param(connection_reader, id="connection"),
    pytest.param(httptools_reader, id="httptools"),
]


@pytest.mark.parametrize("kind", REQUESTS_OF)
@pytest.mark.parametrize("make_reader", READERS)
def test_environ(benchmark: Any, make_reader: Callable[[], Reader], kind: str) -> None:
    """The time is that of `REQUESTS` requests."""
    requests = REQUESTS_OF[kind]
    read = make_reader()
    theirs = httptools_reader()

    def read_all() -> None:
        for request in requests:
            read(request)

    benchmark.group = f"environ of {REQUESTS}: {kind}"
    benchmark(read_all)
    for request in requests[::16]:
        environ = read(request)
        assert environ is not None
        environ.pop("skitai.response_timeout", None)  # a mount's: here only the lane has one
        assert environ == theirs(request)
