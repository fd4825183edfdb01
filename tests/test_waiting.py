"""Futures and `skitai.sleep` where no server is: a wait blocks its thread."""

from __future__ import annotations

import contextvars
import subprocess
import sys
import threading
import time

import pytest

import skitai
from skitai._waiting import HERE, REQUEST, Future
from skitai.errors import ClientDisconnected, ResponseOverdue, WaitTimeout


class Request:
    """One whose client may leave."""

    loss: ClientDisconnected | None = None


def later(seconds: float, call: object, *args: object) -> None:
    threading.Timer(seconds, call, args).start()  # type: ignore[arg-type]


def test_a_value_that_is_there_is_not_waited_for() -> None:
    future = Future()
    assert future.complete(3)
    assert future.done
    assert future.wait() == future.wait(0) == 3


def test_only_the_first_end_counts() -> None:
    future = Future()
    assert future.complete("first")
    assert not future.complete("second")
    assert not future.fail(ValueError("third"))
    assert future.wait() == "first"


def test_a_wait_ends_with_the_value() -> None:
    future = Future()
    later(0.05, future.complete, "value")
    began = time.monotonic()
    assert future.wait(5) == "value"
    assert 0.04 < time.monotonic() - began < 2


def test_a_wait_ends_with_the_failure() -> None:
    future = Future()
    later(0.05, future.fail, ZeroDivisionError("why"))
    with pytest.raises(ZeroDivisionError, match="why"):
        future.wait()


@pytest.mark.parametrize("timeout", [0, 0.1, -1])
def test_a_wait_ends_with_its_time(timeout: float) -> None:
    future = Future()
    began = time.monotonic()
    with pytest.raises(WaitTimeout, match=f"within {timeout:g} s"):
        future.wait(timeout)
    assert timeout - 0.01 < time.monotonic() - began < max(timeout, 0) + 1
    assert future.complete(1)
    assert future.wait() == 1


def test_many_wait_for_one() -> None:
    future = Future()
    got: list[object] = []
    threads = [threading.Thread(target=lambda: got.append(future.wait(5))) for _ in range(10)]
    for thread in threads:
        thread.start()
    time.sleep(0.05)
    future.complete("all")
    for thread in threads:
        thread.join(5)
    assert got == ["all"] * 10


@pytest.mark.parametrize("loss", [ClientDisconnected("gone"), ResponseOverdue("late")])
def test_a_wait_ends_with_its_request(loss: ClientDisconnected) -> None:
    request = Request()

    def wait() -> None:
        REQUEST.set(request)
        with pytest.raises(type(loss), match=str(loss)):
            Future().wait()

    later(0.05, setattr, request, "loss", loss)
    began = time.monotonic()
    contextvars.copy_context().run(wait)
    assert time.monotonic() - began < 2


def test_the_thread_that_would_have_to_end_the_wait_is_not_blocked() -> None:
    """Nor is one that runs in the same context refused."""
    HERE.is_alone = True
    try:
        with pytest.raises(RuntimeError, match="park = yes"):
            Future().wait(0.1)
        caught: list[BaseException] = []
        context = contextvars.copy_context()

        def wait() -> None:
            try:
                context.run(Future().wait, 0.01)
            except WaitTimeout as error:
                caught.append(error)

        thread = threading.Thread(target=wait)
        thread.start()
        thread.join(5)
        assert len(caught) == 1
    finally:
        HERE.is_alone = False


def test_sleep_sleeps() -> None:
    began = time.monotonic()
    skitai.sleep(0.05)
    assert time.monotonic() - began >= 0.05


@pytest.mark.parametrize(
    ("seconds", "error"),
    [
        (-1, ValueError),
        ("1", TypeError),
        (None, TypeError),
        (float("nan"), ValueError),
        (1e300, OverflowError),
    ],
)
def test_sleep_refuses_what_is_no_time(seconds: object, error: type[Exception]) -> None:
    with pytest.raises(error):
        skitai.sleep(seconds)  # type: ignore[arg-type]


def test_importing_the_package_loads_no_engine() -> None:
    script = (
        "import sys, skitai; skitai.sleep(0);"
        "print([name for name in sys.modules if name.startswith('skitai.')])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['skitai._constants', 'skitai._forks', 'skitai.errors', 'skitai._waiting']"
