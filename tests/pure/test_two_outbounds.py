"""Both builds' connections to a server say the same to whoever asks, and the same to the server.

The same requests, the same bytes of answers, cut anywhere, over real sockets and without a loop: what each
tells its taker and its owner is compared, word by word.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from skitai._pure import engine as pure
from skitai._pure import http1
from skitai.errors import LocalProtocolError, SkitaiError
from skitai.limits import Limits
from tests.pure.test_chunks import CHUNKED_BODIES
from tests.pure.test_heads import LIMITS, MUTATIONS, mutated, thorough
from tests.pure.test_http1_cuts import cut
from tests.pure.test_responses import RESPONSE_HEADS
from tests.pure.test_two_builds import FIELD_TEXT, GOOD_FIELDS, Fields

compiled = pytest.importorskip("skitai._speedups.engine", reason="no extensions are built here")

Request = tuple[str, str, Fields, bytes]
GET: Request = ("GET", "/a?b", [("Accept", "*/*")], b"")
POST: Request = ("POST", "/", [("Content-Length", "2")], b"ab")
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n"


class Watching:
    """In the place of a loop."""

    def __init__(self) -> None:
        self.interest = 0
        self.callback: Callable[[int], None] | None = None

    def watch(self, sock: socket.socket, events: int, callback: Callable[[int], None]) -> None:
        self.interest, self.callback = events, callback

    rewatch = watch

    def unwatch(self, sock: socket.socket) -> None:
        self.interest, self.callback = 0, None


class Talk:
    """One connection of ``build``, its server's end, and all that was said.

    ``takes_whole``: the taker has a use for whole answers, ``is_patient``: and for nothing else; ``room``:
    pieces that it takes before each pause.
    """

    def __init__(
        self,
        build: Any,
        limits: Limits,
        *,
        takes_whole: bool,
        is_patient: bool = False,
        room: int = 1 << 30,
    ) -> None:
        self.ours, self.theirs = socket.socketpair()
        self.ours.setblocking(False)
        self.theirs.setblocking(False)
        self.loop = Watching()
        self.said: list[Any] = []
        self.takes_whole = takes_whole
        self.is_patient = is_patient
        self.room = self.left = room
        self.whole_answers = 0
        self.connection = build.OutboundConnection(
            self, self.loop, self.ours, limits, memoryview(bytearray(300))
        )

    def ask(self, method: str, target: str, fields: Fields, body: bytes) -> None:
        try:
            self.connection.ask(method, target, "h:1", list(fields), body, self)
        except LocalProtocolError as error:
            self.said.append((str(error), error.rule))
        self._look()

    def hear(self, piece: bytes) -> None:
        """``piece`` comes from the server; empty: it ends."""
        if piece:
            with contextlib.suppress(OSError):  # ours has gone
                self.theirs.send(piece)
        else:
            self.theirs.shutdown(socket.SHUT_WR)
        self._ready()

    def _ready(self) -> None:
        for _ in range(2):  # a piece may fill the scratch more than once
            if self.loop.interest & pure.READ and self.loop.callback is not None:
                self.loop.callback(pure.READ)
                self._look()
        while self.loop.callback is not None and not self.loop.interest & pure.READ:
            self.left = self.room
            self.said.append("resumed")
            self.connection.resume()
            self._look()

    def _look(self) -> None:
        connection = self.connection
        self.said.append((connection.is_idle, connection.is_sending, connection.served, self.loop.interest))
        self._receive()

    def _receive(self) -> None:
        try:
            self.said.append(("server", self.theirs.recv(1 << 20)))
        except OSError as error:
            self.said.append(type(error))

    # Taker

    def sent(self, complete: bool) -> None:
        self.said.append(("sent", complete))

    def heard(self) -> None:
        """A clock, which no test has; how often it is set is each build's own affair."""

    def whole(self, head: http1.ResponseHead, body: bytes, is_noted: bool) -> bool:
        if not self.takes_whole or self.room < 1 << 30:
            return False
        noted = {"content-encoding", "keep-alive"} & {name.lower() for name, _ in head.headers}
        assert is_noted is bool(noted)
        self.whole_answers += 1
        self.head(head)
        if body:
            self.data(body)
        self.end([])
        return True

    def interim(self, head: http1.ResponseHead) -> None:
        self.said += ["interim", head]

    def head(self, head: http1.ResponseHead) -> None:
        self.said += [head, repr(head)]  # 1 == True, but not here

    def data(self, data: bytes) -> bool:
        self.said.append(data)
        self.left -= 1
        return self.left > 0

    def end(self, trailers: http1.Headers) -> None:
        self.said.append(("end", list(trailers)))

    def failed(self, error: SkitaiError, unanswered: bool) -> None:
        self.said.append((type(error), str(error), unanswered))

    # OutboundOwner

    def freed(self, connection: Any) -> None:
        assert connection is self.connection
        self.said.append(("freed", connection.is_idle))

    def close(self) -> None:
        self.connection.close()
        self.said.append((self.connection.is_idle, self.loop.interest))
        self._receive()
        self.theirs.close()

    @property
    def outcomes(self) -> list[Any]:
        """What is left when nobody asks when it was said: for who is patient."""
        left: list[Any] = []
        for said in self.said:
            if isinstance(said, bytes) and left and isinstance(left[-1], bytes):
                left[-1] += said
            elif said is not BlockingIOError and not (isinstance(said, tuple) and isinstance(said[0], bool)):
                left.append(said)
        return left


