"""Where the engine has lanes, a request for a WebSocket leaves its lane as one that is not plain."""

from __future__ import annotations

import pytest

from skitai._kernels import engine
from skitai.limits import Limits
from tests.pure import engine_world, test_websocket_engine
from tests.pure.certificates import Unnamed
from tests.pure.engine_world import ScriptedService, World


class LaneService(ScriptedService):
    """Everything begins in a lane, and is for no application of one."""

    standing = ()
    error_pages = ()
    log = None

    def lane(self, host: str, path: str, info: object) -> None:
        return None

    def grounds(self, info: object) -> tuple[()]:
        return ()

    def learned(self, habit: engine.Habit, before: str) -> None:
        """Nothing lasts here."""


class LaneWorld(World):
    def __init__(self, service: ScriptedService, limits: Limits, secure: Unnamed | None) -> None:
        lanes = LaneService(service.on_execute, service.on_admit)
        lanes.executor = executor = engine.make_executor(2, limits, self._report)
        super().__init__(lanes, limits, secure)
        stop_engine = self.engine.stop

        def stop() -> None:
            stop_engine()
            executor.stop()

        self.engine.stop = stop


#: Conversations that have to do with how a WebSocket begins, with threads, and with the end of the server.
globals().update(
    (test.__name__, test)
    for test in (
        test_websocket_engine.test_messages_come_and_go,
        test_websocket_engine.test_frames_behind_the_request_are_not_lost,
        test_websocket_engine.test_a_pipelined_request_in_front,
        test_websocket_engine.test_a_bad_handshake_leaves_the_connection_to_http,
        test_websocket_engine.test_any_thread_may_send,
        test_websocket_engine.test_draining_closes_behind_what_waits,
        test_websocket_engine.test_one_that_opens_while_the_server_stops_is_closed_at_once,
        test_websocket_engine.test_many_at_once,
    )
)


@pytest.fixture(autouse=True)
def with_lanes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_world, "World", LaneWorld)
