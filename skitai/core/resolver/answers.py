"""What is found for a name: values.

An answer that failed keeps a `Failure`, not an exception: it may be given to many, now and later, and an
exception that is raised in several places collects all their tracebacks.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, NamedTuple, Protocol, TypeAlias, TypeVar

from skitai.errors import NetworkError, NetworkTimeout, ResolveError

__all__ = ["Address", "Answer", "Backend", "Failure", "Found", "Service"]


class Address(NamedTuple):
    """``family`` is one of `socket.AF_INET` and `socket.AF_INET6`; ``sockaddr_host`` has its scope, if there
    is one (``fe80::1%eth0``); ``expires`` is a time of `time.monotonic`."""

    family: int
    sockaddr_host: str
    expires: float

    def sockaddr(self, port: int) -> tuple[str, int] | tuple[str, int, int, int]:
        """For `socket.connect`.  Raises OSError: the interface of its scope is there no longer."""
        host, _, scope = self.sockaddr_host.partition("%")
        if not scope:
            return host, port
        return host, port, 0, int(scope) if scope.isdigit() else socket.if_nametoindex(scope)


class Service(NamedTuple):
    """An SRV record (RFC 2782): ``host`` is a name that has to be looked up itself."""

    host: str
    port: int
    priority: int
    weight: int
    expires: float


Found = TypeVar("Found", Address, Service)


class Failure(NamedTuple):
    """``limit``, where not empty, is what was reached: nobody has answered in time.  ``is_negative``: servers
    have answered, and the name has nothing of the kind."""

    text: str
    limit: str = ""
    is_negative: bool = False

    def error(self) -> NetworkError:
        """A new one for each who is told."""
        return NetworkTimeout(self.text, limit=self.limit) if self.limit else ResolveError(self.text)


@dataclass(frozen=True, slots=True)
class Answer(Generic[Found]):
    """Either ``found`` is not empty or there is a ``failure``.  ``expires``: until when it may be kept.

    One that is not ``final`` will be followed by another that knows more."""

    found: tuple[Found, ...]
    expires: float
    failure: Failure | None = None
    is_final: bool = True


Answered: TypeAlias = Callable[[Answer[Found]], None]


class Backend(Protocol):
    """Who is asked about names that nobody here knows.

    ``name`` is in lower case and ASCII, with a dot at its end where no search list applies.  ``answered`` is
    called in the loop thread, never before the method has returned, last with an answer that is final.
    """

    def addresses(self, name: str, answered: Answered[Address]) -> None: ...

    def services(self, name: str, answered: Answered[Service]) -> None: ...

    def close(self) -> None:
        """Nothing is answered any more."""
