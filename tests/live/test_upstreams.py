"""Calls by `was` to servers that others wrote: httpbin, nginx with and without TLS, `xmlrpc.server`."""

from __future__ import annotations

import http.cookiejar
import io
import json
import socket
import ssl
import threading
import time
import xmlrpc.client
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from skitai import was
from skitai.errors import ConnectError, NetworkTimeout, ReadError, TLSError
from tests.live.program import Serve
from tests.live.upstreams import Authority, ManyServers, Upstream, xmlrpc_server

PATIENCE = 10.0

Nginx = Callable[..., Upstream]


@pytest.fixture
def bin(httpbin_url: str) -> Callable[..., Any]:
    """``bin("get", "/path", ...)``: the answer's JSON."""

    def ask(verb: str, path: str, *args: Any, **options: Any) -> Any:
        result = getattr(was, verb)(f"{httpbin_url}{path}", *args, **options).getwait(PATIENCE)
        result.reraise()
        assert result.code == 200, repr(result)
        return result.json()

    return ask


# --- httpbin, on waitress


@pytest.mark.parametrize("verb", ["get", "post", "put", "patch", "delete"])
def test_each_verb_arrives_with_its_query(bin: Callable[..., Any], verb: str) -> None:
    seen = bin(verb, f"/{verb}?a=1", params={"b": "é &"})
    assert seen["args"] == {"a": "1", "b": "é &"}


def test_options_and_head(httpbin_url: str) -> None:
    allowed = was.options(f"{httpbin_url}/get").getwait(PATIENCE).get_header("Allow")
    assert {word.strip() for word in allowed.split(",")} == {"GET", "HEAD", "OPTIONS"}
    head = was.head(f"{httpbin_url}/get").getwait(PATIENCE)
    assert (head.status, head.code, head.data) == (3, 200, None)
    assert int(head.headers["content-length"]) > 0


def test_forms_json_text_and_bytes(bin: Callable[..., Any]) -> None:
    assert bin("post", "/post", {"a": "é", "b": ["1", "2"]})["form"] == {"a": "é", "b": ["1", "2"]}
    assert bin("post", "/post", json=[1, {"b": None}])["json"] == [1, {"b": None}]
    assert bin("post", "/post", "raw")["data"] == "raw"
    assert bin("put", "/put", data=io.BytesIO(b"from a file"))["data"] == "from a file"


def test_uploads(bin: Callable[..., Any], tmp_path: Path) -> None:
    """README's sample, and a file that does not fit into memory at once."""
    (tmp_path / "logo.png").write_bytes(b"\x89PNG" + bytes(100))
    with open(tmp_path / "logo.png", "rb") as file:
        seen = bin("upload", "/post", {"user": "Hans Roh", "file": file})
    assert seen["form"] == {"user": "Hans Roh"}
    assert seen["files"]["file"].startswith("data:image/png;base64,iVBORw")
    text = "0123456789abcdef" * 131072
    (tmp_path / "large.txt").write_text(text)
    with open(tmp_path / "large.txt", "rb") as file:
        assert bin("post", "/post", files={"f": file})["files"]["f"] == text


def test_headers_arrive(bin: Callable[..., Any]) -> None:
    seen = bin("get", "/headers", headers={"X-Mixed-Case": "a, b"})["headers"]
    assert seen["X-Mixed-Case"] == "a, b"
    assert seen["User-Agent"].startswith("Skitai/")


@pytest.mark.parametrize("status", [201, 204, 301, 304, 400, 401, 404, 418, 500, 503])
def test_every_status_is_an_answer(httpbin_url: str, status: int) -> None:
    result = was.get(f"{httpbin_url}/status/{status}").getwait(PATIENCE)
    assert (result.status, result.code) == (3, status)


def test_redirects_on_demand(httpbin_url: str) -> None:
    url = f"{httpbin_url}/relative-redirect/3"
    assert was.get(url).getwait(PATIENCE).code == 302
    assert was.get(url, redirects=True).getwait(PATIENCE).json()["url"] == f"{httpbin_url}/get"
    assert "more than 2 redirects" in was.get(url, redirects=2).getwait(PATIENCE).msg


