"""One name on its way: its full names one after the other, all kinds of records of each together.

                 something found, all there              ┌─> the answer
    ask a name ──┬─ something found, some still to come ─┤   after a moment: what there is, the rest later
                 ├─ nothing, and it was said so ─────────┼─> the next name, or the failure
                 └─ nobody reached, nobody answered ─────┘   the failure

The moment is the Resolution Delay of RFC 8305 section 3: servers that never answer about IPv6 are known, and
they must not make a host slower that is reached by IPv4; nor the other way round.

That nobody has answered ends the search: the next name would mean another host than the one that was meant.
A server's own failure does not, for it is about one zone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Generic

from skitai._kernels import engine
from skitai._lazy import LazyModule
from skitai.core.resolver.answers import Answer, Answered, Failure, Found
from skitai.core.resolver.channel import OnResult
from skitai.core.resolver.records import Expiry
from skitai.limits import Limits

if TYPE_CHECKING:
    import pycares
else:
    pycares = LazyModule("pycares")

__all__ = ["Matter", "Search"]

_RESOLUTION_DELAY = 0.05


@dataclass(frozen=True, slots=True)
class Matter(Generic[Found]):
    """What is looked for: how records of each kind are read, in which order they are asked for; how all that
    is found is put in order; and in words what a name has not that is known and has none."""

    readers: Mapping[int, Callable[[pycares.DNSResult, str, Expiry], list[Found]]]
    order: Callable[[list[Found]], tuple[Found, ...]]
    lacking: str


class _Verdict(IntEnum):
    """Why there is nothing, the worse ones later."""

    NO_NAME = 0
    NO_RECORD = 1
    SERVER_FAILED = 2
    UNREACHABLE = 3
    SILENT = 4


class Search(Generic[Found]):
    """The loop thread's."""

    def __init__(
        self,
        loop: engine.EventLoop,
        limits: Limits,
        query: Callable[[str, int, OnResult], None],
        matter: Matter[Found],
        name: str,
        candidates: Iterator[str],
        answered: Answered[Found],
    ) -> None:
        """``name`` is as the caller has it, ``candidates`` what it may stand for."""
        self._loop = loop
        self._limits = limits
        self._query = query
        self._matter: Matter[Found] = matter
        self._name = name
        self._candidates = candidates
        self._answered: Answered[Found] = answered
        self._outstanding = 0
        self._found: list[Found] = []
        self._verdict = _Verdict.NO_NAME
        self._status = 0
        self._delay: engine.Timer | None = None

    def next(self) -> None:
        """Ask for the next full name."""
        candidate = next(self._candidates, None)
        if candidate is None:
            self._fail()
            return
        self._outstanding = len(self._matter.readers)
        for kind in self._matter.readers:
            self._query(candidate, kind, partial(self._on_result, candidate, kind))

    def _on_result(self, candidate: str, kind: int, result: pycares.DNSResult | int) -> None:
        self._outstanding -= 1
        if isinstance(result, int):
            self._judge(_verdict_of(result), result)
        else:
            found = self._matter.readers[kind](result, candidate, self._expiry)
            self._found += found
            if not found:
                self._judge(_Verdict.NO_RECORD, 0)
        if self._outstanding:
            if self._found:
                self._delay = self._loop.call_later(_RESOLUTION_DELAY, self._tell_what_there_is)
        elif self._found:
            if self._delay is not None:
                self._delay.cancel()
            self._tell(is_final=True)
        elif self._verdict >= _Verdict.UNREACHABLE:
            self._fail()
        else:
            self.next()

    def _judge(self, verdict: _Verdict, status: int) -> None:
        if verdict >= self._verdict:
            self._verdict, self._status = verdict, status

    def _expiry(self, seconds: int) -> float:
        limits = self._limits
        return monotonic() + max(min(seconds, limits.dns_ttl_max), limits.dns_ttl_min)

    # -- telling --------------------------------------------------------------------------

    def _tell_what_there_is(self) -> None:
        self._tell(is_final=False)

    def _tell(self, *, is_final: bool) -> None:
        expires = min(found.expires for found in self._found)
        self._answered(Answer(self._matter.order(self._found), expires, is_final=is_final))

    def _fail(self) -> None:
        limits = self._limits
        is_negative = self._verdict <= _Verdict.NO_RECORD
        seconds = limits.dns_negative_ttl if is_negative else limits.dns_ttl_min
        self._answered(Answer((), monotonic() + seconds, self._failure(is_negative)))

    def _failure(self, is_negative: bool) -> Failure:
        match self._verdict:
            case _Verdict.NO_NAME:
                text = f"there is no {self._name!r}: its name servers say so (NXDOMAIN)"
            case _Verdict.NO_RECORD:
                text = f"{self._name!r} is known to name servers, but has no {self._matter.lacking}"
            case _Verdict.SERVER_FAILED:
                reason = pycares.errno.strerror(self._status)
                text = f"name servers fail to say where {self._name!r} is: {reason!s}"
            case _Verdict.UNREACHABLE:
                text = (
                    f"no name server is reached who could say where {self._name!r} is; "
                    "look at dns in [server], or at /etc/resolv.conf"
                )
            case _Verdict.SILENT:
                text = f"no name server has answered where {self._name!r} is"
                return Failure(text, limit="timeout and attempts of resolv.conf")
        return Failure(text, is_negative=is_negative)


def _verdict_of(status: int) -> _Verdict:
    errno = pycares.errno
    verdicts = {
        errno.ARES_ENOTFOUND: _Verdict.NO_NAME,
        errno.ARES_ENODATA: _Verdict.NO_RECORD,
        errno.ARES_ECONNREFUSED: _Verdict.UNREACHABLE,
        errno.ARES_ETIMEOUT: _Verdict.SILENT,
    }
    return verdicts.get(status, _Verdict.SERVER_FAILED)
