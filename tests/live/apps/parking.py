"""Handlers that wait on us: ``/KIND?token=T&for=MILLISECONDS``; some do so ``count`` times.

Every answer carries its request's token.  ``/inside`` tells whose waits last, ``/events`` what has become
of them, ``/held`` what the process holds.
"""

from __future__ import annotations

import contextvars
import ctypes
import gc
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

import skitai
from skitai import was
from skitai._kernels import engine
from skitai.errors import WaitTimeout

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

TOKEN: contextvars.ContextVar[str] = contextvars.ContextVar("token")
EVENTS: list[str] = []
INSIDE: list[str] = []
LATENESS: list[tuple[float, int]] = []


class Wish:
    def __init__(self, environ: WSGIEnvironment) -> None:
        self.environ = environ
        self.values = dict(parse_qsl(environ["QUERY_STRING"]))
        self.token = self.values.get("token", "none")
        self.seconds = float(self.values.get("for", "0")) / 1000

    def sleep(self) -> None:
        self.wait(skitai.sleep)

    def wait(self, how: Callable[[float], object]) -> None:
        INSIDE.append(self.token)
        try:
            how(self.seconds)
        except BaseException as error:
            EVENTS.append(f"{self.token}:{type(error).__name__}")
            raise
        finally:
            INSIDE.remove(self.token)


def plain(wish: Wish, start: StartResponse) -> Iterable[bytes]:
    wish.sleep()
    return answer(start, wish.token)


def begun(wish: Wish, start: StartResponse) -> Iterable[bytes]:
    body = answer(start, wish.token)
    wish.sleep()
    return body


def writes(wish: Wish, start: StartResponse) -> Iterable[bytes]:
    write = start("200 OK", [("Content-Type", "text/plain")])
    for _ in range(2):
        write(wish.token.encode())
        wish.sleep()
    return [wish.token.encode()]


def stream(wish: Wish, start: StartResponse) -> Iterator[bytes]:
    start("200 OK", [("Content-Type", "text/plain")])
    try:
        for _ in range(int(wish.values.get("count", "3"))):
            wish.sleep()
            yield wish.token.encode()
    finally:
        wish.sleep()


def body(wish: Wish, start: StartResponse) -> Iterable[bytes]:
    wish.sleep()
    return answer(start, wish.environ["wsgi.input"].read().decode())


def state(wish: Wish, start: StartResponse) -> Iterable[bytes]:
    """What belongs to a request, around its waits."""
    TOKEN.set(wish.token)
    outer, inner = ValueError(wish.token), KeyError(wish.token)
    seen: list[BaseException | None] = []
    try:
        raise outer
    except ValueError:
        wish.sleep()
        seen.append(sys.exc_info()[1])
        try:
            raise inner
        except KeyError:
            wish.sleep()
            seen += [sys.exc_info()[1], inner.__context__]
    assert seen == [outer, inner, outer]
    assert sys.exc_info() == (None, None, None)
    assert TOKEN.get() == wish.token
    assert was.env is wish.environ
    return answer(start, wish.token)


def depth(wish: Wish, start: StartResponse) -> Iterable[bytes]:
    """How deep a handler may go still, while others like it are parked."""

    def down(step: int) -> int:
        try:
            return down(step + 1)
        except RecursionError:
            return step

    wish.sleep()
    return answer(start, str(down(0)))


def brink(wish: Wish, start: StartResponse) -> Iterable[bytes]:
    """Waits from each depth, until there is none left for a wait; how many of them failed."""
    failed = 0

    def down() -> None:
        nonlocal failed
        try:
            down()
        finally:
            try:
                skitai.sleep(wish.seconds)
            except RecursionError:
                failed += 1

    try:
        down()
    except RecursionError:
        return answer(start, str(failed))
    raise AssertionError("there is no limit")


