"""What may be asked of an instance, and by whom; the HTTP for that, cut anywhere."""

from __future__ import annotations

import json
import os
import re
import selectors
import socket
import sys
from collections.abc import Callable, Sequence
from typing import Any, cast

import pytest

from skitai.core.config import ServerSettings
from skitai.counters import MountSlots, private_row
from skitai.orders import Question

if sys.platform != "win32":
    from skitai.master.admin import Admin, BadRequest, Reply, Request, read_request
    from skitai.master.child import Child, Phase
    from skitai.master.desk import Desk
    from skitai.master.recycling import reason

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no master on Windows")


class FakeWorker:
    """As a `Child`, of which the desk sees no more than this."""

    def __init__(self, pid: int, phase: Phase) -> None:
        self.pid = pid
        self.phase = phase
        self.asked: list[tuple[int, Question, str]] = []

    def ask(self, number: int, question: Question, argument: str) -> None:
        self.asked.append((number, question, argument))


class FakeHouse:
    def __init__(self, *workers: FakeWorker) -> None:
        self.crew = workers
        self.why_not = ""
        self.reload_fails = ""

    def workers(self) -> Sequence[Child]:
        return cast("Sequence[Child]", self.crew)

    title = "test"
    mounts = MountSlots([("default", "/")])

    def sums(self) -> list[int]:
        return [7] * len(private_row())

    def unreadiness(self) -> str:
        return self.why_not

    def reload(self, done: Callable[[str], None]) -> None:
        done(self.reload_fails)

    def drain(self) -> None:
        self.why_not = "told to drain"


def ask(desk: Desk, method: str, path: str, may_change: bool = True, **query: str) -> list[Reply]:
    replies: list[Reply] = []
    desk.respond(Request(method, path, query, may_change), replies.append)
    return replies


def end_surveys(desk: Desk) -> None:
    """Nobody is waited for any more."""
    for survey in desk._surveys.values():
        survey.deadline = 0.0
    desk.check_deadlines()


def test_health_and_readiness() -> None:
    house = FakeHouse()
    desk = Desk(house)
    assert ask(desk, "GET", "/healthz", False) == [Reply(200, "ok\n")]
    assert ask(desk, "HEAD", "/readyz", False) == [Reply(200, "ok\n")]
    assert ask(desk, "POST", "/drain")[0].status == 200
    assert ask(desk, "GET", "/readyz", False) == [Reply(503, "told to drain\n")]
    assert ask(desk, "GET", "/healthz", False)[0].status == 200


def test_numbers_are_for_prometheus() -> None:
    desk = Desk(FakeHouse(FakeWorker(1, Phase.SERVING)))
    replies = ask(desk, "GET", "/metrics", False)
    end_surveys(desk)
    (reply,) = replies
    lines = reply.body.splitlines()
    assert "skitai_requests_total 7" in lines
    assert 'skitai_workers{phase="serving"} 1' in lines
    assert 'skitai_workers{phase="booting"} 0' in lines
    named = {line.split()[2] for line in lines if line.startswith("# TYPE ")}
    assert named == {line.split()[2] for line in lines if line.startswith("# HELP ")}
    plain = {line.partition(" ")[0].partition("{")[0] for line in lines if line[0] != "#"}
    assert {re.sub("_(bucket|sum|count)$", "", name) for name in plain} == named


@pytest.mark.parametrize(
    ("method", "path", "may_change", "status"),
    [
        ("GET", "/", True, 404),
        ("GET", "/reload", True, 405),
        ("POST", "/metrics", True, 405),
        ("POST", "/threads", True, 405),
        ("POST", "/reload", False, 403),
        ("GET", "/threads", False, 403),
        ("POST", "/log-level", True, 400),
        ("GET", "/live", False, 403),
    ],
)
def test_what_is_refused(method: str, path: str, may_change: bool, status: int) -> None:
    assert [reply.status for reply in ask(Desk(FakeHouse()), method, path, may_change)] == [status]


def test_a_browser_gives_no_orders() -> None:
    """Whose user has forwarded a port to the control socket, and looks at a page of somebody else's."""
    for method, path in (("POST", "/reload"), ("POST", "/drain"), ("GET", "/threads"), ("GET", "/live")):
        replies: list[Reply] = []
        fields = {"origin": "http://evil.example"}
        Desk(FakeHouse()).respond(Request(method, path, {}, True, fields), replies.append)
        assert [reply.status for reply in replies] == [403]


def test_a_reload_is_answered_with_what_came_of_it() -> None:
    house = FakeHouse()
    assert ask(Desk(house), "POST", "/reload") == [Reply(200, "reloaded\n")]
    house.reload_fails = "refused"
    assert ask(Desk(house), "POST", "/reload") == [Reply(409, "refused\n")]


def test_all_workers_are_asked_and_the_answer_waits_for_them() -> None:
    one, two = FakeWorker(1, Phase.SERVING), FakeWorker(2, Phase.RETIRING)
    booting = FakeWorker(3, Phase.BOOTING)
    desk = Desk(FakeHouse(one, two, booting))
    replies = ask(desk, "POST", "/log-level", level="debug")
    ((number, question, argument),) = one.asked
    assert (question, argument, booting.asked) == (Question.LOG_LEVEL, "DEBUG", [])
    desk.told(cast("Child", one), {"number": number, "answer": "DEBUG"})
    assert replies == []
    desk.told(cast("Child", two), {"number": number, "answer": "DEBUG"})
    assert json.loads(replies[0].body) == {"1": "DEBUG", "2": "DEBUG"}
    desk.told(cast("Child", two), {"number": number, "answer": "late"})


