"""Both ways of the compiled build send the same bytes: plain requests that are passed on from their lane, and
the same ones as an exchange and a passage pass them on.

Nothing but Date may differ, which both leave to the member here.
"""

from __future__ import annotations

import re

import pytest

from skitai import _kernels
from skitai.core.service import HttpService
from skitai.proxy import ClusterRelay
from tests.proxy.proxy_world import WARM, Member, ProxyWorld, proxying

pytestmark = pytest.mark.skipif(
    _kernels.implementation() == "pure", reason="the pure build has one way for all requests"
)

OK = b"HTTP/1.1 200 OK\r\nDate: now\r\nContent-Length: 2\r\n\r\nok"

#: What a client says; `True` where it is not plain, and leaves its lane.
REQUESTS: dict[str, tuple[bytes, bool]] = {
    "plain": (b"GET /a?b=%20c HTTP/1.1\r\nHost: site:8080\r\n\r\n", False),
    "an empty query": (b"GET /a? HTTP/1.1\r\nHost: site\r\n\r\n", False),
    "fields": (
        b"GET / HTTP/1.1\r\nAccept:   */*  \r\nhost: site\r\nCookie: a=\xe9; b\r\nX-Empty:\r\n"
        b'Range: bytes=0-1\r\nIf-None-Match: "x"\r\nAuthorization: Basic eDp5\r\n\r\n',
        False,
    ),
    "what stops here": (
        b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Keep-Alive\r\nKeep-Alive: 5\r\nProxy-Connection: x\r\n"
        b"Trailer: x\r\nHTTP2-Settings: x\r\nX-Forwarded-For: 6.6.6.6\r\nx_forwarded_for: 6.6.6.6\r\n"
        b"Forwarded: for=6\r\nX-Forwarded-Host: e\r\nX-Forwarded-Proto: e\r\nX-Real-IP: 6\r\n"
        b"X-Forwarded-Prefix: /e\r\nX_Real_Ip: 6\r\nContent_Length: 6\r\nTransfer_Encoding: chunked\r\n"
        b"X-Forwarded-Ssl: on\r\nFront-End-Https: on\r\nX-Scheme: https\r\nX-Other: 1\r\n\r\n",
        False,
    ),
    "an id": (b"GET / HTTP/1.1\r\nHost: a\r\nX-Request-ID: own\r\nx_request_id: own\r\n\r\n", False),
    "via": (b"GET / HTTP/1.1\r\nHost: a\r\nVia: 1.0 fred, 1.1 p\r\nvia: 1.1 q\r\n\r\n", False),
    "a last request": (b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", False),
    "a body": (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 05\r\n\r\nhello", False),
    "an empty body": (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", False),
    "no body": (b"PATCH / HTTP/1.1\r\nHost: a\r\n\r\n", False),
    "PUT": (b"PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Type: a/b\r\n\r\nabc", False),
    "GET with a body": (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", False),
    "GET with none": (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", False),
    "DELETE": (b"DELETE /x HTTP/1.1\r\nHost: a\r\n\r\n", False),
    "a method of nobody": (b"FROB /x HTTP/1.1\r\nHost: a\r\n\r\n", False),
    "many fields": (
        b"GET / HTTP/1.1\r\nHost: a\r\n" + b"".join(b"X-%d: %d\r\n" % (n, n) for n in range(90)) + b"\r\n",
        False,
    ),
    "our own name": (b"GET / HTTP/1.1\r\nHost: a\r\nVia: 1.1 skitai\r\n\r\n", True),
    "hops": (b"OPTIONS / HTTP/1.1\r\nHost: a\r\nMax-Forwards: 3\r\n\r\n", True),
    "TE": (b"GET / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: close\r\n\r\n", True),
    "a hidden file": (b"GET /.well-known/x HTTP/1.1\r\nHost: a\r\n\r\n", True),
    "percent": (b"GET /%41 HTTP/1.1\r\nHost: a\r\n\r\n", True),
    "Connection names one": (b"GET / HTTP/1.1\r\nHost: a\r\nConnection: X-A\r\nX-A: 1\r\n\r\n", True),
}


#: Each request gets one, which members, clients and access lines are told.
IDS = "request_id = answer\nlog_fields = request_id"


def numbered(told: object) -> str:
    """As text, with each id as the number of its first appearance."""
    known: dict[str, str] = {}
    return re.sub(r"[0-9a-f]{32}", lambda found: known.setdefault(found[0], f"<id {len(known)}>"), repr(told))


@pytest.mark.parametrize(
    ("server_side", "server"),
    [("", ""), ("preserve_path = yes", ""), ("preserve_host = no", ""), ("", IDS)],
    ids=["as it is", "path", "host", "ids"],
)
def test_a_member_is_told_the_same(server_side: str, server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    member = Member()
    told: dict[bool, dict[str, tuple[bytes, bytes]]] = {True: {}, False: {}}
    begun: list[str] = []
    begin = ClusterRelay.begin

    def note(relay: ClusterRelay, asked: object) -> object:
        begun.append("general")
        return begin(relay, asked)  # type: ignore[arg-type]

    monkeypatch.setattr(ClusterRelay, "begin", note)
    for is_plain in (True, False):
        if not is_plain:
            monkeypatch.setattr(HttpService, "lane", lambda *arguments: None)
            member = Member()
        token = WARM.set(True)
        with proxying(
            member, mount=server_side, server=server, path="/r" if "path" in server_side else "/"
        ) as world:
            WARM.reset(token)
            for name, (request, leaves) in REQUESTS.items():
                request = request.replace(b" /", b" /r/p/", 1) if "path" in server_side else request
                begun.clear()
                client = world.client()
                client.send(request)
                asked = member.accept()
                head = asked.head().replace(member.name.encode(), b"MEMBER")
                length = int(head.partition(b"Content-Length: ")[2].partition(b"\r\n")[0] or b"0")
                told[is_plain][name] = (head, asked.exactly(length))
                asked.send(OK)
                assert client.head().startswith(b"HTTP/1.1 200 OK\r\n"), name
                assert client.exactly(2) == b"ok"
                assert bool(begun) is (leaves or not is_plain), name
                member.kept.append(asked.sock)
                client.close()
    assert numbered(told[True]) == numbered(told[False])
    assert not server or "<id 0>" in numbered(told[True])
    assert not server or b"own" not in told[True]["an id"][0]


def _answer(*lines: bytes, body: bytes = b"") -> bytes:
    return b"\r\n".join((*lines, b"Date: now", b"", body))


LENGTH_2 = b"Content-Length: 2"

#: What a member answers to a request by this method.
ANSWERS: dict[str, tuple[bytes, bytes]] = {
    "plain": (b"GET", _answer(b"HTTP/1.1 200 OK", LENGTH_2, body=b"ok")),
    "no reason": (b"GET", _answer(b"HTTP/1.1 200", LENGTH_2, body=b"ok")),
    "an empty reason": (b"GET", _answer(b"HTTP/1.1 200 ", LENGTH_2, body=b"ok")),
    "a reason of its own": (b"GET", _answer(b"HTTP/1.1 299 A \xe9", LENGTH_2, body=b"ok")),
    "1.0 that stays": (b"GET", _answer(b"HTTP/1.0 200 OK", LENGTH_2, b"Connection: keep-alive", body=b"ok")),
    "what stops here": (
        b"GET",
        _answer(
            b"HTTP/1.1 200 OK",
            b"Connection: keep-alive",
            b"Keep-Alive: timeout=60",
            b"Proxy-Connection: x",
            b"TE: x",
            b"Trailer: x",
            b"Upgrade: x",
            b"content-length: 002",
            b"X-A:",
            b"X_B:  \xe9 ",
            body=b"ok",
        ),
    ),
    "via": (b"GET", _answer(b"HTTP/1.1 200 OK", b"Via: 1.1 far", LENGTH_2, body=b"ok")),
    "Server": (b"GET", _answer(b"HTTP/1.1 200 OK", b"server: theirs", LENGTH_2, body=b"ok")),
    "an id": (b"GET", _answer(b"HTTP/1.1 200 OK", b"x-request-id: own", LENGTH_2, body=b"ok")),
    "cookies": (
        b"GET",
        _answer(b"HTTP/1.1 200 OK", b"Set-Cookie: a", b"Set-Cookie: b", LENGTH_2, body=b"ok"),
    ),
    "HEAD": (b"HEAD", _answer(b"HTTP/1.1 200 OK", b"Content-Length: 1234")),
    "HEAD without a length": (b"HEAD", _answer(b"HTTP/1.1 200 OK")),
    "204": (b"GET", _answer(b"HTTP/1.1 204 No Content", b"Content-Length: 0")),
    "304": (b"GET", _answer(b"HTTP/1.1 304 Not Modified", b"ETag: x", b"Content-Length: 99")),
    "empty": (b"GET", _answer(b"HTTP/1.1 200 OK", b"Content-Length: 0")),
    "404": (b"GET", _answer(b"HTTP/1.1 404 Not Found", LENGTH_2, body=b"ok")),
    "500": (b"GET", _answer(b"HTTP/1.1 500 Oh", LENGTH_2, body=b"ok")),
    "503": (b"GET", _answer(b"HTTP/1.1 503 Busy", LENGTH_2, body=b"ok")),
    "503 to POST": (b"POST", _answer(b"HTTP/1.1 503 Busy", LENGTH_2, body=b"ok")),
    "large": (b"GET", _answer(b"HTTP/1.1 200 OK", b"Content-Length: 300000", body=b"x" * 300000)),
    "17 KiB": (b"GET", _answer(b"HTTP/1.1 200 OK", b"Content-Length: 17408", body=b"x" * 17408)),
    "chunked": (
        b"GET",
        _answer(b"HTTP/1.1 200 OK", b"Transfer-Encoding: chunked", body=b"2\r\nok\r\n0\r\n\r\n"),
    ),
    "an early hint": (
        b"GET",
        b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + _answer(b"HTTP/1.1 200 OK", LENGTH_2, body=b"ok"),
    ),
    "a member that leaves": (
        b"GET",
        _answer(b"HTTP/1.1 200 OK", b"Connection: close", LENGTH_2, body=b"ok"),
    ),
    "something behind it": (b"GET", _answer(b"HTTP/1.1 200 OK", LENGTH_2, body=b"okHTTP/1.1 200 OK\r\n\r\n")),
    "nonsense": (b"POST", b"nonsense\r\n\r\n"),
}


@pytest.mark.parametrize(
    ("last", "server"),
    [(b"", ""), (b"Connection: close\r\n", ""), (b"", IDS)],
    ids=["stays", "closes", "ids"],
)
def test_a_client_is_told_the_same(last: bytes, server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    told: dict[bool, dict[str, tuple[bytes, object]]] = {True: {}, False: {}}
    for is_plain in (True, False):
        if not is_plain:
            monkeypatch.setattr(HttpService, "lane", lambda *arguments: None)
        for name, (method, answer) in ANSWERS.items():
            member = Member()
            token = WARM.set(True)
            with proxying(member, server=server) as world:
                WARM.reset(token)
                told[is_plain][name] = exchanged(world, member, method, last, answer)
    assert numbered(told[True]) == numbered(told[False])
    assert not server or numbered(told[True]).count("<id ") > len(ANSWERS)


def exchanged(
    world: ProxyWorld, member: Member, method: bytes, last: bytes, answer: bytes
) -> tuple[bytes, object]:
    """All that the client gets, and its access line without the times."""
    client = world.client()
    client.send(method + b" /x?y HTTP/1.1\r\nHost: a\r\n" + last + b"\r\n")
    asked = member.accept()
    asked.head()
    asked.send(answer)
    if not last:
        record = world.logged()
        client.send(b"GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        member.kept.append(asked.sock)
        again = member.accept()
        again.head()
        again.send(_answer(b"HTTP/1.1 200 OK", LENGTH_2, body=b"ok"))
        got = client.rest()
        again.close()
    else:
        got = client.rest()
        record = world.logged()
    client.close()
    date = got.partition(b"Date: ")[2].partition(b"\r\n")[0]
    if date != b"now":  # our own page
        got = got.replace(date, b"now")
    return got, record[3:8]
