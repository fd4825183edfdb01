"""Whom `was` asks by: a client, clusters, and what stands around them, for one event loop.

Any thread.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from time import monotonic
from typing import TYPE_CHECKING, Any

from skitai._kernels import engine
from skitai._lazy import LazyModule
from skitai.core.config import ClusterSettings
from skitai.core.outbound.client import HttpClient
from skitai.core.outbound.connecting import Names
from skitai.core.outbound.request import Begin, Request
from skitai.core.resolver import Resolver, ResolverOptions
from skitai.limits import Limits
from skitai.was._calllog import CallLog
from skitai.was._clusters import Cluster
from skitai.was._followups import FollowUps
from skitai.was._plans import Plans
from skitai.was._resultcache import ResultCache
from skitai.was._status import STATUS
from skitai.was._ways import HTTP

if TYPE_CHECKING:
    from skitai.core.outbound import messages
    from skitai.was._postgres import reaching
    from skitai.was._postgres.statement import Database
else:
    messages = LazyModule("skitai.core.outbound.messages")
    reaching = LazyModule("skitai.was._postgres.reaching")

__all__ = ["Reach", "Surroundings"]

_DATABASES = "postgresql"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a server hands in.  ``report(what)`` is called inside an ``except`` block, for the error log;
    ``warn(text)`` writes a line for the operator; ``dns``: the key of this name."""

    loop: engine.EventLoop
    report: Callable[[str], None]
    warn: Callable[[str], None]
    limits: Limits = field(default_factory=Limits)
    dns: tuple[str, ...] = ()
    #: Results that are kept for equal calls (`num_result_cache_max`).
    results_max: int = 200
    clusters: Sequence[ClusterSettings] = ()
    #: Told of each request to another server how many seconds it took, in the loop thread.
    answered_after: Callable[[float], None] | None = None


class Reach:
    def __init__(self, around: Surroundings) -> None:
        """Raises ConfigError: name servers are given, and what asks them is not installed."""
        loop = around.loop
        resolver = Resolver(loop, ResolverOptions(around.limits, around.dns), around.warn)
        client = HttpClient(loop, around.limits, resolver, around.report, around.answered_after)
        self._resolver, self._client = resolver, client
        self.loop = loop
        self.limits = around.limits
        self.kept = ResultCache(around.results_max)
        self.plans = Plans(self)
        self._begin: Begin = CallLog(FollowUps(client.begin).begin).begin
        #: The same for requests that nothing follows.
        self._begin_only: Begin = CallLog(client.begin).begin
        self._around = around
        self._further_clients: list[HttpClient] = []
        self._lock = threading.Lock()
        #: What the others speak, by the name of the cluster.
        self._types = {settings.title: settings.type for settings in around.clusters}
        self._clusters = {
            settings.title: Cluster(settings.name, settings, self._begin, resolver, loop, around.warn)
            for settings in around.clusters
            if settings.type == HTTP.type
        }
        STATUS.replace("CALLS", client.snapshot)
        STATUS.replace("RCACHE", lambda: {"results": len(self.kept), "most": around.results_max})
        for name, cluster in self._clusters.items():
            STATUS.replace(f"CLUSTER:{name[1:]}", partial(_status_of, cluster))

    def close(self, patience: float) -> None:
        """Calls and statements end, those under way and those to come, as cancelled; this waits until they
        have, for at most ``patience`` seconds.  Not in the loop thread."""
        for cluster in self._clusters.values():
            cluster.close()
        for client in (self._client, *self._further_clients):
            client.close()
        with self._lock:
            databases: reaching.Databases | None = self.__dict__.get("databases")
        if databases is not None:
            databases.close()
        self.loop.call_soon(self._resolver.close)
        ended = threading.Event()
        # Behind what follows from all that: the requests of those who waited for names.
        self.loop.call_soon(self.loop.call_soon, ended.set)
        until = monotonic() + patience
        ended.wait(patience)
        if databases is not None:
            databases.wait(max(0.0, until - monotonic()))

    def way_to(self, request: Request) -> Begin:
        """Raises ValueError: there is no such cluster."""
        if request.origin.host[0] == "@":
            return self.cluster_of(request).begin
        return self._begin_only if request.after is None else self._begin

    def converse(self, request: Request, talker: messages.Talker) -> messages.Conversation:
        """A WebSocket of one server, which is ``talker``'s own."""
        return messages.converse(self._client, request, talker)

    @property
    def client(self) -> HttpClient:
        """By which requests are sent."""
        return self._client

    def another_client(self, guard: Callable[[Names], Names]) -> HttpClient:
        """One that looks names up through ``guard(names)``; it ends with this."""
        around = self._around
        names = guard(self._resolver)
        client = HttpClient(self.loop, self.limits, names, around.report, around.answered_after)
        self._further_clients.append(client)
        return client

    def cluster(self, title: str) -> Cluster:
        """The one of members that speak HTTP, which is known to be there."""
        return self._clusters[title]

    def cluster_of(self, request: Request) -> Cluster:
        """Raises ValueError: there is no such cluster."""
        name = request.origin.host
        self._expect(name, HTTP.type, "was.db")
        return self._clusters[name]

    @cached_property
    def databases(self) -> reaching.Databases:
        """Raises ImportError: psycopg2 is not installed."""
        with self._lock:
            if "databases" in self.__dict__:  # two threads have asked at once
                return self.databases
            clusters = [settings for settings in self._around.clusters if settings.type == _DATABASES]
            made = reaching.Databases(self.loop, self.limits, self._resolver, self._around.warn, clusters)
            self.__dict__["databases"] = made
            return made

    def databases_of(self, name: str) -> reaching.Databases:
        """Those that have the cluster ``name``.  Raises ValueError: there is no such cluster."""
        self._expect(name, _DATABASES, "was.get and the like")
        return self.databases

    def way_to_database(self, database: Database) -> Any:
        """As `way_to`, for statements."""
        name = database.host
        return self.databases.clusters[name].begin if name[0] == "@" else self.databases.client.begin

    def _expect(self, name: str, kind: str, others: str) -> None:
        """Raises ValueError: there is no such cluster, or ``others`` ask it."""
        found = self._types.get(name)
        if found is None:
            known = ", ".join(self._types)
            raise ValueError(
                f"there is no cluster {name}; those there are: {known} (sections [@name])"
                if known
                else f"there is no cluster {name}: clusters are sections [@name] of a server's "
                f"configuration, and here are none (a script can have them by was.configure)"
            )
        if found != kind:
            raise ValueError(f"{name} is a cluster of type {found}, which is asked by {others}")


def _status_of(cluster: Cluster) -> dict[str, Any]:
    return {"members": cluster.status()}
