"""The server's answers: RFC 9112 sections 4, 6, 7 and 9, RFC 9110 sections 6.4, 9.3 and 15.2."""

from __future__ import annotations

import pytest

from skitai._kernels import http1
from skitai.errors import LocalProtocolError, RemoteProtocolError
from tests.pure.http1_talk import get, server

State = http1.State
POST = get("Content-Length: 5", line="POST / HTTP/1.1")


def asked(raw: bytes, **limits: int) -> http1.ServerConnection:
    """A server that has read everything of ``raw`` up to the first pause."""
    connection = server(**limits)
    connection.receive_data(raw)
    while connection.next_event() not in (http1.NEED_DATA, http1.PAUSED):
        pass
    return connection


def test_an_answer_with_content_length():
    connection = asked(get())
    assert (connection.their_state, connection.our_state) == (State.DONE, State.SEND_RESPONSE)
    head = connection.send_response(200, [("Content-Type", "text/plain"), ("content-length", "5")])
    assert head == b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\n"
    assert connection.our_state is State.SEND_BODY
    assert not connection.response_chunked
    assert connection.response_remaining == 5
    assert connection.send_data(b"hel") + connection.send_data(b"lo") == b"hello"
    assert connection.response_remaining == 0
    assert connection.end_of_message() == b""
    assert connection.our_state is State.DONE
    assert not connection.must_close


def test_an_answer_of_unknown_length_goes_in_chunks():
    connection = asked(get())
    assert connection.send_response(200, []) == b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert connection.response_chunked
    assert connection.response_remaining is None
    assert connection.send_data(b"x" * 26) == b"1a\r\n" + b"x" * 26 + b"\r\n"
    assert connection.send_data(b"") == b""
    assert connection.end_of_message([("X-Sum", "1")]) == b"0\r\nX-Sum: 1\r\n\r\n"
    assert connection.our_state is State.DONE


def test_to_http_1_0_it_goes_until_the_connection_closes():
    connection = asked(get("Connection: keep-alive", line="GET / HTTP/1.0"))
    assert connection.send_response(200, []) == b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
    assert connection.send_data(b"hi") == b"hi"
    assert connection.end_of_message() == b""
    assert connection.our_state is State.MUST_CLOSE
    assert connection.must_close


def test_http_1_0_persists_if_asked_and_the_length_is_known():
    connection = asked(get("Connection: keep-alive", line="GET / HTTP/1.0"))
    assert b"\r\nConnection: keep-alive\r\n" in connection.send_response(200, [("Content-Length", "0")])
    connection.end_of_message()
    assert connection.our_state is State.DONE


@pytest.mark.parametrize(
    ("line", "status", "keeps_length"),
    [
        ("HEAD / HTTP/1.1", 200, True),
        ("HEAD / HTTP/1.0", 200, True),
        ("GET / HTTP/1.1", 304, True),
        ("GET / HTTP/1.1", 204, False),
    ],
)
def test_answers_without_a_body(line, status, keeps_length):
    """RFC 9110 sections 6.4.1 and 8.6."""
    connection = asked(get("Connection: keep-alive", line=line))
    head = connection.send_response(status, [("Content-Length", "5")])
    assert (b"Content-Length: 5\r\n" in head) is keeps_length
    assert connection.response_remaining is None
    assert connection.send_data(b"hello, and more") == b""
    assert connection.end_of_message([("X", "1")]) == b""
    assert connection.our_state is State.DONE


def test_head_of_unknown_length_names_no_framing():
    connection = asked(get(line="HEAD / HTTP/1.1"))
    assert connection.send_response(200, []) == b"HTTP/1.1 200 OK\r\n\r\n"
    assert not connection.response_chunked


def test_more_than_content_length_is_not_sent():
    connection = asked(get())
    connection.send_response(200, [("Content-Length", "5")])
    with pytest.raises(LocalProtocolError, match="6 bytes to send, 5 left"):
        connection.send_data(b"hello!")
    assert connection.send_data(b"hello") == b"hello"


