"""Requests to others in the log of whoever wants to see them: the logger ``skitai.was`` of `logging`.

At INFO it has a line for each request that has failed, at DEBUG for all of them; at its usual level, WARNING,
nothing of this is run but one question.  A call to a cluster has a line for each member that was asked.  The
query is left out: keys stand there.

`CallLog.begin` is run by any thread.  The line is made in the loop thread, whose handlers must not wait: the
server's own (app.log) never does.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from skitai.core.outbound.request import Begin, Cancelable, Outcome, Request
from skitai.core.tracecontext import words_for
from skitai.errors import CallCancelled

__all__ = ["CallLog"]

_LOGGER = logging.getLogger("skitai.was")


class CallLog:
    """Around a `Begin`."""

    def __init__(self, begin: Begin) -> None:
        self._begin = begin

    def begin(self, request: Request, on_done: Callable[[Outcome], None]) -> Cancelable:
        if not _LOGGER.isEnabledFor(logging.INFO):
            return self._begin(request, on_done)
        # The answer's own request may be that of a redirect, by now.
        line = f"{request.method} {request.origin.scheme}://{request.origin.authority}"
        line += request.target.partition("?")[0]
        trace = words_for(next((value for name, value in request.headers if name == "traceparent"), ""))

        def done(outcome: Outcome) -> None:
            _tell(line, trace, outcome)
            on_done(outcome)

        return self._begin(request, done)


def _tell(line: str, trace: str, outcome: Outcome) -> None:
    error = outcome.error
    is_failure = error is not None and not isinstance(error, CallCancelled)
    what: object = error
    if outcome.response is not None:
        what = outcome.response.head.status
    _LOGGER.log(
        logging.INFO if is_failure else logging.DEBUG,
        "%s %.0fms%s: %s",
        *(line, outcome.elapsed * 1000, trace, what),
    )
