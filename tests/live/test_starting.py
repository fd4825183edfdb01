"""How it begins: addresses it can and cannot have, and odd surroundings.

What goes wrong at start ends with one clear text for a person and no traceback.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest

from tests.live.program import LiveServer, Serve
from tests.live.wire import Wire
from tests.waiting import wait_until

APP = "tests.live.apps.blocking:app"


def failure_of(server: LiveServer) -> tuple[int, str]:
    """Exit status and stderr of a server that does not start."""
    code = server.wait()
    text = server.stderr_text()
    assert "Traceback" not in text
    return code, text


def unix_connect(path: Path) -> Wire:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.settimeout(5)
    sock.connect(str(path))
    return Wire(sock)


@pytest.fixture
def need_ipv6(missing: Callable[[str], NoReturn]) -> None:
    try:
        with socket.socket(socket.AF_INET6) as sock:
            sock.bind(("::1", 0))
    except OSError:
        missing("IPv6 on the loopback interface")


# --- ports


def test_a_taken_port_says_who_has_it_and_where(serve: Serve) -> None:
    holder = serve(APP)
    code, text = failure_of(serve(APP, "--bind", f"127.0.0.1:{holder.port}", ready=False))
    assert code == 1
    assert f"127.0.0.1:{holder.port}" in text
    assert str(holder.process.pid) in text


def test_a_port_below_1024_says_the_remedy(
    serve: Serve, require_program: Callable[[str], str], missing: Callable[[str], NoReturn]
) -> None:
    limit = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")
    if not limit.exists() or int(limit.read_text()) <= 81:
        missing("privileged ports")
    # As root the privilege must be put down first; another user has none.
    setpriv = (
        require_program("setpriv"),
        *("--bounding-set", "-net_bind_service", "--inh-caps", "-net_bind_service"),
    )
    prefix = setpriv if os.geteuid() == 0 else ()
    code, text = failure_of(serve(APP, "--bind", "127.0.0.1:81", prefix=prefix, ready=False))
    assert code == 1
    assert "127.0.0.1:81" in text
    assert "1024" in text


def test_an_address_of_another_machine_is_named(serve: Serve) -> None:
    code, text = failure_of(serve(APP, "--bind", "192.0.2.1:0", ready=False))
    assert code == 1
    assert "192.0.2.1" in text


# --- addresses


@pytest.mark.usefixtures("need_ipv6")
def test_an_empty_ip_is_both_ipv4_and_ipv6(serve: Serve) -> None:
    server = serve(APP, "--bind", ":0")
    for host in ("127.0.0.1", "::1"):
        with server.connect(host) as wire:
            # IPv4 clients are shown as such, not as ::ffff:127.0.0.1.
            assert json.loads(wire.get("/").body)["REMOTE_ADDR"] == host
    server.wait_for_text(r"127\.0\.0\.1:\d+ GET / ")


@pytest.mark.usefixtures("need_ipv6")
def test_an_ipv6_address(serve: Serve) -> None:
    server = serve(APP, "--bind", "[::1]:0")
    assert server.url == f"http://[::1]:{server.port}"
    with server.connect() as wire:
        assert json.loads(wire.get("/").body)["REMOTE_ADDR"] == "::1"


def test_several_addresses(serve: Serve, tmp_path: Path) -> None:
    path = tmp_path / "s"
    server = serve(APP, "--bind", "127.0.0.1:0", "--bind", f"unix:{path}")
    with server.connect() as wire:
        assert wire.get("/").status == 200
    with unix_connect(path) as wire:
        assert wire.get("/").status == 200


# --- unix sockets


def test_a_unix_socket_has_its_mode_and_goes_with_the_server(serve: Serve, tmp_path: Path) -> None:
    path = tmp_path / "s"
    server = serve(APP, "--bind", f"unix:{path}", "--socket-mode", "600")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with unix_connect(path) as wire:
        assert wire.get("/").status == 200
    assert server.stop() == 0
    assert not path.exists()


def test_a_stale_socket_file_is_replaced(serve: Serve, tmp_path: Path) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    serve(APP, "--bind", f"unix:{path}")
    with unix_connect(path) as wire:
        assert wire.get("/").status == 200


def test_a_live_socket_file_is_left_alone(serve: Serve, tmp_path: Path) -> None:
    path = tmp_path / "s"
    serve(APP, "--bind", f"unix:{path}")
    code, text = failure_of(serve(APP, "--bind", f"unix:{path}", ready=False))
    assert code == 1
    assert str(path) in text
    with unix_connect(path) as wire:
        assert wire.get("/").status == 200


def test_a_file_that_is_no_socket_is_left_alone(serve: Serve, tmp_path: Path) -> None:
    path = tmp_path / "precious"
    path.write_text("data")
    code, text = failure_of(serve(APP, "--bind", f"unix:{path}", ready=False))
    assert code == 1
    assert str(path) in text
    assert path.read_text() == "data"


# --- surroundings


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_it_runs_without_standard_streams(serve: Serve, tmp_path: Path, closed: str) -> None:
    path = tmp_path / "s"
    shell = ("sh", "-c", f'exec "$@" {closed}', "sh")
    server = serve(APP, "--bind", f"unix:{path}", prefix=shell, ready=False)
    wait_until(lambda: path.exists() or server.process.poll() is not None, 10)
    assert server.process.poll() is None, server.console_text()
    for _ in range(3):
        with unix_connect(path) as wire:
            assert wire.get("/").status == 200
    assert server.stop() == 0


def test_a_reader_of_its_log_that_leaves_does_not_end_it(serve: Serve, tmp_path: Path) -> None:
    path = tmp_path / "s"
    shell = ("sh", "-c", '"$@" 2>&1 | true', "sh")
    serve(APP, "--bind", f"unix:{path}", prefix=shell, ready=False)
    wait_until(path.exists, 10)
    for _ in range(3):
        with unix_connect(path) as wire:
            pid = json.loads(wire.get("/").body)["pid"]
    # The process that was started is the shell; the server told its own id.
    os.kill(pid, signal.SIGTERM)
    wait_until(lambda: not path.exists())


def test_it_runs_with_an_arbitrary_uid(
    serve: Serve, require_program: Callable[[str], str], missing: Callable[[str], NoReturn]
) -> None:
    """As OpenShift does it: a uid without a name, a home or any right but to read."""
    if os.geteuid() != 0:
        missing("root, to become another user")
    stranger = (
        require_program("setpriv"),
        *("--reuid", "12345", "--regid", "12345", "--clear-groups"),
        # So that it may read a checkout and a Python below /root.
        *("--inh-caps", "+dac_read_search", "--ambient-caps", "+dac_read_search"),
    )
    env = {"HOME": "/nonexistent", "PYTHONDONTWRITEBYTECODE": "1"}
    server = serve(APP, prefix=stranger, env=env)
    with server.connect() as wire:
        assert wire.get("/").status == 200
    assert server.stop() == 0


def test_an_unwritable_log_folder_names_home(serve_conf: Serve, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    conf = "[server]\nlog_path = file/logs\n[routes:line]\n/ = .\n"
    code, text = failure_of(serve_conf(conf, ready=False))
    assert code != 0
    assert "--home" in text
    assert "file/logs" in text
