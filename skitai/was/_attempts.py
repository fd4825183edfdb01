"""What the outcome of one request to one member says: about the member, and whether another one may be
asked.

Whether a request may be sent again is RFC 9110 section 9.2.2: if it is idempotent (``repeatable``), or if
it has certainly not left.  Functions without state; any thread.
"""

from __future__ import annotations

from skitai._kernels import engine
from skitai.core.outbound.request import Outcome, Request
from skitai.errors import (
    CallCancelled,
    CallsQueueFull,
    ConnectError,
    LocalProtocolError,
    NetworkTimeout,
    ResolveError,
    ResponseTooLarge,
    TLSError,
)

__all__ = ["ending_of", "failure_of", "latency_of", "may_be_hedged", "may_be_repeated"]

#: Whoever stands behind a gateway could not be asked; another member may have another one behind it.
GATEWAY_CODES = frozenset({502, 503, 504})

#: What is our own doing, and says nothing about the member.
_OURS = (CallCancelled, CallsQueueFull, LocalProtocolError)


def ending_of(outcome: Outcome) -> engine.Ending:
    if outcome.response is not None:
        is_gateway = outcome.response.head.status in GATEWAY_CODES
        return engine.Ending.GATEWAY if is_gateway else engine.Ending.OK
    error = outcome.error
    if isinstance(error, ResponseTooLarge):
        return engine.Ending.OK
    if isinstance(error, _OURS):
        return engine.Ending.CANCELLED
    return engine.Ending.TIMEOUT if isinstance(error, NetworkTimeout) else engine.Ending.FAILED


def latency_of(outcome: Outcome) -> float:
    """What the answer says about the member's speed, in seconds; 0: the time until the outcome does.  Of one
    that was passed on as it came, the end says how slow its reader is."""
    return outcome.request.answered_after if outcome.response is not None else 0.0


def failure_of(outcome: Outcome) -> str:
    """What was wrong, in words."""
    return str(outcome.error) if outcome.response is None else f"it answered {outcome.response.head.status}"


def may_be_repeated(request: Request, outcome: Outcome) -> bool:
    """Whether another member may be asked after an outcome that is no answer."""
    if not (request.repeatable or _has_not_left(outcome)):
        return False
    if request.sink is not None and not request.sink.may_begin:
        return False
    return isinstance(request.body, bytes) or request.body.rewind()


def _has_not_left(outcome: Outcome) -> bool:
    error = outcome.error
    if isinstance(error, NetworkTimeout):
        return error.limit == "connect_timeout"
    return isinstance(error, (ConnectError, ResolveError, TLSError))  # TLS: no hands were shaken


def may_be_hedged(request: Request) -> bool:
    """Whether two members may be asked at the same time: both need the body, and both give one."""
    return request.repeatable and isinstance(request.body, bytes) and request.sink is None
