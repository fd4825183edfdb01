"""What is kept ready stays within file_cache_max, whatever is asked for (`make soak`)."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.live.memory import MIB, descriptors, resident
from tests.live.program import LiveServer, Serve

pytestmark = [
    pytest.mark.soak,
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc"),
]

CONF = """
[server]
master = no
file_cache_max = 32m
[routes:line]
/ = www
"""
KEPT = 32 * MIB
#: For all that is not kept: what is on its way, and what malloc holds in reserve.
SLACK = 8 * MIB
FILES, LINKS, AT_ONCE = 100, 1000, 100


def ask_all(server: LiveServer, requests: Iterable[str]) -> int:
    """The most that the server had meanwhile; each request is a target and further lines."""
    most = 0
    waiting: list[str] = []

    def ask() -> int:
        wire.send("".join(waiting))
        for _ in waiting:
            assert wire.read_reply().status == 200
        waiting.clear()
        return resident(server)

    with server.connect() as wire:
        for request in requests:
            target, _, fields = request.partition("\n")
            waiting.append(f"GET {target} HTTP/1.1\r\nHost: testserver\r\n{fields}\r\n")
            if len(waiting) == AT_ONCE:
                most = max(most, ask())
    return most


@pytest.mark.parametrize("size", [10, 5000, 16000, 64000])
def test_a_hundred_thousand_files(serve_conf: Serve, tmp_path: Path, size: int) -> None:
    for number in range(FILES):
        folder = tmp_path / "www" / str(number)
        folder.mkdir(parents=True)
        (folder / "0.bin").write_bytes(os.urandom(size))
        for link in range(1, LINKS):
            os.link(folder / "0.bin", folder / f"{link}.bin")
    time.sleep(2.1)  # they are old enough to be kept
    server = serve_conf(CONF)
    before, opened = resident(server), descriptors(server)
    most = ask_all(server, (f"/{n}/{link}.bin" for n in range(FILES) for link in range(LINKS)))
    print(f"{(most - before) / MIB:.1f} MiB for {FILES * LINKS} files of {size} bytes")
    assert most - before < KEPT + SLACK
    assert descriptors(server) - opened < 64 + 10  # file_cache_open_max, and ours


def test_fifty_thousand_ways_to_accept(serve_conf: Serve, tmp_path: Path) -> None:
    """Each value of Accept-Encoding is a form of its own, and clients can say what they want."""
    (tmp_path / "www").mkdir()
    (tmp_path / "www" / "text.txt").write_bytes(os.urandom(10_000).hex().encode())
    time.sleep(2.1)
    server = serve_conf(CONF)
    before = resident(server)
    accepted = (f"/text.txt\nAccept-Encoding: gzip, {'x' * 150}{number}\r\n" for number in range(50_000))
    assert ask_all(server, accepted) - before < SLACK
