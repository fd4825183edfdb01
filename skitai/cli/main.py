"""``skitai``: serve an application without a configuration file, check one, make a certificate."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from skitai._constants import VERSION
from skitai.cli import cert, completing, gunicorn, installing, mail, operating, project, top
from skitai.cli.instance import check
from skitai.cli.parsing import Parser
from skitai.cli.piping import ends_with_its_reader
from skitai.cli.serving import serve
from skitai.core.config import add_flags, describe, for_app, given_flags, load
from skitai.core.config.daemon import load_daemon
from skitai.core.places import Places
from skitai.errors import ConfigError
from skitai.launch import ExitCode, Launch, complain

__all__ = ["command_parser", "main"]


class _Version(argparse.Action):
    """Asks for the kernels, which a command that becomes a master must not load."""

    def __call__(self, *_: object) -> NoReturn:
        print(f"Skitai {VERSION} ({importlib.import_module('skitai._kernels').implementation()})")
        sys.exit()


def command_parser() -> Parser:
    parser = Parser(
        prog="skitai", description="An application server for Python.", example="skitai run module:app"
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and which build runs")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    run = commands.add_parser(
        "run",
        help="serve one application or folder",
        description=_run.__doc__,
        epilog="Options of gunicorn's mean the same here, or say what to use instead (docs/running.md).",
        allow_abbrev=False,
        example="skitai run module:app, or for a project that runs: skitai new NAME",
    )
    run.add_argument("target", metavar="TARGET", help="module:callable, path/module:callable or a folder")
    run.add_argument("--reload", action="store_true", help="load the application again when its files change")
    run.add_argument("--print-config", action="store_true", help="show every value and where it came from")
    gunicorn.add_options(run)
    add_flags(run, also=gunicorn.SAME)
    run.set_defaults(function=_run)
    checker = commands.add_parser("check", help="check a configuration file", description=_check.__doc__)
    checker.add_argument("conf", metavar="NAME|FILE")
    checker.add_argument("--home", metavar="DIR", help="where etc is for a user who is not root")
    checker.set_defaults(function=_check)
    project.add_command(commands)
    cert.add_command(commands)
    mail.add_command(commands)
    installing.add_command(commands)
    operating.add_command(commands)
    top.add_command(commands)
    completing.add_command(commands)
    return parser


@ends_with_its_reader
def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns the exit code."""
    options = command_parser().parse_args(arguments)
    try:
        code: int = options.function(options)
    except ConfigError as error:
        complain(error)
        return ExitCode.CONFIG
    return code


def _run(options: argparse.Namespace) -> int:
    """Serve TARGET, by default on http://127.0.0.1:5000; logs go to stderr, access lines to stdout."""
    given = given_flags(options)
    if options.reload:
        given["use_reloader"] = "yes"
    # Who names a certificate wants it to be shown.
    if "certfile" in given and "SKITAI_SSL" not in os.environ:
        given.setdefault("ssl", "yes")
    # A developer's machine: open to the world only when asked.
    if not {"ip", "bind"} & given.keys() and not {"SKITAI_IP", "SKITAI_BIND"} & os.environ.keys():
        given["ip"] = "127.0.0.1"
    settings = for_app(options.target, environ=os.environ, overrides=given)
    if options.print_config:
        print(describe(settings), end="")
        return 0
    for problem in settings.problems:
        problem.hint = problem.hint or "skitai new NAME makes a project that runs"
        raise problem
    name = settings.server.name or "run"
    launch = Launch(
        file=None,
        target=options.target,
        overrides=given,
        name=name,
        log_path=None,
        mail_folder=load_daemon(Places.find(None)).mail_folder,
        sole_app=True,
    )
    return serve(launch, settings, with_master=False)


def _check(options: argparse.Namespace) -> int:
    """Say whether the configuration can be followed in full."""
    return check(load(Places.find(options.home).configuration(options.conf), environ=os.environ))
