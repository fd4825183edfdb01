"""Messages between those who bring them and the one who takes them."""

from __future__ import annotations

import asyncio
import threading
import time

from skitai.core.websockets.inbox import Inbox


def nothing() -> None:
    """For those with whom room is no matter."""


def test_all_that_has_come_is_taken_at_once() -> None:
    inbox = Inbox(10, nothing)
    inbox.put("a")
    inbox.put("b")
    assert inbox.take(0) == ["a", "b"]
    assert inbox.take(0) == []


def test_who_waits_for_nothing_gets_an_empty_list_in_time() -> None:
    began = time.monotonic()
    assert Inbox(10, nothing).take(0.05) == []
    assert 0.04 < time.monotonic() - began < 2


def test_a_message_ends_the_wait() -> None:
    inbox = Inbox(10, nothing)
    threading.Timer(0.05, inbox.put, ["late"]).start()
    assert inbox.take(5) == ["late"]


def test_the_end_ends_the_wait() -> None:
    inbox = Inbox(10, nothing)
    threading.Timer(0.05, inbox.close).start()
    assert inbox.take(5) is None


def test_what_came_before_the_end_is_given_first() -> None:
    inbox = Inbox(10, nothing)
    inbox.put("last")
    inbox.close()
    assert inbox.is_closed
    assert inbox.take() == ["last"]
    assert inbox.take() is None
    assert inbox.take() is None


def test_nothing_comes_behind_the_end() -> None:
    inbox = Inbox(10, nothing)
    inbox.close()
    assert inbox.put("late") is True, "the connection is not read on, and its end stands behind"
    assert inbox.take() is None


def test_enough_is_said_once_it_is_and_room_when_it_was_taken() -> None:
    rooms: list[str] = []
    inbox = Inbox(2, lambda: rooms.append("room"))
    assert inbox.put(1) is True
    assert inbox.put(2) is False
    assert inbox.put(3) is False  # in spite of it, and kept
    assert rooms == []
    assert inbox.take(0) == [1, 2, 3]
    assert rooms == ["room"]
    assert inbox.put(4) is True
    inbox.take(0)
    assert rooms == ["room"], "it was not full"


def test_in_asyncio() -> None:
    async def talk() -> list[object]:
        inbox = Inbox(10, nothing)
        seen: list[object] = [await inbox.take_async(0.02)]
        threading.Timer(0.05, inbox.put, ["late"]).start()
        seen.append(await inbox.take_async(5))
        threading.Timer(0.05, inbox.close).start()
        seen.append(await inbox.take_async())
        return seen

    assert asyncio.run(talk()) == [[], ["late"], None]


def test_waits_of_asyncio_that_were_in_vain_leave_nothing() -> None:
    inbox = Inbox(10, nothing)

    async def poll() -> None:
        for _ in range(3):
            assert await inbox.take_async(0.01) == []
        task = asyncio.create_task(inbox.take_async())
        await asyncio.sleep(0.01)
        task.cancel()

    asyncio.run(poll())
    assert inbox._arrival is None
    assert inbox.put("later")
    assert inbox.take(0) == ["later"]


def test_who_is_held_up_goes_on_at_the_end() -> None:
    rooms: list[str] = []
    inbox = Inbox(1, lambda: rooms.append("room"))
    assert inbox.put("enough") is False
    assert inbox.is_full
    inbox.close()
    assert rooms == ["room"]
    assert not inbox.is_full
    assert inbox.take() == ["enough"]
    assert rooms == ["room"]


def test_many_messages_and_none_is_lost() -> None:
    inbox = Inbox(5, nothing)
    count = 20_000

    def bring() -> None:
        for number in range(count):
            inbox.put(number)
        inbox.close()

    threading.Thread(target=bring).start()
    seen: list[int] = []
    while (items := inbox.take(5)) is not None:
        assert items, "nothing came for 5 seconds"
        seen += items
    assert seen == list(range(count))
