"""From the arguments of a call to the request."""

from __future__ import annotations

import http.cookiejar
import io
import json
import time
from pathlib import Path
from typing import Any

import pytest

from skitai._constants import VERSION
from skitai.core.outbound.decoding import ACCEPTED
from skitai.core.outbound.request import Origin, Request, TLSOptions
from skitai.was._credentials import Credentials
from skitai.was._encoding import build
from skitai.was._followups import FollowUp

URL = "http://h/path"
OURS = [("Accept", "*/*"), ("Accept-Encoding", ACCEPTED), ("User-Agent", f"Skitai/{VERSION}")]


def body_of(request: Request) -> bytes:
    if isinstance(request.body, bytes):
        return request.body
    pieces = list(iter(lambda: request.body.read(1000), b""))
    assert sum(map(len, pieces)) == request.body.size
    return b"".join(pieces)


def kind_of(request: Request) -> str | None:
    found = [value for name, value in request.headers if name == "Content-Type"]
    assert len(found) < 2
    return found[0] if found else None


def test_a_plain_get() -> None:
    request = build("get", URL)
    assert (request.method, request.origin, request.target) == ("GET", Origin("http", "h", 80), "/path")
    assert (request.headers, request.body, request.after, request.sink) == (OURS, b"", None, None)
    # Whoever adds one changes no other request.
    request.headers.append(("X", "1"))
    assert build("get", URL).headers == OURS


@pytest.mark.parametrize(
    ("verb", "method", "repeatable"),
    [
        ("get", "GET", True),
        ("HEAD", "HEAD", True),
        ("options", "OPTIONS", True),
        ("put", "PUT", True),
        ("delete", "DELETE", True),
        ("post", "POST", False),
        ("patch", "PATCH", False),
        ("upload", "POST", False),
        ("UPLOAD", "POST", False),
    ],
)
def test_verbs(verb: str, method: str, repeatable: bool) -> None:
    request = build(verb, URL, {"a": 1})
    assert (request.method, request.repeatable) == (method, repeatable)


# --- bodies


@pytest.mark.parametrize(
    ("data", "body", "kind"),
    [
        (None, b"", None),
        (b"raw\0", b"raw\0", None),
        (bytearray(b"raw"), b"raw", None),
        (memoryview(b"raw"), b"raw", None),
        ("Grüße", "Grüße".encode(), None),
        ("", b"", None),
        (
            {"user": "Hans Roh", "comment": "Hello&=ü"},
            b"user=Hans+Roh&comment=Hello%26%3D%C3%BC",
            "application/x-www-form-urlencoded",
        ),
        ({}, b"", "application/x-www-form-urlencoded"),
        ([("a", 1), ("a", None), ("b", [2, 3])], b"a=1&b=2&b=3", "application/x-www-form-urlencoded"),
        ((("a", 1), ("b", 2.5)), b"a=1&b=2.5", "application/x-www-form-urlencoded"),
        ([b"one ", "zwölf"], "one zwölf".encode(), None),
        (io.BytesIO(b"memory"), b"memory", None),
        (io.StringIO("zwölf"), "zwölf".encode(), None),
        (iter([b"a", bytearray(b"b"), memoryview(b"c"), "d"]), b"abcd", None),
    ],
)
def test_data(data: Any, body: bytes, kind: str | None) -> None:
    request = build("post", URL, data)
    assert (body_of(request), kind_of(request)) == (body, kind)


def test_a_generator_is_run_in_the_callers_thread_and_what_it_raises_is_raised_there() -> None:
    def pieces() -> Any:
        yield b"one"
        raise LookupError("no more")

    with pytest.raises(LookupError, match="no more"):
        build("post", URL, pieces())