def test_cookies_on_demand(httpbin_url: str) -> None:
    jar = http.cookiejar.CookieJar()
    url = f"{httpbin_url}/cookies/set?a=1&b=2"
    seen = was.get(url, cookies=jar, redirects=True).getwait(PATIENCE).json()
    assert seen["cookies"] == {"a": "1", "b": "2"} == {cookie.name: cookie.value for cookie in jar}
    assert was.get(f"{httpbin_url}/cookies").getwait(PATIENCE).json()["cookies"] == {}


def test_basic_auth_is_sent_at_once(httpbin_url: str) -> None:
    url = f"{httpbin_url}/hidden-basic-auth/me/secret"  # 404 to those who wait to be asked
    assert was.get(url, auth=("me", "secret")).getwait(PATIENCE).code == 200
    assert was.get(url, auth=("me", "wrong")).getwait(PATIENCE).code == 404


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
def test_digest_auth(httpbin_url: str, algorithm: str) -> None:
    url = f"{httpbin_url}/digest-auth/auth/me/secret/{algorithm}"
    for _ in range(2):
        assert was.get(url, auth=("me", "secret", "digest")).getwait(PATIENCE).code == 200
    assert was.get(url, auth=("me", "wrong", "digest")).getwait(PATIENCE).code == 401


@pytest.mark.parametrize("coding", ["gzip", "deflate", "brotli"])
def test_codings_are_undone(bin: Callable[..., Any], coding: str) -> None:
    seen = bin("get", f"/{coding}")
    assert seen["gzipped" if coding == "gzip" else "deflated" if coding == "deflate" else "brotli"] is True


def test_chunks_and_pieces(httpbin_url: str) -> None:
    lines = was.get(f"{httpbin_url}/stream/20").getwait(PATIENCE)
    assert [json.loads(line)["id"] for line in lines.text.splitlines()] == list(range(20))
    whole = was.get(f"{httpbin_url}/stream-bytes/102400?seed=7&chunk_size=999").getwait(PATIENCE)
    assert len(whole.data) == 102400


def test_a_slow_answer_is_waited_for_as_long_as_is_said(httpbin_url: str) -> None:
    begun = time.monotonic()
    calls = [was.get(f"{httpbin_url}/delay/1") for _ in range(4)]
    late = was.get(f"{httpbin_url}/delay/1")
    result = late.getwait(0.2)
    assert (result.status, type(result.error)) == (1, NetworkTimeout)
    assert {call.getwait(PATIENCE).code for call in calls} == {200}
    assert time.monotonic() - begun < 4


# --- nginx


def test_a_thousand_files_over_a_few_connections(serve_nginx: Nginx, tmp_path: Path) -> None:
    files = tmp_path / "files"
    files.mkdir()
    for number in range(100):
        (files / f"{number}.txt").write_text(f"{number}\n" * (number + 1))
    more = 'location = /connection { return 200 "$connection"; }'
    url = serve_nginx(files, more=more).url
    calls: deque[Any] = deque()
    for number in range(1000):
        calls.append((number % 100, was.get(f"{url}/{number % 100}.txt")))
        if len(calls) == 10:
            asked, call = calls.popleft()
            assert call.getwait(PATIENCE).text == f"{asked}\n" * (asked + 1)
    for asked, call in calls:
        assert call.getwait(PATIENCE).text == f"{asked}\n" * (asked + 1)
    assert int(was.get(f"{url}/connection").getwait(PATIENCE).text) <= 11


def test_a_connection_that_is_closed_is_made_anew(serve_nginx: Nginx) -> None:
    url = serve_nginx().url
    for _ in range(3):
        assert was.get(f"{url}/closes").getwait(PATIENCE).text == "closes\n"


def test_a_large_file(serve_nginx: Nginx, tmp_path: Path) -> None:
    (tmp_path / "large.bin").write_bytes(bytes(range(256)) * 4096 * 20)
    result = was.get(f"{serve_nginx().url}/large.bin").getwait(PATIENCE)
    assert result.data == bytes(range(256)) * 4096 * 20


