"""Calls that say nothing but whom they ask, ``was.get(url)``: what is the same for each of them is made once.

Nearly all calls are of this kind, and a handler makes them by the thousand.  A `Plan` has the request of such
a call, encoded and checked as that of any other (`build`), and the way that it takes; the next call with
this verb and address finds it there.

Any thread.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any, Final, Protocol

from skitai.core.outbound.request import Begin, Outcome, Request
from skitai.limits import Limits
from skitai.was._call import Timing
from skitai.was._encoding import build
from skitai.was._resultcache import Asked, ResultCache
from skitai.was._results import Result

__all__ = ["Plan", "PlanOwner", "Plans"]

#: Kept at once, those that were used last; a longer address is encoded each time.
_PLANS_MAX: Final = 512
_ADDRESS_MAX: Final = 1024


class PlanOwner(Protocol):
    """The `Reach`."""

    limits: Limits
    kept: ResultCache

    def way_to(self, request: Request) -> Begin: ...


class Plan:
    __slots__ = ("_template", "asked", "begin", "make")

    def __init__(self, by: PlanOwner, verb: str, uri: str) -> None:
        """Raises what `build` and `PlanOwner.way_to` do."""
        limits = by.limits
        self._template = template = build(verb, uri)
        template.connect_timeout = limits.call_connect_timeout
        template.first_byte_timeout = limits.call_first_byte_timeout
        template.between_bytes_timeout = limits.call_between_bytes_timeout
        template.response_max = limits.call_response_max
        self.begin: Begin = by.way_to(template)
        self.asked = Asked(by.kept, verb, uri, (), {}, to_all=False)
        self.make: Callable[[Outcome], Result] = partial(Result, keep=self.asked.keep)

    def request(self, fields: tuple[tuple[str, str], ...], deadline: float) -> Request:
        """A new one, with ``fields`` besides."""
        template = self._template
        return Request(
            template.method,
            template.origin,
            template.target,
            [*template.headers, *fields],
            template.body,
            deadline,
            template.connect_timeout,
            template.first_byte_timeout,
            template.between_bytes_timeout,
            template.response_max,
            True,
            template.repeatable,
            None,
            template.after,
        )


class Plans:
    def __init__(self, by: PlanOwner) -> None:
        #: Of calls that say nothing about time and belong to no request.
        self.timing = Timing(by.limits.call_timeout)
        self._plan: Callable[[str, str], Plan] = lru_cache(_PLANS_MAX)(partial(Plan, by))

    def of(self, verb: str, uri: Any) -> Plan | None:
        """None: each of these calls is another one, or there is no text to ask for."""
        if type(uri) is not str or len(uri) > _ADDRESS_MAX or verb == "upload":  # which has a boundary
            return None
        return self._plan(verb, uri)
