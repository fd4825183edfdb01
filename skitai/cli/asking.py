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
    found = sorted(run.glob(f"*{CONTROL_SUFFIX}"))
    if len(found) != 1:
        names = ", ".join(path.name.removesuffix(CONTROL_SUFFIX) for path in found)
        raise ConfigError(
            f"{'several servers run' if found else 'no server runs'} that can be asked below {run}",
            hint=f"say which: {names}" if found else "skitaid status, or --home DIR",
        )
    return found[0]


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
        raise Unreachable(
            f"the server does not answer at {path}: {error}; see what runs: skitaid status"
        ) from error
