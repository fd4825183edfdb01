"""What to show of an application's failed import: the place, and the traceback without us.

Pure functions of an exception; any thread.
"""

from __future__ import annotations

import importlib
import os
from traceback import FrameSummary, TracebackException, extract_tb

__all__ = ["files_of", "place_of", "report_of"]

_OUR_FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "")


def report_of(error: BaseException) -> str:
    """The whole traceback of ``error`` and its causes, without our frames and the import system's."""
    whole = TracebackException.from_exception(error)
    pending: list[TracebackException | None] = [whole]
    while pending:
        part = pending.pop()
        if part is not None:
            part.stack[:] = [frame for frame in part.stack if not _is_machinery(frame)]
            pending += [part.__cause__, part.__context__]
    return "".join(whole.format())


def place_of(error: BaseException, root: str) -> tuple[str, int]:
    """File and line to look at: of a syntax error, else the innermost line below ``root``, else
    the innermost of all; ``("", 0)`` if there is none."""
    if isinstance(error, SyntaxError) and error.filename:
        return error.filename, error.lineno or 0
    frames = [frame for frame in extract_tb(error.__traceback__) if not _is_machinery(frame)]
    own = [frame for frame in frames if frame.filename.startswith(os.path.join(root, ""))]
    for frame in reversed(own or frames):
        return frame.filename, frame.lineno or 0
    return "", 0


def files_of(error: BaseException) -> set[str]:
    """Every file that had a part in ``error`` and its causes; to watch for its mending."""
    files: set[str] = set()
    seen: BaseException | None = error
    while seen is not None:
        files.update(frame.filename for frame in extract_tb(seen.__traceback__))
        if isinstance(seen, SyntaxError) and seen.filename:
            files.add(seen.filename)
        seen = seen.__cause__ or seen.__context__
    return files


def _is_machinery(frame: FrameSummary) -> bool:
    return (
        frame.filename.startswith((_OUR_FOLDER, "<frozen importlib")) or frame.filename == importlib.__file__
    )
