"""httpbin from PyPI on Skitai, driven by requests: what both sides take for granted in HTTP."""

from __future__ import annotations

import io
import time
import zlib
from collections.abc import Iterator

import pytest
import requests
from requests.auth import HTTPBasicAuth, HTTPDigestAuth

from tests.live.program import Serve


@pytest.fixture(scope="module")
def url(serve_module: Serve) -> str:
    return serve_module("httpbin:app", "--threads", "8").url


# --- methods and what arrives


@pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete"])
def test_each_method_arrives_with_its_query_and_url(url: str, session: requests.Session, method: str) -> None:
    seen = session.request(method, f"{url}/{method}", params={"a": ["1", "2"], "b": "é &"}).json()
    assert seen["args"] == {"a": ["1", "2"], "b": "é &"}
    assert seen["url"].startswith(f"{url}/{method}?")


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "TRACE"])
def test_anything_takes_any_method(url: str, session: requests.Session, method: str) -> None:
    seen = session.request(method, f"{url}/anything/a%20b").json()
    assert (seen["method"], seen["url"]) == (method, f"{url}/anything/a%20b")


def test_options_and_head(url: str, session: requests.Session) -> None:
    allowed = session.options(f"{url}/get").headers["Allow"]
    assert {word.strip() for word in allowed.split(",")} == {"GET", "HEAD", "OPTIONS"}
    head = session.head(f"{url}/get")
    assert (head.status_code, head.content) == (200, b"")
    assert int(head.headers["Content-Length"]) > 0


def test_forms_files_and_json(url: str, session: requests.Session) -> None:
    assert session.post(f"{url}/post", data={"a": "é"}).json()["form"] == {"a": "é"}
    seen = session.post(f"{url}/post", data={"a": "1"}, files={"f": ("n", b"text")}).json()
    assert (seen["form"], seen["files"]) == ({"a": "1"}, {"f": "text"})
    assert session.post(f"{url}/post", json=[1, {"b": None}]).json()["json"] == [1, {"b": None}]
    assert session.post(f"{url}/post", data=b"raw").json()["data"] == "raw"


def test_a_large_body_comes_back(url: str, session: requests.Session) -> None:
    text = "0123456789abcdef" * 131072  # 2 MiB
    assert session.post(f"{url}/anything", data=text).json()["data"] == text


def test_a_body_from_a_file(url: str, session: requests.Session) -> None:
    assert session.put(f"{url}/put", data=io.BytesIO(b"from a file")).json()["data"] == "from a file"


def test_a_chunked_body(url: str, session: requests.Session) -> None:
    """httpbin answers 501 when it sees Transfer-Encoding: for an application it is the server's."""

    def pieces() -> Iterator[bytes]:
        yield from (b"one ", b"two ", b"three")

    reply = session.post(f"{url}/post", data=pieces())
    assert reply.status_code == 200
    assert reply.json()["data"] == "one two three"


def test_headers_arrive(url: str, session: requests.Session) -> None:
    seen = session.get(f"{url}/headers", headers={"X-Mixed-Case": "a, b", "X-Empty": ""}).json()
    assert seen["headers"]["X-Mixed-Case"] == "a, b"
    assert seen["headers"].get("X-Empty", "") == ""
    assert seen["headers"]["Host"] == url.removeprefix("http://")


def test_the_client_is_seen(url: str, session: requests.Session) -> None:
    assert session.get(f"{url}/ip").json() == {"origin": "127.0.0.1"}
    seen = session.get(f"{url}/user-agent", headers={"User-Agent": "tests"}).json()
    assert seen == {"user-agent": "tests"}


# --- statuses and redirects


