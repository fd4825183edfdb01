"""The corpus against the real server: what the kernel understood must be what is answered.

Behind every message the sentinel request is sent on the same connection.  After a good
message the application echoes it and then the sentinel; after a bad one come the answers to what
was good before it, one refusal with the right status, and the end of the connection: an answer
to the sentinel would be a desync, and a reset instead of the refusal a lie about who is at fault.
"""

from __future__ import annotations

import hashlib
import json
import socket
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote_to_bytes

import pytest

from tests.corpus_format import CORPUS, SENTINEL, Case, RequestExpected, read_folder
from tests.live.program import LiveServer, Serve
from tests.live.wire import Reply, Wire

REQUESTS = read_folder(CORPUS / "requests")
SENTINEL_EXPECTED = RequestExpected("GET", "/sentinel", host="sentinel.example", keep_alive=False)

#: Every so-many-th message is sent in two packets as well, cut in the middle.
SPLIT_SAMPLE = 6
#: Long enough for the server to wake up for the first packet alone.
PAUSE = 0.02

#: Fields that a server keeps to itself: they speak of the connection, or would forge a variable
#: of another meaning (``Proxy`` the proxy to use, ``A_B`` the field A-B).
WITHHELD = frozenset({"proxy", "te", "trailer", "transfer-encoding", "expect"})


@pytest.fixture(scope="module", params=["0", "4"], ids=["inline", "pooled"])
def server(serve_module: Serve, request: pytest.FixtureRequest) -> Iterator[LiveServer]:
    server = serve_module("tests.live.apps.echo:app", "--threads", request.param)
    yield server
    assert "Traceback" not in server.console_text(), "a message made the server stumble"


@pytest.mark.parametrize("case", REQUESTS, ids=lambda case: case.name)
def test_whole(server: LiveServer, case: Case) -> None:
    with server.connect() as wire:
        _send(wire, case)
        _check_answers(wire, case)


@pytest.mark.parametrize("case", REQUESTS[::SPLIT_SAMPLE], ids=lambda case: case.name)
def test_in_two_packets(server: LiveServer, case: Case) -> None:
    with server.connect() as wire:
        wire.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        _send(wire, case, cut=len(case.raw) // 2)
        _check_answers(wire, case)


def _send(wire: Wire, case: Case, cut: int = 0) -> None:
    stream = case.raw if case.eof else case.raw + SENTINEL
    if cut:
        wire.send(stream[:cut])
        time.sleep(PAUSE)
    wire.send(stream[cut:])
    if case.eof:
        wire.half_close()


def _check_answers(wire: Wire, case: Case) -> None:
    closes = "closes:" in case.options.get("live", "").split()
    for expected in case.requests:
        reply = wire.read_reply(expected.method)
        if "live" in case.options:
            assert reply.status == int(case.options["live"].split()[0])
        else:
            _check_echo(reply, expected)
        assert _says_close(reply) is not (expected.keep_alive and not closes)
    if case.refusal is not None:
        refusal = wire.read_reply()
        assert refusal.status == case.refusal
        assert _says_close(refusal)
    elif case.requests[-1].keep_alive and not closes and not case.eof:
        _check_echo(wire.read_reply(), SENTINEL_EXPECTED)
    assert wire.is_closed()


def _check_echo(reply: Reply, expected: RequestExpected) -> None:
    assert reply.status == 200, reply.text
    if expected.method == "HEAD":
        return
    seen: dict[str, Any] = json.loads(reply.body)
    assert seen["method"] == expected.method
    assert seen["path"].encode("latin-1") == unquote_to_bytes(expected.path)
    assert seen["query"] == expected.query
    assert seen["protocol"] == f"HTTP/{expected.version}"
    assert seen["host"].lower() == expected.host
    assert seen["length"] == len(expected.body)
    assert seen["sha256"] == hashlib.sha256(expected.body).hexdigest()
    for name, value in expected.fields:
        key = "HTTP_" + name.upper().replace("-", "_")
        if "_" in name or name.lower() in WITHHELD:
            assert key not in seen["headers"]
        elif name.lower() not in ("host", "content-type"):
            assert value in seen["headers"][key]
    for name, value in expected.joined.items():
        assert seen["headers"]["HTTP_" + name.upper().replace("-", "_")] == value


def _says_close(reply: Reply) -> bool:
    return (reply.get("Connection") or "").lower() == "close"
