"""One attempt at a letter, and what is written down about it, in an order that no kill can harm.

    before the first byte of the message   "sending": who finds this line last knows that it may have arrived
    all have it                            the file goes, at once
    some have it                           "delivered", on the disk before anything else is done
    some are refused                       "refused", with the reply
    some are to be tried again             "deferred", with the reason and the time
    none is left to be tried               the file goes to ``undelivered``

So nothing is sent again of which we have heard that it arrived.  The thread of a courier.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from skitai.core.config.daemon import SmtpdaSettings
from skitai.core.mail.letter import Event, Letter
from skitai.core.mail.spool import MailSpool
from skitai.mail.session import Outcome, Session

__all__ = ["Result", "attempt", "defer", "delay_before"]

#: RFC 5321 section 4.5.3.1.8: every server takes so many in one transaction.
_RECIPIENTS_AT_ONCE = 100
_FACTOR = 4
_JITTER = 0.25


@dataclass(frozen=True, slots=True)
class Result:
    """``due``: when the letter is tried again, as `time.time`; None: not any more.  ``removed``: its file is
    gone, which the disk has still to be told.  ``kind`` and ``text``: for the log."""

    name: str
    due: float | None
    kind: str
    text: str
    removed: bool = False


def delay_before(attempts: int, settings: SmtpdaSettings) -> float:
    """Seconds from a failed attempt, the ``attempts``-th, to the next one.  Not always the same: what failed
    together is not tried together for ever."""
    grown: float = settings.retry_delay * _FACTOR ** min(attempts - 1, 30)
    delay = min(grown, settings.retry_delay_max)
    return delay * random.uniform(1 - _JITTER, 1 + _JITTER)


def attempt(
    letter: Letter, before: int, session: Session, spool: MailSpool, settings: SmtpdaSettings
) -> tuple[Result, bool]:
    """What came of it, and whether the session is good for more.  ``before``: attempts that failed earlier.

    Raises ServerFailed: who is not written down as delivered or refused has not got it; BadLetter, or
    OSError: FileNotFoundError where somebody has taken the letter away."""
    message = letter.message()
    waiting = tuple(letter.state.waiting)
    deferred: dict[str, str] = {}
    reply = ""
    for begin in range(0, len(waiting), _RECIPIENTS_AT_ONCE):
        group = waiting[begin : begin + _RECIPIENTS_AT_ONCE]
        outcome = session.deliver(letter.envelope, group, message, partial(_announce, letter))
        reply = outcome.reply or reply
        if _is_all(letter, outcome):
            spool.remove(spool.waiting, letter.name)
            return Result(letter.name, None, "info", _delivered(letter, session, reply), removed=True), True
        _write_down(letter, outcome)
        deferred |= outcome.deferred
        if outcome.unconfirmed:
            rest = waiting[begin + _RECIPIENTS_AT_ONCE :]
            deferred |= dict.fromkeys(rest, f"{session.server} closed the connection")
            return defer(letter, before, _why(deferred), spool, settings), False
    if deferred:
        return defer(letter, before, _why(deferred), spool, settings), True
    return _give_up(letter, spool), True


def _announce(letter: Letter, accepted: Sequence[str]) -> None:
    try:
        letter.note(Event.SENDING, accepted)
    except FileNotFoundError:
        raise  # somebody has dropped it, in the last moment
    except OSError:
        return  # a full disk gets room by what is delivered


def _is_all(letter: Letter, outcome: Outcome) -> bool:
    return not letter.state.refused and {*letter.state.waiting} == {*outcome.delivered}


def _write_down(letter: Letter, outcome: Outcome) -> None:
    if outcome.delivered:
        letter.note(Event.DELIVERED, outcome.delivered, outcome.reply, durable=True)
    for reason, recipients in _by_reason(outcome.refused).items():
        letter.note(Event.REFUSED, recipients, reason)


def defer(letter: Letter, before: int, reason: str, spool: MailSpool, settings: SmtpdaSettings) -> Result:
    """Have it tried again, or give it up where that was the last attempt.  Raises OSError."""
    attempts = before + 1
    due = time.time() + delay_before(attempts, settings)
    letter.note(Event.DEFERRED, letter.state.waiting, reason, attempts=attempts, due=due)
    if attempts >= settings.max_retry:
        return _give_up(letter, spool)
    left = f"attempt {attempts} of {settings.max_retry}, next in {max(0.0, due - time.time()):.0f} s"
    return Result(letter.name, due, "warn", f"{letter.name} deferred ({left}): {reason}")


def _give_up(letter: Letter, spool: MailSpool) -> Result:
    spool.give_up(letter.name)
    state = letter.state
    lost = ", ".join([*state.refused, *state.waiting])
    why = "; ".join(dict.fromkeys([*state.refused.values(), *([state.reason] if state.waiting else [])]))
    return Result(letter.name, None, "error", f"{letter.name} could not be delivered to {lost}: {why}")


def _delivered(letter: Letter, session: Session, reply: str) -> str:
    return f"{letter.name} delivered to {', '.join(letter.state.waiting)} by {session.server}: {reply}"


def _why(reasons: dict[str, str]) -> str:
    grouped = _by_reason(reasons)
    if len(grouped) == 1:
        return next(iter(grouped))
    return "; ".join(f"{reason} ({', '.join(recipients)})" for reason, recipients in grouped.items())


def _by_reason(reasons: dict[str, str]) -> dict[str, list[str]]:
    grouped: dict[str, list[str]] = {}
    for recipient, reason in reasons.items():
        grouped.setdefault(reason, []).append(recipient)
    return grouped
