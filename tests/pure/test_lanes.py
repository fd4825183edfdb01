"""The fast lane and the general connection give the same answers, bytes and words.

Two servers with ``threads = 0`` serve one application in this process: one by the engine of this
build, which has lanes if it is compiled, one by the pure engine, which has none.  Every request
goes to both, and everything that a client, the application or an operator can see is compared.
In the pure build both are the same, and the tests show that the comparison is fair.
"""

from __future__ import annotations

import asyncio
import gzip
import re
import socket
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from skitai import _kernels, was
from skitai._kernels import AccessRecord
from skitai._pure import engine as pure_engine
from skitai._pure.accessline import access_line
from skitai.core.apps import MountedApp
from skitai.core.bodies import Spool
from skitai.core.caching import CachePolicy
from skitai.core.compression import Compression
from skitai.core.config import for_app
from skitai.core.coroutines import Coroutines
from skitai.core.forwarded import TrustedProxies
from skitai.core.plans import ListenerInfo
from skitai.core.requestnotes import RequestNotes
from skitai.core.routes import RouteTable
from skitai.core.service import HttpService
from skitai.core.static import StaticFolder
from skitai.counters import Count, MountSlots, private_row
from skitai.limits import Limits
from tests.live.apps import lanes as kinds
from tests.pure.certificates import Unnamed, server_context
from tests.pure.tls_by_hand import SecureClient
from tests.waiting import wait_until

REPO = Path(__file__).resolve().parents[2]


# -- applications that do late, twice or elsewhere what others do once ----------------------


def restarts_inside(environ: dict[str, Any], start: kinds.Start) -> Any:
    def pieces() -> Iterator[bytes]:
        try:
            raise ValueError("inside")
        except ValueError:
            start("500 Sorry", [("Content-Length", "5")], sys.exc_info())
        yield b"sorry"

    start("200 OK", [("Content-Length", "5")])
    return kinds.Closing(pieces())


def restarts_behind(environ: dict[str, Any], start: kinds.Start) -> Any:
    def pieces() -> Iterator[bytes]:
        yield b"12345"
        with tried():
            start("200 OK", [])
        try:
            raise ValueError("behind")
        except ValueError:
            with tried():
                start("500 Sorry", [], sys.exc_info())

    start("200 OK", [("Content-Length", "5")])
    return kinds.Closing(pieces())


def writes_inside(environ: dict[str, Any], start: kinds.Start) -> Any:
    def pieces() -> Iterator[bytes]:
        write(b"123")
        yield b"45"

    write = start("200 OK", [("Content-Length", "5")])
    return kinds.Closing(pieces())


def writes_all_inside(environ: dict[str, Any], start: kinds.Start) -> Any:
    def pieces() -> Iterator[bytes]:
        write(b"12345")
        yield b"67890"

    write = start("200 OK", [("Content-Length", "5")])
    return kinds.Closing(pieces())


def writes_behind(environ: dict[str, Any], start: kinds.Start) -> Any:
    def pieces() -> Iterator[bytes]:
        yield b"12345"
        with tried():
            write(b"67")

    write = start("200 OK", [("Content-Length", "5")])
    return kinds.Closing(pieces())


def number_behind(environ: dict[str, Any], start: kinds.Start) -> Any:
    start("200 OK", [("Content-Length", "5")])
    return kinds.Closing([b"12345", b"", 5])  # type: ignore[list-item]  # wrong on purpose


def empties_environ(environ: dict[str, Any], start: kinds.Start) -> Any:
    environ.clear()
    start("200 OK", [("Content-Length", "5")])
    return kinds.Closing([b"12345", b"6"])


def other_method(environ: dict[str, Any], start: kinds.Start) -> Any:
    environ.update(REQUEST_METHOD="PATCH", REQUEST_URI=None)
    start("200 OK", [])
    return [b"x"]


def none(environ: dict[str, Any], start: kinds.Start) -> Any:
    start("200 OK", [])


class Stops:
    """Ends once, and then would go on: whoever asks again is told."""

    ended = False

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if self.ended:
            kinds.seen.append("asked again")
        self.ended = True
        raise StopIteration

    def close(self) -> None:
        kinds.seen.append("close")


