"""kill -9 of the agent at random moments: nothing is lost, and what arrives twice is what nobody could know
of."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable
from multiprocessing.process import BaseProcess

import pytest
from aiosmtpd.smtp import SMTP
from aiosmtpd.smtp import Envelope as Arriving

from skitai.core.mail.letter import Envelope
from tests.mail.forked import agent
from tests.mail.home import Home
from tests.mail.smtpserver import SmtpServer
from tests.waiting import wait_until


async def _at_random(server: SmtpServer, protocol: SMTP, envelope: Arriving) -> str | None:
    """Takes its time, and now and then ends the connection or has no time."""
    await asyncio.sleep(random.uniform(0, 0.02))
    dice = random.random()
    if dice < 0.02:
        return "451 not now"
    if dice < 0.03:
        assert protocol.transport is not None
        protocol.transport.abort()
        return "451 nobody hears this"
    return None


def _in_doubt(home: Home) -> set[tuple[str, int]]:
    """Attempts whose last line is "sending": whoever was killed there cannot know."""
    doubts = set()
    for name in home.waiting():
        state = home.spool.letter(home.spool.waiting, name).state
        if state.unconfirmed:
            doubts.add((name, state.attempts))
    return doubts


@pytest.mark.parametrize(
    ("letters", "kills"),
    [(100, 15), pytest.param(1000, 200, marks=[pytest.mark.soak, pytest.mark.timeout(900)])],
)
def test_nothing_is_lost(home: Home, smtp: Callable[..., SmtpServer], letters: int, kills: int) -> None:
    server = smtp(on_data=_at_random)
    doubts: set[tuple[str, int]] = set()
    for number in range(letters):
        kind = ("a@example.com", f"b{number}@example.com") if number % 5 == 0 else ("a@example.com",)
        line = "x" * 70 + "\r\n"
        message = f"Message-ID: <{number}@test>\r\n\r\n{line * random.randrange(50)}".encode()
        home.spool.put(Envelope("hans@example.com", kind), message)
    for _ in range(kills):
        killed = agent(home.folder, server.address)
        if random.random() < 0.8:  # else it may be killed while it starts
            wait_until(lambda: f"pid {killed.pid}," in home.logged())  # noqa: B023
        time.sleep(random.uniform(0, 0.1))
        killed.kill()
        killed.join()
        doubts |= _in_doubt(home)
    last = agent(home.folder, server.address)
    wait_until(lambda: not home.waiting(), 60)
    home.wait_for(f"pid {last.pid},")
    last.terminate()
    last.join()
    assert last.exitcode == 0
    arrived = Counter(str(one.message["Message-ID"]) for one in server.received)
    assert sorted(arrived) == sorted(f"<{number}@test>" for number in range(letters)), "lost"
    assert home.undelivered() == []
    twice = sum(arrived.values()) - letters
    print(f"{letters} letters, {kills} kills: {twice} arrived twice, {len(doubts)} were in doubt")
    assert twice <= len(doubts)


def test_two_agents_at_once_send_nothing_twice(home: Home, smtp: Callable[..., SmtpServer]) -> None:
    """Whoever has the lock delivers; the other one ends, and is started again and again."""
    server = smtp()
    for number in range(200):
        home.put("a@example.com", subject=str(number))
    running: list[BaseProcess] = []
    deadline = time.monotonic() + 60
    while home.waiting():
        assert time.monotonic() < deadline
        running = [process for process in running if process.is_alive()]
        while len(running) < 2:
            running.append(agent(home.folder, server.address))
        time.sleep(0.05)
    for process in running:
        process.terminate()
        process.join()
    assert sorted(server.subjects()) == sorted(str(number) for number in range(200))
