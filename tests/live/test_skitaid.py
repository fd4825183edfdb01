"""skitaid, the real program: servers that come and go, crash, and are asked about."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import NamedTuple

import pytest

from skitai.cli.skitaid import main
from tests.live.program import REPO, LiveServer
from tests.waiting import wait_until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="skitaid needs POSIX")

#: A process less to be started; who is about masters takes it out.
ALONE = "master = no\n"
SITE = f"[server]\n{ALONE}ip = 127.0.0.1\nport = 0\n[routes:line]\n/ = {{public}}\n"


class Said(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


class Skitaid:
    """A home, and what is done there."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.enabled = home / "etc" / "skitaid" / "servers-enabled"
        self.public = home / "public"
        self.public.mkdir(parents=True)
        (self.public / "index.html").write_text("hello")
        self._server: LiveServer | None = None

    def site(self, name: str, text: str = SITE) -> Path:
        self.enabled.mkdir(parents=True, exist_ok=True)
        file = self.enabled / f"{name}.conf"
        file.write_text(text.format(public=self.public))
        return file

    def conf(self, text: str) -> None:
        self.enabled.mkdir(parents=True, exist_ok=True)
        (self.enabled.parent / "skitaid.conf").write_text(text)

    @property
    def server(self) -> LiveServer:
        assert self._server is not None
        return self._server

    def serve(self, *args: str) -> LiveServer:
        self._server = LiveServer(command("-v", "--home", str(self.home), *args), cwd=self.home)
        return self._server

    def says(self, *args: str) -> Said:
        """What the command says; run here, for an interpreter of its own would take its time to start."""
        with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
            code = main(["--home", str(self.home), *args])
        return Said(code, out.getvalue(), err.getvalue())

    def state(self, name: str) -> str:
        rows = json.loads(self.says("status", "--json").stdout)
        return next((row["state"] for row in rows if row["name"] == name), "none")

    def pid(self, name: str) -> int:
        """Of the last process that was started for it."""
        return int(re.findall(rf"{name}: started, pid (\d+)", self.server.stderr_text())[-1])

    def close(self) -> None:
        """Its programs end with it, and are waited for: nobody of a test outlives it."""
        self.says("stop")
        if self._server is not None:
            self._server.kill()


def command(*args: str) -> list[str]:
    return [sys.executable, "-m", "skitai.cli.skitaid", *args]


def is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture
def skitaid(tmp_path: Path) -> Iterator[Skitaid]:
    daemon = Skitaid(tmp_path / "home")
    yield daemon
    daemon.close()


def test_servers_come_and_go_with_their_files(skitaid: Skitaid) -> None:
    skitaid.site("one")
    server = skitaid.serve().wait_ready()
    server.wait_for_text("one: ready")
    with server.connect() as wire:
        assert wire.get("/").body == b"hello"
    two = skitaid.site("two")
    server.wait_for_text("two: ready")
    two.unlink()
    server.wait_for_text("two: stopped")
    assert skitaid.state("one") == "running"
    assert skitaid.state("two") == "none"
    assert server.stop() == 0
    assert "one: stopped" in server.stderr_text()
    assert server.refuses_connections()


def test_a_server_that_is_killed_is_started_again_and_one_that_was_stopped_is_not(skitaid: Skitaid) -> None:
    skitaid.site("one")
    server = skitaid.serve()
    server.wait_for_text("one: ready")
    first = skitaid.pid("one")
    os.kill(first, signal.SIGKILL)
    server.wait_for_text(r"\[error\] one was ended by SIGKILL; it is started again")
    wait_until(lambda: server.stderr_text().count("one: ready") == 2, 10)
    assert skitaid.says("stop", "one").returncode == 0
    assert skitaid.state("one") == "stopped"
    started = skitaid.says("start", "one")
    assert started.returncode == 0, started.stderr
    assert "one                  running" in started.stdout
    os.kill(skitaid.pid("one"), signal.SIGTERM)
    server.wait_for_text("one ended with exit code 0, as somebody told it")
    wait_until(lambda: skitaid.state("one") == "stopped")


