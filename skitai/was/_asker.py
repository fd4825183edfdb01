"""Who asks: what calls have of the request that they are made for.

A call has less time than its request: whatever it asks for, it ends with the response that it is made for
(`Services.deadlines`), and whoever is asked is told so by ``X-Request-Deadline``.  Its ``traceparent`` is the
request's, with a span id of its own (W3C Trace Context).

Made with the first call of a request and kept with its services, since all of this is the same for all its
calls.  The thread that the request has.
"""

from __future__ import annotations

from time import monotonic, time

from skitai.core.outbound.request import Request
from skitai.core.tracecontext import child_of
from skitai.was._call import Timing
from skitai.was._callers import group_of
from skitai.was._current import VARIABLE
from skitai.was._services import Services

__all__ = ["Asker", "asker"]

_FOREVER = float("inf")
#: In the ``__dict__`` of services, where no application's service has this name.
_PLACE = "_asker"


class Asker:
    __slots__ = ("_parent", "_said", "_state", "deadline", "fields", "group", "is_traced", "own", "timing")

    def __init__(self, services: Services, timeout: float) -> None:
        """``timeout``: of calls that say nothing else, in seconds."""
        #: Those that end with the request.
        self.group = group_of(services)
        #: When the response has to begin; who asks later than that is streaming it.
        self.own, self._said = services.deadlines
        self._parent = services.env.get("HTTP_TRACEPARENT")
        self._state = services.env.get("HTTP_TRACESTATE")
        self.is_traced = self._parent is not None
        self._set(min(self.own, self._said), timeout)

    def _set(self, deadline: float, timeout: float) -> None:
        #: Of all its calls.
        self.deadline = deadline
        #: Of calls that say nothing about time.
        self.timing = Timing(timeout, deadline)
        #: What tells others of the deadline.
        self.fields: tuple[tuple[str, str], ...] = ()
        if deadline != _FOREVER:
            until = time() + max(0.0, deadline - monotonic())
            self.fields = (("X-Request-Deadline", f"{until:.3f}"),)

    def streams(self) -> None:
        """``own`` has passed."""
        self.own = _FOREVER
        self._set(self._said, self.timing.timeout)

    def trace(self, request: Request) -> None:
        """Have ``request`` say what it belongs to."""
        child = child_of(self._parent)
        if child:
            request.headers.append(("traceparent", child))
            if self._state:
                request.headers.append(("tracestate", self._state))


def asker(timeout: float, now: float) -> Asker | None:
    """Of the request that is being answered in this context; None outside of one.  ``timeout`` is that of
    `Asker`."""
    found = VARIABLE.get(None)
    if found is None:
        return None
    services = found if isinstance(found, Services) else found.services()
    made: Asker | None = services.__dict__.get(_PLACE)
    if made is None:
        made = services.__dict__[_PLACE] = Asker(services, timeout)
    elif made.own <= now:
        made.streams()
    return made
