"""One call for each message: order, what holds the client up, and what ends the connection."""

from __future__ import annotations

import pytest

import skitai
from skitai.core.websockets.designs import Design
from skitai.websocket.reqdata import _WAITING_MAX, RequestData
from tests.websocket.fakes import FakeApplication, FakeWebSocket

TEXT = [("Content-Type", "text/plain")]


def begin(application: FakeApplication, websocket: FakeWebSocket) -> RequestData:
    receiver = RequestData(Design(skitai.WEBSOCKET_REQDATA, 60.0, "m"), application)
    receiver.opened(websocket)  # type: ignore[arg-type]
    return receiver


def test_one_call_at_a_time_in_order() -> None:
    application, websocket = FakeApplication(), FakeWebSocket()
    receiver = begin(application, websocket)
    for text in ("one", "two", "three"):
        assert receiver.message(text) is True
    asked = []
    while application.calls:
        assert len(application.calls) == 1
        asked.append(application.calls[0][1]["QUERY_STRING"])
        assert websocket.owes
        application.end(200, b"answer", TEXT)
    assert asked == ["a=1&m=one", "a=1&m=two", "a=1&m=three"]
    assert websocket.sent == ["answer"] * 3
    assert not websocket.owes, "the server may stop"
    assert application.environ["QUERY_STRING"] == "a=1", "the handshake's own was changed"


def test_who_sends_faster_than_calls_end_is_held_and_read_on() -> None:
    application, websocket = FakeApplication(), FakeWebSocket()
    receiver = begin(application, websocket)
    taken = [receiver.message(str(number)) for number in range(_WAITING_MAX + 1)]
    assert taken == [True] * _WAITING_MAX + [False]
    for _ in range(_WAITING_MAX // 2):
        assert websocket.resumed == 0
        application.end(204)
    assert websocket.resumed == 1
    for _ in range(_WAITING_MAX // 2 + 1):
        application.end(204)
    assert websocket.resumed == 1
    assert not application.calls


@pytest.mark.parametrize(("status", "code"), [(404, 1008), (500, 1011), (503, 1013), (0, 1011)])
def test_messages_behind_one_that_failed_are_not_for_the_application(status: int, code: int) -> None:
    application, websocket = FakeApplication(), FakeWebSocket()
    receiver = begin(application, websocket)
    for number in range(_WAITING_MAX + 1):
        receiver.message(str(number))
    application.end(status, b"a secret")
    assert [closing[0] for closing in websocket.closings] == [code]
    assert websocket.sent == []
    assert not application.calls
    assert websocket.resumed == 1, "the client's goodbye stands behind what it has sent"
    assert receiver.message("late") is True
    assert not application.calls


def test_in_debug_the_error_page_goes_first() -> None:
    application, websocket = FakeApplication(debug=lambda: True), FakeWebSocket()
    begin(application, websocket).message("x")
    application.end(500, b"the page")
    assert websocket.sent == ["the page"]
    assert websocket.closings == [(1011, "Internal Server Error")]


def test_a_debug_that_raises_does_not_keep_the_client_waiting() -> None:
    def debug() -> bool:
        raise ArithmeticError("a property of the application")

    application, websocket = FakeApplication(debug=debug), FakeWebSocket()
    begin(application, websocket).message("x")
    application.end(500, b"the page")
    assert websocket.sent == []
    assert websocket.closings == [(1011, "Internal Server Error")]


def test_a_client_that_takes_no_answers_is_closed() -> None:
    application, websocket = FakeApplication(), FakeWebSocket(room=0)
    receiver = begin(application, websocket)
    receiver.message("one")
    receiver.message("two")
    application.end(200, b"answer", TEXT)
    assert websocket.closings == [(1008, "")]
    assert not application.calls


def test_who_leaves_ends_what_waits() -> None:
    application, websocket = FakeApplication(), FakeWebSocket()
    receiver = begin(application, websocket)
    receiver.message("one")
    receiver.message("two")
    ((stage, _),) = application.calls
    websocket.is_gone = True
    receiver.closed(1001, "")
    assert stage.is_lost
    application.end(200, b"answer", TEXT)
    assert not application.calls
    assert websocket.sent == []