def test_a_mistake_is_told_with_its_place_and_mended_by_another_text(skitaid: Skitaid) -> None:
    skitaid.site("one", "[server]\nthreadz = 4\n")
    server = skitaid.serve()
    server.wait_for_text(r"one\.conf:2: \[server\] has no key 'threadz'; did you mean 'threads'")
    server.wait_for_text(r"\[error\] one ended with exit code 78: its configuration cannot be followed")
    status = skitaid.says("status")
    assert status.returncode == 1
    assert re.search("one +refused .*: skitaid check one says why", status.stdout)
    skitaid.site("one")
    server.wait_for_text("one: ready")


def test_what_cannot_start_is_given_up(skitaid: Skitaid) -> None:
    skitaid.conf("[global]\nrestart_delay_max = 10ms\nrestart_tries = 2\n")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        skitaid.site("one", SITE.replace("port = 0", f"port = {port}"))
        server = skitaid.serve()
        server.wait_for_text(r"\[error\] one .*, 2 times in a row: giving up")
        server.wait_for_text(rf"127\.0\.0\.1:{port}: the port is taken by")
        log = skitaid.home / "log" / "instances" / "one" / "server.log"
        assert re.search(rf"one +given up .*: {log} says why", skitaid.says("status").stdout)
    assert skitaid.says("start", "one").returncode == 0
    assert skitaid.state("one") == "running"


def test_the_sequence_of_the_readme(skitaid: Skitaid) -> None:
    """``skitaid.py -v &`` with nothing configured, then ``skitaid.py stop``."""
    server = skitaid.serve()
    server.wait_for_text(r"there was no configuration; laid out \S+etc/skitaid and")
    assert (skitaid.enabled / "sample.conf").exists()
    server.wait_for_text("skitaid, pid")
    skitaid.says("stop", "sample")  # its port may be somebody else's on this machine
    stopped = skitaid.says("stop")
    assert (stopped.returncode, stopped.stdout) == (0, "stopped\n")
    assert server.wait() == 0
    refused = skitaid.says("stop")
    assert refused.returncode == 1
    assert "skitaid does not run" in refused.stderr


def test_in_the_background(skitaid: Skitaid) -> None:
    skitaid.site("one")
    started = skitaid.says("start")
    assert started.returncode == 0, started.stderr
    assert re.search("one +running", started.stdout)
    again = subprocess.run(
        command("--home", str(skitaid.home)), capture_output=True, text=True, timeout=10, cwd=REPO
    )
    assert again.returncode == 1
    assert "skitaid is already running (process " in again.stderr
    assert skitaid.says("restart").returncode == 0
    log = skitaid.home / "log" / "skitaid.log"
    wait_until(lambda: log.read_text().count("one: ready") == 2)
    assert skitaid.says("stop").returncode == 0


def test_the_options_of_0_11(skitaid: Skitaid) -> None:
    skitaid.site("one")
    server = skitaid.serve()
    server.wait_for_text("one: ready")
    first = skitaid.pid("one")
    assert skitaid.says("-k", "restart", "-n", "one").returncode == 0
    assert skitaid.pid("one") != first
    assert skitaid.says("-k", "rotate-all").returncode == 0
    assert skitaid.says("-k", "shutdown", "-n", "one").returncode == 0
    assert skitaid.state("one") == "stopped"
    assert skitaid.says("-k", "start", "-n", "one").returncode == 0
    assert skitaid.says("-k", "terminate-all").returncode == 0
    assert [skitaid.state(name) for name in ("one", "smtpda")] == ["stopped", "stopped"]
    assert server.process.poll() is None
    for wrong in (
        ("-k", "restart"),
        ("-n", "one"),
        ("-k", "restart-all", "-n", "one"),
        ("stop", "-n", "one"),
    ):
        with pytest.raises(SystemExit, match="2"):
            skitaid.says(*wrong)


def test_a_start_in_the_background_that_fails_says_why(skitaid: Skitaid) -> None:
    skitaid.conf("[global]\nstop_timeout = soon\n")
    started = skitaid.says("start")
    assert started.returncode == 78
    assert "skitaid.conf:2: stop_timeout = soon" in started.stderr


