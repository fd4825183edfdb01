"""Rooms across the processes of one instance."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import pytest
import requests
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.live.program import LiveServer, Serve
from tests.live.test_master import has_workers
from tests.waiting import wait_until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no master on Windows")


class Client:
    """``pid``: of the process that it is connected to."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.send = connection.send
        self.pid, self.number = (int(word) for word in self.ask("pid").split())

    def ask(self, message: str) -> str:
        self.send(message)
        return self.hear()

    def hear(self, timeout: float = 10) -> str:
        return str(self.connection.recv(timeout))

    def hear_until(self, last: str) -> list[str]:
        heard = [self.hear()]
        while heard[-1] != last:
            heard.append(self.hear())
        return heard

    def close(self) -> None:
        self.connection.close()


class Site:
    def __init__(self, server: LiveServer, stack: ExitStack) -> None:
        self.server = server
        self._stack = stack

    def client(self, query: str = "id=1") -> Client:
        url = f"ws://{self.server.host}:{self.server.port}/room?{query}"
        return Client(self._stack.enter_context(connect(url, open_timeout=10, close_timeout=2)))

    def pair(self, query: str = "id=1") -> tuple[Client, Client]:
        """Of two processes."""
        one = self.client(query)
        for _ in range(100):
            other = self.client(query)
            if other.pid != one.pid:
                return one, other
            other.close()
        raise AssertionError("all were connected to one process")

    def publish(self, room: str, message: str, times: int = 1) -> int:
        asked = {"room": room, "m": message, "times": str(times)}
        answer = requests.get(f"{self.server.url}/publish", asked, timeout=30)
        assert answer.status_code == 200
        return int(answer.text)


@pytest.fixture(params=[0, 4], ids=["threads=0", "threads=4"])
def site(serve: Serve, request: pytest.FixtureRequest) -> Iterator[Site]:
    options = ["--processes", "2", "--threads", str(request.param), "--ws-bus-queue-max", "200kb"]
    server = serve("tests.live.apps.rooms:app", *options)
    has_workers(server, 2)
    with ExitStack() as stack:
        yield Site(server, stack)


def test_what_is_said_in_one_process_all_hear_in_one_order(site: Site) -> None:
    one, other = site.pair()
    one.send("count 500")
    other.send("count 500")
    one.send("end")
    other.send("end")
    heard = []
    for client in (one, other):
        heard.append(client.hear_until("end"))
        heard[-1] += client.hear_until("end")
    assert heard[0] == heard[1]
    assert len(heard[0]) == 1002
    assert heard[0].count("499") == 2


def test_messages_are_for_the_loop_of_their_own_process(site: Site) -> None:
    one, other = site.pair()
    assert json.loads(one.ask("who")) == [one.number]
    assert one.number != other.number
    wait_until(lambda: json.loads(one.ask("present")) == sorted([one.number, other.number]), 5)
    one.send(f"to {other.number} for you")
    assert other.hear() == "for you"
    other.close()
    wait_until(lambda: json.loads(one.ask("present")) == [one.number], 5)


def test_a_request_speaks_in_rooms_of_any_process(site: Site) -> None:
    one, other = site.pair("id=a%20b")
    elsewhere = site.client("id=2")
    said = {site.publish("/room?a b", f"news {number}") for number in range(20)}
    assert said <= {one.pid, other.pid}
    heard = [[client.hear() for _ in range(20)] for client in (one, other)]
    assert heard[0] == heard[1]
    # One order for all; which, of two processes that speak at nearly the same time, the master says.
    assert sorted(heard[0]) == sorted(f"news {number}" for number in range(20))
    assert elsewhere.ask("mine") == "mine", "and nobody else has heard"


def test_a_process_that_is_killed_takes_nobody_with_it(site: Site) -> None:
    one, other = site.pair()
    stop = threading.Event()

    def load() -> None:
        number = 0
        while not stop.is_set():
            one.send(f"n {number}")
            number += 1
            time.sleep(0.001)

    loading = threading.Thread(target=load)
    loading.start()
    try:
        first = int(one.hear().split()[1])
        time.sleep(0.2)
        os.kill(other.pid, signal.SIGKILL)
        heard = [int(one.hear().split()[1]) for _ in range(1000)]
    finally:
        stop.set()
        loading.join()
    assert heard == list(range(first + 1, first + 1001))
    with suppress(ConnectionClosed):
        while other.hear():
            continue
    wait_until(lambda: site.server.stderr_text().count("worker of instance") == 3, 10, "a successor")
    one.send("end")
    one.hear_until("end")
    assert json.loads(one.ask("present")) == [one.number]
    for _ in range(100):
        new = site.client()
        if new.pid != one.pid:
            break
    assert new.number != other.number
    one.send("all")
    assert new.hear() == "all"


def test_a_process_that_does_not_read_holds_up_nobody(site: Site) -> None:
    one, other = site.pair()
    os.kill(other.pid, signal.SIGSTOP)
    try:
        text = "x" * 1000
        for number in range(3000):
            one.send(f"{number} {text}")
        heard = [int(one.hear().split()[0]) for _ in range(3000)]
        assert heard == list(range(3000))
        site.server.wait_for_text(rf"worker {other.pid} does not take what is said in rooms")
    finally:
        os.kill(other.pid, signal.SIGCONT)
    late = []
    with suppress(TimeoutError):
        while True:
            late.append(int(other.hear(3).split()[0]))
    assert late == list(range(len(late))), "what it has got is whole"
    assert len(late) < 3000
    status = json.loads(other.ask("status"))
    assert status["messages of the bus that were lost"] == 3000 - len(late)
    one.send("again")
    assert other.hear() == "again"
    assert one.hear() == "again"
    assert json.loads(one.ask("status"))["messages of the bus that were lost"] == 0


def test_a_reload_sends_clients_to_the_successors_which_talk_to_each_other(site: Site) -> None:
    site.pair()
    site.server.send_signal(signal.SIGHUP)
    site.server.wait_for_text("reloaded; processes 2")
    wait_until(lambda: site.server.stderr_text().count("worker of instance") == 4, 10)
    one, other = site.pair()
    one.send("hi")
    assert (one.hear(), other.hear()) == ("hi", "hi")
