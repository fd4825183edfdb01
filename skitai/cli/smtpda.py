"""``skitaid-smtpda``: deliver the e-mails of the spool, or say how they stand."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from skitai._constants import VERSION
from skitai._lazy import LazyModule
from skitai.cli.parsing import Parser
from skitai.cli.piping import ends_with_its_reader
from skitai.core.config import add_flags, given_flags
from skitai.core.config.daemon import DAEMON_TABLES, DaemonSettings, load_daemon
from skitai.core.logs.journal import Journal
from skitai.core.logs.options import LogOptions, Rotation
from skitai.core.places import Places
from skitai.errors import ConfigError
from skitai.launch import ExitCode, complain
from skitai.notify import ServiceManager
from skitai.rights import give_up_root, rights_of

__all__ = ["add_place_flags", "command_parser", "main", "settings_of"]

# What delivers is loaded when it does: it needs POSIX, and it carries smtplib and OpenSSL along.
if TYPE_CHECKING:
    from skitai.core.mail import spool as spools
    from skitai.mail import agent, claim, report
else:
    spools, report = LazyModule("skitai.core.mail.spool"), LazyModule("skitai.mail.report")
    agent = LazyModule("skitai.mail.agent")
    claim = LazyModule("skitai.mail.claim")


def command_parser() -> Parser:
    parser = Parser(
        prog="skitaid-smtpda",
        description="Deliver the e-mails that handlers have sent by was.email, until it is ended.",
        allow_abbrev=False,
    )
    add_place_flags(parser)
    parser.add_argument("-v", "--verbose", action="store_true", help="show the log on the console too")
    parser.add_argument("-t", "--test", action="store_true", help="check the configuration and exit")
    parser.add_argument("-s", "--status", action="store_true", help="show what waits, and exit")
    parser.add_argument("--json", action="store_true", help="with --status: for programs")
    parser.add_argument("--version", action="version", version=f"Skitai {VERSION}")
    add_flags(parser, DAEMON_TABLES["smtpda"])
    return parser


def add_place_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-f", "--conf", type=Path, metavar="FILE", help="in the place of etc/skitaid.conf")
    parser.add_argument("--home", metavar="DIR", help="where etc, log and var are for a user who is not root")


def settings_of(options: argparse.Namespace) -> DaemonSettings:
    """Raises ConfigErrors."""
    return load_daemon(
        Places.find(options.home), options.conf, environ=os.environ, overrides=given_flags(options)
    )


@ends_with_its_reader
def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns the exit code."""
    options = command_parser().parse_args(arguments)
    if sys.platform == "win32":
        complain("the delivery agent needs named pipes, which this system has not")
        return ExitCode.FAILURE
    try:
        settings = settings_of(options)
        if options.test:
            print(f"{settings.file}: good")
            return ExitCode.CLEAN
        spool = spools.MailSpool(settings.mail_folder)
        rights = rights_of(settings.common.user, settings.common.group)
        if options.status:
            told = report.status(spool, settings.smtpda.server)
            print(json.dumps(told, indent=2) if options.json else "\n".join(report.as_text(told)))
            return ExitCode.CLEAN
        manager = ServiceManager.find()
        if rights is not None:
            give_up_root(rights, [settings.mail_folder, settings.smtpda_logs], [])
        journal = Journal(
            settings.smtpda_logs,
            console=options.verbose,
            name="smtpda",
            options=LogOptions(rotation=Rotation("daily")),
        )
    except OSError as error:
        complain(f"cannot become the user of [global]: {error}")
        return ExitCode.FAILURE
    except ConfigError as error:
        complain(error)
        return ExitCode.CONFIG
    for file in _open_secrets(settings):
        journal.write(f"{file} has a password and can be read by others: chmod 600", "warn")
    try:
        spool.prepare()
        claimed = claim.Claim(spool)
        try:
            return agent.Agent(spool, settings, journal, lambda: settings_of(options), manager).run()
        finally:
            claimed.release()
    except (OSError, claim.SpoolClaimed) as error:
        journal.write(f"cannot deliver: {error}", "error")
        if not options.verbose:
            complain(error)
        return ExitCode.FAILURE
    finally:
        journal.close()


def _open_secrets(settings: DaemonSettings) -> list[Path]:
    """The files of which a password was read, and that more than their owner may read."""
    smtpda = settings.smtpda
    if not smtpda.password or "SKITAI_SMTPDA_PASSWORD" in os.environ:
        return []
    return [file for file in [smtpda.password_file or settings.file] if file.stat().st_mode & 0o077]


if __name__ == "__main__":
    sys.exit(main())
