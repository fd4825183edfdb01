"""Databases and clusters of them that a process asks: the part of its `Reach` that is made with the first
``was.db``.

Any thread.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from skitai._kernels import engine
from skitai.core.config import ClusterSettings
from skitai.core.resolver import Resolver
from skitai.limits import Limits
from skitai.was._clusters import Cluster
from skitai.was._postgres.client import PostgresClient
from skitai.was._postgres.libpq import PipeliningUnavailable
from skitai.was._postgres.naming import database_of_member
from skitai.was._postgres.sharing import Sharing
from skitai.was._postgres.statement import Database
from skitai.was._postgres.ways import POSTGRESQL
from skitai.was._status import STATUS

__all__ = ["Databases"]


class Databases:
    def __init__(
        self,
        loop: engine.EventLoop,
        limits: Limits,
        resolver: Resolver,
        warn: Callable[[str], None],
        clusters: Sequence[ClusterSettings],
    ) -> None:
        self.client = PostgresClient(loop, limits, resolver)
        try:
            self.client.sharing = Sharing()
        except PipeliningUnavailable as error:
            self.client.why_alone = str(error)
        begin: Any = self.client.begin  # a cluster carries statements as it does requests
        self.clusters = {
            settings.title: Cluster(settings.name, settings, begin, resolver, loop, warn, ways=POSTGRESQL)
            for settings in clusters
        }
        STATUS.replace("DB", self.client.snapshot)
        for name, cluster in self.clusters.items():
            STATUS.replace(f"CLUSTER:{name[1:]}", partial(_status_of, cluster))

    def close(self) -> None:
        """Statements end, those under way and those to come, as cancelled."""
        for cluster in self.clusters.values():
            cluster.close()
        self.client.close()

    def wait(self, seconds: float) -> None:
        """After `close`, and a turn of the loop: until servers have been told to end what runs there."""
        self.client.canceller.wait(seconds)

    def sole_member(self, name: str) -> Database:
        """Raises ValueError: the cluster ``name`` has several."""
        settings = self.clusters[name].settings
        if len(settings.members) != 1:
            raise ValueError(
                f"{name} has {len(settings.members)} members, and each tells only those who listen there: "
                "listen at one of them"
            )
        return database_of_member(settings, settings.members[0])


def _status_of(cluster: Cluster) -> dict[str, Any]:
    return {"members": cluster.status()}
