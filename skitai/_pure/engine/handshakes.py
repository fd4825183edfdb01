"""TLS handshakes, in a thread of their own: whoever serves clients that are known never computes for those
who may not even speak TLS.

OpenSSL needs some tenths of a millisecond for the keys and signatures of one, and lets go of the GIL
meanwhile.  One thread is enough for as many as a processor can do, and it bounds what strangers can take.

    GREETING ──first bytes──▶ TALKING ──last flight──▶ DONE ──the engine takes it──▶ GONE
       │                        └──refused, left, late──▶ GONE                        ▲
       └──no TLS──▶ CLEAR ──the engine takes it───────────────────────────────────────┘

A `Handshake` stands in the engine's tables where the connection will, from accept on: it counts, has its
deadline there, and makes room for others as long as its client is silent.  What is done about it by
whom: the **handshake thread** owns the socket and OpenSSL's state, up to DONE or CLEAR; from
there on, and for `Handshake.close` at any time, the **loop thread**.  ``_lock`` is between the two: held for
one step, so that nobody closes a descriptor that the other is just using.
"""

from __future__ import annotations

import enum
import re
import socket
import threading
from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING, Any, Protocol

from skitai._lazy import LazyModule
from skitai._pure.engine.clienthello import HANDSHAKE, ClientHello
from skitai._pure.engine.loop import READ, WRITE, EventLoop, change_watch
from skitai._pure.engine.secure import RECORD_MAX, SecureSocket
from skitai._pure.engine.service import Service
from skitai.limits import Limits

if TYPE_CHECKING:
    import ssl
else:
    ssl = LazyModule("ssl")

__all__ = ["Contexts", "Handshake", "Handshakes", "Stage"]

#: As much as a segment may hold of one.
_REQUEST_LINE = re.compile(rb"[A-Z]{1,20}(?: |$)")
_FOREVER = float("inf")


class Contexts(Protocol):
    """Whom a listener that speaks TLS asks for the context of each connection, in the handshake thread."""

    @property
    def has_names(self) -> bool:
        """Whether it depends on the server's name: that is read only then."""

    def __call__(self, name: str) -> ssl.SSLContext:
        """``name``: as the client wrote it, decoded as latin-1; empty if it said none."""


class HandshakeOwner(Protocol):
    """What a handshake needs of the engine; in the loop thread, but for ``report``."""

    gently: bool
    limits: Limits
    loop: EventLoop
    service: Service
    report: Callable[[str], None]

    def secured(self, handshake: Handshake) -> None:
        """DONE, or closed since."""

    def spoke_clearly(self, handshake: Handshake) -> None:
        """CLEAR, or closed since."""

    def handshake_failed(self, handshake: Handshake, why: str) -> None:
        """It is closed; ``why``, for the log, is empty where there is nothing to say."""

    def forget(self, connection: Handshake) -> None: ...


class Stage(enum.Enum):
    GREETING = "nothing has come"
    TALKING = "the client speaks TLS"
    DONE = "shaken hands"
    CLEAR = "the client speaks HTTP"
    GONE = "over, one way or another"

    __hash__ = object.__hash__  # members are singletons; Enum's own is a Python call until 3.12


#: In which the handshake thread works.
_OURS = frozenset({Stage.GREETING, Stage.TALKING})


