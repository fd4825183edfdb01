"""``async def``: coroutines over real sockets, with few threads, many clients and bad manners."""

from __future__ import annotations

import http.server
import random
import re
import selectors
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.live.program import LiveServer, Serve
from tests.live.wire import Truncated, Wire
from tests.waiting import wait_until

APP = "tests.live.apps.awaiting"


@pytest.fixture(scope="module", params=["0", "2"], ids=["threads=0", "threads=2"])
def threads(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module", params=["app", "gives"])
def server(serve_module: Serve, threads: str, request: pytest.FixtureRequest) -> LiveServer:
    """``app`` is known to be a coroutine function, of ``gives`` it is only seen when it is called."""
    return serve_module(f"{APP}:{request.param}", "--threads", threads)


@pytest.fixture
def wire(server: LiveServer) -> Iterator[Wire]:
    with server.connect() as wire:
        yield wire


def ended(server: LiveServer) -> str:
    """How many coroutines are inside, and what ended last."""
    with server.connect() as wire:
        return wire.get("/ended").text


# -- answers ----------------------------------------------------------------------------------


def test_a_coroutine_answers_from_its_own_thread(wire: Wire) -> None:
    reply = wire.get("/sleep?s=0.01")
    assert (reply.status, reply.text) == (200, "slept in skitai-async")
    assert reply.get("Content-Length") == "21"


@pytest.mark.parametrize("path", ["/hello", "/pieces?size=10&count=3", "/thread"])
def test_head_has_no_body(wire: Wire, path: str) -> None:
    wire.request("HEAD", path)
    assert wire.read_reply("HEAD").status == 200
    assert wire.get("/hello").body == b"Hello World"


def test_pipelined_requests_are_answered_in_order(wire: Wire) -> None:
    for number in (4, 1, 3, 0):
        wire.request("POST", "/body", body=b"x" * number)
    assert [len(wire.read_reply().body) for _ in range(4)] == [4, 1, 3, 0]


def test_a_body_that_was_spooled(wire: Wire) -> None:
    body = bytes(range(256)) * 4096
    assert wire.post("/body", body).body == body


def test_an_asynchronous_generator_is_sent_in_pieces(wire: Wire) -> None:
    reply = wire.get("/pieces?size=1000&count=50")
    assert reply.get("Transfer-Encoding") == "chunked"
    assert len(reply.body) == 50_000


def test_a_plain_generator_of_a_coroutine_may_block_and_runs_in_a_worker(wire: Wire, threads: str) -> None:
    names = set(re.findall(r"skitai-\w+", wire.get("/thread").text))
    assert names <= ({"skitai-loop"} if threads == "0" else {"skitai-worker", "skitai-loop"})


def test_services_belong_to_their_request(server: LiveServer) -> None:
    answers: list[bytes] = []

    def ask(number: int) -> None:
        with server.connect() as wire:
            answers.extend(wire.get(f"/services?{number}-{turn}").body for turn in range(5))

    clients = [threading.Thread(target=ask, args=(number,)) for number in range(10)]
    for client in clients:
        client.start()
    for client in clients:
        client.join(10)
    assert answers == [b"mine"] * 50


def test_who_gives_a_coroutine_now_and_then(serve: Serve, threads: str) -> None:
    server = serve(f"{APP}:gives", "--threads", threads)
    for path, body in [("/plain", b"plain"), ("/early", b"later"), ("/future", b"ready")] * 3:
        with server.connect() as wire:  # a new connection begins in its lane
            assert wire.get(path).body == body
            assert wire.get("/plain").body == b"plain"


@pytest.mark.parametrize(("name", "body"), [("stream", b"0\n1\n2\n"), ("instance", b"an object")])
def test_other_asynchronous_applications(serve: Serve, threads: str, name: str, body: bytes) -> None:
    server = serve(f"{APP}:{name}", "--threads", threads)
    with server.connect() as wire:
        assert [wire.get("/").body for _ in range(3)] == [body] * 3


def test_a_thousand_wait_at_once(serve: Serve, threads: str) -> None:
    """Each for 0.2 s, which two threads would take 100 s for."""
    server = serve(f"{APP}:app", "--threads", threads, "--backlog", "2000")
    with server.connect() as wire:
        wire.get("/hello")  # asyncio is loaded with the first request
    count = 1000
    selector = selectors.DefaultSelector()
    for _ in range(count):
        sock = socket.create_connection((server.host, server.port), timeout=5)
        selector.register(sock, selectors.EVENT_READ, bytearray())
    began = time.monotonic()
    for key in list(selector.get_map().values()):
        key.fileobj.send(b"GET /sleep?s=0.2 HTTP/1.1\r\nHost: h\r\n\r\n")  # type: ignore[union-attr]
    answered = 0
    while answered < count:
        ready = selector.select(5)
        assert ready, f"only {answered} were answered"
        for key, _ in ready:
            data = key.fileobj.recv(4096)  # type: ignore[union-attr]
            assert data, "a connection was closed"
            key.data.extend(data)
            if key.data.endswith(b"slept in skitai-async"):
                selector.unregister(key.fileobj)
                key.fileobj.close()  # type: ignore[union-attr]
                answered += 1
    took = time.monotonic() - began
    selector.close()
    assert took < 3, f"{took:.1f} s; alone on a machine it is well below 1 s"


def test_other_servers_are_asked_meanwhile(serve: Serve, threads: str) -> None:
    """An HTTP client of asyncio in a handler, ten requests of one second's wait at once."""
    pytest.importorskip("httpx")

    class Slow(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            time.sleep(0.5)
            self.send_response(200)
            self.send_header("Content-Length", "4")
            self.end_headers()
            self.wfile.write(b"slow")

        def log_message(self, format: str, *args: object) -> None:
            """Not into the output of the tests."""

    upstream = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Slow)
    threading.Thread(target=upstream.serve_forever, daemon=True).start()
    server = serve("tests.live.apps.asking:app", "--threads", threads)
    url = f"http://127.0.0.1:{upstream.server_port}/"
    bodies: list[bytes] = []

    def ask() -> None:
        with server.connect() as wire:
            bodies.append(wire.get(f"/?{url}").body)

    clients = [threading.Thread(target=ask) for _ in range(10)]
    began = time.monotonic()
    for client in clients:
        client.start()
    for client in clients:
        client.join(10)
    took = time.monotonic() - began
    upstream.shutdown()
    upstream.server_close()
    assert bodies == [b"200 slow"] * 10
    assert took < 4, "one after the other it would be 5 s"


# -- mistakes of applications -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/raises", "LookupError: a mistake of the application"),
        ("/exits", "SystemExit: 3"),
        ("/twice", "start_response was called twice without exc_info"),
        ("/writes", r"write\(\) waits for the client, and a coroutine must not"),
        ("/nothing", "gave a body before it called start_response|never called start_response"),
    ],
)
def test_a_failure_is_a_500_and_is_told(server: LiveServer, wire: Wire, path: str, said: str) -> None:
    reply = wire.get(path)
    assert reply.status == 500
    assert b"its error log says why" in reply.body
    server.wait_for_text(said)
    assert wire.get("/hello").status == 200


