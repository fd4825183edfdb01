"""The same bytes, cut anywhere, come to the same messages and the same refusal.

Streams are built of good and bad parts and of noise, fed whole, in halves, byte by byte and cut at
random; heads, bodies, trailers, the status and the text of the refusal must be equal.
"""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from tests.pure.http1_talk import client, hear

LIMITS = {
    "request_line_max": 60,
    "header_block_max": 120,
    "header_fields_max": 4,
    "chunk_line_max": 12,
    "body_max": 20,
}

LINE_END = st.sampled_from([b"\r\n"] * 12 + [b"\n", b"\r", b"\r\r\n", b"\n\r\n", b""])
START = st.sampled_from(
    [b"GET / HTTP/1.1"] * 4
    + [
        b"POST /x?y HTTP/1.1",
        b"HEAD http://o/p HTTP/1.0",
        b"OPTIONS * HTTP/1.1",
        b"CONNECT h:1 HTTP/1.1",
        b"GET /",
        b"GET / HTTP/2.0",
        b"GET /\x80 HTTP/1.1",
        b"GET /" + b"a" * 60 + b" HTTP/1.1",
        b"\r\nGET / HTTP/1.1",
        b"HTTP/1.1 200 OK",
        b"HTTP/1.1 103 Early Hints",
        b"HTTP/1.0 404",
        b"",
    ]
)
FIELD = st.sampled_from(
    [b"Host: h"] * 6
    + [
        b"Content-Length: 5",
        b"Content-Length: 0",
        b"Content-Length: 99",
        b"Transfer-Encoding: chunked",
        b"Transfer-Encoding: gzip, chunked",
        b"Connection: close",
        b"Expect: 100-continue",
        b"X: " + b"x" * 50,
        b"X : 1",
        b" folded",
        b"no colon",
        b"X: \x00",
        b"\xff: 1",
    ]
)
BODY = st.sampled_from(
    [
        b"",
        b"hello",
        b"5\r\nhello\r\n0\r\n\r\n",
        b"5;x\r\nhello\r\n1\r\n!\r\n0\r\nX: y\r\n\r\n",
        b"5\r\nhello\r\n0\r\nHost: h\r\n\r\n",
        b"5\r\nhello\r\n0\r\nX: y\nZ\r\n\r\n",
        b"5\r\nhello!\r\n",
        b"5;" + b"x" * 12 + b"\r\n",
        b"5\n",
        b"ff\r\n",
    ]
)


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    lines = [draw(START), *draw(st.lists(FIELD, max_size=5))]
    head = b"".join(line + draw(LINE_END) for line in lines)
    return head + draw(LINE_END) + draw(BODY)


STREAMS = st.lists(messages(), min_size=1, max_size=3).map(b"".join) | st.binary(max_size=40)


def cut(data: bytes, points: list[int]) -> list[bytes]:
    edges = [0, *sorted(point % (len(data) + 1) for point in points), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


@given(stream=STREAMS, points=st.lists(st.integers(0, 1000), max_size=6), eof=st.booleans())
def test_a_server_hears_the_same(stream: bytes, points: list[int], eof: bool) -> None:
    whole = hear(stream, eof=eof, **LIMITS)
    assert hear(*cut(stream, [len(stream) // 2]), eof=eof, **LIMITS) == whole
    assert hear(*cut(stream, points), eof=eof, **LIMITS) == whole
    assert hear(*(stream[i : i + 1] for i in range(len(stream))), eof=eof, **LIMITS) == whole


@given(
    stream=STREAMS,
    points=st.lists(st.integers(0, 1000), max_size=6),
    method=st.sampled_from(["GET", "HEAD", "CONNECT"]),
    eof=st.booleans(),
)
def test_a_client_hears_the_same(stream: bytes, points: list[int], method: str, eof: bool) -> None:
    whole = hear(stream, connection=client(method, **LIMITS), eof=eof)
    for pieces in (cut(stream, points), cut(stream, list(range(len(stream))))):
        assert hear(*pieces, connection=client(method, **LIMITS), eof=eof) == whole