def test_certificates_are_checked(serve_nginx: Nginx, authority: Authority, tmp_path: Path) -> None:
    cafile = str(authority.cafile)
    port = serve_nginx(certificate=authority.certificate()).port
    url = f"https://localhost:{port}/hello"
    for _ in range(2):
        assert was.get(url, cafile=cafile).getwait(PATIENCE).text == "hello\n"
    assert was.get(url, verify=False).getwait(PATIENCE).text == "hello\n"
    assert was.get(f"https://127.0.0.1:{port}/hello", cafile=cafile).getwait(PATIENCE).code == 200
    (tmp_path / "other").mkdir()
    for options in ({}, {"cafile": str(Authority(tmp_path / "other").cafile)}):
        refused = was.get(url, **options).getwait(PATIENCE)
        assert type(refused.error) is TLSError
        assert "if you trust its authority: cafile" in refused.msg
    elsewhere = was.get(url, cafile=cafile, server_name="example.com").getwait(PATIENCE)
    assert type(elsewhere.error) is TLSError
    assert "example.com" in str(elsewhere.error)
    assert "if it rightly has another name: server_name" in elsewhere.msg


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_sessions_are_resumed(authority: Authority, version: ssl.TLSVersion) -> None:
    """By a server that closes behind each answer."""
    context = authority.server_context()
    context.maximum_version = version
    resumed: list[bool | None] = []

    def serve(listening: socket.socket) -> None:
        for _ in range(3):
            sock, _ = listening.accept()
            with context.wrap_socket(sock, server_side=True) as tls:
                resumed.append(tls.session_reused)
                tls.recv(65536)
                tls.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi")

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve, args=(listening,), daemon=True)
        thread.start()
        url = f"https://127.0.0.1:{listening.getsockname()[1]}/"
        for _ in range(3):
            assert was.get(url, cafile=str(authority.cafile)).getwait(PATIENCE).text == "hi"
        thread.join(PATIENCE)
    assert resumed == [False, True, True]


def test_https_to_a_server_that_speaks_http(serve_nginx: Nginx) -> None:
    result = was.get(f"https://127.0.0.1:{serve_nginx().port}/hello").getwait(PATIENCE)
    assert type(result.error) is TLSError
    assert "does it speak http there?" in result.msg


def test_what_was_checked_is_no_pass_for_what_was_not(serve_nginx: Nginx, authority: Authority) -> None:
    url = f"https://localhost:{serve_nginx(certificate=authority.certificate()).port}/hello"
    assert was.get(url, verify=False).getwait(PATIENCE).code == 200
    assert type(was.get(url).getwait(PATIENCE).error) is TLSError


def test_certificates_of_clients(serve_nginx: Nginx, authority: Authority) -> None:
    upstream = serve_nginx(certificate=authority.certificate(), clients=authority.cafile)
    url = f"https://localhost:{upstream.port}/hello"
    options = {"cafile": str(authority.cafile)}
    assert was.get(url, **options).getwait(PATIENCE).code == 400
    mine = str(authority.certificate("me"))
    assert was.get(url, certfile=mine, keyfile=mine, **options).getwait(PATIENCE).text == "hello\n"
    assert was.get(url, **options).getwait(PATIENCE).code == 400


# --- XML-RPC


@pytest.fixture
def rpc_url() -> Iterator[str]:
    with xmlrpc_server() as port:
        yield f"http://127.0.0.1:{port}/RPC2"


def test_xml_rpc(rpc_url: str) -> None:
    s = was.rpc(rpc_url)
    s.math.sum(1, 2)
    result = s.getwait(PATIENCE)
    assert (result.status, result.code, result.data) == (3, 200, 3)
    s = was.rpc(rpc_url)
    s.divide(1, 0)
    result = s.getwait(PATIENCE)
    assert (result.status, result.data) == (2, b"")
    assert "<fault>" in result.text
    with pytest.raises(xmlrpc.client.Fault, match="ZeroDivisionError"):
        result.reraise()
    s = was.rpc(rpc_url, multicall=True)
    s.echo("a")
    s.divide(7, 2)
    assert s.getwait(PATIENCE).data == ["a", 3]
    s = was.rpc(rpc_url)
    s.echo(1)
    s.echo(2)
    assert [result.data for result in s.getswait(PATIENCE)] == [1, 2]


