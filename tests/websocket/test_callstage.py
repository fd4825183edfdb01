"""What stands in the place of an HTTP exchange where an application is called for a message."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from skitai.errors import ClientDisconnected
from skitai.websocket.callstage import CallStage, Outcome


class Staged:
    def __init__(self, body_max: int = 10) -> None:
        exchange: Any = SimpleNamespace(
            head=None, peer=None, listener=None, tls=None, context=None, response_timeout=30.0
        )
        self.outcomes: list[Outcome] = []
        self.stage = CallStage(exchange, self.outcomes.append, lambda callback: callback(), body_max)


def test_an_answer_in_pieces_is_one() -> None:
    staged = Staged()
    staged.stage.start(200, [("A", "b")])
    staged.stage.write(b"12345")
    staged.stage.write(b"67890")
    staged.stage.end()
    assert staged.outcomes == [Outcome(200, [("A", "b")], b"1234567890")]
    assert not staged.stage.is_current


def test_where_an_answer_is_too_long_its_error_page_has_room() -> None:
    staged = Staged()
    with pytest.raises(ValueError, match="ws_message_max"):
        staged.stage.respond(200, [], b"12345678901")
    staged.stage.respond(500, [], b"too long")
    assert staged.outcomes == [Outcome(500, [], b"too long")]


def test_it_is_done_once() -> None:
    staged = Staged()
    staged.stage.abort()
    staged.stage.respond(500, [], b"late")
    assert staged.outcomes == [Outcome(0, [], b"")]


def test_who_waits_hears_of_the_loss() -> None:
    staged = Staged()
    told: list[str] = []
    assert staged.stage.loss is None
    assert staged.stage.when_lost(lambda: told.append("lost"))
    staged.stage.lose()
    staged.stage.lose()
    assert told == ["lost"]
    assert isinstance(staged.stage.loss, ClientDisconnected)
    assert not staged.stage.when_lost(lambda: told.append("again"))
    with pytest.raises(ClientDisconnected):
        staged.stage.respond(200, [], b"nobody")
    assert staged.outcomes == []
