"""Requests that we send, read as conversations with servers that do what they are told."""

from __future__ import annotations

import queue
import socket
import threading
from time import monotonic

import pytest

from skitai.core.outbound.fetch import Fetch
from skitai.core.outbound.pool import Pool
from skitai.core.outbound.request import Origin, Outcome, Request, TLSOptions
from skitai.errors import (
    CallCancelled,
    CallsQueueFull,
    ConnectError,
    LocalProtocolError,
    NetworkTimeout,
    ReadError,
    RemoteProtocolError,
    ResolveError,
    ResponseTooLarge,
    WriteError,
)
from tests.core.outbound.peers import PATIENCE, Asking, Client, Names, Peer, Pending, answers, running, until


def silent(client: Client) -> None:
    """Reads, and never answers."""
    while client.sock.recv(65536):
        pass


# -- an answer ------------------------------------------------------------------------------------


def test_a_request_and_its_answer() -> None:
    with running(answers(b"hello")) as (peer, asking):
        outcome = asking.ask(peer.origin, target="/a?b=c", headers=[("X-Y", "z")])
        assert outcome.error is None
        assert outcome.response.head.status == 200
        assert outcome.response.body == b"hello"
        assert outcome.elapsed > 0
        assert peer.requests == [
            f"GET /a?b=c HTTP/1.1\r\nHost: 127.0.0.1:{peer.port}\r\nX-Y: z\r\n\r\n".encode()
        ]


@pytest.mark.parametrize("size", [0, 5, 16384, 16385, 3_000_000])
def test_a_body_of_any_size_arrives(size: int) -> None:
    with running(answers(b"ok")) as (peer, asking):
        assert asking.ask(peer.origin, "POST", body=b"x" * size).response.body == b"ok"
        head, _, body = peer.requests[0].partition(b"\r\n\r\n")
        assert f"content-length: {size}".encode() in head.lower()
        assert body == b"x" * size


class Pieces:
    """A `Body` of three pieces."""

    def __init__(self, size: int | None) -> None:
        self.size = size
        self.left = [b"one", b"two", b"three"]
        self.closed = False
        self.trailers: list[tuple[str, str]] = []

    def read(self, size: int) -> bytes:
        return self.left.pop(0) if self.left else b""

    def rewind(self) -> bool:
        self.left = [b"one", b"two", b"three"]
        return True

    def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize("size", [11, None])
def test_a_body_that_is_read_as_it_leaves(size: int | None) -> None:
    with running(answers(b"ok")) as (peer, asking):
        body = Pieces(size)
        assert asking.ask(peer.origin, "POST", body=body).response.body == b"ok"
        assert peer.requests[0].endswith(b"\r\n\r\nonetwothree")
        assert body.closed


def test_a_body_that_is_shorter_than_it_said_is_no_request() -> None:
    with running(silent) as (peer, asking):
        error = asking.ask(peer.origin, "POST", body=Pieces(12)).error
        assert isinstance(error, WriteError)
        assert "body of the request" in str(error)


def test_chunks_and_trailers() -> None:
    def script(client: Client) -> None:
        client.request()
        client.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
        client.send(b"2\r\nde\r\n0\r\nX-Sum: 5\r\n\r\n")

    with running(script) as (peer, asking):
        response = asking.ask(peer.origin).response
        assert response.body == b"abcde"
        assert response.trailers == [("X-Sum", "5")]


def test_an_answer_that_ends_with_its_connection() -> None:
    def script(client: Client) -> None:
        client.request()
        client.send(b"HTTP/1.0 200 OK\r\n\r\nall there is")

    with running(script) as (peer, asking):
        assert asking.ask(peer.origin).response.body == b"all there is"


def test_interim_answers_are_passed_over() -> None:
    def script(client: Client) -> None:
        client.request()
        client.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n")
        client.answer(b"final")

    with running(script) as (peer, asking):
        assert asking.ask(peer.origin).response.body == b"final"


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
def test_statuses_without_a_body(status: bytes) -> None:
    def script(client: Client) -> None:
        client.request()
        client.send(b"HTTP/1.1 " + status + b"\r\n\r\n")
        client.request()
        client.answer()

    with running(script) as (peer, asking):
        assert asking.ask(peer.origin).response.body == b""
        assert asking.ask(peer.origin).response.body == b"hello"
        assert peer.connections == 1


