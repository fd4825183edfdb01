"""The delivery agent with real servers: who gets what, what is tried again, and what is given up."""

from __future__ import annotations

import asyncio
import itertools
import socket
import time
from collections.abc import Callable

import pytest
from aiosmtpd.smtp import SMTP
from aiosmtpd.smtp import Envelope as Arriving

from skitai.core.config.smtpservers import SmtpServer as Server
from skitai.core.mail.letter import Envelope
from tests.mail.home import Home
from tests.mail.smtpserver import SmtpServer, drop, take_and_drop
from tests.waiting import wait_until

Smtp = Callable[..., SmtpServer]


# --- delivered


def test_what_waits_and_what_comes_is_delivered(home: Home, smtp: Smtp) -> None:
    server = smtp()
    home.put("a@example.com", "b@example.com", subject="before")
    home.start(server=server)
    wait_until(lambda: server.subjects() == ["before"])
    begin = time.monotonic()
    home.put("c@example.com", subject="after")
    wait_until(lambda: len(server.received) == 2)
    assert time.monotonic() - begin < 20, "it has waited for a clock and not for the bell"
    assert [one.recipients for one in server.received] == [
        ("a@example.com", "b@example.com"),
        ("c@example.com",),
    ]
    assert server.received[0].sender == "hans@example.com"
    wait_until(lambda: not home.waiting())
    assert home.undelivered() == []


@pytest.mark.parametrize(
    "message",
    [
        b"Subject: dots\r\n\r\n.\r\n..\r\n...\r\n.x\r\n\r\n.\r\nend\r\n",
        b"Subject: no end\r\n\r\ntext",
        b"Subject: long\r\n\r\n" + b"x" * 70 + b"\r\n" * 100_000,
        b"Subject: empty\r\n\r\n",
    ],
)
def test_a_message_arrives_as_it_is(home: Home, smtp: Smtp, message: bytes) -> None:
    server = smtp()
    home.spool.put(Envelope("a@b.c", ("d@e.f",)), message)
    home.start(server=server)
    wait_until(lambda: server.received)
    expected = message if message.endswith(b"\r\n") else message + b"\r\n"
    assert server.received[0].data == expected


def test_a_connection_serves_one_after_the_other(home: Home, smtp: Smtp) -> None:
    server = smtp()
    for number in range(30):
        home.put("a@example.com", subject=str(number))
    home.start("--connections-per-server", "1", server=server)
    wait_until(lambda: len(server.received) == 30)
    assert server.subjects() == [str(number) for number in range(30)]
    assert server.sessions == 1


def test_several_at_once_and_no_more(home: Home, smtp: Smtp) -> None:
    async def slow(server: SmtpServer, protocol: SMTP, envelope: Arriving) -> None:
        await asyncio.sleep(0.05)

    server = smtp(on_data=slow)
    for number in range(40):
        home.put("a@example.com", subject=str(number))
    home.start("--connections-per-server", "3", server=server)
    wait_until(lambda: len(server.received) == 40)
    assert server.most_connections == 3


def test_a_server_that_takes_fewer_connections_gets_fewer(home: Home, smtp: Smtp) -> None:
    async def slow(server: SmtpServer, protocol: SMTP, envelope: Arriving) -> None:
        await asyncio.sleep(0.02)

    server = smtp(on_data=slow, connections_max=2)
    for number in range(30):
        home.put("a@example.com", subject=str(number))
    home.start("--connections-per-server", "10", server=server)
    wait_until(lambda: len(server.received) == 30)
    wait_until(lambda: not home.waiting())
    assert "said 421" not in home.logged(), "a connection too many is no failure of a letter"


def test_a_kept_connection_that_was_closed_is_no_failure(home: Home, smtp: Smtp) -> None:
    server = smtp()
    home.start("--keep-alive", "30", server=server)
    for number in range(3):
        home.put("a@example.com", subject=str(number))
        wait_until(lambda: len(server.received) == number + 1)  # noqa: B023
        server.drop_connections()
        wait_until(lambda: server.connections == 0)
    assert server.sessions == 3
    assert "deferred" not in home.logged()


def test_many_recipients_are_several_transactions(home: Home, smtp: Smtp) -> None:
    server = smtp()
    people = [f"p{number}@example.com" for number in range(250)]
    home.put(*people)
    home.start(server=server)
    wait_until(lambda: not home.waiting())
    assert [len(one.recipients) for one in server.received] == [100, 100, 50]
    assert [name for one in server.received for name in one.recipients] == people


def test_each_server_has_its_own_lane(home: Home, smtp: Smtp) -> None:
    """Only one connection at all: they take turns."""
    servers = [smtp() for _ in range(3)]
    for number in range(12):
        own = Server("127.0.0.1", servers[number % 3].port)
        home.put(envelope=Envelope("a@b.c", ("d@e.f",), own), subject=str(number))
    home.start("--connections", "1", "--keep-alive", "60", server=servers[0])
    wait_until(lambda: not home.waiting())
    assert [len(server.received) for server in servers] == [4, 4, 4]


# --- refused, and for now


def test_who_is_refused_and_who_is_not(home: Home, smtp: Smtp) -> None:
    server = smtp()
    name = home.put("a@example.com", "550@example.com", "grey@example.com")
    home.start(server=server)
    wait_until(lambda: home.undelivered() == [name])
    assert sorted(one.recipients for one in server.received) == [("a@example.com",), ("grey@example.com",)]
    state = home.spool.letter(home.spool.undelivered, name).state
    assert state.waiting == []
    assert list(state.refused) == ["550@example.com"]
    words = f"{name} could not be delivered to 550@example.com: 550 550@example.com: as its name says"
    home.wait_for(words)


