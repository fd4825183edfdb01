"""Handlers that run for longer than a second: which request, where in the code, what they wait for.

Looked at from another thread, while they run: frames of threads, of stacks that are parked, and of
coroutines.  Who looks holds the GIL, so none of them moves meanwhile.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterable, Iterator
from time import monotonic
from types import FrameType
from typing import Any

from skitai._kernels import engine
from skitai.core.gateway import Run
from skitai.core.syscalls import wait_of

__all__ = ["LASTS", "lasting_handlers"]

#: Seconds.
LASTS = 1.0
#: Handlers that are told of, the longest first; frames of each, the innermost.
_TOLD_MAX = 50
_FRAMES_MAX = 24
#: Characters of what a client has sent.
_TARGET_MAX = 200


def lasting_handlers(present: Iterable[Run], call: engine.PresentCall | None) -> list[dict[str, Any]]:
    """Plain data, the longest first.  ``call``: what runs in a lane, and is no run yet.  Any thread."""
    now = monotonic()
    frames = sys._current_frames()
    native = {thread.ident: thread.native_id for thread in threading.enumerate()}
    found = [
        (now - run.began_at, run) for run in tuple(present) if run.began_at and now - run.began_at >= LASTS
    ]
    found.sort(key=lambda pair: pair[0], reverse=True)
    told = [
        {"seconds": round(seconds, 1), "request": run.name[:_TARGET_MAX], **_of_run(run, frames, native)}
        for seconds, run in found[:_TOLD_MAX]
    ]
    if call is not None and now - call.since >= LASTS:
        request = f"{call.method} {call.target}"[:_TARGET_MAX]
        where = _in_thread(call.thread, frames, native)
        told.append({"seconds": round(now - call.since, 1), "request": request, **where})
    return told


def _of_run(run: Run, frames: dict[int, FrameType], native: dict[int | None, int | None]) -> dict[str, Any]:
    parked = getattr(run.exchange, "parked_frame", None)  # a message of a WebSocket has none
    if parked is not None or run.is_parked:
        return {"how": "parked", "waits": "to be gone on with", "stack": _stack(_callers(parked))}
    if not run.is_inside:
        awaited = list(_awaited(run.given))
        return {
            "how": "asyncio",
            "waits": _name(awaited[-1]) if awaited else "",
            "stack": _coroutines(awaited),
        }
    return _in_thread(run.thread, frames, native)


def _in_thread(
    thread: int, frames: dict[int, FrameType], native: dict[int | None, int | None]
) -> dict[str, Any]:
    native_id = native.get(thread)
    waits = "" if native_id is None else wait_of(native_id)
    frame = frames.get(thread)
    return {"how": "thread", "waits": waits, "stack": [] if frame is None else _stack(_callers(frame))}


def _callers(frame: FrameType | None) -> Iterator[FrameType]:
    """From the innermost on."""
    while frame is not None:
        yield frame
        frame = frame.f_back


def _stack(frames: Iterable[FrameType]) -> list[str]:
    """The newest call first, down to the server's own code."""
    lines: list[str] = []
    for frame in frames:
        if frame.f_globals.get("__name__") == Run.__module__ or len(lines) == _FRAMES_MAX:
            break
        lines.append(f"{frame.f_code.co_filename}:{frame.f_lineno} {frame.f_code.co_name}")
    return lines


def _awaited(given: Any) -> Iterator[Any]:
    """What an application has given, and what that awaits, to the innermost."""
    for _ in range(_FRAMES_MAX):
        if given is None:
            return
        yield given
        given = next(
            (
                inner
                for name in ("cr_await", "ag_await", "gi_yieldfrom")
                if (inner := getattr(given, name, None)) is not None
            ),
            None,
        )


def _coroutines(awaited: Iterable[Any]) -> list[str]:
    frames = (
        frame
        for one in awaited
        for name in ("cr_frame", "ag_frame", "gi_frame")
        if (frame := getattr(one, name, None)) is not None
    )
    return _stack(reversed(list(frames)))


def _name(awaited: Any) -> str:
    return f"{type(awaited).__module__}.{type(awaited).__qualname__}"
