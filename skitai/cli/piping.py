"""Commands whose reader has had enough, as of ``skitaid status | head -1``.

Python is told of that by BrokenPipeError, at a ``print`` or when it ends: a traceback for somebody who did
nothing wrong.  Other programs end by SIGPIPE; so it looks here, without the signal, which a server must not
die of.
"""

from __future__ import annotations

import functools
import io
import os
import select
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TextIO

__all__ = ["ends_with_its_reader"]

#: As the shell reports a program that SIGPIPE ended.
_UNREAD = 141

_Main = Callable[[Sequence[str] | None], int]


def ends_with_its_reader(main: _Main) -> Callable[..., int]:
    """``main(arguments=None)`` of a command, which ends without a word once nobody reads what it prints."""

    @functools.wraps(main)
    def ending(arguments: Sequence[str] | None = None) -> int:
        try:
            try:
                return main(arguments)
            finally:
                for stream in _open_streams():
                    stream.flush()  # now, and not when the interpreter ends, where nobody can help it
        except BrokenPipeError:
            unread = [stream for stream in _open_streams() if _is_unread(stream)]
            if not unread:
                raise  # it was another pipe
            for stream in unread:
                # What is left in it has to go somewhere when the interpreter ends.
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, stream.fileno())
                os.close(nowhere)
            return _UNREAD

    return ending


def _open_streams() -> list[TextIO]:
    """A program that was started with a closed one has None in its place."""
    return [stream for stream in (sys.stdout, sys.stderr) if stream is not None and not stream.closed]


def _is_unread(stream: TextIO) -> bool:
    try:
        stream.flush()
    except BrokenPipeError:
        return True
    # An unbuffered one has nothing left that would fail once more; a pipe says so itself.
    with suppress(io.UnsupportedOperation):  # it is a file in memory
        if hasattr(select, "poll"):
            ends = select.poll()
            ends.register(stream.fileno(), 0)
            return bool(ends.poll(0))
    return False
