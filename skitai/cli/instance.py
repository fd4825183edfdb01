"""``skitaid-instance -f NAME|FILE``: one instance by its configuration file."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

from skitai._constants import VERSION
from skitai.cli.places import Places
from skitai.cli.serving import serve
from skitai.core.config import Settings, add_flags, describe, given_flags, load, text_of
from skitai.errors import ConfigError
from skitai.launch import ExitCode, Launch, complain

__all__ = ["check", "main"]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
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


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns the exit code."""
    options = _parser().parse_args(arguments)
    places = Places.find(options.home)
    overrides = given_flags(options)
    try:
        file = places.configuration(options.conf)
        text = text_of(file)
        settings = load(file, text=text, environ=os.environ, overrides=overrides)
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
        log_path=places.instance_logs(name),
        verbose=options.verbose,
        text=text,
    )
    return serve(launch, settings, with_master=True)


def check(settings: Settings) -> int:
    """Say whether ``settings`` can be followed in full."""
    # By its name: a command that becomes a master does not carry OpenSSL along.
    certificates = importlib.import_module("skitai.core.tls").check(settings)
    for warning in certificates.warnings:
        complain(f"warning: {warning}")
    problems = (*settings.problems, *certificates.problems)
    for problem in problems:
        complain(problem)
    if problems:
        return ExitCode.CONFIG
    print(f"{settings.file or 'configuration'}: good")
    return 0


if __name__ == "__main__":
    sys.exit(main())