def test_reload_and_rotate_reach_the_servers(skitaid: Skitaid) -> None:
    conf = skitaid.site("one", SITE.replace(ALONE, ""))
    skitaid.site("single")
    server = skitaid.serve()
    for name in ("one", "single", "smtpda"):
        server.wait_for_text(f"{name}: ready")
    pid = skitaid.pid("one")
    reloaded = skitaid.says("reload")
    server.wait_for_text("reloaded; processes 1")
    assert reloaded.returncode == 0
    assert re.search("single .*: not reloaded: only a master can", reloaded.stdout)
    conf.write_text("[server]\nthreadz = 1\n")
    assert re.search("one +running .*: the last reload was refused", skitaid.says("reload", "one").stdout)
    assert skitaid.pid("one") == pid
    log = skitaid.home / "log" / "skitaid.log"
    log.rename(log.with_suffix(".old"))
    assert skitaid.says("rotate").returncode == 0
    assert log.exists()
    unknown = skitaid.says("reload", "other")
    assert unknown.returncode == 1
    assert "there is no server other" in unknown.stderr
    assert "there are: one, single, smtpda" in unknown.stderr


def test_servers_end_with_a_skitaid_that_was_killed(skitaid: Skitaid) -> None:
    skitaid.site("one", SITE.replace(ALONE, ""))
    skitaid.site("single")
    server = skitaid.serve()
    for name in ("one", "single", "smtpda"):
        server.wait_for_text(f"{name}: ready")
    pids = [skitaid.pid(name) for name in ("one", "single", "smtpda")]
    server.stop(signal.SIGKILL)
    wait_until(lambda: not any(map(is_there, pids)), 10)


def test_check_has_a_line_for_each_problem(skitaid: Skitaid) -> None:
    good = skitaid.site("good")
    assert skitaid.says("check").returncode == 0
    skitaid.conf("[global]\nlog_pat = x\n")
    unknown = skitaid.site("bad", "[server]\nuser = nosuchuser\n")
    assert f"{unknown}:2: user: this machine has no user 'nosuchuser'" in skitaid.says("check", "bad").stderr
    bad = skitaid.site("bad", "[server]\nport = 99999\nthreads = many\n[routes:line]\n/ = nothing:app\n")
    checked = skitaid.says("check")
    assert checked.returncode == 78
    assert checked.stdout == f"{good}: good\n"
    lines = checked.stderr.splitlines()
    assert len(lines) == 3
    assert "skitaid.conf:2: [global] has no key 'log_pat'; did you mean 'log_path'?" in lines[0]
    assert lines[1].startswith(f"skitai: {bad}:2: port = 99999")
    assert lines[2].startswith(f"skitai: {bad}:3: threads = many")


def test_ctrl_c_ends_all_at_once(skitaid: Skitaid) -> None:
    skitaid.site("one")
    server = skitaid.serve()
    server.wait_for_text("one: ready")
    server.press_ctrl_c()
    assert server.wait(5) == 130


STUCK = """
import sys

def app(environ, start_response):
    if environ["PATH_INFO"] == "/stick":
        sys.setswitchinterval(1000)
        while True:
            pass
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"hello"]
"""


@pytest.mark.parametrize("master", ["yes", "no"])
def test_who_gives_no_sign_of_life_is_replaced(skitaid: Skitaid, master: str) -> None:
    """Its threads compute and never let another one have Python's lock."""
    (skitaid.public / "stuck.py").write_text(STUCK)
    skitaid.conf("[global]\nwatchdog = 1\n")
    skitaid.site("one", SITE.replace("= no", f"= {master}").replace("}", "}/stuck:app"))
    server = skitaid.serve().wait_ready()
    server.wait_for_text("one: ready")
    with server.connect() as wire:
        wire.send(b"GET /stick HTTP/1.1\r\nHost: a\r\n\r\n")
        server.wait_for_text(r"\[error\] (one|worker \d+) gives no sign of life: it is killed")
    server.wait_for_text(r"\[error\] (one|worker \d+) was ended by SIGKILL")
    wait_until(lambda: skitaid.state("one") == "running", 10)
    assert "smtpda gives no sign" not in server.stderr_text()
