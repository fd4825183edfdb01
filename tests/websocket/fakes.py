"""What stands below `skitai.websocket` in its unit tests: a connection that a test fills and empties, and an
application whose calls are ended by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from skitai.errors import ClientDisconnected, SendQueueFull
from skitai.websocket.callstage import CallStage, Outcome

__all__ = ["FakeApplication", "FakeWebSocket"]


class FakeWebSocket:
    """Takes ``room`` messages, and then none until `drain`."""

    peer = ("192.0.2.1", 5000)

    def __init__(self, room: int = 1_000_000) -> None:
        self.room = room
        self.owes = False
        self.sent: list[Any] = []
        self.closings: list[tuple[int, str]] = []
        self.resumed = 0
        self.is_gone = False
        #: Whether the client has taken all in the moment between two looks of ours.
        self.drains_meanwhile = False
        self._on_room: Callable[[], None] | None = None

    def send(self, message: Any) -> None:
        if self.is_gone or self.closings:
            raise ClientDisconnected("gone")
        if not self.room:
            raise SendQueueFull("full")
        self.room -= 1
        self.sent.append(message)

    send_encoded = send

    def when_room(self, callback: Callable[[], None]) -> bool:
        if self.drains_meanwhile:
            self.room = 1
        if self.room or self.is_gone:
            return False
        self._on_room = callback
        return True

    def drain(self, room: int) -> None:
        """The client takes what waits; the loop thread says so."""
        self.room = room
        callback, self._on_room = self._on_room, None
        assert callback is not None, "nobody has asked"
        callback()

    def start_closing(self, code: int = 1000, reason: str = "") -> None:
        self.closings.append((code, reason))

    def resume(self) -> None:
        self.resumed += 1

    def settle(self) -> None:
        self.owes = False


class FakeApplication:
    """An `Application` whose calls wait in ``calls`` for a test to end them."""

    def __init__(self, *, debug: Callable[[], bool] = lambda: False) -> None:
        self.environ: dict[str, Any] = {"QUERY_STRING": "a=1"}
        self.debug = debug
        self.calls: list[tuple[_FakeStage, dict[str, Any]]] = []

    def terms(self, variable: str | None) -> None:
        """Nobody calls it but us."""

    def stage(self, on_done: Callable[[Outcome], None]) -> CallStage:
        return _FakeStage(on_done)  # type: ignore[return-value]

    def run(self, stage: Any, environ: dict[str, Any]) -> None:
        self.calls.append((stage, environ))

    run_behind = run_loop = run

    def end(self, status: int, body: bytes = b"", headers: list[tuple[str, str]] | None = None) -> None:
        """The oldest call that is under way."""
        self.calls.pop(0)[0].on_done(Outcome(status, headers or [], body))


class _FakeStage:
    def __init__(self, on_done: Callable[[Outcome], None]) -> None:
        self.on_done = on_done
        self.is_lost = False

    def lose(self) -> None:
        self.is_lost = True
