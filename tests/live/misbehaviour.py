"""What a server can do to those who ask it: kinds of `BadPeer`.

    with BadPeer(KINDS["truncated chunk"]) as peer:
        ...

Those whose names begin with "kept" answer well at first, with the body ``good``; the harm is for who comes
next on the same connection.  No client may ever show `STALE`: it is the answer to somebody else, or to none.
"""

from __future__ import annotations

import contextlib
import functools
import socket
import ssl
import zlib
from collections.abc import Callable

from tests.live.badpeers import PATIENCE, Behaviour, Connection

__all__ = ["KINDS", "STALE", "TLS_KINDS", "answer"]

STALE = b"stale"


def answer(body: bytes = b"good", *fields: bytes, status: bytes = b"200 OK") -> bytes:
    head = (b"HTTP/1.1 " + status, b"Content-Length: %d" % len(body), *fields)
    return b"\r\n".join(head) + b"\r\n\r\n" + body


# --- answers that are no answers


def sends(data: bytes) -> Behaviour:
    """``data`` in place of an answer, and the end."""

    def behave(client: Connection) -> None:
        client.request()
        client.send(data)

    return behave


def floods(begin: bytes, block: bytes, most: int = PATIENCE) -> Behaviour:
    """``begin``, and ``block`` without an end."""

    def behave(client: Connection) -> None:
        client.request()
        client.send(begin)
        client.flood(block, most)

    return behave


def drips(begin: bytes, rest: bytes, seconds: float = 0.05) -> Behaviour:
    """``begin`` at once, ``rest`` byte by byte for as long as somebody listens."""

    def behave(client: Connection) -> None:
        client.request()
        client.send(begin)
        while True:
            client.drip(rest, seconds)

    return behave


def stalls(begin: bytes) -> Behaviour:
    """``begin``, and then nothing."""

    def behave(client: Connection) -> None:
        client.request()
        client.send(begin)
        client.wait_for_end()

    return behave


def resets(begin: bytes) -> Behaviour:
    """``begin``, and RST."""

    def behave(client: Connection) -> None:
        client.request()
        client.send(begin)
        client.rest(0.02)  # else it may destroy what is still on its way
        client.reset()

    return behave


def answers_before_it_is_asked(client: Connection) -> None:
    client.send(answer(b"early"))
    client.request()
    client.send(answer(STALE))
    client.wait_for_end()


def refuses_an_upload(client: Connection) -> None:
    """413 to the head; the body is read, and thrown away, only so that the answer is not lost to a reset."""
    client.head()
    client.send(answer(b"too long", b"Connection: close", status=b"413 Content Too Large"))
    client.sock.shutdown(socket.SHUT_WR)
    while client.sock.recv(65536):
        continue


def reads_nothing(client: Connection) -> None:
    client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.wait_for_end()


_CHUNKED_HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
_UNBOUNDED_HEAD = b"HTTP/1.1 200 OK\r\n\r\n"
_CODED_HEAD = b"HTTP/1.1 200 OK\r\nContent-Encoding: %s\r\n\r\n"


@functools.cache
def _bomb(format_bits: int) -> tuple[bytes, bytes]:
    """The beginning of a compressed stream, and 16 MiB of zeros that can follow any number of times: a full
    flush makes the pieces independent of each other."""
    made = zlib.compressobj(9, zlib.DEFLATED, format_bits)
    zeros = bytes(16 << 20)
    begin = made.compress(zeros) + made.flush(zlib.Z_FULL_FLUSH)
    return begin, made.compress(zeros) + made.flush(zlib.Z_FULL_FLUSH)


def bomb(coding: bytes, format_bits: int) -> Behaviour:
    def behave(client: Connection) -> None:
        begin, block = _bomb(format_bits)
        # 16 KiB stand for 16 MiB, but some MiB are taken by the system before anybody reads.
        floods(_CODED_HEAD % coding + begin, block, 64 << 20)(client)

    return behave


@functools.cache
def _nested(size: int) -> bytes:
    inner = zlib.compressobj(9, zlib.DEFLATED, 31)
    outer = zlib.compressobj(9, zlib.DEFLATED, 31)
    coded = b"".join(outer.compress(inner.compress(bytes(1 << 20))) for _ in range(size >> 20))
    return coded + outer.compress(inner.flush()) + outer.flush()


def nested_bomb(client: Connection) -> None:
    """128 MiB in a few hundred bytes."""
    sends(answer(_nested(128 << 20), b"Content-Encoding: gzip, gzip"))(client)


# --- connections that are kept


def kept(after: Callable[[Connection], None]) -> Behaviour:
    """Each request is answered well; ``after`` each answer the harm is done."""

    def behave(client: Connection) -> None:
        while True:
            client.request()
            client.send(answer())
            after(client)

    return behave


def kept_with(harm: bytes, good: bytes = answer()) -> Behaviour:
    """``harm`` comes in one piece with each answer."""

    def behave(client: Connection) -> None:
        while True:
            client.request()
            client.send(good + harm)

    return behave


def kept_head_with_a_body(client: Connection) -> None:
    """HEAD has an answer with a body (RFC 9110 section 9.3.2), which looks like the next answer."""
    while True:
        is_head = client.request().startswith(b"HEAD ")
        client.send(answer(answer(STALE)) if is_head else answer())


def _sends_garbage(client: Connection) -> None:
    client.rest(0.02)
    client.send(b"\x00garbage\r\n\r\n")