def wide(environ: dict[str, Any], start: kinds.Start) -> Any:
    start("200 OK", [("Content-Length", "60000")])
    return kinds.Closing([b"z" * 60_000])


def stops(environ: dict[str, Any], start: kinds.Start) -> Any:
    start("200 OK", [("Content-Length", "5")])
    return Stops()


kept: list[Any] = []


def keeps(environ: dict[str, Any], start: kinds.Start) -> Any:
    kept[:] = [start, start("200 OK", [])]
    return [b"kept"]


def keeps_announced(environ: dict[str, Any], start: kinds.Start) -> Any:
    kept[:] = [start, start("200 OK", [("Content-Length", "4")])]
    return [b"kept"]


def uses_kept(environ: dict[str, Any], start: kinds.Start) -> Any:
    """What another request's start_response and write still do, here and in another thread."""

    def use() -> None:
        if kept:
            with tried():
                kept[0]("200 OK", [])
            with tried():
                kept[0]("200 OK", [], (ValueError, ValueError("kept"), None))
            with tried():
                kept[1](b"late")

    use()
    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
    kept.clear()
    start("200 OK", [])
    return [b"used"]


def changes_environ(environ: dict[str, Any], start: kinds.Start) -> Any:
    """Each time in another way."""
    turn = len(kinds.seen) % 5
    if turn == 0:
        environ["x.added"] = "1"
    elif turn == 1:
        environ["QUERY_STRING"] = "other"
    elif turn == 2:
        del environ["REQUEST_URI"]
    elif turn == 3:
        environ["HTTP_ACCEPT"] = environ.pop("HTTP_ACCEPT")
    start("200 OK", [])
    return [repr(environ.get("x.added")).encode()]


def keeps_environ(environ: dict[str, Any], start: kinds.Start) -> Any:
    kinds.seen.append(any(environ is former for former in kept))
    kept.append(environ)
    start("200 OK", [])
    return [b"kept"]


def port_of_client(environ: dict[str, Any], start: kinds.Start) -> Any:
    start("200 OK", [("Content-Length", str(len(environ["REMOTE_PORT"])))])
    return [environ["REMOTE_PORT"].encode()]


async def awaited(environ: dict[str, Any], start: kinds.Start) -> Any:
    await asyncio.sleep(0)
    start("200 OK", [])
    return [b"awaited"]


def awaits_announced(environ: dict[str, Any], start: kinds.Start) -> Any:
    async def later() -> Any:
        await asyncio.sleep(0)
        return kinds.Closing([b"12345"])

    start("200 OK", [("Content-Length", "5")])
    return later()


def gives_pieces_of_both_kinds(environ: dict[str, Any], start: kinds.Start) -> Any:
    """A plain iterable all the same, as Django's streaming response is one."""

    class Both(kinds.Closing):
        def __aiter__(self) -> Any:
            raise AssertionError("nobody asks asyncio")

    start("200 OK", [("Content-Length", "5")])
    return Both([b"12345"])


def gives_pieces_later(environ: dict[str, Any], start: kinds.Start) -> Any:
    async def pieces() -> AsyncIterator[bytes]:
        try:
            yield b"123"
            await asyncio.sleep(0)
            yield b"45"
        finally:
            kinds.seen.append("close")

    start("200 OK", [("Content-Length", "5")])
    return pieces()


def coded(environ: dict[str, Any], start: kinds.Start) -> Any:
    """What the query says: ``size``, ``length`` (announced), ``each`` (pieces), and fields in ``fields``."""
    asked = dict(parse_qsl(environ["QUERY_STRING"], keep_blank_values=True))
    body = (b'{"id": 12345, "name": "somebody"},\n' * 3000)[: int(asked.get("size", "5000"))]
    fields = [("Content-Type", asked.get("type", "application/json"))]
    fields += [tuple(line.split("=", 1)) for line in asked.get("fields", "").split("|") if line]  # type: ignore[misc]
    if "length" in asked:
        fields.append(("Content-Length", str(len(body))))
    start(asked.get("status", "200 OK"), fields)
    if "iterable" in asked:
        return kinds.Closing([body, b"more"] if asked["iterable"] == "more" else [body])
    return [body[:100], body[100:]] if "each" in asked else [body]