def test_a_failure_behind_the_head_cuts_the_answer(server: LiveServer, wire: Wire) -> None:
    wire.request("GET", "/raises-later")
    with pytest.raises(Truncated):
        wire.read_reply()
    server.wait_for_text("LookupError: a mistake behind the head")


def test_an_exit_in_a_task_of_the_application(server: LiveServer, wire: Wire) -> None:
    assert wire.get("/task-exits").body == b"the loop goes on"
    server.wait_for_text("SystemExit: 4")
    assert wire.get("/hello").status == 200


def test_debug_shows_where(serve: Serve, threads: str) -> None:
    server = serve(f"{APP}:app", "--threads", threads, "--debug")
    with server.connect() as wire:
        reply = wire.get("/raises")
    assert reply.status == 500
    assert b'raise LookupError("a mistake of the application")' in reply.body
    assert b"awaiting.py" in reply.body
    assert b"skitai/core" not in reply.body, "our own frames say nothing"


# -- clients that leave, limits, the end ------------------------------------------------------


def test_a_hang_up_cancels(server: LiveServer) -> None:
    with server.connect() as wire:
        wire.request("GET", "/wait")
        wait_until(lambda: ended(server).startswith("1"))
        wire.reset()
    wait_until(lambda: ended(server).startswith("0") and ended(server).endswith("cancelled"))


