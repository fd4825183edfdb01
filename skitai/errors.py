"""Every exception that Skitai raises on purpose.

    SkitaiError
    ├── ProtocolError            bytes on the wire that break HTTP
    │   ├── RemoteProtocolError  the peer sent them; ``status`` is the answer to give
    │   │   └── FrameError       in a WebSocket; ``code`` is what to close it with
    │   └── LocalProtocolError   our own side (server or application) wanted to send them
    ├── NetworkError             the operating system's word about a connection
    │   ├── ConnectError, ResolveError, TLSError
    │   ├── ReadError, WriteError
    │   ├── NetworkTimeout
    │   ├── ResponseTooLarge     more than the caller wants
    │   ├── SendQueueFull        too much waits for the slow peer of a WebSocket
    │   ├── CallsQueueFull       too many requests of ours wait for a connection
    │   ├── ClusterUnavailable   no member of a cluster can be asked now
    │   └── CallCancelled        nobody wanted the answer any more
    ├── ConfigError              a setting that cannot be followed: file, line, remedy
    └── AppError                 raised for or by applications
        ├── AppLoadError         a mounted application that does not import
        ├── OutsideRequest       `skitai.was` used where no request is being answered
        ├── SpoolFull            a request body for which there is no room
        ├── MailNotAccepted      an e-mail that could not be put into the spool
        ├── ClientDisconnected   the client left while the application was answering
        │   └── ResponseOverdue  it was answered 503 in the application's place
        ├── WaitTimeout          what a handler waited for did not come in time
        └── HTTPError            an application's wish to answer with this status

Operating system errors are mapped once, where a system call is made; above that
border only these are seen.  A text says whose fault it is, what is wrong and, where
there is one, the rule: ``RFC 9112 section 6.1``.
"""

from __future__ import annotations

__all__ = [
    "AppError",
    "AppLoadError",
    "CallCancelled",
    "CallsQueueFull",
    "ClientDisconnected",
    "ClusterUnavailable",
    "ConfigError",
    "ConnectError",
    "FrameError",
    "HTTPError",
    "LocalProtocolError",
    "MailNotAccepted",
    "NetworkError",
    "NetworkTimeout",
    "OutsideRequest",
    "ProtocolError",
    "ReadError",
    "RemoteProtocolError",
    "ResolveError",
    "ResponseOverdue",
    "ResponseTooLarge",
    "SendQueueFull",
    "SkitaiError",
    "SpoolFull",
    "TLSError",
    "WaitTimeout",
    "WriteError",
]


class SkitaiError(Exception):
    """The root of the family: ``except SkitaiError`` takes all of them."""


class ProtocolError(SkitaiError):
    """Bytes that break HTTP.

    ``rule`` names the sentence that was broken (``"RFC 9112 section 5"``) and may be empty.
    """

    def __init__(self, message: str, *, rule: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.rule = rule

    def __str__(self) -> str:
        return f"{self.message} ({self.rule})" if self.rule else self.message


class RemoteProtocolError(ProtocolError):
    """The peer broke the protocol.  ``status`` (int) is what a server answers with."""

    def __init__(self, message: str, *, status: int = 400, rule: str = "") -> None:
        super().__init__(message, rule=rule)
        self.status = status


class FrameError(RemoteProtocolError):
    """The peer broke the protocol of WebSockets, or a limit; ``code`` (int) is what to close with."""

    def __init__(self, message: str, *, code: int = 1002, rule: str = "") -> None:
        super().__init__(message, rule=rule)
        self.code = code


class LocalProtocolError(ProtocolError):
    """We, or the application through us, tried to send what the protocol forbids."""


class NetworkError(SkitaiError):
    """A connection failed; ``__cause__`` keeps the operating system's error."""


class ConnectError(NetworkError):
    """No connection could be made."""


class ResolveError(NetworkError):
    """A host name has no address, or no name server answered."""


class TLSError(NetworkError):
    """The TLS handshake or a TLS record failed."""


class ReadError(NetworkError):
    """Reading from a connection failed."""


class WriteError(NetworkError):
    """Writing to a connection failed."""


class NetworkTimeout(NetworkError):
    """The peer took longer than ``limit`` allows: the name of a setting or of an argument."""

    def __init__(self, message: str, *, limit: str = "") -> None:
        super().__init__(f"{message} ({limit})" if limit else message)
        self.limit = limit


class ResponseTooLarge(NetworkError):
    """A response is longer than its caller wants, decoded or as it came."""


class SendQueueFull(NetworkError):
    """``ws_queue_max`` bytes wait for the peer of a WebSocket already: a message was not taken."""


class CallsQueueFull(NetworkError):
    """``call_queue_max`` requests wait for connections already."""


class ClusterUnavailable(NetworkError):
    """Every member of a cluster is ejected, or none is known: nobody was asked."""


class CallCancelled(NetworkError):
    """A call was given up before its answer was complete."""


class ConfigError(SkitaiError):
    """A setting that cannot be followed.

    ``file`` and ``line`` (counted from 1, 0 where unknown) say where it stands;
    ``hint`` says how to mend it.  ``str()`` is one line, fit for the console.
    """

    def __init__(self, message: str, *, file: str = "", line: int = 0, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.file = file
        self.line = line
        self.hint = hint

    def __str__(self) -> str:
        where = ":".join(part for part in (self.file, str(self.line or "")) if part)
        text = f"{where}: {self.message}" if where else self.message
        return f"{text}; {self.hint}" if self.hint else text


class AppError(SkitaiError):
    """Something between us and an application."""


class AppLoadError(AppError):
    """A mounted application does not import.

    ``target`` is the text of the route, ``file`` and ``line`` where the import failed
    (empty and 0 where unknown), ``report`` the whole traceback as text, or the message where
    no code of the application ran.  ``str()`` is one line, fit for a log.
    """

    def __init__(self, message: str, *, target: str, file: str = "", line: int = 0, report: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.target = target
        self.file = file
        self.line = line
        self.report = report or message

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}" if self.line else self.message


class OutsideRequest(AppError, RuntimeError):
    """`skitai.was` was asked for a service while no request is being answered in this context."""


class SpoolFull(AppError):
    """A request body cannot be stored; ``status`` is the answer to give (RFC 4918 section 11.5)."""

    status = 507


class MailNotAccepted(AppError):
    """An e-mail was not put into the spool, and nobody will get it: the spool is full, or cannot be
    written."""


class ClientDisconnected(AppError):
    """The client left before its response was complete."""


class ResponseOverdue(ClientDisconnected, TimeoutError):
    """No response came within ``response_timeout``: the client was answered 503."""


class WaitTimeout(AppError, TimeoutError):
    """What a handler waited for did not come in the time that it gave."""


class HTTPError(AppError):
    """Answer the request with ``status`` (int, 400 to 599) and show ``why`` (str) to the client.

    Raises ValueError for another status.
    """

    def __init__(self, status: int, why: str = "") -> None:
        if not 400 <= status <= 599:
            raise ValueError(f"{status!r} is no status of an error: HTTPError takes 400 to 599")
        super().__init__(f"{status} {why}".rstrip())
        self.status = status
        self.why = str(why)
