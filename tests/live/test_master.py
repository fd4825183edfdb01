"""The master: how many workers there are, what becomes of those that end, and how it ends itself."""

from __future__ import annotations

import os
import re
import resource
import signal
import sys
import time
from pathlib import Path

import pytest

from tests.live.program import LiveServer, Serve
from tests.live.steady import Steady
from tests.waiting import wait_until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no master on Windows")

APP = "tests.live.apps.processes:app"


def workers(server: LiveServer) -> list[int]:
    """Process ids, the oldest first; those that have ended and are not waited for are not among them."""
    pid = server.process.pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return sorted(int(child) for child in children if is_alive(int(child)))


def is_alive(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


def ask(server: LiveServer, path: str = "/pid") -> str:
    with server.connect() as wire:
        reply = wire.get(path)
        assert reply.status == 200
        return reply.text


def has_workers(server: LiveServer, count: int) -> None:
    """Wait until so many are ready."""
    wait_until(lambda: len(workers(server)) == count, what=f"{count} workers")
    pattern = r"worker of instance \S+ pid (\d+)"
    wait_until(lambda: set(workers(server)) <= set(map(int, re.findall(pattern, server.stderr_text()))))


# --- how many


def test_workers_serve_and_the_master_does_not(serve: Serve) -> None:
    server = serve(APP, "--processes", "2")
    has_workers(server, 2)
    assert int(ask(server)) in workers(server)
    assert ask(server, "/multiprocess") == "True"


def test_a_plain_run_has_no_master(serve: Serve) -> None:
    server = serve(APP)
    assert int(ask(server)) == server.process.pid
    assert ask(server, "/multiprocess") == "False"


def test_an_instance_has_one_unless_told_otherwise(serve_conf: Serve) -> None:
    conf = "[routes:line]\n/ = tests.live.apps.processes:app\n"
    server = serve_conf(conf)
    assert int(ask(server)) in workers(server)
    server.stop()
    server = serve_conf(conf, "--master", "no")
    assert int(ask(server)) == server.process.pid


def test_ttin_and_ttou_change_their_number(serve: Serve) -> None:
    server = serve(APP, "--processes", "2")
    has_workers(server, 2)
    server.send_signal(signal.SIGTTIN)
    has_workers(server, 3)
    for _ in range(4):
        server.send_signal(signal.SIGTTOU)
        time.sleep(0.05)
    wait_until(lambda: len(workers(server)) == 1, 10)
    assert int(ask(server)) in workers(server)


def test_the_master_is_small(serve: Serve) -> None:
    server = serve(APP, "--processes", "1", "--master", "yes")
    ask(server)
    rollup = Path(f"/proc/{server.process.pid}/smaps_rollup").read_text()
    (private,) = re.findall(r"^Private_Dirty: +(\d+) kB", rollup, re.MULTILINE)
    assert int(private) < 16 * 1024
    modules = Path(f"/proc/{server.process.pid}/maps").read_text()
    assert "_speedups" not in modules


# --- what it does when one ends


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_one_that_ends_is_replaced(serve: Serve, number: signal.Signals) -> None:
    server = serve(APP, "--processes", "2")
    has_workers(server, 2)
    before = workers(server)
    os.kill(before[0], number)
    wait_until(lambda: before[0] not in workers(server))
    has_workers(server, 2)
    server.wait_for_text(rf"\[error\] worker {before[0]} ")
    assert int(ask(server)) in workers(server)


def test_one_is_killed_under_load(serve: Serve) -> None:
    """Its own connections break; all others go on, and the sums keep what it had counted."""
    server = serve(APP, "--processes", "2", "--no-access-log")
    has_workers(server, 2)
    crowd = Steady((server.host, server.port), fresh_rate=20)
    crowd.start()
    wait_until(lambda: crowd.answers.total() > 500)
    victim = workers(server)[0]
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: victim not in workers(server))
    has_workers(server, 2)
    broken = len(crowd.failures)
    assert broken <= 14  # its own: kept ones and what was new at that moment
    seen = crowd.answers.total()
    wait_until(lambda: crowd.answers.total() > seen + 500)
    crowd.finish()
    assert len(crowd.failures) == broken
    assert server.stop() == 0
    (counted,) = re.findall(r"stopped; requests (\d+), .*restarts 1", server.stderr_text())
    # At the last moment of the killed one: answered and not seen, or seen and not counted yet.
    assert abs(crowd.answers.total() - int(counted)) <= 32


def test_one_that_ends_again_and_again_is_started_less_and_less_often(serve: Serve) -> None:
    server = serve(APP, "--processes", "1", "--master", "yes", "--restart-delay-max", "600ms")
    for _ in range(4):
        pid = ask(server)
        with server.connect() as wire:
            wire.request("GET", "/exit")
        wait_until(lambda gone=int(pid): not is_alive(gone))
    server.wait_for_text(r"the next worker is started in 0.25 s")
    server.wait_for_text(r"the next worker is started in 0.5 s")
    wait_until(lambda: server.stderr_text().count("the next worker is started in 0.6 s") == 2)
    assert int(ask(server)) in workers(server)


# --- starts that fail