@contextmanager
def tried() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        kinds.seen.append(f"{type(error).__name__} {error}")


kinds.KINDS.update(
    (function.__name__, function)
    for function in (
        restarts_inside, restarts_behind, writes_inside, writes_all_inside, writes_behind, number_behind,
        empties_environ, other_method, none, stops, wide, keeps, uses_kept,
        changes_environ, keeps_environ,
        coded, awaited, awaits_announced, gives_pieces_of_both_kinds, gives_pieces_later,
    )
)  # fmt: skip
kinds.KINDS["keeps_announced"] = keeps_announced
LIMITS = Limits()


class Words:
    """The logs of one server."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.told: list[str] = []
        self.wsgi_errors = None

    def server(self, text: str, kind: str = "info") -> None:
        """Not compared: of refusals one line a second is written, whoever was refused."""
        self.told.append(text)

    def app(self, text: str, kind: str = "info") -> None:
        # Of a traceback the last line is the error; the frames of the two engines differ.
        lines = text.splitlines()
        self.lines.append(f"app {kind} {lines[0]} {lines[-1]}")

    def app_warning(self, text: str) -> None:
        self.lines.append(f"app warn {text}")

    def request(self, record: AccessRecord) -> None:
        line = access_line(record)
        self.lines.append("request " + re.sub(r"^\S+|\d+ms", "-", line))

    def trace(self, what: str) -> None:
        raise AssertionError(what)

    trace_app = trace


class Server:
    def __init__(
        self,
        engine_class: type[pure_engine.Engine],
        threads: int = 0,
        *,
        secure: bool = False,
        files: Path | None = None,
        request_id: str = "no",
        log_fields: tuple[str, ...] = (),
    ) -> None:
        """``files``: a folder that is served in place of the application."""
        self.secure = secure
        self.words = Words()
        self.counts = private_row()
        self.executor = _kernels.engine.make_executor(threads, LIMITS, pytest.fail)
        self.coroutines = Coroutines(LIMITS.coroutines_max, pytest.fail)
        table = RouteTable.of(for_app(str(files or "tests.live.apps.lanes:app"), base=REPO))
        apps = {} if files else {mount: MountedApp(mount.target) for mount in table.mounts}  # type: ignore[arg-type]  # an app's
        folders = (
            {mount: StaticFolder(files, LIMITS, policy=CachePolicy()) for mount in table.mounts}
            if files
            else {}
        )
        for app in apps.values():
            app.load()
        self.service = HttpService(
            table,
            apps,
            folders,
            limits=LIMITS,
            threads=threads,
            executor=self.executor,
            coroutines=self.coroutines,
            spool=Spool(None, 1 << 20),
            proxies=TrustedProxies(()),
            notes=RequestNotes(request_id, log_fields, TrustedProxies(())),
            logs=self.words,  # type: ignore[arg-type]  # a stand-in
            access_log=True,
            debug=False,
            binding=was.BINDING,
            processes=1,
            counts=self.counts,
            mounts=MountSlots(),
            on_worn=lambda: self.words.server("worn"),
        )
        self.engine = engine_class(self.service, LIMITS, self.words.trace, self.counts)
        listener = socket.create_server(("127.0.0.1", 0))
        self.address = listener.getsockname()
        info = ListenerInfo("http", ("127.0.0.1", 80))
        self.engine.listen(listener, info, Unnamed(server_context) if secure else None)
        self.thread = threading.Thread(target=self.engine.run, daemon=True)
        self.thread.start()

    def connect(self) -> socket.socket | SecureClient:
        if self.secure:
            return SecureClient(self.address)
        return socket.create_connection(self.address, timeout=5)

    def stop(self) -> None:
        self.coroutines.stop(0)
        self.engine.stop()
        self.executor.stop()
        self.thread.join(5)

    def settle(self) -> None:
        """Until it serves nobody, and the loop has done what it does behind a client's end."""
        deadline = time.monotonic() + 5
        while self.engine.connections:
            assert time.monotonic() < deadline, "there are connections still"
            time.sleep(0.001)
        self.turn()

    def turn(self) -> None:
        """Until the loop has done what it is at, and what it has put off to its next turn."""
        for _ in range(2):
            turned = threading.Event()
            self.engine.loop.call_soon(turned.set)
            assert turned.wait(5)

    def says(self, *pieces: bytes) -> tuple[bytes, list[Any], list[str]]:
        """The bytes it answers, what the application saw, what the logs and the counters have."""
        kinds.seen.clear()
        kept.clear()
        self.words.lines.clear()
        before = list(self.counts)
        answer = b""
        with self.connect() as client:
            for number, piece in enumerate(pieces):
                if number:
                    time.sleep(0.02)
                client.sendall(piece)
            try:
                client.shutdown(socket.SHUT_WR)
                while data := client.recv(1 << 16):
                    answer += data
            except OSError:
                answer = b"<reset>"  # what came before it, the system may have thrown away
        self.settle()
        answer = re.sub(rb"Date: [^\r]*", b"Date: -", answer)
        # An answer that waits for the next one is logged once both are out: between the two kinds of
        # lines the order is free.
        lines = sorted(self.words.lines, key=lambda line: line.split(" ")[0])
        counted = {count.name: self.counts[count] - before[count] for count in Count}
        return answer, list(kinds.seen), [*lines, f"counted {counted}"]


