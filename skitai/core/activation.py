"""Sockets that the service manager has opened for us (systemd.socket(5), sd_listen_fds(3)).

It hands them down as the descriptors from 3 on and says so in the environment: ``LISTEN_FDS`` how many,
``LISTEN_FDNAMES`` their names, ``LISTEN_PID`` for which process: ours, or skitaid's that has started us.
A port is then open before we start and while we start again, and a server may have one below 1024 without
being root.

Asked at the start and at each reload, by the process that was started: the master where there is one.
The descriptors stay open: an address that one reload has taken out may come back with the next.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping

from skitai.errors import SkitaiError

__all__ = ["NothingHanded", "handed_socket"]

_FIRST = 3


class NothingHanded(SkitaiError):
    """The socket that the settings name was not handed to us; the text says what was."""


def handed_socket(name: str, environ: Mapping[str, str] = os.environ) -> socket.socket:
    """The listening socket of the descriptor with this name or number; an empty name is the only one."""
    handed = _descriptors(environ)
    if not handed:
        raise NothingHanded(
            "the service manager has handed us no socket (LISTEN_FDS is not set for this process); "
            "start it by its .socket unit, or try it with `systemd-socket-activate -l 8000 COMMAND`"
        )
    matching = [number for number, its_name in handed if name in ("", its_name, str(number))]
    if len(matching) != 1:
        what = "several sockets that are meant" if matching else "no such socket"
        known = ", ".join(f"systemd:{number} (named {its_name or 'nothing'})" for number, its_name in handed)
        raise NothingHanded(f"the service manager has handed us {what}; there are {known}")
    return _duplicate(matching[0])


def _descriptors(environ: Mapping[str, str]) -> list[tuple[int, str]]:
    """Numbers and names."""
    count = environ.get("LISTEN_FDS", "")
    # skitaid hands on what it was handed itself, and cannot know the number of a process before there is one.
    if environ.get("LISTEN_PID") not in (str(os.getpid()), str(os.getppid())) or not count.isdecimal():
        return []
    names = environ.get("LISTEN_FDNAMES", "").split(":")
    return [(_FIRST + i, names[i] if i < len(names) else "") for i in range(int(count))]


def _duplicate(number: int) -> socket.socket:
    try:
        # Ours alone from here on: programs that applications start must not keep the port open.
        os.set_inheritable(number, False)
        sock = socket.socket(fileno=os.dup(number))
    except OSError as error:
        raise NothingHanded(f"descriptor {number} is no socket ({error.strerror})") from error
    if sock.type != socket.SOCK_STREAM or not sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        sock.close()
        raise NothingHanded(
            f"descriptor {number} is no socket that listens for connections; "
            "the .socket unit needs ListenStream= and Accept=no"
        )
    return sock
