"""The peers of other tests are what they say: seen by clients that are none of ours."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
import xmlrpc.client
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import h11
import pytest
import requests

from tests.live.badpeers import BadPeer, Connection
from tests.live.misbehaviour import KINDS, STALE, TLS_KINDS, answer
from tests.live.upstreams import Authority, ManyServers, Upstream, deaf_name_server, xmlrpc_server
from tests.waiting import wait_until

GET = b"GET / HTTP/1.1\r\nHost: testserver\r\n\r\n"
HEAD = b"HEAD / HTTP/1.1\r\nHost: testserver\r\n\r\n"

#: What is wrong with these shows behind HTTP, or with another request.
DECODED = ("bomb", "gzip")
APART = ("length and chunks", "answer before the request", "refused upload")
BROKEN = [
    name for name in KINDS if name not in APART and not name.startswith("kept") and not name.endswith(DECODED)
]

BadPeers = Callable[..., BadPeer]


def received(sock: socket.socket, seconds: float, most: int = 4 << 20) -> Iterator[bytes]:
    """What comes within ``seconds``, b"" at its end; a reset is an end like any other here."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0 and most > 0:
        sock.settimeout(left)
        try:
            data = sock.recv(65536)
        except TimeoutError:
            return
        except ConnectionError:
            data = b""
        yield data
        if not data:
            return
        most -= len(data)


def is_answered(peer: BadPeer) -> bool:
    """Whether h11 sees a whole answer within a moment."""
    client = h11.Connection(h11.CLIENT)
    request = client.send(h11.Request(method="GET", target="/", headers=[("Host", "a")]))
    with socket.create_connection((peer.host, peer.port), timeout=5) as sock:
        sock.sendall((request or b"") + (client.send(h11.EndOfMessage()) or b""))
        for data in received(sock, 0.3):
            try:
                client.receive_data(data)
                while (event := client.next_event()) not in (h11.NEED_DATA, h11.PAUSED):
                    if isinstance(event, (h11.EndOfMessage, h11.ConnectionClosed)):
                        return isinstance(event, h11.EndOfMessage)
            except h11.RemoteProtocolError:
                return False
    return False


@pytest.mark.parametrize("kind", BROKEN)
def test_no_whole_answer_comes(bad_peer: BadPeers, kind: str) -> None:
    peer = bad_peer(KINDS[kind])
    assert not is_answered(peer)
    wait_until(lambda: peer.open == 0, what="the peer sees that its client has left")


def test_a_good_answer_is_one(bad_peer: BadPeers) -> None:
    def good(client: Connection) -> None:
        client.request()
        client.send(answer())

    peer = bad_peer(good)
    assert is_answered(peer)
    assert (peer.connections, len(peer.requests)) == (1, 1)


@pytest.mark.parametrize(("kind", "bits"), [("gzip bomb", 31), ("deflate bomb", 15)])
def test_a_bomb_goes_off(bad_peer: BadPeers, kind: str, bits: int) -> None:
    peer = bad_peer(KINDS[kind])
    with socket.create_connection((peer.host, peer.port)) as sock:
        sock.sendall(GET)
        body = b"".join(received(sock, 5.0, 100_000)).partition(b"\r\n\r\n")[2]
    assert len(zlib.decompressobj(bits).decompress(body[:40_000], 20 << 20)) == 20 << 20


def test_a_nested_bomb_goes_off_twice(bad_peer: BadPeers) -> None:
    peer = bad_peer(KINDS["nested bomb"])
    with socket.create_connection((peer.host, peer.port)) as sock:
        sock.sendall(GET)
        body = b"".join(received(sock, 5.0)).partition(b"\r\n\r\n")[2]
    assert len(body) < 10_000
    inner = zlib.decompress(body, 31)
    assert len(zlib.decompressobj(31).decompress(inner, 100 << 20)) == 100 << 20


@pytest.mark.parametrize("kind", [name for name in KINDS if name.startswith("kept")])
def test_a_kept_connection_is_bad_behind_its_first_answer(bad_peer: BadPeers, kind: str) -> None:
    peer = bad_peer(KINDS[kind])
    with socket.create_connection((peer.host, peer.port)) as sock:
        sock.sendall(HEAD if "HEAD" in kind else GET)
        data = b"".join(received(sock, 0.5))
        head, _, rest = data.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 20")
        if data == answer() and "next" in kind:
            sock.sendall(GET)
            assert b"".join(received(sock, 1.0)) == b""
        elif "closed" in kind:
            assert rest == b"good"
            assert sock.recv(1) == b""
        else:
            assert rest.removeprefix(b"good").endswith((STALE, b"garbage\r\n\r\n"))


def test_an_answer_before_the_request(bad_peer: BadPeers) -> None:
    peer = bad_peer(KINDS["answer before the request"])
    with socket.create_connection((peer.host, peer.port)) as sock:
        assert b"".join(received(sock, 0.5)) == answer(b"early")
        sock.sendall(GET)
        assert b"".join(received(sock, 0.5)) == answer(STALE)


def test_an_upload_is_refused(bad_peer: BadPeers, session: requests.Session) -> None:
    peer = bad_peer(KINDS["refused upload"])
    reply = session.post(peer.url, data=bytes(10 << 20), timeout=5)
    assert (reply.status_code, reply.content) == (413, b"too long")