def test_bytes_that_go_out_by_other_means_are_counted():
    """sendfile: the engine sends them, the framing still holds."""
    connection = asked(get())
    connection.send_response(200, [("Content-Length", "5")])
    assert connection.skip_data(3)
    assert connection.response_remaining == 2
    with pytest.raises(LocalProtocolError, match="3 bytes to send, 2 left"):
        connection.skip_data(3)
    assert connection.send_data(b"lo") == b"lo"
    connection.end_of_message()


def test_bytes_that_must_not_go_out_by_other_means():
    connection = asked(get(line="HEAD / HTTP/1.1"))
    connection.send_response(200, [("Content-Length", "5")])
    assert not connection.skip_data(5)
    connection = asked(get(line="GET / HTTP/1.0"))
    connection.send_response(200, [])
    assert connection.skip_data(5)
    connection = asked(get())
    connection.send_response(200, [])
    with pytest.raises(LocalProtocolError, match="Content-Length"):
        connection.skip_data(5)


def test_less_than_content_length_leaves_only_closing():
    connection = asked(get())
    connection.send_response(200, [("Content-Length", "5")])
    connection.send_data(b"hell")
    with pytest.raises(LocalProtocolError, match="1 bytes are missing"):
        connection.end_of_message()
    assert connection.our_state is State.ERROR
    assert connection.must_close


@pytest.mark.parametrize(
    "headers",
    [
        [("X", "a\r\nY: b")],
        [("X", "a\nb")],
        [("X", "a\rb")],
        [("X", "a\x00b")],
        [("X", "a\x0bb")],
        [("X", "\u20ac")],
        [("X\r\nY", "a")],
        [("X: Y", "a")],
        [("X ", "a")],
        [("", "a")],
        [("\xe9", "a")],
        [("Content-Length", "5"), ("Content-Length", "5")],
        [("Content-Length", "+5")],
        [("Content-Length", "")],
        [("Transfer-Encoding", "chunked")],
        [("Connection", "x\r\ny")],
    ],
)
def test_headers_that_are_refused(headers):
    """Response splitting, and framing that is not the application's to choose.  Nothing has happened."""
    connection = asked(get())
    with pytest.raises(LocalProtocolError):
        connection.send_response(200, headers)
    assert connection.our_state is State.SEND_RESPONSE
    assert connection.send_response(500, [("Content-Length", "0")])


@pytest.mark.parametrize(
    ("status", "reason"), [(99, None), (101, None), (1000, None), (200, "a\r\nb"), (200, "\u20ac")]
)
def test_status_lines_that_are_refused(status, reason):
    with pytest.raises(LocalProtocolError):
        asked(get()).send_response(status, [], reason)


def test_reason_phrases():
    """RFC 9112 section 4: any text, also none."""
    assert asked(get()).send_response(299, [], "Fine").startswith(b"HTTP/1.1 299 Fine\r\n")
    assert asked(get()).send_response(200, [], "").startswith(b"HTTP/1.1 200 \r\n")
    assert asked(get()).send_response(413, []).startswith(b"HTTP/1.1 413 Content Too Large\r\n")


def test_obs_text_in_a_value_is_sent_as_latin_1():
    assert b"X: \xe9\r\n" in asked(get()).send_response(200, [("X", "\xe9")])


def test_trailers_need_chunks():
    connection = asked(get())
    connection.send_response(200, [("Content-Length", "0")])
    with pytest.raises(LocalProtocolError, match="chunked"):
        connection.end_of_message([("X", "1")])


@pytest.mark.parametrize("trailer", [("Content-Length", "1"), ("Host", "h"), ("X", "a\nb")])
def test_trailers_that_are_refused(trailer):
    connection = asked(get())
    connection.send_response(200, [])
    with pytest.raises(LocalProtocolError):
        connection.end_of_message([trailer])


# Persistence and pipelining


def test_pipelined_requests_are_read_in_order_and_one_at_a_time():
    """RFC 9112 section 9.3.2."""
    connection = server()
    connection.receive_data(get(line="GET /1 HTTP/1.1") + get(line="GET /2 HTTP/1.1"))
    for target in ("/1", "/2"):
        head = connection.next_event()
        assert isinstance(head, http1.RequestHead)
        assert head.target == target
        assert connection.next_event() == http1.EndOfMessage()
        assert connection.next_event() is http1.PAUSED
        connection.send_response(204, [])
        connection.end_of_message()
        assert connection.next_event() is http1.PAUSED
        connection.start_next_cycle()
    assert connection.next_event() is http1.NEED_DATA
    assert (connection.our_state, connection.their_state) == (State.IDLE, State.IDLE)


