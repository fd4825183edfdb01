"""A run over a real engine: what must be given back whatever the application does.

What applications may do and how it looks to clients is in tests/live/test_wsgi_*.py; here stand
the ends that a client cannot see.
"""

from __future__ import annotations

import contextvars
import inspect
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from skitai._kernels import engine
from skitai.core.bodies import RequestBody, Spool
from skitai.core.coroutines import Coroutines
from skitai.core.gateway import Run
from skitai.core.runreports import RunReports
from skitai.core.runterms import RunTerms
from skitai.errors import ClientDisconnected
from skitai.limits import Limits
from tests.pure.engine_world import world
from tests.waiting import wait_until

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class Gateway:
    """Runs ``application`` for each exchange, as the service does, with a spooled body of its own."""

    def __init__(
        self, application: Application, executor: engine.Executor, *, debug: Callable[[], bool]
    ) -> None:
        self.application = application
        self.executor = executor
        self.spool = Spool(None, 1 << 20)
        self.failures: list[str] = []
        self.shed: list[str] = []
        self.terms = RunTerms(
            executor,
            Coroutines(10, pytest.fail),
            RunReports(
                failure=self.failures.append,
                warn=self.failures.append,
                error_page=lambda exchange, status, why, detail: ([("Content-Length", "0")], b""),
            ),
            compression=None,
            roots=None,
            burns=False,
            lasts=False,
            debug=debug,
            on_overload=self.refuse,
            give_up=lambda: None,
            is_ending=bool,
            present=set(),
        )

    def refuse(self, exchange: engine.Exchange, limit: str, why: str) -> None:
        self.shed.append(limit)
        exchange.respond(503, [("Content-Length", "0")])

    def execute(self, exchange: engine.Exchange) -> None:
        body = RequestBody(self.spool, memory_max=0)
        body.write(b"spooled")
        body.finish()
        run = Run(
            exchange,
            lambda: self.application,
            {"REQUEST_METHOD": exchange.head.method},
            contextvars.copy_context(),
            self.terms,
            body,
            parks=False,
        )
        self.executor.submit(run)


@pytest.fixture(params=[0, 2], ids=["in the loop", "in threads"])
def executor(request: pytest.FixtureRequest) -> Iterator[engine.Executor]:
    made = engine.make_executor(request.param, Limits(), pytest.fail)
    yield made
    made.stop()


def test_an_error_page_that_fails_ends_the_request(executor: engine.Executor) -> None:
    """`debug` belongs to the application and may be a property that raises."""

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        raise LookupError("first")

    def debug() -> bool:
        raise ArithmeticError("second")

    gateway = Gateway(application, executor, debug=debug)
    with world(gateway.execute) as w:
        client = w.client()
        client.get()
        assert w.ended().progress is engine.Progress.GONE
        with suppress(ConnectionResetError):
            assert client.rest() == b""
        wait_until(lambda: gateway.spool.used == 0)
    first, second = gateway.failures
    assert first.endswith("LookupError: first\n")
    assert second.endswith("ArithmeticError: second\n")


@pytest.mark.parametrize("failure", [None, RuntimeError("can't start new thread")])
def test_a_coroutine_that_finds_no_room_is_closed(
    executor: engine.Executor, failure: Exception | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    coroutines: list[Any] = []

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        async def never_begun() -> None: ...

        coroutines.append(never_begun())
        return coroutines[0]

    def submit(run: Run) -> bool:
        if failure is not None:
            raise failure
        return False

    gateway = Gateway(application, executor, debug=lambda: False)
    monkeypatch.setattr(gateway.terms.coroutines, "submit", submit)
    with world(gateway.execute) as w:
        client = w.client()
        client.get()
        assert client.response()[0] == (503 if failure is None else 500)
        wait_until(lambda: gateway.spool.used == 0)
    assert inspect.getcoroutinestate(coroutines[0]) == inspect.CORO_CLOSED
    assert gateway.shed == ([] if failure else ["coroutines_max"])
    assert len(gateway.failures) == (1 if failure else 0)


def test_everything_is_given_back_when_the_client_leaves(executor: engine.Executor) -> None:
    closed: list[str] = []

    class Endless:
        def __iter__(self) -> Iterator[bytes]:
            while True:
                yield bytes(65536)

        def close(self) -> None:
            closed.append("close")

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        start_response("200 OK", [])
        return Endless()

    gateway = Gateway(application, executor, debug=lambda: False)
    with world(gateway.execute) as w:
        client = w.client()
        client.get()
        assert client.sock.recv(1000)
        client.close()
        assert w.ended().progress is engine.Progress.GONE
        wait_until(lambda: closed == ["close"] and gateway.spool.used == 0)
    assert gateway.failures == []


def test_an_application_that_waits_by_empty_pieces_ends_with_its_request(executor: engine.Executor) -> None:
    closed: list[bool] = []

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        start_response("200 OK", [])
        try:
            while True:
                yield b""
        finally:
            closed.append(True)

    gateway = Gateway(application, executor, debug=lambda: False)
    with world(gateway.execute, limits=Limits(response_timeout=0.3)) as w:
        client = w.client()
        client.get()
        assert client.response()[0] == 503
        wait_until(lambda: closed)
        wait_until(lambda: gateway.spool.used == 0)


def test_a_client_of_somebody_else_that_has_gone_leaves_ours_not_waiting(executor: engine.Executor) -> None:
    """As where a handler writes to the WebSocket of another client."""

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        raise ClientDisconnected("another one has gone")

    gateway = Gateway(application, executor, debug=lambda: False)
    with world(gateway.execute) as w:
        client = w.client()
        client.get()
        assert w.ended().progress is engine.Progress.GONE
        with suppress(ConnectionResetError):
            assert client.rest() == b""
    assert gateway.failures == []
