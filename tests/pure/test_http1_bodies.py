"""Bodies as they come in: RFC 9112 sections 6.2 and 7, RFC 9110 section 6.5."""

from __future__ import annotations

import pytest

from skitai._kernels import http1
from tests.pure.http1_talk import Heard, get, hear, server

SIZED = get("Content-Length: 5", line="POST / HTTP/1.1")
CHUNKED = get("Transfer-Encoding: chunked", line="POST / HTTP/1.1")


def chunked(body: bytes, **limits: int) -> Heard:
    return hear(CHUNKED + body, **limits)


def test_a_sized_body_comes_as_it_arrives():
    connection = server()
    connection.receive_data(SIZED + b"he")
    assert isinstance(connection.next_event(), http1.RequestHead)
    assert connection.next_event() == http1.Data(b"he")
    assert connection.next_event() is http1.NEED_DATA
    connection.receive_data(b"lloGET")
    assert connection.next_event() == http1.Data(b"llo")
    assert connection.next_event() == http1.EndOfMessage([])
    assert connection.next_event() is http1.PAUSED
    assert connection.buffered == 3


def test_a_request_without_framing_has_no_body():
    """RFC 9112 section 6.3, rule 7."""
    heard = hear(get(line="POST / HTTP/1.1") + get())
    assert heard.bodies == [b"", b""]


def test_a_body_piece_that_fills_the_buffer_is_not_copied():
    connection = server()
    connection.receive_data(SIZED)
    connection.next_event()
    piece = b"hello"
    connection.receive_data(piece)
    event = connection.next_event()
    assert isinstance(event, http1.Data)
    assert event.data is piece


def test_chunks_and_trailers():
    heard = chunked(b'5\r\nhello\r\n6;ext="x";y\r\n world\r\n0\r\nX-Sum: 1\r\nY:\r\n\r\n' + get())
    assert heard.bodies == [b"hello world", b""]
    assert heard.trailers == [[("X-Sum", "1"), ("Y", "")], []]


def test_a_piece_of_a_chunk_does_not_wait_for_the_rest():
    assert chunked(b"5\r\nhe").bodies == [b"he"]


@pytest.mark.parametrize(
    ("line", "size"),
    [(b"a", 10), (b"A", 10), (b"00a", 10), (b"0" * 15 + b"a", 10), (b"a ;x", 10), (b"a;", 10)],
)
def test_chunk_sizes(line, size):
    assert chunked(line + b"\r\n" + b"x" * size + b"\r\n0\r\n\r\n").bodies == [b"x" * size]


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"g",
        b"0x5",
        b"+5",
        b"-5",
        b"5_0",
        b" 5",
        b"5 ",
        b"5\t",
        b"5 5",
        b"5,",
        b"\xb5",
        b"0" * 17,
        b"5\r",
        b"5;a\rb",
        b"5;a\x00",
        b"5;a\x7f",
        b";a",
    ],
)
def test_bad_chunk_size_lines(line):
    """RFC 9112 section 7.1; every refusal is 400."""
    heard = chunked(line + b"\r\nhello\r\n0\r\n\r\n")
    assert heard.refusal[0] == 400
    assert heard.bodies == [b""]


@pytest.mark.parametrize(
    "body",
    [
        b"5\nhello\r\n0\r\n\r\n",
        b"5;a\nhello\r\n0\r\n\r\n",
        b"5\r\nhello\n0\r\n\r\n",
        b"5\r\nhello\r0\r\n\r\n",
        b"5\r\nhello0\r\n\r\n",
        b"5\r\nhello!\r\n0\r\n\r\n",
        b"5\r\nhello\r\n0\n\n",
        b"5\r\nhello\r\n0\r\n\n",
        b"5\r\nhello\r\n0\r\n\rX",
        b"5\r\nhello\r\n0\r\nA : b\r\n\r\n",
        b"5\r\nhello\r\n0\r\n A: b\r\n\r\n",
        b"5\r\nhello\r\n0\r\nA: b\n\r\n",
        b"5\r\nhello\r\n0\r\nGET / HTTP/1.1\r\n\r\n",
    ],
)
def test_bad_line_ends_around_chunks(body):
    heard = chunked(body + b"\r\n\r\n")
    assert heard.refusal[0] == 400
    assert heard.trailers == []


