"""What a client is told of a request that could not be passed on: a status, and a sentence that names nobody
behind the proxy.  The operator is told the cause.
"""

from __future__ import annotations

from skitai.errors import (
    CallCancelled,
    CallsQueueFull,
    ClusterUnavailable,
    LocalProtocolError,
    NetworkTimeout,
    SkitaiError,
)
from skitai.proxy.guarded import TargetRefused

__all__ = ["BAD", "verdict"]

BAD = "The server behind this one could not be asked, or did not answer as it should."


def verdict(error: SkitaiError) -> tuple[int, str]:
    if isinstance(error, TargetRefused):
        return 403, "This proxy does not go there (proxy_allow)."
    if isinstance(error, NetworkTimeout):
        return 504, "The server behind this one did not answer in time."
    if isinstance(error, (CallCancelled, CallsQueueFull, ClusterUnavailable)):
        return 503, "No server behind this one can be asked at the moment."
    if isinstance(error, LocalProtocolError):
        return 400, "The request cannot be passed on as it is."
    return 502, BAD
