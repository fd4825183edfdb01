"""``install-win32-service [--startup auto] install|start|stop|remove``: skitaid as a service of Windows."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from typing import Any

from skitai.cli.parsing import Parser
from skitai.daemon.winservice import NAME, TITLE, ServiceManager, control
from skitai.launch import ExitCode, complain

__all__ = ["main"]

#: Seconds for all servers to end.
_PATIENCE = 120


class _Pywin32:
    """The service manager of Windows, by pywin32.  Its errors are no OSErrors; here they become some."""

    def __init__(self) -> None:
        self._service: Any = importlib.import_module("win32service")
        self._util: Any = importlib.import_module("win32serviceutil")
        self._errors: type[Exception] = importlib.import_module("pywintypes").error
        self._class = "skitai.daemon.win32.SkitaidService"

    def state(self) -> str | None:
        try:
            number = self._util.QueryServiceStatus(NAME)[1]
        except self._errors:
            return None
        names = {self._service.SERVICE_RUNNING: "running", self._service.SERVICE_STOPPED: "stopped"}
        return names.get(number, "on its way")

    def install(self, *, is_automatic: bool) -> None:
        self._call(self._util.InstallService, self._class, NAME, TITLE, startType=self._start(is_automatic))

    def change(self, *, is_automatic: bool) -> None:
        self._call(self._util.ChangeServiceConfig, self._class, NAME, startType=self._start(is_automatic))

    def start(self) -> None:
        self._call(self._util.StartService, NAME)

    def stop(self) -> None:
        self._call(self._util.StopServiceWithDeps, NAME, waitSecs=_PATIENCE)

    def remove(self) -> None:
        self._call(self._util.RemoveService, NAME)

    def _start(self, is_automatic: bool) -> Any:
        return self._service.SERVICE_AUTO_START if is_automatic else self._service.SERVICE_DEMAND_START

    def _call(self, function: Any, *arguments: Any, **named: Any) -> None:
        try:
            function(*arguments, **named)
        except self._errors as error:
            raise OSError(f"the service manager says: {error}") from error


def main(arguments: Sequence[str] | None = None, manager: ServiceManager | None = None) -> int:
    """The command; returns the exit code."""
    parser = Parser(
        prog="install-win32-service", description="skitaid as a service of Windows.", allow_abbrev=False
    )
    parser.add_argument(
        "--startup", choices=["auto", "manual"], help="with install: whether it starts at boot"
    )
    parser.add_argument("verb", choices=["install", "start", "stop", "remove"])
    options = parser.parse_args(arguments)
    try:
        print(control(manager or _Pywin32(), options.verb, options.startup))
    except ImportError:
        complain("install-win32-service needs Windows and pywin32: pip install pywin32")
        return ExitCode.FAILURE
    except OSError as error:
        complain(error)
        return ExitCode.FAILURE
    return ExitCode.CLEAN


if __name__ == "__main__":
    sys.exit(main())
