"""The listening sockets of an instance.  They are bound once and outlive workers and reloads.

A reload opens what is new first and closes what is no more wanted last, so that an address that
stays is never without a socket, and a failure leaves everything as it was.
"""

from __future__ import annotations

import os
import socket
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from skitai.core.config import Address, ListenSettings
from skitai.core.listeners import bind

__all__ = ["Sockets"]

#: An address, and the how-many-th of its kind: port 0 may be asked for twice.
_Key = tuple[Address, int]


class Sockets:
    def __init__(self) -> None:
        self._open: dict[_Key, socket.socket] = {}

    def bind(self, listeners: Iterable[ListenSettings]) -> list[socket.socket]:
        """A socket for each, those that are open already among them.  Raises BindError, and nothing
        has changed."""
        fresh: dict[_Key, socket.socket] = {}
        found: list[socket.socket] = []
        for key, listener in _keyed(listeners):
            try:
                sock = self._open.get(key) or bind(listener)
            except BaseException:
                for other, opened in fresh.items():
                    _close(other, opened)
                raise
            if key in self._open:
                _adjust(sock, listener)
            else:
                fresh[key] = sock
            found.append(sock)
        self._open |= fresh
        return found

    def adopt(self, listeners: Iterable[ListenSettings], sockets: Iterable[socket.socket]) -> None:
        """Those that a former version of this process has bound for ``listeners``."""
        self._open = {key: sock for (key, _), sock in zip(_keyed(listeners), sockets, strict=True)}

    def keep_only(self, listeners: Iterable[ListenSettings]) -> None:
        """Close those that none of ``listeners`` is for."""
        wanted = {key for key, _ in _keyed(listeners)}
        for key in [key for key in self._open if key not in wanted]:
            _close(key, self._open.pop(key))

    def paths(self) -> list[Path]:
        """The files of unix sockets."""
        return [address.path for address, _ in self._open if address.path is not None]

    def close(self) -> None:
        """Give up the descriptors: workers that still have them go on accepting.  The files of unix
        sockets go, so that nobody connects to what is about to end."""
        self.keep_only(())


def _keyed(listeners: Iterable[ListenSettings]) -> Sequence[tuple[_Key, ListenSettings]]:
    seen: Counter[Address] = Counter()
    keyed = []
    for listener in listeners:
        keyed.append(((listener.address, seen[listener.address]), listener))
        seen[listener.address] += 1
    return keyed


def _adjust(sock: socket.socket, listener: ListenSettings) -> None:
    """What can be changed about a socket that stays open."""
    if listener.address.handed is None:
        sock.listen(listener.backlog)
    if listener.address.path is not None:
        os.chmod(listener.address.path, listener.socket_mode)


def _close(key: _Key, sock: socket.socket) -> None:
    path: Path | None = key[0].path
    sock.close()
    if path is not None:
        with suppress(PermissionError):  # made by root, who we were: the next start replaces it
            path.unlink(missing_ok=True)
