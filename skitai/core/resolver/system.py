"""The system's own getaddrinfo, in threads: the backend without pycares, or with ``dns = system``.

It searches, asks and sorts as the machine is set up (nsswitch.conf: directories, multicast DNS, containers),
and tells no time to live.  It may block for half a minute and cannot be told to stop, so there are at most
`dns_threads` threads: what comes too late serves the next one who asks.  SRV records it does not know.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from queue import SimpleQueue
from time import monotonic
from typing import Any

from skitai._kernels import engine
from skitai.core.resolver.answers import Address, Answer, Answered, Failure, Service
from skitai.core.resolver.ordering import arranged
from skitai.limits import Limits

__all__ = ["System"]

_Job = tuple[str, Answered[Address]]
#: As `socket.getaddrinfo`: name and port, then family and type.
GetAddrInfo = Callable[[bytes, None, int, int], list[Any]]

#: The name is not known, or has no address.  Not all systems have the second one.
_NEGATIVE = {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)}


class System:
    """A `Backend`.  The loop thread's, but for `_serve`."""

    def __init__(
        self, loop: engine.EventLoop, limits: Limits, getaddrinfo: GetAddrInfo = socket.getaddrinfo
    ) -> None:
        self._loop = loop
        self._limits = limits
        self._getaddrinfo = getaddrinfo
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._threads = 0
        #: Names that threads have, or are to have.
        self._outstanding = 0

    def addresses(self, name: str, answered: Answered[Address]) -> None:
        self._outstanding += 1
        if self._outstanding > self._threads < self._limits.dns_threads:
            self._threads += 1
            name_of_thread = f"skitai-resolver-{self._threads}"
            threading.Thread(target=self._serve, name=name_of_thread, daemon=True).start()
        self._jobs.put((name, answered))

    def services(self, name: str, answered: Answered[Service]) -> None:
        text = f"services of {name!r} (SRV) need pycares, and dns must not be system: pip install skitai[dns]"
        answer: Answer[Service] = Answer((), 0.0, Failure(text))
        self._loop.call_soon(answered, answer)

    def close(self) -> None:
        for _ in range(self._threads):
            self._jobs.put(None)

    def _serve(self) -> None:
        """In a thread of its own."""
        while (job := self._jobs.get()) is not None:
            name, answered = job
            self._loop.call_soon(self._finish, answered, self._look_up(name))

    def _finish(self, answered: Answered[Address], answer: Answer[Address]) -> None:
        self._outstanding -= 1
        answered(answer)

    def _look_up(self, name: str) -> Answer[Address]:
        """In a thread."""
        limits = self._limits
        try:
            # As bytes, or Python would load its codec for IDNA.
            found = self._getaddrinfo(name.encode("ascii"), None, socket.AF_UNSPEC, socket.SOCK_STREAM)
        except OSError as error:
            is_negative = isinstance(error, socket.gaierror) and error.errno in _NEGATIVE
            seconds = limits.dns_negative_ttl if is_negative else limits.dns_ttl_min
            text = f"the system knows no address of {name!r}: {error.strerror}"
            return Answer((), monotonic() + seconds, Failure(text, is_negative=is_negative))
        expires = monotonic() + limits.dns_ttl_default
        hosts = [
            (item[0], _host_of(item[4])) for item in found if item[0] in (socket.AF_INET, socket.AF_INET6)
        ]
        addresses = tuple(Address(family, host, expires) for family, host in arranged(hosts))
        if not addresses:
            text = f"the system knows no address of {name!r} that could be connected to"
            return Answer((), monotonic() + limits.dns_negative_ttl, Failure(text, is_negative=True))
        return Answer(addresses, expires)


def _host_of(sockaddr: tuple[Any, ...]) -> str:
    """With the number of its scope, which Python keeps apart (RFC 4007 section 11)."""
    match sockaddr:
        case (str(host), _, _, int(scope)) if scope and "%" not in host:
            return f"{host}%{scope}"
        case _:
            return str(sockaddr[0])