@contextlib.contextmanager
def both(limits: Limits, **options: Any) -> Iterator[tuple[Talk, Talk]]:
    """At the end both have said the same."""
    talks = Talk(pure, limits, **options), Talk(compiled, limits, **options)
    yield talks
    for talk in talks:
        talk.close()
    if talks[1].is_patient:
        assert talks[1].outcomes == talks[0].outcomes
    else:
        assert talks[1].said == talks[0].said


def check(request: Request, answers: list[list[bytes]], *, eof: bool, limits: Limits, **options: Any) -> None:
    """``answers``: to a request each, in pieces."""
    with both(limits, **options) as talks:
        for talk in talks:
            for pieces in answers:
                if talk.connection.is_idle:
                    talk.ask(*request)
                for piece in filter(None, pieces):
                    talk.hear(piece)
            if eof:
                talk.hear(b"")


TAKERS = st.sampled_from(
    [
        {"takes_whole": True},
        {"takes_whole": True, "is_patient": True},
        {"takes_whole": False},
        {"takes_whole": False, "is_patient": True},
        {"takes_whole": False, "room": 1},
        {"takes_whole": False, "room": 2},
    ]
)


@thorough
@given(
    messages=st.lists(st.tuples(RESPONSE_HEADS, MUTATIONS, CHUNKED_BODIES), min_size=1, max_size=3),
    points=st.lists(st.integers(0, 1000), max_size=3),
    request=st.sampled_from([GET, GET, ("HEAD", "/", [], b""), POST, ("CONNECT", "h:1", [], b"")]),
    eof=st.booleans(),
    limits=LIMITS,
    taker=TAKERS,
    times=st.integers(1, 2),
)
@example([(OK + b"\r\n", [], b"hello")] * 3, [], GET, False, Limits(), {"takes_whole": True}, 1)
@example(
    [(OK + b"Keep-Alive: timeout=5\r\n\r\n", [], b"hello")] * 2,
    [],
    GET,
    True,
    Limits(),
    {"takes_whole": True},
    2,
)
def test_answers_cut_anywhere(
    messages: list[tuple[bytes, list[tuple[int, int, bytes]], bytes]],
    points: list[int],
    request: Request,
    eof: bool,
    limits: Limits,
    taker: dict[str, Any],
    times: int,
) -> None:
    answers = [mutated(head, mutations) + body for head, mutations, body in messages]
    answers = [answer for answer in answers for _ in range(times)]
    for pieces in ([[answer] for answer in answers], [cut(answer, points) for answer in answers]):
        check(request, pieces, eof=eof, limits=limits, **taker)