def test_a_slow_reader_is_waited_for_and_one_that_leaves_ends_the_generator(server: LiveServer) -> None:
    """Of 64 MiB no more is made than the sockets and write_queue_max hold."""
    with server.connect() as wire:
        wire.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        wire.request("GET", "/pieces?size=65536&count=1000")
        assert wire.read_head().status == 200

        def made() -> int:
            found = re.search(r"1 .*made (\d+)", ended(server))
            return int(found[1]) if found else -1

        before = -2
        while made() != before:
            before = made()
            time.sleep(0.2)
        assert 10 <= before < 500, "it was asked for all although nobody reads"
        for _ in range(before // 2):
            wire.read_chunk()
        wait_until(lambda: made() > before)
        wire.reset()
    # Its ``finally`` waits a while, and is not disturbed.
    wait_until(lambda: re.fullmatch(r"0 made \d+ closed", ended(server)))


def test_a_storm_of_clients_that_leave_at_any_time(server: LiveServer) -> None:
    """Each gets its own answer, whole, and nothing is left of those that have gone."""
    until = time.monotonic() + 3
    wrong: list[str] = []
    asked = Counter[str]()

    def storm(seed: int) -> None:
        dice = random.Random(seed)
        while time.monotonic() < until:
            with server.connect() as wire:
                tokens = [f"{seed}-{dice.random()}" for _ in range(dice.randint(1, 4))]
                for token in tokens:
                    kind = dice.choice(["list", "iter", "pieces"])
                    seconds = dice.choice([0, 0, 0.001, 0.01, 0.05])
                    wire.request("GET", f"/token?token={token}&kind={kind}&s={seconds}")
                if dice.random() < 0.4:
                    time.sleep(dice.uniform(0, 0.02))
                    wire.reset()
                    asked["left"] += 1
                    continue
                for token in tokens:
                    reply = wire.read_reply()
                    asked["answered"] += 1
                    if (reply.get("X-Token"), reply.text) != (token, token * 20):
                        wrong.append(f"{reply.status} {reply.text} for {token}")

    clients = [threading.Thread(target=storm, args=(seed,)) for seed in range(8)]
    for client in clients:
        client.start()
    for client in clients:
        client.join(30)
    assert wrong == []
    assert min(asked["left"], asked["answered"]) > 10
    wait_until(lambda: ended(server).startswith("0 "))


def test_503_in_time_and_the_handler_is_cancelled(serve: Serve, threads: str) -> None:
    server = serve(f"{APP}:app", "--threads", threads, "--response-timeout", "0.5")
    for path, last in [("/wait", "cancelled"), ("/stubborn", "swallowed")]:
        began = time.monotonic()
        with server.connect() as wire:
            reply = wire.get(path)
        assert reply.status == 503
        assert reply.get("Retry-After") == "1"
        assert time.monotonic() - began < 2
        wait_until(lambda last=last: ended(server).endswith(last))


def test_a_coroutine_that_blocks_holds_its_like_and_nobody_else(serve_conf: Serve, threads: str) -> None:
    server = serve_conf(
        f"[server]\nthreads = {threads}\nresponse_timeout = 0.5\n"
        f"[routes:line]\n/ = {APP}:app\n/plain = tests.live.apps.hello:app\n"
    )
    with server.connect() as blocked, server.connect() as other:
        blocked.request("GET", "/blocks?s=10")
        began = time.monotonic()
        assert other.get("/plain").status == 200
        assert time.monotonic() - began < 2.5
        assert blocked.read_reply().status == 503
        assert time.monotonic() - began < 7.5


@pytest.mark.parametrize("name", ["app", "gives"])
def test_coroutines_max(serve: Serve, threads: str, name: str) -> None:
    server = serve(f"{APP}:{name}", "--threads", threads, "--coroutines-max", "2")
    with server.connect() as first, server.connect() as second, server.connect() as third:
        first.request("GET", "/wait")
        second.request("GET", "/wait")
        server.wait_for_text("(?s)it waits.*it waits")
        reply = third.get("/hello")
        assert (reply.status, reply.get("Retry-After")) == (503, "1")
        server.wait_for_text("coroutines_max: GET /hello")
        first.reset()
        wait_until(lambda: third.get("/hello").status == 200)


def test_the_end_waits_for_coroutines(serve: Serve, threads: str) -> None:
    server = serve(f"{APP}:app", "--threads", threads)
    with server.connect() as wire:
        wire.get("/hello")
        wire.request("GET", "/sleep?s=0.7")
        time.sleep(0.2)
        server.process.send_signal(signal.SIGTERM)
        assert wire.read_reply().text == "slept in skitai-async"
    assert server.wait() == 0


def test_the_end_comes_also_where_a_coroutine_never_gives_in(serve: Serve, threads: str) -> None:
    server = serve(f"{APP}:app", "--threads", threads, "--shutdown-timeout", "0.3")
    with server.connect() as wire:
        wire.request("GET", "/never")
        server.wait_for_text("it waits")
        began = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        assert server.wait() == 0
        assert time.monotonic() - began < 3
    assert "Traceback" not in server.stderr_text()


def test_the_end_cancels_what_takes_longer_than_shutdown_timeout(serve: Serve, threads: str) -> None:
    server = serve(f"{APP}:app", "--threads", threads, "--shutdown-timeout", "0.5")
    with server.connect() as wire:
        wire.request("GET", "/wait")
        server.wait_for_text("it waits")
        began = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        reply = wire.read_reply()
        assert reply.status == 503
        assert b"The server is stopping." in reply.body
    assert server.wait() == 0
    assert time.monotonic() - began < 3
