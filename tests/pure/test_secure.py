"""TLS on the engine: what is not the same as without it."""

from __future__ import annotations

import os
import socket
import ssl
import struct
import tempfile
import threading
import time
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from io import FileIO

import pytest

from skitai._kernels import engine
from skitai._pure.engine.secure import SecureSocket
from skitai.errors import ClientDisconnected
from skitai.limits import Limits
from tests.pure.certificates import KEYS, client_context, server_context
from tests.pure.engine_world import Client, World, hello, world
from tests.pure.tls_by_hand import ByHand
from tests.waiting import wait_until

VERSIONS = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)
every_version = pytest.mark.parametrize("version", VERSIONS, ids=["1.2", "1.3"])


def secure(version: ssl.TLSVersion | None = None, key: str = "ecdsa") -> Callable[[], ssl.SSLContext]:
    return lambda: server_context(key, version)


def by_hand(w: World, **how: object) -> ByHand:
    """Shaken hands."""
    client = ByHand(w.address, **how)  # type: ignore[arg-type]
    client.raw.sendall(client.shake_hands())
    return client


def connected(w: World, context: ssl.SSLContext | None = None) -> Client:
    sock = socket.create_connection(w.address, timeout=5)
    return Client(
        (context or client_context()).wrap_socket(
            sock, server_hostname="test.example", suppress_ragged_eofs=False
        )
    )


def get(target: str = "/", extra: str = "") -> bytes:
    return f"GET {target} HTTP/1.1\r\nHost: a\r\n{extra}\r\n".encode()


def in_thread(work: Callable[[engine.Exchange], None]) -> Callable[[engine.Exchange], None]:
    return lambda exchange: threading.Thread(target=work, args=(exchange,), daemon=True).start()


# -- what was agreed ---------------------------------------------------------------------------


@every_version
@pytest.mark.parametrize("key", KEYS)
def test_versions_and_keys(key: str, version: ssl.TLSVersion) -> None:
    def work(exchange: engine.Exchange) -> None:
        assert exchange.tls is not None
        body = f"{exchange.tls.version()} {exchange.tls.selected_alpn_protocol()}".encode()
        exchange.respond(200, [("Content-Length", str(len(body)))], body)

    context = client_context()
    context.set_alpn_protocols(["h2", "http/1.1"])
    with world(work, secure=secure(version, key)) as w:
        client = connected(w, context)
        for _ in range(3):
            client.get()
            assert client.response()[2] == f"TLSv1.{version - 769} http/1.1".encode()


def test_a_clear_connection_has_no_tls() -> None:
    with world() as w:
        w.client().get()
        assert w.ended().tls is None


def test_the_clients_certificate_is_there_to_be_asked_for() -> None:
    names: list[object] = []

    def work(exchange: engine.Exchange) -> None:
        assert exchange.tls is not None
        names.append(exchange.tls.getpeercert())
        hello(exchange)

    with world(work, secure=lambda: server_context(asks_client=True)) as w:
        client = connected(w, client_context(certificate=True))
        client.get("/me")
        assert client.response()[2] == b"/me"
        assert "client@test.example" in str(names)
        with pytest.raises(ssl.SSLError):
            connected(w).rest()
        wait_until(lambda: w.service.limits_reached == ["handshake"])


@every_version
def test_sessions_are_resumed(version: ssl.TLSVersion) -> None:
    context = client_context()
    with world(secure=secure(version)) as w:
        first = by_hand(w, context=context)
        first.raw.sendall(first.seal(get("/first")))
        assert first.open().endswith(b"/first")
        assert not first.tls.session_reused
        session = first.tls.session
        assert session is not None
        second = by_hand(w, context=context, session=session)
        second.raw.sendall(second.seal(get("/second")))
        assert second.open().endswith(b"/second")
        assert second.tls.session_reused


def test_the_context_is_asked_for_with_each_connection() -> None:
    contexts = [server_context("ecdsa"), server_context("rsa")]
    with world(secure=lambda: contexts.pop(0)) as w:
        for key in ("ECDSA", "RSA"):
            context = client_context()
            context.maximum_version = ssl.TLSVersion.TLSv1_2  # whose ciphers name the key
            client = connected(w, context)
            client.get()
            client.response()
            assert key in client.sock.cipher()[0]  # type: ignore[attr-defined]


def test_a_context_that_is_not_there_costs_its_own_client_only() -> None:
    contexts: list[ssl.SSLContext] = []
    with world(secure=lambda: contexts.pop()) as w:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            connected(w)
        contexts.append(server_context())
        client = connected(w)
        client.get("/next")
        assert client.response()[2] == b"/next"
        wait_until(lambda: w.connections() == 1)
        (report,) = w.reports
        assert report.startswith("a TLS handshake\n")
        w.reports.clear()