def _answers_again(client: Connection) -> None:
    client.rest(0.02)
    client.send(answer(STALE))


def _closes(client: Connection) -> None:
    raise ConnectionError("that was all, though nothing was said of it")


def _resets_at_the_next(client: Connection) -> None:
    client.request()
    client.reset()


def _closes_at_the_next(client: Connection) -> None:
    client.request()
    raise ConnectionError("without an answer")


KINDS: dict[str, Behaviour] = {
    # heads
    "endless head": floods(b"HTTP/1.1 200 OK\r\n", b"X-Field: value\r\n" * 4096),
    "endless field": floods(b"HTTP/1.1 200 OK\r\nX-Field: ", b"a" * 65536),
    "endless reason": floods(b"HTTP/1.1 200 ", b"a" * 65536),
    "endless interim": floods(b"", b"HTTP/1.1 102 Processing\r\n\r\n" * 1024),
    "cut head": sends(b"HTTP/1.1 200 OK\r\nContent-Le"),
    "no answer": sends(b""),
    "another protocol": sends(b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"),
    "no head": sends(b"<html>hello</html>"),
    "unasked upgrade": stalls(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n"),
    "two lengths": sends(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\ngood"),
    "length and chunks": sends(
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ngood\r\n0\r\n\r\n"
    ),
    # bodies
    "length too long": sends(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nshort"),
    "length without end": floods(b"HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\n", b"a" * 65536),
    "body without end": floods(_UNBOUNDED_HEAD, b"a" * 65536),
    "chunks without end": floods(_CHUNKED_HEAD, b"10000\r\n" + b"a" * 65536 + b"\r\n"),
    "small chunks without end": floods(_CHUNKED_HEAD, b"1\r\na\r\n" * 8192),
    "extensions without end": floods(_CHUNKED_HEAD, (b"1;" + b"e" * 3000 + b"\r\na\r\n") * 20),
    "trailers without end": floods(_CHUNKED_HEAD + b"0\r\n", b"X-Trailer: value\r\n" * 4096),
    "truncated chunk": sends(_CHUNKED_HEAD + b"10\r\nshort"),
    "no last chunk": sends(_CHUNKED_HEAD + b"5\r\nshort\r\n"),
    "bad chunk size": sends(_CHUNKED_HEAD + b"0x5\r\nshort\r\n0\r\n\r\n"),
    "huge chunk size": sends(_CHUNKED_HEAD + b"fffffffffffffffff\r\nshort"),
    "reset before the answer": resets(b""),
    "reset in the head": resets(b"HTTP/1.1 200 OK\r\nContent-Le"),
    "reset in the body": resets(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nshort"),
    # codings
    "gzip bomb": bomb(b"gzip", 31),
    "deflate bomb": bomb(b"deflate", 15),
    "nested bomb": nested_bomb,
    "truncated gzip": sends(answer(zlib.compress(b"good" * 1000, wbits=31)[:-12], b"Content-Encoding: gzip")),
    "no gzip": sends(answer(b"good", b"Content-Encoding: gzip")),
    # time
    "silence": stalls(b""),
    "half a head": stalls(b"HTTP/1.1 200 OK\r\nContent-Le"),
    "half a body": stalls(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nshort"),
    "head by drops": drips(b"HTTP/1.1 200 OK\r\n", b"X-Field: value\r\n"),
    "body by drops": drips(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", b"drop"),
    "interim by drops": drips(b"", b"HTTP/1.1 102 Processing\r\n\r\n"),
    "reads nothing": reads_nothing,
    # order
    "answer before the request": answers_before_it_is_asked,
    "refused upload": refuses_an_upload,
    # connections that are kept
    "kept, garbage when idle": kept(_sends_garbage),
    "kept, an answer when idle": kept(_answers_again),
    "kept, closed when idle": kept(_closes),
    "kept, reset at the next": kept(_resets_at_the_next),
    "kept, closed at the next": kept(_closes_at_the_next),
    "kept, more than its length": kept_with(answer(STALE)),
    "kept, 204 with a body": kept_with(answer(STALE), b"HTTP/1.1 204 No Content\r\n\r\n"),
    "kept, HEAD with a body": kept_head_with_a_body,
}


# --- below TLS


def tls_silence(client: Connection) -> None:
    """Not a byte, to whatever the client says."""
    client.wait_for_end()


def tls_half_a_flight(context: ssl.SSLContext) -> Behaviour:
    """The first bytes of the answer to the client's hello."""

    def behave(client: Connection) -> None:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(incoming, outgoing, server_side=True)
        while not outgoing.pending:
            incoming.write(client.sock.recv(65536))
            with contextlib.suppress(ssl.SSLWantReadError):
                tls.do_handshake()
        flight = outgoing.read()
        client.send(flight[: len(flight) // 2])
        client.wait_for_end()

    return behave


def tls_clear_text(client: Connection) -> None:
    client.sock.recv(65536)
    client.send(answer(b"The plain HTTP request was sent to HTTPS port", status=b"400 Bad Request"))


def tls_reset(client: Connection) -> None:
    client.sock.recv(65536)
    client.reset()


#: For a `BadPeer` without a context: what comes in place of a handshake.
TLS_KINDS: dict[str, Callable[[ssl.SSLContext], Behaviour]] = {
    "silence": lambda context: tls_silence,
    "half a flight": tls_half_a_flight,
    "clear text": lambda context: tls_clear_text,
    "reset": lambda context: tls_reset,
}
