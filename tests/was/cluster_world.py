"""A cluster without a network: servers that answer as they are told, on a loop whose clock stands still.

world = World("members = a, b")
call = world.get()
world.run(0.5)             # what is due within half a second has happened
"""

from __future__ import annotations

import heapq
import socket
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from skitai._kernels import http1
from skitai.core.config import load
from skitai.core.outbound.request import Origin, Outcome, Request, Response
from skitai.core.resolver import Address, Service
from skitai.errors import CallCancelled, NetworkTimeout, SkitaiError
from skitai.was._clusters import Cluster

#: What a request names until a member is chosen.
PLACEHOLDER = Origin("http", "@search", 80)


class Timer:
    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        self.callback = None


class Loop:
    """The methods of an `EventLoop` that a cluster uses."""

    def __init__(self) -> None:
        self.now = 1000.0
        self._soon: deque[tuple[Callable[..., None], tuple[Any, ...]]] = deque()
        self._later: list[tuple[float, int, Timer]] = []
        self._order = count()

    def clock(self) -> float:
        return self.now

    def call_soon(self, callback: Callable[..., None], *args: Any) -> None:
        self._soon.append((callback, args))

    def call_later(self, delay: float, callback: Callable[[], None]) -> Timer:
        timer = Timer(callback)
        heapq.heappush(self._later, (self.now + delay, next(self._order), timer))
        return timer

    def run(self, seconds: float = 0.0) -> None:
        end = self.now + seconds
        while True:
            while self._soon:
                callback, args = self._soon.popleft()
                callback(*args)
            if not self._later or self._later[0][0] > end:
                break
            self.now, _, timer = heapq.heappop(self._later)
            if timer.callback is not None:
                timer.callback()
        self.now = end

    @property
    def timers(self) -> int:
        return sum(timer.callback is not None for _, _, timer in self._later)


@dataclass
class Server:
    """``answers``: what the next requests get, a status or an error; then always ``answer``."""

    delay: float = 0.01
    answer: int | SkitaiError = 200
    answers: list[int | SkitaiError] = field(default_factory=list)
    #: Takes requests and never says anything.
    is_frozen: bool = False


class Sent:
    """A request to a server: an `Outcome`, and who can cancel it."""

    def __init__(self, world: World, request: Request, on_done: Callable[[Outcome], None]) -> None:
        self._world = world
        self._on_done = on_done
        self.began = world.loop.now
        self.request = request
        self.response: Response | None = None
        self.error: SkitaiError | None = None
        self.elapsed = 0.0
        self.is_over = False
        server = world.at(request.origin.host)
        answer = server.answers.pop(0) if server.answers else server.answer
        deadline = request.deadline - world.loop.now
        if not server.is_frozen and server.delay < deadline:
            world.loop.call_later(server.delay, lambda: self.end(answer))
        elif deadline < float("inf"):
            late = NetworkTimeout("no complete answer", limit="timeout")
            world.loop.call_later(max(0.0, deadline), lambda: self.end(late))

    @property
    def host(self) -> str:
        return self.request.origin.host

    def cancel(self, error: SkitaiError | None = None) -> None:
        self._world.loop.call_soon(self.end, error or CallCancelled("cancelled"))

    def end(self, answer: int | SkitaiError) -> None:
        if self.is_over:
            return
        self.is_over = True
        self.elapsed = self._world.loop.now - self.began
        if isinstance(answer, int):
            head = http1.ResponseHead(answer, "", "1.1", [], 0, False, True)
            self.response = Response(head, b"", [])
        else:
            self.error = answer
        if not isinstance(self.request.body, bytes):
            self.request.body.close()
        self._on_done(self)


class Lookup:
    def __init__(self) -> None:
        self.is_cancelled = False

    def cancel(self) -> None:
        self.is_cancelled = True


class Names:
    """A resolver: ``records`` by name; an error, or None for no answer at all."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self.records: dict[str, Any] = {}
        self.asked: list[tuple[float, str]] = []

    def _look(self, name: str, on_done: Callable[[Any], None]) -> Lookup:
        lookup = Lookup()
        self.asked.append((self._loop.now, name))

        def answer() -> None:
            if not lookup.is_cancelled and self.records[name] is not None:
                on_done(self.records[name])

        self._loop.call_later(0.001, answer)
        return lookup

    addresses = services = _look

    def has(self, name: str, *hosts: str, ttl: float = 30.0) -> None:
        self.records[name] = [
            Address(socket.AF_INET6 if ":" in host else socket.AF_INET, host, self._loop.now + ttl)
            for host in hosts
        ]

    def has_services(self, name: str, *services: tuple[str, int, int, int], ttl: float = 30.0) -> None:
        self.records[name] = [Service(*service, self._loop.now + ttl) for service in services]


class World:
    def __init__(self, keys: str = "members = a, b, c", name: str = "search", seed: int = 1) -> None:
        settings = load(None, text=f"[@{name}]\n" + keys).clusters[0]
        self.loop = Loop()
        self.names = Names(self.loop)
        self._servers: dict[str, Server] = {}
        self.sent: list[Sent] = []
        #: What the operator is told.
        self.told: list[str] = []
        tell, clock = self.told.append, self.loop.clock
        self.cluster = Cluster(name, settings, self.begin, self.names, self.loop, tell, clock, seed)  # type: ignore[arg-type]

    def at(self, host: str) -> Server:
        return self._servers.setdefault(host, Server())

    def begin(self, request: Request, on_done: Callable[[Outcome], None]) -> Sent:
        sent = Sent(self, request, on_done)
        self.sent.append(sent)
        return sent

    def run(self, seconds: float = 0.0) -> None:
        self.loop.run(seconds)

    @property
    def hosts(self) -> list[str]:
        """Who was asked, in that order."""
        return [sent.host for sent in self.sent]

    def get(self, method: str = "GET", timeout: float = 10.0, **fields: Any) -> Asked:
        """As a verb would: what is idempotent may be repeated."""
        fields.setdefault("repeatable", method in ("GET", "PUT", "DELETE"))
        request = Request(method, PLACEHOLDER, deadline=self.loop.now + timeout, **fields)
        asked = Asked()
        asked.handle = self.cluster.begin(request, asked.outcomes.append)
        return asked

    def get_all(self, timeout: float = 10.0, **fields: Any) -> tuple[Any, dict[int, Outcome]]:
        request = Request("GET", PLACEHOLDER, deadline=self.loop.now + timeout, **fields)
        outcomes: dict[int, Outcome] = {}
        return self.cluster.begin_all(request, outcomes.__setitem__), outcomes

    def gets(self, times: int, every: float = 0.01) -> list[Asked]:
        asked = []
        for _ in range(times):
            asked.append(self.get())
            self.run(every)
        return asked

    def state(self, host: str) -> dict[str, Any]:
        return next(state for state in self.cluster.status() if state["member"] == host)

    def fail(self, *hosts: str, answer: int | SkitaiError = 503) -> None:
        for host in hosts:
            self.at(host).answer = answer

    def mend(self, *hosts: str) -> None:
        self.fail(*hosts, answer=200)


class Asked:
    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []
        self.handle: Any = None

    @property
    def outcome(self) -> Outcome:
        assert len(self.outcomes) == 1
        return self.outcomes[0]

    @property
    def status(self) -> int:
        assert self.outcome.response is not None, self.outcome.error
        return self.outcome.response.head.status

    @property
    def error(self) -> SkitaiError | None:
        return self.outcome.error
