"""test_lanes.py over TLS: the lane and the general connection say the same, encrypted by different hands."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest

from skitai import _kernels
from tests.live.apps import lanes as kinds
from tests.pure import test_lanes
from tests.pure.test_lanes import Server, request

for name, one in vars(test_lanes).items():
    if name.startswith("test_") or name in ("servers", "identifying"):
        globals()[name] = one


@pytest.fixture(scope="module")
def secure() -> bool:
    return True


def sleeps(environ: dict[str, Any], start: kinds.Start) -> Any:
    time.sleep(0.004)
    start("200 OK", [("Content-Length", "5")])
    return [b"slept"]


def sleeps_behind(environ: dict[str, Any], start: kinds.Start) -> Any:
    """The lead goes over while the answer, or what the socket has not taken of it, is out already."""

    def pieces() -> Iterator[bytes]:
        yield b"w" * 100_000
        time.sleep(0.004)

    start("200 OK", [("Content-Length", "100000")])
    return pieces()


BODIES = {
    "one_list": None, "sleeps": b"slept", "awaited": b"awaited", "stream": None, "wide": None,
    "sleeps_behind": b"w" * 100_000,
}  # fmt: skip


@pytest.mark.parametrize("threads", [0, 4])
def test_all_kinds_at_once(threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Quick handlers, slow ones, coroutines and streams, on connections that go to and fro between lane
    and general, with and without threads that take the lead from each other."""
    monkeypatch.setitem(kinds.KINDS, "sleeps", sleeps)
    monkeypatch.setitem(kinds.KINDS, "sleeps_behind", sleeps_behind)
    server = Server(_kernels.engine.Engine, threads, secure=True)
    wrong: list[str] = []
    done: list[int] = []

    def ask(seed: int) -> None:
        random = Random(seed)
        with server.connect() as client:
            for _ in range(25):
                asked = random.choices(list(BODIES), k=random.choice((1, 1, 3)))
                client.sendall(b"".join(request(f"/{kind}") for kind in asked) + request("/sleeps?last"))
                answer = b""
                while not answer.endswith(b"\r\n\r\nslept") or answer.count(b"HTTP/1.1 200") <= len(asked):
                    answer += client.recv(1 << 16)
                for kind in asked:
                    if (BODIES[kind] or b"") not in answer:
                        wrong.append(kind)
        done.append(seed)

    clients = [threading.Thread(target=ask, args=(seed,)) for seed in range(12)]
    for client in clients:
        client.start()
    for client in clients:
        client.join(60)
        assert not client.is_alive()
    assert wrong == []
    assert sorted(done) == list(range(12))
    server.stop()
