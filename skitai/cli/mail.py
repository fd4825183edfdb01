"""``skitai mail``: the e-mails that wait, and those that could not be delivered.

Acts on the spool's files, beside an agent or without one: a letter that is dropped or taken by somebody else
in that moment is simply not there any more.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from skitai._lazy import LazyModule
from skitai.cli.smtpda import add_place_flags, settings_of
from skitai.launch import ExitCode, complain

if TYPE_CHECKING:
    from skitai.core.mail import bell
    from skitai.core.mail import letter as letters
    from skitai.core.mail import spool as spools
    from skitai.mail import report
else:  # who serves has the parser, and no use for the rest
    bell, letters = LazyModule("skitai.core.mail.bell"), LazyModule("skitai.core.mail.letter")
    spools, report = LazyModule("skitai.core.mail.spool"), LazyModule("skitai.mail.report")

__all__ = ["add_command"]


def add_command(commands: argparse._SubParsersAction[Any]) -> None:
    parser = commands.add_parser("mail", help="list e-mails of the spool, try them again, drop them")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    lister = actions.add_parser("list", help="what waits, and what could not be delivered")
    lister.add_argument("--json", action="store_true", help="for programs: a line for each e-mail")
    lister.set_defaults(function=_list)
    for name, function, text in (
        ("retry", _retry, "try them now, also those that could not be delivered"),
        ("drop", _drop, "remove them"),
    ):
        action = actions.add_parser(name, help=text)
        action.add_argument("id", nargs="*", help="as list shows it")
        action.add_argument("--all", action="store_true", help="all that wait and all undelivered ones")
        action.set_defaults(function=function)
    for action in actions.choices.values():
        add_place_flags(action)


def _list(options: argparse.Namespace) -> int:
    spool = _spool(options)
    for folder in (spool.waiting, spool.undelivered):
        is_lost = folder == spool.undelivered
        for letter in report.letters(spool, folder):
            if options.json:
                print(json.dumps({**letter, "undelivered": is_lost}))
            else:
                print("\n".join(_lines(letter, is_lost)))
    return ExitCode.CLEAN


def _lines(letter: dict[str, Any], is_lost: bool) -> Iterator[str]:
    if "unreadable" in letter:
        yield f"{letter['id']}  {letter['unreadable']}"
        return
    queued = time.strftime("%Y.%m.%d %H:%M:%S", time.localtime(letter["queued"]))
    stands = "undelivered" if is_lost else f"{letter['attempts']} attempts" if letter["attempts"] else "waits"
    to = ", ".join(letter["to"])
    yield f"{letter['id']}  {queued}  {stands}  {letter['from']} -> {to}  {letter['subject']!a}"
    reasons = dict.fromkeys([*letter["refused"].values(), letter["reason"]])
    for reason in filter(None, reasons):
        yield f"    {ascii(reason)[1:-1]}"


def _retry(options: argparse.Namespace) -> int:
    spool = _spool(options)

    def again(folder: Path, name: str) -> bool:
        spool.letter(folder, name).note(letters.Event.RETRY, durable=True)
        if folder == spool.undelivered:
            return spool.take_back(name)
        bell.ring(spool.folder, name)
        return True

    return _each(options, spool, again)


def _drop(options: argparse.Namespace) -> int:
    spool = _spool(options)
    code = _each(options, spool, spool.remove)
    spool.sync()
    return code


def _each(options: argparse.Namespace, spool: spools.MailSpool, act: Callable[[Path, str], bool]) -> int:
    """Call ``act`` for each letter that was named; 1 where one was not there."""
    folders = (spool.waiting, spool.undelivered)
    if options.all == bool(options.id):
        complain("name e-mails by their ids (skitai mail list), or write --all")
        return ExitCode.FAILURE
    places = {name: folder for folder in folders for name in spool.names(folder)}
    code = ExitCode.CLEAN
    for name in places if options.all else options.id:
        try:
            done = name in places and act(places[name], name)
        except FileNotFoundError:
            done = False
        except (letters.BadLetter, OSError) as error:
            complain(error)
            done = False
        if not done and not options.all:
            complain(f"there is no e-mail {name} (any more)")
        if not done:
            code = ExitCode.FAILURE
    return code


def _spool(options: argparse.Namespace) -> spools.MailSpool:
    """Raises ConfigErrors."""
    return spools.MailSpool(settings_of(options).mail_folder)
