"""A socket that speaks TLS, for those who know sockets only: `Channel`, `Intake`, `Outgoing`.

An `ssl.SSLObject` works between two buffers in memory; here they are filled from a socket and emptied into
it.  The event loop watches that socket and sees nothing of the buffers.  So between two calls these
rules hold:

* **Nothing that was received waits here.**  `recv_into` gives all that can be decrypted of what it took, and
  takes no more than will fit.  A part of a record waits for its rest, which is news of the socket.
* **Nothing counts as sent before its ciphertext is.**  What the socket has not taken is ``kept``; it stands
  for the next ``sealed`` bytes of the caller's, who has them still and gives them again, as with
  SSL_write(3).  So the queue in front (`Outgoing`) is right about what waits, and with it every clock,
  back-pressure and "delivered".  Of the bytes that are sealed some are told as sent in the measure in which
  the socket takes ciphertext, for slow clients to be told from those that have stopped; the last one only
  with the last byte.
* **An end that was not announced is a truncation.**  `close` says nothing; `say_goodbye` does (close_notify,
  RFC 8446 section 6.1), and whoever calls it vouches that all was said.

What OpenSSL says besides (session tickets, answers to KeyUpdate) leaves with the next data.  One thread may
send while the loop thread receives, which OpenSSL's state cannot have: ``_lock``.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from contextlib import suppress
from threading import Lock
from typing import TYPE_CHECKING, TypeAlias, cast

from skitai._lazy import LazyModule

if TYPE_CHECKING:
    import ssl
else:
    ssl = LazyModule("ssl")

__all__ = ["EMPTY_MAX", "RECORD_MAX", "SEALED_MAX", "UNASKED_MAX", "SecureSocket", "Transport"]

#: The longest record's content (RFC 8446 section 5.1).  OpenSSL's buffers keep the size that they once
#: had, for as long as the connection lasts: they are given no more than this at a time.
RECORD_MAX = 16384
#: Encrypted and sent at once.
SEALED_MAX = 4 * RECORD_MAX
#: What a client makes OpenSSL say while we have nothing to send: tickets and a few alerts take less.
UNASKED_MAX = RECORD_MAX
#: What a client may send before a byte of content comes: padding, and KeyUpdate, of which one (27 bytes)
#: costs us some 15 µs.  It has to be more than the longest record, which comes in pieces.
EMPTY_MAX = 2 * RECORD_MAX


class SecureSocket:
    """``sock`` is connected and non-blocking; ``tls`` has shaken hands on it by way of the two buffers, and
    all that the client has sent since was read."""

    __slots__ = (
        "_lock",
        "_parted",
        "empty",
        "ended",
        "incoming",
        "kept",
        "outgoing",
        "sealed",
        "sock",
        "tls",
    )

    def __init__(
        self, sock: socket.socket, tls: ssl.SSLObject, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO
    ) -> None:
        self.sock = sock
        self.tls = tls
        self.incoming = incoming
        self.outgoing = outgoing
        self._lock = Lock()
        #: Ciphertext that the socket has not taken, and how many bytes of the caller's it stands for.
        self.kept: bytes | memoryview = b""
        self.sealed = 0
        #: Ciphertext that has come since the last byte of content.
        self.empty = 0
        #: The client has said goodbye; we have.
        self.ended = False
        self._parted = False

    # -- of the socket below ------------------------------------------------------------------

    def fileno(self) -> int:
        return self.sock.fileno()

    def setsockopt(self, level: int, option: int, value: bytes) -> None:
        self.sock.setsockopt(level, option, value)

    def shutdown(self, how: int) -> None:
        self.sock.shutdown(how)

    def close(self) -> None:
        """A truncation, unless `say_goodbye` went before."""
        self.sock.close()

    def recv(self, size: int, flags: int) -> bytes:
        """With MSG_PEEK only: whether something lies there."""
        return self.sock.recv(size, flags)

    # -- receiving ----------------------------------------------------------------------------

    def recv_into(self, buffer: memoryview) -> int:
        """As of a socket; ``buffer`` is some records long.  0 also where the client has said goodbye."""
        if self._parted:
            return self.sock.recv_into(buffer)  # nobody wants it: it need not be decrypted
        if self.ended:
            return 0
        # In place: before the first byte that comes now one record may have been begun, so the
        # plaintext never gets as far as what was not decrypted yet.
        ciphertext = buffer[RECORD_MAX:]
        size = self.sock.recv_into(ciphertext)
        if not size:
            return 0
        filled = 0
        with self._lock:
            for start in range(0, size, RECORD_MAX):
                piece = ciphertext[start : min(start + RECORD_MAX, size)]
                self.incoming.write(piece)
                filled = self._open(buffer, filled)
                self.empty = 0 if filled else self.empty + len(piece)
                if self.empty > EMPTY_MAX:
                    raise ConnectionAbortedError("the client sends records without content")
        if not filled and not self.ended:
            raise BlockingIOError
        return filled

    def open_early(self, buffer: memoryview) -> int:
        """What the client has sent behind its last flight, of which ``incoming`` holds a record at most."""
        with self._lock:
            filled = self._open(buffer, 0)
        if self.ended:
            self.hear_of_the_end()
        return filled

    def _open(self, buffer: memoryview, filled: int) -> int:
        """Decrypt what has come, behind ``filled`` bytes; how many there are then."""
        while self.incoming.pending and not self.ended:
            try:
                count = cast(int, self.tls.read(len(buffer) - filled, buffer[filled:]))
            except ssl.SSLWantReadError:
                break
            filled += count
            if not count:
                self.ended = True
                if filled:
                    self.hear_of_the_end()
        if self.outgoing.pending > UNASKED_MAX:
            raise ConnectionAbortedError("the client makes TLS answer, and asks nothing")
        return filled

    def hear_of_the_end(self) -> None:
        """Who has got the last bytes asks again, and hears that they were, only if the socket has news."""
        with suppress(OSError):
            self.sock.shutdown(socket.SHUT_RD)

    # -- sending ------------------------------------------------------------------------------

    def send(self, data: bytes | memoryview) -> int:
        """As of a socket; behind a BlockingIOError, or where it took less, ``data`` begins with what it
        has not taken."""
        with self._lock:
            if not self.kept:
                self._seal(memoryview(data)[:SEALED_MAX])
            return self._send_kept()

    def sendmsg(self, buffers: Sequence[memoryview]) -> int:
        """`send` of all of them."""
        return self.send(buffers[0] if self.kept else b"".join(buffers))

    def _seal(self, data: memoryview) -> None:
        records = []
        self.sealed = len(data)
        while data:
            data = data[self.tls.write(data[:RECORD_MAX]) :]
            records.append(self.outgoing.read())
        self.kept = records[0] if len(records) == 1 else b"".join(records)

    def _send_kept(self) -> int:
        sent = self.sock.send(self.kept)
        if sent == len(self.kept):
            self.kept = b""
            told, self.sealed = self.sealed, 0
            return told
        self.kept = memoryview(self.kept)[sent:]
        told = min(sent, self.sealed - 1)
        if not told:
            raise BlockingIOError
        self.sealed -= told
        return told

    def say_goodbye(self) -> bool:
        """Nothing will be sent any more, and nothing was left out.  False: call again once the socket takes
        more.  True also where nobody listens."""
        with self._lock:
            if not self._parted:
                self._parted = True
                if self.kept:
                    return True  # something is left out, and the client shall see it
                with suppress(ssl.SSLError):  # it would wait for the client's; or TLS has failed
                    self.tls.unwrap()
                self.kept = self.outgoing.read()
            try:
                while self.kept:
                    self.kept = memoryview(self.kept)[self.sock.send(self.kept) :]
            except BlockingIOError:
                return False
            except OSError:
                self.kept = b""
            return True


#: What a connection reads and writes.
Transport: TypeAlias = socket.socket | SecureSocket
