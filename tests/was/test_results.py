"""What a call gives, whatever has happened."""

from __future__ import annotations

import json
import threading

import pytest

from skitai.core.outbound.request import Origin, Outcome, Request
from skitai.errors import (
    CallCancelled,
    CallsQueueFull,
    ClusterUnavailable,
    ConnectError,
    NetworkTimeout,
    ReadError,
    RemoteProtocolError,
    ResolveError,
    ResponseTooLarge,
    SkitaiError,
    TLSError,
    WaitTimeout,
)
from skitai.was._results import ResponseHeaders, Result
from tests.was.fakes import HERE, answered, failed

FIELDS = (("Content-Type", "text/html; charset=UTF-8"), ("X-One", "1"), ("Set-Cookie", "a=1"))


def test_a_normal_answer() -> None:
    result = Result(answered(200, "Grüße".encode(), *FIELDS, ("set-cookie", "b=2, c")))
    assert (result.status, result.code, result.msg, result.version) == (3, 200, "OK", "1.1")
    assert result.data == "Grüße".encode()
    assert result.text == "Grüße"
    assert result.header == [
        "Content-Type: text/html; charset=UTF-8",
        "X-One: 1",
        "Set-Cookie: a=1",
        "set-cookie: b=2, c",
    ]
    assert result.get_header("x-ONE") == "1"
    assert result.get_header("X-Two") is None
    assert result.get_header("X-Two", "two") == "two"
    assert result.headers["SET-cookie"] == "a=1, b=2, c"
    assert result.headers.get_all("set-cookie") == ["a=1", "b=2, c"]
    assert result.node == ("here.example", 80)
    assert result.elapsed == 0.25
    assert result.error is None
    result.reraise()
    assert repr(result) == "<Result 3: 200 OK>"


@pytest.mark.parametrize("code", [404, 500, 302])
def test_an_answer_is_normal_whatever_its_code(code: int) -> None:
    result = Result(answered(code, b"why"))
    assert (result.status, result.code, result.data) == (3, code, b"why")
    result.reraise()


def test_what_has_no_answer_yet() -> None:
    result = Result()
    assert (result.status, result.code, result.msg, result.version) == (0, 0, "", "")
    assert (result.header, dict(result.headers), result.data, result.text) == ([], {}, b"", "")
    assert (result.node, result.elapsed, result.error) == (None, 0.0, None)
    assert result.get_header("Content-Type", "none") == "none"
    result.reraise()
    with pytest.raises(ValueError, match="no JSON"):
        result.json()


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (NetworkTimeout("no answer in 3 s", limit="timeout"), 1, 702),
        (WaitTimeout("no answer in 3 s"), 1, 702),
        (CallCancelled("the client hung up"), 0, 0),
        (ConnectError("refused"), 2, 700),
        (TLSError("bad certificate"), 2, 700),
        (ReadError("reset"), 2, 700),
        (CallsQueueFull("too many"), 2, 701),
        (ClusterUnavailable("all ejected"), 2, 701),
        (SkitaiError("odd"), 2, 701),
        (ResolveError("no such host"), 2, 704),
        (RemoteProtocolError("no HTTP"), 2, 707),
        (ResponseTooLarge("too long"), 2, 709),
    ],
)
def test_a_failure_raises_only_when_it_is_asked_to(error: SkitaiError, status: int, code: int) -> None:
    result = Result(failed(error))
    assert (result.status, result.code, result.msg, result.version) == (status, code, str(error), "")
    assert (result.header, dict(result.headers), result.data, result.text) == ([], {}, b"", "")
    assert result.node == ("here.example", 80)
    assert result.error is error
    for ask in (result.reraise, result.json):
        with pytest.raises(type(error)) as caught:
            ask()
        assert caught.value is error


def test_a_cluster_of_which_nobody_was_asked_is_no_node() -> None:
    request = Request("GET", Origin("http", "@search", 80))
    assert Result(failed(ClusterUnavailable("all ejected"), request)).node is None


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304)])
def test_an_answer_that_can_have_no_body_has_none(method: str, status: int) -> None:
    result = Result(answered(status, request=Request(method, HERE)))
    assert result.data is None
    assert result.text == ""


