"""Handlers that compute, beside quick ones, with one processor for all of them.

Several computations that begin at once look as if they waited for most of their time, and a quick call that
loses the GIL to one of them looks as if it lasted: neither may be believed.
"""

from __future__ import annotations

import os
import sys
import threading
import time

import pytest

from skitai._kernels import implementation
from tests.live.program import Serve

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="pins the server to one processor"),
    pytest.mark.skipif(implementation() == "pure", reason="the pure build learns nothing of routes"),
]

APP = "tests.live.apps.lasting:app"
BURNERS = 4
QUICK = 8
SECONDS = 1.5


def test_what_computes_is_known_and_what_is_quick_stays_quick(serve: Serve) -> None:
    for _ in range(3):  # a quick call that another program has pushed aside lasts, and has not computed
        said = said_under_load(serve)
        if not any("/plain" in line for line in said):
            break
    assert any("/burns/a computes" in line for line in said), said
    assert not any("/burns/a waits" in line or "/plain" in line for line in said), said


def said_under_load(serve: Serve) -> list[str]:
    """The lines about routes."""
    server = serve(APP, "--threads=16", "--master=no", "--no-access-log")
    os.sched_setaffinity(server.process.pid, {min(os.sched_getaffinity(0))})
    for thread in os.listdir(f"/proc/{server.process.pid}/task"):
        os.sched_setaffinity(int(thread), {min(os.sched_getaffinity(0))})
    until = time.monotonic() + SECONDS

    def ask(target: str) -> None:
        with server.connect() as wire:
            while time.monotonic() < until:
                assert wire.get(target).status == 200

    targets = ["/burns/a?token=a&before=20"] * BURNERS + ["/plain?token=b"] * QUICK
    clients = [threading.Thread(target=ask, args=(target,)) for target in targets]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    server.stop()
    return [line for line in server.console_text().splitlines() if " [info] GET " in line and "ms" in line]
