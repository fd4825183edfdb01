"""Memory does not grow with the number of requests, whatever their kind.

Two measures, because each sees what the other does not:

* **Blocks** (in `make test`): how many blocks Python's objects take, asked of the server itself after
  a collection.  Exact, so a few hundred requests are enough; but it knows nothing of C's own memory.
* **Bytes** (in `make soak`): resident memory over 100,000 requests of each kind.  It knows everything,
  and goes up and down: by some 400 KiB of free pages in the heap of the thread that writes the log, which
  malloc gives back or keeps as it likes.  So the requests come in stretches of 10,000, of which the first
  five fill caches, free lists and heaps of threads and do not count; and what is in use is the *least* of
  some readings: of the second half of the run it may not be more than of the first, which a step of the
  heap cannot do to five readings and a leak does.  `GROWTH_MAX` is half of what a leak of 16 bytes a
  request would give, and other tests show that such a leak is found.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import pytest

from tests.live.exchanges import KINDS, Kind, get, kept
from tests.live.loadsite import write_site
from tests.live.memory import blocks, resident, settled
from tests.live.program import LiveServer, Serve

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

LEAK = kept(get("/leak"))
LEAKED_OBJECT = kept(get("/leak/object"))

STRETCH = 10_000
STRETCHES = 10
WARMING = 5
#: Bytes for each request.
GROWTH_MAX = 8.0

#: A leak of one block for each request would be twice the bound.  Some come and go, and the first
#: hundreds of tracebacks leave lines of source and the like in caches.
FEW = 200
BLOCKS_MAX = 100
SLACK = 10

THREADS = pytest.mark.parametrize("threads", [0, 4])
#: Lines that wait to be written together are blocks, too.
UNLOGGED = pytest.mark.parametrize("access_log", ["no"], ids=["unlogged"])
LOGGED = pytest.mark.parametrize("access_log", ["yes"], ids=["logged"])
EACH_KIND = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture
def server(serve_conf: Serve, tmp_path: Path, threads: int, access_log: str) -> LiveServer:
    server = serve_conf(write_site(tmp_path, threads=threads, access_log=access_log))
    if threads:
        start_all_threads(server, threads)
    return server


def start_all_threads(server: LiveServer, threads: int) -> None:
    """A thread that started in the midst of a measurement would count as a leak."""
    for _ in range(3):
        wires = [server.connect() for _ in range(2 * threads)]
        for wire in wires:
            wire.request("GET", "/wait")
        for wire in wires:
            assert wire.read_reply().status == 200
            wire.close()


def blocks_gained(server: LiveServer, kinds: Mapping[str, Kind]) -> int:
    """By `FEW` exchanges of each, after twice as many that warmed up."""
    address = (server.host, server.port)
    sizes = []
    for _ in range(3):
        for kind in kinds.values():
            kind(address, FEW)
        sizes.append(settled(partial(blocks, server), SLACK))
    return sizes[2] - sizes[1]


def growth(server: LiveServer, kind: Kind) -> float:
    """Bytes of memory for each request."""
    address = (server.host, server.port)
    sizes = []
    kind(address, WARMING * STRETCH)
    for _ in range(STRETCHES + 1):
        kind(address, STRETCH)
        settled(partial(blocks, server), SLACK)
        sizes.append(resident(server))
    half = STRETCHES // 2
    gained = min(sizes[-half:]) - min(sizes[:half])
    print(f"KiB {sizes[0] // 1024} {[(size - sizes[0]) // 1024 for size in sizes]}: {gained // 1024}")
    return gained / (len(sizes) - half) / STRETCH


@THREADS
@UNLOGGED
def test_a_few_hundred_of_each_kind_leave_no_object_behind(server: LiveServer) -> None:
    if blocks_gained(server, KINDS) > BLOCKS_MAX:
        gained = {name: blocks_gained(server, {name: kind}) for name, kind in KINDS.items()}
        assert max(gained.values()) < BLOCKS_MAX, gained
    assert blocks_gained(server, {"leak": LEAKED_OBJECT}) > BLOCKS_MAX, "one that was left would be seen"


@pytest.mark.soak
@THREADS
@LOGGED
@EACH_KIND
def test_a_hundred_thousand_leave_memory_flat(server: LiveServer, kind: str) -> None:
    assert growth(server, KINDS[kind]) < GROWTH_MAX


@pytest.mark.soak
@THREADS
@LOGGED
def test_a_leak_of_16_bytes_would_be_seen(server: LiveServer) -> None:
    assert growth(server, LEAK) > GROWTH_MAX