@pytest.fixture(scope="module")
def secure() -> bool:
    """Over TLS: test_lanes_secure.py."""
    return False


@pytest.fixture(scope="module")
def servers(secure: bool) -> Iterator[tuple[Server, Server]]:
    ours, general = (Server(engine, secure=secure) for engine in (_kernels.engine.Engine, pure_engine.Engine))
    yield ours, general
    ours.stop()
    general.stop()


def request(
    path: str, *, method: str = "GET", fields: str = "", body: bytes = b"", version: str = "1.1"
) -> bytes:
    length = f"Content-Length: {len(body)}\r\n" if body else ""
    return f"{method} {path} HTTP/{version}\r\nHost: h\r\n{fields}{length}\r\n".encode() + body


def same(servers: tuple[Server, Server], *pieces: bytes) -> None:
    ours, general = (server.says(*pieces) for server in servers)
    assert ours == general
    assert ours[0], "no answer at all"


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
@pytest.mark.parametrize("kind", kinds.KINDS)
def test_every_kind_of_answer(servers: tuple[Server, Server], kind: str, method: str) -> None:
    same(servers, request(f"/{kind}", method=method, body=b"abc" if method == "POST" else b""))


@pytest.mark.parametrize("kind", kinds.KINDS)
def test_every_kind_between_others(servers: tuple[Server, Server], kind: str) -> None:
    """Pipelined: a connection that leaves its lane goes on with what was read behind the request."""
    same(servers, request("/one_list") + request(f"/{kind}") + request("/announced") * 2)


REQUESTS = {
    "close": [request("/echo", fields="Connection: close\r\n")],
    "close, then more": [request("/echo", fields="Connection: close\r\n") + request("/")],
    "HTTP/1.0": [request("/echo", version="1.0")],
    "HTTP/1.0, kept": [request("/echo", fields="Connection: keep-alive\r\n", version="1.0")],
    "a body": [request("/echo", method="PUT", body=b"x" * 4096)],
    "a body of two reads": [request("/echo", method="PUT", body=b"x" * 100_000)],
    "a body in two pieces": [request("/echo", method="PUT", body=b"xyz")[:-2], b"yz"],
    "a head in two pieces": [request("/")[:10], request("/")[10:]],
    "an empty line in front": [b"\r\n" + request("/")],
    "no Host": [b"GET / HTTP/1.1\r\n\r\n"],
    "capitals in Host": [b"GET / HTTP/1.1\r\nHost: A.B:80\r\n\r\n"],
    "an empty Host": [b"GET / HTTP/1.1\r\nHost: \r\n\r\n"],
    "odd paths": [request("/a%20b?c=%20") + request("/a//b/../c?")],
    "the server's own": [request("/ping") + request("/ping/") + request("*", method="OPTIONS")],
    "repeated fields": [request("/", fields="Cookie: a=1\r\nCookie: b=2\r\nAccept: x\r\nAccept: y\r\n")],
    "withheld fields": [request("/", fields="X_Y: 1\r\nProxy: p\r\nX-Forwarded-For: 1.2.3.4\r\n")],
    "expect": [request("/", fields="Content-Type: a/b\r\nExpect: 100-continue\r\n")],
    "chunked": [request("/echo", fields="Transfer-Encoding: chunked\r\n") + b"1\r\nx\r\n0\r\n\r\n"],
    "rubbish behind": [request("/") + b"GET / HTTP/1.1\nHost: h\n\n"],
    "no bytes announced": [request("/", fields="Content-Length: 0\r\n")],
    "a hundred at once": [request("/one_list") * 100],
    "a kept start_response": [request("/keeps") + request("/uses_kept") + request("/one_list")],
    "another kept one": [request("/keeps_announced") + request("/uses_kept") + request("/one_list")],
    "a long host": [b"GET / HTTP/1.1\r\nHost: " + b"h" * 3000 + b"\r\n" + b"x" * 3000 + b": y\r\n\r\n"],
    "many and a stream": [request("/one_list") * 40 + request("/stream") + request("/one_list") * 40],
}


