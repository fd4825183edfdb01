"""What a client says, what a member hears of it, and back: the bytes, over real sockets."""

from __future__ import annotations

import socket
import struct
import threading
from pathlib import Path

import pytest

from tests.proxy.proxy_world import Member, proxying

pytestmark = pytest.mark.usefixtures("way")

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def test_a_plain_request_and_its_answer() -> None:
    member = Member()
    with proxying(member) as world:
        client = world.client()
        client.send(
            b"GET /a%20b?q=1 HTTP/1.1\r\nHost: Site:80\r\nAccept: */*\r\nCookie: a=1\r\n"
            b"X-Forwarded-For: 6.6.6.6\r\nX_Forwarded_For: 6.6.6.6\r\nForwarded: for=6.6.6.6\r\n\r\n"
        )
        asked = member.accept()
        assert asked.head() == (
            b"GET /a%20b?q=1 HTTP/1.1\r\nHost: site:80\r\nAccept: */*\r\nCookie: a=1\r\n"
            b"X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: site:80\r\n"
            b'Forwarded: for=127.0.0.1;proto=http;host="site:80"\r\nVia: 1.1 skitai\r\n\r\n'
        )
        asked.send(
            b"HTTP/1.1 201 Made\r\nDate: now\r\nServer: theirs\r\nX-A: 1\r\nKeep-Alive: timeout=5\r\n"
            b"Connection: X-Secret\r\nX-Secret: 1\r\nContent-Length: 3\r\n\r\nabc"
        )
        assert client.head() == (
            b"HTTP/1.1 201 Made\r\nDate: now\r\nServer: theirs\r\nX-A: 1\r\nVia: 1.1 skitai\r\n"
            b"Content-Length: 3\r\n\r\n"
        )
        assert client.exactly(3) == b"abc"
        assert world.logged()[3:8] == ("GET", "/a%20b?q=1", "1.1", 201, 95)
        client.get("/again")
        assert asked.head().startswith(b"GET /again HTTP/1.1\r\nHost: site\r\n")
        asked.send(OK)
        assert client.head().endswith(b"\r\n\r\n")
        client.close()


@pytest.mark.parametrize(
    ("mount", "asked_for", "told"),
    [
        ("", "/search", "/"),
        ("", "/search/", "/"),
        ("", "/search?a", "/?a"),
        ("", "/search/a%2Fb?", "/a%2Fb?"),
        ("", "/%73earch/a", "/a"),
        ("preserve_path = yes", "/search/a", "/search/a"),
        ("preserve_path = yes", "/%73earch", "/%73earch"),
    ],
)
def test_the_path_of_the_route_is_left_out(mount: str, asked_for: str, told: str) -> None:
    member = Member()
    with proxying(member, mount=mount, path="/search") as world:
        client = world.client()
        client.get(asked_for)
        asked = member.accept()
        head = asked.head().decode()
        assert head.startswith(f"GET {told} HTTP/1.1\r\n")
        assert ("X-Forwarded-Prefix: /search\r\n" in head) is (mount == "")
        asked.send(OK)
        client.head()
        client.close()


@pytest.mark.parametrize(
    "path",
    [
        "/search/../admin",
        "/search/%2e%2e/admin",
        "/search/.",
        "/search%2Fadmin",
        "/search/a\\..\\b",
        "/search/..;/admin",
        "/search/%2e.;a=b/admin",
        "/searching",
    ],
)
def test_no_path_leads_out_of_its_route(path: str) -> None:
    member = Member()
    with proxying(member, path="/search") as world:
        client = world.client()
        client.get(path)
        assert client.head().split()[1] in (b"400", b"404")
        assert member.is_left_alone()
        client.close()


def test_the_members_own_name() -> None:
    member = Member()
    with proxying(member, mount="preserve_host = no") as world:
        client = world.client()
        client.get()
        asked = member.accept()
        head = asked.head().decode()
        assert f"Host: {member.name}\r\n" in head
        assert "X-Forwarded-Host: site\r\n" in head
        asked.send(OK)
        client.head()
        client.close()


