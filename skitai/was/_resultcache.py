"""Answers that are given again without a request: ``was.get(url).getwait().cache(60)``.

What is kept, and for how long, the application says; HTTP's own rules about caches are not asked.  A call
gets what is kept if it is equal (`key_of`): the same verb, address, arguments, headers and credentials, all
members or one.  So nobody is given what somebody else was allowed to see.

``num_result_cache_max`` results at most; when they are as many, a fifth of them makes room, those with the
least time left.  Each process has its own.

Any thread.
"""

from __future__ import annotations

import heapq
import threading
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from skitai.core.outbound.request import Cancelable, Outcome, Request, Response
from skitai.errors import SkitaiError

__all__ = ["Asked", "Kept", "ResultCache", "key_of"]

#: Of the results that there are, this part makes room.
_PART: Final = 5
#: Arguments that say how long to wait, and nothing about what is asked.
_OF_WAITING: Final = frozenset(
    {
        "timeout",
        "connect_timeout",
        "first_byte_timeout",
        "between_bytes_timeout",
        "response_max",
        "detach",
    }
)


class Kept:
    """Outcomes that are there already: of one server, or of all members in their order.

    A `Begin` and a `BeginAll` that ask nobody, so that a call is what it always is.
    """

    __slots__ = ("_outcomes",)

    def __init__(self, outcomes: Sequence[Outcome]) -> None:
        # But for what was asked and answered, nothing of those who did it.
        self._outcomes = [_Outcome(each.request, each.response, each.elapsed) for each in outcomes]

    @property
    def request(self) -> Request:
        return self._outcomes[0].request

    def begin(self, request: Request, on_done: Callable[[Outcome], None]) -> Cancelable:
        on_done(self._outcomes[0])
        return _OVER

    def begin_all(
        self, request: Request, on_member: Callable[[int, Outcome], None]
    ) -> Sequence[tuple[Any, Cancelable]]:
        for place, outcome in enumerate(self._outcomes):
            on_member(place, outcome)
        return [(None, _OVER)] * len(self._outcomes)


@dataclass(frozen=True, slots=True)
class _Outcome:
    request: Request
    response: Response | None
    elapsed: float
    error: None = None


class _Over:
    """What nobody can give up any more."""

    def cancel(self, error: SkitaiError | None = None) -> None:
        """It is too late."""

    def extend(self, deadline: float) -> None:
        """It is over."""


_OVER: Final = _Over()


class Asked:
    """A call as it was written: ``was.<verb>(uri, *arguments, **options)``, of ``.map`` or not."""

    __slots__ = ("_arguments", "_cache", "_options", "_to_all", "_uri", "_verb")

    def __init__(
        self,
        cache: ResultCache,
        verb: str,
        uri: str,
        arguments: Sequence[Any],
        options: Mapping[str, Any],
        *,
        to_all: bool,
    ) -> None:
        self._cache = cache
        self._verb = verb
        self._uri = uri
        self._arguments = arguments
        self._options = options
        self._to_all = to_all

    @property
    def kept(self) -> Kept | None:
        """What an equal call has left."""
        return self._cache.get(self._key()) if self._cache.results else None

    def keep(self, outcome: Outcome, seconds: float) -> None:
        self._cache.keep(self._key(), Kept([outcome]), seconds)

    def keep_all(self, outcomes: Sequence[Outcome], seconds: float) -> None:
        self._cache.keep(self._key(), Kept(outcomes), seconds)

    def _key(self) -> Hashable | None:
        return key_of(self._verb, self._uri, self._arguments, self._options, to_all=self._to_all)


class ResultCache:
    """What is kept, by key."""

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        """``most``: results at once; 0 keeps none."""
        self._most = most
        self._clock = clock
        self._lock = threading.Lock()
        #: Until when, and what.  Where there are none, no key has to be made.
        self.results: dict[Hashable, tuple[float, Kept]] = {}

    def __len__(self) -> int:
        """How many are kept."""
        return len(self.results)

    def get(self, key: Hashable | None) -> Kept | None:
        """What is kept for ``key``; None if there is nothing, or no longer."""
        found = self.results.get(key)
        if found is None:
            return None
        until, kept = found
        return kept if self._clock() < until else None

    def keep(self, key: Hashable | None, kept: Kept, seconds: float) -> None:
        """Give ``kept`` to equal calls, for so long; 0 ends what was said before.  None is no key."""
        if key is None:
            return
        now = self._clock()
        with self._lock:
            self.results.pop(key, None)
            if seconds <= 0 or not self._most:
                return
            if len(self.results) >= self._most:
                self._make_room(now)
            self.results[key] = now + seconds, kept

    def _make_room(self, now: float) -> None:
        over = [key for key, (until, _) in self.results.items() if until <= now]
        leaving = over or heapq.nsmallest(
            max(1, self._most // _PART), self.results, key=lambda key: self.results[key][0]
        )
        for key in leaving:
            del self.results[key]


def key_of(
    verb: str, uri: str, arguments: Sequence[Any], options: Mapping[str, Any], *, to_all: bool
) -> Hashable | None:
    """The same for calls that are equal: ``was.<verb>(uri, *arguments, **options)``, of ``.map`` or not.

    None for a call whose answer cannot be kept: what it sends is read, a file or an iterator, or its
    cookies are a jar, so nobody can know whether another one is equal.
    """
    try:
        return (
            verb.upper(),
            uri,
            to_all,
            tuple(map(_frozen, arguments)),
            frozenset((name, _frozen(value)) for name, value in options.items() if name not in _OF_WAITING),
        )
    except _NotFrozenError:
        return None


class _NotFrozenError(Exception):
    """A value that may be another one the next time."""


def _frozen(value: Any) -> Hashable:
    """``value``, to be compared with others: 1, 1.0 and True are sent as three texts."""
    if value is None or isinstance(value, (str, bytes, int, float)):
        return type(value), value
    if isinstance(value, (bytearray, memoryview)):
        return bytes, bytes(value)
    if isinstance(value, Mapping):
        # In order: it is the order in which they are sent.
        return dict, tuple((_frozen(name), _frozen(one)) for name, one in value.items())
    if isinstance(value, (list, tuple)):
        return type(value), tuple(map(_frozen, value))
    raise _NotFrozenError
