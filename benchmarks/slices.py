"""Rounds of slices: each round gives each server a second, in an order drawn anew.

A server that does not start, or whose answers go wrong at any time, is left out from then
on with the reason, and what it had does not count: a row has all rounds or is no row.  If
it is the one of ours that the others are compared with, nothing is left to measure and
`ServerFailed` goes up.
"""

from __future__ import annotations

import contextlib
import random
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks import procfs
from benchmarks.databases import DATABASES, Database
from benchmarks.process import Request, Server, ServerFailed
from benchmarks.results import Outcome, Row, Slice
from benchmarks.scenarios import FILE_SIZES, FILES, MEMBERS, Scenario, lay_out
from benchmarks.wrk import drive

__all__ = ["measure"]

# After a slice, so that the closing of its connections falls into no other.
SETTLE = 0.05


def measure(outcome: Outcome, scenario: Scenario, names: list[str], cores: tuple[int, int]) -> None:
    """Fill ``outcome`` with rows of the servers ``names``; ``cores`` are theirs and that of wrk, or of the
    server which they ask."""
    with tempfile.TemporaryDirectory(prefix="skitai-bench-") as place, contextlib.ExitStack() as stack:
        folder = Path(place)
        app = "" if scenario.app == MEMBERS else lay_out(scenario.app, folder)
        around: list[Server | Database] = []
        if scenario.upstream in DATABASES:
            database = Database(scenario.upstream, cores[1])
            stack.callback(database.stop)
            around.append(database)
            scenario = scenario.beside(database.url)
        elif scenario.upstream:
            files = Server(scenario.upstream, lay_out(FILES, folder), cores[1], folder)
            stack.callback(files.stop)
            files.wait_ready(Request("/1k.bin", FILE_SIZES["1k.bin"]))
            around.append(files)
            app = app or files.url.rpartition(":")[2]
            scenario = scenario.beside(files.url)
        servers = []
        for name in names:
            servers.append(Server(name, app, cores[0], folder))
            stack.callback(servers[-1].stop)
        _Race(outcome, scenario, servers, around, cores[1]).run()


class _Race:
    """The servers that are still in it, and what is done with each of them in turn; those ``around`` are
    not measured."""

    def __init__(
        self,
        outcome: Outcome,
        scenario: Scenario,
        servers: list[Server],
        around: Sequence[Server | Database],
        core: int,
    ) -> None:
        self._outcome = outcome
        self._scenario = scenario
        self._servers = servers
        self._sessions = [server.session for server in (*servers, *around)]
        self._core = core

    def run(self) -> None:
        self._each(lambda server: server.wait_ready(self._scenario.request()))
        self._each(self._enter)
        self._each(self._slice)  # warm: caches, threads, lazy imports
        for _ in range(self._outcome.rounds):
            random.shuffle(self._servers)
            self._each(self._count_slice)
        self._each(self._finish)

    def _each(self, act: Callable[[Server], object]) -> None:
        for server in list(self._servers):
            try:
                act(server)
            except ServerFailed as error:
                if server.name == self._outcome.ours:
                    raise ServerFailed(f"{server.name}: {error}") from error
                self._servers.remove(server)
                self._outcome.rows.pop(server.name, None)
                self._outcome.left_out[server.name] = str(error)

    def _enter(self, server: Server) -> None:
        self._outcome.rows[server.name] = Row(procfs.memory(server.session))

    def _count_slice(self, server: Server) -> None:
        self._outcome.rows[server.name].slices.append(self._slice(server))

    def _finish(self, server: Server) -> None:
        self._outcome.rows[server.name].memory_after = procfs.memory(server.session)

    def _slice(self, server: Server) -> Slice:
        before = procfs.snapshot()
        try:
            report = drive(self._scenario.load_of(server.name), server.url, self._outcome.seconds, self._core)
        except ValueError as error:
            raise ServerFailed(str(error)) from error
        after = procfs.snapshot()
        server.drop_output()
        time.sleep(SETTLE)
        spent = after.sessions.get(server.session, procfs.Cpu()) - before.sessions[server.session]
        return Slice(
            rate=report.rate,
            user=spent.user * 1e6 / report.requests,
            system=spent.system * 1e6 / report.requests,
            latency=report.latency,
            foreign=procfs.foreign(before, after, self._sessions),
        )