def test_a_unix_socket(tmp_path: Path) -> None:
    member = Member(tmp_path / "member.sock")
    with proxying(member, mount="preserve_host = no") as world:
        client = world.client()
        client.get()
        asked = member.accept()
        assert b"Host: localhost\r\n" in asked.head()
        asked.send(OK)
        client.head()
        assert client.exactly(2) == b"ok"
        client.close()


def test_what_is_for_one_hop_goes_no_further() -> None:
    member = Member()
    with proxying(member) as world:
        client = world.client()
        client.get(
            extra="Connection: keep-alive, X-Mine, Cookie2, Host\r\nKeep-Alive: 5\r\nX-Mine: 1\r\n"
            "Cookie2: 2\r\n"
            "Proxy-Connection: close\r\nTE: trailers, deflate\r\nTrailer: X-Sum\r\nUpgrade: h2c\r\n"
            "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\nTransfer_Encoding: chunked\r\n"
        )
        asked = member.accept()
        fields = asked.head().split(b"\r\n")[1:4]
        assert fields[:3] == [b"Host: site", b"TE: trailers", b"Connection: TE"]
        asked.send(OK)
        client.head()
        client.close()


def test_a_body_and_its_length() -> None:
    member = Member()
    with proxying(member) as world:
        client = world.client()
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello")
        asked = member.accept()
        head = asked.head()
        assert b"Content-Length: 5\r\n" in head
        assert asked.exactly(5) == b"hello"
        asked.send(OK)
        client.head()
        client.close()


def test_chunks_and_trailers_both_ways() -> None:
    member = Member()
    with proxying(member) as world:
        client = world.client()
        client.send(
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n"
            b"TE: trailers\r\n\r\n"
        )
        client.send(b"5\r\nhello\r\n")
        asked = member.accept()
        head = asked.head()
        assert b"Transfer-Encoding: chunked\r\n" in head
        assert b"Trailer: X-Sum\r\n" in head
        assert asked.until(b"5\r\nhello\r\n") == b"5\r\nhello\r\n"
        client.send(b"0\r\nX-Sum: 1\r\n\r\n")
        assert asked.head() == b"0\r\nX-Sum: 1\r\n\r\n"
        asked.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-End\r\n\r\n3\r\nabc\r\n")
        assert b"Trailer: X-End\r\n" in client.head()
        assert client.until(b"abc\r\n") == b"3\r\nabc\r\n"
        asked.send(b"0\r\nX-End: 2\r\n\r\n")
        assert client.head() == b"0\r\nX-End: 2\r\n\r\n"
        client.close()


def test_the_head_does_not_wait_for_the_body() -> None:
    member = Member()
    with proxying(member) as world:
        client = world.client()
        client.get()
        asked = member.accept()
        asked.head()
        asked.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
        assert b"text/event-stream" in client.head()
        asked.send(b"data: 1\n\n")
        assert client.until(b"data: 1\n\n\r\n") == b"9\r\ndata: 1\n\n\r\n"
        asked.close()
        assert client.until(b"0\r\n\r\n") == b"0\r\n\r\n"
        client.close()