def test_who_does_not_answer_is_left_out() -> None:
    one, two = FakeWorker(1, Phase.SERVING), FakeWorker(2, Phase.SERVING)
    desk = Desk(FakeHouse(one, two))
    replies = ask(desk, "GET", "/status")
    desk.told(cast("Child", one), {"number": one.asked[0][0], "answer": {"A": 1}})
    desk.check_deadlines()
    assert replies == []
    end_surveys(desk)
    assert json.loads(replies[0].body) == {"1": {"A": 1}, "2": "no answer"}


def test_who_ends_meanwhile_is_not_waited_for() -> None:
    one, two = FakeWorker(1, Phase.SERVING), FakeWorker(2, Phase.RETIRING)
    desk = Desk(FakeHouse(one, two))
    replies = ask(desk, "GET", "/status")
    desk.told(cast("Child", one), {"number": one.asked[0][0], "answer": {}})
    desk.gone(cast("Child", two))
    assert json.loads(replies[0].body) == {"1": {}}


def test_who_is_silent_is_not_asked_again_and_again() -> None:
    worker = FakeWorker(1, Phase.SERVING)
    desk = Desk(FakeHouse(worker))
    replies = [ask(desk, "GET", "/live") for _ in range(3)]
    assert len(worker.asked) == 1
    assert replies == [[], [], []]
    # Its answer is one to all.
    desk.told(cast("Child", worker), {"number": worker.asked[0][0], "answer": {}})
    assert [len(reply) for reply in replies] == [1, 1, 1]
    ask(desk, "GET", "/live")
    assert len(worker.asked) == 2
    end_surveys(desk)
    desk.told(cast("Child", worker), {"number": worker.asked[1][0], "answer": {}})  # late, and welcome
    ask(desk, "GET", "/live")
    assert len(worker.asked) == 3


def test_without_workers_the_answer_is_empty() -> None:
    assert ask(Desk(FakeHouse()), "GET", "/threads")[0].body == "{}\n"


# --- who is replaced


@pytest.mark.parametrize(
    ("requests", "jitter", "is_replaced"),
    [(99, 0.0, False), (100, 0.0, True), (104, 0.5, False), (105, 0.5, True), (110, 1.0, True)],
)
def test_each_worker_has_its_own_number_of_requests(requests: int, jitter: float, is_replaced: bool) -> None:
    why = reason(ServerSettings(max_requests=100), jitter, requests, os.getpid())
    assert bool(why) == is_replaced


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_who_is_too_large_is_replaced() -> None:
    assert reason(ServerSettings(max_memory=1), 0.0, 0, os.getpid()).endswith(" MiB of memory")
    assert reason(ServerSettings(max_memory=1 << 50), 0.0, 0, os.getpid()) == ""
    assert reason(ServerSettings(max_memory=1), 0.0, 0, 1 << 30) == ""


# --- HTTP

PLAIN = b"POST /log-level?level=debug&a=%20 HTTP/1.1\r\nHost: admin\r\n\r\n"


def test_a_head_is_read_wherever_it_is_cut() -> None:
    for end in range(len(PLAIN)):
        assert read_request(PLAIN[:end], may_change=True) is None
    request = read_request(PLAIN, may_change=True)
    assert request == Request("POST", "/log-level", {"level": "debug", "a": " "}, True, {"host": "admin"})


@pytest.mark.parametrize(
    "data",
    [b"\r\n\r\n", b"GET /\r\n\r\n", b"GET / HTTP/2\r\n\r\n", b"GET http://[/ HTTP/1.1\r\n\r\n", b"x" * 9000],
)
def test_what_is_no_request_is_refused(data: bytes) -> None:
    with pytest.raises(BadRequest):
        read_request(data, may_change=False)


def turn(selector: selectors.BaseSelector) -> None:
    for key, _ in selector.select(1.0):
        key.data()


def exchange(respond: Callable[[Request, Callable[[Reply], None]], Any], *pieces: bytes) -> bytes:
    """What a client gets that sends ``pieces``, one in each turn of the loop."""
    selector = selectors.DefaultSelector()
    with socket.socket() as listening, socket.socket() as client:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        Admin(selector, [(listening, False)], respond)
        client.connect(listening.getsockname())
        client.settimeout(2)
        turn(selector)
        for piece in pieces:
            client.sendall(piece)
            turn(selector)
        turn(selector)
        data = b""
        while more := client.recv(65536):
            data += more
    return data


def test_an_answer_over_a_socket_ends_with_its_connection() -> None:
    def echo(request: Request, answer: Callable[[Reply], None]) -> None:
        answer(Reply(200, f"{request.path}\n"))

    said = exchange(echo, b"GET /a HT", b"TP/1.1\r\n\r\n")
    head, _, body = said.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"Content-Length: 3" in head
    assert body == b"/a\n"
    assert exchange(echo, b"HEAD / HTTP/1.1\r\n\r\n").endswith(b"\r\n\r\n")
    assert exchange(echo, b"nonsense\r\n\r\n").startswith(b"HTTP/1.1 400 ")
