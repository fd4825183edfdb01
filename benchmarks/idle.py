"""``python -m benchmarks.idle``: what a server holds that has nothing to do.

For each server, in random order and anew in each round: how long it takes from its start to its first answer,
its memory then, and its memory once so many clients have asked one request each and keep their connections.
Memory is PSS of all processes of the server: what several processes share counts once.  What the kernel holds
for sockets is the same for all, and not in it.  Servers keep idle connections for minutes here, and have no
bound below the number of connections that they get; one that has closed some all the same is told by what it
held.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import importlib.metadata
import os
import random
import resource
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import procfs
from benchmarks.certificates import certificate
from benchmarks.servers import REPO

__all__ = ["COMMANDS", "Figures", "main", "measured"]

#: Seconds that a server has for its start, and a client for an answer.
PATIENCE = 30.0
#: Connections that ask at once; fewer than servers have room for in their queue of new ones.
BATCH = 100
_ASKED = b"GET / HTTP/1.1\r\nHost: testserver\r\n\r\n"
_APP = "benchmarks.apps:hello"

#: Words behind the interpreter's name.
COMMANDS = {
    "skitai": f"-m skitai run {_APP} --bind 127.0.0.1:{{port}} --no-access-log --keep-alive 300 "
    "--connections-max 30000",
    # What a small site has: TLS, files, an application of Saddle's, `was`.
    "skitai-site": "-m skitai.cli.instance -v -f {folder}/site.conf --home {folder} --master no",
    "gunicorn": (
        "-m gunicorn --bind 127.0.0.1:{port} --worker-class gthread --threads 4 --keep-alive 300 "
        f"--worker-connections 30000 --log-level warning {_APP}"
    ),
    "granian": (
        "-m granian --interface wsgi --http 1 --host 127.0.0.1 --port {port} --workers 1 "
        "--backpressure 20000 --http1-header-read-timeout 60000 "
        f"--blocking-threads 1 --no-access-log --log-level warning {_APP}"
    ),
    "waitress": f"-m benchmarks.idle --waitress {_APP} {{port}}",
}
_SITE = """\
[server]
access_log = no
keep_alive = 300
connections_max = 30000
[listen plain]
address = 127.0.0.1:{port}
[listen secure]
address = 127.0.0.1:0
ssl = yes
certfile = {folder}/ECDSA.pem
[routes:line]
/files = files
/ = idlesite:app
"""
_SITE_APP = """\
from skitai import was
from skitai.saddle import Saddle

app = Saddle(__name__)
asks = was.get


@app.route("/")
def index(was):
    return "Hello World"
"""


@dataclass(frozen=True, slots=True)
class Figures:
    """``started``: seconds from the start to the first answer; ``idle`` and ``busy``: MiB without and with
    ``held`` connections."""

    started: float
    idle: float
    busy: float
    held: int


def _waitress(target: str, port: int) -> None:
    """Its bounds are for a select() of a thousand descriptors; poll() is there for more."""
    module, _, name = target.partition(":")
    serve = importlib.import_module("waitress").serve
    app = getattr(importlib.import_module(module), name)
    bounds = {"connection_limit": 30000, "asyncore_use_poll": True, "channel_timeout": 300}
    serve(app, host="127.0.0.1", port=port, **bounds)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
    return port


def _asked(port: int) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
    connection.sendall(_ASKED)
    return connection


def _answered(connection: socket.socket) -> socket.socket:
    answer = b""
    while b"Hello World" not in answer:
        data = connection.recv(4096)
        if not data:
            raise ConnectionError(f"closed behind {answer!r}")
        answer += data
    return connection


def _first_answer(port: int, server: subprocess.Popen[bytes]) -> socket.socket:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and server.poll() is None:
        with contextlib.suppress(OSError):
            return _answered(_asked(port))
        time.sleep(0.005)
    raise SystemExit(f"{server.args!r} did not answer")


@contextlib.contextmanager
def _serving(name: str, port: int) -> Iterator[subprocess.Popen[bytes]]:
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        certificate("ECDSA", folder)
        (folder / "files").mkdir()
        (folder / "idlesite.py").write_text(_SITE_APP, "utf-8")
        (folder / "site.conf").write_text(_SITE.format(port=port, folder=folder), "utf-8")
        command = [sys.executable, *COMMANDS[name].format(port=port, folder=folder).split()]
        server = subprocess.Popen(
            command, cwd=REPO, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            yield server
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGKILL)
            server.wait()


def _held(connections: Sequence[socket.socket]) -> int:
    """How many of them the server has not closed."""
    held = 0
    for connection in connections:
        connection.setblocking(False)
        try:
            connection.recv(1)
        except BlockingIOError:
            held += 1
        except OSError:
            continue
    return held


def measured(name: str, count: int) -> Figures:
    port = _free_port()
    begun = time.monotonic()
    with _serving(name, port) as server, contextlib.ExitStack() as stack:
        stack.enter_context(_first_answer(port, server))
        started = time.monotonic() - begun
        time.sleep(0.5)  # what goes on behind a first answer
        idle = procfs.memory(server.pid)
        connections: list[socket.socket] = []
        while len(connections) < count:
            # Together: a server whose poll() looks at all of them for each would take minutes.
            some = min(BATCH, count - len(connections))
            batch = [stack.enter_context(_asked(port)) for _ in range(some)]
            connections += map(_answered, batch)
        time.sleep(0.5)
        return Figures(started, idle, procfs.memory(server.pid), _held(connections))


def _is_there(name: str) -> bool:
    if name.startswith("skitai"):
        return True
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        return bool(importlib.metadata.version(name))
    return False


def _row(name: str, figures: Sequence[Figures]) -> str:
    started, idle, more, held = (
        statistics.median(values)
        for values in zip(
            *((each.started, each.idle, each.busy - each.idle, each.held) for each in figures), strict=True
        )
    )
    return f"| {name} | {started * 1000:.0f} ms | {idle:.1f} MiB | {more:.1f} MiB | {held:.0f} |"


def main(given: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.idle", description="What idle servers hold.")
    parser.add_argument("--connections", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--servers", nargs="*", choices=COMMANDS, default=list(COMMANDS))
    options = parser.parse_args(given)
    wanted = options.connections + 200
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard != resource.RLIM_INFINITY and hard < wanted:
        parser.error(f"{options.connections} connections need {wanted} descriptors; ulimit -Hn says {hard}")
    # For the servers too, some of which do not raise it themselves.
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted * 2 if hard >= wanted * 2 else hard, hard))
    # Whoever ends us ends the servers, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    names = [name for name in options.servers if _is_there(name)]
    found: dict[str, list[Figures]] = {name: [] for name in names}
    for _ in range(options.rounds):
        for name in random.sample(names, len(names)):
            found[name].append(measured(name, options.connections))
            print(f"{name}: {found[name][-1]}", file=sys.stderr, flush=True)
    print(f"| server | first answer | idle | {options.connections} idle connections more | of these held |")
    print("|---|---|---|---|---|")
    for name, figures in found.items():
        print(_row(name, figures))
    return 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["--waitress"]:
        _waitress(sys.argv[2], int(sys.argv[3]))
    else:
        sys.exit(main())
