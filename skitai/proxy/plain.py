"""What the compiled engine has to know to pass plain requests on by itself (`engine.RelayWay`).

Who is asked, over which connections, and what is said of the client are decided by the same code as for any
other request; the engine asks for it once for each client, member or connection, not for each field.

The loop thread.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from skitai._kernels import engine, http1
from skitai.core.forwarded import UNTRUSTED_FIELDS, ClientView
from skitai.core.outbound.fetch import kept_for
from skitai.core.outbound.pool import Pool
from skitai.core.relays import Asked, Begun, Cut
from skitai.limits import Limits
from skitai.proxy.headfields import DROPPED, DROPPED_OF_ANSWERS, request_fields
from skitai.proxy.passage import Passage, Terms
from skitai.was._clusters import Cluster
from skitai.was._membership import Peer

__all__ = ["PlainWay"]

#: Seconds.  The engine looks at its clocks four times a second: what has to be sooner is not plain.
_LEAST_PATIENCE = 1.0


class PlainWay:
    """An `engine.RelayWay` to the members of a cluster."""

    dropped = DROPPED
    dropped_of_answers = DROPPED_OF_ANSWERS

    def __init__(
        self,
        terms: Terms,
        cluster: Cluster,
        scheme: str,
        prefix: str,
        left_out: int,
        go_on: Callable[[Asked, Begun], Passage],
        cut: Cut,
        *,
        keeps_host: bool,
    ) -> None:
        """``scheme``: that clients speak; ``prefix``: the part of the path that is left out, as it is
        told, and ``left_out`` its bytes as they come; ``go_on`` makes the passage of what was begun."""
        self._client = terms.client
        self._cluster = cluster
        self._scheme = scheme
        self._prefix = prefix
        self._cut = cut
        self.go_on = go_on
        self.limits: Limits = terms.limits
        self.keeps_host = keeps_host
        self.left_out = left_out
        self.patience = _patience(terms, cluster)

    @property
    def is_open(self) -> bool:
        """Members are asked in the clear, and their clocks are not for fractions of a second."""
        return not self._cluster.settings.ssl and min(self.patience) >= _LEAST_PATIENCE

    def members(self) -> engine.Members | None:
        return self._cluster.members if self._cluster.is_settled else None

    def peer(self, id: int) -> Peer | None:
        return self._cluster.peer(id)

    def pool(self, peer: Peer) -> Pool | None:
        return self._client.pool(peer.origin)

    def host_line(self, peer: Peer) -> bytes:
        return f"Host: {peer.authority or peer.origin.authority}\r\n".encode("latin-1")

    def lines(self, address: str, host: str) -> bytes:
        head = http1.RequestHead("", "", "1.1", [], "origin", "", host, "", "", None, False, True, False)
        client = ClientView(address, 0, self._scheme, host, UNTRUSTED_FIELDS)
        fields = request_fields(head, client, address, self._prefix, "")
        return "".join(f"{name}: {value}\r\n" for name, value in fields).encode("latin-1")

    def kept_for(self, value: str) -> float:
        return kept_for(value)

    def cut(self, peer: Any, ejected: float, status: int, method: str, path: str, error: Exception) -> None:
        if ejected:
            self._cluster.tell(peer, f"is not asked for {ejected:g} s: {error}")
        member = f"{self._cluster.title} at {peer.origin.title}"
        self._cut(status, f"{method} {path}: cut in the middle: {member}: {error}")


def _patience(terms: Terms, cluster: Cluster) -> tuple[float, float]:
    """As `Balanced` has it for a sink: the second where the request may be repeated."""
    settings = cluster.settings
    whole = terms.response_timeout
    each = settings.per_try_timeout if settings.num_retries else 0
    return whole, min(whole, each or whole)
