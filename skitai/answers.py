"""What a worker says when it is asked about itself (`skitai threads`, `skitai status`).

Asked in the thread that hears the master, which runs no application: it answers while all others are blocked,
as long as one of them lets Python's lock go now and then.
"""

from __future__ import annotations

import logging
import sys
import threading
import traceback
from collections.abc import Mapping
from typing import Any

from skitai import was
from skitai.orders import Question

__all__ = ["answer"]

#: Sections of `was.status` in which numbers stand that change all the time.
_LIVE = ("CALLS", "CLUSTER:", "DB", "LIVE", "MAIL", "WEBSOCKETS")


def answer(question: Question, argument: str) -> Any:
    """Plain data."""
    if question is Question.THREADS:
        return _threads()
    if question is Question.LOG_LEVEL:
        return _set_log_level(argument)
    sections = was.STATUS(fancy=False)
    if not isinstance(sections, Mapping):
        return {}
    if question is Question.LIVE:
        return {name: value for name, value in sections.items() if name.startswith(_LIVE)}
    if question is Question.CLUSTERS:
        return {name: value for name, value in sections.items() if name.startswith("CLUSTER:")}
    return dict(sections)


def _threads() -> list[dict[str, Any]]:
    """Each with its stack, the newest call last."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    return [
        {
            "thread": names.get(ident, f"thread {ident}"),
            "stack": [
                f"{call.filename}:{call.lineno} {call.name}" for call in traceback.extract_stack(frame)
            ],
        }
        for ident, frame in sys._current_frames().items()
    ]


def _set_log_level(level: str) -> str:
    """Of the standard `logging`, for all loggers that have none of their own."""
    logging.getLogger().setLevel(level)
    return level