def test_the_next_cycle_needs_both_sides_done():
    connection = server()
    connection.receive_data(POST)
    connection.next_event()
    connection.send_response(200, [("Content-Length", "0")])
    connection.end_of_message()
    with pytest.raises(LocalProtocolError):
        connection.start_next_cycle()
    assert connection.our_state is State.DONE
    connection.receive_data(b"hello")
    assert connection.next_event() == http1.Data(b"hello")
    assert connection.next_event() == http1.EndOfMessage()
    connection.start_next_cycle()


@pytest.mark.parametrize("who", ["client", "application", "engine", "engine afterwards"])
def test_who_may_end_the_connection(who):
    """RFC 9112 section 9.6: and the answer says so, unless it had left already."""
    connection = asked(get("Connection: close") if who == "client" else get())
    if who == "engine":
        connection.refuse_keep_alive()
    headers = [("Connection", "close")] if who == "application" else []
    head = connection.send_response(204, headers)
    assert (b"\r\nConnection: close\r\n" in head) is (who != "engine afterwards")
    connection.end_of_message()
    if who == "engine afterwards":
        assert connection.our_state is State.DONE
        connection.refuse_keep_alive()
    assert connection.our_state is State.MUST_CLOSE
    assert connection.must_close
    assert connection.next_event() is http1.PAUSED
    with pytest.raises(LocalProtocolError):
        connection.start_next_cycle()


def test_bytes_behind_the_last_request_are_not_read():
    connection = asked(get("Connection: close") + get())
    connection.send_response(204, [])
    connection.end_of_message()
    assert connection.next_event() is http1.PAUSED
    assert connection.buffered == len(get())


def test_other_connection_options_of_the_application_are_kept():
    connection = asked(get())
    connection.refuse_keep_alive()
    head = connection.send_response(204, [("Connection", "X-Hop, keep-alive"), ("X-Hop", "1")])
    assert b"\r\nConnection: x-hop, close\r\n" in head
    assert head.count(b"onnection") == 1


def test_a_half_closed_client_still_gets_its_answer():
    connection = asked(get())
    connection.receive_data(b"")
    assert connection.next_event() is http1.PAUSED
    assert connection.send_response(204, [])
    connection.end_of_message()
    connection.start_next_cycle()
    assert connection.next_event() == http1.ConnectionClosed()
    assert connection.next_event() == http1.ConnectionClosed()
    assert connection.their_state is State.CLOSED
    with pytest.raises(LocalProtocolError):
        connection.receive_data(b"x")


def test_mid_message_and_buffered():
    connection = server()
    assert not connection.mid_message
    connection.receive_data(POST[:2])
    assert connection.next_event() is http1.NEED_DATA
    assert (connection.mid_message, connection.buffered) == (True, 2)
    connection.receive_data(POST[2:17])
    assert connection.next_event() is http1.NEED_DATA
    assert (connection.mid_message, connection.buffered) == (True, 0)
    connection.receive_data(POST[17:])
    assert isinstance(connection.next_event(), http1.RequestHead)
    assert connection.mid_message
    connection.receive_data(b"hello")
    connection.next_event()
    assert connection.next_event() == http1.EndOfMessage()
    assert not connection.mid_message


# Errors


def test_a_refusal_is_raised_again_and_can_be_answered():
    connection = server()
    connection.receive_data(b"GET / HTTP/2.0\r\n" + get())
    with pytest.raises(RemoteProtocolError) as first:
        connection.next_event()
    assert first.value.status == 505
    assert first.value.rule == "RFC 9110 section 15.6.6"
    connection.receive_data(get())
    with pytest.raises(RemoteProtocolError) as second:
        connection.next_event()
    assert second.value is first.value
    assert connection.their_state is State.ERROR
    assert connection.must_close
    head = connection.send_response(505, [("Content-Length", "3")])
    assert b"\r\nConnection: close\r\n" in head
    assert connection.send_data(b"no\n") == b"no\n"
    connection.end_of_message()
    assert connection.our_state is State.MUST_CLOSE


