"""What is mounted at a path by ``/path = @cluster``: requests are passed on to a member.

Made before the loop runs; the cluster is that of `was`, so handlers and clients learn of its members
together.  The loop thread.
"""

from __future__ import annotations

from collections.abc import Callable

from skitai._kernels import http1
from skitai.core.redirects import quote_path
from skitai.core.relays import Asked, Begun, Cut
from skitai.core.routes import Mount
from skitai.errors import HTTPError
from skitai.limits import Limits
from skitai.proxy.headfields import goes_no_further, identified, is_looped, named_protocols, request_fields
from skitai.proxy.passage import Passage, Terms
from skitai.proxy.plain import PlainWay
from skitai.proxy.targets import target_of
from skitai.was._reach import Reach

__all__ = ["ClusterRelay"]


class _Arrived:
    """A passage that ends here."""

    def over(self) -> None:
        """It was over before."""


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
        self._ways: dict[str, PlainWay] = {}

    def begin(self, asked: Asked) -> Passage | _Arrived:
        head = asked.exchange.head
        if head.method == "TRACE":
            # Its answer is what members are told, addresses among it (RFC 9110 section 9.3.8).
            raise HTTPError(405, "TRACE is not passed on.")
        if is_looped(head):
            raise HTTPError(508, "The servers behind this one lead back to it.")
        if goes_no_further(head):
            asked.exchange.respond(204, [("Allow", "GET, HEAD, POST, PUT, DELETE, OPTIONS")])
            return _Arrived()
        target, fields, protocols = self._asked_for(asked)
        passage = Passage(self._terms or self._settle(), asked, protocols)
        passage.start(target, fields)
        return passage

    def _asked_for(self, asked: Asked) -> tuple[str, http1.Headers, str]:
        """What a member is asked for, the fields, and the protocols that it may be upgraded to."""
        head, options = asked.exchange.head, self._mount.options
        target = target_of(head, asked.path, self._mount.path, preserve=options.preserve_path)
        protocols = named_protocols(head)
        host = head.host if options.preserve_host else ""
        fields = request_fields(head, asked.client, asked.exchange.peer[0], self._prefix, host)
        if asked.request_id:
            fields = identified(fields, asked.request_id)
        if protocols:
            fields += [("Connection", "Upgrade"), ("Upgrade", protocols)]
        return target, fields, protocols

    def way(self, scheme: str, cut: Cut) -> PlainWay | None:
        way = self._ways.get(scheme)
        if way is None:
            terms = self._terms or self._settle()
            way = self._ways[scheme] = PlainWay(
                terms,
                self._cluster,
                scheme,
                self._prefix,
                len(self._mount.path.encode("utf-8", "surrogateescape")) if self._prefix else 0,
                self._go_on,
                cut,
                keeps_host=self._mount.options.preserve_host,
            )
        return way if way.is_open else None

    def _go_on(self, asked: Asked, begun: Begun) -> Passage:
        target, fields, protocols = self._asked_for(asked)
        passage = Passage(self._terms or self._settle(), asked, protocols)
        passage.go_on(target, fields, begun, self._cluster)
        return passage

    def _settle(self) -> Terms:
        """With the first request: at the end of a process nobody makes a client for it any more."""
        by = self._reach()
        options = self._mount.options
        self._cluster = by.cluster(self._title)
        self._terms = Terms(
            self._cluster, by.client, self._limits, options.response_timeout, options.body_max
        )
        return self._terms
