"""The client's end: RFC 9112 sections 4, 6.3 and 9, RFC 9110 sections 7.8, 9.3.6 and 15."""

from __future__ import annotations

import pytest

from skitai._kernels import http1
from skitai.errors import LocalProtocolError, RemoteProtocolError
from skitai.limits import Limits
from tests.pure.http1_talk import Heard, client, hear

State = http1.State


def answer(raw: bytes, method: str = "GET", *, eof: bool = False, **limits: int) -> Heard:
    return hear(raw, connection=client(method, **limits), eof=eof)


def test_a_request_and_its_answer_and_the_next():
    connection = http1.ClientConnection(Limits())
    head = connection.send_request("POST", "/a?b", [("Host", "h"), ("Content-Length", "2")])
    assert head == b"POST /a?b HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n"
    assert (connection.our_state, connection.their_state) == (State.SEND_BODY, State.SEND_RESPONSE)
    assert connection.send_data(b"hi") == b"hi"
    assert connection.end_of_message() == b""
    connection.receive_data(b"HTTP/1.1 200 Fine\r\nContent-Length: 3\r\nX: y\r\n\r\nabc")
    response = connection.next_event()
    assert response == http1.ResponseHead(
        200, "Fine", "1.1", [("Content-Length", "3"), ("X", "y")], 3, False, True
    )
    assert connection.next_event() == http1.Data(b"abc")
    assert connection.next_event() == http1.EndOfMessage()
    assert connection.next_event() is http1.PAUSED
    assert not connection.must_close
    connection.start_next_cycle()
    assert connection.next_event() is http1.NEED_DATA
    assert connection.send_request("GET", "/", [("Host", "h")])


def test_a_request_in_chunks():
    connection = http1.ClientConnection(Limits())
    connection.send_request("POST", "/", [("Host", "h"), ("Transfer-Encoding", "Chunked")])
    assert connection.send_data(b"hello") == b"5\r\nhello\r\n"
    assert connection.end_of_message() == b"0\r\n\r\n"


@pytest.mark.parametrize(
    ("method", "target", "headers"),
    [
        ("G T", "/", [("Host", "h")]),
        ("", "/", [("Host", "h")]),
        ("GET", "", [("Host", "h")]),
        ("GET", "/a b", [("Host", "h")]),
        ("GET", "/\r\n", [("Host", "h")]),
        ("GET", "/#f", [("Host", "h")]),
        ("GET", "/\xe9", [("Host", "h")]),
        ("GET", "/", []),
        ("GET", "/", [("Host", "h"), ("host", "h")]),
        ("GET", "/", [("Host", "h"), ("X", "a\r\nb")]),
        ("GET", "/", [("Host", "h"), ("Content-Length", "x")]),
        ("GET", "/", [("Host", "h"), ("Content-Length", "1"), ("Transfer-Encoding", "chunked")]),
        ("GET", "/", [("Host", "h"), ("Transfer-Encoding", "gzip, chunked")]),
    ],
)
def test_requests_that_are_refused(method, target, headers):
    connection = http1.ClientConnection(Limits())
    with pytest.raises(LocalProtocolError):
        connection.send_request(method, target, headers)
    assert connection.our_state is State.IDLE


def test_a_body_without_framing_is_not_sent():
    connection = http1.ClientConnection(Limits())
    connection.send_request("POST", "/", [("Host", "h")])
    with pytest.raises(LocalProtocolError):
        connection.send_data(b"x")


def test_one_request_at_a_time():
    with pytest.raises(LocalProtocolError):
        client().send_request("GET", "/", [("Host", "h")])


# RFC 9112 section 6.3


def test_rule_1_answers_without_body():
    for method, status in (("HEAD", 200), ("GET", 204), ("GET", 304)):
        raw = f"HTTP/1.1 {status} X\r\nContent-Length: 5\r\n\r\n".encode()
        heard = answer(raw, method)
        assert (heard.refusal, heard.bodies, heard.trailers) == (None, [b""], [[]])


