"""A courier: a thread that delivers the letters of one lane, over a connection that it keeps for the next
one.

A kept connection that turns out to be closed says nothing about the server, so the letter is tried at once
over a new one.  What fails on a new connection has failed."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from typing import NamedTuple

from skitai.core.mail.letter import BadLetter, Letter
from skitai.core.mail.spool import MailSpool
from skitai.mail.delivery import Result, attempt, defer
from skitai.mail.lanes import Lane, Lanes
from skitai.mail.session import ServerFailed, Session, SessionOptions

__all__ = ["Courier", "Surroundings"]


class Surroundings(NamedTuple):
    """``post``: hands what came of a letter to the agent, from any thread."""

    spool: MailSpool
    lanes: Lanes
    helo_name: str
    post: Callable[[Result], None]


class Courier:
    def __init__(self, around: Surroundings, lane: Lane) -> None:
        self._around = around
        self._lane = lane
        self._session: Session | None = None
        self._is_needed = True

    def work(self) -> None:
        try:
            while self._is_needed and (name := self._next()) is not None:
                self._deliver(name)
        finally:
            self._close()

    def _next(self) -> str | None:
        return self._around.lanes.next(self._lane, is_first=self._session is None)

    def _deliver(self, name: str) -> None:
        spool, post = self._around.spool, self._around.post
        try:
            self._carry(spool.letter(spool.waiting, name))
            return
        except FileNotFoundError:
            post(Result(name, None, "info", f"{name} was taken away"))
        except BadLetter as error:
            spool.give_up(name)
            post(Result(name, None, "error", f"{name} is put aside: {error}"))
        except Exception as error:
            # A disk that fails, or a mistake of ours: the letter stays, and an operator hears of it.
            rest = self._around.lanes.settings.retry_delay_max
            text = f"{name} cannot be worked on ({error}); tried again in {rest:.0f} s"
            post(Result(name, time.time() + rest, "expt", f"{text}\n{traceback.format_exc()}"))
        self._close()  # the conversation may have ended anywhere

    def _carry(self, letter: Letter) -> None:
        around = self._around
        before = letter.state.attempts
        if self._session is not None:
            try:
                self._attempt(letter, before, self._session)
                return
            except ServerFailed:
                self._close()
        try:
            session = self._session = self._opened()
        except ServerFailed as failure:
            others = around.lanes.refused(self._lane, letter.name)
            if others is None:
                self._is_needed = False
                return
            self._defer(letter, before, str(failure))
            self._defer_all(others, str(failure))
            return
        try:
            self._attempt(letter, before, session)
        except ServerFailed as failure:
            self._close()
            self._defer(letter, before, str(failure))

    def _attempt(self, letter: Letter, before: int, session: Session) -> None:
        around = self._around
        result, is_good = attempt(letter, before, session, around.spool, around.lanes.settings)
        around.post(result)
        if not is_good:
            self._close()

    def _defer(self, letter: Letter, before: int, reason: str) -> None:
        around = self._around
        around.post(defer(letter, before, reason, around.spool, around.lanes.settings))

    def _defer_all(self, names: list[str], reason: str) -> None:
        spool = self._around.spool
        for name in names:
            try:
                letter = spool.letter(spool.waiting, name)
                self._defer(letter, letter.state.attempts, reason)
            except (OSError, BadLetter):
                self._around.lanes.submit(name, self._lane.server)  # says what is wrong with it

    def _opened(self) -> Session:
        """Raises ServerFailed."""
        settings = self._around.lanes.settings
        options = SessionOptions(settings.timeout, self._around.helo_name, settings.cafile)
        self._around.lanes.opening(self._lane)
        session = Session(self._lane.server, options)
        self._around.lanes.opened(self._lane)
        return session

    def _close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            self._around.lanes.closed(self._lane)
            session.close()
