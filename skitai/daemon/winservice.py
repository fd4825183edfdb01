r"""What Windows' service does, and how it is installed, without a word of Windows' own.

``c:\skitaid`` is its home (`skitai.core.places`).  Servers are started by ``[global] python``, or the
interpreter that installed the service; there is neither master nor mail agent.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Protocol

from skitai.core.config.daemon import DaemonSettings, load_daemon
from skitai.core.layout import lay_out
from skitai.core.logs.journal import Journal
from skitai.core.places import Places
from skitai.daemon.enabled import Enabled
from skitai.daemon.keeper import Keeper, Process, start_process
from skitai.daemon.supervisor import Patience, Supervisor

__all__ = ["NAME", "TITLE", "ServiceManager", "control", "keep"]

NAME = "skitaid"
TITLE = "Skitai, servers of servers-enabled"


class ServiceManager(Protocol):
    """Of the system.  Each raises OSError with its reason."""

    def state(self) -> str | None:
        """``running``, ``stopped`` or on its way; None: it is not installed."""

    def install(self, *, is_automatic: bool) -> None: ...

    def change(self, *, is_automatic: bool) -> None: ...

    def start(self) -> None: ...

    def stop(self) -> None:
        """Returns when it has stopped."""

    def remove(self) -> None: ...


def control(manager: ServiceManager, verb: str, startup: str | None) -> str:
    """Do what ``install-win32-service`` was asked for; a line for people.  Raises OSError.

    What is so already is no mistake: each verb may be repeated.
    """
    state = manager.state()
    if verb == "install":
        if state is None:
            manager.install(is_automatic=startup == "auto")
            return f"{NAME} is installed; install-win32-service start starts it"
        if startup is not None:
            manager.change(is_automatic=startup == "auto")
        return f"{NAME} was installed already"
    if state is None:
        raise OSError(f"{NAME} is not installed: install-win32-service install")
    if verb == "start":
        if state == "stopped":
            manager.start()
        return f"{NAME} runs"
    if state != "stopped":
        manager.stop()
    if verb == "remove":
        manager.remove()
        return f"{NAME} is removed; its files stay"
    return f"{NAME} is stopped"


def keep(wait: Callable[[float], bool]) -> None:
    """Be the service until ``wait`` says that it is to end."""
    places = Places.find(None)
    lay_out(places)
    settings = load_daemon(places)
    journal = Journal(settings.logs, console=False, name="skitaid")
    common = settings.common
    patience = Patience(common.restart_delay_max, common.restart_tries, common.stop_timeout)
    enabled = Enabled(places.servers)
    try:
        spawn = _spawner(settings, enabled)
        Keeper(Supervisor(patience), enabled, journal, spawn, wait).run()
    finally:
        journal.close()


def _spawner(settings: DaemonSettings, enabled: Enabled) -> Callable[[str], Process]:
    python = settings.common.python or sys.executable

    def spawn(name: str) -> Process:
        return start_process(
            [python, "-m", "skitai.cli.instance", "-f", str(enabled.file(name)), "--master=no"]
        )

    return spawn
