"""An engine that retires: gently, so that no client can tell it from one that goes on."""

from __future__ import annotations

import threading
import time

from skitai._kernels import engine
from skitai.counters import Count
from skitai.limits import Limits
from tests.pure.engine_world import Client, World, hello, world
from tests.waiting import wait_until


def drain(w: World, *, gently: bool = True) -> threading.Event:
    drained = threading.Event()
    w.engine.drain(drained.set, gently=gently)
    wait_until(lambda: w.engine.draining and w.engine.gently == gently)
    return drained


def idle_client(w: World) -> Client:
    client = w.client()
    client.get()
    client.response()
    return client


def get(target: str) -> bytes:
    return f"GET {target} HTTP/1.1\r\nHost: h\r\n\r\n".encode()


def test_an_idle_connection_may_ask_once_more() -> None:
    with world() as w:
        client = idle_client(w)
        drained = drain(w)
        time.sleep(0.05)
        client.get("/more")
        _, headers, body = client.response()
        assert (headers["connection"], body) == ("close", b"/more")
        assert client.rest() == b""
        client.close()
        assert drained.wait(5)


def test_an_idle_connection_ends_by_its_own_clock() -> None:
    with world(limits=Limits(keep_alive=0.5)) as w:
        began = time.monotonic()
        client = idle_client(w)
        drained = drain(w)
        assert client.rest() == b""
        assert 0.3 < time.monotonic() - began < 2
        assert drained.wait(5)


def test_gently_may_turn_into_at_once() -> None:
    with world() as w:
        client = idle_client(w)
        drain(w)
        drained = drain(w, gently=False)
        assert client.rest() == b""
        assert drained.wait(5)


def test_a_connection_that_has_asked_nothing_yet_may_ask() -> None:
    with world() as w:
        client = w.client()
        wait_until(lambda: w.connections() == 1)
        drain(w)
        client.get("/first")
        _, headers, body = client.response()
        assert (headers["connection"], body) == ("close", b"/first")


def test_pipelined_requests_are_all_answered_and_the_last_says_close() -> None:
    begun, block = threading.Event(), threading.Event()

    def work(exchange: engine.Exchange) -> None:
        if exchange.head.target == "/0":
            begun.set()
            block.wait(5)
        hello(exchange)

    for gently in (True, False):
        begun.clear()
        block.clear()
        with world(work) as w:
            client = w.client()
            client.send(b"".join(get(f"/{number}") for number in range(40)))
            assert begun.wait(5)
            w.engine.drain(lambda: None, gently=gently)
            block.set()
            answers = [client.response() for _ in range(40)]
            assert [body for _, _, body in answers] == [b"/%d" % number for number in range(40)]
            assert [headers.get("connection") for _, headers, _ in answers] == [None] * 39 + ["close"]
            assert client.rest() == b""


def test_what_comes_behind_the_last_answer_resets_nobody() -> None:
    """A client that has sent more before it read "close" reads its answer, and then the end."""
    asked, block = threading.Event(), threading.Event()

    def work(exchange: engine.Exchange) -> None:
        exchange.start(200, [("Content-Length", "4")])  # from here on it is known that this is the last
        asked.set()

        def later() -> None:
            block.wait(5)
            exchange.write(b"body")
            exchange.end()

        threading.Thread(target=later, daemon=True).start()

    with world(work) as w:
        client = w.client()
        wait_until(lambda: w.connections() == 1)
        drained = drain(w)
        client.get("/one")
        assert asked.wait(5)
        client.send(get("/two") * 100)
        time.sleep(0.1)
        block.set()
        _, headers, body = client.response()
        assert (headers["connection"], body) == ("close", b"body")
        assert client.rest() == b""
        client.close()
        assert drained.wait(5)


def test_what_is_counted() -> None:
    def work(exchange: engine.Exchange) -> None:
        if exchange.head.target == "/fails":
            exchange.respond(503, [("Content-Length", "0")])
        else:
            hello(exchange)

    with world(work) as w:
        for target in ("/", "/fails"):
            client = w.client()
            client.get(target)
            client.response()
            client.get(target)
            client.response()
            client.close()
        client = w.client()
        client.send(b"rubbish\r\n\r\n")
        assert client.response()[0] == 400
        client.close()
        wait_until(lambda: w.connections() == 0)
        counted = (Count.CONNECTIONS, Count.REQUESTS, Count.SERVER_ERRORS)
        wait_until(lambda: [w.engine.counts[count] for count in counted] == [3, 5, 2])
