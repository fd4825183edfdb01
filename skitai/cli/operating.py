"""``skitai threads|clusters|state|metrics|reload|drain|log-level``: ask a running instance, or tell it
something.

By its control socket, whose mode is the guard: who may not write to it is told so by the system.
"""

from __future__ import annotations

import argparse
import json
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from skitai._lazy import LazyModule
from skitai.core.config.daemon import load_daemon
from skitai.core.places import Places
from skitai.errors import ConfigError
from skitai.launch import CONTROL_SUFFIX, ExitCode, complain, control_file

if TYPE_CHECKING:
    import http.client as http_client
else:  # who serves has the parser, and no use for the rest
    http_client = LazyModule("http.client")

__all__ = ["add_command"]

#: Seconds for a reload that waits for workers.
_PATIENCE = 120.0

_QUESTIONS = {
    "threads": "what each thread of each worker is doing: its Python stack",
    "clusters": "members of clusters: what is under way, how quick they are, who is ejected",
    "state": "what was.status() shows, of each worker",
    "metrics": "what Prometheus is told",
}
_ORDERS = {
    "reload": "follow the configuration file as it is now, without loss; returns when that is done",
    "drain": "say no to readiness checks, and serve on",
}


def add_command(commands: argparse._SubParsersAction[Any]) -> None:
    for name, text in (*_QUESTIONS.items(), *_ORDERS.items()):
        parser = commands.add_parser(name, help=text, description=f"Ask a running server: {text}.")
        _add_place(parser)
        parser.set_defaults(function=_ask, method="GET" if name in _QUESTIONS else "POST", query="")
    parser = commands.add_parser("log-level", help="which records of Python's logging a server writes")
    parser.add_argument("level", choices=["debug", "info", "warning", "error", "critical"])
    _add_place(parser)
    parser.set_defaults(function=_ask, method="POST", query="level")


def _add_place(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", metavar="NAME", help="of the server, if there are several")
    parser.add_argument("--home", metavar="DIR", help="where run is for a user who is not root")


def _ask(options: argparse.Namespace) -> int:
    if sys.platform == "win32":
        raise ConfigError("running servers are asked by unix sockets, which Windows has not")
    run = load_daemon(Places.find(options.home)).run
    path = _control_file(run, options.name)
    query = f"?{urlencode({options.query: options.level})}" if options.query else ""
    connection = http_client.HTTPConnection("admin", timeout=_PATIENCE)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            sock.settimeout(_PATIENCE)
            sock.connect(str(path))
            connection.sock = sock
            connection.request(options.method, f"/{options.command.replace('state', 'status')}{query}")
            response = connection.getresponse()
            text = response.read().decode()
    except (OSError, http_client.HTTPException) as error:
        complain(f"the server does not answer at {path}: {error}; see what runs: skitaid status")
        return ExitCode.FAILURE
    if response.status != 200:
        complain(text.strip())
        return ExitCode.FAILURE
    if options.command == "threads":
        _show_threads(json.loads(text))
    else:
        print(text, end="")
    return ExitCode.CLEAN


def _control_file(run: Path, name: str | None) -> Path:
    if name is not None:
        return control_file(run, name)
    found = sorted(run.glob(f"*{CONTROL_SUFFIX}"))
    if len(found) != 1:
        names = ", ".join(path.name.removesuffix(CONTROL_SUFFIX) for path in found)
        raise ConfigError(
            f"{'several servers run' if found else 'no server runs'} that can be asked below {run}",
            hint=f"say which: {names}" if found else "skitaid status, or --home DIR",
        )
    return found[0]


def _show_threads(told: dict[str, Any]) -> None:
    for pid, threads in told.items():
        if isinstance(threads, str):
            print(f"worker {pid}: {threads}")
            continue
        for thread in threads:
            print(f"worker {pid}, {thread['thread']}")
            for call in thread["stack"]:
                print(f"    {call}")