# -- bytes -------------------------------------------------------------------------------------


@every_version
def test_what_came_with_the_last_flight_is_not_lost(version: ssl.TLSVersion) -> None:
    """A client that sends its request without waiting, as one may with TLS 1.3."""
    with world(secure=secure(version)) as w:
        client = ByHand(w.address)
        last = client.shake_hands()
        if version is ssl.TLSVersion.TLSv1_2:  # says nothing before it has heard the server's last
            client.raw.sendall(last)
            last = b""
        requests = b"".join(client.seal(get(f"/{number}")) for number in range(40))
        client.raw.sendall(last + requests)
        answers = b""
        while answers.count(b"HTTP/1.1 200") < 40 or not answers.endswith(b"/39"):
            answers += client.open()


@every_version
def test_ciphertext_byte_by_byte(version: ssl.TLSVersion) -> None:
    with world(secure=secure(version)) as w:
        client = ByHand(w.address)
        client.raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in client.flight():
            client.raw.sendall(bytes([byte]))
        for byte in client.shake_hands():
            client.raw.sendall(bytes([byte]))
        for byte in client.seal(get("/slowly")):
            client.raw.sendall(bytes([byte]))
            time.sleep(0.001)
        assert client.open().endswith(b"/slowly")


def test_records_cut_anywhere() -> None:
    with world(in_thread(hello), secure=secure()) as w:
        client = by_hand(w)
        stream = b"".join(
            client.seal(get(f"/{number}", "X-Long: " + "y" * 700 + "\r\n")) for number in range(300)
        )
        sender = threading.Thread(
            target=lambda: [
                client.raw.sendall(stream[at : at + 12345]) for at in range(0, len(stream), 12345)
            ]
        )
        sender.start()
        answers = b""
        while answers.count(b"HTTP/1.1 200") < 300 or not answers.endswith(b"/299"):
            answers += client.open()
        sender.join()


def test_a_large_upload_and_its_echo() -> None:
    body = os.urandom(1 << 20) * 8

    def echo(exchange: engine.Exchange) -> None:
        got = exchange.context.data
        exchange.respond(200, [("Content-Length", str(len(got)))], got)

    with world(in_thread(echo), secure=secure()) as w:
        client = connected(w)
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        assert client.response()[2] == body
        client.get()
        assert client.response()[2] == b""


def test_reading_and_writing_at_once() -> None:
    """Pipelined requests are read by the loop thread while others write their answers."""

    def work(exchange: engine.Exchange) -> None:
        exchange.start(200, [("Content-Length", "100000")])
        for _ in range(10):
            exchange.write_waiting(b"z" * 10000)
        exchange.end()

    with world(in_thread(work), secure=secure()) as w:
        client = by_hand(w)
        requests = b"".join(client.seal(get(extra="X: " + "x" * 2000 + "\r\n")) for _ in range(200))
        sender = threading.Thread(target=client.raw.sendall, args=(requests,))
        sender.start()
        heads = left = 0
        while heads < 200 or left < 200 * 100000:
            answer = client.open()
            heads += answer.count(b"Content-Length")
            left += answer.count(b"z")
        assert (heads, left) == (200, 200 * 100000)
        sender.join()