@thorough
@given(
    body=st.binary(max_size=400),
    said=st.integers(-2, 2),
    fields=st.lists(
        GOOD_FIELDS | st.sampled_from([("Content-Encoding", "br"), ("keep-alive", "x")]), max_size=3
    ),
    status=st.sampled_from([200, 200, 404, 100, 101, 204, 304]),
    points=st.lists(st.integers(0, 1000), max_size=2),
    request=st.sampled_from([GET, POST, ("HEAD", "/", [], b"")]),
    taker=TAKERS,
)
def test_bodies_of_a_length(
    body: bytes,
    said: int,
    fields: Fields,
    status: int,
    points: list[int],
    request: Request,
    taker: dict[str, Any],
) -> None:
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {max(0, len(body) + said)}"]
    lines += [f"{name}: {value}" for name, value in fields]
    answer = "\r\n".join([*lines, "", ""]).encode("latin-1") + body
    answers = [[OK + b"\r\nhello"], cut(answer, points), cut(answer, points), [OK + b"\r\nhello"]]
    check(request, answers, eof=True, limits=Limits(), **taker)


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("pieces", "is_whole"),
    [
        ([OK + b"\r\nhello"], True),
        ([b"HTTP/1.1 204 No Content\r\n\r\n"], True),
        ([CHUNKED + b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"], True),
        ([OK + b"\r\n", b"hel", b"lo"], True),
        ([OK[:20], OK[20:], b"\r\nhello"], True),
        ([CHUNKED, b"2\r\nhe\r\n", b"3\r\nl", b"lo\r\n", b"0\r\n\r\n"], True),
        ([CHUNKED + b"2\r\nhe\r\n0\r\nX: y\r\n\r\n"], False),
        ([CHUNKED + b"2;x\r\nhe\r\n0\r\n\r\n"], False),
        ([OK + b"\r\n", *(b"%c" % byte for byte in b"hel"), b"lo"], True),
        ([OK[:17], OK[17:], b"\r", b"\n", *(b"%c" % byte for byte in b"hello")], False),
    ],
)
def test_plain_answers_are_taken_whole(pieces: list[bytes], is_whole: bool) -> None:
    with both(Limits(), takes_whole=True, is_patient=True) as talks:
        for talk in talks:
            for times in range(3):
                talk.ask(*GET)
                for piece in pieces:
                    talk.hear(piece)
                assert talk.connection.served == times + 1
    assert [talk.whole_answers for talk in talks] == [0, 3 * is_whole]


@thorough
@given(
    method=st.sampled_from(["GET", "POST", "get", "", "G T", "CONNECT", "GET\r\n", "\u20ac"]),
    target=st.sampled_from(["/", "/a?b", "*", "h:1", "", "/ ", "/#", "/\r\n", "/\xe9"]),
    fields=st.lists(
        st.sampled_from(
            [
                ("Host", "other"),
                ("hOST", ""),
                ("Transfer-Encoding", "chunked"),
                ("Content-Length", "2"),
                ("content-length", "02"),
                ("Content-Length", "x"),
                ("Connection", "close"),
                ("Upgrade", "x"),
            ]
        )
        | GOOD_FIELDS
        | st.tuples(st.just("X") | FIELD_TEXT, FIELD_TEXT),
        max_size=4,
    ),
    body=st.sampled_from([b"", b"ab", bytes(20000)]),
)
def test_requests(method: str, target: str, fields: Fields, body: bytes) -> None:
    with both(Limits(), takes_whole=True) as talks:
        for talk in talks:
            for request in ((method, target, fields, body), GET):
                if talk.connection.is_idle:
                    talk.ask(*request)
                    talk.hear(OK + b"\r\nhello")
