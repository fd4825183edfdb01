"""A server under comparison: its command line, and the process while it runs.

Each server is a process group of its own, pinned to one core, so that the CPU time of all
its processes can be read from ``/proc`` (Linux) and the group can be ended as a whole.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

__all__ = ["COMMANDS", "Server", "running"]

REPO = Path(__file__).resolve().parent.parent
APP = "benchmarks.hello:app"
START_TIMEOUT = 10.0
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")

# One process, four threads, no access log: what each does by default or can be told to do.
COMMANDS = {
    "skitai": f"-m skitai run {APP} --bind 127.0.0.1:PORT --threads 4 --no-access-log",
    "waitress": f"-m waitress --listen 127.0.0.1:PORT --threads 4 {APP}",
    "gunicorn": (
        "-m gunicorn --bind 127.0.0.1:PORT --worker-class gthread --threads 4 "
        f"--keep-alive 10 --log-level warning {APP}"
    ),
}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def group_cpu_seconds(group: int) -> float:
    """User and system time of all living processes of the process group, in seconds."""
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # the process has ended since the listing
            # After the name, which may hold spaces: state ppid pgrp ... utime stime (proc(5)).
            fields = stat.read_text().rpartition(")")[2].split()
            if int(fields[2]) == group:
                ticks += int(fields[11]) + int(fields[12])
    return ticks / TICKS_PER_SECOND


class Server:
    """A running server; ``url`` is where its application answers."""

    def __init__(self, name: str, core: int) -> None:
        self.name = name
        port = free_port()
        self.url = f"http://127.0.0.1:{port}/"
        self._address = ("127.0.0.1", port)
        self._output = tempfile.TemporaryFile("w+")  # noqa: SIM115 (lives as long as the server)
        arguments = COMMANDS[name].replace("PORT", str(port)).split()
        self._process = subprocess.Popen(
            ["taskset", "--cpu-list", str(core), sys.executable, *arguments],
            cwd=REPO,
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def cpu_seconds(self) -> float:
        return group_cpu_seconds(self._process.pid)

    def wait_ready(self) -> None:
        """Return when it accepts; SystemExit with its own words if it does not."""
        deadline = time.monotonic() + START_TIMEOUT
        while self._process.poll() is None and time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(self._address, 0.2):
                return
            time.sleep(0.05)
        self._output.seek(0)
        raise SystemExit(f"{self.name} does not listen on {self.url}:\n{self._output.read()[-2000:]}")

    def stop(self) -> None:
        for sign in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, sign)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(5)
                break
        self._output.close()


@contextlib.contextmanager
def running(names: list[str], core: int) -> Iterator[list[Server]]:
    """All of them at once: the ones that are not measured are idle."""
    with contextlib.ExitStack() as stack:
        servers = []
        for name in names:
            servers.append(Server(name, core))
            stack.callback(servers[-1].stop)
        for server in servers:
            server.wait_ready()
        yield servers
