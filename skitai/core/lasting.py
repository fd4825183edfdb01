"""Handlers that run for longer than a second: which request, where in the code, what they wait for.

Looked at from another thread, while they run: frames of threads, of stacks that are parked, and of
coroutines.  Who looks holds the GIL, so none of them moves meanwhile.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from time import monotonic
from types import FrameType
from typing import Any

from skitai._kernels import engine
from skitai.core.gateway import Run
from skitai.core.syscalls import wait_of

__all__ = ["LASTS", "holds_thread", "lasting_handlers"]

#: Seconds.
LASTS = 1.0
#: Handlers that are told of, the longest first; frames of each, the innermost.
_TOLD_MAX = 50
_FRAMES_MAX = 24
#: Characters of what a client has sent.
_TARGET_MAX = 200
#: Where the server's own code begins, below that of applications.
_BOTTOMS = (
    "skitai.core.gateway",
    "skitai.core.responses",
    "skitai._speedups.crew",
    "skitai._pure.engine.threads",
)
_OURS = "skitai."
#: Of threads in which WebSocket handlers loop, which is to last.
_LOOPS = "skitai-websocket"


def holds_thread(run: Run) -> bool:
    """Whether it holds one of those that run applications; a WebSocket's loop may have one of its own."""
    return run.holds_thread and not _names().get(run.thread, "").startswith(_LOOPS)


def lasting_handlers(present: Iterable[Run], call: engine.PresentCall | None) -> list[dict[str, Any]]:
    """Plain data, the longest first.  ``call``: what runs in a lane, and is no run yet.  Any thread."""
    now = monotonic()
    frames = sys._current_frames()
    names = _names()
    found = [
        (now - run.began_at, run)
        for run in tuple(present)
        if run.began_at and now - run.began_at >= LASTS and not _loops(run, names)
    ]
    found.sort(key=lambda pair: pair[0], reverse=True)
    told = [
        {"seconds": round(seconds, 1), "request": run.name[:_TARGET_MAX], **_of_run(run, frames)}
        for seconds, run in found[:_TOLD_MAX]
    ]
    if call is not None and now - call.since >= LASTS:
        request = f"{call.method} {call.target}"[:_TARGET_MAX]
        seconds = round(now - call.since, 1)
        told.append({"seconds": seconds, "request": request, **_in_thread(call.thread, frames)})
    return told


def _names() -> dict[int | None, str]:
    return {thread.ident: thread.name for thread in threading.enumerate()}


def _loops(run: Run, names: dict[int | None, str]) -> bool:
    """Whether it is a WebSocket's, and waits for messages."""
    exchange: Any = run.exchange
    if isinstance(exchange, engine.Exchange):
        return False
    return run.is_parked or names.get(run.thread, "").startswith(_LOOPS)


def _of_run(run: Run, frames: dict[int, FrameType]) -> dict[str, Any]:
    parked = _parked_frame(run)
    if parked is not None or run.is_parked:
        callers = list(_callers(parked))
        return {"how": "parked", "waits": _service_of(callers), **_stack(callers)}
    if not run.is_inside:
        awaited = list(_awaited(run.given))
        return {"how": "asyncio", "waits": _name_of(awaited), **_stack(_frames_of(awaited))}
    return _in_thread(run.thread, frames)


def _parked_frame(run: Run) -> FrameType | None:
    """Where the stack waits; it is what the exchange tells when the client has gone."""
    park = getattr(getattr(run.exchange, "_on_lost", None), "__self__", None)
    frame: Callable[[], FrameType | None] | None = getattr(park, "frame", None)
    return frame() if run.is_parked and frame is not None else None


def _in_thread(ident: int, frames: dict[int, FrameType]) -> dict[str, Any]:
    callers = list(_callers(frames.get(ident)))
    native_id = next((thread.native_id for thread in threading.enumerate() if thread.ident == ident), None)
    waits = _service_of(callers) or ("" if native_id is None else wait_of(native_id))
    return {"how": "thread", "waits": waits, **_stack(callers)}


def _callers(frame: FrameType | None) -> Iterator[FrameType]:
    """From the innermost on, down to the server's own code."""
    while frame is not None and frame.f_globals.get("__name__") not in _BOTTOMS:
        yield frame
        frame = frame.f_back


def _service_of(callers: list[FrameType]) -> str:
    """What of ours the application has called and waits in; empty: it is in code of others."""
    ours = ""
    for frame in callers:
        name = str(frame.f_globals.get("__name__", ""))
        if not name.startswith(_OURS):
            break
        ours = f"{name}.{frame.f_code.co_name}"
    return ours


def _stack(callers: list[FrameType]) -> dict[str, Any]:
    """The newest call first; ``where``: in code that is not ours."""
    lines = [f"{one.f_code.co_filename}:{one.f_lineno} {one.f_code.co_name}" for one in callers]
    theirs = (
        line
        for line, one in zip(lines, callers, strict=True)
        if not str(one.f_globals.get("__name__", "")).startswith(_OURS)
    )
    return {"where": next(theirs, lines[0] if lines else ""), "stack": lines[:_FRAMES_MAX]}


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


def _frames_of(awaited: list[Any]) -> list[FrameType]:
    """The innermost first."""
    return [
        frame
        for one in reversed(awaited)
        for name in ("cr_frame", "ag_frame", "gi_frame")
        if (frame := getattr(one, name, None)) is not None
    ]


def _name_of(awaited: list[Any]) -> str:
    """Of the innermost that has one."""
    names = (getattr(one, "__qualname__", "") for one in reversed(awaited))
    return next(filter(None, names), "")
