"""Contexts that follow their files, so that a certificate is renewed without a restart.

A context cannot be changed under connections that use it: a new one is made, and is for those who
connect from then on.  The files are looked at when somebody connects, at most once a second.  While what
they hold does not load (half written, or the certificate is new and the key is not yet), the former
context goes on; that is logged once for each state of the files.

A context that is a day old is made anew in any case: the keys of session tickets are its own, and who
gets hold of one could read what was said by TLS 1.2 in all sessions that were begun with it.

Called by whichever thread accepts or shakes hands.  Two at once would at worst read the files twice.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from skitai.core.config import ListenSettings, Settings
from skitai.core.config.routelines import find_rule
from skitai.core.tls.contexts import make_context
from skitai.core.tls.pairs import Pair
from skitai.errors import ConfigError

if TYPE_CHECKING:
    import ssl

__all__ = ["CurrentContext", "ListenerContext"]

#: Seconds between two looks at the files.
_LOOK_INTERVAL = 1.0
#: Seconds after which the keys of tickets are replaced.
_KEYS_LAST = 86400.0

#: ``tell(text, kind)`` writes a line of the server log.
Tell = Callable[[str, str], None]

#: What a file is recognised by; None where it cannot be looked at.
_Stamp = tuple[int, int, int] | None


class CurrentContext:
    """Call it for the context of a new connection."""

    def __init__(self, make: Callable[[], ssl.SSLContext], files: Iterable[Path], tell: Tell) -> None:
        """Raises ConfigError if ``make`` does, now; later the former context stays."""
        self._make = make
        self._files = tuple(files)
        self._tell = tell
        # Before the files are read: what changes meanwhile is seen as a change.
        self._stamps = self._look()
        #: The state of the files of which was told that it does not load.
        self._told: tuple[_Stamp, ...] | None = None
        self._made_at = monotonic()
        self._next_look = self._made_at + _LOOK_INTERVAL
        self._context = make()

    def __call__(self) -> ssl.SSLContext:
        now = monotonic()
        if now >= self._next_look:
            self._next_look = now + _LOOK_INTERVAL
            stamps = self._look()
            if stamps != self._stamps or now - self._made_at >= _KEYS_LAST:
                self._renew(stamps)
        return self._context

    def _renew(self, stamps: tuple[_Stamp, ...]) -> None:
        try:
            context = self._make()
        except ConfigError as error:
            # It is tried again at each look: a file may be written to twice within one tick of its clock.
            if stamps != self._told:
                self._told = stamps
                self._tell(f"{error}\nthe former certificate stays in use", "error")
            return
        if stamps != self._stamps:
            self._tell(f"{self._files[0]}: what it holds now is in use", "info")
        self._context, self._stamps, self._told = context, stamps, None
        self._made_at = monotonic()

    def _look(self) -> tuple[_Stamp, ...]:
        return tuple(map(_stamp, self._files))


def _stamp(file: Path) -> _Stamp:
    try:
        status = os.stat(file)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


class ListenerContext:
    """The same for a listener: its own certificate, and those of hosts for clients that name one (RFC 6066
    section 3; the engine's `Contexts`)."""

    def __init__(self, listener: ListenSettings, settings: Settings, tell: Tell) -> None:
        """Raises ConfigError."""
        self._listener = listener
        self._settings = settings
        self._tell = tell
        self._of_rules = {
            host.name: self._current(pair)
            for host in settings.hosts
            if (pair := Pair.of(host, settings)) is not None
        }
        own = Pair.of(listener, settings)
        if own is None:
            raise ConfigError(f"[{listener.title}] has no certfile")
        self._own = self._current(own)

    @property
    def has_names(self) -> bool:
        return bool(self._of_rules)

    def __call__(self, name: str) -> ssl.SSLContext:
        rule = find_rule(name.lower().removesuffix("."), self._of_rules) if name else None
        return self._own() if rule is None else self._of_rules[rule]()

    def _current(self, pair: Pair) -> CurrentContext:
        issuers = self._listener.ca_certs
        files = pair.files if issuers is None else (*pair.files, issuers)
        return CurrentContext(partial(make_context, pair, self._listener, self._settings), files, self._tell)