@pytest.mark.parametrize("name", REQUESTS)
def test_every_kind_of_request(servers: tuple[Server, Server], name: str) -> None:
    same(servers, *REQUESTS[name])


ACCEPTED = [
    "",
    "Accept-Encoding: gzip\r\n",
    "Accept-Encoding: br;q=0.5, identity\r\n",
    "accept-encoding:\r\n",
]
CODED = {
    "plain": "",
    "short": "size=1023",
    "just long enough": "size=1024",
    "the longest of a lane": "size=65536",
    "longer": "size=65537",
    "in two": "each=",
    "announced": "length=",
    "an iterable": "length=&iterable=",
    "an iterable that gives more": "length=&iterable=more",
    "a long iterable": "length=&iterable=&size=70000",
    "an image": "type=image/png",
    "no type": "type=",
    "a failure": "status=500 Sorry",
    "reset": "status=205 Reset Content",
    "a part": "status=206 Partial Content",
    "a part by its field": "fields=Content-Range=bytes 0-9/10",
    "coded": "fields=content-encoding=identity",
    "not to be changed": "fields=Cache-Control=no-transform",
    "a digest": "fields=Content-Digest=x",
    "other digests": "fields=Repr-Digest=x|Digest=y|Content-MD5=z",
    "tagged": 'fields=ETag="x"|Accept-Ranges=bytes|Vary=Cookie|Vary=Origin|Cache-Control=private',
    "a field that cannot be sent": "fields=X-Bad=a\rb",
}


@pytest.mark.parametrize("accepted", ACCEPTED)
@pytest.mark.parametrize("name", CODED)
def test_every_kind_of_coded_answer(servers: tuple[Server, Server], name: str, accepted: str) -> None:
    path = f"/coded?{quote(CODED[name], safe='=&/')}"
    same(servers, request(path, fields=accepted) + request("/one_list") + request(path, method="HEAD"))


