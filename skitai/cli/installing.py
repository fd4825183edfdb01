"""``skitai install-service``: have the system start skitaid at boot."""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from skitai._lazy import LazyModule
from skitai.core.config.daemon import load_daemon
from skitai.core.layout import lay_out
from skitai.core.places import Places
from skitai.errors import ConfigError
from skitai.interpreter import INTERPRETER_OPTIONS
from skitai.launch import ExitCode

if TYPE_CHECKING:
    from skitai.cli import units
else:
    units = LazyModule("skitai.cli.units")

__all__ = ["add_command"]


@dataclass(frozen=True, slots=True)
class _Service:
    """A file to be written, and what to type behind it."""

    file: Path
    text: str
    mode: int
    next_steps: str


def add_command(commands: argparse._SubParsersAction[Any]) -> None:
    parser = commands.add_parser(
        "install-service", help="start skitaid at boot", description=_install.__doc__, allow_abbrev=False
    )
    parser.add_argument(
        "--home", metavar="DIR", help="where etc, log, var and run are for a user who is not root"
    )
    parser.add_argument(
        "--init", choices=["systemd", "sysv"], help="which kind; otherwise the one that the machine runs"
    )
    parser.add_argument("--print", action="store_true", help="show the file and write nothing")
    parser.add_argument("--force", action="store_true", help="replace an earlier one that was changed")
    parser.set_defaults(function=_install)


def _install(options: argparse.Namespace) -> int:
    """Write what starts skitaid at boot: as root a unit of systemd for the machine, or a script for System
    V's init; as an ordinary user a unit of their own. Lay out the configuration where there is none."""
    if sys.platform == "win32":
        raise ConfigError("Windows has services of its own kind", hint="use install-win32-service")
    places = Places.find(options.home)
    kind = options.init or ("systemd" if Path("/run/systemd/system").is_dir() else "sysv")
    service = _service(options, places, kind, is_root=os.geteuid() == 0)
    if options.print:
        print(service.text, end="")
        return ExitCode.CLEAN
    _write(service, is_forced=options.force)
    written = lay_out(places)
    print(f"{service.file}: written")
    print(f"{places.etc}: the configuration" + ("" if written else ", as it was"))
    print(f"\n{service.next_steps}")
    return ExitCode.CLEAN


def _service(options: argparse.Namespace, places: Places, kind: str, *, is_root: bool) -> _Service:
    home = ["--home", str(Path(options.home).absolute())] if options.home else []
    command = [*_skitaid(), *home]
    if kind == "sysv":
        if not is_root and not options.print:
            raise ConfigError("only root can install a script of System V's init", hint="--print shows it")
        steps = "service skitaid start\nupdate-rc.d skitaid defaults    (or: chkconfig skitaid on)"
        return _Service(Path("/etc/init.d/skitaid"), units.sysv_script(command), 0o755, steps)
    stop_timeout = load_daemon(places).common.stop_timeout
    if is_root:
        file = Path("/etc/systemd/system/skitaid.service")
        steps = "systemctl daemon-reload\nsystemctl enable --now skitaid"
        return _Service(
            file, units.system_unit(command, stop_timeout, home[-1] if home else ""), 0o644, steps
        )
    config = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    steps = (
        "systemctl --user daemon-reload\nsystemctl --user enable --now skitaid\n"
        "loginctl enable-linger    (to run without being logged in)"
    )
    text = units.user_unit(command, stop_timeout)
    return _Service(config / "systemd" / "user" / "skitaid.service", text, 0o644, steps)


def _skitaid() -> list[str]:
    """The command as it was installed beside our interpreter; in a checkout that has none, by module."""
    script = Path(sys.executable).with_name("skitaid")
    if script.is_file():
        return [str(script)]
    return [sys.executable, *INTERPRETER_OPTIONS, "-m", "skitai.cli.skitaid"]


def _write(service: _Service, *, is_forced: bool) -> None:
    try:
        if service.file.exists() and service.file.read_text("utf-8") != service.text and not is_forced:
            raise ConfigError(
                f"{service.file} is there and says something else",
                hint="--force replaces it, --print shows ours",
            )
        service.file.parent.mkdir(parents=True, exist_ok=True)
        service.file.write_text(service.text, "utf-8")
        service.file.chmod(service.mode)
    except OSError as error:
        raise ConfigError(f"{service.file} cannot be written: {error.strerror}") from error
