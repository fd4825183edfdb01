"""Binding: what listens in the end, and what is said where that cannot be."""

from __future__ import annotations

import errno
import os
import socket
import stat
from pathlib import Path

import pytest

from skitai.core.listeners import BindError, bind_tcp, bind_unix, describe


def test_a_host_and_a_port_of_the_systems_choice() -> None:
    with bind_tcp("127.0.0.1", 0, 8) as sock:
        host, port = sock.getsockname()
        assert describe(sock, "http") == f"http://127.0.0.1:{port}"
        socket.create_connection((host, port)).close()


def test_every_interface_is_one_socket() -> None:
    with bind_tcp("", 0, 8) as sock:
        socket.create_connection(("127.0.0.1", sock.getsockname()[1])).close()


def test_a_taken_port_names_its_holder() -> None:
    with bind_tcp("127.0.0.1", 0, 8) as sock:
        port = sock.getsockname()[1]
        with pytest.raises(BindError, match=rf"127\.0\.0\.1:{port}: the port is taken by .*{os.getpid()}"):
            bind_tcp("127.0.0.1", port, 8)


def test_a_port_that_is_taken_between_bind_and_listen(monkeypatch: pytest.MonkeyPatch) -> None:
    class Late(socket.socket):
        def listen(self, backlog: int = 0, /) -> None:
            raise OSError(errno.EADDRINUSE, "Address already in use")

    monkeypatch.setattr(socket, "socket", Late)
    with pytest.raises(BindError, match="the port is taken"):
        bind_tcp("127.0.0.1", 0, 8)


def test_no_address_of_this_machine() -> None:
    with pytest.raises(BindError, match=r"'192\.0\.2\.1' is no address of this machine"):
        bind_tcp("192.0.2.1", 0, 8)


def test_a_unix_socket_has_its_mode_and_replaces_a_dead_one(tmp_path: Path) -> None:
    path = tmp_path / "server.sock"
    bind_unix(path, 0o660, 8).close()  # its file stays, and nobody listens
    with bind_unix(path, 0o600, 8) as sock:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert describe(sock, "http") == f"unix:{path}"
        with pytest.raises(BindError, match="another server is listening there"):
            bind_unix(path, 0o600, 8)


def test_a_file_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "precious"
    path.write_text("data")
    with pytest.raises(BindError, match="taken by something that is no socket"):
        bind_unix(path, 0o660, 8)
    assert path.read_text() == "data"