@pytest.mark.parametrize("method", ["CONNECT", "GET"])
def test_rule_2_switches(method):
    """RFC 9110 sections 7.8 and 9.3.6."""
    connection = client(method)
    status = 200 if method == "CONNECT" else 101
    connection.receive_data(f"HTTP/1.1 {status} X\r\nContent-Length: x\r\n\r\nTUNNEL".encode())
    head = connection.next_event()
    assert isinstance(head, http1.ResponseHead)
    assert head.content_length is None
    assert connection.next_event() is http1.PAUSED
    assert (connection.our_state, connection.their_state) == (State.SWITCHED, State.SWITCHED)
    assert connection.trailing_data == b"TUNNEL"


def test_rule_3_and_4_chunked():
    raw = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX: y\r\n\r\n"
    heard = answer(raw)
    assert (heard.bodies, heard.trailers) == ([b"abc"], [[("X", "y")]])
    assert answer(raw.replace(b"\r\n\r\n3", b"\r\nContent-Length: 3\r\n\r\n3", 1)).refusal[0] == 502
    assert answer(raw.replace(b"chunked", b"gzip, chunked")).refusal[0] == 502
    assert answer(raw.replace(b"chunked", b"gzip")).refusal[0] == 502
    assert answer(raw.replace(b"HTTP/1.1", b"HTTP/1.0")).refusal[0] == 502


@pytest.mark.parametrize(
    "field", ["Content-Length: 3, 3", "Content-Length: +3", "Content-Length: 3\r\nContent-Length: 3"]
)
def test_rule_5_bad_lengths(field):
    assert answer(f"HTTP/1.1 200 OK\r\n{field}\r\n\r\nabc".encode()).refusal[0] == 502


def test_rule_8_until_the_server_closes():
    connection = client()
    heard = hear(b"HTTP/1.1 200 OK\r\n\r\nab", b"c", connection=connection)
    assert (heard.bodies, heard.trailers) == ([b"abc"], [])
    assert not heard.heads[0].keep_alive
    assert connection.must_close
    connection.receive_data(b"")
    assert connection.next_event() == http1.EndOfMessage()
    assert connection.next_event() is http1.PAUSED
    assert connection.their_state is State.MUST_CLOSE


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"HTTP/1.1 2",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
    ],
)
def test_truncation_is_never_the_end(raw):
    """RFC 9112 section 8."""
    heard = answer(raw, eof=True)
    assert heard.refusal[0] == 502
    assert heard.trailers == []


# Heads


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("HTTP/1.1 200 OK", "OK"),
        ("HTTP/1.1 200 ", ""),
        ("HTTP/1.1 200", ""),
        ("HTTP/1.1 200 a  b\t\xe9", "a  b\t\xe9"),
        ("HTTP/1.9 200 OK", "OK"),
    ],
)
def test_status_lines(line, reason):
    """RFC 9112 section 4."""
    heard = answer(f"{line}\r\nContent-Length: 0\r\n\r\n".encode("latin-1"))
    assert heard.refusal is None
    assert (heard.heads[0].reason, heard.heads[0].http_version) == (reason, "1.1")


@pytest.mark.parametrize(
    "line",
    [
        "HTTP/2.0 200 OK",
        "HTTP/1.1  200 OK",
        "HTTP/1.1 20 OK",
        "HTTP/1.1 2000 OK",
        "HTTP/1.1 099 OK",
        "HTTP/1.1 2x0 OK",
        "HTTP/1.1 200OK",
        "HTTP/1.1 200 O\x00K",
        "HTTP/1.1 200 O\rK",
        "http/1.1 200 OK",
        "ICY 200 OK",
        "\r\nHTTP/1.1 200 OK",
    ],
)
def test_bad_status_lines(line):
    assert answer(f"{line}\r\n".encode("latin-1")).refusal[0] == 502


