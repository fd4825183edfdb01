"""Children that a handler forks, and that come back into the server.

``os.fork()`` in a handler copies the whole server: the child has all its sockets, and of its threads the
one that has forked.  That is well as long as the child ends by ``os._exit`` or becomes another program, as
those of subprocess and multiprocessing do.  One that returns from the handler would answer the client beside
its parent, and take connections and events out of the parent's hands, for they have one poller.

So a child is marked at its birth, and whoever comes back from an application's code, or has something to
send, asks whether it is in one, by `check` or by what `follow` has told: the process ends there.  Nothing on
that way takes a lock that another thread may have held at the fork: in the child nobody would release it.

`serve`, `follow`, `tell_by`: whoever begins to serve.  The others: any thread.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import NoReturn

__all__ = ["STATUS", "check", "end", "follow", "is_child", "serve", "tell_by"]

#: EX_SOFTWARE of sysexits.h: the parent may look for it.
STATUS = 70


def _say(text: str, error: BaseException | None) -> None:
    why = "" if error is None else f": {error!r}"
    os.write(2, f"{text}{why}\n".encode(errors="backslashreplace"))


class _Here:
    """This process."""

    #: It does; a child: its parent did when it was forked.
    serves = False
    #: Of one that serves; and it has not begun to serve by itself.
    is_child = False
    tell: Callable[[str, BaseException | None], None] = staticmethod(_say)


_HERE = _Here()
_followers: list[Callable[[bool], None]] = []


def serve() -> None:
    """From here on no child may come back to what this process serves."""
    _HERE.serves = True
    _mark(False)


def follow(follower: Callable[[bool], None]) -> None:
    """``follower(is_child)`` is called when this process is a child, and when it begins to serve."""
    _followers.append(follower)


def tell_by(tell: Callable[[str, BaseException | None], None]) -> None:
    """``tell(text, error)`` is called in a child that has come back, where there is no other thread."""
    _HERE.tell = tell


def is_child() -> bool:
    """This process is one that a handler has forked."""
    return _HERE.is_child


def check(error: BaseException | None = None) -> None:
    """An application's code has returned, or has raised ``error``: end, if this is a child."""
    if _HERE.is_child:
        end(error)


def end(error: BaseException | None = None) -> NoReturn:
    try:
        _HERE.tell(
            f"process {os.getpid()}, forked by a handler, has come back from it and was ended with status "
            f"{STATUS}: a child must end by os._exit() or become another program, as those of subprocess do",
            error,
        )
    finally:
        os._exit(STATUS)


def _mark(is_child: bool) -> None:
    _HERE.is_child = is_child
    for follower in _followers:
        follower(is_child)


def _in_child() -> None:
    if _HERE.serves:
        _mark(True)


if hasattr(os, "register_at_fork"):  # Windows has neither
    os.register_at_fork(after_in_child=_in_child)
