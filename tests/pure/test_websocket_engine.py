"""WebSockets on the engine: from the 101 to the end, over loopback, with clients that speak by hand."""

from __future__ import annotations

import queue
import socket
import struct
import threading
import time

import pytest

from skitai._kernels import engine, websocket
from skitai.errors import ClientDisconnected, LocalProtocolError, SendQueueFull
from tests.pure.engine_world import Client, world
from tests.pure.ws_talk import frame
from tests.pure.ws_world import ASK, Heard, Speaker, echo, settle, site


def reset_on_close(client: Client) -> None:
    assert isinstance(client.sock, socket.socket)
    client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def say_until_stuck(client: Speaker, size: int) -> int:
    """How many messages of ``size`` bytes the server's end takes before it reads no more."""
    assert isinstance(client.sock, socket.socket)
    client.sock.settimeout(0.5)
    for sent in range((100 << 20) // size):
        try:
            client.say(2, bytes(size))
        except TimeoutError:
            return sent
    pytest.fail("the server reads on and on")


def send_until_refused(heard: Heard, size: int) -> int:
    """How many messages of ``size`` bytes are taken for a client that does not read."""
    for sent in range((100 << 20) // size):
        try:
            heard.websocket.send(bytes(size))
        except SendQueueFull:
            return sent
    pytest.fail("there is always room")


def test_messages_come_and_go() -> None:
    with site() as running:
        client = running.client()
        client.say(1, "text é".encode())
        assert client.hear() == "text é"
        client.say(2, b"\x00" * 70000)
        assert client.hear() == b"\x00" * 70000
        client.say(8, b"\x03\xe8bye")
        assert client.hear() == websocket.Close(1000, "")
        assert client.hear() is None
        heard = running.heard[0]
        assert [heard.next() for _ in range(4)] == ["opened", "text é", b"\x00" * 70000, (1000, "bye")]
        settle(lambda: running.world.connections() == 0)
        settle(lambda: running.world.engine.websocket_totals().open == 0)
        totals = running.world.engine.websocket_totals()
        assert (totals.opened, totals.open, totals.received, totals.sent) == (1, 0, 2, 2)
        ended = running.world.ended()
        assert (ended.status, ended.progress) == (101, engine.Progress.DELIVERED)


def test_frames_behind_the_request_are_not_lost() -> None:
    with site() as running:
        client = running.client(behind=frame(1, b"early") + frame(1, b"cut")[:4])
        assert client.hear() == "early"
        client.send(frame(1, b"cut")[4:])
        assert client.hear() == "cut"


def test_a_pipelined_request_in_front() -> None:
    with site() as running:
        client = running.world.client()
        client.send(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n" + ASK + b"\r\n" + frame(1, b"hi"))
        assert client.response()[0] == 426
        assert client.response(has_body=False)[0] == 101
        assert Speaker(client).hear() == "hi"


def test_a_bad_handshake_leaves_the_connection_to_http() -> None:
    with site() as running:
        client = running.world.client()
        client.get()
        assert client.response()[0] == 426
        client.send(ASK + b"\r\n")
        assert client.response(has_body=False)[0] == 101


def test_compression_is_agreed_upon_and_used() -> None:
    with site(ws_deflate_min=10) as running:
        client = running.client(fields=b"Sec-WebSocket-Extensions: permessage-deflate\r\n")
        client.say(1, b"a" * 1000)
        raw = client.sock.recv(65536)
        assert raw[0] == 0xC1
        assert len(raw) < 40


def test_pings_are_answered_before_messages_that_wait() -> None:
    """The receiver takes one message and no more, until it is told to."""
    with site(lambda heard, message: False) as running:
        client = running.client()
        client.send(frame(1, b"one") + frame(1, b"two") + frame(9, b"?"))
        assert client.hear() == websocket.Pong(b"?")
        heard = running.heard[0]
        assert [heard.next(), heard.next()] == ["opened", "one"]
        with pytest.raises(queue.Empty):
            heard.events.get(timeout=0.1)
        heard.websocket.resume()
        assert heard.next() == "two"


def test_what_a_slow_receiver_leaves_is_bounded() -> None:
    with site(lambda heard, message: False, read_ahead_max=10_000) as running:
        client = running.client()
        sent = say_until_stuck(client, 10_000)
        heard = running.heard[0]
        assert heard.websocket.received == 1
        heard.answer = None
        heard.websocket.resume()
        settle(lambda: heard.websocket.received >= sent)


def test_a_message_that_was_received_is_given_though_its_sender_has_gone() -> None:
    with site(lambda heard, message: False) as running:
        client = running.client()
        client.send(frame(1, b"one") + frame(1, b"two"))
        heard = running.heard[0]
        assert [heard.next(), heard.next()] == ["opened", "one"]
        client.close()
        time.sleep(0.05)
        heard.answer = None
        heard.websocket.resume()
        assert [heard.next(), heard.next()] == ["two", (1006, "")]


def test_a_slow_client_bounds_the_queue_and_loses_nothing_silently() -> None:
    with site(None, ws_queue_max=100_000, send_stall_timeout=60.0) as running:
        client = running.client()
        heard = running.heard[0]
        assert heard.next() == "opened"
        taken = send_until_refused(heard, 50_000)
        with pytest.raises(SendQueueFull, match="ws_queue_max"):
            heard.websocket.send("one more")
        assert heard.websocket.waiting < 150_100
        room = threading.Event()
        assert heard.websocket.when_room(room.set)
        for _ in range(taken):
            assert client.hear() == bytes(50_000)
        assert room.wait(5)
        assert not heard.websocket.when_room(room.set)
        assert heard.websocket.send("again")
        assert client.hear() == "again"
        totals = running.world.engine.websocket_totals()
        assert (totals.sent, totals.refused) == (taken + 1, 2)


def test_a_client_that_never_reads_is_not_read_either() -> None:
    """An echo: its answers wait, so its messages do."""
    with site(echo, ws_queue_max=100_000, send_stall_timeout=60.0) as running:
        client = running.client()
        say_until_stuck(client, 50_000)
        assert running.heard[0].websocket.waiting < 300_000


def test_pongs_wait_too() -> None:
    """Of a client that asks and does not listen."""
    with site(ws_queue_max=10_000, send_stall_timeout=60.0) as running:
        client = running.client()
        pings = frame(9, bytes(125)) * 400
        assert isinstance(client.sock, socket.socket)
        client.sock.settimeout(0.5)
        with pytest.raises(TimeoutError):
            client.sock.sendall(pings * 2000)
        assert running.heard[0].websocket.waiting < 10_000 + 65536


def test_a_client_that_never_reads_is_cut() -> None:
    with site(None, send_stall_timeout=0.5) as running:
        client = running.client()
        heard = running.heard[0]
        assert heard.next() == "opened"
        send_until_refused(heard, 100_000)
        assert heard.next() == (1006, "")
        client.close()
        settle(lambda: running.world.service.limits_reached == ["send_stall_timeout"])


def test_any_thread_may_send() -> None:
    with site(None) as running:
        client = running.client()
        heard = running.heard[0]
        assert heard.next() == "opened"

        def send(name: str) -> None:
            for number in range(500):
                heard.websocket.send(f"{name} {number}")

        threads = [threading.Thread(target=send, args=(name,)) for name in "abcd"]
        for thread in threads:
            thread.start()
        got = [client.hear() for _ in range(2000)]
        for thread in threads:
            thread.join()
        for name in "abcd":
            assert [message for message in got if message[0] == name] == [f"{name} {n}" for n in range(500)]


def test_what_was_encoded_once_is_sent_to_many() -> None:
    with site(None) as running:
        clients = [running.client() for _ in range(3)]
        frames = engine.WebSocket.encode("to all é")
        for heard in running.heard:
            assert heard.next() == "opened"
            heard.websocket.send_encoded(frames)
        assert [client.hear() for client in clients] == ["to all é"] * 3


# -- the end


def test_we_close() -> None:
    with site(None) as running:
        client = running.client()
        heard = running.heard[0]
        assert heard.next() == "opened"
        heard.websocket.send("last")
        with pytest.raises(LocalProtocolError, match="no code to close with"):
            heard.websocket.start_closing(999)
        heard.websocket.start_closing(4000, "enough")
        heard.websocket.start_closing(4001, "twice")
        with pytest.raises(ClientDisconnected):
            heard.websocket.send("too late")
        assert [client.hear(), client.hear()] == ["last", websocket.Close(4000, "enough")]
        client.say(1, b"crossing")
        client.say(8, b"\x0f\xa0")
        assert [heard.next(), heard.next()] == ["crossing", (4000, "")]
        assert client.hear() is None


def test_a_close_that_is_not_answered() -> None:
    with site(None, ws_close_timeout=0.3) as running:
        client = running.client()
        heard = running.heard[0]
        assert heard.next() == "opened"
        heard.websocket.start_closing()
        assert heard.next() == (1006, "")
        client.close()
        settle(lambda: running.world.service.limits_reached == ["ws_close_timeout"])


def test_a_fault_is_told_and_seen() -> None:
    """Though the client goes on sending: a reset would take our words from it."""
    with site() as running:
        client = running.client()
        client.send(frame(1, b"good") + frame(3, b"bad") + bytes(1 << 20))
        assert client.hear() == "good"
        close = client.hear()
        assert (close.code, "reserved opcode" in close.reason) == (1002, True)
        assert client.hear() is None
        heard = running.heard[0]
        assert [heard.next(), heard.next()] == ["opened", "good"]
        assert heard.next()[0] == 1002
        client.close()
        settle(lambda: running.world.connections() == 0)


def test_a_message_that_is_too_long() -> None:
    with site(ws_message_max=1000) as running:
        client = running.client()
        client.send(frame(1, bytes(1001))[:10])
        assert client.hear().code == 1009


def test_the_client_goes_without_a_word() -> None:
    with site() as running:
        client = running.client()
        client.say(1, b"hi")
        assert client.hear() == "hi"
        reset_on_close(client)
        client.close()
        heard = running.heard[0]
        assert [heard.next(), heard.next(), heard.next()] == ["opened", "hi", (1006, "")]
        with pytest.raises(ClientDisconnected):
            heard.websocket.send("nobody hears")


def test_a_receiver_that_raises_ends_only_its_own() -> None:
    def fail(heard: Heard, message: str | bytes) -> None:
        raise ValueError("the application's fault")

    with site(fail) as running:
        other = running.client()
        client = running.client()
        client.say(1, b"hi")
        assert client.hear().code == 1011
        running.heard[0].websocket.send("still here")
        assert other.hear() == "still here"
        assert "the application's fault" in running.world.reports.pop()


# -- clocks


def test_a_silent_client_gets_pings_and_is_cut() -> None:
    with site(ws_ping_interval=0.3, ws_ping_timeout=0.6) as running:
        client = running.client()
        assert client.hear() == websocket.Ping(b"")
        client.say(10)
        assert client.hear() == websocket.Ping(b"")  # the answer has begun a new time
        with pytest.raises(ConnectionResetError):
            client.hear()
        assert running.heard[0].next() == "opened"
        assert running.heard[0].next() == (1006, "")
        settle(lambda: running.world.service.limits_reached == ["ws_ping_timeout"])


def test_who_says_nothing_is_closed_though_it_answers_pings() -> None:
    with site(ws_idle_timeout=1.0, ws_ping_interval=0.3) as running:
        client = running.client()
        pings = 0
        while (event := client.hear()) == websocket.Ping(b""):
            pings += 1
            client.say(10)
        assert event == websocket.Close(1000, "idle")
        assert pings >= 1


def test_half_a_frame_has_a_clock() -> None:
    with site(body_rate_grace=0.5, body_rate_min=100) as running:
        client = running.client()
        client.send(frame(1, bytes(100_000))[:20])
        close = client.hear()
        assert (close.code, "body_rate_min" in close.reason) == (1008, True)


def test_messages_in_fragments_have_all_the_time_between_them() -> None:
    with site(body_rate_grace=0.3, body_rate_min=100) as running:
        client = running.client()
        client.say(1, b"a", fin=False)
        time.sleep(0.9)
        client.say(0, b"b")
        assert client.hear() == "ab"


# -- the server stops


@pytest.mark.parametrize(("gently", "code"), [(True, 1012), (False, 1001)])
def test_draining_closes_behind_what_waits(gently: bool, code: int) -> None:
    drained = threading.Event()
    with site(lambda heard, message: False) as running:
        client = running.client()
        client.send(frame(1, b"one") + frame(1, b"two"))
        heard = running.heard[0]
        assert [heard.next(), heard.next()] == ["opened", "one"]
        running.world.engine.drain(drained.set, gently=gently)
        time.sleep(0.05)
        heard.answer = None
        heard.websocket.send("one answered")
        heard.websocket.resume()
        assert heard.next() == "two"
        assert [client.hear(), client.hear()] == ["one answered", websocket.Close(code, "")]
        client.say(8, code.to_bytes(2, "big"))
        assert client.hear() is None
        assert drained.wait(5)


@pytest.mark.parametrize("when", ["before", "after"])
def test_draining_waits_for_answers_that_are_owed(when: str) -> None:
    """Whether the answer comes before the order to stop or behind it."""

    def owe(heard: Heard, message: str | bytes) -> None:
        heard.websocket.owes = True

    drained = threading.Event()
    with site(owe) as running:
        client = running.client()
        client.send(frame(1, b"one"))
        heard = running.heard[0]
        assert [heard.next(), heard.next()] == ["opened", "one"]
        if when == "before":
            heard.websocket.settle()
        running.world.engine.drain(drained.set)
        if when == "after":
            time.sleep(0.05)
            heard.websocket.send("one answered")
            heard.websocket.settle()
            assert client.hear() == "one answered"
        assert client.hear() == websocket.Close(1001, "")
        client.say(8, b"\x03\xe9")
        assert drained.wait(5)


def test_one_that_opens_while_the_server_stops_is_closed_at_once() -> None:
    held: queue.Queue[engine.Exchange] = queue.Queue()
    with world(held.put) as running:
        client = running.client()
        client.send(ASK + b"\r\n")
        exchange = held.get(timeout=5)
        drained = threading.Event()
        running.engine.drain(drained.set)
        heard = Heard()
        engine.WebSocket.accept(exchange, heard)
        assert client.response(has_body=False)[0] == 101
        speaker = Speaker(client)
        assert speaker.hear() == websocket.Close(1001, "")
        speaker.say(8, b"\x03\xe9")
        assert drained.wait(5)
        assert [heard.next(), heard.next()] == ["opened", (1001, "")]


def test_the_client_has_gone_before_it_is_accepted() -> None:
    held: queue.Queue[engine.Exchange] = queue.Queue()
    with world(held.put) as running:
        client = running.client()
        client.send(ASK + b"\r\n")
        exchange = held.get(timeout=5)
        reset_on_close(client)
        client.close()
        settle(lambda: not exchange.is_current)
        with pytest.raises(ClientDisconnected):
            engine.WebSocket.accept(exchange, Heard())


def test_many_at_once() -> None:
    many = 50
    with site() as running:
        clients = [running.client() for _ in range(many)]
        for number, client in enumerate(clients):
            client.say(1, str(number).encode())
        assert [client.hear() for client in clients] == [str(number) for number in range(many)]
        assert running.world.engine.websocket_totals().open == many