def test_given_up_after_max_retry(home: Home, smtp: Smtp) -> None:
    server = smtp()
    name = home.put("451@example.com")
    home.start("--max-retry", "3", server=server)
    wait_until(lambda: home.undelivered() == [name])
    state = home.spool.letter(home.spool.undelivered, name).state
    assert (state.attempts, state.waiting) == (3, ["451@example.com"])
    home.wait_for("could not be delivered to 451@example.com: 451 451@example.com: as its name says")
    assert home.logged().count("deferred (attempt") == 2


def test_the_times_between_attempts_grow(home: Home, smtp: Smtp) -> None:
    asked: list[float] = []

    async def busy(server: SmtpServer, protocol: SMTP, envelope: Arriving) -> str:
        asked.append(time.monotonic())
        return "450 busy"

    server = smtp(on_mail=busy)
    name = home.put("a@example.com")
    home.start("--max-retry", "4", "--retry-delay", "40ms", "--retry-delay-max", "400ms", server=server)
    wait_until(lambda: home.undelivered() == [name])
    gaps = [later - earlier for earlier, later in itertools.pairwise(asked)]
    for gap, least in zip(gaps, (0.03, 0.12, 0.3), strict=True):
        assert least <= gap < least * 1.25 / 0.75 + 1


@pytest.mark.parametrize("reply", ["554 no", "552 too much"])
def test_a_message_that_is_refused(home: Home, smtp: Smtp, reply: str) -> None:
    async def refuse(server: SmtpServer, protocol: SMTP, envelope: Arriving) -> str:
        return reply

    name = home.put("a@example.com")
    home.start(server=smtp(on_data=refuse))
    wait_until(lambda: home.undelivered() == [name])
    assert home.spool.letter(home.spool.undelivered, name).state.refused == {"a@example.com": reply}


def test_a_message_that_is_too_long_for_the_server_is_not_sent(home: Home, smtp: Smtp) -> None:
    server = smtp(size=40)
    name = home.put("a@example.com")
    home.start(server=server)
    wait_until(lambda: home.undelivered() == [name])
    home.wait_for("takes 40 bytes, and the e-mail has")


def test_addresses_outside_of_ascii(home: Home, smtp: Smtp) -> None:
    able, unable = smtp(), smtp(utf8=False)
    for server in (able, unable):
        own = Server("127.0.0.1", server.port)
        home.put(envelope=Envelope("a@b.c", ("bö@example.com",), own, utf8=True))
    home.start(server=able)
    wait_until(lambda: home.undelivered() and not home.waiting())
    assert [one.recipients for one in able.received] == [("bö@example.com",)]
    assert unable.received == []
    home.wait_for("takes ASCII addresses only")


# --- servers that fail


def test_a_server_that_is_not_there_fails_for_all_at_once(home: Home, smtp: Smtp) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    names = [home.put("a@example.com", subject=str(number)) for number in range(20)]
    nobody = f"127.0.0.1:{port}"
    home.start("--smtpserver", nobody, "--retry-delay", "300ms", "--retry-delay-max", "300ms")
    wait_until(lambda: home.logged().count("deferred (attempt 1 of 10") == 20)
    home.wait_for(f"{nobody} cannot be reached (Connection refused)")
    server = smtp(port=port)
    wait_until(lambda: not home.waiting())
    assert len({*server.subjects()}) == len(server.received) == len(names)


def test_a_connection_that_ends_behind_the_message(home: Home, smtp: Smtp) -> None:
    """Sent again, with the same Message-ID; the log and the journal say that it may be there twice."""
    server = smtp(on_data=take_and_drop)
    name = home.put("a@example.com", subject="twice")
    home.start("--retry-delay", "500ms", server=server)
    home.wait_for("it may have arrived")
    server.on_data = None
    wait_until(lambda: not home.waiting())
    assert [one.message["Message-ID"] for one in server.received] == ["<twice@test>"] * 2
    home.wait_for(f"{name} deferred (attempt 1 of 10")


def test_a_connection_that_ends_in_the_middle_is_tried_again(home: Home, smtp: Smtp) -> None:
    async def end(server: SmtpServer, protocol: SMTP, envelope: Arriving) -> str:
        server.on_mail = None
        return await drop(server, protocol, envelope) or ""

    server = smtp(on_mail=end)
    home.put("a@example.com")
    home.start(server=server)
    wait_until(lambda: not home.waiting())
    assert len(server.received) == 1
    home.wait_for("closed the connection")


def test_a_server_that_does_not_answer(home: Home, smtp: Smtp) -> None:
    """The others do not wait for it."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        own = Server("127.0.0.1", silent.getsockname()[1])
        mute = [home.put(envelope=Envelope("a@b.c", ("d@e.f",), own), subject="mute") for _ in range(10)]
        server = smtp()
        home.put("a@example.com", subject="other")
        home.start("--timeout", "2s", "--retry-delay", "60s", "--retry-delay-max", "60s", server=server)
        wait_until(lambda: server.subjects() == ["other"], 1.9)
        wait_until(lambda: home.logged().count("took longer than timeout allows") == 10)
    assert home.waiting() == mute


def test_421_in_the_greeting(home: Home, smtp: Smtp) -> None:
    server = smtp(connections_max=0)
    home.put("a@example.com")
    home.start(server=server)
    home.wait_for("said 421 too many connections")
    server.connections_max = 1
    wait_until(lambda: not home.waiting())