def stings(wish: Wish, start: StartResponse) -> Iterable[bytes]:
    """A timeout by an exception in the handler's thread, which does not know that the handler is parked."""
    thread = ctypes.c_ulong(threading.get_ident())
    sting = ctypes.pythonapi.PyThreadState_SetAsyncExc
    threading.Timer(wish.seconds / 2, sting, (thread, ctypes.py_object(TimeoutError))).start()
    return plain(wish, start)


def future(wish: Wish, start: StartResponse) -> Iterable[bytes]:
    """``in``: milliseconds until a thread of the application's completes it; ``error``: fails it."""
    awaited = engine.Future()
    end: Callable[[], object] = (
        (lambda: awaited.fail(ZeroDivisionError(wish.token)))
        if "error" in wish.values
        else (lambda: awaited.complete(wish.token))
    )
    threading.Timer(float(wish.values["in"]) / 1000, end).start()
    try:
        return answer(start, awaited.wait(wish.seconds or None))
    except (WaitTimeout, ZeroDivisionError) as error:
        return answer(start, type(error).__name__)


def never(wish: Wish, start: StartResponse) -> Iterable[bytes]:
    """Waits for what nobody will complete, as often as it must, and answers all the same."""
    wish.wait(lambda seconds: engine.Future().wait(seconds or None))
    return answer(start, "completed")


def blocks(wish: Wish, start: StartResponse) -> Iterable[bytes]:
    """Keeps its thread, as a foreign library would."""
    time.sleep(wish.seconds)
    return answer(start, wish.token)


def ticks(wish: Wish, start: StartResponse) -> Iterable[bytes]:
    """``count`` waits, and how late each of them was, with the thread that went on."""
    for _ in range(int(wish.values["count"])):
        due = time.monotonic() + wish.seconds
        skitai.sleep(wish.seconds)
        LATENESS.append((time.monotonic() - due, threading.get_ident()))
    return answer(start, wish.token)


def lateness(wish: Wish, start: StartResponse) -> Iterable[bytes]:
    """Milliseconds: the median, 99 of 100 and the longest, of how many waits in how many threads; from here
    on anew."""
    seen, LATENESS[:] = LATENESS[:], []
    late = sorted(seconds * 1000 for seconds, _ in seen) or [0.0]
    figures = [late[len(late) // 2], late[len(late) * 99 // 100], late[-1]]
    threads = len({ident for _, ident in seen})
    return answer(start, " ".join([*(f"{figure:.1f}" for figure in figures), str(len(seen)), str(threads)]))


def thread(wish: Wish, start: StartResponse) -> Iterable[bytes]:
    wish.sleep()
    return answer(start, threading.current_thread().name)


def events(wish: Wish, start: StartResponse) -> Iterable[bytes]:
    seen, EVENTS[:] = EVENTS[:], []
    return answer(start, " ".join(seen))


def inside(wish: Wish, start: StartResponse) -> Iterable[bytes]:
    return answer(start, " ".join(INSIDE))


def held(wish: Wish, start: StartResponse) -> Iterable[bytes]:
    """Blocks of memory and stacks, of which some are kept for the next handlers."""
    gc.collect()
    stacks = sum(type(found).__name__ == "_Greenlet" for found in gc.get_objects())
    return answer(start, f"{sys.getallocatedblocks()} {stacks} {threading.active_count()}")


def answer(start: StartResponse, text: str) -> list[bytes]:
    start("200 OK", [("Content-Type", "text/plain")])
    return [text.encode()]


_WAITING = (plain, begun, writes, stream, body, state, depth, brink, stings, future, never, ticks)
_KINDS = (*_WAITING, blocks, lateness, thread, events, inside, held)
KINDS: dict[str, Callable[[Wish, StartResponse], Iterable[bytes]]] = {kind.__name__: kind for kind in _KINDS}


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    return KINDS[environ["PATH_INFO"].strip("/").partition("/")[0]](Wish(environ), start_response)