def test_bytes_behind_an_error_are_dropped():
    connection = server()
    connection.receive_data(b"\x00")
    with pytest.raises(RemoteProtocolError):
        connection.next_event()
    before = connection.buffered
    connection.receive_data(b"x" * 1000)
    assert connection.buffered == before


def test_a_body_error_while_the_answer_is_under_way():
    connection = server()
    connection.receive_data(get("Transfer-Encoding: chunked", line="POST / HTTP/1.1"))
    connection.next_event()
    connection.send_response(200, [("Content-Length", "2")])
    connection.receive_data(b"zz\r\n")
    with pytest.raises(RemoteProtocolError):
        connection.next_event()
    assert connection.send_data(b"ok") == b"ok"
    connection.end_of_message()
    assert connection.our_state is State.MUST_CLOSE


def test_a_timeout_is_answered_before_there_is_a_request():
    """408, RFC 9110 section 15.5.9; the request that comes after all is not read."""
    connection = server()
    connection.receive_data(b"GET / HT")
    assert connection.next_event() is http1.NEED_DATA
    assert b"\r\nConnection: close\r\n" in connection.send_response(408, [("Content-Length", "0")])
    connection.end_of_message()
    connection.receive_data(b"TP/1.1\r\nHost: h\r\n\r\n")
    assert connection.next_event() is http1.PAUSED
    assert connection.must_close


def test_a_refused_head_request_gets_no_body():
    connection = server(body_max=1)
    connection.receive_data(get("Content-Length: 2", line="HEAD / HTTP/1.1"))
    with pytest.raises(RemoteProtocolError):
        connection.next_event()
    connection.send_response(413, [("Content-Length", "9")])
    assert connection.send_data(b"too large") == b""


def test_calls_out_of_order():
    connection = asked(get())
    with pytest.raises(LocalProtocolError, match="its state is SEND_RESPONSE"):
        connection.send_data(b"x")
    with pytest.raises(LocalProtocolError):
        connection.end_of_message()
    connection.send_response(200, [])
    with pytest.raises(LocalProtocolError):
        connection.send_response(200, [])
    with pytest.raises(LocalProtocolError):
        connection.send_informational(103)
    with pytest.raises(LocalProtocolError):
        server().send_informational(100)


def test_a_call_out_of_order_says_what_cannot_be_done_and_where_we_are():
    connection = asked(get())
    text = "our side cannot end the message now: its state is SEND_RESPONSE"
    with pytest.raises(LocalProtocolError, match=text):
        connection.end_of_message()
    connection.refuse_keep_alive()  # which changes the step, not the words
    with pytest.raises(LocalProtocolError, match=text):
        connection.end_of_message()
    with pytest.raises(
        LocalProtocolError, match="cannot start the next cycle now: its state is SEND_RESPONSE"
    ):
        connection.start_next_cycle()


@pytest.mark.parametrize(
    ("field", "words"),
    [
        (("", "x"), "field name '' is not a token"),
        (("a b", "x"), "field name 'a b' is not a token"),
        (("a: b", "x"), "field name 'a: b' is not a token"),
        (("X\r\nY", "x"), "is not a token"),
        (("X", "a\r\nY: b"), "the value of field 'X' has a line end"),
        (("X", "\u20ac"), "the value of field 'X' has a line end"),
    ],
)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_bad_field_is_found_among_good_ones_and_named(field, words, place):
    fields = [("A", "b"), ("Empty", "")]
    fields.insert(place, field)
    with pytest.raises(LocalProtocolError, match=words):
        asked(get()).send_response(200, fields)


# Interim responses, Expect and switching


def expecting(body: bytes = b"", version: str = "1.1") -> http1.ServerConnection:
    fields = ("Expect: 100-continue", "Content-Length: 5")
    return asked(get(*fields, line=f"POST / HTTP/{version}") + body)


