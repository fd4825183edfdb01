"""Operators, health checks and Prometheus ask a running instance."""

from __future__ import annotations

import io
import json
import re
import signal
import socket
import sys
import time
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from skitai.cli.main import main
from tests.live.program import LiveServer, Serve
from tests.live.test_skitaid import Said
from tests.live.test_starting import unix_connect
from tests.live.wire import Wire
from tests.waiting import wait_until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no master on Windows")

CONF = """[server]
threads = 1
admin = {admin}
drain_delay = {delay}
processes = 2
[routes:line]
/ = tests.live.apps.blocking:app
"""


def skitai(home: Path, *args: str) -> Said:
    """Run here: an interpreter of its own would take its time to start."""
    with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
        code = main([*args, "--home", str(home)])
    return Said(code, out.getvalue(), err.getvalue())


def start(serve_conf: Serve, folder: Path, delay: str = "0") -> LiveServer:
    server = serve_conf(CONF.format(admin=f"unix:{folder}/admin", delay=delay))
    wait_until(lambda: metric(folder, 'skitai_workers{phase="serving"}') == 2, 10)
    return server


def get(folder: Path, path: str) -> tuple[int, str]:
    with unix_connect(folder / "admin") as wire:
        reply = wire.get(path)
        return reply.status, reply.text


def metric(folder: Path, name: str) -> float:
    _, text = get(folder, "/metrics")
    found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
    assert found, text
    return float(found[1])


def test_health_and_numbers_while_every_thread_is_blocked(serve_conf: Serve, tmp_path: Path) -> None:
    server = start(serve_conf, tmp_path)
    assert get(tmp_path, "/healthz") == (200, "ok\n")
    assert get(tmp_path, "/readyz") == (200, "ok\n")
    assert get(tmp_path, "/threads")[0] == 403
    with server.connect() as wire:
        wire.get("/")
    wait_until(lambda: metric(tmp_path, "skitai_requests_total") == 1)
    blocked: list[Wire] = []
    for _ in range(6):
        blocked.append(server.connect())
        blocked[-1].send(b"GET /sleep?5 HTTP/1.1\r\nHost: a\r\n\r\n")
    began = time.monotonic()
    assert get(tmp_path, "/readyz")[0] == 200
    assert time.monotonic() - began < 4, "it has waited for a handler"
    shown = skitai(tmp_path / "home", "threads")
    assert shown.returncode == 0, shown.stderr
    assert re.search(r"worker \d+, skitai-loop", shown.stdout)
    for wire in blocked:
        wire.close()


def test_what_operators_tell_it(serve_conf: Serve, tmp_path: Path) -> None:
    server = start(serve_conf, tmp_path)
    home = tmp_path / "home"
    assert (home / "run" / "test.control").stat().st_mode & 0o777 == 0o600
    reloaded = skitai(home, "reload", "test")
    assert (reloaded.returncode, reloaded.stdout) == (0, "reloaded\n")
    server.wait_for_text("reloaded; processes 2")
    levels = json.loads(skitai(home, "log-level", "debug").stdout)
    assert set(levels.values()) == {"DEBUG"}
    states = json.loads(skitai(home, "state").stdout)
    assert all("PROCESS" in sections for sections in states.values())
    assert skitai(home, "clusters").returncode == 0
    assert skitai(home, "drain").returncode == 0
    assert get(tmp_path, "/readyz")[0] == 503
    with server.connect() as wire:
        assert wire.get("/").status == 200
    (tmp_path / "test.conf").write_text("[server]\nthreadz = 1\n")
    refused = skitai(home, "reload")
    assert refused.returncode == 1
    assert "the last reload was refused: the log says why" in refused.stderr
    unknown = skitai(home, "drain", "other")
    assert unknown.returncode == 1
    assert "no server other runs that can be asked" in unknown.stderr
    assert "there are: test" in unknown.stderr


def test_an_end_is_told_before_it_comes(serve_conf: Serve, tmp_path: Path) -> None:
    server = start(serve_conf, tmp_path, delay="1s")
    server.send_signal(signal.SIGTERM)
    wait_until(lambda: get(tmp_path, "/readyz")[0] == 503, 5)
    with server.connect() as wire:
        assert wire.get("/").status == 200
    assert server.wait() == 0
    assert not (tmp_path / "home" / "run" / "test.control").exists()


def test_two_of_one_name_serve_and_one_can_be_asked(serve_conf: Serve, tmp_path: Path) -> None:
    text = "[routes:line]\n/ = tests.live.apps.blocking:app\n"
    serve_conf(text)
    second = serve_conf(text)
    second.wait_for_text("operators cannot ask this instance: ")
    with second.connect() as wire:
        assert wire.get("/").status == 200
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(str(tmp_path / "home" / "run" / "test.control"))


def test_workers_that_have_served_enough_are_replaced_and_nobody_notices(serve_conf: Serve) -> None:
    server = serve_conf("[server]\nmax_requests = 20\n[routes:line]\n/ = tests.live.apps.blocking:app\n")
    pids: set[int] = set()
    deadline = time.monotonic() + 30
    while len(pids) < 3 and time.monotonic() < deadline:
        with server.connect() as wire:
            for _ in range(5):
                reply = wire.get("/")
                assert reply.status == 200
                pids.add(json.loads(reply.text)["pid"])
                if reply.get("Connection") == "close":
                    break
    assert len(pids) == 3
    server.wait_for_text(r"worker \d+ gets a successor: it has answered \d+ requests")
    assert "[error]" not in server.stderr_text()


def test_what_needs_a_master_says_so(serve_conf: Serve) -> None:
    text = "[server]\nmaster = no\nmax_requests = 20\n[routes:line]\n/ = tests.live.apps.blocking:app\n"
    server = serve_conf(text, ready=False)
    assert server.wait() == 78
    assert ":3: max_requests: this needs a master: write master = auto" in server.stderr_text()
