"""Both builds of the client's kernel, side by side in one process, hear and say the same.

As ``test_two_builds.py`` does for servers: all that can be seen of a connection is compared after every
event of every stream; and the heads of requests, good ones and refused ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from skitai._pure import http1 as pure
from skitai.errors import LocalProtocolError, RemoteProtocolError
from skitai.limits import Limits
from tests.corpus_format import CORPUS, Case, read_folder
from tests.pure.test_chunks import BOUNDS, CHUNKED_BODIES, Bounds
from tests.pure.test_heads import LIMITS, MUTATIONS, mutated, thorough
from tests.pure.test_http1_cuts import STREAMS, cut
from tests.pure.test_responses import RESPONSE_HEADS
from tests.pure.test_two_builds import FIELD_TEXT, GOOD_FIELDS, Fields

compiled = pytest.importorskip("skitai._speedups.http1", reason="no extensions are built here")

RESPONSES = read_folder(CORPUS / "responses")
METHODS = st.sampled_from(["GET", "GET", "HEAD", "CONNECT"])
UPGRADE = [("Connection", "upgrade"), ("Upgrade", "x")]


def ask(connection: pure.ClientConnection, method: str, fields: Sequence[tuple[str, str]]) -> None:
    connection.send_request(method, "h:1" if method == "CONNECT" else "/", [("Host", "h"), *fields])
    connection.end_of_message()


def conversation(
    connection: pure.ClientConnection,
    pieces: list[bytes],
    method: str,
    fields: Sequence[tuple[str, str]],
    eof: bool,
) -> list[Any]:
    """All that ``connection`` says to ``pieces``; it asks again when an answer is complete."""
    said: list[Any] = []
    ask(connection, method, fields)
    for piece in [*filter(None, pieces), *([b""] if eof else [])]:
        try:
            connection.receive_data(piece)
            while True:
                event = connection.next_event()
                # 1 == True, but not here.
                said += [event, repr(event), *seen(connection)]
                if event is pure.PAUSED and connection.their_state is pure.State.DONE:
                    connection.start_next_cycle()
                    if connection.buffered == 0:
                        ask(connection, method, fields)
                elif isinstance(event, pure.Signal | pure.ConnectionClosed):
                    break
        except RemoteProtocolError as error:
            return [*said, error.status, error.rule, str(error), *seen(connection)]
    return said


def seen(connection: pure.ClientConnection) -> list[Any]:
    return [
        connection.their_state,
        connection.our_state,
        connection.buffered,
        connection.mid_message,
        connection.must_close,
        connection.trailing_data,
    ]


def check(
    pieces: list[bytes],
    *,
    limits: Limits,
    method: str = "GET",
    fields: Sequence[tuple[str, str]] = (),
    eof: bool = False,
) -> None:
    expected = conversation(pure.ClientConnection(limits), pieces, method, fields, eof)
    assert conversation(compiled.ClientConnection(limits), pieces, method, fields, eof) == expected


@pytest.mark.parametrize("case", RESPONSES, ids=lambda case: case.name)
def test_the_corpus(case: Case) -> None:
    stream = case.raw
    method = case.options.get("method", "GET")
    fields = UPGRADE if "upgrade" in case.options else []
    for place in range(0, len(stream), max(1, len(stream) // 300)):
        pieces = [stream[:place], stream[place:]]
        check(pieces, method=method, fields=fields, eof=case.eof, limits=Limits())
    if len(stream) < 2000:
        pieces = [stream[place : place + 1] for place in range(len(stream))]
        check(pieces, method=method, fields=fields, eof=case.eof, limits=Limits())


POINTS = st.lists(st.integers(0, 1000), max_size=4)


@thorough
@given(
    messages=st.lists(st.tuples(RESPONSE_HEADS, MUTATIONS, CHUNKED_BODIES), min_size=1, max_size=2),
    points=POINTS,
    method=METHODS,
    eof=st.booleans(),
    limits=LIMITS,
)
@example([(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", [], b"ok")] * 2, [10], "GET", True, Limits())
def test_heads_cut_anywhere(
    messages: list[tuple[bytes, list[tuple[int, int, bytes]], bytes]],
    points: list[int],
    method: str,
    eof: bool,
    limits: Limits,
) -> None:
    stream = b"".join(mutated(head, mutations) + body for head, mutations, body in messages)
    for pieces in ([stream], cut(stream, points)):
        check(pieces, method=method, eof=eof, limits=limits)


@thorough
@given(body=CHUNKED_BODIES, mutations=MUTATIONS, points=POINTS, bounds=BOUNDS)
def test_chunks_cut_anywhere(
    body: bytes, mutations: list[tuple[int, int, bytes]], points: list[int], bounds: Bounds
) -> None:
    stream = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + mutated(body, mutations)
    check(cut(stream, points), limits=bounds.limits)


@thorough
@given(stream=STREAMS, points=POINTS, method=METHODS, eof=st.booleans(), limits=LIMITS)
def test_streams_cut_anywhere(
    stream: bytes, points: list[int], method: str, eof: bool, limits: Limits
) -> None:
    check(cut(stream, points), method=method, eof=eof, limits=limits)


def asked(http1: Any, method: str, target: str, fields: Any) -> tuple[bytes | str, pure.State]:
    connection: pure.ClientConnection = http1.ClientConnection(Limits())
    try:
        return connection.send_request(method, target, fields), connection.our_state
    except LocalProtocolError as error:
        return str(error), connection.our_state


@thorough
@given(
    method=st.sampled_from(["GET", "POST", "get", "", "G T", "GET\r\n", "\u20ac"]),
    target=st.sampled_from(["/", "/a?b", "*", "h:1", "", "/ ", "/#", "/\r\n", "/\xe9"]),
    fields=st.lists(
        st.sampled_from([("Host", "h"), ("Transfer-Encoding", "chunked")])
        | GOOD_FIELDS
        | st.tuples(st.just("X") | FIELD_TEXT, FIELD_TEXT),
        max_size=4,
    ),
)
def test_request_heads(method: str, target: str, fields: Fields) -> None:
    for headers in (fields, [("Host", "h"), *fields]):
        assert asked(compiled, method, target, headers) == asked(pure, method, target, headers)


@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize("character", [*map(chr, range(256)), "\u0100", "\U0001f600", "\ud800"])
def test_every_character_of_a_request_field(character: str, place: int) -> None:
    for text in (character, f"a{character}", f"{character}a"):
        fields = [("Host", "h"), (text, "value") if place == 0 else ("X", text)]
        assert asked(compiled, "GET", "/", fields) == asked(pure, "GET", "/", fields)


def test_chunks_are_sent_alike() -> None:
    sent = []
    for http1 in (pure, compiled):
        connection = http1.ClientConnection(Limits())
        connection.send_request("POST", "/", [("Host", "h"), ("Transfer-Encoding", "chunked")])
        data = [connection.send_data(bytes(size)) for size in (0, 1, 15, 16, 70000)]
        sent.append([*data, connection.end_of_message([("X", "y")])])
    assert sent[0] == sent[1]
