"""Who may look at the dashboard.

Whoever knows the password, which stands in a file that the settings name, or has a token that the control
socket has given, gets a cookie.  A token is good once, and for five minutes; a cookie until the master ends,
half a day at most.  Whoever guesses is held up: after some failures no password is looked at for a while.
There is one account, so this bounds what can be tried at all.  A token, which cannot be guessed, is good
meanwhile: who tries passwords does not keep the operator out; and who watches already goes on.
"""

from __future__ import annotations

import hmac
import secrets
from collections import deque
from collections.abc import Callable
from pathlib import Path
from time import monotonic

__all__ = ["SESSION_AGE", "Sessions"]

#: Seconds.
SESSION_AGE = 12 * 3600.0
_TOKEN_AGE = 300.0
#: At once; the oldest gives way.
_TOKENS_MAX = 16
_SESSIONS_MAX = 64
#: Failures within so many seconds.
_FAILURES_MAX = 10
_FAILURES_WITHIN = 60.0
#: Characters of a password.
_SECRET_MAX = 1024


class Sessions:
    def __init__(self, password_file: Callable[[], Path | None]) -> None:
        """``password_file()``: where the password stands, alone in the first line; None: there is none."""
        self._password_file = password_file
        #: When each ends.
        self._tokens: dict[str, float] = {}
        self._sessions: dict[str, float] = {}
        self._failures: deque[float] = deque(maxlen=_FAILURES_MAX)

    def token(self) -> str:
        """A new one."""
        return _new(self._tokens, _TOKENS_MAX, _TOKEN_AGE)

    @property
    def is_held_up(self) -> bool:
        """Too many have failed lately."""
        return len(self._failures) == _FAILURES_MAX and monotonic() - self._failures[0] < _FAILURES_WITHIN

    def begin(self, secret: str) -> str | None:
        """A session for whoever says ``secret``; None: it is neither a token nor the password, or nobody has
        asked whether it is the password (`is_held_up`)."""
        if _find(self._tokens, secret, take=True):
            return _new(self._sessions, _SESSIONS_MAX, SESSION_AGE)
        if self.is_held_up:
            return None
        if self._is_password(secret):
            return _new(self._sessions, _SESSIONS_MAX, SESSION_AGE)
        self._failures.append(monotonic())
        return None

    def knows(self, session: str) -> bool:
        return _find(self._sessions, session)

    def end(self, session: str) -> None:
        _find(self._sessions, session, take=True)

    def _is_password(self, secret: str) -> bool:
        path = self._password_file()
        if path is None:
            return False
        try:
            with open(path, encoding="utf-8", errors="surrogateescape") as file:
                password = file.readline(_SECRET_MAX).strip("\r\n")
        except OSError:
            return False
        return password != "" and _is_same(password, secret)


def _is_same(one: str, other: str) -> bool:
    return hmac.compare_digest(
        one.encode("utf-8", "surrogateescape"), other.encode("utf-8", "surrogateescape")
    )


def _new(held: dict[str, float], most: int, age: float) -> str:
    now = monotonic()
    for name in [name for name, until in held.items() if until <= now]:
        del held[name]
    while len(held) >= most:
        del held[next(iter(held))]
    name = secrets.token_urlsafe(32)
    held[name] = now + age
    return name


def _find(held: dict[str, float], said: str, *, take: bool = False) -> bool:
    """All are compared, so that time tells nothing."""
    found = [name for name in held if _is_same(name, said)]
    is_good = any(held[name] > monotonic() for name in found)
    if take:
        for name in found:
            del held[name]
    return is_good
