"""``skitaid-instance -f NAME|FILE``: one instance by its configuration file."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from skitai._constants import VERSION
from skitai.cli.parsing import Parser
from skitai.cli.piping import ends_with_its_reader
from skitai.cli.serving import serve
from skitai.core.config import Settings, add_flags, describe, given_flags, load, text_of
from skitai.core.config.daemon import load_daemon
from skitai.core.layout import lay_out
from skitai.core.places import Places
from skitai.errors import ConfigError
from skitai.launch import ExitCode, Launch, complain
from skitai.rights import rights_of

__all__ = ["check", "command_parser", "main"]


def command_parser() -> Parser:
    parser = Parser(
        prog="skitaid-instance", description="Serve what one configuration file says.", allow_abbrev=False
    )
    parser.add_argument(
        "-f",
        "--conf",
        required=True,
        metavar="NAME|FILE",
        help="a file, or NAME of servers-enabled/NAME.conf",
    )
    parser.add_argument("-v", "--verbose", action="store_true", help="show the logs on the console too")
    parser.add_argument("-t", "--test", action="store_true", help="check the configuration and exit")
    parser.add_argument("--home", metavar="DIR", help="where etc and log are for a user who is not root")
    parser.add_argument("--print-config", action="store_true", help="show every value and where it came from")
    parser.add_argument("--version", action="version", version=f"Skitai {VERSION}")
    add_flags(parser)
    return parser


@ends_with_its_reader
def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns the exit code."""
    options = command_parser().parse_args(arguments)
    places = Places.find(options.home)
    overrides = given_flags(options)
    try:
        file = _configuration(places, options.conf)
        text = text_of(file)
        settings = load(file, text=text, environ=os.environ, overrides=overrides)
        daemon = load_daemon(places)
    except ConfigError as error:
        complain(error)
        return ExitCode.CONFIG
    if options.print_config:
        print(describe(settings), end="")
        return 0
    if options.test:
        return check(settings)
    name = settings.server.name or file.stem
    launch = Launch(
        file=file,
        target="",
        overrides=overrides,
        name=name,
        log_path=daemon.instance_logs(name),
        mail_folder=daemon.mail_folder,
        verbose=options.verbose,
        text=text,
        user=daemon.common.user,
        group=daemon.common.group,
        run=daemon.run,
    )
    return serve(launch, settings, with_master=True)


def _configuration(places: Places, text: str) -> Path:
    """The file of ``-f``; the README's ``-f sample`` finds one where there is no configuration at all."""
    try:
        return places.configuration(text)
    except ConfigError:
        if text != "sample" or not lay_out(places):
            raise
    print(f"skitai: there was no configuration; laid out {places.etc}", file=sys.stderr)
    return places.configuration(text)


def check(settings: Settings) -> int:
    """Say whether ``settings`` can be followed in full."""
    # By its name: a command that becomes a master does not carry OpenSSL along.
    certificates = importlib.import_module("skitai.core.tls").check(settings)
    for warning in certificates.warnings:
        complain(f"warning: {warning}")
    problems: list[object] = [*settings.problems, *certificates.problems]
    try:
        rights_of(settings.server.user, settings.server.group)
    except ConfigError as error:
        problems.append(f"{settings.origin('server', 'user')}: {error}")
    for problem in problems:
        complain(problem)
    if problems:
        return ExitCode.CONFIG
    print(f"{settings.file or 'configuration'}: good")
    return 0


if __name__ == "__main__":
    sys.exit(main())