def test_an_application_that_does_not_import_ends_it(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("raise LookupError('no such thing')\n")
    server = serve("broken:app", "--processes", "2", cwd=tmp_path, ready=False)
    assert server.wait() == 4
    assert server.stderr_text().count("Traceback") == 1  # only one worker has tried


def test_a_worker_that_dies_while_it_starts_ends_it(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "deadly.py").write_text("import os\nos._exit(9)\n")
    server = serve("deadly:app", "--processes", "2", cwd=tmp_path, ready=False)
    assert server.wait() == 3
    assert "ended with exit code 9 before it was ready" in server.stderr_text()


def test_a_worker_that_is_never_ready_ends_it(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "endless.py").write_text("import time\ntime.sleep(60)\n")
    options = ("--processes", "2", "--start-timeout", "500ms")
    server = serve("endless:app", *options, cwd=tmp_path, ready=False)
    assert server.wait() == 3


def test_a_taken_port_is_told(serve: Serve) -> None:
    holder = serve(APP, "--processes", "2")
    bind = f"127.0.0.1:{holder.port}"
    server = serve(APP, "--processes", "2", "--bind", bind, ready=False)
    assert server.wait() == 1
    assert bind in server.stderr_text()
    assert "taken by" in server.stderr_text()


# --- the end


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 0), (signal.SIGQUIT, 130)])
def test_it_ends_with_all_workers(serve: Serve, number: int, status: int) -> None:
    server = serve(APP, "--processes", "2")
    has_workers(server, 2)
    pids = workers(server)
    assert server.stop(number, timeout=10) == status
    assert not any(map(is_alive, pids))
    assert "Traceback" not in server.console_text()


def test_term_lets_requests_finish(serve: Serve, tmp_path: Path) -> None:
    server = serve(APP, "--processes", "2")
    with server.connect() as wire:
        wire.request("GET", f"/until?{tmp_path}/enough")
        server.wait_for_text(f"begun {tmp_path}/enough")
        server.send_signal(signal.SIGTERM)
        wait_until(server.refuses_connections)
        (tmp_path / "enough").touch()
        assert wire.read_reply().status == 200
    assert server.wait(10) == 0


def test_what_does_not_end_in_time_is_ended(serve: Serve) -> None:
    server = serve(APP, "--processes", "1", "--master", "yes", "--shutdown-timeout", "300ms")
    pid = int(ask(server))
    with server.connect() as wire:
        wire.request("GET", "/sleep?60")
        server.wait_for_text("begun 60")
        os.kill(pid, signal.SIGSTOP)  # so that it cannot even give up by itself
        begun = time.monotonic()
        server.stop()
        assert time.monotonic() - begun < 20
    assert not is_alive(pid)


def test_ctrl_c_in_a_terminal_ends_it(serve: Serve) -> None:
    server = serve(APP, "--processes", "2")
    has_workers(server, 2)
    with server.connect() as wire:
        wire.request("GET", "/sleep?60")
        server.wait_for_text("begun 60")
        server.press_ctrl_c()
        assert server.wait(10) == 130
    assert "Traceback" not in server.console_text()


def test_ctrl_c_while_the_application_is_imported(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text("import sys, time\nprint('here', flush=True)\ntime.sleep(60)\n")
    server = serve("slow:app", "--processes", "2", cwd=tmp_path, ready=False)
    server.wait_for_text("here")
    server.press_ctrl_c()
    assert server.wait(10) == 130
    assert "Traceback" not in server.console_text()


def test_workers_end_when_their_master_is_killed(serve: Serve) -> None:
    server = serve(APP, "--processes", "2")
    has_workers(server, 2)
    pids = workers(server)
    with server.connect() as wire:
        wire.request("GET", "/sleep?1")
        server.wait_for_text("begun 1")
        os.kill(server.process.pid, signal.SIGKILL)
        assert wire.read_reply().status == 200  # what was asked is answered
    wait_until(lambda: not any(map(is_alive, pids)))
    assert server.refuses_connections()


def test_the_file_of_a_unix_socket_goes_with_it(serve: Serve, tmp_path: Path) -> None:
    path = tmp_path / "s"
    server = serve(APP, "--processes", "2", "--bind", f"unix:{path}")
    has_workers(server, 2)
    os.kill(workers(server)[0], signal.SIGTERM)
    time.sleep(0.3)
    assert path.exists()
    assert server.stop() == 0
    assert not path.exists()


# --- handlers that never return


def test_a_worker_whose_threads_are_stuck_gets_a_successor(serve: Serve) -> None:
    options = ("--processes", "1", "--master", "yes", "--threads", "4", "--response-timeout", "300ms")
    server = serve(APP, *options)
    former = int(ask(server))
    for _ in range(2):
        with server.connect() as wire:
            assert wire.get("/hang").status == 503
    server.wait_for_text(f"worker {former} is worn out")
    wait_until(lambda: former not in workers(server), 10)
    assert int(ask(server)) != former
    assert server.stop() == 0
    assert re.search(r"stopped; .* overdue 2, restarts 0", server.stderr_text())


def test_handlers_that_return_late_wear_nobody_out(serve: Serve) -> None:
    options = ("--processes", "1", "--master", "yes", "--threads", "4", "--response-timeout", "300ms")
    server = serve(APP, *options)
    former = int(ask(server))
    for _ in range(3):
        with server.connect() as wire:
            assert wire.get("/sleep?0.6").status == 503
        time.sleep(0.6)
    assert int(ask(server)) == former


def test_without_a_master_the_log_says_what_would_help(serve: Serve) -> None:
    server = serve(APP, "--threads", "2", "--response-timeout", "300ms")
    with server.connect() as wire:
        assert wire.get("/hang").status == 503
    server.wait_for_text("--master yes")
    assert int(ask(server)) == server.process.pid


def test_a_master_without_descriptors_goes_on(serve: Serve) -> None:
    """It cannot start a successor then, and must try again, not end and not spin."""
    server = serve(APP, "--processes", "2")
    has_workers(server, 2)
    used = len(os.listdir(f"/proc/{server.process.pid}/fd"))
    limits = resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (used - 1, limits[1]))
    os.kill(workers(server)[0], signal.SIGKILL)
    server.wait_for_text("a worker cannot be started: .*Too many open files")
    assert int(ask(server)) in workers(server)
    resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, limits)
    has_workers(server, 2)
    assert server.stop() == 0
