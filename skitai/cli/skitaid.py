"""``skitaid``: keep the servers of servers-enabled running, or tell the skitaid that does so."""

from __future__ import annotations

import argparse
import json
import os
import select
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from skitai._constants import VERSION
from skitai._lazy import LazyModule
from skitai.cli.instance import check
from skitai.cli.parsing import Parser
from skitai.cli.piping import ends_with_its_reader
from skitai.core.config import load
from skitai.core.config.daemon import DaemonSettings, load_daemon
from skitai.core.layout import lay_out
from skitai.core.logs.journal import Journal
from skitai.core.logs.options import LogOptions, Rotation
from skitai.core.places import Places
from skitai.daemon.control import Answer, NotRunning, Verb, ask
from skitai.daemon.supervisor import MAIL
from skitai.errors import ConfigError
from skitai.interpreter import INTERPRETER_OPTIONS
from skitai.launch import ExitCode, complain
from skitai.rights import rights_of

if TYPE_CHECKING:
    from skitai.core import listeners, pidfile
    from skitai.daemon import children, enabled, service
else:  # who only asks has no use for them, and they need POSIX
    listeners, pidfile = LazyModule("skitai.core.listeners"), LazyModule("skitai.core.pidfile")
    children, enabled = LazyModule("skitai.daemon.children"), LazyModule("skitai.daemon.enabled")
    service = LazyModule("skitai.daemon.service")

__all__ = ["check_all", "command_parser", "main"]

#: As `Supervisor.status` says it: ended by themselves.
_ENDED = ("resting", "given up")

#: Seconds for what can take as long as requests that are under way.
_PATIENCE = 600.0
#: Seconds between two looks whether a skitaid that starts has ended.
_GLANCE = 0.1
_BACKLOG = 16
#: ``shutdown`` was the gentler one of two ways to end; now all are.
_WORDS_OF_0_11 = {
    "start": Verb.START,
    "restart": Verb.RESTART,
    "shutdown": Verb.STOP,
    "terminate": Verb.STOP,
    "rotate": Verb.ROTATE,
}


def command_parser() -> Parser:
    parser = Parser(
        prog="skitaid",
        description="Keep the servers of servers-enabled running, and the agent that delivers their e-mail.",
        epilog="Without VERB: serve, until it is ended.  With NAMEs: only of these servers.",
        allow_abbrev=False,
    )
    parser.add_argument("-v", "--verbose", action="store_true", help="show all logs on the console too")
    parser.add_argument(
        "--home", metavar="DIR", help="where etc, log, var and run are for a user who is not root"
    )
    parser.add_argument("--json", action="store_true", help="with status: for programs")
    parser.add_argument("--version", action="version", version=f"Skitai {VERSION}")
    parser.add_argument(
        "verb",
        nargs="?",
        metavar="VERB",
        choices=[*(verb.value for verb in Verb), "check"],
        help="start (in the background), stop, restart, reload, status, rotate or check",
    )
    parser.add_argument(
        "-k",
        "--command",
        metavar="COMMAND",
        choices=[f"{word}{suffix}" for suffix in ("", "-all") for word in _WORDS_OF_0_11],
        help="as in 0.11: start, restart, shutdown, terminate or rotate the server of -n; restart-all …",
    )
    parser.add_argument("-n", "--name", metavar="NAME", help="with -k: a server, or smtpda")
    parser.add_argument("names", nargs="*", metavar="NAME", help="a server, or smtpda for the mail agent")
    return parser


