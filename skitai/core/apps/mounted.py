"""An application at its place in the routes, kept up with its files when that is asked for.

The gateway calls `MountedApp.refresh` before a request, in the thread that is to run the
application (a reload may take seconds), and then uses ``application`` or ``error``.  A broken
file never takes the server down: it leaves an AppLoadError here until it is mended.

Threads: the outcome of a load is one immutable record in one attribute, so readers need no
lock and a request keeps the application it has got.  Loads take the lock of `folders.loading`;
who comes while a reload is under way waits for it, for it asked after the file had changed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

from skitai.core.apps import folders
from skitai.core.apps.lifecycle import tell
from skitai.core.apps.loader import WSGIApplication, load_application
from skitai.core.apps.reports import files_of
from skitai.core.apps.sources import Sources, sources_of
from skitai.core.config.targets import AppTarget
from skitai.errors import AppLoadError

__all__ = ["CHECK_INTERVAL", "MountedApp"]

#: Seconds between two looks at the files: one `stat` of each, about 2 us.  So who saves a file and asks at
#: once gets what the file says, and a hundred files cost a hundredth of the time of who asks all the time.
CHECK_INTERVAL = 0.02


class _Outcome(NamedTuple):
    generation: int
    application: WSGIApplication | None = None
    error: AppLoadError | None = None


def _say_nothing(text: str) -> None:
    """For those who tell applications nothing."""


#: Whether an application says that its handlers keep nothing for their thread.
_SAID, _NOT_SAID = frozenset({"yes", "auto"}), frozenset({"yes"})


class MountedApp:
    """One application target and the outcome of its latest load.

    Args:
        target: what to load.
        use_reloader: look at its files whatever the application says; without it they are
            looked at when the application has a true attribute ``use_reloader`` or ``debug``.
        check_interval: seconds.
        report: is called with what an application raises when it is told of its life.
    """

    def __init__(
        self,
        target: AppTarget,
        *,
        use_reloader: bool = False,
        check_interval: float = CHECK_INTERVAL,
        report: Callable[[str], None] = _say_nothing,
    ) -> None:
        self.target = target
        self._forced = use_reloader
        self._asked = False
        #: With which words for ``park`` of its mount its handlers are parked where they wait.
        self.parks_with = _NOT_SAID
        self._check_interval = check_interval
        self._sources: Sources | None = None
        self._report = report
        self._outcome = _Outcome(-1)
        #: The application that was told of its start, or of its taking another's place.
        self._living: WSGIApplication | None = None
        self._is_begun = False

    @property
    def reloads(self) -> bool:
        """Whether changed files are looked for."""
        return self._forced or self._asked

    @property
    def error(self) -> AppLoadError | None:
        """Why there is no application; None if there is one or nothing was loaded yet."""
        return self._outcome.error

    @property
    def application(self) -> WSGIApplication:
        """The application of the latest load.

        Raises:
            AppLoadError: the one of the latest load, or that nothing was loaded yet.
        """
        outcome = self._outcome
        if outcome.application is not None:
            return outcome.application
        raise outcome.error or AppLoadError("not loaded yet", target=str(self.target))

    def hook(self, name: str) -> Any:
        """What the application has of this name; None without it, or without an application."""
        application = self._outcome.application
        return None if application is None else getattr(application, name, None)

    def load(self) -> WSGIApplication:
        """Load the application for the first time, or get the one that is loaded.

        Raises:
            AppLoadError: it does not load; also kept in ``error``.
            KeyboardInterrupt: as it is.
        """
        with folders.loading():
            if self._sources is None:
                self._sources = sources_of(self.target)
            if self._outcome.generation != self._sources.generation:
                self._outcome = self._load(self._sources)
        return self.application

    def refresh(self) -> bool:
        """Before a request: load anew if a file has changed.  True if that was so.

        Never raises what the application's files do wrong: see ``error``.  Costs two comparisons
        when nothing is to be looked at.
        """
        sources = self._sources
        if sources is None:
            return False
        if self.reloads and sources.is_due(self._check_interval):
            with folders.loading():
                changed = sources.changed()
                if changed:
                    sources.discard(changed)
        # Another application of the same folder may have seen the change first.
        if self._outcome.generation == sources.generation:
            return False
        with folders.loading():
            if self._outcome.generation != sources.generation:
                outcome = self._load(sources)
                if self._is_begun:
                    self._tell_of(outcome.application)
                # Only now: who finds it need not wait for the lock, and must not come too early.
                self._outcome = outcome
        return True

    def begin(self) -> None:
        """The process will serve: tell the application, and each that takes its place."""
        self._is_begun = True
        self._tell_of(self._outcome.application)

    def end(self) -> None:
        """No request is under way, and none will come."""
        if self._living is not None:
            tell(self._living, "stopped", report=self._report)
            self._living = None

    def _tell_of(self, application: WSGIApplication | None) -> None:
        if application is None:
            return
        former, self._living = self._living, application
        if former is None:
            tell(application, "started", report=self._report)
        else:
            tell(application, "reloaded", former, report=self._report)

    def _load(self, sources: Sources) -> _Outcome:
        since = time.time_ns()
        try:
            application = load_application(self.target)
        except AppLoadError as error:
            sources.remember(since, files_of(error))
            return _Outcome(sources.generation, error=error)
        sources.remember(since)
        self._asked = bool(
            getattr(application, "use_reloader", False) or getattr(application, "debug", False)
        )
        self.parks_with = _SAID if getattr(application, "skitai_parks", False) is True else _NOT_SAID
        return _Outcome(sources.generation, application)
