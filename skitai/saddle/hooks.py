"""What runs around a function: `before_request` to `teardown_request`, in README's order.

The order is written once, as a coroutine.  Around a plain function it never waits, and `drive` runs it
in the calling thread; around an ``async def`` it is awaited in asyncio's thread.  So hooks of an
``async def`` may be either, and hooks of a plain function are plain.

Hooks of packages nest inside those of the application, as the calls would.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

from skitai.saddle.coroutines import drop
from skitai.saddle.temp import EVEXCEPT, EVOK, EVREQEND
from skitai.was import Services

__all__ = ["Hook", "Hooks", "drive", "must_be_awaited", "run_within"]

#: Hooks of one request that are told that they cannot wait: one may ask for it over and over.
_REFUSALS_MAX = 100

T = TypeVar("T")
Hook = Callable[[Any], Any]


class Hooks:
    """Of one application or package.  Several of a kind: ``before`` in the order given, the others the
    other way round, so that what was begun last ends first."""

    __slots__ = ("after", "before", "failed", "teardown")

    def __init__(self) -> None:
        self.before: list[Hook] = []
        self.after: list[Hook] = []
        self.failed: list[Hook] = []
        self.teardown: list[Hook] = []

    def __bool__(self) -> bool:
        return bool(self.before or self.after or self.failed or self.teardown)


async def run_within(levels: Sequence[Hooks], services: Services, function: Callable[[], Any]) -> Any:
    """What ``function()`` gives, or the first `before_request` that gives something true.

    ``levels``: the outermost first.  An exception passes through; one of a hook takes its place, and what
    was given before it is closed, for nobody will send it.
    """
    given: list[Any] = []
    try:
        try:
            return await _within(levels, 0, services, function, given)
        finally:
            if "temp" in services.__dict__:  # still: without hooks, or when a teardown has bound something
                await _fire(services, EVREQEND)
    except BaseException:
        for content in given:
            await drop(content)
        raise


async def _within(
    levels: Sequence[Hooks], depth: int, services: Services, function: Callable[[], Any], given: list[Any]
) -> Any:
    if depth == len(levels):
        return await _call(services, function, given)
    level = levels[depth]
    try:
        try:
            for hook in level.before:
                content = hook(services)
                if must_be_awaited(content):
                    content = await content
                if content:
                    given.append(content)
                    return content
            content = await _within(levels, depth + 1, services, function, given)
        except BaseException:
            await _run(level.failed, services)
            raise
        if level.after:
            await _run(level.after, services)
        return content
    finally:
        try:
            if depth == 0 and "temp" in services.__dict__:
                await _fire(services, EVREQEND)
        finally:
            if level.teardown:
                await _run(level.teardown, services)


async def _call(services: Services, function: Callable[[], Any], given: list[Any]) -> Any:
    try:
        content = function()
        if must_be_awaited(content):
            content = await content
        given.append(content)
    except BaseException:
        if "temp" in services.__dict__:
            await _fire(services, EVEXCEPT)
        raise
    if "temp" in services.__dict__:
        await _fire(services, EVOK)
    return content


async def _run(hooks: Sequence[Hook], services: Services) -> None:
    """All of them, whatever one raises; the first exception goes on."""
    first: BaseException | None = None
    for hook in reversed(hooks):
        try:
            awaited = hook(services)
            if must_be_awaited(awaited):
                await awaited
        except BaseException as error:
            first = first or error
    if first is not None:
        raise first


async def _fire(services: Services, event: int) -> None:
    await _run(services.temp.skitai_take(event), services)


def must_be_awaited(value: Any) -> bool:
    """Whether ``value`` is to come yet.  (`inspect.isawaitable` takes ten times as long.)"""
    return hasattr(type(value), "__await__")


def drive(steps: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that does not wait.

    Where it does, it gets a TypeError that says why it cannot, as its hooks may have to end something.
    """
    refusal = TypeError(
        "a plain function has an async hook, which would have to wait: make the function async"
    )
    try:
        steps.send(None)
        for _ in range(_REFUSALS_MAX):
            steps.throw(refusal)
    except StopIteration as end:
        result: T = end.value
        return result
    steps.close()
    raise refusal
