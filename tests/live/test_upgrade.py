"""USR2: the master becomes the program that is installed by now, and no client notices anything."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from pathlib import Path

import pytest

from tests.live.program import PACKAGE_HOME, LiveServer, Serve
from tests.live.steady import Steady
from tests.live.test_master import ask, has_workers, workers
from tests.live.test_master_reload import reload
from tests.waiting import wait_until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are looked at in /proc")

APP = "tests.live.apps.processes:app"
PLACE = r"in the place of Skitai \S+, with its sockets and workers"


def command_line(server: LiveServer) -> str:
    return Path(f"/proc/{server.process.pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()


def upgrade(server: LiveServer) -> None:
    """And wait until only workers of the new master are there."""
    before = server.stderr_text().count("] reloaded")
    former = set(workers(server))
    server.send_signal(signal.SIGUSR2)
    wait_until(lambda: server.stderr_text().count("] reloaded") > before, 20)
    wait_until(lambda: not former & set(workers(server)), 20)


def test_no_request_is_lost_and_the_process_stays(serve: Serve) -> None:
    server = serve(APP, "--processes", "2", "--no-access-log", "--keep-alive", "1s")
    has_workers(server, 2)
    crowd = Steady((server.host, server.port))
    crowd.start()
    wait_until(lambda: crowd.answers.total() > 200)
    for _ in range(2):
        upgrade(server)
        has_workers(server, 2)
        assert "-m skitai.master.handover" in command_line(server)
        assert command_line(server).count(f"run {APP} --bind 127.0.0.1:0 --processes 2") == 1
    reload(server)
    crowd.finish()
    assert crowd.failures == []
    assert server.stop(timeout=20) == 0
    said = server.stderr_text()
    assert said.count("in the place of Skitai") == 2
    assert "Traceback" not in said
    # What was counted before is in the sums.
    assert int(said.split("stopped; requests ")[1].split(",")[0]) > 200


def test_a_master_that_has_taken_over_has_all_its_duties(serve_conf: Serve, tmp_path: Path) -> None:
    admin = tmp_path / "admin.sock"
    server = serve_conf(f"[server]\nadmin = unix:{admin}\n[routes:line]\n/ = {APP}\n")
    upgrade(server)
    victim = workers(server)[0]
    os.kill(victim, signal.SIGKILL)
    server.wait_for_text(rf"\[error\] worker {victim} ")
    has_workers(server, 1)
    assert int(ask(server)) in workers(server)
    control = tmp_path / "home" / "run" / "test.control"
    assert control.exists()
    assert admin.exists()
    assert server.stop() == 0
    assert not control.exists()
    assert not admin.exists()


def test_what_cannot_take_over_changes_nothing(serve: Serve, tmp_path: Path) -> None:
    """What is installed by now is half of a Skitai."""
    copy = tmp_path / "installed"
    shutil.copytree(PACKAGE_HOME / "skitai", copy / "skitai", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "site_app.py").write_text(
        "def app(environ, start_response):\n"
        "    start_response('200 OK', [('Content-Length', '2')])\n"
        "    return [b'ok']\n"
    )
    options = ("--processes", "1", "--master", "yes")
    server = serve("site_app:app", *options, cwd=tmp_path, env={"PYTHONPATH": str(copy)})
    former = workers(server)
    whole = (copy / "skitai" / "server.py").read_text()
    (copy / "skitai" / "server.py").write_text("(")
    server.send_signal(signal.SIGUSR2)
    server.wait_for_text(r"\[error\] what is installed cannot take over .exit code 1; ", 20)
    assert workers(server) == former
    assert ask(server, "/") == "ok"
    constants = copy / "skitai" / "_constants.py"
    constants.write_text(constants.read_text() + '\nVERSION = "99.0"\n')
    (copy / "skitai" / "server.py").write_text(whole)
    upgrade(server)
    server.wait_for_text("Skitai 99.0, Python .*, master of instance")
    server.wait_for_text(r"Skitai 99.0 .*, worker of instance")
    assert ask(server, "/") == "ok"
    assert server.stop() == 0


def test_without_a_master_it_says_so(serve: Serve) -> None:
    server = serve(APP)
    server.send_signal(signal.SIGUSR2)
    server.wait_for_text("SIGUSR2 ignored: only a master can change its version")
    assert int(ask(server)) == server.process.pid
