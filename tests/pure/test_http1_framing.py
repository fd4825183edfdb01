"""Where a request ends and whether another may follow: RFC 9112 sections 6 and 9.3, RFC 9110 10.1.1."""

from __future__ import annotations

import pytest

from tests.pure.http1_talk import get, head_of, hear, refusal, server


def post(*fields: str, version: str = "1.1") -> bytes:
    return get(*fields, line=f"POST / HTTP/{version}")


@pytest.mark.parametrize(("value", "length"), [("0", 0), ("5", 5), ("005", 5), (" 5 ", 5)])
def test_content_length(value, length):
    """RFC 9110 section 8.6."""
    head = head_of(post(f"Content-Length:{value}"))
    assert head.content_length == length
    assert head.has_body is (length > 0)


@pytest.mark.parametrize(
    "value",
    ["", "+5", "-1", "0x5", "5 5", "5,5", "5, 5", "5;", "1e3", "5.0", "\xb2", "1_0", "five", '"5"', "0" * 20],
)
def test_content_length_that_is_not_one_number(value):
    assert refusal(post(f"Content-Length: {value}"))[0] == 400


def test_content_length_given_twice():
    """RFC 9112 section 6.3, rule 5: we do not repair the harmless repetition either."""
    assert refusal(post("Content-Length: 5", "content-length: 5"))[0] == 400
    assert refusal(post("Content-Length: 5", "Content-Length: 6"))[0] == 400


@pytest.mark.parametrize("value", ["chunked", "Chunked", "CHUNKED", "\tchunked "])
def test_chunked(value):
    head = head_of(post(f"Transfer-Encoding:{value}"))
    assert head.chunked
    assert head.has_body
    assert head.content_length is None


@pytest.mark.parametrize(
    ("value", "status"),
    [
        ("gzip, chunked", 501),
        ("gzip,chunked", 501),
        ("identity, chunked", 501),
        ('x;p="a", gzip, chunked', 501),
        ("gzip", 400),
        ("identity", 400),
        ("chunked, gzip", 400),
        ("chunked, chunked", 400),
        ("chunked , gzip, chunked", 400),
        ("gzip, chunked, chunked", 400),
        ("chunked;q=1", 400),
        ("chunked,", 400),
        (", chunked", 400),
        ("xchunked", 400),
        ("chunkedx", 400),
        ('"chunked"', 400),
        ("chunked\xa0", 400),
        ("", 400),
    ],
)
def test_transfer_encodings_that_are_refused(value, status):
    """RFC 9112 section 6.1: 501 for a coding we do not know, 400 where the length would be a guess."""
    assert refusal(post(f"Transfer-Encoding: {value}"))[0] == status


def test_transfer_encoding_given_twice():
    assert refusal(post("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"))[0] == 400
    assert refusal(post("Transfer-Encoding: gzip", "Transfer-Encoding: chunked"))[0] == 400


@pytest.mark.parametrize(
    "fields",
    [
        ("Content-Length: 5", "Transfer-Encoding: chunked"),
        ("Transfer-Encoding: chunked", "Content-Length: 5"),
    ],
)
def test_content_length_beside_transfer_encoding(fields):
    """RFC 9112 section 6.1: the classic of request smuggling."""
    assert refusal(post(*fields))[0] == 400


def test_transfer_encoding_in_http_1_0():
    """RFC 9112 section 6.1: faulty framing."""
    assert refusal(post("Transfer-Encoding: chunked", version="1.0"))[0] == 400


def test_a_body_too_large_is_refused_at_the_head():
    connection = server(body_max=10)
    assert hear(post("Content-Length: 11", "Expect: 100-continue"), connection=connection).refusal[0] == 413
    assert connection.request is not None
    assert connection.request.method == "POST"
    assert head_of(post("Content-Length: 10"), body_max=10).content_length == 10


@pytest.mark.parametrize(
    ("version", "connection", "persists"),
    [
        ("1.1", None, True),
        ("1.1", "keep-alive", True),
        ("1.1", "close", False),
        ("1.1", "CLOSE", False),
        ("1.1", "foo, close ,bar", False),
        ("1.1", "closed", True),
        ("1.1", ",", True),
        ("1.0", None, False),
        ("1.0", "keep-alive", True),
        ("1.0", "Keep-Alive, foo", True),
        ("1.0", "keep-alive, close", False),
        ("1.0", "foo", False),
    ],
)
def test_persistence(version, connection, persists):
    """RFC 9112 section 9.3."""
    fields = [] if connection is None else [f"Connection: {connection}"]
    assert head_of(get(*fields, line=f"GET / HTTP/{version}")).keep_alive is persists


def test_connection_options_of_several_fields():
    assert not head_of(get("Connection: foo", "Connection: close")).keep_alive


@pytest.mark.parametrize("value", ["100-continue", "100-Continue", "100-continue, 100-CONTINUE"])
def test_expect_continue(value):
    assert head_of(post(f"Expect: {value}", "Content-Length: 1")).expect_continue


def test_expect_continue_of_http_1_0_is_ignored():
    assert not head_of(post("Expect: 100-continue", "Content-Length: 1", version="1.0")).expect_continue


@pytest.mark.parametrize("value", ["200-ok", "100-continue, x", "100-continue=1", "100"])
def test_any_other_expectation(value):
    assert refusal(post(f"Expect: {value}"))[0] == 417
