"""A process becomes a master: what is done once, in this order, while it may still be root.

Addresses are bound, those of the instance and those where operators ask; then root is given up; only then
files are opened, for they are to belong to the user.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from skitai.core.config import Settings
from skitai.core.listeners import BindError, bind_tcp, bind_unix
from skitai.core.logs.journal import Journal
from skitai.core.logs.options import LogOptions
from skitai.errors import ConfigError
from skitai.launch import ExitCode, Launch, complain
from skitai.master.generation import Generation
from skitai.master.handover import Estate
from skitai.master.master import Master
from skitai.master.sockets import Sockets
from skitai.notify import ServiceManager
from skitai.rights import Rights, give_up_root

__all__ = ["serve"]

_BACKLOG = 64
_CONTROL_MODE = 0o600


def serve(launch: Launch, settings: Settings) -> int:
    """Be the master until the end; the exit code."""
    folder = launch.log_folder(settings)
    manager = ServiceManager.find()
    sockets = Sockets()
    bound: list[socket.socket] = []
    private = _Private()
    refused: BindError | None = None
    try:
        rights = launch.rights(settings)
        try:
            bound = sockets.bind(settings.listeners)
            private.bind(launch, settings)
        except BindError as error:
            refused = error
        if rights is not None:
            _give_up_root(rights, launch, settings, [*sockets.paths(), *private.paths])
        # Only now: what root had opened, the user could not open anew.
        journal = Journal(folder, console=launch.verbose, options=LogOptions.of(settings.server))
    except ConfigError as error:
        complain(error)
        sockets.close()
        return ExitCode.CONFIG
    if private.complaint:
        journal.write(private.complaint, "warn")
    if refused is not None:
        journal.write(str(refused), "error")
        if not launch.verbose and folder is not None:
            complain(refused)
        return ExitCode.FAILURE
    master = Master(
        Generation(1, launch, settings, bound, journal), sockets, manager, private.sockets, private.paths
    )
    try:
        return master.run()
    finally:
        private.close()


def go_on(estate: Estate) -> int:
    """Be the master in the place of a former version of it, which has left ``estate``; the exit code."""
    launch = Launch.from_json(estate.launch)
    settings = launch.settings()
    notify = None if estate.notify is None else socket.socket(fileno=estate.notify)
    manager = ServiceManager(notify, estate.pulse, estate.lifeline)
    bound = [socket.socket(fileno=number) for number in estate.listeners]
    sockets = Sockets()
    sockets.adopt(settings.listeners, bound)
    private = _Private()
    private.sockets = [(socket.socket(fileno=number), may_change) for number, may_change in estate.private]
    private.paths = [Path(path) for path in estate.paths]
    folder = launch.log_folder(settings)
    journal = Journal(folder, console=launch.verbose, options=LogOptions.of(settings.server))
    first = Generation(
        estate.generation, launch, settings, bound, journal, is_proven=True, broken=frozenset(estate.broken)
    )
    master = Master(first, sockets, manager, private.sockets, private.paths)
    master.inherit(estate)
    try:
        return master.run()
    finally:
        private.close()


class _Private:
    """The sockets where operators ask (`skitai.master.desk`)."""

    def __init__(self) -> None:
        #: The flag says who may change something by it.
        self.sockets: list[tuple[socket.socket, bool]] = []
        self.paths: list[Path] = []
        self.complaint = ""

    def bind(self, launch: Launch, settings: Settings) -> None:
        """Raises BindError where that of the settings cannot be had.  The control socket is ours to choose,
        and no reason not to serve."""
        address = settings.server.admin
        if address is not None and address.path is not None:
            self.sockets.append((bind_unix(address.path, settings.server.socket_mode, _BACKLOG), False))
            self.paths.append(address.path)
        elif address is not None:
            self.sockets.append((bind_tcp(address.host, address.port, _BACKLOG), False))
        path = launch.control_file
        if path is None:
            return
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self.sockets.append((bind_unix(path, _CONTROL_MODE, _BACKLOG), True))
            self.paths.append(path)
        except (OSError, BindError) as error:
            self.complaint = f"operators cannot ask this instance: {error}"

    def close(self) -> None:
        for sock, _ in self.sockets:
            sock.close()
        for path in self.paths:
            with suppress(PermissionError):  # made by root, who we were: the next start replaces it
                path.unlink(missing_ok=True)


def _give_up_root(rights: Rights, launch: Launch, settings: Settings, sockets: Sequence[Path]) -> None:
    """Raises ConfigError."""
    log_folder = launch.log_folder(settings)
    folders = [launch.mail_spool(settings), *([] if log_folder is None else [log_folder])]
    try:
        give_up_root(rights, folders, sockets)
    except OSError as error:
        raise ConfigError(f"the server cannot become user {rights.user}: {error}") from error
