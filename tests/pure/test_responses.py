"""The recogniser of simple response heads: what it accepts is what the pure kernel reads, to the byte.

The sister of ``test_heads.py``: it never accepts what the pure kernel reads in another way or not at
all, and it does accept what servers send.
"""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from skitai._pure import http1 as pure
from skitai.errors import RemoteProtocolError
from skitai.limits import Limits
from tests.pure.test_heads import (
    ANY_CASE,
    INCOMPLETE,
    MUTATIONS,
    NOT_SIMPLE,
    SIMPLE,
    SPACE,
    TCHARS,
    mutated,
    thorough,
)
from tests.pure.test_heads import LIMITS as HEAD_LIMITS

responses = pytest.importorskip("skitai._speedups.responses", reason="no extensions are built here")

PLAIN = (
    b"HTTP/1.1 200 All  right \r\nServer: nginx/1.22\r\nConnection: Keep-Alive\r\n"
    b"Content-Length: 12\r\nX-Text: \tcaf\xe9 \r\n\r\n"
)


def client(limits: Limits, method: str) -> pure.ClientConnection:
    """A pure one whose request is sent."""
    connection = pure.ClientConnection(limits)
    connection.send_request(method, "h:1" if method == "CONNECT" else "/", [("Host", "h"), ("Upgrade", "x")])
    connection.end_of_message()
    return connection


def check(data: bytes, limits: Limits, method: str = "GET") -> int:
    """Judge ``data``, an answer to ``method``, by both; returns the recogniser's verdict."""
    verdict: int = responses.verdict(data, limits)
    connection = client(limits, method)
    connection.receive_data(data)
    event: pure.Event | None = None
    try:
        event = connection.next_event() if data else pure.NEED_DATA
    except RemoteProtocolError:
        assert verdict == NOT_SIMPLE
    for prefix in (b"", b"HTTP/1.1 200 OK\r\n"):
        found = responses.read_response_head(prefix + data, len(prefix), limits, method)
        assert (found is None) is (verdict != SIMPLE or method == "CONNECT")
        if found is None:
            continue
        head, count = found
        assert head == event
        # 1 == True, but not here.
        assert repr(head) == repr(event)
        assert type(head) is pure.ResponseHead
        assert count == len(data) - connection.buffered
    if verdict == INCOMPLETE:
        assert event is pure.NEED_DATA
    return verdict


@pytest.mark.parametrize("method", ["GET", "HEAD", "CONNECT"])
@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.0 200 OK\r\n\r\n",
        b"HTTP/1.1 200\r\n\r\n",
        b"HTTP/1.1 200 \r\n\r\n",
        b"HTTP/1.1 404  \t\x80\xff\r\n\r\n",
        b"HTTP/1.1 999 X\r\nHost: [\r\nExpect: x\r\nUpgrade: h2c\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\nConnection: close\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nConnection: KEEP-ALIVE\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-ENCODING: Chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 999999999999999999\r\n\r\n",
        PLAIN,
    ],
)
def test_simple_heads_are_recognised(data: bytes, method: str) -> None:
    assert check(data, Limits(), method) == SIMPLE


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
        b"HTTP/1.1 000 X\r\n\r\n",
        b"HTTP/1.1 20 OK\r\n\r\n\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 2x0 OK\r\n\r\n",
        b"HTTP/1.1  200 OK\r\n\r\n",
        b"HTTP/1.1 200\tOK\r\n\r\n",
        b"HTTP/1.2 200 OK\r\n\r\n",
        b"HTTP/2.0 200 OK\r\n\r\n",
        b"http/1.1 200 OK\r\n\r\n",
        b"ICY 200 OK\r\nX: y\r\n\r\n",
        b"\r\nHTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\n\r\n",
        b"HTTP/1.1 200 O\x00K\r\n\r\n",
        b"HTTP/1.1 200 OK\rX\r\n\r\n",
        b"HTTP\n",
        b"X",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9999999999999999999\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunker\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nConnection: close, x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nConnection: close\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX : y\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\rX",
    ],
)
def test_what_is_not_simple_is_left_to_the_pure_kernel(data: bytes) -> None:
    for method in ("GET", "HEAD", "CONNECT"):
        assert check(data, Limits(), method) == NOT_SIMPLE


def test_every_byte_in_every_place() -> None:
    limits = Limits()
    for place in range(len(PLAIN) + 1):
        for byte in range(256):
            check(PLAIN[:place] + bytes([byte]) + PLAIN[place:], limits)
            check(PLAIN[:place] + bytes([byte]) + PLAIN[place + 1 :], limits)


def test_every_byte_left_out() -> None:
    for place in range(len(PLAIN)):
        check(PLAIN[:place] + PLAIN[place + 1 :], Limits())


