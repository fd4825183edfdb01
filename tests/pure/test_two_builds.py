"""Both builds of the server's kernel, side by side in one process, hear and say the same.

(For the client's: ``test_two_clients.py``.)
All that can be seen of a connection is compared after every piece of every stream: events,
states, what is buffered, what is answered and how what is wrong is worded.  (The other tests run
on one build at a time, whichever the process has chosen.)
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from skitai._pure import http1 as pure
from skitai.errors import LocalProtocolError, RemoteProtocolError
from skitai.limits import Limits
from tests.corpus_format import CORPUS, SENTINEL, Case, read_folder
from tests.pure.test_chunks import BOUNDS, CHUNKED_BODIES, Bounds
from tests.pure.test_heads import HEADS, LIMITS, MUTATIONS, mutated, thorough
from tests.pure.test_http1_cuts import STREAMS, cut

compiled = pytest.importorskip("skitai._speedups.http1", reason="no extensions are built here")

REQUESTS = read_folder(CORPUS / "requests")
Fields = list[tuple[str, str]]


def seen(connection: pure.ServerConnection) -> list[Any]:
    return [
        connection.their_state,
        connection.our_state,
        connection.buffered,
        connection.mid_message,
        connection.must_close,
        connection.waiting_for_continue,
        connection.trailing_data,
        connection.request,
    ]


def conversation(connection: pure.ServerConnection, pieces: list[bytes], eof: bool) -> list[Any]:
    """All that ``connection`` says to ``pieces``; it answers each request when it is complete."""
    said: list[Any] = []
    for piece in [*pieces, b""] if eof else pieces:
        if not piece and not eof:
            continue
        try:
            connection.receive_data(piece)
            while True:
                event = connection.next_event()
                said += [event, *seen(connection)]
                if event is pure.PAUSED and connection.our_state is pure.State.SEND_RESPONSE:
                    said.append(connection.send_response(404, [("X", "y"), ("Content-Length", "0")]))
                    said.append(connection.end_of_message())
                    if connection.must_close:
                        return said
                    connection.start_next_cycle()
                elif isinstance(event, pure.Signal | pure.ConnectionClosed):
                    break
        except RemoteProtocolError as error:
            return [*said, error.status, error.rule, str(error), *seen(connection)]
    return said


def check(pieces: list[bytes], eof: bool, limits: Limits) -> None:
    pieces = [piece for piece in pieces if piece]
    expected = conversation(pure.ServerConnection(limits), pieces, eof)
    assert conversation(compiled.ServerConnection(limits), pieces, eof) == expected


@pytest.mark.parametrize("case", REQUESTS, ids=lambda case: case.name)
def test_the_corpus(case: Case) -> None:
    stream = case.raw if case.eof else case.raw + SENTINEL
    check([stream], case.eof, Limits())
    for place in range(1, len(stream), max(1, len(stream) // 100)):
        check([stream[:place], stream[place:]], case.eof, Limits())
    check([SENTINEL.replace(b"close", b"keep-alive") + stream], case.eof, Limits())
    if len(stream) < 2000:
        check([stream[place : place + 1] for place in range(len(stream))], case.eof, Limits())


POINTS = st.lists(st.integers(0, 1000), max_size=4)


@thorough
@given(
    messages=st.lists(st.tuples(HEADS, MUTATIONS, st.binary(max_size=8)), min_size=1, max_size=3),
    points=POINTS,
    eof=st.booleans(),
    limits=LIMITS,
)
# An empty line that came alone, then a head, then an empty line again: it may be skipped again.
@example([(b"\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", [], b"")] * 2, [2], False, Limits())
def test_heads_cut_anywhere(
    messages: list[tuple[bytes, list[tuple[int, int, bytes]], bytes]],
    points: list[int],
    eof: bool,
    limits: Limits,
) -> None:
    stream = b"".join(mutated(head, mutations) + body for head, mutations, body in messages)
    check(cut(stream, points), eof, limits)
    check([stream], eof, limits)


@thorough
@given(stream=STREAMS, points=POINTS, eof=st.booleans(), limits=LIMITS)
def test_streams_cut_anywhere(stream: bytes, points: list[int], eof: bool, limits: Limits) -> None:
    check(cut(stream, points), eof, limits)


@thorough
@given(body=CHUNKED_BODIES, mutations=MUTATIONS, points=POINTS, eof=st.booleans(), bounds=BOUNDS)
def test_chunks_cut_anywhere(
    body: bytes,
    mutations: list[tuple[int, int, bytes]],
    points: list[int],
    eof: bool,
    bounds: Bounds,
) -> None:
    head = b"PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
    limits = replace(bounds.limits, body_max=40 if bounds.body_max is None else bounds.body_max)
    check(cut(head + mutated(body, mutations) + SENTINEL, points), eof, limits)


def test_a_body_beyond_the_limit_is_refused_alike() -> None:
    head = b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 11\r\n\r\n"
    for length in (10, 11):
        check([head + b"hello world"], False, Limits(body_max=length))


class Odd(str):
    """A str that says something else when it is formatted."""

    __slots__ = ()

    def __format__(self, spec: str) -> str:
        return "odd"


def answered(
    http1: Any, status: int, fields: Any, reason: str | None, method: str
) -> tuple[bytes | str, pure.State]:
    connection: pure.ServerConnection = http1.ServerConnection(Limits())
    connection.receive_data(f"{method} / HTTP/1.1\r\nHost: h\r\nUpgrade: x\r\n\r\n".encode())
    while connection.next_event() is not pure.PAUSED:
        pass
    try:
        if status < 200:
            return connection.send_informational(status, fields), connection.our_state
        return connection.send_response(status, fields, reason), connection.our_state
    except LocalProtocolError as error:
        return str(error), connection.our_state


FIELD_TEXT = st.text(
    st.sampled_from("aZ0-_~!:; \t\r\n\0\x1f\x7f\x80\xe9\xff\u0100\u20ac\U0001f600\ud800"), max_size=8
)
GOOD_FIELDS = st.sampled_from(
    [
        ("Content-Type", "text/html"),
        ("Set-Cookie", "a=\xe9"),
        ("X", ""),
        ("Content-Length", "5"),
        ("Connection", "x"),
        ("Upgrade", "x"),
        ["X", "a list"],
        ("X", Odd("y")),
        (Odd("X"), "y"),
    ]
)


@thorough
@given(
    status=st.sampled_from([100, 101, 103, 200, 204, 304, 404, 599, 999]),
    fields=st.lists(GOOD_FIELDS | st.tuples(st.just("X") | FIELD_TEXT, FIELD_TEXT), max_size=4),
    reason=st.none() | FIELD_TEXT,
    method=st.sampled_from(["GET", "HEAD"]),
)
def test_response_heads(status: int, fields: Fields, reason: str | None, method: str) -> None:
    said = answered(compiled, status, fields, reason, method)
    assert said == answered(pure, status, fields, reason, method)


@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize("character", [*map(chr, range(256)), "\u0100", "\U0001f600", "\ud800"])
def test_every_character_of_a_response_field(character: str, place: int) -> None:
    for text in (character, f"a{character}", f"{character}a"):
        fields = [("Server", "s"), (text, "value") if place == 0 else ("X", text)]
        assert answered(compiled, 200, fields, None, "GET") == answered(pure, 200, fields, None, "GET")


@pytest.mark.parametrize("field", [("X",), ("X", "y", "z"), "Xyz", ("X", b"y"), (1, "y"), None])
def test_what_is_no_field_fails_alike(field: Any) -> None:
    failures = []
    for http1 in (pure, compiled):
        with pytest.raises((TypeError, ValueError, AttributeError, IndexError)) as failure:
            http1.ServerConnection(Limits())._encode_head(b"HTTP/1.1 200 OK\r\n", [field])
        failures.append((failure.type, str(failure.value)))
    assert failures[0] == failures[1]
