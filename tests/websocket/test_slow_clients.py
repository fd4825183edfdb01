"""Clients of a room that take messages more slowly than the room says them."""

from __future__ import annotations

from skitai.websocket.rooms import _KEPT_MAX, Client
from tests.websocket.fakes import FakeWebSocket


def client_of(websocket: FakeWebSocket, *, keeps_newest: bool) -> Client:
    return Client(websocket, keeps_newest=keeps_newest)  # type: ignore[arg-type]


def say(client: Client, first: int, behind: int) -> None:
    for number in range(first, behind):
        client.send(b"%d" % number)


def test_one_that_is_not_waited_for_is_closed() -> None:
    websocket = FakeWebSocket(room=2)
    client = client_of(websocket, keeps_newest=False)
    say(client, 0, 3)
    assert websocket.sent == [b"0", b"1"]
    assert [code for code, _ in websocket.closings] == [1008]
    assert client.dropped == 1


def test_the_newest_are_kept_in_order() -> None:
    websocket = FakeWebSocket(room=1)
    client = client_of(websocket, keeps_newest=True)
    say(client, 0, _KEPT_MAX + 11)
    assert websocket.sent == [b"0"]
    assert client.dropped == 10
    websocket.drain(5)
    say(client, _KEPT_MAX + 11, _KEPT_MAX + 12)
    assert client.dropped == 10
    websocket.drain(1_000_000)
    assert websocket.sent == [b"0"] + [b"%d" % number for number in range(11, _KEPT_MAX + 12)]
    say(client, 1000, 1001)
    assert websocket.sent[-1] == b"1000", "it is behind no more"
    assert websocket.closings == []


def test_room_between_two_looks_leaves_nothing_behind() -> None:
    """The queue was full, and was empty before we could ask to be told: nobody would tell us."""
    websocket = FakeWebSocket(room=0)
    websocket.drains_meanwhile = True
    client = client_of(websocket, keeps_newest=True)
    say(client, 0, 3)
    assert websocket.sent == [b"0", b"1", b"2"]


def test_who_leaves_with_messages_kept_is_forgotten() -> None:
    websocket = FakeWebSocket(room=0)
    client = client_of(websocket, keeps_newest=True)
    say(client, 0, 3)
    websocket.is_gone = True
    websocket.drain(0)
    say(client, 3, 4)
    assert websocket.sent == []
