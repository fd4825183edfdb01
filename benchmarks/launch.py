"""Start a server without a command line that serves: ``python -m benchmarks.launch NAME APP PORT [MORE]``.

A child process of the harness runs this, never the harness itself.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import logging
import os
import socket
import subprocess
import sys
import time
import types
from pathlib import Path
from typing import Any

from benchmarks.programs import nginx


def bjoern(app: Any, port: int) -> None:
    importlib.import_module("bjoern").run(app, "127.0.0.1", port)


def fastwsgi(app: Any, port: int) -> None:
    # fastwsgi 0.0.9 asks pkg_resources for its own version when it is imported, and
    # setuptools no longer has pkg_resources.
    stand_in = types.ModuleType("pkg_resources")
    stand_in.__dict__["get_distribution"] = importlib.metadata.distribution
    sys.modules.setdefault("pkg_resources", stand_in)
    importlib.import_module("fastwsgi").run(app, "127.0.0.1", port)


def waitress(app: Any, port: int, threads: str = "4") -> None:
    # It warns of each request that finds no thread free: under full load a line for each
    # request, and here no server writes those.  Its own command line cannot say so.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    importlib.import_module("waitress").serve(app, host="127.0.0.1", port=port, threads=int(threads))


def gunicorn_behind_nginx(target: str, port: str, folder: str) -> None:
    """gunicorn on the unix socket that nginx's settings in ``folder`` name, and once that is there nginx,
    which this process becomes.  Who ends the session ends both."""
    path = Path(folder) / f"gunicorn-{port}.sock"
    command = f"-m gunicorn --bind unix:{path} --worker-class gthread --threads 4 --keep-alive 10"
    gunicorn = subprocess.Popen([sys.executable, *command.split(), "--log-level", "warning", target])
    while not path.exists() and gunicorn.poll() is None:
        time.sleep(0.05)
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))  # to wait until it answers: nginx would say 502
        client.sendall(b"GET / HTTP/1.0\r\n\r\n")
        client.recv(1)
    program = nginx() or "nginx"
    os.execv(program, [program, "-p", folder, "-c", f"{folder}/gunicorn-gzip-{port}.conf"])


def main(name: str, target: str, port: str, *more: str) -> None:
    if name == "gunicorn-behind-nginx":
        gunicorn_behind_nginx(target, port, *more)
    module, _, attribute = target.partition(":")
    app = getattr(importlib.import_module(module), attribute)
    {"bjoern": bjoern, "fastwsgi": fastwsgi, "waitress": waitress}[name](app, int(port), *more)


if __name__ == "__main__":
    main(*sys.argv[1:])