@pytest.mark.parametrize(
    "status",
    [
        *(200, 201, 202, 203, 204, 205, 206, 300, 304, 400, 401, 402, 403, 404, 405, 406, 409, 410),
        *(411, 412, 413, 414, 418, 422, 425, 428, 429, 431, 451, 500, 501, 502, 503, 504),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_statuses(url: str, session: requests.Session, method: str, status: int) -> None:
    assert session.request(method, f"{url}/status/{status}").status_code == status
    assert session.get(f"{url}/uuid").status_code == 200, "the connection is in step"


@pytest.mark.parametrize("kind", ["redirect", "relative-redirect", "absolute-redirect"])
def test_redirects_are_followed(url: str, session: requests.Session, kind: str) -> None:
    reply = session.get(f"{url}/{kind}/5")
    assert (reply.status_code, len(reply.history)) == (200, 5)
    assert reply.url == f"{url}/get"


@pytest.mark.parametrize(("status", "method"), [(302, "GET"), (303, "GET"), (307, "POST"), (308, "POST")])
def test_redirect_to_keeps_or_changes_the_method(
    url: str, session: requests.Session, status: int, method: str
) -> None:
    reply = session.post(
        f"{url}/redirect-to",
        params={"url": "/anything", "status_code": str(status)},
        data=b"kept",
    )
    assert reply.json()["method"] == method
    assert reply.json()["data"] == ("kept" if method == "POST" else "")


# --- cookies, authentication, caching


def test_cookies(url: str, session: requests.Session) -> None:
    session.get(f"{url}/cookies/set", params={"a": "1", "b": "2"})
    session.get(f"{url}/cookies/set/c/3")
    assert session.get(f"{url}/cookies").json() == {"cookies": {"a": "1", "b": "2", "c": "3"}}
    session.get(f"{url}/cookies/delete", params={"a": ""})
    assert session.get(f"{url}/cookies").json() == {"cookies": {"b": "2", "c": "3"}}


@pytest.mark.parametrize("path", ["basic-auth", "hidden-basic-auth"])
def test_basic_auth(url: str, session: requests.Session, path: str) -> None:
    refused = session.get(f"{url}/{path}/me/secret")
    assert refused.status_code == (404 if path.startswith("hidden") else 401)
    assert session.get(f"{url}/{path}/me/secret", auth=("me", "wrong")).status_code != 200
    auth = HTTPBasicAuth("me", "secret")
    assert session.get(f"{url}/{path}/me/secret", auth=auth).json()["authenticated"] is True


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256", "SHA-512"])
def test_digest_auth(url: str, session: requests.Session, algorithm: str) -> None:
    target = f"{url}/digest-auth/auth/me/secret/{algorithm}"
    assert session.get(target, auth=HTTPDigestAuth("me", "wrong")).status_code == 401
    reply = session.get(target, auth=HTTPDigestAuth("me", "secret"))
    assert reply.json() == {"authenticated": True, "user": "me"}


def test_bearer(url: str, session: requests.Session) -> None:
    assert session.get(f"{url}/bearer").status_code == 401
    reply = session.get(f"{url}/bearer", headers={"Authorization": "Bearer t0k"})
    assert reply.json() == {"authenticated": True, "token": "t0k"}


def test_conditional_requests(url: str, session: requests.Session) -> None:
    assert session.get(f"{url}/cache").status_code == 200
    assert session.get(f"{url}/cache", headers={"If-None-Match": "x"}).status_code == 304
    assert session.get(f"{url}/cache/60").headers["Cache-Control"] == "public, max-age=60"
    assert session.get(f"{url}/etag/v1").headers["ETag"] == "v1"
    assert session.get(f"{url}/etag/v1", headers={"If-None-Match": '"v1"'}).status_code == 304
    assert session.get(f"{url}/etag/v1", headers={"If-Match": '"v2"'}).status_code == 412


# --- bodies that come down


@pytest.mark.parametrize("coding", ["gzip", "deflate", "brotli"])
def test_content_codings_pass_untouched(url: str, session: requests.Session, coding: str) -> None:
    reply = session.get(f"{url}/{coding}", headers={"Accept-Encoding": coding}, stream=True)
    body = reply.raw.read(decode_content=False)
    assert reply.headers["Content-Encoding"] == {"brotli": "br"}.get(coding, coding)
    assert int(reply.headers["Content-Length"]) == len(body)
    if coding != "brotli":
        assert b'"method": "GET"' in zlib.decompress(body, wbits=47 if coding == "gzip" else 15)


def test_streamed_lines(url: str, session: requests.Session) -> None:
    reply = session.get(f"{url}/stream/20", stream=True)
    assert reply.headers["Transfer-Encoding"] == "chunked"
    assert sum(1 for _ in reply.iter_lines()) == 20


def test_streamed_bytes(url: str, session: requests.Session) -> None:
    fixed = session.get(f"{url}/bytes/1024?seed=7")
    assert len(fixed.content) == 1024
    streamed = session.get(f"{url}/stream-bytes/102400?seed=7&chunk_size=999")
    assert len(streamed.content) == 102400
    assert streamed.content == session.get(f"{url}/stream-bytes/102400?seed=7").content


def test_ranges_of_the_application(url: str, session: requests.Session) -> None:
    reply = session.get(f"{url}/range/26", headers={"Range": "bytes=10-14"})
    assert (reply.status_code, reply.content) == (206, b"klmno")
    assert reply.headers["Content-Range"] == "bytes 10-14/26"
    assert session.get(f"{url}/range/26", headers={"Range": "bytes=90-"}).status_code == 416


def test_drip_comes_drop_by_drop(url: str, session: requests.Session) -> None:
    reply = session.get(f"{url}/drip?duration=1&numbytes=5&delay=0", stream=True)
    assert reply.headers["Content-Length"] == "5"
    arrivals = [(drop, time.monotonic()) for drop in iter(lambda: reply.raw.read(1), b"")]
    assert [drop for drop, _ in arrivals] == [b"*"] * 5
    assert arrivals[-1][1] - arrivals[0][1] > 0.5, "the drops came together"


def test_delay_holds_up_nobody_else(url: str, session: requests.Session) -> None:
    with requests.Session() as other:
        slow = session.get(f"{url}/drip?duration=2&numbytes=2&delay=0", stream=True)
        begun = time.monotonic()
        assert other.get(f"{url}/uuid").status_code == 200
        assert time.monotonic() - begun < 1.5
        assert slow.content == b"**"


@pytest.mark.parametrize(
    ("path", "type_", "begins"),
    [
        ("html", "text/html", b"<!DOCTYPE html>"),
        ("xml", "application/xml", b"<?xml"),
        ("json", "application/json", b"{"),
        ("robots.txt", "text/plain", b"User-agent"),
        ("deny", "text/plain", b"\n"),
        ("encoding/utf8", "text/html", b"<h1>"),
        ("image/png", "image/png", b"\x89PNG"),
        ("image/jpeg", "image/jpeg", b"\xff\xd8"),
        ("image/webp", "image/webp", b"RIFF"),
        ("image/svg", "image/svg+xml", b"<svg"),
        ("base64/c2tpdGFp", "text/html", b"skitai"),
        ("forms/post", "text/html", b"<!DOCTYPE html>"),
        ("links/3/0", "text/html", b"<html>"),
    ],
)
def test_documents(url: str, session: requests.Session, path: str, type_: str, begins: bytes) -> None:
    reply = session.get(f"{url}/{path}", headers={"Accept-Encoding": "identity"})
    assert reply.status_code == 200
    assert reply.headers["Content-Type"].startswith(type_)
    assert reply.content.startswith(begins)
    assert len(reply.content) == int(reply.headers["Content-Length"])


def test_response_headers_go_out_as_given(url: str, session: requests.Session) -> None:
    reply = session.get(f"{url}/response-headers", params={"X-One": "1", "X-Two": ["a", "b"]}, stream=True)
    assert reply.headers["X-One"] == "1"
    assert reply.raw.headers.getlist("X-Two") == ["a", "b"]


def test_one_connection_serves_a_whole_session(url: str, session: requests.Session) -> None:
    for number in range(20):
        assert len(session.get(f"{url}/bytes/{number}").content) == number
    adapter = session.get_adapter(url)
    assert isinstance(adapter, requests.adapters.HTTPAdapter)
    pools = adapter.poolmanager.pools
    [key] = pools.keys()
    assert pools[key].num_connections == 1
