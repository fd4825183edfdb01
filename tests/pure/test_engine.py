"""The engine over real sockets: conversations between a client, the engine and a scripted service."""

from __future__ import annotations

import errno
import os
import socket
import struct
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from io import FileIO

import pytest

from skitai._kernels import engine
from skitai._pure.engine.outgoing import Outgoing
from skitai.errors import ClientDisconnected, HTTPError, WriteError
from skitai.limits import Limits
from tests.pure.engine_world import Client, World, hello, world
from tests.waiting import wait_until


def in_thread(work: Callable[[engine.Exchange], None]) -> Callable[[engine.Exchange], None]:
    """A service that hands each exchange to a thread of its own."""
    return lambda exchange: threading.Thread(target=work, args=(exchange,), daemon=True).start()


# -- the ordinary life of a connection ---------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "own"),
    [
        ([], ["date", "server"]),
        ([("Vary", "x"), ("Cookie", "y")], ["date", "server"]),
        ([("dATE", "today")], ["server"]),
        ([("Server", "mine")], ["date"]),
        ([("SERVER", "mine"), ("Vary", "x"), ("Date", "today")], []),
    ],
)
def test_date_and_server_where_the_application_gave_none(
    given: list[tuple[str, str]], own: list[str]
) -> None:
    with world(lambda exchange: exchange.respond(204, given)) as w:
        client = w.client()
        client.get()
        fields = client.response()[1]
    assert list(fields) == [*own, *(name.lower() for name, _ in given)]
    assert all(fields[name.lower()] == value for name, value in given)


def test_two_requests_on_one_connection() -> None:
    with world() as w:
        client = w.client()
        client.get("/one")
        assert client.response()[2] == b"/one"
        client.get("/two")
        assert client.response()[2] == b"/two"


def test_pipelined_requests_are_answered_in_order_by_slow_and_fast_threads() -> None:
    def work(exchange: engine.Exchange) -> None:
        if exchange.head.target == "/slow":
            time.sleep(0.2)
        hello(exchange)

    with world(in_thread(work)) as w:
        client = w.client()
        client.send(b"".join(f"GET {t} HTTP/1.1\r\nHost: a\r\n\r\n".encode() for t in ("/slow", "/b", "/c")))
        assert [client.response()[2] for _ in range(3)] == [b"/slow", b"/b", b"/c"]