def file_of(size: int, content: bytes) -> FileIO:
    file = FileIO(os.open(tempfile.gettempdir(), os.O_TMPFILE | os.O_RDWR), "r+")
    for _ in range(size // len(content)):
        file.write(content)
    return file


def test_of_a_file_no_byte_is_on_the_wire_in_clear_text() -> None:
    content = b"not for everybody " * 1024
    size = len(content) * 64

    def give(exchange: engine.Exchange) -> None:
        exchange.respond_file(200, [("Content-Length", str(size))], file_of(size, content), 0, size)

    with world(give, secure=secure()) as w:
        client = by_hand(w)
        client.raw.sendall(client.seal(get()))
        answer = client.open(size)
        while len(answer) < size + answer.index(b"\r\n\r\n") + 4:
            answer += client.open()
        assert answer.partition(b"\r\n\r\n")[2] == content * 64
        assert b"everybody" not in client.received
        assert w.ended().bytes_sent == len(answer)


def test_a_huge_file_to_a_slow_client_takes_little_memory() -> None:
    size = 64 << 20

    def give(exchange: engine.Exchange) -> None:
        exchange.respond_file(200, [("Content-Length", str(size))], file_of(size, b"h" * (1 << 20)), 0, size)

    with world(give, secure=secure()) as w:
        client = by_hand(w)
        tracemalloc.start()
        client.raw.sendall(client.seal(get()))
        client.raw.recv(1000)
        time.sleep(0.3)
        assert tracemalloc.get_traced_memory()[1] < 2 << 20
        tracemalloc.stop()


# -- slow clients ------------------------------------------------------------------------------


def stream_without_end(exchange: engine.Exchange) -> None:
    exchange.start(200, [])
    while exchange.write(b"x" * 65536):
        continue


def test_a_slow_reader_is_not_taken_for_one_that_stalls() -> None:
    with world(stream_without_end, limits=Limits(send_stall_timeout=0.8), secure=secure()) as w:
        client = by_hand(w)
        client.raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
        client.raw.sendall(client.seal(get()))
        until = time.monotonic() + 1.7
        while time.monotonic() < until:
            assert client.raw.recv(8192)
            time.sleep(0.02)
        assert w.connections() == 1
        wait_until(lambda: w.connections() == 0)
        wait_until(lambda: w.service.limits_reached == ["send_stall_timeout"])


def test_what_waits_as_ciphertext_is_not_delivered() -> None:
    size = 16 << 20
    with world(lambda e: e.respond(200, [("Content-Length", str(size))], bytes(size)), secure=secure()) as w:
        client = by_hand(w)
        client.raw.sendall(client.seal(get()))
        assert client.raw.recv(100)
        time.sleep(0.2)
        assert w.service.ended.empty()
        client.close()
        exchange = w.ended()
        assert exchange.progress is engine.Progress.GONE
        assert 100 <= exchange.bytes_sent < size


# -- ends --------------------------------------------------------------------------------------


@every_version
def test_the_end_is_announced(version: ssl.TLSVersion) -> None:
    with world(secure=secure(version)) as w:
        client = by_hand(w)
        client.raw.sendall(client.seal(get("/last", "Connection: close\r\n")))
        assert client.rest().endswith(b"/last")
        assert client.raw.recv(1) == b""
        wait_until(lambda: w.connections() == 0)


def test_the_end_of_a_message_that_lasts_until_then_is_announced_to_a_slow_client() -> None:
    """HTTP/1.0 without a length; the goodbye waits like all else for room in the client's buffers."""
    size = 4 << 20

    def work(exchange: engine.Exchange) -> None:
        exchange.start(200, [])
        exchange.write_waiting(bytes(size))
        exchange.end()

    with world(in_thread(work), secure=secure()) as w:
        for pause in (0.0, 0.05, 0.2):
            client = by_hand(w)
            client.raw.sendall(client.seal(b"GET / HTTP/1.0\r\n\r\n"))
            time.sleep(pause)
            assert client.rest().partition(b"\r\n\r\n")[2] == bytes(size)
            client.close()


def test_a_goodbye_waits_for_room() -> None:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = server_context().wrap_bio(incoming, outgoing, server_side=True)
    client_in, client_out = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context().wrap_bio(client_in, client_out, server_hostname="test.example")
    for _ in range(2):
        with suppress(ssl.SSLWantReadError):
            client.do_handshake()
        incoming.write(client_out.read())
        with suppress(ssl.SSLWantReadError):
            tls.do_handshake()
        client_in.write(outgoing.read())
    secure_socket = SecureSocket(ours, tls, incoming, outgoing)
    with suppress(BlockingIOError):
        while ours.send(b"x"):
            continue
    assert not secure_socket.say_goodbye()
    assert not secure_socket.say_goodbye()
    theirs.settimeout(0.1)
    with suppress(TimeoutError):
        while theirs.recv(1 << 20):
            continue
    assert secure_socket.say_goodbye()
    client_in.write(theirs.recv(1000))
    assert client.read() == b""
    ours.close()
    theirs.close()


def test_an_idle_connection_ends_with_a_goodbye() -> None:
    with world(limits=Limits(keep_alive=0.2), secure=secure()) as w:
        client = by_hand(w)
        client.raw.sendall(client.seal(get("/once")))
        assert client.rest().endswith(b"/once")


def test_a_message_that_is_not_whole_has_no_end() -> None:
    def work(exchange: engine.Exchange) -> None:
        exchange.start(200, [])
        exchange.write(b"abc")
        time.sleep(0.1)
        exchange.abort()

    with world(in_thread(work), secure=secure()) as w:
        client = by_hand(w)
        client.raw.sendall(client.seal(b"GET / HTTP/1.0\r\n\r\n"))
        with pytest.raises(ConnectionResetError):
            client.rest()
        assert w.ended().progress is engine.Progress.GONE


@pytest.mark.parametrize("together", [True, False])
def test_a_client_that_has_said_goodbye_gets_its_answer(together: bool) -> None:
    def work(exchange: engine.Exchange) -> None:
        time.sleep(0.1)
        hello(exchange)

    with world(in_thread(work), secure=secure()) as w:
        client = by_hand(w)
        request = client.seal(get("/late"))
        if not together:
            client.raw.sendall(request)
            request = b""
            time.sleep(0.03)
        client.raw.sendall(request + client.seal_goodbye())
        assert client.rest().endswith(b"/late")
        wait_until(lambda: w.connections() == 0)


@pytest.mark.parametrize("rubbish", [b"", b"\x17\x03\x03\x00\x20" + b"?" * 32], ids=["", "rubbish"])
@pytest.mark.parametrize("asks", [True, False])
def test_a_goodbye_with_the_last_flight(asks: bool, rubbish: bytes) -> None:
    """What follows it is nobody's business: OpenSSL will never take that from the buffer."""
    with world(secure=secure()) as w:
        client = ByHand(w.address)
        last = client.shake_hands()
        said = client.seal(get("/early")) if asks else b""
        client.raw.sendall(last + said + client.seal_goodbye() + rubbish)
        rest = client.rest()
        assert rest.endswith(b"/early") if asks else not rest
        wait_until(lambda: w.connections() == 0)
        by_hand(w).raw.close()


def test_a_client_that_ends_without_goodbye_has_ended() -> None:
    def work(exchange: engine.Exchange) -> None:
        time.sleep(0.1)
        hello(exchange)

    with world(in_thread(work), secure=secure()) as w:
        client = by_hand(w)
        client.raw.sendall(client.seal(get("/late")))
        client.raw.shutdown(socket.SHUT_WR)
        assert client.rest().endswith(b"/late")
        by_hand(w).close()
        wait_until(lambda: w.connections() == 0)


def test_a_record_that_was_tampered_with_ends_the_connection() -> None:
    with world(secure=secure()) as w:
        client = by_hand(w)
        request = bytearray(client.seal(get()))
        request[-1] ^= 1
        client.raw.sendall(request)
        with pytest.raises(ssl.SSLError, match=r"(?i)bad.record.mac"):
            client.rest()
        wait_until(lambda: w.connections() == 0)


def test_what_follows_a_refusal_resets_nobody() -> None:
    with world(secure=secure()) as w:
        client = by_hand(w)
        client.raw.sendall(client.seal(b"rubbish\r\n\r\n") + client.seal(b"x" * 10000))
        for _ in range(20):
            client.raw.sendall(client.seal(b"y" * 10000))
        assert client.rest().startswith(b"HTTP/1.1 400")
        client.close()
        wait_until(lambda: w.connections() == 0)


# -- draining ----------------------------------------------------------------------------------


def test_a_handshake_under_way_is_finished_when_the_server_drains_gently() -> None:
    with world(secure=secure()) as w:
        client = ByHand(w.address)
        client.raw.sendall(client.flight())
        assert client.take()
        silent = socket.create_connection(w.address)
        wait_until(lambda: w.connections() == 2)
        drained = threading.Event()
        w.engine.drain(drained.set, gently=True)
        wait_until(lambda: w.engine.gently)
        while not (last := client.flight()):
            client.take()
        client.raw.sendall(last + client.seal(get("/in-time")))
        assert client.rest().endswith(b"/in-time")
        silent.close()
        client.close()
        assert drained.wait(5)


def test_at_once_who_is_silent_is_let_go() -> None:
    with world(secure=secure()) as w:
        silent = socket.create_connection(w.address, timeout=5)
        idle = connected(w)
        idle.get()
        idle.response()
        wait_until(lambda: w.connections() == 2)
        drained = threading.Event()
        w.engine.drain(drained.set)
        assert silent.recv(1) == b""
        assert idle.rest() == b""
        assert drained.wait(5)


def test_the_thread_ends_with_the_engine() -> None:
    def threads() -> list[str]:
        return [t.name for t in threading.enumerate() if t.name == "skitai-handshakes"]

    before = len(threads())
    with world(secure=secure()) as w:
        held = socket.create_connection(w.address, timeout=5)
        wait_until(lambda: w.connections() == 1)
        assert len(threads()) == before + 1
    assert len(threads()) == before
    assert held.recv(1) == b""
    with world():
        assert len(threads()) == before


def reset(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def test_resets_at_every_moment_leave_nothing_behind() -> None:
    def work(exchange: engine.Exchange) -> None:
        with suppress(ClientDisconnected):
            exchange.respond(200, [("Content-Length", "20000")], b"q" * 20000)

    with world(in_thread(work), secure=secure()) as w:
        for number in range(150):
            client = ByHand(w.address)
            for moment in range(number % 6):
                if moment == 0:
                    client.raw.sendall(client.flight()[: 50 + number * 2])
                elif moment == 1:
                    client.close()
                    client = by_hand(w)
                elif moment == 2:
                    client.raw.sendall(client.seal(get())[: number + 1])
                elif moment == 3:
                    client.close()
                    client = by_hand(w)
                    client.raw.sendall(client.seal(get()))
                elif moment == 4:
                    client.raw.recv(1 + number * 13)
            reset(client.raw)
        wait_until(lambda: w.connections() == 0)