def test_json() -> None:
    request = build("post", URL, json={"a": [1, "ü", None]})
    assert json.loads(body_of(request)) == {"a": [1, "ü", None]}
    assert kind_of(request) == "application/json"
    assert b" " not in body_of(request)
    assert body_of(build("post", URL, json=[])) == b"[]"
    with pytest.raises(ValueError, match="json= is a whole body"):
        build("post", URL, {"a": 1}, json={})
    with pytest.raises(ValueError, match="json= is a whole body"):
        build("post", URL, json={}, files={"a": b""})
    with pytest.raises(ValueError, match="not JSON compliant"):
        build("post", URL, json=float("nan"))
    with pytest.raises(TypeError, match="not JSON serializable"):
        build("post", URL, json=object())


@pytest.mark.parametrize("data", [5, 5.5, object(), [1, 2], [("a", 1), b"b"]])
def test_data_that_cannot_be_sent(data: object) -> None:
    with pytest.raises(TypeError, match=r"data is str, bytes, a dict|made of bytes, not of"):
        build("post", URL, data)


def test_an_asynchronous_iterable_is_none() -> None:
    async def pieces() -> Any:
        yield b"one"

    with pytest.raises(TypeError, match="data is str, bytes, a dict, pairs, a file or an iterable of bytes"):
        build("post", URL, pieces())


def test_a_file(tmp_path: Path) -> None:
    path = tmp_path / "big.bin"
    content = bytes(range(256)) * 1000
    path.write_bytes(content)
    with path.open("rb") as file:
        file.read(10)
        request = build("put", URL, file)
        assert file.read(3) == content[10:13]
    # The caller's file is closed, and only what was left of it is sent.
    assert request.body.size == len(content) - 10  # type: ignore[union-attr]
    assert body_of(request) == content[10:]
    assert kind_of(request) is None
    assert body_of(build("put", URL, path)) == content


def test_params() -> None:
    assert (
        build("get", "http://h/find?a=1", params={"q": "Mozart & Co"}).target == "/find?a=1&q=Mozart+%26+Co"
    )
    assert build("get", "@search/find", params={"q": 1}).target == "/find?q=1"
    assert build("get", "@search/find").origin == Origin("http", "@search", 80)


# --- headers


def test_headers_of_a_caller_come_instead_of_ours() -> None:
    request = build("get", URL, headers={"accept": "text/html", "X-Trace": "1", "USER-AGENT": None})
    assert request.headers == [("Accept-Encoding", ACCEPTED), ("accept", "text/html"), ("X-Trace", "1")]
    request = build("get", URL, headers=[("X", "1"), ("X", "2")])
    assert request.headers == [*OURS, ("X", "1"), ("X", "2")]


def test_values_of_headers() -> None:
    values = {"A": 1, "B": b"\xe4", "C": " x\t", "D": "ä", "E": 1.5, "F": ""}
    given = build("get", URL, headers=values).headers[3:]
    assert given == [("A", "1"), ("B", "ä"), ("C", "x"), ("D", "ä"), ("E", "1.5"), ("F", "")]


def test_the_type_of_a_body_may_be_said() -> None:
    assert build("post", URL, "<a/>", headers={"content-type": "text/xml"}).headers[-1] == (
        "content-type",
        "text/xml",
    )
    request = build("post", URL, {"a": 1}, headers={"content-type": "application/x-odd"})
    assert kind_of(request) is None
    # But not that of a multipart body, which has a boundary in it.
    request = build("upload", URL, {"a": 1}, headers={"Content-Type": "multipart/form-data"})
    assert (kind_of(request) or "").startswith("multipart/form-data; boundary=")


def test_the_body_decides_its_framing() -> None:
    headers = {"Content-Length": "5", "transfer-encoding": "chunked", "Host": "other"}
    assert build("post", URL, b"abc", headers=headers).headers == [*OURS, ("Host", "other")]


