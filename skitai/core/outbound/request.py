"""What is asked, of whom, for how long, and what came of it: plain values, for any thread."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, TypeAlias

from skitai._kernels import http1
from skitai.errors import SkitaiError

__all__ = [
    "Begin",
    "Body",
    "Cancelable",
    "Failure",
    "Origin",
    "Outcome",
    "Request",
    "Response",
    "Sink",
    "TLSOptions",
]

#: Methods that may be sent again when nobody knows whether they were served (RFC 9110 section 9.2.2).
IDEMPOTENT = frozenset({"GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"})


class TLSOptions(NamedTuple):
    """How the other side proves who it is, and we.  Equal options share connections and contexts.

    ``verify``: certificates are checked; ``cafile``: against these authorities instead of the system's;
    ``certfile``, ``keyfile``: who we are; ``server_name``: in place of the host's name.
    """

    verify: bool = True
    cafile: str = ""
    certfile: str = ""
    keyfile: str = ""
    server_name: str = ""


class Origin(NamedTuple):
    """Whom connections are kept for (RFC 9110 section 4.3.1).  ``host`` is in lower case and without
    brackets, or the absolute path of a unix socket; ``tls`` is None where ``scheme`` is http; ``proxy``
    stands between us and it.

    ``authorization``: what a proxy is told as Proxy-Authorization; empty: nothing.
    """

    scheme: str
    host: str
    port: int
    tls: TLSOptions | None = None
    proxy: Origin | None = None
    authorization: str = ""

    @property
    def proxy_authorization(self) -> str:
        """What the proxy in between is told as the field of this name; empty: nothing."""
        return "" if self.proxy is None else self.proxy.authorization

    @property
    def is_unix(self) -> bool:
        return self.host.startswith("/")

    @property
    def title(self) -> str:
        """For people."""
        return f"unix:{self.host}" if self.is_unix else self.authority

    @property
    def authority(self) -> str:
        """As the field Host has it: without the scheme's own port."""
        if self.is_unix:
            return "localhost"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.scheme == "https" else 80) else f"{host}:{self.port}"


class Body(Protocol):
    """A body that is not in memory.  Read in the loop thread: never from what could wait."""

    @property
    def size(self) -> int | None:
        """In bytes; None: not known, and it is sent in chunks."""

    def read(self, size: int) -> bytes | None:
        """The next bytes, at most ``size``; empty at the end; None: there are none yet."""

    @property
    def trailers(self) -> http1.Headers:
        """Fields behind it, once it is at its end; only where its size is not known."""

    def rewind(self) -> bool:
        """To the beginning, to be sent once more; False: that is not possible."""

    def copy(self) -> Body:
        """The same from its beginning, to be sent beside this one."""

    def close(self) -> None:
        """It is wanted no more; may be called twice."""


class Sink(Protocol):
    """Takes the body of a response piece by piece, decoded, in the loop thread."""

    @property
    def may_begin(self) -> bool:
        """Nothing of a response has left it: a request may be repeated."""

    def begin(self, head: http1.ResponseHead, resume: Callable[[], None]) -> None:
        """The final head is there; a second time where the request was repeated.  ``resume`` is for any
        thread."""

    def write(self, data: bytes) -> bool:
        """False: no more, until ``resume()`` was called."""


@dataclass(slots=True)
class Request:
    """``target``: path and query as they are sent.  ``headers``: all but Host, unless another one than the
    origin's is wanted, and but Content-Length and Transfer-Encoding, which the body decides.

    Times are seconds; 0 is no limit.  ``deadline`` is a time of `time.monotonic`.
    """

    method: str
    origin: Origin
    target: str = "/"
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes | Body = b""
    #: When to give up at the latest; `NetworkTimeout` says ``limit="timeout"``.
    deadline: float = float("inf")
    connect_timeout: float = 0.0
    #: From the last byte of the request to the first one of the answer.
    first_byte_timeout: float = 0.0
    #: Between two pieces of the answer, and of a request that is sent.
    between_bytes_timeout: float = 0.0
    #: Bytes of the decoded body, where it has no sink; more is `ResponseTooLarge`.
    response_max: int = 64 << 20
    #: Content codings are undone (gzip, deflate, br, zstd).
    decodes: bool = True
    #: May be repeated on a new connection when a kept one proves dead (RFC 9110 section 9.2.2).
    repeatable: bool = False
    sink: Sink | None = None
    #: What is done about the answer before the caller sees it, by those above the client.
    after: object = None
    #: Set where there is a sink, whoever is behind which may be slow: seconds from `Begin` to the final head.
    answered_after: float = 0.0
    #: Sent over a WebSocket to the target, in the place of method and body; str is text.
    message: str | bytes | None = None


@dataclass(slots=True)
class Response:
    """``body`` is empty where a sink took it; ``message`` is the answer to a message."""

    head: http1.ResponseHead
    body: bytes
    trailers: http1.Headers
    message: str | bytes = b""


class Cancelable(Protocol):
    def cancel(self, error: SkitaiError | None = None) -> None:
        """Any thread: nobody wants the answer.  The outcome is ``error``, or a `CallCancelled`, unless
        there is one already."""

    def extend(self, deadline: float) -> None:
        """Any thread: somebody waits for longer than the request has said."""


class Outcome(Protocol):
    """A request that is over, or what stands for several."""

    @property
    def request(self) -> Request: ...
    @property
    def response(self) -> Response | None: ...
    @property
    def error(self) -> SkitaiError | None:
        """Exactly one of ``response`` and ``error`` is not None."""

    @property
    def elapsed(self) -> float:
        """Seconds from `Begin` to the outcome."""


@dataclass(slots=True)
class Failure:
    """An `Outcome` of those who did not wait for another one, or cannot use it."""

    request: Request
    error: SkitaiError
    elapsed: float
    response: None = None


#: ``begin(request, on_done)`` sends it; ``on_done(outcome)`` is called once, in the loop thread, never
#: before ``begin`` has returned.  Any thread.  `HttpClient.begin` is one, and what is built around it too.
Begin: TypeAlias = Callable[[Request, Callable[[Outcome], None]], Cancelable]