@pytest.mark.parametrize("how", ["", "length=&iterable="])
def test_a_body_that_takes_long_to_code_is_gone_on_with_outside(
    monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """Somebody else takes the lead meanwhile, and the call is an exchange of it."""
    quick = Compression.code
    asked: list[str] = []
    other_is_served = threading.Event()

    def slow(self: Compression, *args: Any) -> Any:
        asked.append(threading.current_thread().name)
        assert other_is_served.wait(20)
        time.sleep(0.1)
        return quick(self, *args)

    monkeypatch.setattr(Compression, "code", slow)
    is_compiled = _kernels.implementation() == "compiled"
    server = Server(_kernels.engine.Engine, threads=4)
    try:
        wanted = request(f"/coded?{how}", fields="Accept-Encoding: gzip\r\n")
        with socket.create_connection(server.address, timeout=5) as late:
            late.sendall(wanted)
            if is_compiled:
                wait_until(lambda: asked)
            with socket.create_connection(server.address, timeout=5) as other:
                other.sendall(request("/one_list"))
                assert b"200 OK" in other.recv(1000), "others wait for it"
            other_is_served.set()
        answer = server.says(wanted + request("/one_list"))[0]
    finally:
        server.stop()
    head, _, rest = answer.partition(b"\r\n\r\n")
    size = int(re.search(rb"Content-Length: (\d+)", head)[1])  # type: ignore[index]  # it is there
    assert b"Content-Encoding: gzip" in head
    assert len(gzip.decompress(rest[:size])) == 5000
    assert rest[size:].startswith(b"HTTP/1.1 200 OK")
    assert bool(asked) == is_compiled


def test_accept_encoding_twice(servers: tuple[Server, Server]) -> None:
    twice = "Accept-Encoding: br;q=0.1\r\nAccept-Encoding: gzip\r\n"
    same(servers, request("/coded", fields=twice) * 2)


def test_types_that_applications_make_up(servers: tuple[Server, Server]) -> None:
    """More of them than are remembered."""
    for number in range(70):
        kind = "text" if number % 2 else "other"
        same(servers, request(f"/coded?type={kind}/{number}", fields="Accept-Encoding: deflate\r\n"))


TOKENS = st.text("abcdefghijklmnopqrstuvwxyzABCXYZ-_0189!", min_size=1, max_size=12)
VALUES = st.text(
    st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f"), max_size=20
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    method=st.sampled_from(["GET", "POST", "HEAD", "DELETE", "OPTIONS", "x"]),
    path=st.text("abc/.-%20?&=;~", max_size=20),
    kind=st.sampled_from(sorted(kinds.KINDS)),
    fields=st.lists(st.tuples(TOKENS, VALUES), max_size=6),
    body=st.binary(max_size=40),
)
def test_any_request(
    servers: tuple[Server, Server],
    method: str,
    path: str,
    kind: str,
    fields: list[tuple[str, str]],
    body: bytes,
) -> None:
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields).encode("latin-1")
    head = f"{method} /{kind}{path} HTTP/1.1\r\nHost: h\r\nContent-Length: {len(body)}\r\n".encode()
    same(servers, head + lines + b"\r\n" + body)


@pytest.mark.parametrize("kind", ["one_list", "changes_environ", "keeps_environ"])
def test_an_environ_is_a_new_one_also_where_a_head_comes_again(
    servers: tuple[Server, Server], kind: str
) -> None:
    again = request(f"/{kind}", fields="Accept: a\r\nX-Y: z\r\n")
    other = request(f"/{kind}", fields="Accept: b\r\nX-Y: z\r\n")
    posted = request(f"/{kind}", method="POST", body=b"abc")
    # One by one: what waits for its access line is never used again.
    same(servers, *[again] * 6, *[other] * 2, *[again] * 2, *[posted] * 2, again)


def test_clients_that_send_the_same_head_are_told_apart(
    servers: tuple[Server, Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(kinds.KINDS, "port_of_client", port_of_client)
    for server in servers:
        with server.connect() as first, server.connect() as second:
            for client in (first, first, second, first, second, second):
                client.sendall(request("/port_of_client"))
                answer = client.recv(1 << 16)
                assert answer.endswith(b"\r\n\r\n%d" % client.getsockname()[1])


def test_plain_requests_stay_in_their_lane_and_others_come_back_ever_more_rarely(
    servers: tuple[Server, Server],
) -> None:
    if _kernels.implementation() == "pure":
        pytest.skip("the pure build has no lanes")
    ours = servers[0]
    with ours.connect() as client:

        def is_in_lane_after(path: str) -> bool:
            client.sendall(request(path))
            answer = client.recv(1 << 16)
            while path == "/stream" and not answer.endswith(b"\r\n0\r\n\r\n"):
                answer += client.recv(1 << 16)
            assert answer.startswith(b"HTTP/1.1 200 OK")
            ours.turn()
            [connection] = ours.engine.connections
            return type(connection).__name__ == "LaneConnection"

        assert all(is_in_lane_after(path) for path in ("/one_list", "/announced", "/echo"))
        returned = [is_in_lane_after("/stream") for _ in range(7)]
        assert returned == [True, False, True, False, False, False, True]
        assert is_in_lane_after("/one_list")
        assert is_in_lane_after("/stream"), "an answer in the lane and its return is free again"


def test_a_reader_that_is_slow_gets_the_rest_from_the_general_connection(
    servers: tuple[Server, Server],
) -> None:
    """Answers of the lane that the socket does not take whole."""
    for server in servers:
        with server.connect() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32768)
            body = b"z" * 60_000
            wanted = 200
            requests = request("/echo", method="PUT", body=body) * wanted
            threading.Thread(target=client.sendall, args=(requests,), daemon=True).start()
            time.sleep(0.5)
            taken = bytearray()
            while len(taken) < wanted * len(body) or taken.count(b"HTTP/1.1 200 OK") < wanted:
                data = client.recv(1 << 20)
                assert data, "the connection ended early"
                taken += data
            while taken.count(b"z") < wanted * len(body):
                taken += client.recv(1 << 20)
            assert taken.count(b"z") == wanted * len(body)
            assert taken.endswith(body)


def test_an_answer_that_the_socket_takes_in_part_is_logged_and_closed_as_any(
    servers: tuple[Server, Server],
) -> None:
    said = []
    for server in servers:
        kinds.seen.clear()
        server.words.lines.clear()
        with server.connect() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32768)
            for _ in range(20):
                client.sendall(request("/wide") * 10)
                time.sleep(0.01)
            size = 0
            client.shutdown(socket.SHUT_WR)
            while data := client.recv(1 << 20):
                size += len(data)
        server.settle()
        said.append((size, list(kinds.seen), list(server.words.lines)))
    assert said[0] == said[1]
    assert said[0][1].count("close") == 200


