"""Members that are processes of their own, a client with a loop of its own, and a load of calls to them."""

from __future__ import annotations

import threading
import traceback
from dataclasses import dataclass
from time import monotonic

from skitai._kernels import engine
from skitai.core.config import load
from skitai.core.outbound.client import HttpClient
from skitai.core.outbound.request import Begin, Origin, Outcome, Request
from skitai.core.resolver import Resolver, ResolverOptions
from skitai.limits import Limits
from skitai.was._clusters import Cluster
from tests.certificates import Files
from tests.live.upstreams import ManyServers
from tests.waiting import wait_until

__all__ = ["DELAY", "RATE", "Asked", "Caller", "Load", "Member", "request"]

#: Of a member that is well; well above what a busy machine adds.
DELAY = 0.02
#: Calls a second.
RATE = 200


def request(timeout: float = 10.0) -> Request:
    """To a cluster, as ``was.get`` makes it."""
    return Request("GET", Origin("http", "@search", 80), deadline=monotonic() + timeout, repeatable=True)


class Member(ManyServers):
    """A process, and the port of its one member, or of the first of ``count``."""

    def __init__(
        self,
        delay: float = DELAY,
        count: int = 1,
        host: str = "127.0.0.1",
        port: int = 0,
        files: Files | None = None,
    ) -> None:
        """``files``: it speaks TLS."""
        names = [] if files is None else [str(files.certfile), str(files.keyfile)]
        super().__init__(count, host, str(port), *names)
        self.port = self.ports[0]
        self.delay_all(delay)


class Caller:
    def __init__(self, options: ResolverOptions | None = None) -> None:
        #: Nothing is to be written here.
        self.reports: list[str] = []
        self.loop = engine.EventLoop(lambda what: self.reports.append(f"{what}: {traceback.format_exc()}"))
        self.resolver = Resolver(self.loop, options or ResolverOptions(), self.reports.append)
        self.client = HttpClient(self.loop, Limits(), self.resolver, self.reports.append)
        self._thread = threading.Thread(target=self.loop.run, daemon=True)
        self._thread.start()

    def cluster(self, members: str, *keys: str) -> Cluster:
        text = "\n".join(["[@search]", f"members = {members}", *keys])
        (settings,) = load(None, text=text).clusters
        return Cluster("search", settings, self.client.begin, self.resolver, self.loop)

    def ask(self, cluster: Cluster, timeout: float = 10.0) -> Outcome:
        outcomes: list[Outcome] = []
        cluster.begin(request(timeout), outcomes.append)
        wait_until(lambda: outcomes, timeout + 5)
        return outcomes[0]

    def close(self) -> None:
        self.client.close()
        self.loop.call_soon(self.resolver.close)
        self.loop.call_soon(self.loop.stop)
        self._thread.join(10)


@dataclass
class Asked:
    at: float
    elapsed: float
    port: int
    is_good: bool


class Load:
    """So many calls a second by ``begin``, until `stop`."""

    def __init__(self, begin: Begin, timeout: float = 10.0) -> None:
        self._begin = begin
        self._timeout = timeout
        self._stopping = threading.Event()
        self.begun = 0
        self.asked: list[Asked] = []
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        due = monotonic()
        while not self._stopping.is_set():
            self._ask()
            due += 1 / RATE
            self._stopping.wait(max(0.0, due - monotonic()))

    def _ask(self) -> None:
        began = monotonic()

        def done(outcome: Outcome) -> None:
            is_good = outcome.response is not None and outcome.response.head.status == 200
            port = outcome.request.origin.port
            self.asked.append(Asked(began, monotonic() - began, port, is_good))

        self.begun += 1
        self._begin(request(self._timeout), done)

    def go_on(self, seconds: float) -> float:
        """The time before."""
        before = monotonic()
        self._stopping.wait(seconds)
        return before

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join(10)
        wait_until(lambda: len(self.asked) == self.begun, timeout=15)

    def between(self, start: float, end: float) -> list[Asked]:
        return [one for one in self.asked if start <= one.at < end]
