"""Started with a socket that was opened before, as a service manager does it."""

from __future__ import annotations

import socket
import subprocess
import sys

import pytest


@pytest.mark.parametrize("master", ["no", "yes"])
def test_the_program_serves_on_it(master: str) -> None:
    """As systemd starts it: the socket is descriptor 3, the process is the one that LISTEN_PID names."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        start = (
            "import os, sys; os.dup2(int(sys.argv[1]), 3); os.environ.update("
            "LISTEN_PID=str(os.getpid()), LISTEN_FDS='1', LISTEN_FDNAMES='web');"
            "os.execv(sys.executable, [sys.executable, '-m', 'skitai', 'run', 'tests.live.apps.edges:app',"
            f"'--bind', 'systemd:web', '--master', '{master}'])"
        )
        program = subprocess.Popen(
            [sys.executable, "-c", start, str(sock.fileno())],
            pass_fds=[sock.fileno()],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            # It was connected to before the program was there.
            with socket.create_connection(sock.getsockname(), timeout=20) as client:
                client.sendall(b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n")
                assert client.recv(100).startswith(b"HTTP/1.1 200 ")
        finally:
            program.terminate()
            assert program.wait(10) == 0
