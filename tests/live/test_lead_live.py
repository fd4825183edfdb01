"""The lead under attack: whatever handlers and clients do, each gets its own answer, whole, in order.

Clients of every rude kind ask an application that lasts, at random, around the tick of the
monitor, anywhere (``tests/live/apps/lasting.py``).  Each request has a token of its own, and so has each
answer, all through its body: one that is lost, doubled, cut or somebody else's is found out.
Afterwards no thread, descriptor or memory may be missing; and a SIGTERM in the midst of it cuts no
answer that has begun.

By hand: ``python -m tests.live.test_lead_live THREADS SECONDS [SEED]``.
"""

from __future__ import annotations

import os
import random
import signal
import socket
import string
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

import pytest

from skitai._kernels import implementation
from tests.live.program import LiveServer, Serve, skitai_run
from tests.live.wire import Reply, Truncated, Wire
from tests.waiting import wait_until

APP = "tests.live.apps.lasting:app"
PATIENT = ["--response-timeout=60", "--queue-timeout=60", "--keep-alive=60", "--connections-max=400"]
CLIENTS = 16
PIPELINED_MAX = 50
CROWD = 800
#: What a server may have grown by between the first storm and the last, in bytes.
GROWTH_MAX = 24 << 20

#: How often in a hundred requests.
KINDS = {
    "plain": 40, "unsized": 8, "one": 12, "stream": 8, "sized": 6, "writes": 6, "elsewhere": 4,
    "writes_elsewhere": 3, "fails": 3, "fails_begun": 3, "bad_field": 2, "burns": 5,
}  # fmt: skip
FAILING = frozenset({"fails", "fails_begun", "bad_field"})
PLACES = ("before", "after", "piece", "close")
#: A body that would be a request, were it taken for one.
SMUGGLED = b"GET /plain?token=smuggled HTTP/1.1\r\nHost: h\r\n\r\n"