def test_bare_line_feeds_and_limits_are_the_server_s():
    assert answer(b"HTTP/1.1 200 OK\n").refusal[0] == 502
    assert answer(b"HTTP/1.1 200 OK\r\nA: b\n").refusal[0] == 502
    assert answer(b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 101).refusal[0] == 502
    assert answer(b"HTTP/1.1 200 " + b"a" * 100, request_line_max=100).refusal[0] == 502


def test_the_limit_of_request_bodies_does_not_bind_responses():
    assert answer(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", body_max=1).bodies == [b"abc"]


@pytest.mark.parametrize(
    ("version", "connection", "persists"),
    [("1.1", "x", True), ("1.1", "close", False), ("1.0", "x", False), ("1.0", "keep-alive", True)],
)
def test_persistence(version, connection, persists):
    """RFC 9112 section 9.3."""
    peer = client()
    raw = f"HTTP/{version} 200 OK\r\nContent-Length: 0\r\nConnection: {connection}\r\n\r\n"
    heard = hear(raw.encode(), connection=peer)
    assert heard.heads[0].keep_alive is persists
    assert peer.must_close is not persists


def test_our_own_close_counts_too():
    connection = http1.ClientConnection(Limits())
    connection.send_request("GET", "/", [("Host", "h"), ("Connection", "close")])
    connection.end_of_message()
    hear(b"HTTP/1.1 204 No Content\r\n\r\n", connection=connection)
    assert connection.must_close


# Interim responses


def test_interim_responses_come_before_the_final_one():
    """RFC 9110 section 15.2."""
    interim = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
    heard = answer(interim + b"HTTP/1.1 204 No Content\r\n\r\n")
    assert [(head.status, head.is_informational) for head in heard.heads] == [
        (100, True),
        (103, True),
        (204, False),
    ]
    assert heard.trailers == [[]]


def test_interim_responses_have_a_bound_for_each_request():
    connection = http1.ClientConnection(Limits(call_interim_max=2))
    interim, final = b"HTTP/1.1 102 Processing\r\n\r\n", b"HTTP/1.1 204 No Content\r\n\r\n"
    for _ in range(2):
        connection.send_request("GET", "/", [("Host", "h")])
        connection.end_of_message()
        heard = hear(interim * 2 + final, connection=connection)
        assert [head.status for head in heard.heads] == [102, 102, 204]
        connection.start_next_cycle()
    connection.send_request("GET", "/", [("Host", "h")])
    refused = hear(interim * 3 + final, connection=connection).refusal
    assert refused == (502, "more interim responses than 2 (call_interim_max)")


def test_101_that_nobody_asked_for():
    connection = http1.ClientConnection(Limits())
    connection.send_request("GET", "/", [("Host", "h")])
    connection.end_of_message()
    assert hear(b"HTTP/1.1 101 X\r\n\r\n", connection=connection).refusal[0] == 502


def test_101_before_the_request_is_complete():
    connection = http1.ClientConnection(Limits())
    connection.send_request("POST", "/", [("Host", "h"), ("Upgrade", "x"), ("Content-Length", "1")])
    assert hear(b"HTTP/1.1 101 X\r\n\r\n", connection=connection).refusal[0] == 502


def test_an_answer_may_come_before_the_request_is_complete():
    connection = http1.ClientConnection(Limits())
    connection.send_request("POST", "/", [("Host", "h"), ("Content-Length", "2")])
    heard = hear(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n", connection=connection)
    assert heard.heads[0].status == 413
    assert connection.their_state is State.DONE
    assert connection.send_data(b"ab") == b"ab"
    connection.end_of_message()
    connection.start_next_cycle()


# An idle connection


def test_an_idle_connection_may_be_closed_by_the_server():
    connection = http1.ClientConnection(Limits())
    connection.receive_data(b"")
    assert connection.next_event() == http1.ConnectionClosed()


def test_a_response_that_nobody_asked_for():
    """RFC 9112 section 9.2."""
    connection = http1.ClientConnection(Limits())
    connection.receive_data(b"HTTP/1.1 408 Request Timeout\r\n\r\n")
    with pytest.raises(RemoteProtocolError):
        connection.next_event()
    assert connection.must_close
