"""Members that fail: who is asked next, what the client gets, and what the operator reads."""

from __future__ import annotations

import socket
import struct

import pytest

from tests.proxy.proxy_world import Member, Talk, proxying
from tests.waiting import wait_until

pytestmark = pytest.mark.usefixtures("way")

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
BUSY = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nbusy"


def reset(talk: Talk) -> None:
    talk.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    talk.close()


def dead() -> Member:
    """Nobody listens at its port."""
    member = Member()
    member.close()
    return member


def test_nobody_listens() -> None:
    with proxying(dead()) as world:
        client = world.client()
        client.get("/a?secret", extra="Accept: text/html\r\n")
        head = client.head()
        assert head.startswith(b"HTTP/1.1 502 Bad Gateway\r\n")
        assert b"Content-Type: text/html" in head
        wait_until(lambda: any(line.startswith("answered 502") for line in world.words.lines))
        line = next(line for line in world.words.lines if line.startswith("answered 502"))
        assert line.startswith("answered 502: GET /a: @c at 127.0.0.1:")
        assert "no connection to" in line
        client.close()


@pytest.mark.parametrize("body", [b"", b"some body"])
def test_who_does_not_listen_is_passed_over_whatever_is_asked(body: bytes) -> None:
    member = Member()
    with proxying(dead(), member) as world:
        for _ in range(3):
            client = world.client()
            client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
            asked = member.accept()
            asked.head()
            assert asked.exactly(len(body)) == body
            asked.send(OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
            assert client.head().startswith(b"HTTP/1.1 200 ")
            client.close()


@pytest.mark.parametrize("how", ["closed", "reset", "busy", "nonsense"])
def test_another_member_is_asked_what_may_be_repeated(how: str, way: str) -> None:
    members = [Member(), Member()]
    with proxying(*members) as world:
        client = world.client()
        client.send(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello")
        asked, other = first_asked(members)
        asked.head()
        assert asked.exactly(5) == b"hello"
        first = next(member for member in members if member is not other)
        if way == "warm" and how in ("closed", "reset"):
            # A connection that was kept may have died of age: the same member is asked over another one.
            asked.close() if how == "closed" else reset(asked)
            asked = first.accept()
            asked.head()
            assert asked.exactly(5) == b"hello"
        if how == "closed":
            asked.close()
        elif how == "reset":
            reset(asked)
        else:
            asked.send(BUSY if how == "busy" else b"nonsense\r\n\r\n")
        again = other.accept()
        again.head()
        assert again.exactly(5) == b"hello"
        again.send(OK)
        assert client.head().startswith(b"HTTP/1.1 200 ")
        client.close()


def first_asked(members: list[Member]) -> tuple[Talk, Member]:
    """Which of two members is asked is drawn."""
    for member in members:
        member.listener.settimeout(0.3)
    try:
        talk = members[0].accept()
        other = members[1]
    except TimeoutError:
        talk = members[1].accept()
        other = members[0]
    for member in members:
        member.listener.settimeout(5)
    talk.sock.settimeout(5)
    return talk, other


def test_what_is_not_idempotent_is_asked_once() -> None:
    members = [Member(), Member()]
    with proxying(*members) as world:
        client = world.client()
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello")
        asked, other = first_asked(members)
        asked.head()
        asked.close()
        assert client.head().startswith(b"HTTP/1.1 502 ")
        assert other.is_left_alone()
        client.close()


def test_a_body_that_was_too_long_to_keep_is_sent_once() -> None:
    members = [Member(), Member()]
    with proxying(*members, server="relay_buffer_max = 10") as world:
        client = world.client()
        client.send(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 40\r\n\r\n" + b"x" * 20)
        asked, other = first_asked(members)
        asked.head()
        assert asked.exactly(20) == b"x" * 20
        asked.close()
        assert client.head().startswith(b"HTTP/1.1 502 ")
        assert other.is_left_alone()
        client.close()


def test_the_last_members_busy_answer_is_passed_on() -> None:
    member = Member()
    with proxying(member) as world:
        client = world.client()
        client.get()
        asked = member.accept()
        asked.head()
        asked.send(BUSY)
        assert client.head().startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
        assert client.exactly(4) == b"busy"
        client.close()


def test_a_long_busy_answer_is_not_kept_for_a_better_one() -> None:
    members = [Member(), Member()]
    with proxying(*members) as world:
        client = world.client()
        client.get()
        asked, other = first_asked(members)
        asked.head()
        asked.send(b"HTTP/1.1 503 Busy\r\nContent-Length: 100000\r\n\r\n" + b"x" * 100000)
        assert client.head().startswith(b"HTTP/1.1 503 Busy\r\n")
        assert client.exactly(100000) == b"x" * 100000
        assert other.is_left_alone()
        client.close()


@pytest.mark.parametrize(
    "head", [b"Content-Length: 10\r\n", b"Transfer-Encoding: chunked\r\n"], ids=["sized", "chunked"]
)
@pytest.mark.parametrize("how", ["closed", "reset"])
def test_an_answer_that_ends_too_early_is_never_whole(head: bytes, how: str) -> None:
    member = Member()
    with proxying(member) as world:
        client = world.client()
        client.get()
        asked = member.accept()
        asked.head()
        asked.send(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n")
        asked.send(b"3\r\nabc\r\n" if b"chunked" in head else b"abc")
        client.head()
        client.until(b"abc")
        asked.close() if how == "closed" else reset(asked)
        with pytest.raises(ConnectionResetError):
            client.rest()
        wait_until(lambda: any("cut in the middle" in line for line in world.words.lines))


def test_a_member_that_is_reset_behind_an_endless_answer() -> None:
    member = Member()
    with proxying(member) as world:
        client = world.client()
        client.get()
        asked = member.accept()
        asked.head()
        asked.send(b"HTTP/1.1 200 OK\r\n\r\nabc")
        client.until(b"abc")
        reset(asked)
        with pytest.raises(ConnectionResetError):
            client.rest()


def test_no_answer_in_time() -> None:
    member = Member()
    with proxying(member, mount="response_timeout = 0.3") as world:
        client = world.client()
        client.get()
        asked = member.accept()
        asked.head()
        assert client.head().startswith(b"HTTP/1.1 504 ")
        with pytest.raises(ConnectionResetError):
            asked.rest()
        client.close()


def test_no_answer_in_time_to_a_body() -> None:
    member = Member()
    with proxying(member, mount="response_timeout = 0.3") as world:
        client = world.client()
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\na")
        asked = member.accept()
        asked.head()
        assert client.is_silent()
        assert client.is_silent()
        client.send(b"b")
        assert client.head().startswith(b"HTTP/1.1 504 ")
        client.close()


def test_an_answer_that_stops() -> None:
    member = Member()
    with proxying(member, server="relay_between_bytes_timeout = 0.3") as world:
        client = world.client()
        client.get()
        asked = member.accept()
        asked.head()
        asked.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
        client.until(b"abc")
        with pytest.raises(ConnectionResetError):
            client.rest()


def test_a_client_that_leaves_is_waited_for_by_nobody() -> None:
    member = Member()
    with proxying(member) as world:
        client = world.client()
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc")
        asked = member.accept()
        asked.head()
        reset(client)
        with pytest.raises(ConnectionResetError):
            asked.rest()
        assert world.logged()[6] == 499


def test_a_client_that_leaves_in_the_middle_of_the_answer() -> None:
    member = Member()
    with proxying(member) as world:
        client = world.client()
        client.get()
        asked = member.accept()
        asked.head()
        asked.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n" + b"x" * 1000)
        client.head()
        reset(client)
        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            asked.send(b"x" * 100000000)


def test_a_chunked_body_that_is_longer_than_may_be() -> None:
    member = Member()
    with proxying(member, mount="body_max = 10") as world:
        client = world.client()
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
        asked = member.accept()
        asked.until(b"hello\r\n")
        client.send(b"6\r\nhello!\r\n0\r\n\r\n")
        assert client.head().startswith(b"HTTP/1.1 413 ")
        with pytest.raises(ConnectionResetError):
            asked.rest()
        client.close()


def test_all_are_ejected() -> None:
    with proxying(
        dead(), cluster="max_ejection_percent = 100\nconsecutive_gateway_failure = 1\nnum_retries = 0"
    ) as world:
        client = world.client()
        client.get()
        assert client.head().startswith(b"HTTP/1.1 502 ")
        client.close()
        client = world.client()
        client.get()
        assert client.head().startswith(b"HTTP/1.1 503 ")
        client.close()
