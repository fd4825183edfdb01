"""``lane`` in the section of a mount: who calls its handlers."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from skitai._kernels import implementation
from tests.live.program import Serve

APP = """
import threading, time

inside = 0
most = 0

def app(environ, start_response):
    global inside, most
    inside += 1
    most = max(most, inside)
    time.sleep(0.05)
    until = time.monotonic() + 5
    while most < int(environ["QUERY_STRING"]) and time.monotonic() < until:
        time.sleep(0.005)
    inside -= 1
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{most} {threading.current_thread().name}".encode()]
"""


@pytest.mark.parametrize(("lane", "at_once"), [("waits", {4}), ("burns", {1, 4})])
def test_handlers_of_a_lane(serve_conf: Serve, tmp_path: Path, lane: str, at_once: set[int]) -> None:
    """With 4 threads, beside the one that leads in the compiled build."""
    (tmp_path / "slow.py").write_text(APP)
    server = serve_conf(f"[server]\nthreads = 4\n[routes:line]\n/ = slow:app\n[mount /]\nlane = {lane}\n")
    bodies: list[bytes] = []
    wanted = max(at_once) if implementation() == "pure" else min(at_once)

    def ask() -> None:
        with server.connect() as wire:
            bodies.append(wire.get(f"/?{wanted}").body)

    clients = [threading.Thread(target=ask) for _ in range(8)]
    began = time.monotonic()
    for client in clients:
        client.start()
    for client in clients:
        client.join(10)
    assert len(bodies) == 8
    most = max(int(body.split()[0]) for body in bodies)
    assert most == wanted
    assert all(b"skitai-worker" in body for body in bodies)
    assert time.monotonic() - began < 5