@pytest.mark.parametrize("kind", TLS_KINDS)
def test_no_hands_are_shaken(bad_peer: BadPeers, authority: Authority, kind: str) -> None:
    peer = bad_peer(TLS_KINDS[kind](authority.server_context()))
    context = ssl.create_default_context(cafile=str(authority.cafile))
    address = (peer.host, peer.port)
    with socket.create_connection(address, timeout=0.3) as sock, pytest.raises(OSError):  # noqa: PT011
        context.wrap_socket(sock, server_hostname="localhost")
    wait_until(lambda: peer.open == 0)


def test_a_bad_peer_may_speak_tls(
    bad_peer: BadPeers, authority: Authority, session: requests.Session
) -> None:
    peer = bad_peer(KINDS["truncated chunk"], authority.server_context())
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        session.get(peer.url, verify=authority.cafile, timeout=5)


def test_who_takes_too_much_is_found_out() -> None:
    def flood(client: Connection) -> None:
        client.flood(b"a" * 1000, 100_000)

    peer = BadPeer(flood)
    with socket.create_connection((peer.host, peer.port)) as sock:
        assert len(b"".join(received(sock, 5.0))) == 100_000
        with pytest.raises(AssertionError, match="the client took 100000 bytes"):
            peer.close()


def test_closing_ends_who_waits() -> None:
    before = threading.active_count()
    peer = BadPeer(KINDS["silence"])
    address = (peer.host, peer.port)
    with socket.create_connection(address) as sock, socket.create_connection(address):
        sock.sendall(GET)
        wait_until(lambda: peer.open == 2)
        peer.close()
        assert peer.open == 0
    assert threading.active_count() == before


# --- servers that are good


def test_nginx(serve_nginx: Callable[..., Upstream], tmp_path: Path, session: requests.Session) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "one.txt").write_text("one" * 1000)
    upstream = serve_nginx(tmp_path / "files", more='location = /teapot { return 418 "short"; }')
    reply = session.get(f"{upstream.url}/one.txt", timeout=5)
    assert (reply.text, reply.headers["Content-Encoding"]) == ("one" * 1000, "gzip")
    assert session.get(f"{upstream.url}/moved", timeout=5).text == "hello\n"
    assert session.get(f"{upstream.url}/teapot", timeout=5).status_code == 418


def test_nginx_over_tls(
    serve_nginx: Callable[..., Upstream], authority: Authority, session: requests.Session
) -> None:
    upstream = serve_nginx(certificate=authority.certificate(), clients=authority.cafile)
    url = f"https://localhost:{upstream.port}/hello"
    assert session.get(url, verify=authority.cafile, timeout=5).status_code == 400  # no certificate
    mine = str(authority.certificate("me"))
    assert session.get(url, verify=authority.cafile, cert=mine, timeout=5).text == "hello\n"
    with requests.Session() as stranger:
        stranger.trust_env = False
        with pytest.raises(requests.exceptions.SSLError):
            stranger.get(url, timeout=5)


def test_a_certificate_can_have_expired(
    bad_peer: BadPeers, authority: Authority, session: requests.Session
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.certificate(days=-1))
    peer = bad_peer(KINDS["silence"], context)
    with pytest.raises(requests.exceptions.SSLError, match="expired"):
        session.get(peer.url, verify=authority.cafile, timeout=5)


def test_httpbin_on_another_server(httpbin_url: str, session: requests.Session) -> None:
    reply = session.get(f"{httpbin_url}/get", params={"a": "1"}, timeout=5)
    assert reply.json()["args"] == {"a": "1"}
    assert reply.headers["Server"] == "waitress"


def test_a_crowd_does_as_it_is_told(many_servers: Callable[[int], ManyServers]) -> None:
    three = many_servers(3)

    def ask(number: int) -> tuple[str, float]:
        begun = time.monotonic()
        with requests.Session() as session:
            reply = session.post(f"http://127.0.0.1:{three.ports[number]}/", data=b"x" * 100_000, timeout=5)
        return reply.text, time.monotonic() - begun

    three.delay(1, 0.3)
    three.refuse(2)
    assert ask(0)[0] == "0"
    text, took = ask(1)
    assert (text, took >= 0.3) == ("1", True)
    with pytest.raises(requests.ConnectionError):
        ask(2)
    wait_until(lambda: three.seen()["open"] == [0, 0, 0])
    assert three.seen() == {"requests": [1, 1, 0], "connections": [1, 1, 0], "open": [0, 0, 0]}


def test_an_upstream_can_be_frozen_and_killed(
    many_servers: Callable[[int], ManyServers], session: requests.Session
) -> None:
    one = many_servers(1)
    url = f"http://127.0.0.1:{one.ports[0]}/"
    one.freeze()
    with pytest.raises(requests.ReadTimeout):
        session.get(url, timeout=0.2)
    one.thaw()
    assert session.get(url, timeout=5).text == "0"
    one.kill()
    with pytest.raises(requests.ConnectionError):
        session.get(url, timeout=5)


def test_xml_rpc() -> None:
    with xmlrpc_server() as port, xmlrpc.client.ServerProxy(f"http://127.0.0.1:{port}") as proxy:
        assert proxy.math.sum(1, 2) == 3


def test_a_name_server_that_says_nothing() -> None:
    with deaf_name_server() as address, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        host, _, port = address.partition(":")
        sock.connect((host, int(port)))
        sock.settimeout(0.2)
        sock.send(b"?" * 12)
        with contextlib.suppress(TimeoutError):
            pytest.fail(f"an answer: {sock.recv(512)!r}")