@pytest.mark.parametrize(
    "name",
    [
        "Content-Length",
        "transfer-encoding",
        "HOST",
        "Connection",
        "Authorization",
        "Cookie",
        "Content-Type",
        "Expect",
    ],
)
def test_fields_that_are_forbidden_in_trailers(name):
    """RFC 9110 section 6.5.1."""
    assert chunked(f"0\r\n{name}: 1\r\n\r\n".encode()).refusal[0] == 400


def test_trailers_have_the_limits_of_headers():
    assert chunked(b"0\r\n" + b"A: 1\r\n" * 101).refusal[0] == 431
    assert chunked(b"0\r\nA: " + b"a" * 200, header_block_max=100).refusal[0] == 431


def test_the_longest_chunk_line():
    line = b"5;" + b"x" * 98
    assert chunked(line + b"\r\nhello\r\n0\r\n\r\n", chunk_line_max=100).bodies == [b"hello"]
    assert chunked(line + b"\r\nhello\r\n0\r\n\r\n", chunk_line_max=99).refusal[0] == 400
    assert chunked(b"5;" + b"x" * 100, chunk_line_max=100).refusal[0] == 400


def test_all_extensions_of_a_body_together():
    """RFC 9112 section 7.1.1; white space before the semicolon is counted too."""
    chunk = b"1 ;" + b"x" * 8 + b"\r\n!\r\n"
    assert chunked(chunk * 3 + b"0\r\n\r\n", chunk_extensions_max=30).bodies == [b"!!!"]
    for cut_at in range(1, len(chunk)):
        heard = hear(CHUNKED + chunk * 2, chunk[:cut_at], chunk[cut_at:], chunk_extensions_max=29)
        assert heard.refusal == (
            413,
            "chunk extensions longer than 29 bytes together "
            "(RFC 9112 section 7.1.1, limit chunk_extensions_max)",
        )
        assert heard.bodies == [b"!!"]
    # The last chunk can have one as well, and the next body begins anew.
    assert chunked(b"0;" + b"x" * 30 + b"\r\n\r\n", chunk_extensions_max=30).refusal[0] == 413
    body = chunk * 2 + b"0\r\n\r\n"
    assert hear((CHUNKED + body) * 2, chunk_extensions_max=29).bodies == [b"!!", b"!!"]


def test_an_upload_of_tiny_chunks_has_an_end_on_the_wire():
    """However its sender lays it out, 20 bytes around each byte of data and the extensions is all."""
    plain, extended = b"%016x\r\n!\r\n" % 1, b"1;" + b"x" * 1000 + b"\r\n!\r\n"
    assert chunked(plain * 101, body_max=100).refusal[0] == 413
    assert chunked(extended * 17, body_max=100).refusal[0] == 413
    heard = chunked(plain * 84 + extended * 16 + b"0\r\n\r\n", body_max=100)
    assert heard.bodies == [b"!" * 100]


def test_chunks_beyond_body_max_are_refused_at_the_size_line():
    heard = chunked(b"5\r\nhello\r\n6\r\n", body_max=10)
    assert heard.refusal[0] == 413
    assert heard.bodies == [b"hello"]
    assert chunked(b"5\r\nhello\r\n5\r\nworld\r\n0\r\n\r\n", body_max=10).bodies == [b"helloworld"]
    assert chunked(b"ffffffffffffffff\r\n").refusal[0] == 413


@pytest.mark.parametrize("raw", [SIZED + b"hell", CHUNKED + b"5\r\nhello\r\n", CHUNKED + b"0\r\n"])
def test_end_of_file_inside_a_body_is_never_its_end(raw):
    """RFC 9112 section 8."""
    heard = hear(raw, eof=True)
    assert heard.refusal[0] == 400
    assert heard.trailers == []


def test_end_of_file_between_and_inside_heads():
    assert hear(eof=True).closed
    assert hear(get(), eof=True).closed
    assert hear(b"\r\n", eof=True).closed
    assert hear(b"GET / HT", eof=True).refusal[0] == 400
    assert hear(b"GET / HTTP/1.1\r\n", eof=True).refusal[0] == 400
