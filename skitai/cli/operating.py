"""``skitai threads|clusters|state|metrics|reload|drain|log-level``: ask a running instance, or tell it
something.

By its control socket, whose mode is the guard: who may not write to it is told so by the system.
"""

from __future__ import annotations

import argparse
import json
from typing import Any
from urllib.parse import urlencode

from skitai.cli.asking import Unreachable, add_place, ask, control_of
from skitai.launch import ExitCode, complain

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
        add_place(parser)
        parser.set_defaults(function=_ask, method="GET" if name in _QUESTIONS else "POST", query="")
    text = "a link to the dashboard, with a token that is good once, for five minutes"
    parser = commands.add_parser("dashboard", help=text, description=f"Print {text}.")
    add_place(parser)
    parser.set_defaults(function=_dashboard)
    parser = commands.add_parser("log-level", help="which records of Python's logging a server writes")
    parser.add_argument("level", choices=["debug", "info", "warning", "error", "critical"])
    add_place(parser)
    parser.set_defaults(function=_ask, method="POST", query="level")


def _ask(options: argparse.Namespace) -> int:
    query = f"?{urlencode({options.query: options.level})}" if options.query else ""
    target = f"/{options.command.replace('state', 'status')}{query}"
    try:
        status, text = ask(control_of(options), options.method, target, _PATIENCE)
    except Unreachable as error:
        complain(error)
        return ExitCode.FAILURE
    if status != 200:
        complain(text.strip())
        return ExitCode.FAILURE
    if options.command == "threads":
        _show_threads(json.loads(text))
    else:
        print(text, end="")
    return ExitCode.CLEAN


def _dashboard(options: argparse.Namespace) -> int:
    path = control_of(options)
    try:
        status, text = ask(path, "POST", "/dashboard/token", _PATIENCE)
    except Unreachable as error:
        complain(error)
        return ExitCode.FAILURE
    if status != 200:
        complain(text.strip())
        return ExitCode.FAILURE
    told = json.loads(text)
    authority = _authority(told["address"])
    if authority is None:
        complain(
            "the dashboard has no address of its own: write admin = 127.0.0.1:9100 in [server] and restart, "
            f"or from another machine: ssh -L 9100:{path} HOST, and open http://localhost:9100/dashboard"
        )
        return ExitCode.FAILURE
    # Behind the # it stays in the browser.
    print(f"http://{authority}/dashboard#{told['token']}")
    return ExitCode.CLEAN


def _authority(address: str) -> str | None:
    """As a browser of this machine has to say it; None for a unix socket, or nothing."""
    host, _, port = address.rpartition(":")
    if not port.isdigit():
        return None
    return f"{'127.0.0.1' if host in ('', '*', '0.0.0.0', '[::]') else host}:{port}"


def _show_threads(told: dict[str, Any]) -> None:
    for pid, threads in told.items():
        if isinstance(threads, str):
            print(f"worker {pid}: {threads}")
            continue
        for thread in threads:
            print(f"worker {pid}, {thread['thread']}")
            for call in thread["stack"]:
                print(f"    {call}")