def test_interim_answers_and_100_are_the_members() -> None:
    member = Member()
    with proxying(member) as world:
        client = world.client()
        client.send(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        asked = member.accept()
        assert b"Expect: 100-continue\r\n" in asked.head()
        assert client.is_silent()
        asked.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\nConnection: X\r\nX: 1\r\n\r\n")
        asked.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        assert client.head() == b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n"
        assert client.head() == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.send(b"ab")
        assert asked.exactly(2) == b"ab"
        asked.send(OK)
        assert client.head().startswith(b"HTTP/1.1 200 OK")
        client.close()


def test_a_refusal_in_the_place_of_100() -> None:
    member = Member()
    with proxying(member) as world:
        client = world.client()
        client.send(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        asked = member.accept()
        asked.head()
        asked.send(b"HTTP/1.1 417 Expectation Failed\r\nContent-Length: 2\r\n\r\nno")
        head = client.head()
        assert head.startswith(b"HTTP/1.1 417 ")
        assert b"Connection: close\r\n" in head
        assert client.rest() == b"no"


def test_head_and_304_have_their_lengths_and_no_bodies() -> None:
    member = Member()
    with proxying(member) as world:
        client = world.client()
        client.send(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
        asked = member.accept()
        asked.head()
        asked.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        assert b"Content-Length: 1000\r\n" in client.head()
        client.get(extra='If-None-Match: "a"\r\nRange: bytes=0-1\r\n')
        assert b'If-None-Match: "a"\r\nRange: bytes=0-1\r\n' in asked.head()
        asked.send(b'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\nContent-Length: 7\r\n\r\n')
        assert b"Content-Length: 7\r\n" in client.head()
        client.get()
        asked.head()
        asked.send(
            b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-1/9\r\nContent-Length: 2\r\n\r\nab"
        )
        assert b"Content-Range: bytes 0-1/9\r\n" in client.head()
        assert client.exactly(2) == b"ab"
        client.close()


def test_an_old_client() -> None:
    member = Member()
    with proxying(member) as world:
        client = world.client()
        client.send(b"GET / HTTP/1.0\r\n\r\n")
        asked = member.accept()
        head = asked.head()
        assert f"Host: {member.name}\r\n".encode() in head
        assert b"Via: 1.0 skitai\r\n" in head
        asked.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
        assert client.rest().endswith(b"\r\n\r\nabc")
        client.close()


def test_trace_is_answered_by_nobody() -> None:
    member = Member()
    with proxying(member) as world:
        client = world.client()
        client.send(b"TRACE / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert client.head().startswith(b"HTTP/1.1 405 ")
        assert member.is_left_alone()
        client.close()


def test_an_answer_before_the_body_is_whole() -> None:
    member = Member()
    with proxying(member) as world:
        client = world.client()
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab")
        asked = member.accept()
        asked.head()
        asked.send(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")
        assert client.head().startswith(b"HTTP/1.1 403 ")
        assert client.exactly(2) == b"no"
        client.send(b"cd")
        client.get("/next")
        again = member.accept()
        assert again.head().startswith(b"GET /next ")
        again.send(OK)
        client.head()
        client.close()


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            "X-Forwarded-For: 6.6.6.6, 203.0.113.7\r\nX-Forwarded-Proto: https\r\n"
            "X-Forwarded-Host: www.a\r\n",
            b"X-Forwarded-For: 6.6.6.6, 203.0.113.7, 127.0.0.1\r\nX-Forwarded-Proto: https\r\n"
            b'X-Forwarded-Host: www.a\r\nForwarded: for=203.0.113.7;proto=https;host="www.a", '
            b'for=127.0.0.1;proto=https;host="www.a"\r\n',
        ),
        (
            'Forwarded: for="[2001:db8::7]";proto=https;host=www.a\r\n',
            b"X-Forwarded-For: 2001:db8::7, 127.0.0.1\r\nX-Forwarded-Proto: https\r\n"
            b'X-Forwarded-Host: www.a\r\nForwarded: for="[2001:db8::7]";proto=https;host=www.a, '
            b'for=127.0.0.1;proto=https;host="www.a"\r\n',
        ),
        (
            "X-Real-IP: 203.0.113.7\r\n",
            b"X-Real-IP: 203.0.113.7\r\nX-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: http\r\n"
            b'X-Forwarded-Host: site\r\nForwarded: for=127.0.0.1;proto=http;host="site"\r\n',
        ),
    ],
    ids=["plain fields", "Forwarded", "another field"],
)
def test_the_word_of_a_trusted_proxy_goes_on(said: str, told: bytes) -> None:
    member = Member()
    with proxying(member, server="trusted_proxies = 127.0.0.1") as world:
        client = world.client()
        client.get(extra=said)
        asked = member.accept()
        assert told in asked.head()
        asked.send(OK)
        client.head()
        client.close()


@pytest.mark.parametrize(
    "path", ["/search/.well-known/a", "/search/a.b/..c", "/search/...", "/search/a;v=..;b"]
)
def test_other_dots_are_letters(path: str) -> None:
    member = Member()
    with proxying(member, path="/search") as world:
        client = world.client()
        client.get(path)
        asked = member.accept()
        assert asked.head().startswith(f"GET {path.removeprefix('/search')} HTTP/1.1\r\n".encode())
        asked.send(OK)
        client.head()
        client.close()


def test_a_loop_is_broken() -> None:
    """RFC 9110 section 7.6.3."""
    member = Member()
    with proxying(member) as world:
        client = world.client()
        client.get(extra="Via: 1.1 skitai, 1.0 other\r\n" * 7)
        asked = member.accept()
        assert asked.head().count(b"skitai") == 8
        asked.send(OK)
        assert client.head().startswith(b"HTTP/1.1 200 ")
        assert client.exactly(2) == b"ok"
        client.get(extra="Via: 1.1 skitai, 1.1 skitai (us)\r\n" * 4)
        assert client.head().startswith(b"HTTP/1.1 508 ")
        assert member.is_left_alone()
        client.close()


@pytest.mark.parametrize(
    ("method", "said", "told"), [("OPTIONS", "010", "9"), ("OPTIONS", "x", "x"), ("GET", "0", "0")]
)
def test_hops_are_counted(method: str, said: str, told: str) -> None:
    """RFC 9110 section 7.6.2."""
    member = Member()
    with proxying(member) as world:
        client = world.client()
        client.send(f"{method} / HTTP/1.1\r\nHost: a\r\nMax-Forwards: {said}\r\n\r\n".encode())
        asked = member.accept()
        assert f"\r\nMax-Forwards: {told}\r\n".encode() in asked.head()
        asked.send(OK)
        assert client.head().startswith(b"HTTP/1.1 200 ")
        client.close()


def test_the_last_hop_answers_itself() -> None:
    member = Member()
    with proxying(member) as world:
        client = world.client()
        client.send(b"OPTIONS /a HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\n\r\n")
        head = client.head()
        assert head.startswith(b"HTTP/1.1 204 ")
        assert b"\r\nAllow: GET, HEAD, " in head
        assert member.is_left_alone()
        client.close()


def test_requests_behind_each_other_are_answered_in_their_order() -> None:
    member = Member()
    with proxying(member) as world:
        client = world.client()
        client.send(b"".join(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % number for number in range(20)))
        asked = None
        for number in range(20):
            if asked is None:
                asked = member.accept()
            assert asked.head().startswith(b"GET /%d HTTP/1.1\r\n" % number)
            asked.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n%02d" % number)
            client.head()
            assert client.exactly(2) == b"%02d" % number
        client.close()


def test_a_client_that_has_said_all_still_gets_its_answer() -> None:
    """A half-close is no leaving (RFC 9112 section 9.6)."""
    member = Member()
    with proxying(member) as world:
        client = world.client()
        client.get()
        asked = member.accept()
        asked.head()
        client.sock.shutdown(socket.SHUT_WR)
        assert asked.is_silent()
        asked.send(OK)
        assert client.rest().endswith(b"\r\n\r\nok")


def test_a_client_that_breaks_off_while_a_member_is_silent() -> None:
    member = Member()
    with proxying(member) as world:
        client = world.client()
        client.get()
        asked = member.accept()
        asked.head()
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
        with pytest.raises(ConnectionResetError):
            asked.rest()
        assert world.logged()[6:8] == (499, 0)


def test_a_server_that_stops_finishes_what_it_has_begun() -> None:
    member = Member()
    with proxying(member) as world:
        client = world.client()
        client.get()
        asked = member.accept()
        asked.head()
        drained = threading.Event()
        world.engine.drain(drained.set)
        asked.send(OK)
        assert client.rest().endswith(b"\r\n\r\nok")
        assert drained.wait(5)


def test_clients_that_speak_tls() -> None:
    member = Member()
    with proxying(member, secure=True) as world:
        client = world.client()
        asked = None
        for body in (b"ok", b"x" * 300_000):
            client.get()
            asked = asked or member.accept()
            assert b"\r\nX-Forwarded-Proto: https\r\n" in asked.head()
            asked.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
            assert client.head().startswith(b"HTTP/1.1 200 ")
            assert client.exactly(len(body)) == body
        client.close()