@ends_with_its_reader
def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns the exit code."""
    parser = command_parser()
    options = parser.parse_args(arguments)
    places = Places.find(options.home)
    if options.command or options.name:
        _translate(options, parser)
    if sys.platform == "win32" and options.verb != "check":
        complain("skitaid needs POSIX; on Windows install-win32-service keeps servers running")
        return ExitCode.FAILURE
    try:
        if options.verb == "check":
            return check_all(places, options.names)
        if options.verb is None:
            return _serve(options, places)
        return _tell(options, places, Verb(options.verb))
    except ConfigError as error:
        complain(error)
        return ExitCode.CONFIG


def _translate(options: argparse.Namespace, parser: argparse.ArgumentParser) -> None:
    """``-k COMMAND -n NAME`` of 0.11 into verb and names."""
    word, _, is_for_all = (options.command or "").partition("-")
    if options.verb is not None or not word:
        parser.error("-n belongs to -k, and both stand in the place of VERB and NAME")
    if bool(is_for_all) == bool(options.name):
        parser.error(f"-k {options.command} {'is for all' if is_for_all else 'needs -n NAME'}")
    options.verb = _WORDS_OF_0_11[word].value
    options.names = [options.name] if options.name else []


# -- check ---------------------------------------------------------------------------------------------


def check_all(places: Places, names: Iterable[str]) -> int:
    """A line for each problem of skitaid.conf and of the servers: all, or those of ``names``."""
    code = ExitCode.CLEAN
    try:
        settings = load_daemon(places, environ=os.environ)
        rights_of(settings.common.user, settings.common.group)
        print(f"{settings.file}: good")
    except ConfigError as error:
        complain(error)
        code = ExitCode.CONFIG
    for file in _servers(places, names):
        try:
            result = check(load(file, environ=os.environ))
        except ConfigError as error:
            complain(error)
            result = ExitCode.CONFIG
        if result:
            code = ExitCode.CONFIG
    return code


def _servers(places: Places, names: Iterable[str]) -> list[Path]:
    wanted = list(names)
    if wanted:
        return [places.servers / f"{name}{enabled.SUFFIX}" for name in wanted if name != MAIL]
    return sorted(file for file in places.servers.glob(f"*{enabled.SUFFIX}") if file.name[0] != ".")


# -- serve ---------------------------------------------------------------------------------------------


def _serve(options: argparse.Namespace, places: Places) -> int:
    _lay_out(places)
    settings = load_daemon(places)
    rotation = LogOptions(rotation=Rotation("monthly"))
    journal = Journal(settings.logs, console=options.verbose, name="skitaid", options=rotation)
    try:
        for folder in (settings.run, places.servers):
            folder.mkdir(parents=True, exist_ok=True)
        claim = pidfile.PidFile(settings.run / "skitaid.pid")
        control = listeners.bind_unix(_socket_of(settings), settings.common.control_mode, _BACKLOG)
    except (OSError, listeners.BindError) as error:
        return _failed(journal, options, f"skitaid cannot start: {error}")
    except pidfile.AlreadyHeld as error:
        return _failed(journal, options, f"skitaid is already running ({error})")
    if os.geteuid() == 0 and not settings.common.user:
        text = "servers that name no user run as root: give them one, `user` of [global] in skitaid.conf"
        journal.write(text, "warn")
    flags = [*(["--verbose"] if options.verbose else []), *_home_flags(options)]
    is_seen = options.verbose or "JOURNAL_STREAM" in os.environ
    programs = service.Programs(flags, keeps_output=not is_seen)
    watched = enabled.Enabled(places.servers)
    try:
        code = service.Service(
            settings, watched, programs, journal, control, lambda: load_daemon(places)
        ).run()
    finally:
        _socket_of(settings).unlink(missing_ok=True)
        claim.release()
        journal.close()
    return code


def _lay_out(places: Places) -> None:
    written = lay_out(places)
    if written:
        text = f"skitai: there was no configuration; laid out {places.etc} and {places.public / 'sample'}"
        print(text, file=sys.stderr)


def _failed(journal: Journal, options: argparse.Namespace, text: str) -> int:
    journal.write(text, "error")
    if not options.verbose:
        complain(text)
    return ExitCode.FAILURE


def _home_flags(options: argparse.Namespace) -> list[str]:
    return ["--home", options.home] if options.home else []


def _socket_of(settings: DaemonSettings) -> Path:
    return settings.run / "skitaid.sock"


# -- tell ------------------------------------------------------------------------------------------------


def _tell(options: argparse.Namespace, places: Places, verb: Verb) -> int:
    settings = load_daemon(places)
    path = _socket_of(settings)
    try:
        if options.command and verb is Verb.STOP and not options.names:  # all but skitaid
            options.names = [row["name"] for row in ask(path, Verb.STATUS, [], _PATIENCE).programs]
        answer = ask(path, verb, options.names, _PATIENCE)
    except NotRunning as error:
        if verb in (Verb.START, Verb.RESTART) and not options.names:
            return _start_in_background(options)
        complain(error)
        # As LSB has it for scripts of init.
        return ExitCode.NOT_BOOTED if verb is Verb.STATUS else ExitCode.FAILURE
    except PermissionError:
        complain(
            f"{path} is not for this user, whom its mode keeps out: ask as root or as the user of skitaid, "
            "or let a group do so by control_mode of [global] in skitaid.conf"
        )
        return ExitCode.FAILURE
    except OSError as error:
        complain(f"skitaid does not answer at {path}: {error.strerror or error}")
        return ExitCode.FAILURE
    _show(answer, settings, as_json=options.json)
    return ExitCode.CLEAN if answer.ok else ExitCode.FAILURE


def _start_in_background(options: argparse.Namespace) -> int:
    """Wait until all servers are up, or are known not to come up, and say how they stand."""
    places = Places.find(options.home)
    _lay_out(places)
    settings = load_daemon(places)
    output = settings.logs / "stderr.log"
    try:
        for folder in (settings.logs, settings.run):
            folder.mkdir(parents=True, exist_ok=True)
        notify = children.NotifySocket(settings.run / f"start-{os.getpid()}.notify")
        with open(output, "ab") as stream:
            said_before = stream.tell()
            process = subprocess.Popen(
                [sys.executable, *INTERPRETER_OPTIONS, "-m", "skitai.cli.skitaid", *_home_flags(options)],
                env={**os.environ, "NOTIFY_SOCKET": str(notify.path)},
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                start_new_session=True,
            )
    except OSError as error:
        complain(f"skitaid cannot be started: {error}")
        return ExitCode.FAILURE
    try:
        while process.poll() is None:
            select.select([notify.socket], [], [], _GLANCE)
            if any("READY" in message for message in notify.receive()):
                options.names = []
                return _tell(options, places, Verb.STATUS)
    finally:
        notify.close()
    with open(output, "rb") as lines:
        lines.seek(said_before)
        sys.stderr.write(lines.read().decode("utf-8", "replace"))
    return process.returncode


def _show(answer: Answer, settings: DaemonSettings, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(answer.programs, indent=2))
    else:
        for row in answer.programs:
            restarts = f", ended by itself {row['restarts']} times" if row["restarts"] else ""
            says = f": {row['says']}" if row["says"] else ""
            says = _reason(row, settings) or says
            print(f"{row['name']:20} {row['state']} for {_time(row['seconds'])}{restarts}{says}")
    for line in answer.lines:
        if line == "stopped":
            print(line)
        else:
            complain(line)


def _reason(row: Mapping[str, Any], settings: DaemonSettings) -> str:
    """Where it is said why a server does not run."""
    name = row["name"]
    if row["state"] == "refused":
        return f": skitaid check {name} says why"
    if row["state"] not in _ENDED:
        return ""
    log = settings.smtpda_logs / "smtpda.log" if name == MAIL else settings.instance_logs(name) / "server.log"
    # Its own file may put its log elsewhere, or it has ended before it had one.
    logs = [file for file in (log, settings.logs / f"{name}-stderr.log") if file.exists()]
    return f": {logs[0]} says why" if logs else ""


def _time(seconds: float) -> str:
    days, rest = divmod(int(seconds), 86400)
    hours, rest = divmod(rest, 3600)
    clock = f"{hours}:{rest // 60:02}:{rest % 60:02}"
    return f"{days} days {clock}" if days else clock


if __name__ == "__main__":
    sys.exit(main())