@pytest.mark.parametrize(
    "headers",
    [
        {"X": "a\r\nY: b"},
        {"X": "a\nb"},
        {"X": "a\0"},
        {"X": b"a\r"},
        {"X": "€"},
        {"X Y": "1"},
        {"X:": "1"},
        {"": "1"},
        {"Ü": "1"},
        {5: "1"},
    ],
)
def test_headers_that_cannot_be_sent(headers: Any) -> None:
    with pytest.raises(ValueError, match=r"no header can carry|is no name of a header"):
        build("get", URL, headers=headers)


@pytest.mark.parametrize("headers", ["X: a", ["X: a"], [("X",)], {("X", "a"): None}.values()])
def test_headers_that_are_none(headers: Any) -> None:
    with pytest.raises(TypeError, match="headers are a dict, or pairs of a name and a value, not"):
        build("get", URL, headers=headers)


def test_a_header_is_text() -> None:
    with pytest.raises(TypeError, match="the header X is list: give str, bytes or a number"):
        build("get", URL, headers={"X": ["1"]})


# --- TLS and proxies


def test_tls_options() -> None:
    assert build("get", "https://h/").origin.tls == TLSOptions()
    request = build(
        "get", "https://h/", verify=False, cafile="ca.pem", certfile="c", keyfile="k", server_name="n"
    )
    assert request.origin == Origin("https", "h", 443, TLSOptions(False, "ca.pem", "c", "k", "n"))
    # Whether a cluster speaks TLS, it knows itself.
    assert build("get", "@search/", cafile="ca.pem").origin.tls == TLSOptions(cafile="ca.pem")
    assert build("get", "http://h/", verify=False).origin.tls is None


def test_a_proxy() -> None:
    proxy = Origin("http", "proxy", 3128)
    assert build("get", "https://h/", proxy="http://proxy:3128").origin == Origin(
        "https", "h", 443, TLSOptions(), proxy
    )


# --- what is done about the answer


def test_credentials() -> None:
    for auth in (("ann", "secret"), "ann:secret", ["ann", "secret"], Credentials("ann", "secret")):
        assert build("get", URL, auth=auth).after == FollowUp(Credentials("ann", "secret"))  # type: ignore[arg-type]
    assert build("get", "http://ann:secret@h/").after == FollowUp(Credentials("ann", "secret"))
    assert build("get", "http://bob:x@h/", auth="ann:secret").after == FollowUp(Credentials("ann", "secret"))
    only = build("get", URL, auth=("ann", "secret", "digest")).after
    assert only == FollowUp(Credentials("ann", "secret", "digest"))


def test_redirects() -> None:
    assert build("get", URL, redirects=True).after == FollowUp(redirects=10)
    assert build("get", URL, redirects=3).after == FollowUp(redirects=3)
    assert build("get", URL, redirects=0).after is None


def test_cookies() -> None:
    request = build("get", URL, cookies={"a": "1", "b": "two words"})
    assert request.headers == [*OURS, ("Cookie", "a=1; b=two words")]
    assert request.after is None
    jar = http.cookiejar.CookieJar()
    assert build("get", URL, cookies=jar).after == FollowUp(jar=jar)
    for bad in ({"a b": "1"}, {"a": "1;2"}, {"a": "1\r\n"}, {"a": "ü"}, {"": "1"}):
        with pytest.raises(ValueError, match="cannot be sent"):
            build("get", URL, cookies=bad)
    with pytest.raises(TypeError, match=r"cookies are a dict or an http\.cookiejar\.CookieJar, not str"):
        build("get", URL, cookies="a=1")


def test_an_argument_that_there_is_not() -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'header'"):
        build("get", URL, header={})  # type: ignore[call-arg]


def test_a_plain_call_is_quick() -> None:
    """A twentieth of the 50 us that a call may take, with a margin for a busy machine."""
    best = 1.0
    for _ in range(5):
        began = time.perf_counter()
        for number in range(2000):
            build("GET", f"http://h:8080/resource/{number}?a=b")
        best = min(best, (time.perf_counter() - began) / 2000)
    assert best < 25e-6
