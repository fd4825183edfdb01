"""What is still under way when a process ends: given up, and no part of a file stays."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.program import PACKAGE_HOME, LiveServer, Serve
from tests.live.test_master import has_workers
from tests.live.test_master_reload import reload
from tests.live.upstreams import ManyServers, deaf_name_server
from tests.waiting import wait_until

#: As on a system whose files always have names.
NAMED = "from skitai.was import _drafts; _drafts._open_unnamed = lambda folder: None\n"

SITE = (
    NAMED
    + """
from skitai import was
from skitai.saddle import Saddle

app = Saddle(__name__)


@app.route("/fetch")
def fetch(was, url, into):
    was.get(url, into=into, detach=True, timeout=60)
    return "begun"


@app.shutdown
def tell(wasc):
    print("told:", was.get("@members/").getwait(5).text)
"""
)


@pytest.fixture
def members() -> Iterator[ManyServers]:
    """One that takes its time, and one that does not."""
    with ManyServers(2) as servers:
        servers.delay(0, 60)
        yield servers


def run(script: str, *arguments: object) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(PACKAGE_HOME)},
        capture_output=True,
        timeout=30,
        check=False,
    )


def slow_url(members: ManyServers) -> str:
    return f"http://127.0.0.1:{members.ports[0]}/"


# -- scripts ----------------------------------------------------------------------------------------


def test_a_script_that_ends_leaves_no_part_of_a_file(members: ManyServers, tmp_path: Path) -> None:
    script = (
        NAMED + "import os, sys\n"
        "from skitai import was\n"
        "call = was.get(sys.argv[1], into=sys.argv[2] + '/x')\n"
        "call.wait(0.3)\n"
        "print(len(os.listdir(sys.argv[2])))\n"
    )
    began = time.monotonic()
    done = run(script, slow_url(members), tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"1\n", b"")
    assert time.monotonic() - began < 20  # of the 60 that the server takes
    assert os.listdir(tmp_path) == []


def test_functions_at_exit_hear_that_it_is_over(members: ManyServers) -> None:
    """Whoever waits in a thread is woken, and whoever asks later is told at once."""
    script = (
        "import atexit, sys\n"
        "def last():\n"
        "    print(call.getwait(9).msg, '|', was.get(sys.argv[1]).getwait(9).msg)\n"
        "atexit.register(last)\n"
        "from skitai import was\n"
        "call = was.get(sys.argv[1])\n"
    )
    done = run(script, slow_url(members))
    assert done.stdout.decode().strip() == "the process is ending | the process is ending"


# -- servers ----------------------------------------------------------------------------------------


def serving(serve_conf: Serve, folder: Path, members: ManyServers, server: str = "") -> LiveServer:
    (folder / "site_app.py").write_text(SITE)
    return serve_conf(
        f"[server]\n{server}\n[routes:line]\n/ = site_app:app\n"
        f"[@members]\nmembers = 127.0.0.1:{members.ports[1]}\n"
    )


def fetch(server: LiveServer, url: str, folder: Path) -> None:
    folder.mkdir()
    with server.connect() as wire:
        assert wire.get(f"/fetch?url={url}&into={folder}/x").text == "begun"
    assert len(os.listdir(folder)) == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_server_that_stops(
    serve_conf: Serve, members: ManyServers, tmp_path: Path, number: signal.Signals
) -> None:
    server = serving(serve_conf, tmp_path, members, "master = no")
    fetch(server, slow_url(members), tmp_path / "files")
    began = time.monotonic()
    assert server.stop(number) == (0 if number == signal.SIGTERM else 130)
    assert time.monotonic() - began < 20
    assert os.listdir(tmp_path / "files") == []
    # Whoever is told of the end can still ask, by the server's own clusters.
    assert "told: 1" in server.console_text()


def test_a_worker_that_a_reload_replaces(serve_conf: Serve, members: ManyServers, tmp_path: Path) -> None:
    server = serving(serve_conf, tmp_path, members)
    has_workers(server, 1)
    fetch(server, slow_url(members), tmp_path / "files")
    reload(server)
    wait_until(lambda: os.listdir(tmp_path / "files") == [], 10, "the former worker gives it up")
    wait_until(lambda: members.seen()["open"][0] == 0, 5, "its connection is closed")


def test_a_call_that_waits_for_names(serve_conf: Serve, tmp_path: Path) -> None:
    """It has sent nothing yet that could be given up."""
    with deaf_name_server() as address:
        (tmp_path / "site_app.py").write_text(SITE)
        server = serve_conf(
            f"[server]\nmaster = no\ndns = {address}\n[routes:line]\n/ = site_app:app\n"
            f"[@members]\nmembers = 127.0.0.1:1\n[@names]\nmembers = dns:nobody.example:80\n"
        )
        fetch(server, "@names/", tmp_path / "files")
        assert server.stop() == 0
    assert os.listdir(tmp_path / "files") == []