def test_continue_is_awaited_until_it_is_sent():
    """RFC 9110 section 10.1.1."""
    connection = expecting()
    assert connection.waiting_for_continue
    assert connection.send_informational(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert not connection.waiting_for_continue
    connection.receive_data(b"hello")
    assert connection.next_event() == http1.Data(b"hello")
    assert connection.next_event() == http1.EndOfMessage()
    assert b"close" not in connection.send_response(204, [])


def test_continue_is_not_awaited_once_the_body_has_begun():
    assert not expecting(b"h").waiting_for_continue
    connection = expecting()
    connection.receive_data(b"h")
    assert not connection.waiting_for_continue


def test_continue_is_not_awaited_by_http_1_0_or_without_a_body():
    assert not expecting(version="1.0").waiting_for_continue
    assert not asked(get("Expect: 100-continue")).waiting_for_continue


def test_a_final_response_instead_of_continue_ends_the_connection():
    """The client may send its body or not, and we could not tell it from a request."""
    connection = expecting()
    assert b"\r\nConnection: close\r\n" in connection.send_response(401, [("Content-Length", "0")])
    assert not connection.waiting_for_continue
    connection.end_of_message()
    assert connection.must_close


def test_early_hints():
    connection = asked(get())
    assert (
        connection.send_informational(103, [("Link", "</a>")])
        == b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    )
    assert connection.our_state is State.SEND_RESPONSE


def test_http_1_0_knows_no_interim_responses():
    """RFC 9110 section 15.2."""
    assert asked(get(line="GET / HTTP/1.0")).send_informational(103) == b""


def test_only_interim_statuses_are_interim():
    with pytest.raises(LocalProtocolError):
        asked(get()).send_informational(200)


def test_an_upgrade_switches_and_keeps_the_bytes_behind():
    """RFC 9110 section 7.8."""
    connection = asked(get("Connection: Upgrade", "Upgrade: websocket") + b"\x81\x80")
    head = connection.send_informational(101, [("Upgrade", "websocket")])
    assert head == b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n"
    assert (connection.our_state, connection.their_state) == (State.SWITCHED, State.SWITCHED)
    assert connection.next_event() is http1.PAUSED
    connection.receive_data(b"rest")
    assert connection.trailing_data == b"\x81\x80rest"
    assert not connection.must_close
    with pytest.raises(LocalProtocolError):
        connection.send_response(200, [])


def test_an_upgrade_with_its_own_connection_field():
    connection = asked(get("Connection: Upgrade", "Upgrade: websocket"))
    head = connection.send_informational(101, [("Upgrade", "websocket"), ("Connection", "Upgrade")])
    assert head.endswith(b"\r\nConnection: upgrade\r\n\r\n")


@pytest.mark.parametrize(
    ("raw", "headers"),
    [
        (get(), [("Upgrade", "x")]),
        (get("Upgrade: x"), []),
        (get("Upgrade: x", line="GET / HTTP/1.0"), [("Upgrade", "x")]),
        (get("Upgrade: x", "Content-Length: 1"), [("Upgrade", "x")]),
    ],
    ids=["not asked", "not named", "HTTP/1.0", "request not complete"],
)
def test_upgrades_that_are_refused(raw, headers):
    connection = asked(raw)
    with pytest.raises(LocalProtocolError):
        connection.send_informational(101, headers)
    assert connection.our_state is State.SEND_RESPONSE


def test_a_request_that_asked_for_an_upgrade_may_be_answered_plainly():
    connection = asked(get("Upgrade: h2c") + get())
    connection.send_response(204, [])
    connection.end_of_message()
    connection.start_next_cycle()
    assert isinstance(connection.next_event(), http1.RequestHead)


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_connect_switches_with_2xx(version):
    """RFC 9110 section 9.3.6: no framing field, and whatever follows is the tunnel's."""
    connection = asked(get(line=f"CONNECT h:443 HTTP/{version}") + b"\x16\x03")
    assert connection.send_response(200, [("Content-Length", "0")]) == b"HTTP/1.1 200 OK\r\n\r\n"
    assert (connection.our_state, connection.their_state) == (State.SWITCHED, State.SWITCHED)
    assert connection.trailing_data == b"\x16\x03"


def test_connect_refused_stays_http():
    connection = asked(get(line="CONNECT h:443 HTTP/1.1"))
    connection.send_response(405, [("Content-Length", "0")])
    connection.end_of_message()
    connection.start_next_cycle()
    assert connection.our_state is State.IDLE