def test_xml_rpc_where_there_is_none(serve_nginx: Nginx) -> None:
    url = serve_nginx().url
    s = was.rpc(f"{url}/missing")
    s.anything()
    assert (s.getwait(PATIENCE).status, s.getwait(PATIENCE).code) == (3, 404)
    s = was.rpc(f"{url}/hello")
    s.anything()
    result = s.getwait(PATIENCE)
    assert (result.status, result.code) == (2, 707)
    assert "is no XML" in result.msg


# --- what becomes of servers


def test_a_server_that_is_killed_and_comes_no_more(many_servers: Callable[[int], ManyServers]) -> None:
    one = many_servers(1)
    url = f"http://127.0.0.1:{one.ports[0]}/"
    assert was.get(url).getwait(PATIENCE).text == "0"
    one.delay(0, 5)
    calls = [was.get(url) for _ in range(5)]
    time.sleep(0.1)
    one.kill()
    assert {type(call.getwait(PATIENCE).error) for call in calls} <= {ReadError, ConnectError}
    assert type(was.get(url).getwait(PATIENCE).error) is ConnectError


def test_a_server_that_is_frozen(many_servers: Callable[[int], ManyServers]) -> None:
    one = many_servers(1)
    url = f"http://127.0.0.1:{one.ports[0]}/"
    assert was.get(url).getwait(PATIENCE).text == "0"
    one.freeze()
    result = was.get(url, first_byte_timeout=0.2).getwait(PATIENCE)
    assert (result.status, result.error.limit) == (1, "first_byte_timeout")
    one.thaw()
    assert was.get(url).getwait(PATIENCE).text == "0"


def test_calls_of_many_threads(many_servers: Callable[[int], ManyServers]) -> None:
    few = many_servers(4)
    wrong: list[object] = []

    def ask(number: int) -> None:
        for turn in range(50):
            which = (number + turn) % 4
            result = was.get(f"http://127.0.0.1:{few.ports[which]}/").getwait(PATIENCE)
            if result.text != str(which):
                wrong.append(result)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert sum(few.seen()["requests"]) == 16 * 50
    assert sum(few.seen()["connections"]) <= 4 * 16


# --- from handlers

HANDLER = """
from collections import deque
from urllib.parse import parse_qs

from skitai import was


def app(environ, start_response):
    asked = parse_qs(environ["QUERY_STRING"])
    url, count = asked["url"][0], int(asked["count"][0])
    calls = deque(was.get(url) for _ in range(min(count, 100)))
    codes = {}
    for number in range(count):
        code = calls.popleft().getwait(5).code
        codes[code] = codes.get(code, 0) + 1
        if number < count - 100:
            calls.append(was.get(url))
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [repr(codes).encode()]
"""


@pytest.mark.parametrize("build", ["compiled", "pure"])
@pytest.mark.parametrize("park", ["yes", "no"])
def test_a_handler_asks_a_thousand_times(
    serve_conf: Serve, serve_nginx: Nginx, tmp_path: Path, park: str, build: str
) -> None:
    (tmp_path / "asking_app.py").write_text(HANDLER)
    server = serve_conf(
        f"[server]\nthreads = 2\n[routes:line]\n/ = {tmp_path}/asking_app:app\n[mount /]\npark = {park}\n",
        env={"SKITAI_PURE": "1"} if build == "pure" else {},
    )
    url = serve_nginx().url
    with server.connect() as wire:
        assert wire.get(f"/?count=1000&url={url}/hello").text == "{200: 1000}"
        assert wire.get(f"/?count=10&url={url}/missing").text == "{404: 10}"
