"""The agent's main thread: which letter is due, who delivers it, and what the operator wants.

It sleeps until something happens: a letter is due, a bell rings (`skitai.core.mail.bell`), a courier has a
result, a signal comes.  Where each letter stands it knows from the spool and nowhere else, so nothing is lost
with it.

A letter is in one of three places: in ``_due`` until it is time, with a courier, or in neither because it is
done with.  A bell for one that waits means that its journal has a new line: an operator wants it tried now.
"""

from __future__ import annotations

import enum
import heapq
import os
import queue
import socket
import threading
import time
from collections.abc import Callable

from skitai._constants import VERSION
from skitai.core.config.daemon import DaemonSettings
from skitai.core.logs.journal import Journal
from skitai.core.mail.bell import Bell
from skitai.core.mail.letter import BadLetter
from skitai.core.mail.spool import MailSpool, is_name
from skitai.errors import ConfigError
from skitai.launch import ExitCode
from skitai.mail.courier import Courier, Surroundings
from skitai.mail.delivery import Result, delay_before
from skitai.mail.lanes import Lane, Lanes
from skitai.notify import ServiceManager
from skitai.signals import Inbox

__all__ = ["Agent"]

#: Seconds between two looks at the whole spool, for names whose bell was not heard.
_LOOK_EVERY = 60.0
#: Seconds between two cleanings, and the age of half written files that nobody writes any more.
_CLEAN_EVERY = 3600.0
_HALF_WRITTEN_AGE = 86400.0
_DAY = 86400.0
#: Letters that are given to couriers before a signal is looked for.
_AT_ONCE = 500
#: Seconds between two looks for a second signal, while couriers end.
_GLANCE = 0.1
#: Seconds for letters that are being sent, when a person pressed Ctrl-C.
_INTERRUPT_PATIENCE = 0.5


class _Event(enum.Enum):
    TERMINATE = "stop, letters that are being sent may finish"
    INTERRUPT = "stop now"
    REOPEN = "reopen the log"
    RELOAD = "go on with what the file says by now"


_SIGNALS = {
    "SIGTERM": _Event.TERMINATE,
    "SIGINT": _Event.INTERRUPT,
    "SIGQUIT": _Event.INTERRUPT,
    "SIGUSR1": _Event.REOPEN,
    "SIGHUP": _Event.RELOAD,
}


