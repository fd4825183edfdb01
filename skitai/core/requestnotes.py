"""What is noted about each request where the settings ask for it: its id, its trace, for what it waited.

An *id* (``request_id``) finds one request again in the logs of all servers that it went through.  A trusted
proxy says it by ``X-Request-ID``; for all others one is made, whatever they have sent: a client that chose
it could pass for somebody else's request.  The application has it as
``environ["skitai.request_id"]`` and in the place of the field; so has a member of a cluster that answers.

Loop thread, but for `called`: the thread that calls the application.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from time import monotonic

from skitai._kernels import AccessNotes, engine
from skitai.core.forwarded import TrustedProxies
from skitai.core.plans import Plan
from skitai.core.tracecontext import ids_of

__all__ = ["ID_FIELD", "RequestNotes"]

_FIELD = "X-Request-ID"
#: Withheld from applications that get an id: theirs stands in its place.
ID_FIELD = frozenset({_FIELD.lower()})
#: Of a proxy's ids: what nginx, Envoy, HAProxy and the clouds make.  Nothing that ends a word of a line.
_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z._:;+/=@~-]{0,127}")
_ID_BYTES = 16


class RequestNotes:
    def __init__(self, request_id: str, fields: Collection[str], proxies: TrustedProxies) -> None:
        """``request_id``, ``fields`` (of ``log_fields``) and ``proxies`` as in the settings."""
        self._proxies = proxies
        self._answers = request_id == "answer"
        self._has_ids = request_id != "no" or "request_id" in fields
        self._fields = frozenset(fields)
        self._shows_id = "request_id" in fields
        #: Each answer, or its line, says something of its request, so that none can be given again as it is.
        self.are_of_each = self._answers or not self._fields.isdisjoint(("request_id", "trace"))
        #: Requests say something that belongs into their lines.
        self.are_brought = "trace" in fields
        #: What the engine does about ids where it calls applications itself; None: requests have none.
        self.ids = engine.Ids(self._answers, self._shows_id) if self._has_ids else None
        #: Whoever waits for a thread, or for another server, is timed.
        self.are_timed = not self._fields.isdisjoint(("queue", "upstream"))

    def begin(self, exchange: engine.Exchange, plan: Plan) -> None:
        """Give the request its id."""
        if not self._has_ids:
            return
        said = exchange.head.get("x-request-id")
        if said is None or not self._proxies.trusts(exchange.peer[0]) or _ID.fullmatch(said) is None:
            said = os.urandom(_ID_BYTES).hex()
        plan.request_id = said

    def tell(self, exchange: engine.Exchange, plan: Plan) -> None:
        """Have the answer say it, if it is wanted to."""
        if self._answers:
            exchange.further_fields = [*exchange.further_fields, (_FIELD, plan.request_id)]

    def waits(self, plan: Plan) -> None:
        """From now on, for a thread or for another server."""
        if self.are_timed:
            plan.waits_since = monotonic()

    def called(self, plan: Plan) -> None:
        """A thread has come."""
        if plan.waits_since:
            plan.queue = monotonic() - plan.waits_since

    def answered(self, plan: Plan) -> None:
        """The other server has given the last of its answer."""
        if plan.waits_since:
            plan.upstream = monotonic() - plan.waits_since

    def of(self, exchange: engine.Exchange, plan: Plan) -> AccessNotes | None:
        """For the line of a request that is over; None where nothing is asked for."""
        fields = self._fields
        if not fields:
            return None
        trace, span = ids_of(exchange.head.get("traceparent")) if "trace" in fields else ("", "")
        queue, upstream = plan.queue, plan.upstream
        if plan.waits_since and plan.chain.relay is not None and upstream is None:  # the client has gone
            upstream = exchange.delivered_at - plan.waits_since
        elif plan.waits_since and plan.chain.app is not None and queue is None:  # no thread has come
            queue = (exchange.started_at or exchange.delivered_at) - plan.waits_since
        return AccessNotes(
            plan.request_id if self._shows_id else "",
            trace,
            span,
            queue if "queue" in fields else None,
            upstream if "upstream" in fields else None,
        )
