"""HUP: the settings are read anew, new workers serve, and no client notices anything."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import time
from pathlib import Path

import pytest

from tests.live.program import LiveServer, Serve
from tests.live.steady import Steady
from tests.live.test_master import ask, has_workers, is_alive, workers
from tests.waiting import wait_until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no master on Windows")

APP = "tests.live.apps.processes:app"

#: A site whose answer is in its file.
SITE = """
def app(environ, start_response):
    body = {body!r}.encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
"""
CONF = "[server]\n{server}\n[routes:line]\n/ = site_app:app\n"


def reload(server: LiveServer) -> None:
    """HUP, and wait until the new generation serves and the former one has ceased to accept."""
    before = server.stderr_text().count("] reloaded")
    former = workers(server)
    server.send_signal(signal.SIGHUP)
    wait_until(lambda: server.stderr_text().count("] reloaded") > before)
    wait_until(lambda: not any(accepts(server, pid) for pid in former))


def accepts(server: LiveServer, pid: int) -> bool:
    """The listening sockets are what a worker has in common with its master."""
    return bool(sockets(pid) & sockets(server.process.pid))


def sockets(pid: int) -> set[str]:
    found = set()
    try:
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):
                found.add(os.readlink(descriptor))
    except FileNotFoundError:
        return set()  # it has ended
    return {name for name in found if name.startswith("socket:")}


def site(folder: Path, body: str) -> None:
    (folder / "site_app.py").write_text(SITE.format(body=body))


# --- no client notices


@pytest.mark.parametrize("threads", ["0", "8"])
def test_no_request_is_lost(serve: Serve, threads: str) -> None:
    server = serve(APP, "--processes", "2", "--threads", threads, "--no-access-log")
    has_workers(server, 2)
    crowd = Steady((server.host, server.port))
    crowd.start()
    for _ in range(2):
        former = set(workers(server))
        reload(server)
        wait_until(lambda gone=former: not gone & set(workers(server)), 15)
        seen = crowd.answers.total()
        wait_until(lambda seen=seen: crowd.answers.total() > seen + 100)
    crowd.finish()
    assert crowd.failures == []
    assert set(crowd.answers) == {"busy", "pipelined", "resting", "fresh"}
    assert len(crowd.processes) >= 4
    assert server.stop() == 0
    assert "Traceback" not in server.console_text()


@pytest.mark.soak
@pytest.mark.parametrize("threads", ["0", "8"])
def test_a_million_requests_through_twenty_reloads(serve: Serve, threads: str) -> None:
    server = serve(APP, "--processes", "2", "--threads", threads, "--no-access-log")
    has_workers(server, 2)
    crowd = Steady((server.host, server.port), busy=24, pipelined=4, resting=40, fresh_rate=200)
    crowd.start()
    for number in range(1, 21):
        wait_until(lambda due=number * 48_000: crowd.answers.total() > due, 600)
        reload(server)
    wait_until(lambda: crowd.answers.total() > 1_000_000, 600)
    crowd.finish()
    print(dict(crowd.answers), f"closed {crowd.closed}", f"processes {len(crowd.processes)}")
    assert crowd.failures == []
    assert server.stop(timeout=40) == 0
    assert "Traceback" not in server.console_text()


def test_a_request_under_way_is_answered_by_the_old_worker(serve: Serve, tmp_path: Path) -> None:
    server = serve(APP, "--processes", "1", "--master", "yes")
    former = ask(server)
    with server.connect() as wire:
        wire.request("GET", f"/until?{tmp_path}/enough")
        server.wait_for_text(f"begun {tmp_path}/enough")
        reload(server)
        assert ask(server) != former
        (tmp_path / "enough").touch()
        reply = wire.read_reply()
        assert (reply.status, reply.text) == (200, former)
        assert reply.get("Connection") == "close"


def test_an_idle_connection_may_ask_once_more(serve: Serve) -> None:
    """The old worker does not close it: the client may be about to send."""
    server = serve(APP, "--processes", "1", "--master", "yes")
    with server.connect() as wire:
        former = wire.get("/pid").text
        reload(server)
        time.sleep(0.3)
        reply = wire.get("/pid")
        assert reply.text == former
        assert reply.get("Connection") == "close"
        assert wire.is_closed()
    wait_until(lambda: int(former) not in workers(server))


def test_an_idle_connection_is_closed_by_its_own_clock(serve: Serve) -> None:
    server = serve(APP, "--processes", "1", "--master", "yes", "--keep-alive", "1s")
    with server.connect() as wire:
        asked = time.monotonic()
        former = int(wire.get("/pid").text)
        reload(server)
        assert wire.is_closed()
        assert time.monotonic() - asked >= 1.0, "the reload has closed it"
    wait_until(lambda: not is_alive(former))


def test_what_is_sent_behind_the_last_answer_resets_nobody(serve: Serve) -> None:
    """It was sent before the client had read that this answer is the last: the answer must come."""
    server = serve(APP, "--processes", "1", "--master", "yes")
    with server.connect() as wire:
        wire.get("/pid")
        reload(server)
        wire.request("GET", "/sleep?0.3")
        server.wait_for_text("begun 0.3")
        time.sleep(0.6)
        wire.send("GET /late HTTP/1.1\r\nHost: h\r\n\r\n" * 3)
        time.sleep(0.2)
        assert wire.read_reply().status == 200
        assert wire.is_closed()


# --- what is reloaded


def test_the_application_and_the_settings(serve_conf: Serve, tmp_path: Path) -> None:
    site(tmp_path, "one")
    server = serve_conf(CONF.format(server="threads = 2"))
    assert ask(server, "/") == "one"
    site(tmp_path, "two, longer")
    (tmp_path / "test.conf").write_text(CONF.format(server="threads = 3\nprocesses = 2"))
    reload(server)
    assert ask(server, "/") == "two, longer"
    has_workers(server, 2)
    server.wait_for_text(r"worker of instance test, pid \d+, threads 3")


def test_addresses_come_and_go(serve_conf: Serve, tmp_path: Path) -> None:
    site(tmp_path, "one")
    conf = "[listen first]\naddress = 127.0.0.1:0\n[listen second]\naddress = unix:{}\n" + CONF
    server = serve_conf(conf.format("a.sock", server=""))
    assert (tmp_path / "a.sock").exists()
    (tmp_path / "test.conf").write_text(conf.format("b.sock", server=""))
    reload(server)
    assert ask(server, "/") == "one"  # on the port that the system chose at the start
    wait_until(lambda: not (tmp_path / "a.sock").exists())
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(tmp_path / "b.sock"))
        client.sendall(b"GET / HTTP/1.0\r\nHost: h\r\n\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 200")


# --- what cannot be reloaded


def test_a_bad_file_changes_nothing(serve_conf: Serve, tmp_path: Path) -> None:
    site(tmp_path, "one")
    server = serve_conf(CONF.format(server=""))
    former = workers(server)
    (tmp_path / "test.conf").write_text(CONF.format(server="thraeds = 3"))
    server.send_signal(signal.SIGHUP)
    server.wait_for_text("reload refused")
    server.wait_for_text(r"test\.conf:2: .*thraeds")
    assert workers(server) == former
    assert ask(server, "/") == "one"
    # One that is started now gets the text that the others have.
    os.kill(former[0], signal.SIGKILL)
    wait_until(lambda: workers(server) not in ([], former))
    assert ask(server, "/") == "one"


@pytest.mark.parametrize(
    ("sole", "what"),
    [
        (True, "raise LookupError('broken')"),
        (True, "import os; os._exit(1)"),
        (False, "("),
        (False, "app = 3"),
    ],
)
def test_an_application_that_is_broken_now(
    serve: Serve, serve_conf: Serve, tmp_path: Path, what: str, sole: bool
) -> None:
    site(tmp_path, "one")
    if sole:
        server = serve("site_app:app", "--processes", "2", cwd=tmp_path)
        has_workers(server, 2)
    else:
        server = serve_conf(CONF.format(server=""))
    former = workers(server)
    (tmp_path / "site_app.py").write_text(what)
    for times in (1, 2):
        server.send_signal(signal.SIGHUP)
        wait_until(lambda times=times: server.stderr_text().count("reload failed") == times, 10)
        wait_until(lambda: workers(server) == former)
    assert ask(server, "/") == "one"
    site(tmp_path, "two, longer")
    reload(server)
    assert ask(server, "/") == "two, longer"


def test_an_address_that_is_taken(serve_conf: Serve, tmp_path: Path) -> None:
    site(tmp_path, "one")
    conf = "[listen first]\naddress = 127.0.0.1:0\n" + CONF.format(server="")
    server = serve_conf(conf)
    former = workers(server)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        second = f"127.0.0.1:{taken.getsockname()[1]}"
        other = f"[listen fresh]\naddress = unix:b.sock\n[listen second]\naddress = {second}\n"
        (tmp_path / "test.conf").write_text(other + conf)
        server.send_signal(signal.SIGHUP)
        server.wait_for_text(f"cannot listen on {second}: .*\n?.*reload refused")
    assert workers(server) == former
    assert not (tmp_path / "b.sock").exists()
    assert ask(server, "/") == "one"


# --- storms


def test_twenty_reloads_at_once(serve: Serve) -> None:
    server = serve(APP, "--processes", "2", "--no-access-log")
    has_workers(server, 2)
    crowd = Steady((server.host, server.port))
    crowd.start()
    for _ in range(20):
        server.send_signal(signal.SIGHUP)
        time.sleep(0.05)
    wait_until(lambda: len(workers(server)) == 2, 20)
    crowd.finish()
    assert crowd.failures == []
    assert server.stop() == 0
    assert "Traceback" not in server.console_text()


def test_the_end_while_it_reloads(serve: Serve, tmp_path: Path) -> None:
    site(tmp_path, "one")
    server = serve("site_app:app", "--processes", "2", cwd=tmp_path)
    has_workers(server, 2)
    (tmp_path / "site_app.py").write_text("import time\nprint('here', flush=True)\ntime.sleep(60)\n")
    server.send_signal(signal.SIGHUP)
    server.wait_for_text("here")
    pids = workers(server)
    assert len(pids) == 3
    server.send_signal(signal.SIGTERM)
    server.send_signal(signal.SIGHUP)
    assert server.wait(10) == 0
    assert not any(map(is_alive, pids))