class Request:
    """One request at random, and what its answer must be."""

    def __init__(self, dice: random.Random, token: str, *, size_max: int) -> None:
        [self.kind] = dice.choices(list(KINDS), KINDS.values())
        self.token = token
        self.size = int(size_max ** dice.random())
        self.method = dice.choices(("GET", "HEAD", "POST", "PUT"), (80, 3, 12, 5))[0]
        # One route of each kind is learnt to last, the other does so too rarely: a surprise each time.
        sleeps = {place: f"{dice.uniform(0, 5):.3f}" for place in PLACES if dice.random() < 0.15}
        route = "slow" if sleeps and dice.random() < 0.7 else "quick"
        query = "&".join(f"{name}={value}" for name, value in sleeps.items())
        self.target = f"/{self.kind}/{route}?token={token}&size={self.size}&{query}"
        lines = [f"{self.method} {self.target} HTTP/1.1", "Host: h"]
        body = b""
        if self.method == "POST":
            body = SMUGGLED * dice.randint(0, 20)
            lines.append(f"Content-Length: {len(body)}")
        elif self.method == "PUT":
            body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(SMUGGLED), SMUGGLED)
            lines.append("Transfer-Encoding: chunked")
        self.data = "\r\n".join([*lines, "", ""]).encode() + body

    def check(self, reply: Reply) -> None:
        if self.kind in FAILING:
            assert reply.status == 500, f"{reply.status} for {self.target}"
            return
        assert reply.status == 200, f"{reply.status} for {self.target}"
        assert reply.get("X-Token") == self.token, f"{reply.get('X-Token')} for {self.target}"
        if self.method != "HEAD":
            whole = self.token.encode() * (self.size // len(self.token) + 1)
            assert reply.body == whole[: self.size], f"a wrong body for {self.target}"


class Storm:
    """Clients that ask, each in a thread of its own, until `end`."""

    def __init__(self, server: LiveServer, seed: int) -> None:
        self.server = server
        self.counts: Counter[str] = Counter()
        self.faults: list[str] = []
        #: From here on a connection may end between two answers.
        self.draining = False
        self._ended = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(random.Random(seed * 1000 + number), f"{number:02}"))
            for number in range(CLIENTS)
        ]

    def begin(self) -> Storm:
        for thread in self._threads:
            thread.start()
        return self

    def end(self) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def _run(self, dice: random.Random, name: str) -> None:
        behaviours: list[Callable[[Wire, random.Random, list[Request]], None]] = [
            self.reads_all, self.reads_all, self.reads_all, self.half_closes, self.resets,
            self.stops_reading, self.cuts, self.is_spoilt,
        ]  # fmt: skip
        turn = 0
        while not self._ended.is_set() and len(self.faults) < 5:
            turn += 1
            behaviour = dice.choice(behaviours)
            try:
                with self.server.connect(timeout=60) as wire:
                    for again in range(dice.randint(1, 3)):
                        count = int(PIPELINED_MAX ** dice.random())
                        size_max = 300_000 if dice.random() < 0.1 else 2000
                        requests = [
                            Request(dice, f"{name}.{turn}.{again}.{place};", size_max=size_max)
                            for place in range(count)
                        ]
                        behaviour(wire, dice, requests)
                        if behaviour not in (self.reads_all, self.stops_reading):
                            break
            except ConnectionError as error:
                # Also where it has gone before it was accepted, or between two answers.
                if not self.draining:
                    self.faults.append(f"{behaviour.__name__}: {error!r}")
                time.sleep(0.01)
            except (AssertionError, OSError, Truncated) as error:
                self.faults.append(f"{behaviour.__name__}: {error!r}")
            self.counts[behaviour.__name__] += 1
            if self.draining and self.server.process.poll() is not None:
                return

    # -- behaviours -------------------------------------------------------------------------

    def _send(self, wire: Wire, dice: random.Random, data: bytes) -> None:
        """Whole, or cut anywhere."""
        while data and dice.random() < 0.4:
            cut = dice.randrange(len(data)) + 1
            wire.send(data[:cut])
            data = data[cut:]
            time.sleep(dice.uniform(0, 0.002))
        wire.send(data)

    def _read(self, wire: Wire, requests: list[Request]) -> None:
        for request in requests:
            if wire.has_ended():
                assert self.draining, f"no answer to {request.target}"
                return
            request.check(wire.read_reply(request.method))
            self.counts["answers"] += 1

    def reads_all(self, wire: Wire, dice: random.Random, requests: list[Request]) -> None:
        self._send(wire, dice, b"".join(request.data for request in requests))
        self._read(wire, requests)

    def half_closes(self, wire: Wire, dice: random.Random, requests: list[Request]) -> None:
        self._send(wire, dice, b"".join(request.data for request in requests))
        wire.half_close()
        self._read(wire, requests)
        assert wire.is_closed(), "something came behind the last answer"

    def stops_reading(self, wire: Wire, dice: random.Random, requests: list[Request]) -> None:
        wire.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32768)
        self._send(wire, dice, b"".join(request.data for request in requests))
        time.sleep(dice.uniform(0, 0.2))
        self._read(wire, requests)

    def resets(self, wire: Wire, dice: random.Random, requests: list[Request]) -> None:
        self._send(wire, dice, b"".join(request.data for request in requests))
        self._read(wire, requests[: dice.randrange(len(requests))])
        time.sleep(dice.uniform(0, 0.004))
        wire.reset()

    def cuts(self, wire: Wire, dice: random.Random, requests: list[Request]) -> None:
        """Goes away in the midst of a request."""
        last = requests[-1].data
        data = b"".join(request.data for request in requests[:-1]) + last[: dice.randrange(len(last))]
        self._send(wire, dice, data)
        if dice.random() < 0.5:
            self._read(wire, requests[:-1])

    def is_spoilt(self, wire: Wire, dice: random.Random, requests: list[Request]) -> None:
        """Asks for what an application must not do: any answer will do, but for somebody else's."""
        kind = dice.choice(("two_write", "writes_late"))
        query = f"token=spoilt&size=2000&before={dice.uniform(0, 2):.3f}&after={dice.uniform(0, 2):.3f}"
        wire.send(f"GET /{kind}?{query} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        with suppress(Truncated, ConnectionResetError):
            assert wire.read_reply().get("X-Token") in ("spoilt", None)


# -- what must be as before ------------------------------------------------------------------


def memory_of(server: LiveServer) -> int:
    with open(f"/proc/{server.process.pid}/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")


def descriptors_of(server: LiveServer) -> int:
    return len(os.listdir(f"/proc/{server.process.pid}/fd"))


def ask_at_once(server: LiveServer, count: int, milliseconds: int) -> None:
    """``count`` requests that last, each of a route of its own."""
    wires = [server.connect() for _ in range(count)]
    for wire in wires:
        route = "".join(random.choices(string.ascii_lowercase, k=12))
        wire.request("GET", f"/plain/{route}?token=a&before={milliseconds}")
    for wire in wires:
        assert wire.read_reply().status == 200
        wire.close()


def check_concurrency(server: LiveServer, threads: int) -> None:
    """As many threads as asked for are inside the application at once, and one more where the leader calls
    beside them; never more than that."""
    allowed = threads + 1 if threads > 1 else 1

    def most() -> int:
        with server.connect() as wire:
            return int(wire.get("/gauge?token=a").body)

    def all_at_once() -> bool:
        most()
        ask_at_once(server, threads + 2, 80)
        reached = most()
        assert reached <= allowed, f"{reached} threads were inside"
        return reached >= max(threads, 1)

    assert most() <= allowed
    wait_until(all_at_once, 10, "all threads are there")


def come_in_a_crowd(server: LiveServer, count: int) -> None:
    """More clients than connections_max: each is served or turned away, and nobody is forgotten."""
    wires = [server.connect() for _ in range(count)]
    served = 0
    for number, wire in enumerate(wires):
        with suppress(ConnectionError):
            wire.request("GET", f"/plain/crowd?token=c{number};&size=100&before=0.2")
    for number, wire in enumerate(wires):
        with suppress(Truncated, ConnectionError), wire:
            reply = wire.read_reply()
            assert reply.get("X-Token") == f"c{number};"
            served += 1
    assert served >= 300, f"only {served} of {count} were served"


def attack(server: LiveServer, threads: int, seconds: float, seed: int) -> str:
    """Storms of ``seconds`` in all; what was done, or AssertionError."""
    check_concurrency(server, threads)
    descriptors = descriptors_of(server)
    memory = 0
    counts: Counter[str] = Counter()
    rounds = max(2, int(seconds // 10))
    for number in range(rounds):
        storm = Storm(server, seed + number).begin()
        time.sleep(seconds / rounds)
        storm.end()
        counts += storm.counts
        assert not storm.faults, f"seed {seed + number}: {storm.faults}\n{server.console_text()[-3000:]}"
        check_concurrency(server, threads)
        come_in_a_crowd(server, CROWD)
        wait_until(lambda: descriptors_of(server) <= descriptors, 20, "all connections are closed")
        memory = memory or memory_of(server)
    grown = memory_of(server) - memory
    assert grown < GROWTH_MAX, f"{grown} bytes more than after the first storm"
    assert server.process.poll() is None
    return f"{dict(counts)}, grown by {grown >> 10} KiB"


def stop_in_a_storm(server: LiveServer, seed: int) -> None:
    storm = Storm(server, seed).begin()
    time.sleep(0.5)
    storm.draining = True
    server.send_signal(signal.SIGTERM)
    code = server.wait(20)
    storm.end()
    assert not storm.faults, storm.faults
    assert code == 0
    said = server.console_text()
    for fault in ("answering a request", "taking over", "event loop", "a worker thread", "were cut"):
        assert fault not in said, said[-3000:]


@pytest.mark.parametrize("threads", [0, 1, 2, 4, 16])
def test_whatever_lasts_each_gets_its_own_answer(serve: Serve, threads: int) -> None:
    server = serve(APP, "--threads", str(threads), *PATIENT)
    attack(server, threads, 0.8, seed=threads)
    stop_in_a_storm(server, seed=100 + threads)


@pytest.mark.soak
@pytest.mark.parametrize("threads", [0, 1, 2, 4, 16])
def test_whatever_lasts_for_minutes(serve: Serve, threads: int) -> None:
    server = serve(APP, "--threads", str(threads), *PATIENT)
    attack(server, threads, 120, seed=random.randrange(1 << 30))
    stop_in_a_storm(server, seed=threads)


if __name__ == "__main__":
    count, duration, *given = sys.argv[1:]
    first = int(given[0]) if given else random.randrange(1 << 30)
    started = LiveServer(skitai_run(APP, "--threads", count, *PATIENT)).wait_ready()
    try:
        print(f"{implementation()}, seed {first}:", attack(started, int(count), float(duration), first))
        stop_in_a_storm(started, first)
    finally:
        started.kill()
