"""A client and a server talk to each other, as h11's ConnectionPair does.

What one end writes the other must read as the same message, and both must agree on every state.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from skitai._kernels import http1
from skitai.limits import Limits
from tests.pure.http1_talk import Heard, drain

State = http1.State
TOKENS = st.text("abcXYZ019-_!~", min_size=1, max_size=8)
VALUES = st.text(
    st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_categories=["Cc"]), max_size=12
).map(str.strip)
FIELDS = st.lists(st.tuples(TOKENS.map("X-".__add__), VALUES), max_size=4)
PIECES = st.lists(st.binary(min_size=1, max_size=30), max_size=4)


class Pair:
    """Two connections and the wire between them."""

    def __init__(self) -> None:
        self.client = http1.ClientConnection(Limits())
        self.server = http1.ServerConnection(Limits())

    def to_server(self, *sent: bytes) -> Heard:
        return self._carry(self.server, sent)

    def to_client(self, *sent: bytes) -> Heard:
        return self._carry(self.client, sent)

    def _carry(self, end: http1.ServerConnection | http1.ClientConnection, sent: tuple[bytes, ...]) -> Heard:
        heard = Heard()
        for piece in sent:
            if piece:
                end.receive_data(piece)
        while True:
            event = end.next_event()
            if isinstance(event, http1.RequestHead | http1.ResponseHead):
                heard.heads.append(event)
            elif isinstance(event, http1.Data):
                heard.bodies.append(event.data)
            elif isinstance(event, http1.EndOfMessage):
                heard.trailers.append(event.trailers)
            else:
                self.agree()
                return heard

    def agree(self) -> None:
        assert self.client.our_state is self.server.their_state
        assert self.server.our_state is self.client.their_state

    def cycle(self) -> None:
        self.client.start_next_cycle()
        self.server.start_next_cycle()
        self.agree()


@given(
    request_fields=FIELDS,
    request_body=PIECES,
    response_fields=FIELDS,
    response_body=PIECES,
    request_chunked=st.booleans(),
    response_chunked=st.booleans(),
    trailers=FIELDS,
    status=st.sampled_from([200, 201, 204, 304, 404, 500]),
    method=st.sampled_from(["GET", "HEAD", "POST", "PURGE"]),
)
def test_what_is_sent_is_what_is_heard(
    request_fields: list[tuple[str, str]],
    request_body: list[bytes],
    response_fields: list[tuple[str, str]],
    response_body: list[bytes],
    request_chunked: bool,
    response_chunked: bool,
    trailers: list[tuple[str, str]],
    status: int,
    method: str,
) -> None:
    pair = Pair()
    for _ in range(2):
        length = str(sum(map(len, request_body)))
        framing = ("Transfer-Encoding", "chunked") if request_chunked else ("Content-Length", length)
        heard = pair.to_server(
            pair.client.send_request(method, "/a?b", [("Host", "h"), framing, *request_fields]),
            *map(pair.client.send_data, request_body),
            pair.client.end_of_message(trailers if request_chunked else ()),
        )
        (request,) = heard.heads
        assert isinstance(request, http1.RequestHead)
        assert (request.method, request.path, request.query) == (method, "/a", "b")
        assert request.headers[2:] == request_fields
        assert b"".join(heard.bodies) == b"".join(request_body)
        assert heard.trailers == [trailers if request_chunked else []]

        length = str(sum(map(len, response_body)))
        framing = [] if response_chunked else [("Content-Length", length)]
        head = pair.server.send_response(status, [*response_fields, *framing])
        trailing = trailers if pair.server.response_chunked else []
        heard = pair.to_client(
            head, *map(pair.server.send_data, response_body), pair.server.end_of_message(trailing)
        )
        (response,) = heard.heads
        assert isinstance(response, http1.ResponseHead)
        assert response.status == status
        assert response.headers[: len(response_fields)] == response_fields
        bodiless = method == "HEAD" or status in (204, 304)
        assert b"".join(heard.bodies) == (b"" if bodiless else b"".join(response_body))
        assert heard.trailers == [trailing]
        pair.cycle()


def test_expect_continue_between_the_two():
    pair = Pair()
    fields = [("Host", "h"), ("Content-Length", "2"), ("Expect", "100-continue")]
    pair.to_server(pair.client.send_request("POST", "/", fields))
    assert pair.server.waiting_for_continue
    heard = pair.to_client(pair.server.send_informational(100))
    assert [head.status for head in heard.heads] == [100]
    heard = pair.to_server(pair.client.send_data(b"hi"), pair.client.end_of_message())
    assert len(heard.trailers) == 1
    pair.to_client(pair.server.send_response(204, []), pair.server.end_of_message())
    pair.cycle()


def test_closing_is_agreed_upon():
    pair = Pair()
    pair.to_server(pair.client.send_request("GET", "/", [("Host", "h")]), pair.client.end_of_message())
    pair.server.refuse_keep_alive()
    heard = Heard()
    pair.client.receive_data(pair.server.send_response(204, []) + pair.server.end_of_message())
    drain(pair.client, heard)
    assert not heard.heads[0].keep_alive
    assert pair.client.must_close
    assert pair.server.must_close


def test_an_upgrade_is_agreed_upon():
    pair = Pair()
    fields = [("Host", "h"), ("Connection", "upgrade"), ("Upgrade", "websocket")]
    pair.to_server(pair.client.send_request("GET", "/", fields), pair.client.end_of_message())
    pair.to_client(pair.server.send_informational(101, [("Upgrade", "websocket")]), b"\x81")
    assert pair.client.our_state is State.SWITCHED
    assert pair.client.trailing_data == b"\x81"