class Handshakes:
    """The thread, and what it works with."""

    def __init__(self, loop: EventLoop) -> None:
        """``loop``: of this thread, from here on."""
        self.loop = loop
        self.scratch = memoryview(bytearray(RECORD_MAX))
        self._thread = threading.Thread(target=loop.run, name="skitai-handshakes", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """None is touched any more once this has returned."""
        self.loop.stop()
        self._thread.join()


class Handshake:
    """Of one client, whose ``sock`` is non-blocking."""

    __slots__ = (
        "_contexts",
        "_handshakes",
        "_hello",
        "_incoming",
        "_interest",
        "_lock",
        "_outgoing",
        "_owner",
        "_secured",
        "_tls",
        "_unsent",
        "deadline",
        "early",
        "idle_since",
        "info",
        "peer",
        "sock",
        "stage",
    )

    def __init__(
        self,
        owner: HandshakeOwner,
        handshakes: Handshakes,
        sock: socket.socket,
        peer: tuple[str, int],
        info: Any,
        contexts: Contexts,
    ) -> None:
        self._owner = owner
        self._handshakes = handshakes
        self._contexts = contexts
        self.sock = sock
        self.peer = peer
        self.info = info
        self.stage = Stage.GREETING
        self.idle_since = monotonic()
        #: As of a connection: `Connection.deadline`.
        self.deadline = self.idle_since + owner.limits.handshake_timeout
        #: DONE: what the client has sent behind its last flight.
        self.early = b""
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        #: Until its context is known.
        self._hello: ClientHello | None = ClientHello()
        self._tls: ssl.SSLObject | None = None
        self._secured: SecureSocket | None = None
        self._unsent: bytes | memoryview = b""
        self._interest = 0
        self._lock = threading.Lock()
        handshakes.loop.call_soon(self._begin)

    # -- the handshake thread -----------------------------------------------------------------

    def _begin(self) -> None:
        self._step(self._receive)  # what has come by now needs no round through the system's poll

    def _on_ready(self, events: int) -> None:
        self._step(self._send_on if events & WRITE else self._receive)

    def _step(self, step: Callable[[], str | None]) -> None:
        """``step()`` says why the handshake has failed, if it has."""
        with self._lock:
            if self.stage not in _OURS:
                return  # by an earlier event of this poll, or by the loop thread
            try:
                failure = step()
            except OSError as error:
                failure = error.strerror or str(error)
            except Exception:
                self._owner.report("a TLS handshake")
                failure = ""
            if failure is None:
                return
            self._watch(0)
            self.stage = Stage.GONE
            self.sock.close()
        self._owner.loop.call_soon(self._owner.handshake_failed, self, failure)

    def _receive(self) -> str | None:
        scratch = self._handshakes.scratch
        try:
            size = self.sock.recv_into(scratch)
        except (BlockingIOError, InterruptedError):
            self._watch(READ)
            return None
        if not size:
            # Who only looks whether somebody listens is none for the log.
            return "" if self.stage is Stage.GREETING else "the client left in the midst of it"
        received = scratch[:size]
        if self.stage is Stage.GREETING:
            if received[0] != HANDSHAKE:
                return self._take_for_http(bytes(received[:32]))
            self.stage = Stage.TALKING
        if self._hello is None:
            self._incoming.write(received)
        elif not self._choose_context(self._hello, received):
            self._watch(READ)
            return None
        return self._advance()

    def _choose_context(self, hello: ClientHello, received: memoryview) -> bool:
        """False until all of it has come that the choice depends on."""
        name = ""
        if self._contexts.has_names:
            if not hello.take(received):
                return False
            name = hello.server_name
        self._tls = self._contexts(name).wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._incoming.write(hello.received or received)
        self._hello = None
        return True

    def _take_for_http(self, received: bytes) -> str | None:
        if not _REQUEST_LINE.match(received):
            return "what came is no TLS"
        self._leave(Stage.CLEAR, self._owner.spoke_clearly)
        return None

    def _send_on(self) -> str | None:
        self._send()
        return None if self._unsent else self._advance()

    def _advance(self) -> str | None:
        tls = self._tls
        assert tls is not None
        try:
            tls.do_handshake()  # where it was done already it says so once more
        except ssl.SSLWantReadError:
            self._send()
            self._watch(WRITE if self._unsent else READ)
            return None
        except ssl.SSLError as error:
            self._send()  # the alert
            return (error.reason or "TLS failed").replace("_", " ").lower()
        if tls.version() != "TLSv1.3":
            self._send()
            if self._unsent:
                self._watch(WRITE)
                return None
        # Of TLS 1.3 nothing is left to say but tickets: they leave with the first answer.
        self._secured = SecureSocket(self.sock, tls, self._incoming, self._outgoing)
        scratch = self._handshakes.scratch
        self.early = bytes(scratch[: self._secured.open_early(scratch)])
        self._leave(Stage.DONE, self._owner.secured)
        return None

    def _leave(self, stage: Stage, to: Callable[[Handshake], None]) -> None:
        self._watch(0)
        self.stage = stage
        self._owner.loop.call_soon(to, self)

    def _send(self) -> None:
        self._unsent = self._unsent or self._outgoing.read()
        try:
            while self._unsent:
                self._unsent = memoryview(self._unsent)[self.sock.send(self._unsent) :]
        except (BlockingIOError, InterruptedError):
            return

    def _watch(self, interest: int) -> None:
        loop = self._handshakes.loop
        self._interest = change_watch(loop, self.sock, self._interest, interest, self._on_ready)

    # -- the loop thread ------------------------------------------------------------------------

    @property
    def is_idle(self) -> bool:
        return self.stage is not Stage.GONE

    def is_silent(self) -> bool:
        """As `Channel.is_silent`."""
        try:
            return not self.sock.recv(1, socket.MSG_PEEK)
        except OSError:
            return True

    def secured(self) -> SecureSocket:
        """Once it is DONE."""
        assert self._secured is not None
        self.stage = Stage.GONE
        return self._secured

    def give_away(self) -> socket.socket:
        """Once it is CLEAR."""
        self.stage = Stage.GONE
        return self.sock

    def expire(self, now: float) -> None:
        """The deadline has passed."""
        if self.stage in _OURS:
            self.close()
            self._owner.service.limited("handshake_timeout", f"cut {self.peer[0]}")

    def finish_soon(self) -> None:
        """The server stops: who has said nothing yet asks nothing."""
        if not self._owner.gently and self.stage is Stage.GREETING and self.is_silent():
            self.close()

    def cut(self) -> None:
        """The loops have ended."""
        self.sock.close()

    def close(self) -> None:
        """Idempotent."""
        with self._lock:
            before, self.stage = self.stage, Stage.GONE
            if before is Stage.GONE:
                return
            self.sock.close()
        if before in _OURS:
            self._handshakes.loop.call_soon(self._watch, 0)
        self.deadline = _FOREVER
        self._owner.forget(self)
