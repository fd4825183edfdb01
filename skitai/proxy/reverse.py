"""What is mounted at a path by ``/path = @cluster``: requests are passed on to a member.

Made before the loop runs; the cluster is that of `was`, so handlers and clients learn of its members
together.  The loop thread.
"""

from __future__ import annotations

from collections.abc import Callable

from skitai.core.redirects import quote_path
from skitai.core.relays import Asked
from skitai.core.routes import Mount
from skitai.errors import HTTPError
from skitai.limits import Limits
from skitai.proxy.headfields import identified, named_protocols, request_fields
from skitai.proxy.passage import Passage, Terms
from skitai.proxy.targets import target_of
from skitai.was._reach import Reach

__all__ = ["ClusterRelay"]


class ClusterRelay:
    """A `skitai.core.relays.Relay`."""

    def __init__(self, mount: Mount, title: str, limits: Limits, reach: Callable[[], Reach]) -> None:
        """``title``: the cluster's name with its @; ``reach()`` has the cluster and the client."""
        self._mount = mount
        self._title = title
        self._limits = limits
        self._reach = reach
        is_stripped = mount.path != "" and not mount.options.preserve_path
        self._prefix = quote_path(mount.path.encode("utf-8", "surrogateescape")) if is_stripped else ""
        self._terms: Terms | None = None

    def begin(self, asked: Asked) -> Passage:
        head, options = asked.exchange.head, self._mount.options
        if head.method == "TRACE":
            # Its answer is what members are told, addresses among it (RFC 9110 section 9.3.8).
            raise HTTPError(405, "TRACE is not passed on.")
        target = target_of(head, asked.path, self._mount.path, preserve=options.preserve_path)
        protocols = named_protocols(head)
        host = head.host if options.preserve_host else ""
        fields = request_fields(head, asked.client, asked.exchange.peer[0], self._prefix, host)
        if asked.request_id:
            fields = identified(fields, asked.request_id)
        if protocols:
            fields += [("Connection", "Upgrade"), ("Upgrade", protocols)]
        passage = Passage(self._terms or self._settle(), asked, protocols)
        passage.start(target, fields)
        return passage

    def _settle(self) -> Terms:
        """With the first request: at the end of a process nobody makes a client for it any more."""
        by = self._reach()
        options = self._mount.options
        self._terms = Terms(
            by.cluster(self._title), by.client, self._limits, options.response_timeout, options.body_max
        )
        return self._terms