def test_head_has_a_length_and_no_body() -> None:
    def script(client: Client) -> None:
        client.request()
        client.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        client.request()
        client.answer()

    with running(script) as (peer, asking):
        assert asking.ask(peer.origin, "HEAD").response.head.content_length == 1000
        assert asking.ask(peer.origin).response.body == b"hello"


# -- connections that are kept --------------------------------------------------------------------


def test_a_connection_serves_one_request_after_the_other() -> None:
    with running(answers()) as (peer, asking):
        for _ in range(5):
            assert asking.ask(peer.origin).response.body == b"hello"
        assert peer.connections == 1


def test_a_server_that_wants_to_close_is_believed() -> None:
    def script(client: Client) -> None:
        client.request()
        client.answer(b"bye", b"Connection: close")

    with running(script) as (peer, asking):
        assert asking.ask(peer.origin).response.body == b"bye"
        assert asking.ask(peer.origin).response.body == b"bye"
        assert peer.connections == 2


def test_a_kept_connection_that_proves_dead_is_replaced_once() -> None:
    """The end comes with our second request, as from a server whose time for idle ones is over."""

    def dies(client: Client) -> None:
        client.request()
        client.answer()
        client.request()  # and closes

    with running(dies, answers(b"new")) as (peer, asking):
        assert asking.ask(peer.origin).response.body == b"hello"
        assert asking.ask(peer.origin, repeatable=True).response.body == b"new"
        assert peer.connections == 2


def test_what_is_not_repeatable_is_not_sent_twice() -> None:
    def dies(client: Client) -> None:
        client.request()
        client.answer()
        client.request()

    with running(dies, answers(b"new")) as (peer, asking):
        assert asking.ask(peer.origin).response.body == b"hello"
        outcome = asking.ask(peer.origin, "POST", body=b"pay")
        assert isinstance(outcome.error, (ReadError, RemoteProtocolError))
        assert "without an answer" in str(outcome.error)
        assert len(peer.requests) == 2


def test_nobody_is_asked_a_third_time() -> None:
    def dies(client: Client) -> None:
        client.request()
        if client.peer.connections == 1:
            client.answer()
            client.request()

    with running(dies) as (peer, asking):
        assert asking.ask(peer.origin).response.body == b"hello"
        assert asking.ask(peer.origin, repeatable=True).error is not None
        assert len(peer.requests) == 3


def test_a_body_is_rewound_when_it_is_sent_again() -> None:
    def dies(client: Client) -> None:
        client.request()
        client.answer()
        client.request()

    with running(dies, answers(b"new")) as (peer, asking):
        asking.ask(peer.origin)
        body = Pieces(11)
        assert asking.ask(peer.origin, "PUT", body=body, repeatable=True).response.body == b"new"
        assert [request.endswith(b"onetwothree") for request in peer.requests] == [False, True, True]


def test_an_answer_that_nobody_asked_for_ends_an_idle_connection() -> None:
    def script(client: Client) -> None:
        client.request()
        client.answer()
        client.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
        client.request()

    with running(script, answers(b"good")) as (peer, asking):
        assert asking.ask(peer.origin).response.body == b"hello"
        until(lambda: asking.client.snapshot()["connections"] == 0)
        assert asking.ask(peer.origin).response.body == b"good"


def test_an_answer_and_more_ends_the_connection() -> None:
    def script(client: Client) -> None:
        client.request()
        client.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok" * 2)
        client.request()

    with running(script, answers(b"good")) as (peer, asking):
        assert asking.ask(peer.origin).response.body == b"ok"
        assert asking.ask(peer.origin).response.body == b"good"


def test_idle_connections_are_closed_in_time() -> None:
    with running(answers(), call_keep_alive=0.5) as (peer, asking):
        asking.ask(peer.origin)
        assert asking.in_loop(asking.client.snapshot)["connections"] == 1
        until(lambda: asking.client.snapshot()["connections"] == 0)
        until(lambda: asking.client.snapshot()["origins"] == {})


def test_a_connection_is_kept_as_long_as_its_server_says() -> None:
    def script(client: Client) -> None:
        while client.request():
            client.answer(b"hello", b"Keep-Alive: timeout=1, max=100")

    with running(script) as (peer, asking):
        asking.ask(peer.origin)
        until(lambda: asking.client.snapshot()["connections"] == 0)
        assert asking.ask(peer.origin).response.body == b"hello"
        assert peer.connections == 2