class Agent:
    """Main thread only.  The spool is ours (`skitai.mail.claim.Claim`)."""

    def __init__(
        self,
        spool: MailSpool,
        settings: DaemonSettings,
        journal: Journal,
        read_again: Callable[[], DaemonSettings],
        manager: ServiceManager,
    ) -> None:
        """``read_again``: gives the settings that the file has now, or raises ConfigError."""
        self._spool = spool
        self._settings = settings.smtpda
        self._journal = journal
        self._read_again = read_again
        self._manager = manager
        self._inbox: Inbox[_Event | Result | list[str]] = Inbox()
        self._lanes = Lanes(settings.smtpda, lambda lane: self._courier(lane).work())
        self._helo_name = settings.smtpda.helo_name or socket.getfqdn()
        #: Of a letter in ``_due``; what the heap says otherwise is stale.
        self._due_of: dict[str, float] = {}
        self._due: list[tuple[float, str]] = []
        self._carried: set[str] = set()

    def run(self) -> int:
        """Until a signal ends it; the exit code.  Raises OSError: the spool cannot be used."""
        self._inbox.catch(_SIGNALS)
        bell = Bell(self._spool.folder)
        threading.Thread(target=self._listen, args=(bell,), name="smtpda-bell", daemon=True).start()
        self._manager.when_it_ends(lambda: self._inbox.put(_Event.TERMINATE))
        self._look()
        self._journal.write(
            f"Skitai {VERSION} smtpda, pid {os.getpid()}, spool {self._spool.folder}, "
            f"{len(self._due_of)} waiting, by {self._settings.server}"
        )
        self._manager.ready(f"{len(self._due_of)} waiting")
        look_at = time.monotonic() + _LOOK_EVERY
        clean_at = time.monotonic()
        while True:
            now = time.monotonic()
            if now >= clean_at:
                self._clean()
                clean_at = now + _CLEAN_EVERY
            if now >= look_at:
                self._look()
                look_at = now + _LOOK_EVERY
            self._hand_out()
            for event in self._events(min(look_at, clean_at) - time.monotonic()):
                if isinstance(event, _Event):
                    code = self._obey(event)
                    if code is not None:
                        return code
                elif isinstance(event, list):
                    for name in event:
                        self._take(name)

    def _listen(self, bell: Bell) -> None:
        for names in bell.names():
            self._inbox.put([name for name in names if is_name(name)])

    def _courier(self, lane: Lane) -> Courier:
        return Courier(Surroundings(self._spool, self._lanes, self._helo_name, self._inbox.put), lane)

    # -- what happens -----------------------------------------------------------------------------

    def _events(self, patience: float) -> list[_Event | list[str]]:
        """What has come by now, waited for until a letter is due; results are dealt with here, all that are
        there before the disk is told once."""
        if self._due:
            patience = min(patience, self._due[0][0] - time.time())
        found: list[_Event | list[str]] = []
        has_removed = False
        try:
            event = self._inbox.get(max(0.0, patience))
            while True:
                if isinstance(event, Result):
                    self._conclude(event)
                    has_removed = has_removed or event.removed
                else:
                    found.append(event)
                event = self._inbox.get(0.0)
        except queue.Empty:
            if has_removed:
                self._spool.sync()
        return found

    def _conclude(self, result: Result) -> None:
        self._carried.discard(result.name)
        self._journal.write(result.text, result.kind)
        if result.due is not None:
            self._wait(result.name, result.due)

    def _obey(self, event: _Event) -> int | None:
        """What a signal asks for; the exit code if that was the end."""
        if event is _Event.REOPEN:
            self._journal.reopen()
        elif event is _Event.RELOAD:
            self._reload()
        elif event is _Event.TERMINATE:
            self._journal.write("stopping: letters that are being sent may finish")
            return self._stop(self._settings.shutdown_timeout, ExitCode.CLEAN)
        else:
            self._journal.write("interrupted")
            return self._stop(_INTERRUPT_PATIENCE, ExitCode.INTERRUPTED)
        return None

    def _stop(self, patience: float, code: ExitCode) -> int:
        self._manager.stopping()
        deadline = time.monotonic() + patience
        while not (has_finished := self._lanes.stop(_GLANCE)) and time.monotonic() < deadline:
            if _Event.INTERRUPT in self._events(0.0):
                deadline = min(deadline, time.monotonic() + _INTERRUPT_PATIENCE)
                code = ExitCode.INTERRUPTED
        self._events(0.0)
        if not has_finished:
            self._journal.write("letters that were still being sent were cut; they may arrive twice", "warn")
        self._journal.write("stopped")
        return code

    def _reload(self) -> None:
        try:
            self._settings = self._lanes.settings = self._read_again().smtpda
        except ConfigError as error:
            self._journal.write(f"the former settings stay: {error}", "error")
            self._manager.ready("the last reload was refused")
        else:
            self._journal.write(f"reloaded: by {self._settings.server}")
            self._manager.ready(f"by {self._settings.server}")

    # -- letters ----------------------------------------------------------------------------------

    def _look(self) -> None:
        """Take what is in the spool and not known."""
        for name in self._spool.names(self._spool.waiting):
            if name not in self._due_of and name not in self._carried:
                self._take(name)

    def _take(self, name: str) -> None:
        """Read where a letter stands, and do what is to be done about it."""
        if name in self._carried:
            return  # what its journal says will be read when its courier is done
        try:
            state = self._spool.letter(self._spool.waiting, name).state
        except FileNotFoundError:
            self._due_of.pop(name, None)
        except BadLetter as error:
            self._spool.give_up(name)
            self._journal.write(f"{name} is put aside: {error}", "error")
        except OSError as error:
            self._journal.write(f"{name} cannot be read: {error}", "error")
            self._wait(name, time.time() + self._settings.retry_delay_max)
        else:
            if not state.waiting and not state.refused:
                self._spool.remove(self._spool.waiting, name)  # all have it, and the agent was killed there
            elif not state.waiting or state.attempts >= self._settings.max_retry:
                self._spool.give_up(name)
                self._journal.write(f"{name} could not be delivered: {state.reason}", "error")
            elif state.unconfirmed:
                self._journal.write(f"{name}: {state.reason}", "warn")
                self._wait(name, state.last_attempt + delay_before(state.attempts, self._settings))
            else:
                self._wait(name, state.due)

    def _wait(self, name: str, due: float) -> None:
        # A clock that was set back must not keep letters until it is there again.
        due = min(due, time.time() + 2 * self._settings.retry_delay_max)
        self._due_of[name] = due
        heapq.heappush(self._due, (due, name))

    def _hand_out(self) -> None:
        """Give letters that are due to couriers."""
        now = time.time()
        for _ in range(_AT_ONCE):
            if not self._due or self._due[0][0] > now:
                return
            due, name = heapq.heappop(self._due)
            if self._due_of.get(name) != due:
                continue
            del self._due_of[name]
            try:
                server = self._spool.letter(self._spool.waiting, name).envelope.server
            except FileNotFoundError:
                continue
            except (BadLetter, OSError):
                server = None  # its courier says what is wrong
            self._carried.add(name)
            self._lanes.submit(name, server or self._settings.server)

    def _clean(self) -> None:
        now = time.time()
        days = self._settings.undelivers_keep_max_days
        gone = self._spool.clean(now - days * _DAY, now - _HALF_WRITTEN_AGE)
        for name in gone:
            self._journal.write(f"{name} was undeliverable for {days} days and is removed")