def test_a_body_without_a_byte_is_one() -> None:
    assert Result(answered(200)).data == b""


def test_a_body_that_went_elsewhere_is_none() -> None:
    class Sink:
        def begin(self, head: object, resume: object) -> None:
            raise AssertionError("only the client does that")

        def write(self, data: bytes) -> bool:
            raise AssertionError("only the client does that")

    assert Result(answered(200, request=Request("GET", HERE, sink=Sink()))).data is None


@pytest.mark.parametrize(
    ("kind", "body", "text"),
    [
        (None, "ü".encode(), "ü"),
        ("text/plain", "ü".encode(), "ü"),
        ("text/plain; charset=ISO-8859-1", b"\xfc", "ü"),
        ('text/plain; charset="iso-8859-15"', b"\xa4", "€"),
        ("text/plain; charset=utf-8", b"a\xff", "a�"),
        ("text/plain; charset=no-such-thing", "ü".encode(), "ü"),
        # Codecs of Python's that are none of text, or take quadratic time.
        ("text/plain; charset=rot13", b"abc", "abc"),
        ("text/plain; charset=punycode", b"abc-", "abc-"),
        ("text/plain; charset=unicode_escape", rb"\x41", r"\x41"),
        ("text/plain; charset=iso-8859-1", "ü".encode("utf-8-sig"), "ü"),
        ("text/plain", "ü".encode("utf-16"), "ü"),
        ("text/plain", b"\xfe\xff\x00\xfc", "ü"),
    ],
)
def test_text(kind: str | None, body: bytes, text: str) -> None:
    fields = [] if kind is None else [("content-type", kind)]
    assert Result(answered(200, body, *fields)).text == text


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_json(encoding: str) -> None:
    body = json.dumps({"ü": [1, None]}, ensure_ascii=False).encode(encoding)
    assert Result(answered(200, body)).json() == {"ü": [1, None]}
    assert Result(answered(500, body)).json() == {"ü": [1, None]}


def test_what_is_no_json_says_what_came() -> None:
    result = Result(answered(502, b"<html>", ("Content-Type", "text/html")))
    with pytest.raises(ValueError, match=r"the answer \(502, text/html\) is no JSON: Expecting value"):
        result.json()
    with pytest.raises(ValueError, match="no Content-Type"):
        Result(answered(200, b"\xff")).json()
    with pytest.raises(ValueError, match="nested too deeply"):
        Result(answered(200, b"[" * 1_000_000)).json()


def test_it_is_kept_only_when_it_is_fine() -> None:
    kept: list[tuple[Outcome, float]] = []

    def keep(outcome: Outcome, seconds: float) -> None:
        kept.append((outcome, seconds))

    outcome = answered(200)
    result = Result(outcome, keep)
    result.cache()
    result.cache(5)
    result.expire()
    assert kept == [(outcome, 300), (outcome, 5), (outcome, 0)]
    for other in (answered(404), answered(204), failed(ReadError("reset")), None):
        Result(other, keep).cache(5)
    assert len(kept) == 3
    Result(answered(200)).cache(5)


def test_results_are_read_by_several_threads() -> None:
    result = Result(answered(200, b"x" * 100_000, *FIELDS))
    seen = []
    threads = [
        threading.Thread(target=lambda: seen.append((len(result.text), result.headers["x-one"])))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [(100_000, "1")] * 8


def test_headers_are_a_mapping_without_case() -> None:
    headers = ResponseHeaders([("Vary", "a"), ("X", "1"), ("vary", "b")])
    assert list(headers) == ["Vary", "X"]
    assert len(headers) == 2
    assert dict(headers) == {"Vary": "a, b", "X": "1"}
    assert "VARY" in headers
    assert "y" not in headers
    assert 7 not in headers
    assert headers.get("y", "none") == "none"
    assert headers.get_all("y") == []
    with pytest.raises(KeyError):
        headers["y"]
    assert repr(headers) == "ResponseHeaders({'Vary': 'a, b', 'X': '1'})"
