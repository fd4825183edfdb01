"""How the agent hears at once that there is new mail: a named pipe in the spool's folder.

Who has put a letter into the spool writes its name there; where no agent listens, nothing happens, for an
agent that begins looks through all of the spool.  A name that gets lost, because the pipe is full, is found
when the agent next looks through it (`mail/agent.py`), so a bell never waits and never fails."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

__all__ = ["Bell", "ring"]

_PIPE = "wake"
#: Names are shorter than PIPE_BUF: the system does not mix them.
_READ_MAX = 65536


def ring(folder: Path, name: str) -> bool:
    """Whether an agent listens."""
    try:
        # Without a reader this fails (ENXIO), and so it tells whether there is one.
        pipe = os.open(folder / _PIPE, os.O_WRONLY | getattr(os, "O_NONBLOCK", 0))
    except OSError:
        return False
    try:
        os.write(pipe, f"{name}\n".encode())
    except BlockingIOError:
        return True
    except BrokenPipeError:
        return False
    finally:
        os.close(pipe)
    return True


class Bell:
    """For the one agent of a spool."""

    def __init__(self, folder: Path) -> None:
        """Raises OSError."""
        path = folder / _PIPE
        if not path.is_fifo():
            path.unlink(missing_ok=True)
            os.mkfifo(path, 0o600)
        # For writing too: otherwise each writer that closes it would be the end of the file.
        self._pipe = os.open(path, os.O_RDWR)

    def names(self) -> Iterator[list[str]]:
        """What was rung, for ever: waits in between."""
        rest = b""
        while data := os.read(self._pipe, _READ_MAX):
            *lines, rest = (rest + data).split(b"\n")
            yield [line.decode("ascii", "replace") for line in lines if line]
