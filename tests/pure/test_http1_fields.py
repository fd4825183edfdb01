"""Field lines and their limits: RFC 9112 section 5, RFC 9110 section 5, RFC 6585 section 5."""

from __future__ import annotations

import time

import pytest

from tests.pure.http1_talk import get, head_of, hear, refusal, server

LONGEST = 65536


def test_names_keep_their_case_and_values_lose_the_space_around_them():
    head = head_of(get("X-a:b", "x-A:  c  d\t ", "Empty:", "Blank: \t ", "Colon: a:b"))
    assert head.headers[1:] == [("X-a", "b"), ("x-A", "c  d"), ("Empty", ""), ("Blank", ""), ("Colon", "a:b")]


def test_get_joins_what_was_repeated():
    """RFC 9110 section 5.3; cookies are joined by semicolons (RFC 6265 section 5.4)."""
    head = head_of(get("Accept: a", "Cookie: a=1", "ACCEPT: b", "cookie: b=2"))
    assert head.get("accept") == "a, b"
    assert head.get_all("Accept") == ["a", "b"]
    assert head.get("Cookie") == "a=1; b=2"
    assert head.get("missing") is None
    assert head.get("missing", "-") == "-"
    assert head.get_all("missing") == []


def test_obs_text_is_latin_1():
    assert head_of(get("X: \x80\xe9\xff")).get("x") == "\x80\xe9\xff"


def test_repeated_singletons_other_than_framing_are_let_through():
    assert head_of(get("Content-Type: a/b", "Content-Type: c/d")).get_all("content-type") == ["a/b", "c/d"]


def test_a_head_without_fields():
    assert head_of(b"GET / HTTP/1.0\r\n\r\n").headers == []


@pytest.mark.parametrize(
    ("field", "why"),
    [
        ("X : 1", "white space before the colon"),
        ("X\t: 1", "white space before the colon"),
        (": 1", "not a token"),
        ("a b: 1", "not a token"),
        ("a(b): 1", "not a token"),
        ("\xe9: 1", "not a token"),
        ("a\x00b: 1", "not a token"),
        ("no colon", "no colon"),
        (" folded", "obsolete line folding"),
        ("\tfolded", "obsolete line folding"),
        ("X: a\x00b", "control character"),
        ("X: a\x0bb", "control character"),
        ("X: a\x7f", "control character"),
        ("X: a\x1b", "control character"),
        ("X: a\rb", "bare CR"),
        ("X: a\r", "bare CR"),
        ("\rX: a", "bare CR"),
        ("X: a\nY: b", "bare LF"),
        ("X: a\n", "bare LF"),
        ("X: a\n\n", "bare LF"),
    ],
)
@pytest.mark.parametrize("place", ["first", "last"])
def test_bad_field_lines(field, why, place):
    fields = [field, "Host: h"] if place == "first" else ["Host: h", field]
    status, text = refusal(get(*fields, host=False))
    assert status == 400
    assert why in text
    assert f"header line {1 if place == 'first' else 2}" in text


def test_a_bare_lf_is_refused_before_the_block_ends():
    """Its sender may take LF LF for the end and wait for an answer."""
    assert refusal(b"GET / HTTP/1.1\r\nHost: h\n\n")[0] == 400


def test_the_first_fault_is_reported_though_a_later_one_is_seen_first():
    raw = b"GET / HTTP/1.1\r\nX : 1\r\nY: 2\n"
    texts = {hear(raw).refusal, hear(*(raw[i : i + 1] for i in range(len(raw)))).refusal}
    assert len(texts) == 1
    assert "header line 1 has white space before the colon" in texts.pop()[1]


def test_the_most_fields():
    raw = get("A: 1", "B: 2")
    assert len(head_of(raw, header_fields_max=3).headers) == 3
    assert refusal(raw, header_fields_max=2)[0] == 431


def test_too_many_fields_are_refused_before_the_block_ends():
    assert refusal(b"GET / HTTP/1.1\r\n" + b"A: 1\r\n" * 101)[0] == 431
    assert hear(b"GET / HTTP/1.1\r\n" + b"A: 1\r\n" * 100 + b"A: 1").refusal is None


def test_the_longest_block():
    block = b"Host: h\r\n" + b"A: " + b"a" * 86 + b"\r\n"
    assert len(block) == 100
    raw = b"GET / HTTP/1.1\r\n" + block + b"\r\n"
    assert head_of(raw, header_block_max=100)
    assert refusal(raw, header_block_max=99)[0] == 431


def test_too_long_a_block_is_refused_before_it_ends():
    connection = server(header_block_max=100)
    assert hear(b"GET / HTTP/1.1\r\nA: " + b"a" * 98, connection=connection).refusal is None
    assert hear(b"a", connection=connection).refusal[0] == 431


def test_a_bad_line_before_the_overrun_is_what_is_reported():
    assert refusal(b"GET / HTTP/1.1\r\nA\r\nB: " + b"b" * 200, header_block_max=100)[0] == 400


@pytest.mark.parametrize(
    "filler", [b" " * LONGEST, b"a" * LONGEST, b"\t" * LONGEST + b"\x00", b"a%41" * (LONGEST // 4)]
)
def test_no_head_takes_more_than_linear_time(filler):
    """The worst heads that fit, also byte by byte; a quadratic reading would take minutes."""
    raw = b"GET / HTTP/1.1\r\nHost:" + filler[: LONGEST - 8] + b"\x00\r\n\r\n"
    began = time.process_time()
    assert hear(raw).refusal[0] == 400
    assert hear(*(raw[i : i + 1] for i in range(len(raw)))).refusal[0] == 400
    assert time.process_time() - began < 10