# -- ids of requests ------------------------------------------------------------------------


def told_apart(said: tuple[bytes, list[Any], list[str]]) -> str:
    """``said`` with each id as the number of its first appearance, and keys of environs in one order."""
    known: dict[str, str] = {}
    answer, seen, lines = said
    ordered = [sorted(one.items()) if isinstance(one, dict) else one for one in seen]
    text = "\n".join(map(repr, (answer, ordered, lines)))
    return re.sub(r"[0-9a-f]{32}", lambda found: known.setdefault(found[0], f"<id {len(known)}>"), text)


@pytest.fixture(
    scope="module", params=[("answer", ("request_id",)), ("yes", ()), ("no", ("request_id",))], ids=str
)
def identifying(request: pytest.FixtureRequest, secure: bool) -> Iterator[tuple[Server, Server]]:
    how, fields = request.param
    both = [
        Server(engine, request_id=how, log_fields=fields, secure=secure)
        for engine in (_kernels.engine.Engine, pure_engine.Engine)
    ]
    yield both[0], both[1]
    for server in both:
        server.stop()


@pytest.mark.parametrize("kind", [*kinds.KINDS, "of_its_own"])
def test_requests_with_ids(
    identifying: tuple[Server, Server], kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In their lane and outside, one after the other and with a forged one: the same, but for the digits."""
    monkeypatch.setitem(kinds.KINDS, "of_its_own", of_its_own)
    forged = "X-Request-ID: forged\r\nX_Request_ID: forged\r\nConnection: x-request-id\r\n"
    plain = request(f"/{kind}")
    wanted = plain * 2 + request(f"/{kind}", fields=forged) + request(f"/{kind}", method="POST", body=b"abc")
    ours, general = (told_apart(server.says(wanted + plain)) for server in identifying)
    assert ours == general
    assert "forged" not in ours
    assert "<id 0>" in ours


def of_its_own(environ: dict[str, Any], start: kinds.Start) -> list[bytes]:
    start("200 OK", [("x-request-id", "mine")])
    return [environ["skitai.request_id"].encode()]


def test_requests_with_ids_stay_in_their_lane(identifying: tuple[Server, Server]) -> None:
    if _kernels.implementation() == "pure":
        pytest.skip("the pure build has no lanes")
    ours = identifying[0]
    with ours.connect() as client:
        ids: set[str] = set()
        for count in range(600):  # more than are made of one handful of random bytes
            client.sendall(request("/one_list"))
            assert client.recv(1 << 16)
            ids.add(kinds.seen[-1]["skitai.request_id"])
            assert len(ids) == count + 1
        [connection] = ours.engine.connections
        assert type(connection).__name__ == "LaneConnection"