def test_every_beginning_of_a_simple_head_is_incomplete() -> None:
    for end in range(len(PLAIN)):
        assert check(PLAIN[:end], Limits()) == INCOMPLETE


def test_every_status() -> None:
    for status in range(1000):
        for method in ("GET", "HEAD"):
            for field in (b"", b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n"):
                verdict = check(b"HTTP/1.1 %03d X\r\n%b\r\n" % (status, field), Limits(), method)
                assert verdict == (SIMPLE if status >= 200 else NOT_SIMPLE)


@pytest.mark.parametrize(
    ("limit", "value"),
    [
        ("request_line_max", PLAIN.index(b"\r\n")),
        ("header_block_max", len(PLAIN) - PLAIN.index(b"\n") - 3),
        ("header_fields_max", 4),
    ],
)
def test_the_limits_are_the_pure_kernels(limit: str, value: int) -> None:
    assert check(PLAIN, Limits(**{limit: value})) == SIMPLE
    assert check(PLAIN, Limits(**{limit: value - 1})) == NOT_SIMPLE
    # And in all that comes before the end.
    for less in range(value + 1):
        for end in range(len(PLAIN)):
            check(PLAIN[:end], Limits(**{limit: less}))


@pytest.mark.parametrize(("count", "verdict"), [(100, SIMPLE), (101, NOT_SIMPLE)])
def test_no_more_fields_than_there_is_room_for(count: int, verdict: int) -> None:
    data = b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * count + b"\r\n"
    assert check(data, Limits(header_fields_max=1000)) == verdict


def test_reasons_are_told_apart_when_the_table_of_names_is_full() -> None:
    for number in range(3000):
        assert check(b"HTTP/1.1 200 Reason %d\r\n\r\n" % number, Limits()) == SIMPLE


def test_an_offset_outside_of_the_data_is_refused() -> None:
    for start in (-1, len(PLAIN) + 1):
        with pytest.raises(IndexError):
            responses.read_response_head(PLAIN, start, Limits(), "GET")
    assert responses.read_response_head(PLAIN, len(PLAIN), Limits(), "GET") is None


STATUS_LINES = st.sampled_from(
    [
        *["HTTP/1.1 200 OK"] * 5,
        *("HTTP/1.0 200 OK", "HTTP/1.1 404", "HTTP/1.1 204 ", "HTTP/1.1 304 Not Modified"),
        *("HTTP/1.1 100 Continue", "HTTP/1.1 101 Switching", "HTTP/1.1 999 \xff\t", "HTTP/1.9 500 X"),
        *("HTTP/1.1 099 X", "HTTP/1.1 2000 X", "HTTP/3.0 200 X", ""),
    ]
)
NAMES = st.builds(
    lambda name, case: case(name),
    st.sampled_from(
        [
            # The names that are heeded, and their neighbours.
            *("connection", "connectiom", "content-length", "content_length"),
            *("transfer-encoding", "transfer-encodinh", "host", "upgrade", "server"),
        ]
    )
    | st.text(TCHARS, min_size=1, max_size=18),
    ANY_CASE,
)
VALUES = st.sampled_from(
    [
        "keep-alive",
        "Close",
        "close, x",
        "5",
        "007",
        "1" * 18,
        "1" * 19,
        "chunked",
        "CHUNKED",
        "gzip, chunked",
        "",
    ]
) | st.text(st.characters(max_codepoint=0xFF), max_size=12)
FIELDS = st.builds("{}:{}{}{}".format, NAMES, SPACE, VALUES, SPACE)
RESPONSE_HEADS = st.builds(
    lambda line, fields: "\r\n".join([line, *fields, "", ""]).encode("latin-1"),
    STATUS_LINES,
    st.lists(FIELDS, max_size=5),
)


@thorough
@given(
    head=RESPONSE_HEADS,
    mutations=MUTATIONS,
    behind=st.binary(max_size=8),
    end=st.integers(0, 400),
    limits=HEAD_LIMITS,
    method=st.sampled_from(["GET", "HEAD", "CONNECT"]),
)
@example(PLAIN, [], b"", 0, Limits(), "GET")
def test_what_is_recognised_is_what_the_pure_kernel_reads(
    head: bytes,
    mutations: list[tuple[int, int, bytes]],
    behind: bytes,
    end: int,
    limits: Limits,
    method: str,
) -> None:
    data = mutated(head, mutations)
    check(data + behind, limits, method)
    check(data[:end], limits, method)


@thorough
@given(data=st.binary(max_size=60), limits=HEAD_LIMITS)
def test_noise(data: bytes, limits: Limits) -> None:
    check(data, limits)
    check(b"HTTP/1.1 200 OK\r\n" + data + b"\r\n\r\n", limits)
