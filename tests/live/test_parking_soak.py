"""The figures that parking is for, of one server on a quiet machine (`make soak`): no other one has them."""

from __future__ import annotations

import re
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.live.crowd import Crowd
from tests.live.program import LiveServer
from tests.live.test_parking_live import Site, get, only_parked, site

__all__ = ["site"]

pytestmark = [
    pytest.mark.soak,
    only_parked,
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc"),
]

CROWD = 10_000


def test_ten_thousand_waits_of_a_second_are_answered_within_two_and_a_half(site: Site) -> None:
    """Each from its request to its answer."""
    server = site(4, server=f"master = no\nconnections_max = {CROWD + 100}")
    crowd = Crowd(server, CROWD)
    waited = crowd.ask("/plain?for=1000")
    crowd.close()
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    most = int(re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)[1]) // 1024
    print(f"half waited {waited[CROWD // 2]:.2f} s, none over {waited[-1]:.2f} s; {most} MiB at most")
    assert waited[0] >= 1
    assert waited[-1] < 2.5
    assert most < 150


def test_a_thousand_clocks_are_on_time_while_others_block(site: Site) -> None:
    """The routes that block are not known at first; from then on those that tick feel nothing."""
    server = site(8)
    crowd = Crowd(server, 1000)
    with ThreadPoolExecutor(5) as pool:
        ticking = pool.submit(crowd.ask, "/ticks?for=100&count=60")
        time.sleep(1)
        print("alone:", lateness(server))
        blocking = [pool.submit(block, server, number) for number in range(4)]
        time.sleep(1.5)
        print("surprised:", lateness(server))
        time.sleep(2)
        learnt = lateness(server)
        print("learnt:", learnt)
        for client in blocking:
            client.result()
        ticking.result()
    crowd.close()
    assert learnt[1] <= 20, "milliseconds, of 99 in 100"


def block(server: LiveServer, number: int) -> None:
    for _ in range(4):
        assert get(server, f"/blocks/{number}?for=1000").status == 200


def lateness(server: LiveServer) -> list[float]:
    return [float(figure) for figure in get(server, "/lateness").text.split()]
