"""A disk that is full, of logs and of bodies: requests are served, and it is said once."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.program import LiveServer, Serve
from tests.waiting import wait_until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="tmpfs is Linux's")

CONF = """
[server]
spool_dir = {disk}
body_memory_max = 16k
[routes:line]
/ = tests.live.apps.bodies:app
"""


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """One of a quarter of a megabyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    if mount is None or os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    mounted = subprocess.run(
        [mount, "-t", "tmpfs", "-o", "size=256k", "tmpfs", folder], capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"this system lets nobody mount: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def post(server: LiveServer, size: int) -> int:
    with server.connect() as wire:
        wire.request("POST", "/sha256", f"Content-Length: {size}")
        wire.send(b"x" * size)
        return wire.read_reply().status


def fill(file: Path) -> None:
    with open(file, "wb", buffering=0) as stream:
        while True:
            stream.write(bytes(4096))


def test_it_is_full_and_later_it_is_not(disk: Path, serve_conf: Serve) -> None:
    server = serve_conf(CONF.format(disk=disk), "--log-path", str(disk / "log"), "--processes", "1")
    log = disk / "log" / "request.log"
    assert post(server, 100_000) == 200
    wait_until(lambda: "POST" in log.read_text())
    filler = disk / "filler"
    with pytest.raises(OSError, match="No space left"):
        fill(filler)
    for _ in range(60):
        assert post(server, 100) == 200
        assert post(server, 100_000) == 507
    server.wait_for_text(r"request\.log cannot be written to: No space left on device")
    for name in ("request.log", "server.log"):
        assert server.stderr_text().count(f"{name} cannot be written to") <= 1
    assert server.stderr_text().count("No space left on device") < 20, "it is not said again and again"
    filler.unlink()
    assert post(server, 100_000) == 200
    wait_until(lambda: "lines are missing here: No space left on device" in log.read_text())
    assert server.stop() == 0
    assert "Traceback" not in server.console_text()
