"""A request to a running instance by its control socket, whose mode is the guard."""

from __future__ import annotations

import argparse
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from skitai._lazy import LazyModule
from skitai.core.config.daemon import load_daemon
from skitai.core.places import Places
from skitai.errors import ConfigError
from skitai.launch import CONTROL_SUFFIX, control_file

if TYPE_CHECKING:
    import http.client as http_client
else:  # who serves has the parser, and no use for the rest
    http_client = LazyModule("http.client")

__all__ = ["Unreachable", "add_place", "ask", "control_of"]


_START = "skitaid status tells what runs, skitaid start starts it"


class Unreachable(Exception):
    """``str()`` is a line for who has asked."""


def add_place(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", metavar="NAME", help="of the server, if there are several")
    parser.add_argument("--home", metavar="DIR", help="where run is for a user who is not root")


def control_of(options: argparse.Namespace) -> Path:
    """The socket of the server that ``options`` name (`add_place`).  Raises ConfigError."""
    if sys.platform == "win32":
        raise ConfigError("running servers are asked by unix sockets, which Windows has not")
    run = load_daemon(Places.find(options.home)).run
    if options.name is not None:
        return control_file(run, options.name)
    found = _askable(run)
    if len(found) != 1:
        raise ConfigError(
            f"{'several servers run' if found else 'no server runs'} that can be asked below {run}",
            hint=f"say which: {', '.join(found)}" if found else f"{_START}, or --home DIR if it has another",
        )
    return control_file(run, found[0])


def _askable(run: Path) -> list[str]:
    return sorted(path.name.removesuffix(CONTROL_SUFFIX) for path in run.glob(f"*{CONTROL_SUFFIX}"))


def ask(path: Path, method: str, target: str, patience: float) -> tuple[int, str]:
    """Status and text.  Raises Unreachable."""
    connection = http_client.HTTPConnection("admin", timeout=patience)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            sock.settimeout(patience)
            sock.connect(str(path))
            connection.sock = sock
            connection.request(method, target)
            response = connection.getresponse()
            return response.status, response.read().decode()
    except (OSError, http_client.HTTPException) as error:
        raise Unreachable(_why(error, path, patience)) from error


def _why(error: Exception, path: Path, patience: float) -> str:
    """What is wrong, and how to mend it."""
    name = path.name.removesuffix(CONTROL_SUFFIX)
    if isinstance(error, FileNotFoundError):
        others = ", ".join(_askable(path.parent))
        known = f"there are: {others}" if others else f"{_START}, or --home DIR if it has another"
        return f"no server {name} runs that can be asked (there is no {path}); {known}"
    if isinstance(error, ConnectionRefusedError):
        return f"the server {name} has ended, and left {path} behind; start it: skitaid start {name}"
    if isinstance(error, PermissionError):
        return f"{path} is for root and the user of the server {name} only: ask as one of them"
    if isinstance(error, TimeoutError):
        return f"the server {name} has not answered for {patience:g} s; its server.log may say why"
    told = error.strerror if isinstance(error, OSError) else str(error)
    return f"asking the server {name} at {path} failed: {told or error}; what runs is told by skitaid status"
