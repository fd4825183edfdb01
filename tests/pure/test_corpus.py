"""The corpus against the sans-I/O kernel: every message, cut in every way that can matter.

Each request is followed by a second one (`SENTINEL`), pipelined in the same stream.  Behind a good
message it must come out as exactly what it is; behind a bad one it must never come out, because
who cannot say where a message ends does not know where the next one begins.

A transcript is all that a connection said.  It must not depend on how the bytes were cut, so the
one of the whole stream is judged by the corpus, and those of all other cuts by equality.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from skitai._kernels import http1
from skitai.errors import RemoteProtocolError
from skitai.limits import Limits
from tests.corpus_format import (
    CORPUS,
    SENTINEL,
    Case,
    CorpusError,
    RequestExpected,
    ResponseExpected,
    decode,
    parse,
    read_folder,
)

REQUESTS = read_folder(CORPUS / "requests")
RESPONSES = read_folder(CORPUS / "responses")
SENTINEL_EXPECTED = RequestExpected("GET", "/sentinel", host="sentinel.example", keep_alive=False)
SENTINEL_RESPONSE = b"HTTP/1.1 299 Sentinel\r\nContent-Length: 8\r\n\r\nsentinel"

#: A stream up to this length is cut in two at every place, a longer one at places sampled evenly
#: and at all places near its ends, where the start line and the sentinel are.
EVERY_CUT = 300
SAMPLES = 40

Head = http1.RequestHead | http1.ResponseHead


@dataclass
class Message:
    head: Head
    body: bytes = b""
    trailers: list[tuple[str, str]] | None = None
    """None until the message is complete."""


@dataclass
class Transcript:
    messages: list[Message] = field(default_factory=list)
    refusal: tuple[int, str] | None = None
    tunnel: bytes | None = None
    ended: bool = False
    """The connection serves no other message."""

    @property
    def complete(self) -> list[Message]:
        return [message for message in self.messages if message.trailers is not None]


class Server:
    """A server that answers each request as soon as it is complete, without content."""

    def __init__(self) -> None:
        self.connection = http1.ServerConnection(Limits())
        self.said = Transcript()

    def feed(self, piece: bytes) -> None:
        self.connection.receive_data(piece)
        for event in _events(self.connection, self.said):
            if isinstance(event, http1.EndOfMessage):
                self._answer(self.said.messages[-1].head)

    def _answer(self, request: Head) -> None:
        assert isinstance(request, http1.RequestHead)
        status = 405 if request.form == "authority" else 200
        self.connection.send_response(status, [("Content-Length", "0")])
        self.connection.end_of_message()
        self.said.ended = self.connection.must_close
        if not self.said.ended:
            self.connection.start_next_cycle()


class Client:
    """A client that has sent one request and reads what comes."""

    def __init__(self, case: Case) -> None:
        self.connection = http1.ClientConnection(Limits())
        self.said = Transcript()
        method = case.options.get("method", "GET")
        fields = [("Host", "example.com")]
        if "upgrade" in case.options:
            fields += [("Connection", "upgrade"), ("Upgrade", case.options["upgrade"])]
        self.ask(method, "example.com:443" if method == "CONNECT" else "/", fields)

    def ask(self, method: str, target: str, fields: list[tuple[str, str]]) -> None:
        self.connection.send_request(method, target, fields)
        self.connection.end_of_message()

    def feed(self, piece: bytes) -> None:
        self.connection.receive_data(piece)
        for event in _events(self.connection, self.said):
            if isinstance(event, http1.EndOfMessage):
                self.said.ended = self.connection.must_close
                if not self.said.ended:
                    self.connection.start_next_cycle()
        if self.connection.their_state is http1.State.SWITCHED:
            self.said.messages[-1].trailers = []
            self.said.tunnel = self.connection.trailing_data


def _events(
    connection: http1.ServerConnection | http1.ClientConnection, said: Transcript
) -> Iterator[http1.Event]:
    """Note in ``said`` what the connection says, event by event, until it has no more for now."""
    while not said.ended:
        try:
            event = connection.next_event()
        except RemoteProtocolError as error:
            said.refusal = (error.status, str(error))
            said.ended = True
            _check_that_error_lasts(connection, error)
            return
        if isinstance(event, http1.RequestHead | http1.ResponseHead):
            interim = isinstance(event, http1.ResponseHead) and event.is_informational
            said.messages.append(Message(event, trailers=[] if interim else None))
        elif isinstance(event, http1.Data):
            assert event.data, "Data is never empty"
            said.messages[-1].body += event.data
        elif isinstance(event, http1.EndOfMessage):
            said.messages[-1].trailers = event.trailers
        else:
            said.ended = isinstance(event, http1.ConnectionClosed)
            return
        yield event


def _check_that_error_lasts(
    connection: http1.ServerConnection | http1.ClientConnection, error: RemoteProtocolError
) -> None:
    assert error.rule, f"a refusal must name its rule: {error}"
    assert connection.their_state is http1.State.ERROR
    with pytest.raises(RemoteProtocolError) as again:
        connection.next_event()
    assert str(again.value) == str(error)


def _cuts(stream: bytes) -> Iterator[list[bytes]]:
    """``stream`` in two pieces at all places that matter, then byte by byte."""
    length = len(stream)
    places = set(range(1, length))
    if length > EVERY_CUT:
        near = [*range(1, 80), *range(length - 80, length)]
        places = {*near, *range(1, length, max(1, length // SAMPLES))}
    for place in sorted(places):
        yield [stream[:place], stream[place:]]
    yield [stream[place : place + 1] for place in range(length)]


def _serve(pieces: list[bytes], eof: bool) -> Transcript:
    server = Server()
    for piece in [*pieces, b""] if eof else pieces:
        server.feed(piece)
        if server.said.ended:
            break
    return server.said


def _read(case: Case, pieces: list[bytes], eof: bool) -> Transcript:
    client = Client(case)
    for piece in [*pieces, b""] if eof else pieces:
        client.feed(piece)
        if client.said.ended:
            break
    return client.said


def _check_request(message: Message, expected: RequestExpected) -> None:
    head = message.head
    assert isinstance(head, http1.RequestHead)
    for name in ("method", "target", "form", "scheme", "host", "path", "query"):
        assert getattr(head, name) == getattr(expected, name), name
    assert head.expect_continue is expected.expect_continue
    _check_message(message, expected)


def _check_message(message: Message, expected: RequestExpected | ResponseExpected) -> None:
    assert message.head.http_version == expected.version
    assert message.head.keep_alive is expected.keep_alive
    wanted = iter(message.head.headers)
    assert all(pair in wanted for pair in expected.fields), message.head.headers
    for name, value in expected.joined.items():
        assert message.head.get(name) == value
    assert message.body == expected.body
    assert message.trailers == expected.trailers


@pytest.mark.parametrize("case", REQUESTS, ids=lambda case: case.name)
def test_request(case: Case) -> None:
    stream = case.raw if case.eof else case.raw + SENTINEL
    said = _serve([stream], case.eof)
    expected = list(case.requests)
    if case.refusal is None and not case.eof and expected[-1].keep_alive:
        expected.append(SENTINEL_EXPECTED)
    assert len(said.complete) == len(expected), said
    for message, one in zip(said.complete, expected, strict=True):
        _check_request(message, one)
    assert (said.refusal and said.refusal[0]) == case.refusal
    assert said.ended
    for pieces in _cuts(stream):
        assert _serve(pieces, case.eof) == said


@pytest.mark.parametrize(
    "case",
    [case for case in REQUESTS if case.refusal is not None and not case.eof],
    ids=lambda case: case.name,
)
def test_request_is_refused_by_its_own_bytes(case: Case) -> None:
    """A refusal must not wait for bytes that a client who has sent everything will never send."""
    said = _serve([case.raw], eof=False)
    if "waits" in case.options:
        assert said.refusal is None
        return
    assert said.refusal is not None
    assert said.refusal[0] == case.refusal


@pytest.mark.parametrize("case", RESPONSES, ids=lambda case: case.name)
def test_response(case: Case) -> None:
    said = _read(case, [case.raw], case.eof)
    assert len(said.complete) == len(case.responses), said
    for message, expected in zip(said.complete, case.responses, strict=True):
        head = message.head
        assert isinstance(head, http1.ResponseHead)
        assert (head.status, head.reason) == (expected.status, expected.reason)
        _check_message(message, expected)
    assert (said.refusal and said.refusal[0]) == case.refusal
    assert said.tunnel == (case.responses[-1].tunnel if case.responses else None)
    for pieces in _cuts(case.raw):
        assert _read(case, pieces, case.eof) == said


@pytest.mark.parametrize(
    "case",
    [
        case
        for case in RESPONSES
        if case.refusal is None and case.responses[-1].keep_alive and case.responses[-1].tunnel is None
    ],
    ids=lambda case: case.name,
)
def test_next_response_on_the_same_connection(case: Case) -> None:
    client = Client(case)
    client.feed(case.raw)
    client.ask("GET", "/sentinel", [("Host", "sentinel.example")])
    client.feed(SENTINEL_RESPONSE)
    last = client.said.complete[-1]
    assert isinstance(last.head, http1.ResponseHead)
    assert (last.head.status, last.head.reason, last.body) == (299, "Sentinel", b"sentinel")


def test_corpus_is_large_and_has_two_sides() -> None:
    good = [case for case in REQUESTS if case.refusal is None]
    bad = [case for case in REQUESTS if case.refusal is not None]
    assert len(good) >= 150
    assert len(bad) >= 150
    assert len(RESPONSES) >= 60


def test_every_escape_of_the_format() -> None:
    assert decode(r"a\r\n\t\0\s\x7f\xFF\\\{\}") == b"a\r\n\t\0 \x7f\xff\\{}"
    assert decode(r"<{ab*3}{\}\n*2}>") == b"<ababab}\n}\n>"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("> GET", "f.http:1: a case begins with --- NAME"),
        ("--- a\nno rule\n", "f.http:2: the line after --- NAME is RULE: WHY"),
        ("--- a\nR: w\n> \\q\n", "f.http:3: no such escape or repetition"),
        ("--- a\nR: w\n> {x*}\n", "f.http:3: no such escape or repetition"),
        ("--- a\nR: w\n> x \n", "f.http:3: only printable ASCII"),
        ("--- a\nR: w\n@ nonsense\n", "f.http:3: unknown option 'nonsense'"),
        ("--- a\nR: w\n  body: x\n", "f.http:3: a detail stands below its = line"),
        ("--- a\nR: w\n= GET /\n  colour: x\n", "f.http:4: unknown detail 'colour'"),
        ("--- a\nR: w\n! 400\n", "f.http:1: a lacks its RULE: WHY or its bytes"),
        ("--- a\nR: w\n> x\n", "f.http:1: a expects nothing"),
    ],
)
def test_a_bad_corpus_file_is_refused_with_its_line(text: str, complaint: str) -> None:
    with pytest.raises(CorpusError) as error:
        list(parse(text, "f.http"))
    assert str(error.value).startswith(complaint)