def test_a_thousand_pipelined_requests_do_not_nest() -> None:
    with world() as w:
        client = w.client()
        client.send(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n" * 1000)
        assert all(client.response()[2] == b"/x" for _ in range(1000))


def test_read_ahead_is_bounded_and_nothing_of_it_is_lost() -> None:
    gate = threading.Event()

    def work(exchange: engine.Exchange) -> None:
        gate.wait(5)
        hello(exchange)

    limits = Limits(read_ahead_max=4096)
    with world(in_thread(work), limits=limits) as w:
        client = w.client(crossing=True)
        request = b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n"
        sender = threading.Thread(target=client.send, args=(request * 4000,), daemon=True)
        sender.start()
        # Over TLS it is no connection at first.
        wait_until(lambda: any(len(getattr(c, "_ahead", b"")) >= 4096 for c in w.engine.connections))
        time.sleep(0.1)
        assert max(len(c._ahead) for c in w.engine.connections) < 4096 + 65536
        gate.set()
        for _ in range(4000):
            assert client.response()[2] == b"/x"


def test_answers_do_not_let_in_more_than_may_be_read_ahead() -> None:
    """Each answer takes one request from what was read, and a read brings a thousand."""

    def work(exchange: engine.Exchange) -> None:
        with suppress(ClientDisconnected):  # the last one
            hello(exchange)

    with world(in_thread(work), limits=Limits(read_ahead_max=4096)) as w:
        client = w.client(crossing=True)
        request = b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n"

        def flood() -> None:
            with suppress(OSError):  # closed below
                client.send(request * 100_000)

        sender = threading.Thread(target=flood)
        sender.start()
        for _ in range(1000):
            assert client.response()[2] == b"/x"
            # Twice as much as there is, if it moves from one to the other just now.
            held = [len(c._ahead) + c.http.buffered for c in w.engine.connections]
            assert max(held) < 2 * (4096 + 65536)
        client.sock.shutdown(socket.SHUT_RDWR)
        sender.join(5)


@pytest.mark.parametrize("size", [1000, 60_000])
def test_a_head_may_be_longer_than_what_may_be_read_ahead(size: int) -> None:
    """Behind a request, so that it is read ahead and then found to be incomplete."""
    with world(in_thread(hello), limits=Limits(read_ahead_max=500)) as w:
        client = w.client()
        client.get("/first")
        client.get("/long", extra=f"X-Long: {'a' * size}\r\n")
        assert client.response()[2] == b"/first"
        assert client.response()[2] == b"/long"


def test_a_half_closed_client_gets_its_answer() -> None:
    def work(exchange: engine.Exchange) -> None:
        time.sleep(0.1)
        hello(exchange)

    with world(in_thread(work)) as w:
        client = w.client()
        client.get("/late")
        client.sock.shutdown(socket.SHUT_WR)
        assert client.response()[2] == b"/late"
        assert client.rest() == b""


def test_connection_close_is_honoured() -> None:
    with world() as w:
        client = w.client()
        client.get("/", extra="Connection: close\r\n")
        assert client.response()[1]["connection"] == "close"
        assert client.rest() == b""
        wait_until(lambda: w.connections() == 0)


def test_the_body_reaches_the_sink_and_the_sink_becomes_the_services() -> None:
    def execute(exchange: engine.Exchange) -> None:
        assert exchange.sink is None
        body = exchange.context.data
        exchange.respond(200, [("Content-Length", str(len(body)))], body)

    with world(execute) as w:
        client = w.client()
        client.send(
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
        )
        assert client.response()[2] == b"abcde"
        assert w.ended().context.events == ["finish"]


def test_a_body_that_never_ends_is_closed_by_the_engine() -> None:
    with world() as w:
        client = w.client()
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc")
        time.sleep(0.1)
        client.close()
        assert w.ended().context.events == ["close"]


# -- streaming -----------------------------------------------------------------------------------


def test_a_slow_reader_holds_no_thread_and_gets_everything() -> None:
    """Pieces are given while there is room; then `when_room` calls back."""
    pieces = 200
    piece = b"x" * 65536
    rests = []

    def stream(exchange: engine.Exchange) -> None:
        exchange.start(200, [("Content-Length", str(pieces * len(piece)))])
        left = [pieces]

        def more() -> None:
            while left[0]:
                left[0] -= 1
                if not exchange.write(piece) and exchange.when_room(more):
                    rests.append(left[0])
                    return
            exchange.end()

        more()

    with world(stream) as w:
        client = w.client()
        client.get()
        time.sleep(0.3)
        status, headers, _ = client.response(has_body=False)
        assert status == 200
        taken = len(client._rest)
        while taken < pieces * len(piece):
            taken += len(client.sock.recv(1 << 20))
        assert taken == int(headers["content-length"])
        assert rests  # it did have to rest
        assert w.ended().progress is engine.Progress.DELIVERED


def test_a_reader_that_stalls_is_cut_and_the_writer_is_told() -> None:
    told = threading.Event()

    def stream(exchange: engine.Exchange) -> None:
        exchange.start(200, [])
        while exchange.write(b"x" * 65536):
            continue
        assert exchange.when_room(told.set)

    with world(stream, limits=Limits(send_stall_timeout=0.3)) as w:
        client = w.client()
        client.get()
        assert told.wait(5)
        assert w.ended().progress is engine.Progress.GONE
        wait_until(lambda: w.connections() == 0)
        wait_until(lambda: w.service.limits_reached == ["send_stall_timeout"])


def test_what_nobody_took_does_not_count_as_sent() -> None:
    size = 32 << 20  # more than the buffers of both sockets hold
    with world(lambda e: e.respond(200, [("Content-Length", str(size))], bytes(size))) as w:
        client = w.client()
        client.get()
        assert client.sock.recv(100)
        client.close()
        exchange = w.ended()
        assert exchange.progress is engine.Progress.GONE
        assert 100 <= exchange.bytes_sent < size


def test_a_slow_reader_is_not_taken_for_one_that_stalls() -> None:
    """The system's buffer takes megabytes at once and is writable again only when much of it is
    empty: until then nothing but its level tells that the client reads."""

    def stream(exchange: engine.Exchange) -> None:
        exchange.start(200, [])
        while exchange.write(b"x" * 65536):
            continue

    with world(stream, limits=Limits(send_stall_timeout=0.8)) as w:
        client = w.client()
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
        client.get()
        until = time.monotonic() + 1.7
        while time.monotonic() < until:
            assert client.sock.recv(8192)
            time.sleep(0.02)
        assert w.connections() == 1
        wait_until(lambda: w.connections() == 0)
        wait_until(lambda: w.service.limits_reached == ["send_stall_timeout"])


def test_a_write_from_a_thread_waits_for_the_client() -> None:
    def work(exchange: engine.Exchange) -> None:
        exchange.start(200, [("Content-Length", str(100 * 65536))])
        for _ in range(100):
            exchange.write_waiting(b"y" * 65536)
        exchange.end()

    with world(in_thread(work), limits=Limits(write_queue_max=65536)) as w:
        client = w.client()
        client.get()
        time.sleep(0.2)
        assert client.response()[2] == b"y" * (100 * 65536)


def test_a_write_in_the_loop_thread_waits_for_the_client() -> None:
    def work(exchange: engine.Exchange) -> None:
        exchange.start(200, [("Content-Length", str(100 * 65536))])
        for _ in range(100):
            exchange.write_waiting(b"y" * 65536)
        exchange.end()

    with world(work, limits=Limits(write_queue_max=65536)) as w:
        client = w.client()
        client.get()
        time.sleep(0.2)
        assert client.response()[2] == b"y" * (100 * 65536)


def test_an_aborted_sized_message_is_seen_as_truncated() -> None:
    def work(exchange: engine.Exchange) -> None:
        exchange.start(200, [("Content-Length", "10")])
        exchange.write(b"abc")
        exchange.abort()

    with world(work) as w:
        client = w.client()
        client.get()
        with pytest.raises((AssertionError, ConnectionResetError)):
            client.response()
        assert w.ended().progress is engine.Progress.GONE


def test_an_aborted_message_that_ends_with_the_connection_is_a_reset() -> None:
    """HTTP/1.0 without length: a plain close would be its proper end (RFC 9112 section 8)."""

    def work(exchange: engine.Exchange) -> None:
        exchange.start(200, [])
        exchange.write(b"abc")
        time.sleep(0.1)
        exchange.abort()

    with world(in_thread(work)) as w:
        client = w.client()
        client.send(b"GET / HTTP/1.0\r\n\r\n")
        with pytest.raises(ConnectionResetError):
            client.rest()


# -- files ---------------------------------------------------------------------------------------


def temporary_file(content: bytes) -> FileIO:
    """One that the engine is to close."""
    file = FileIO(os.open(tempfile.gettempdir(), os.O_TMPFILE | os.O_RDWR), "r+")
    file.write(content)
    return file


def test_a_range_of_a_file_and_head() -> None:
    files = []

    def work(exchange: engine.Exchange) -> None:
        file = temporary_file(b"0123456789" * 100000)
        files.append(file)
        exchange.respond_file(200, [("Content-Length", "300000")], file, 10, 300000)

    with world(work) as w:
        client = w.client()
        client.get()
        assert client.response()[2] == b"0123456789" * 30000
        client.get(method="HEAD")
        assert client.response(has_body=False)[1]["content-length"] == "300000"
        client.get()
        assert len(client.response()[2]) == 300000
        wait_until(lambda: all(file.closed for file in files))


def test_several_ranges_of_a_file_with_bytes_around_them() -> None:
    files = []
    content = bytes(range(256)) * 4000
    parts = [b"<", (1_000_000, 24_000), b"|", (5, 0), (256, 700_000), (3, 1), b">"]
    body = b"<" + content[1_000_000:1_024_000] + b"|" + content[256:700_256] + content[3:4] + b">"

    def work(exchange: engine.Exchange) -> None:
        file = temporary_file(content)
        files.append(file)
        exchange.respond_parts(206, [("Content-Length", str(len(body)))], file, parts)

    with world(work) as w:
        client = w.client()
        client.get()
        assert client.response()[2] == body
        client.get(method="HEAD")
        assert client.response(has_body=False)[1]["content-length"] == str(len(body))
        client.get()
        assert len(client.response()[2]) == len(body)
        wait_until(lambda: all(file.closed for file in files))


def test_a_file_that_shrinks_between_its_ranges_ends_the_connection_and_is_closed() -> None:
    files = []

    def work(exchange: engine.Exchange) -> None:
        files.append(temporary_file(b"x" * 1000))
        exchange.respond_parts(
            206, [("Content-Length", "1100")], files[0], [(0, 100), (990, 100), (100, 900)]
        )

    with world(work) as w:
        client = w.client()
        client.get()
        with pytest.raises((AssertionError, ConnectionResetError)):
            client.response()
        wait_until(lambda: files[0].closed)


def test_a_file_that_shrinks_ends_the_connection() -> None:
    def work(exchange: engine.Exchange) -> None:
        file = temporary_file(b"x" * 1000)
        exchange.respond_file(200, [("Content-Length", "2000")], file, 0, 2000)

    with world(work) as w:
        client = w.client()
        client.get()
        with pytest.raises((AssertionError, ConnectionResetError)):
            client.response()


def test_a_file_is_closed_when_the_client_leaves() -> None:
    file = temporary_file(b"")
    os.truncate(file.fileno(), 200 << 20)

    with world(lambda e: e.respond_file(200, [("Content-Length", str(200 << 20))], file, 0, 200 << 20)) as w:
        client = w.client()
        client.get()
        client.sock.recv(1000)
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
        assert w.ended().progress is engine.Progress.GONE
        wait_until(lambda: file.closed)


# -- refusals ------------------------------------------------------------------------------------


def refuse_large(exchange: engine.Exchange) -> None:
    if (exchange.head.content_length or 0) > 100 or exchange.head.chunked:
        exchange.respond(413, [("Content-Length", "3")], b"big")


def test_an_early_refusal_reaches_a_client_that_sends_first() -> None:
    """100 MiB are sent before anything is read: no reset may destroy the answer."""
    with world(on_admit=refuse_large) as w:
        client = w.client()
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 104857600\r\n\r\n")
        for _ in range(100):
            client.send(b"x" * (1 << 20))
        status, headers, body = client.response()
        assert (status, headers["connection"], body) == (413, "close", b"big")
        assert client.rest() == b""


def test_a_small_unread_body_is_drained_and_the_connection_kept() -> None:
    with world(on_admit=refuse_large) as w:
        client = w.client()
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\n\r\n")
        assert client.response()[0] == 413
        client.send(b"GET /evil HTTP/1.1\r\n" * 250)  # 5,000 bytes that are body, not requests
        client.get("/next")
        assert client.response()[2] == b"/next"


def test_drain_max_decides_whether_the_connection_is_kept() -> None:
    for length, kept in ((1000, True), (1001, False)):
        with world(on_admit=refuse_large, limits=Limits(drain_max=1000)) as w:
            client = w.client()
            client.send(f"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n".encode())
            status, headers, _ = client.response()
            assert status == 413
            assert ("connection" not in headers) is kept


def test_a_refused_client_that_falls_silent_is_left_after_linger_idle() -> None:
    with world(on_admit=refuse_large, limits=Limits(linger_idle=0.3, linger_timeout=30.0)) as w:
        client = w.client()
        began = time.monotonic()
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 104857600\r\n\r\n")
        assert client.response()[0] == 413
        assert client.rest() == b""
        wait_until(lambda: w.connections() == 0)
        # Our side was closed at once; the client's was still read.
        assert time.monotonic() - began >= 0.3


def test_a_refused_client_that_goes_on_sending_is_left_after_linger_timeout() -> None:
    with world(on_admit=refuse_large, limits=Limits(linger_idle=5.0, linger_timeout=0.6)) as w:
        client = w.client()
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 104857600\r\n\r\n")
        assert client.response()[0] == 413
        assert client.rest() == b""
        until = time.monotonic() + 3.0
        while w.connections():
            assert time.monotonic() < until, "it is read for longer than linger_timeout"
            with suppress(OSError):  # reset or broken pipe once it is over, as the system has it
                client.send(b"x" * 1000)
            time.sleep(0.02)


def test_no_continue_before_a_refusal() -> None:
    with world(on_admit=refuse_large) as w:
        client = w.client()
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\nExpect: 100-continue\r\n\r\n")
        status, headers, _ = client.response()
        assert (status, headers["connection"]) == (413, "close")


def test_continue_when_the_body_is_wanted() -> None:
    with world() as w:
        client = w.client()
        client.send(b"POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
        assert client.response()[0] == 100
        client.send(b"12345")
        assert client.response()[2] == b"/p"


def test_a_sink_that_refuses_in_the_middle() -> None:
    class Full:
        def write(self, data: bytes) -> None:
            raise HTTPError(507, "the disk is full")

        def finish(self) -> None:
            raise AssertionError("never complete")

        def close(self) -> None:
            closed.set()

    closed = threading.Event()

    def admit(exchange: engine.Exchange) -> None:
        exchange.sink = Full()

    with world(on_admit=admit) as w:
        client = w.client()
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 500000\r\n\r\n" + b"x" * 500000)
        status, headers, body = client.response()
        assert (status, headers["connection"], body) == (507, "close", b"the disk is full")
        assert closed.wait(5)


def test_bad_requests_are_refused_once_and_the_connection_ends() -> None:
    with world() as w:
        client = w.client()
        client.send(
            b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/9.9\r\n\r\nGET /never HTTP/1.1\r\nHost: a\r\n\r\n"
        )
        assert client.response()[0] == 200
        assert client.response()[0] == 505
        assert client.rest() == b""


def test_rubbish_behind_an_early_answer_is_not_answered_again() -> None:
    with world(on_admit=lambda e: e.respond(401, [("Content-Length", "0")])) as w:
        client = w.client()
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n0123456789\x00\x01\r\n\r\n")
        assert client.response()[0] == 401
        assert client.response()[0] == 400
        assert client.rest() == b""


def test_the_rest_of_an_answered_request_is_not_refused_as_a_second_one() -> None:
    """One answer, one line in the log: nobody is told of a 408 that was never sent."""
    with world(on_admit=refuse_large, limits=Limits(body_rate_grace=0.1, body_rate_min=10**6)) as w:
        client = w.client()
        refused = []
        w.service.refusal = lambda *request: refused.append(request)
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\n\r\nx")
        assert client.response()[0] == 413
        assert client.rest() == b""
        assert refused == []


def test_a_service_that_fails_after_the_response_does_not_keep_the_connection() -> None:
    def fail(exchange: engine.Exchange) -> None:
        raise RuntimeError("no line for you")

    for execute in (hello, in_thread(hello)):
        with world(execute) as w:
            w.service.finished = fail
            client = w.client()
            for target in ("/one", "/two"):
                client.get(target)
                assert client.response()[2] == target.encode()
            client.close()
            wait_until(lambda: not w.connections())
            assert [report.splitlines()[0] for report in w.reports] == ["after a response"] * 2
            w.reports.clear()


# -- fairness ------------------------------------------------------------------------------------


def test_a_thousand_pipelined_requests_do_not_keep_the_others_waiting() -> None:
    order: list[str] = []
    all_sent = threading.Event()
    all_sent.set()

    def work(exchange: engine.Exchange) -> None:
        if exchange.head.target == "/greedy":
            all_sent.wait(5)  # in the loop thread: meanwhile all of them arrive
        order.append(exchange.head.target)
        hello(exchange)

    with world(work) as w:
        greedy, modest = w.client(), w.client()
        # Accepted, and hands shaken, or the modest one is there only when the others are over.
        for client in (greedy, modest):
            client.get("/first")
            assert client.response()[2] == b"/first"
        all_sent.clear()
        greedy.send(b"GET /greedy HTTP/1.1\r\nHost: a\r\n\r\n" * 1000)
        modest.get("/modest")
        all_sent.set()
        assert modest.response()[2] == b"/modest"
        assert [greedy.response()[2] for _ in range(1000)] == [b"/greedy"] * 1000
        assert order.index("/modest") < 102


def test_tiny_chunks_do_not_keep_the_others_waiting() -> None:
    """And all of them arrive, however often their connection has given way."""
    admitted: dict[str, engine.Exchange] = {}
    before_modest: list[int] = []
    all_sent = threading.Event()

    def admit(exchange: engine.Exchange) -> None:
        admitted[exchange.head.target] = exchange

    def work(exchange: engine.Exchange) -> None:
        if exchange.head.target == "/block":
            all_sent.wait(5)  # in the loop thread: meanwhile all of it arrives
        elif exchange.head.target == "/modest":
            before_modest.append(len(admitted["/greedy"].context.data))
        hello(exchange)

    with world(work, on_admit=admit) as w:
        greedy, modest, blocking = w.client(), w.client(), w.client()
        modest.get("/first")
        assert modest.response()[2] == b"/first"
        greedy.send(b"POST /greedy HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        wait_until(lambda: "/greedy" in admitted)
        blocking.get("/block")
        wait_until(lambda: "/block" in admitted)
        greedy.send(b"1\r\nx\r\n" * 9000 + b"0\r\n\r\n")
        modest.get("/modest")
        all_sent.set()
        assert greedy.response()[2] == b"/greedy"
        assert modest.response()[2] == b"/modest"
        assert before_modest[0] < 2500  # a turn is 32 events, of 32 chunks each
        assert admitted["/greedy"].context.data == b"x" * 9000


def test_a_reader_as_fast_as_we_are_does_not_hold_the_loop() -> None:
    class Insatiable:
        def send(self, data: memoryview) -> int:
            return min(len(data), 65536)

        def sendmsg(self, buffers: list[memoryview]) -> int:
            return min(sum(map(len, buffers)), 65536)

    outgoing = Outgoing()
    outgoing.append(bytes(5 << 20))
    turns = 1
    while not outgoing.flush(Insatiable()):  # type: ignore[arg-type]  # a socket that takes everything
        turns += 1
    assert turns == 5


class Scripted:
    """A socket that takes so many bytes of each `send`, or raises."""

    def __init__(self, *takes: int | OSError) -> None:
        self.takes = list(takes)
        self.taken = b""

    def send(self, data: bytes | memoryview) -> int:
        take = self.takes.pop(0)
        if isinstance(take, OSError):
            raise take
        self.taken += data[:take]
        return min(take, len(data))


BLOCKED = BlockingIOError()


@pytest.mark.parametrize(
    ("takes", "left", "calls"),
    [
        ([9], 0, 1),
        ([4, 9], 0, 2),
        ([4, 2, BLOCKED], 3, 3),
        ([BLOCKED, BLOCKED], 9, 2),
        ([0, BLOCKED], 9, 2),
        ([BLOCKED, 9], 0, 2),
    ],
)
def test_what_a_socket_does_not_take_at_once_waits(takes: list[int | OSError], left: int, calls: int) -> None:
    outgoing, sock = Outgoing(), Scripted(*takes, 99)
    assert outgoing.send(sock, b"123456789") is (left == 0)  # type: ignore[arg-type]  # no socket
    assert (outgoing.size, outgoing.total) == (left, 9)
    assert sock.taken == b"123456789"[: 9 - left]
    assert len(sock.takes) == len(takes) + 1 - calls
    # What comes later goes behind it.
    sock.takes = [99]
    assert outgoing.send(sock, b"abc")  # type: ignore[arg-type]
    assert sock.taken == b"123456789abc"
    assert (outgoing.size, outgoing.total) == (0, 12)
    assert outgoing.send(sock, b"")  # type: ignore[arg-type]  # nothing to send, and no call


@pytest.mark.parametrize("takes", [[ConnectionResetError(104, "reset")], [4, BrokenPipeError(32, "broken")]])
def test_a_socket_that_breaks(takes: list[int | OSError]) -> None:
    outgoing, sock = Outgoing(), Scripted(*takes)
    with pytest.raises(WriteError, match=r"sending to the client failed: (reset|broken)"):
        outgoing.send(sock, b"123456789")  # type: ignore[arg-type]
    # So many count as sent.
    assert outgoing.total - outgoing.size == len(sock.taken)


def test_tiny_pieces_for_a_slow_reader_take_no_more_memory_than_their_bytes() -> None:
    pieces = [str(number).encode() for number in range(20_000)]
    reader, writer = socket.socketpair()
    with reader, writer:
        writer.setblocking(False)
        outgoing = Outgoing()
        for piece in pieces:
            outgoing.append(piece)
        assert len(outgoing._pieces) < 50
        received = b""
        while not outgoing.flush(writer) or len(received) < outgoing.total:
            received += reader.recv(65536)
        assert received == b"".join(pieces)


# -- clocks --------------------------------------------------------------------------------------


@pytest.mark.parametrize("sent", [b"GET / HTTP/1.1\r\nHost:", b"G"])
def test_a_head_that_does_not_end_is_408(sent: bytes) -> None:
    with world(limits=Limits(header_timeout=0.3)) as w:
        client = w.client()
        client.send(sent)
        assert client.response()[0] == 408
        assert client.rest() == b""


def test_a_connection_without_a_byte_is_closed_silently() -> None:
    with world(limits=Limits(header_timeout=0.3)) as w:
        assert w.client().rest() == b""


def test_an_idle_connection_is_closed_silently() -> None:
    with world(limits=Limits(keep_alive=0.3)) as w:
        client = w.client()
        client.get()
        assert client.response()[0] == 200
        assert client.rest() == b""


def test_a_dripping_body_is_408() -> None:
    with world(limits=Limits(body_rate_grace=0.3, body_rate_min=1000)) as w:
        client = w.client()
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nx")
        assert client.response()[0] == 408


def test_a_fast_beginning_is_no_credit_for_a_body_that_stands_still() -> None:
    with world(limits=Limits(body_rate_grace=0.2, body_rate_min=1000)) as w:
        client = w.client()
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100001\r\n\r\n" + b"x" * 100_000)
        assert client.response()[0] == 408  # and not after a hundred seconds


def test_a_late_handler_is_told_of_by_its_own_limit() -> None:
    told: list[float] = []

    def admit(exchange: engine.Exchange) -> None:
        exchange.response_timeout = 0.3

    with world(lambda exchange: None, on_admit=admit) as w:
        w.service.overdue = lambda exchange: (told.append(exchange.response_timeout), ([], b""))[1]
        client = w.client()
        client.get()
        assert client.response()[0] == 503
        assert told == [0.3]


def test_a_late_handler_is_answered_for_and_can_do_no_harm() -> None:
    late: list[BaseException | None] = []

    def work(exchange: engine.Exchange) -> None:
        if exchange.head.target != "/late":
            hello(exchange)
            return
        wait_until(lambda: not exchange.is_current)
        try:
            hello(exchange)
        except ClientDisconnected as error:
            late.append(error)

    with world(in_thread(work), limits=Limits(response_timeout=0.3)) as w:
        client = w.client()
        client.get("/late")
        status, headers, body = client.response()
        assert (status, headers["connection"], body) == (503, "close", b"too late")
        assert client.rest() == b""
        assert w.ended().status == 503
        wait_until(lambda: late)


def test_a_stream_may_last_longer_than_response_timeout() -> None:
    def work(exchange: engine.Exchange) -> None:
        exchange.start(200, [("Content-Length", "4")])
        for _ in range(4):
            exchange.write(b"z")
            time.sleep(0.25)
        exchange.end()

    with world(in_thread(work), limits=Limits(response_timeout=0.3)) as w:
        client = w.client()
        client.get()
        assert client.response()[2] == b"zzzz"


# -- many connections ----------------------------------------------------------------------------


def test_at_the_cap_the_longest_idle_connection_gives_way() -> None:
    with world(limits=Limits(connections_max=3)) as w:
        clients = [w.client() for _ in range(3)]
        for client in clients:
            client.get()
            client.response()
        newcomer = w.client()
        newcomer.get("/new")
        assert newcomer.response()[2] == b"/new"
        assert clients[0].rest() == b""
        clients[1].get("/still")
        assert clients[1].response()[2] == b"/still"


def test_without_descriptors_the_longest_idle_gives_way_and_accepting_rests_if_none_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    attempts: list[float] = []
    accept = socket.socket.accept

    def refuse_twice(listener: socket.socket) -> tuple[socket.socket, object]:
        attempts.append(time.monotonic())
        if len(attempts) <= 2:
            raise OSError(errno.EMFILE, "Too many open files")
        return accept(listener)

    with world() as w:
        idle = w.client()
        idle.get()
        assert idle.response()[0] == 200
        monkeypatch.setattr(socket.socket, "accept", refuse_twice)
        client = w.client()
        client.get("/late")
        assert client.response()[2] == b"/late"
        assert idle.rest() == b""
        assert attempts[1] - attempts[0] < 0.25, "there was room at once"
        assert attempts[2] - attempts[1] >= 0.2, "it spins"
        assert [report.splitlines()[0] for report in w.reports] == [
            "accepting a connection; paused for 0.25 s"
        ]
        w.reports.clear()


def test_what_the_whole_system_lacks_does_not_cost_all_who_are_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    attempts: list[float] = []
    accept = socket.socket.accept

    def refuse_once(listener: socket.socket) -> tuple[socket.socket, object]:
        attempts.append(time.monotonic())
        if len(attempts) == 1:
            raise OSError(errno.ENFILE, "Too many open files in system")
        return accept(listener)

    with world() as w:
        clients = [w.client(), w.client()]
        for client in clients:
            client.get()
            assert client.response()[0] == 200
        monkeypatch.setattr(socket.socket, "accept", refuse_once)
        late = w.client()
        late.get("/late")
        assert late.response()[2] == b"/late"
        assert attempts[1] - attempts[0] >= 0.2, "it spins"
        assert clients[0].rest() == b""
        clients[1].get("/still")
        assert clients[1].response()[2] == b"/still"
        w.reports.clear()


def test_a_service_that_fails_costs_its_own_client_only() -> None:
    def work(exchange: engine.Exchange) -> None:
        if exchange.head.target == "/fail":
            raise RuntimeError("a promise is broken")
        hello(exchange)

    with world(work) as w:
        other, client = w.client(), w.client()
        other.get("/one")
        assert other.response()[2] == b"/one"
        client.get("/fail")
        assert client.rest() == b""
        other.get("/two")
        assert other.response()[2] == b"/two"
        assert [report.splitlines()[0] for report in w.reports] == ["answering a request"]
        w.reports.clear()


def test_one_address_may_be_limited() -> None:
    with world(limits=Limits(connections_per_address_max=2)) as w:
        first, second, third = w.client(), w.client(), w.client()
        first.get()
        assert first.response()[0] == 200
        assert third.rest() == b""
        wait_until(lambda: w.service.limits_reached == ["connections_per_address_max"])
        second.close()
        wait_until(lambda: w.connections() == 1)
        fourth = w.client()
        fourth.get()
        assert fourth.response()[0] == 200


def test_resets_at_every_moment_leave_nothing_behind() -> None:
    def work(exchange: engine.Exchange) -> None:
        time.sleep(0.005)
        try:
            exchange.start(200, [])
            for _ in range(20):
                exchange.write(b"q" * 1000)
            exchange.end()
        except ClientDisconnected:
            return

    with world(in_thread(work)) as w:
        for number in range(200):
            client = w.client()
            client.get()
            if number % 3:
                client.sock.recv(1 + number * 13)
            client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()
        for _ in range(200):
            w.ended()
        wait_until(lambda: w.connections() == 0)


# -- stopping ------------------------------------------------------------------------------------


def drain(w: World) -> threading.Event:
    drained = threading.Event()
    w.engine.drain(drained.set)
    return drained


def test_draining_lets_requests_under_way_finish() -> None:
    begun, gate = threading.Event(), threading.Event()

    def work(exchange: engine.Exchange) -> None:
        if exchange.head.target == "/busy":
            begun.set()
            gate.wait(5)
        hello(exchange)

    with world(in_thread(work)) as w:
        idle, busy = w.client(), w.client()
        idle.get()
        idle.response()
        busy.get("/busy")
        assert begun.wait(5)
        drained = drain(w)
        assert idle.rest() == b""
        gate.set()
        status, headers, body = busy.response()
        assert (status, headers["connection"], body) == (200, "close", b"/busy")
        assert drained.wait(5)
        with pytest.raises(OSError):  # noqa: PT011  # refused or reset, as the system has it
            Client(w.address)


def test_draining_answers_a_request_that_lies_in_the_socket() -> None:
    begun, block = threading.Event(), threading.Event()

    def work(exchange: engine.Exchange) -> None:
        if exchange.head.target == "/block":
            begun.set()
            block.wait(5)  # holds the loop thread, so that the other request stays in its socket
        hello(exchange)

    with world(work) as w:
        waiting, blocking = w.client(), w.client()
        waiting.get("/first")
        waiting.response()
        blocking.get("/block")
        assert begun.wait(5)
        drained = drain(w)
        waiting.get("/second")
        block.set()
        assert waiting.response()[2] == b"/second"
        assert blocking.response()[2] == b"/block"
        assert drained.wait(5)


def test_draining_while_the_rest_of_an_answered_request_comes() -> None:
    drained = threading.Event()
    with world(on_admit=refuse_large) as w:
        client = w.client()
        client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\n\r\n")
        assert client.response()[0] == 413
        w.engine.drain(drained.set)
        wait_until(lambda: w.engine.draining)
        client.send(b"x" * 5000)
        assert client.rest() == b""
        assert drained.wait(5)


def test_draining_with_nobody_there_is_over_at_once() -> None:
    with world() as w:
        assert drain(w).wait(1)


def test_a_socket_that_was_closed_before_it_is_unwatched_does_no_harm() -> None:
    errors: list[str] = []
    loop = engine.EventLoop(errors.append)
    one, other = socket.socketpair()
    loop.watch(one, 1, lambda events: None)
    one.close()
    loop.unwatch(one)
    # The descriptor closed behind the socket's back: its number cannot be watched twice.
    two, another = socket.socketpair()
    number = two.fileno()
    loop.watch(two, 1, lambda events: None)
    os.close(number)
    three = socket.socket(fileno=os.dup(other.fileno()))
    if three.fileno() == number:
        with pytest.raises(KeyError):
            loop.watch(three, 1, lambda events: None)
    loop.unwatch(two)
    two.detach()
    loop.watch(three, 1, lambda events: None)
    loop.unwatch(three)
    for sock in (other, another, three):
        sock.close()
    loop.stop()
    loop.run()
    assert errors == []