def test_an_answer_before_the_whole_request_is_an_answer() -> None:
    def script(client: Client) -> None:
        client.sock.recv(1000)
        client.send(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig")

    with running(script) as (peer, asking):
        outcome = asking.ask(peer.origin, "POST", body=b"x" * 20_000_000)
        # Where the reset comes before we have read, the answer is lost: then that is said.
        if outcome.error is None:
            assert outcome.response.body == b"big"
        else:
            assert isinstance(outcome.error, (WriteError, ReadError))
        until(lambda: asking.client.snapshot()["connections"] == 0)


# -- how many -------------------------------------------------------------------------------------


def test_no_more_connections_than_allowed() -> None:
    gate = threading.Event()

    def script(client: Client) -> None:
        while client.request():
            gate.wait(5)
            client.answer()

    with running(script, call_connections_per_host_max=2) as (peer, asking):
        pending = [asking.begin(Request("GET", peer.origin)) for _ in range(10)]
        until(lambda: peer.connections == 2 and len(peer.requests) == 2)
        until(lambda: asking.client.snapshot()["waiting"] == 8)
        gate.set()
        assert [one.outcome().response.body for one in pending] == [b"hello"] * 10
        assert peer.connections == 2


def test_hosts_take_turns_when_there_are_too_many_in_all() -> None:
    with running(answers(), call_connections_max=2) as (peer, asking):
        others = [Peer(answers()) for _ in range(4)]
        try:
            pending = [
                asking.begin(Request("GET", each.origin)) for each in [peer, *others] for _ in range(5)
            ]
            assert [one.outcome().response.body for one in pending] == [b"hello"] * 25
            assert asking.client.snapshot()["connections"] <= 2
        finally:
            for other in others:
                other.close()


def test_a_connection_that_nobody_waits_for_any_more_is_not_kept_from_others() -> None:
    with running(answers(), call_connections_max=1) as (peer, asking):
        other = Peer(answers())

        def change_of_mind() -> Pending:
            asking.begin(Request("GET", peer.origin)).handle.cancel()
            return asking.begin(Request("GET", other.origin))

        try:
            assert asking.in_loop(change_of_mind).outcome().response.body == b"hello"
        finally:
            other.close()


def test_a_kept_connection_that_looks_dead_is_counted_no_more() -> None:
    ends, ended = threading.Event(), threading.Event()

    def script(client: Client) -> None:
        client.request()
        client.answer()
        ends.wait(PATIENCE)
        client.sock.close()
        ended.set()

    with running(script, answers()) as (peer, asking):
        assert asking.ask(peer.origin).error is None

        outcomes: queue.SimpleQueue[Outcome] = queue.SimpleQueue()

        def ask_before_the_end_is_seen() -> None:
            ends.set()
            ended.wait(PATIENCE)
            # As when the server closes between the poll and the calls of one turn.
            asking.client._begin(Fetch(asking.client, Request("POST", peer.origin), outcomes.put))

        asking.in_loop(ask_before_the_end_is_seen)
        assert outcomes.get(timeout=PATIENCE).response.body == b"hello"
        assert asking.in_loop(asking.client.snapshot)["connections"] == 1


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_who_waits_is_not_given_a_connection_that_has_just_ended(method: str) -> None:
    """Its server answers and closes, and says so only by that.  What may be sent twice is: one try more."""
    may_answer, answered = threading.Event(), threading.Event()

    def ends(client: Client) -> None:
        client.request()
        may_answer.wait(PATIENCE)
        client.answer()
        client.sock.close()
        answered.set()

    with running(ends, answers(), call_connections_per_host_max=1) as (peer, asking):

        def begin() -> list[Pending]:
            second = Request(method, peer.origin, repeatable=method == "GET")
            return [asking.begin(Request("POST", peer.origin)), asking.begin(second)]

        def look_away() -> None:
            may_answer.set()
            assert answered.wait(PATIENCE)

        pending = asking.in_loop(begin)
        until(lambda: len(peer.requests) == 1)
        asking.in_loop(look_away)  # the answer and the end have come before anybody looks
        assert [one.outcome().error for one in pending] == [None, None]
        assert (peer.connections, len(peer.requests)) == (2, 2)


def test_whoever_gives_up_while_it_waits_leaves_nothing_behind() -> None:
    with running(silent, call_connections_max=1) as (peer, asking):
        other = Origin("http", "127.0.0.1", 1)
        first = asking.begin(Request("GET", peer.origin))
        until(lambda: peer.connections == 1)
        waiting = [asking.begin(Request("GET", other)) for _ in range(3)]
        until(lambda: asking.client.waiting == 3)
        for one in [*waiting, first]:
            one.handle.cancel()
            assert isinstance(one.outcome().error, CallCancelled)
        nothing = {"connections": 0, "calls": 0, "waiting": 0, "origins": {}}
        assert asking.in_loop(asking.client.snapshot) == nothing


def test_nobody_waits_for_a_connection_that_may_never_be_made() -> None:
    with running(silent) as (peer, asking):
        tls = Origin("https", "127.0.0.1", peer.port, TLSOptions(verify=False))
        pending = asking.begin(Request("GET", tls))  # no connect_timeout, and nobody shakes hands
        until(lambda: peer.connections == 1)
        pending.handle.cancel()
        assert isinstance(pending.outcome().error, CallCancelled)
        nothing = {"connections": 0, "calls": 0, "waiting": 0, "origins": {}}
        assert asking.in_loop(asking.client.snapshot) == nothing


def counts(asking: Asking) -> tuple[int, int, int]:
    """Calls that wait, connections that are being made, and all connections."""
    seen = asking.in_loop(asking.client.snapshot)
    return seen["waiting"], sum(pool["connecting"] for pool in seen["origins"].values()), seen["connections"]


def secure(peer: Peer, **options: float) -> Request:
    """Of a server that shakes no hands."""
    origin = Origin("https", "127.0.0.1", peer.port, TLSOptions(verify=False))
    return Request("GET", origin, **{"connect_timeout": 60.0, **options})


def test_what_nobody_wants_is_connected_for_no_more() -> None:
    gone = threading.Event()

    def script(client: Client) -> None:
        silent(client)
        gone.set()

    with running(script) as (peer, asking):
        pending = asking.begin(secure(peer))
        until(lambda: peer.connections == 1)
        pending.handle.cancel()
        assert isinstance(pending.outcome().error, CallCancelled)
        assert gone.wait(PATIENCE)
        assert counts(asking) == (0, 0, 0)


def test_as_many_are_made_as_calls_still_wait() -> None:
    with running(silent) as (peer, asking):
        pending = [asking.begin(secure(peer)) for _ in range(3)]
        until(lambda: peer.connections == 3)
        pending[0].handle.cancel()
        pending[0].outcome()
        assert counts(asking) == (2, 2, 2)
        for one in pending[1:]:
            one.handle.cancel()
            one.outcome()
        assert counts(asking) == (0, 0, 0)


def test_another_one_that_waits_wants_the_connection_too() -> None:
    with running(silent, call_connections_per_host_max=1) as (peer, asking):
        first, second = (asking.begin(secure(peer)) for _ in range(2))
        until(lambda: peer.connections == 1)
        first.handle.cancel()
        first.outcome()
        assert counts(asking) == (1, 1, 1)
        second.handle.cancel()
        second.outcome()
        assert counts(asking) == (0, 0, 0)
        assert peer.connections == 1


def test_what_was_too_slow_for_its_call_is_finished_and_kept() -> None:
    with running(silent) as (peer, asking):
        pending = asking.begin(secure(peer, deadline=monotonic() + 0.1))
        assert isinstance(pending.outcome().error, NetworkTimeout)
        assert counts(asking) == (0, 1, 1)


def test_too_many_that_wait_fail_at_once() -> None:
    with running(silent, call_connections_per_host_max=1, call_queue_max=2) as (peer, asking):
        first = asking.begin(Request("GET", peer.origin))
        until(lambda: peer.connections == 1 and asking.client.snapshot()["waiting"] == 0)
        waiting = [asking.begin(Request("GET", peer.origin)) for _ in range(2)]
        error = asking.ask(peer.origin).error
        assert isinstance(error, CallsQueueFull)
        assert "call_queue_max" in str(error)
        for one in [first, *waiting]:
            one.handle.cancel()
            assert isinstance(one.outcome().error, CallCancelled)
        until(lambda: asking.client.snapshot()["waiting"] == 0)


def test_a_thousand_at_once() -> None:
    with running(answers(), call_connections_per_host_max=50) as (peer, asking):
        pending = [asking.begin(Request("GET", peer.origin, f"/{n}", repeatable=True)) for n in range(1000)]
        assert {one.outcome().error for one in pending} == {None}
        assert peer.connections <= 50


# -- giving up ------------------------------------------------------------------------------------


def test_what_fails_here_takes_no_other_along(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(pool: Pool, fetch: Fetch) -> None:
        monkeypatch.undo()
        raise RuntimeError("a mistake of ours")

    peer, asking = Peer(answers()), Asking()
    try:
        monkeypatch.setattr(Pool, "want", fail)
        # Both are begun before the loop looks at them.
        _, pending = asking.in_loop(lambda: [asking.begin(Request("GET", peer.origin)) for _ in range(2)])
        assert pending.outcome().response.body == b"hello"
        assert [report for report in asking.reports if "a mistake of ours" in report]
    finally:
        asking.close()
        peer.close()


def test_cancelling_closes_the_connection() -> None:
    gone = threading.Event()

    def script(client: Client) -> None:
        client.request()
        with pytest.raises(ConnectionResetError):
            client.sock.recv(1)
        gone.set()

    with running(script) as (peer, asking):
        pending = asking.begin(Request("GET", peer.origin))
        until(lambda: len(peer.requests) == 1)
        pending.handle.cancel()
        assert isinstance(pending.outcome().error, CallCancelled)
        assert gone.wait(5)
        until(lambda: asking.client.snapshot()["connections"] == 0)


def test_cancelling_twice_and_late_does_nothing() -> None:
    with running(answers()) as (peer, asking):
        pending = asking.begin(Request("GET", peer.origin))
        outcome = pending.outcome()
        pending.handle.cancel()
        pending.handle.cancel()
        asking.in_loop(lambda: None)
        assert outcome.error is None
        assert asking.ask(peer.origin).response.body == b"hello"
        assert peer.connections == 1


@pytest.mark.parametrize(
    "half", [b"", b"HTTP/1.1 200 OK\r\nContent-Le", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab"]
)
def test_the_deadline_is_for_all_of_it(half: bytes) -> None:
    def script(client: Client) -> None:
        client.request()
        client.send(half)
        silent(client)

    with running(script) as (peer, asking):
        began = monotonic()
        error = asking.ask(peer.origin, deadline=began + 0.2).error
        assert isinstance(error, NetworkTimeout)
        assert error.limit == "timeout"
        assert 0.2 <= monotonic() - began < 5
        until(lambda: asking.client.snapshot()["connections"] == 0)


def test_the_first_byte_has_a_clock() -> None:
    with running(silent) as (peer, asking):
        error = asking.ask(peer.origin, first_byte_timeout=0.1).error
        assert isinstance(error, NetworkTimeout)
        assert error.limit == "first_byte_timeout"


def by_drops(client: Client) -> None:
    """A head of half a second."""
    client.request()
    for drop in (b"HTTP/1.1 200", b" OK\r\nContent", b"-Length: 2\r\n", b"X: y\r\n", b"\r\n", b"hi"):
        client.send(drop)
        threading.Event().wait(0.1)


def test_the_clock_of_the_first_byte_ends_with_it() -> None:
    with running(by_drops) as (peer, asking):
        outcome = asking.ask(peer.origin, first_byte_timeout=0.3, between_bytes_timeout=0.4)
        assert outcome.response.body == b"hi"
        assert outcome.elapsed > 0.4


@pytest.mark.parametrize("limits", [{"between_bytes_timeout": 0.05}, {"timeout": 0.45}])
def test_a_head_by_drops_has_clocks_of_its_own(limits: dict[str, float]) -> None:
    [limit] = limits
    with running(by_drops) as (peer, asking):
        if limit == "timeout":
            limits = {"deadline": monotonic() + limits["timeout"]}
        error = asking.ask(peer.origin, first_byte_timeout=0.3, **limits).error
        assert isinstance(error, NetworkTimeout)
        assert error.limit == limit


def test_an_answer_before_the_whole_request_ends_the_wait_for_its_first_byte() -> None:
    def script(client: Client) -> None:
        received = len(client.sock.recv(1000))
        client.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nh")
        while received < 20_000_000:
            received += len(client.sock.recv(1 << 20))
        threading.Event().wait(0.4)
        client.send(b"i")

    with running(script) as (peer, asking):
        outcome = asking.ask(peer.origin, "POST", body=b"x" * 20_000_000, first_byte_timeout=0.2)
        assert outcome.error is None


def test_between_bytes_there_is_a_clock() -> None:
    def script(client: Client) -> None:
        client.request()
        client.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n")
        for _ in range(4):
            client.send(b"a")
            threading.Event().wait(0.1)
        silent(client)

    with running(script) as (peer, asking):
        began = monotonic()
        error = asking.ask(peer.origin, between_bytes_timeout=0.4).error
        assert isinstance(error, NetworkTimeout)
        assert error.limit == "between_bytes_timeout"
        assert monotonic() - began > 0.6


def test_a_server_that_does_not_read_has_a_clock() -> None:
    def script(client: Client) -> None:
        threading.Event().wait(3)

    with running(script) as (peer, asking):
        error = asking.ask(peer.origin, "POST", body=b"x" * 50_000_000, between_bytes_timeout=0.3).error
        assert isinstance(error, NetworkTimeout)
        assert error.limit == "between_bytes_timeout"


# -- bad servers ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bytes_", "kind", "text"),
    [
        (b"", ReadError, "without an answer"),
        (b"SSH-2.0-OpenSSH\r\n", RemoteProtocolError, ""),
        (b"\x15\x03\x01\x00\x02\x02\x46", RemoteProtocolError, "0x15"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort", RemoteProtocolError, "5 bytes of the body"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
            RemoteProtocolError,
            "Content-Length",
        ),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", RemoteProtocolError, "chunk"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", RemoteProtocolError, "last chunk"),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", RemoteProtocolError, "101"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000, RemoteProtocolError, "header"),
    ],
)
def test_what_is_no_answer_has_a_typed_error(bytes_: bytes, kind: type[Exception], text: str) -> None:
    def script(client: Client) -> None:
        client.request()
        client.send(bytes_)

    with running(script) as (peer, asking):
        error = asking.ask(peer.origin).error
        assert type(error) is kind
        assert text in str(error)
        until(lambda: asking.client.snapshot()["connections"] == 0)


def test_an_endless_head_is_cut() -> None:
    def script(client: Client) -> None:
        client.request()
        client.send(b"HTTP/1.1 200 OK\r\n")
        while True:
            client.send(b"X-Y: z\r\n" * 100)

    with running(script) as (peer, asking):
        assert isinstance(asking.ask(peer.origin).error, RemoteProtocolError)


def test_a_reset_in_the_midst_is_a_read_error() -> None:
    def script(client: Client) -> None:
        client.request()
        client.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab")
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    with running(script) as (peer, asking):
        error = asking.ask(peer.origin).error
        assert isinstance(error, ReadError)
        assert isinstance(error.__cause__, OSError)


def test_more_than_is_wanted_is_refused() -> None:
    with running(answers(b"x" * 100_000)) as (peer, asking):
        error = asking.ask(peer.origin, response_max=50_000).error
        assert isinstance(error, ResponseTooLarge)
        assert "50000" in str(error)


# -- connecting -----------------------------------------------------------------------------------


def test_nobody_listens() -> None:
    with running(answers()) as (_, asking):
        with socket.socket() as sock:  # bound, so that nobody else comes to listen there
            sock.bind(("127.0.0.1", 0))
            port = sock.getsockname()[1]
            error = asking.ask(Origin("http", "127.0.0.1", port)).error
        assert isinstance(error, ConnectError)
        assert f"127.0.0.1:{port}" in str(error)
        assert "refused" in str(error)
        until(lambda: asking.client.snapshot()["connections"] == 0)


def test_a_name_without_address() -> None:
    names = Names(nowhere_test=ResolveError("nowhere.test has no address"))
    with running(answers(), names=names) as (_, asking):
        pending = [asking.begin(Request("GET", Origin("http", "nowhere.test", 80))) for _ in range(20)]
        assert {str(one.outcome().error) for one in pending} == {"nowhere.test has no address"}


def test_all_addresses_are_tried() -> None:
    names = Names(many_test=["127.0.0.2", "127.0.0.3", "127.0.0.1"])
    with running(answers(), names=names) as (peer, asking):
        outcome = asking.ask(Origin("http", "many.test", peer.port))
        assert outcome.response.body == b"hello"
        assert b"Host: many.test:" in peer.requests[0]


def test_an_address_that_says_nothing_gets_a_head_start_only() -> None:
    """A backlog that is full: connecting takes for ever."""
    with running(answers()) as (peer, asking):
        full = socket.socket()
        full.bind(("127.0.0.2", peer.port))
        full.listen(0)
        clients = []
        for _ in range(3):
            client = socket.socket()
            client.setblocking(False)
            client.connect_ex(("127.0.0.2", peer.port))
            clients.append(client)
        try:
            asking.names.known["two_test"] = ["127.0.0.2", "127.0.0.1"]
            began = monotonic()
            assert asking.ask(Origin("http", "two.test", peer.port)).response.body == b"hello"
            assert 0.2 < monotonic() - began < 5
        finally:
            for each in [*clients, full]:
                each.close()


def test_connecting_has_a_clock() -> None:
    with running(answers()) as (_, asking):
        full = socket.socket()
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        address = full.getsockname()
        clients = []
        for _ in range(3):
            client = socket.socket()
            client.setblocking(False)
            client.connect_ex(address)
            clients.append(client)
        try:
            error = asking.ask(Origin("http", *address), connect_timeout=0.2).error
            assert isinstance(error, NetworkTimeout)
            assert error.limit == "connect_timeout"
            assert "connect in time" in str(error)
        finally:
            for each in [*clients, full]:
                each.close()


# -- what may not be sent -------------------------------------------------------------------------


@pytest.mark.parametrize("headers", [[("X", "a\r\nEvil: b")], [("X\n", "a")], [("Host", "a"), ("Host", "b")]])
def test_what_is_no_request_is_not_sent(headers: list[tuple[str, str]]) -> None:
    with running(answers()) as (peer, asking):
        assert isinstance(asking.ask(peer.origin, headers=headers).error, LocalProtocolError)
        assert peer.requests == []
        assert asking.ask(peer.origin).response.body == b"hello"


def test_a_closed_client_asks_nobody() -> None:
    with running(silent) as (peer, asking):
        pending = asking.begin(Request("GET", peer.origin))
        until(lambda: peer.connections == 1)
        asking.client.close()
        assert isinstance(pending.outcome().error, CallCancelled)
        assert isinstance(asking.ask(peer.origin).error, CallCancelled)


def test_a_proxy_may_say_something_before_its_answer() -> None:
    def script(client: Client) -> None:
        client.request()
        client.send(b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 502 Bad Gateway\r\n\r\n")
        client.request()

    with running(script) as (peer, asking):
        origin = Origin("https", "far.example", 443, TLSOptions(), proxy=peer.origin)
        error = asking.ask(origin, connect_timeout=5.0).error
        assert isinstance(error, ConnectError)
        assert "it answered 502 Bad Gateway" in str(error)


# -- sinks ----------------------------------------------------------------------------------------


class Slow:
    """A `Sink` that wants one piece at a time."""

    def __init__(self) -> None:
        self.heads: list[int] = []
        self.taken = 0
        self.handle: object = None

    def begin(self, head: object, resume: object) -> None:
        self.heads.append(head.status)  # type: ignore[attr-defined]

    def write(self, data: bytes) -> bool:
        self.taken += len(data)
        return False


def test_who_takes_slowly_is_not_flooded() -> None:
    def script(client: Client) -> None:
        client.request()
        client.answer(b"x" * 20_000_000)

    with running(script) as (peer, asking):
        sink = Slow()
        pending = asking.begin(Request("GET", peer.origin, sink=sink))
        until(lambda: sink.taken > 0)
        threading.Event().wait(0.2)
        assert sink.taken < 1_000_000
        while sink.taken < 20_000_000:
            pending.handle.resume()
            asking.in_loop(lambda: None)
        pending.handle.resume()  # for the end, which comes behind the last piece
        outcome = pending.outcome()
        assert outcome.error is None
        assert outcome.response.body == b""
        assert sink.heads == [200]


def test_a_sink_that_fails_ends_the_call() -> None:
    class Full(Slow):
        def write(self, data: bytes) -> bool:
            raise OSError(28, "No space left on device")

    with running(answers(b"x")) as (peer, asking):
        error = asking.ask(peer.origin, sink=Full()).error
        assert isinstance(error, WriteError)
        assert "No space left" in str(error)
