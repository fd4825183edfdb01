"""Our side of TLS handshakes, over sockets that are connected and non-blocking; in a thread of their own.

OpenSSL needs some tenths of a millisecond for the signatures of one, and lets go of the GIL meanwhile.  A
hundred connections that are made at once would keep everybody from the loop for as long as all of them
take: it has the connections of our own clients too.  The thread begins with the first handshake.

A `Handshakes` is the loop thread's, and so is a `Shaking`; a `ClientHandshake` is the other one's.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from skitai._kernels import engine
from skitai._lazy import LazyModule
from skitai.core.outbound.clienttls import ClientContexts
from skitai.core.outbound.rawsocket import RawSocket
from skitai.core.outbound.request import Origin
from skitai.errors import SkitaiError, TLSError

if TYPE_CHECKING:
    import ssl
else:
    ssl = LazyModule("ssl")

__all__ = ["Handshakes", "Shaking"]

_READ_SIZE = 16384

_TRUST_IT = " (if you trust its authority: cafile)"
_NAME_IT = " (if it rightly has another name: server_name)"
#: What mends a refusal, by OpenSSL's number for it (X509_V_ERR_...).
_REMEDIES = {18: _TRUST_IT, 19: _TRUST_IT, 20: _TRUST_IT, 62: _NAME_IT, 64: _NAME_IT}


class ClientHandshake(RawSocket):
    """``on_done(transport)`` or ``on_failed(error)`` is called once, unless it is closed before."""

    __slots__ = (
        "_contexts",
        "_incoming",
        "_on_done",
        "_on_failed",
        "_origin",
        "_outgoing",
        "_tls",
    )

    def __init__(
        self,
        loop: engine.EventLoop,
        contexts: ClientContexts,
        sock: socket.socket,
        origin: Origin,
        on_done: Callable[[engine.Transport], None],
        on_failed: Callable[[SkitaiError], None],
    ) -> None:
        super().__init__(loop, sock)
        self._contexts = contexts
        self._origin = origin
        self._on_done = on_done
        self._on_failed = on_failed
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls: ssl.SSLObject | None = None

    def begin(self) -> None:
        try:
            self._tls = self._contexts.wrap(self._origin, self._incoming, self._outgoing)
        except TLSError as error:
            self._fail(error)
            return
        self._advance()

    def _advance(self) -> None:
        assert self._tls is not None
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            self._send()
            return
        except ssl.SSLCertVerificationError as error:
            self._send()  # the alert
            remedy = _REMEDIES.get(error.verify_code, "")
            self._fail(
                TLSError(f"the certificate of {self._origin.host} is refused: {error.verify_message}{remedy}")
            )
            return
        except ssl.SSLError as error:
            self._send()
            reason = (error.reason or str(error)).replace("_", " ").lower()
            if error.reason == "WRONG_VERSION_NUMBER":
                reason += " (it answers with something else: does it speak http there?)"
            self._fail(TLSError(f"no TLS with {self._origin.host}:{self._origin.port}: {reason}"))
            return
        self._send()
        if not self._unsent:
            self._watch(0)
            self._on_done(engine.SecureSocket(self._sock, self._tls, self._incoming, self._outgoing))

    def _send(self) -> None:
        """What OpenSSL has to say; then wait for the other side, or for room."""
        self._unsent = self._unsent or self._outgoing.read()
        super()._send()

    def _may_read(self, error: OSError) -> bool:
        return True  # which tells why

    def _on_ready(self, events: int) -> None:
        if events & engine.WRITE:
            self._send()
            if not self._unsent:
                self._advance()
            return
        try:
            data = self._sock.recv(_READ_SIZE)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._broken(error.strerror or str(error))
            return
        if not data:
            self._broken("it closed the connection")
            return
        self._incoming.write(data)
        self._advance()

    def _broken(self, why: str) -> None:
        self._fail(TLSError(f"no TLS with {self._origin.host}:{self._origin.port}: {why}"))

    def _fail(self, error: SkitaiError) -> None:
        self.close()
        self._on_failed(error)


class Shaking:
    """One handshake, as the loop thread sees it.  ``on_done(transport)`` or ``on_failed(error)`` is called
    there once, unless it is closed before."""

    __slots__ = ("_away", "_handshake", "_home", "_is_closed", "_on_done", "_on_failed")

    def __init__(
        self,
        home: engine.EventLoop,
        away: engine.EventLoop,
        contexts: ClientContexts,
        sock: socket.socket,
        origin: Origin,
        on_done: Callable[[engine.Transport], None],
        on_failed: Callable[[SkitaiError], None],
    ) -> None:
        """``away``: the loop of the thread in which hands are shaken."""
        self._home = home
        self._away = away
        self._on_done = on_done
        self._on_failed = on_failed
        self._is_closed = False
        self._handshake = ClientHandshake(away, contexts, sock, origin, self._done, self._failed)
        away.call_soon(self._handshake.begin)

    def close(self) -> None:
        self._is_closed = True
        self._away.call_soon(self._handshake.close)

    def _take(self, transport: engine.Transport) -> None:
        if self._is_closed:
            transport.close()
        else:
            self._on_done(transport)

    def _tell(self, error: SkitaiError) -> None:
        if not self._is_closed:
            self._on_failed(error)

    # -- the other thread -----------------------------------------------------------------------

    def _done(self, transport: engine.Transport) -> None:
        self._home.call_soon(self._take, transport)

    def _failed(self, error: SkitaiError) -> None:
        self._home.call_soon(self._tell, error)


class Handshakes:
    """The thread."""

    def __init__(self, home: engine.EventLoop, report: Callable[[str], None]) -> None:
        """``home``: the loop whose connections these will be."""
        self._home = home
        self._report = report
        self._away: engine.EventLoop | None = None

    def begin(
        self,
        contexts: ClientContexts,
        sock: socket.socket,
        origin: Origin,
        on_done: Callable[[engine.Transport], None],
        on_failed: Callable[[SkitaiError], None],
    ) -> Shaking:
        if self._away is None:
            self._away = engine.EventLoop(self._report)
            threading.Thread(target=self._away.run, name="skitai-was-handshakes", daemon=True).start()
        return Shaking(self._home, self._away, contexts, sock, origin, on_done, on_failed)

    def close(self) -> None:
        """Those under way are heard of no more."""
        if self._away is not None:
            self._away.call_soon(self._away.stop)  # behind what it has to close
            self._away = None
