"""Who may look at the dashboard, and what a browser is told about it."""

from __future__ import annotations

import json
import selectors
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

if sys.platform != "win32":
    from skitai.master.admin import Reply, Request
    from skitai.master.dashboard import feed
    from skitai.master.dashboard.pages import Dashboard
    from skitai.master.dashboard.sessions import Sessions

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no master on Windows")

HOST = "127.0.0.1:9100"
KEY = "dGhlIHNhbXBsZSBub25jZQ=="  # RFC 6455 section 1.3
WEBSOCKET = {
    "host": HOST,
    "origin": f"http://{HOST}",
    "upgrade": "websocket",
    "sec-websocket-version": "13",
    "sec-websocket-key": KEY,
}


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Dashboard]:
    with selectors.DefaultSelector() as selector:
        (tmp_path / "password").write_text("pass wörd\nmore\n")
        yield Dashboard(
            selector,
            lambda done: done(),
            lambda: {"name": "<b>"},
            lambda: tmp_path / "password",
            lambda: HOST,
        )


def ask(board: Dashboard, method: str, path: str, *, may_change: bool = False, **fields: str) -> Reply:
    fields = {name.replace("_", "-"): value for name, value in fields.items()}
    return board.respond(Request(method, path, {}, may_change, {"host": HOST, **fields}))


def log_in(board: Dashboard, secret: str, origin: str = f"http://{HOST}") -> Reply:
    said = secret.encode().decode("latin-1")  # as it comes out of a head
    return ask(board, "POST", "/dashboard/login", authorization=f"Bearer {said}", origin=origin)


def cookie_of(reply: Reply) -> str:
    return dict(reply.headers)["Set-Cookie"].partition(";")[0]


def test_without_a_login_there_is_nothing_to_see(board: Dashboard) -> None:
    page = ask(board, "GET", "/dashboard")
    assert (page.status, "secret" in page.body) == (401, True)
    assert ask(board, "GET", "/dashboard/feed", **WEBSOCKET).status == 401
    assert ask(board, "GET", "/dashboard/dashboard.html").status == 404
    assert ask(board, "GET", "/dashboard", cookie="skitai_dashboard=").status == 401
    assert ask(board, "GET", "/dashboard/../desk.py").status == 404
    assert ask(board, "POST", "/dashboard").status == 405


@pytest.mark.parametrize("way", ["password", "token"])
def test_the_password_and_tokens_let_in(board: Dashboard, way: str) -> None:
    secret = "pass wörd" if way == "password" else board.sessions.token()
    reply = log_in(board, secret)
    assert reply.status == 200
    rules = dict(reply.headers)["Set-Cookie"].split("; ")
    assert {"HttpOnly", "SameSite=Strict", "Path=/dashboard"} <= set(rules)
    assert "Secure" not in rules
    cookie = cookie_of(reply)
    assert "requests" in ask(board, "GET", "/dashboard", cookie=f"a=b; {cookie}").body
    assert ask(board, "GET", "/dashboard/feed", cookie=cookie, **WEBSOCKET).status == 101
    again = log_in(board, secret)
    assert again.status == (200 if way == "password" else 403)
    assert ask(board, "POST", "/dashboard/logout", cookie=cookie, origin=f"http://{HOST}").status == 200
    assert ask(board, "GET", "/dashboard", cookie=cookie).status == 401


@pytest.mark.parametrize("secret", ["", "pass", "pass wörd\n", "more", "pass w\udcf6rd"])
def test_other_words_do_not(board: Dashboard, secret: str) -> None:
    said = ask(
        board,
        "POST",
        "/dashboard/login",
        authorization=f"Bearer {secret.encode('utf-8', 'surrogateescape').decode('latin-1')}",
        origin=f"http://{HOST}",
    )
    assert said.status == 403


def test_behind_a_proxy_that_speaks_tls_the_cookie_takes_no_other_way(board: Dashboard) -> None:
    reply = log_in(board, "pass wörd", origin=f"https://{HOST}")
    assert "Secure" in dict(reply.headers)["Set-Cookie"].split("; ")


def test_who_guesses_is_held_up_and_who_is_in_goes_on(
    board: Dashboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    cookie = cookie_of(log_in(board, "pass wörd"))
    assert [log_in(board, "guess").status for _ in range(11)] == [403] * 10 + [429]
    assert log_in(board, "pass wörd").status == 429
    assert ask(board, "GET", "/dashboard", cookie=cookie).status == 200
    token = board.sessions.token()
    assert log_in(board, token).status == 200, "who tries passwords keeps the operator out"
    assert log_in(board, token).status == 429, "a token is good once, now as ever"
    later = sys.modules[Sessions.__module__].monotonic() + 61
    monkeypatch.setattr(sys.modules[Sessions.__module__], "monotonic", lambda: later)
    assert log_in(board, "pass wörd").status == 200


def test_tokens_and_sessions_end_and_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    sessions = Sessions(lambda: None)
    token, other = sessions.token(), sessions.token()
    session = sessions.begin(token)
    assert session is not None
    assert sessions.knows(session)
    now = sys.modules[Sessions.__module__].monotonic()
    monkeypatch.setattr(sys.modules[Sessions.__module__], "monotonic", lambda: now + 301)
    assert sessions.begin(other) is None
    monkeypatch.setattr(sys.modules[Sessions.__module__], "monotonic", lambda: now + 12 * 3600 + 1)
    assert not sessions.knows(session)
    many = [sessions.token() for _ in range(100)]
    assert sessions.begin(many[0]) is None
    assert sessions.begin(many[-1]) is not None
    assert sessions.begin("") is None


def test_a_page_of_somebody_else_gets_nothing(board: Dashboard) -> None:
    cookie = cookie_of(log_in(board, "pass wörd"))
    for origin in ("http://evil.example", "null", "", "http://127.0.0.1:9101", "http://["):
        asked = {**WEBSOCKET, "origin": origin}
        assert ask(board, "GET", "/dashboard/feed", cookie=cookie, **asked).status == 403
        assert log_in(board, "pass wörd", origin).status == 403
        assert ask(board, "POST", "/dashboard/logout", cookie=cookie, origin=origin).status == 403
    assert ask(board, "GET", "/dashboard", cookie=cookie).status == 200


def test_the_control_socket_needs_no_login_but_a_name_that_nobody_can_point_here(board: Dashboard) -> None:
    for host in ("localhost:9100", "127.0.0.1", "[::1]:9100"):
        assert ask(board, "GET", "/dashboard", may_change=True, host=host).status == 200
        feed = {**WEBSOCKET, "host": host, "origin": f"http://{host}"}
        assert ask(board, "GET", "/dashboard/feed", may_change=True, **feed).status == 101
    for host in ("evil.example", "", "localhost.evil.example", "[", "127.0.0.1.evil.example:9100"):
        assert ask(board, "GET", "/dashboard", may_change=True, host=host).status == 403


def test_tokens_are_for_the_control_socket_and_not_for_browsers(board: Dashboard) -> None:
    assert ask(board, "POST", "/dashboard/token").status == 403
    assert ask(board, "POST", "/dashboard/token", may_change=True, origin="http://localhost").status == 403
    assert ask(board, "GET", "/dashboard/token", may_change=True).status == 405
    told = json.loads(ask(board, "POST", "/dashboard/token", may_change=True).body)
    assert told["address"] == HOST
    assert log_in(board, told["token"]).status == 200


def test_the_pages_are_strict_and_have_all_they_need(board: Dashboard) -> None:
    for path in ("", "/dashboard.css", "/dashboard.js", "/login.js"):
        reply = ask(board, "GET", f"/dashboard{path}", may_change=True)
        policy = dict(reply.headers)["Content-Security-Policy"]
        assert reply.status == 200
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "innerHTML" not in reply.body
        assert "style=" not in reply.body
        assert "://" not in reply.body.replace("${scheme}://${location.host}", "")


def test_what_is_no_websocket_is_refused(board: Dashboard) -> None:
    for name, value in (("sec-websocket-key", "short"), ("sec-websocket-version", "8"), ("upgrade", "h2c")):
        assert (
            ask(board, "GET", "/dashboard/feed", may_change=True, **{**WEBSOCKET, name: value}).status == 400
        )
    assert feed.accept_key(KEY) == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


class Viewing:
    """A feed, and a viewer of it."""

    def __init__(self, selector: selectors.BaseSelector, size: int = 10) -> None:
        self.selector = selector
        self.sessions = {"s"}
        self.feed = feed.Feed(
            selector, lambda done: done(), lambda: {"a": "x" * size}, self.sessions.__contains__
        )
        self.client, server = socket.socketpair()
        self.client.settimeout(2)
        server.setblocking(False)
        self.feed.join(server, "s")

    def turn(self) -> None:
        for key, _ in self.selector.select(1.0):
            key.data()

    def is_there(self) -> bool:
        return bool(self.selector.get_map())


@pytest.fixture
def viewing() -> Iterator[Viewing]:
    with selectors.DefaultSelector() as selector:
        made = Viewing(selector)
        yield made
        made.feed.close()
        made.client.close()


def masked(first: int, payload: bytes) -> bytes:
    return (
        bytes((first, 0x80 | len(payload)))
        + b"\1\2\3\4"
        + bytes(b ^ (i % 4 + 1) for i, b in enumerate(payload))
    )


def test_a_viewer_is_told_at_once_and_its_pings_are_answered(viewing: Viewing) -> None:
    text = b'{"a": "xxxxxxxxxx"}'
    frame = bytes((0x81, len(text))) + text
    assert viewing.client.recv(65536).startswith(frame)
    viewing.client.sendall(masked(0x89, b"hi"))
    viewing.turn()
    assert viewing.client.recv(65536) == b"\x8a\x02hi"
    viewing.client.sendall(masked(0x81, b"text")[:3])
    viewing.turn()
    viewing.client.sendall(masked(0x81, b"text")[3:])
    viewing.turn()
    assert viewing.is_there()


@pytest.mark.parametrize("said", [masked(0x88, b""), b"\x81\x01a", b"\x81\xfe\xff\xff1234", b""])
def test_who_says_goodbye_or_nonsense_is_let_go(viewing: Viewing, said: bytes) -> None:
    if said:
        viewing.client.sendall(said)
    else:
        viewing.client.shutdown(socket.SHUT_WR)
    viewing.turn()
    assert not viewing.is_there()


def test_who_does_not_read_is_let_go() -> None:
    with selectors.DefaultSelector() as selector:
        viewing = Viewing(selector, 1 << 20)
        for _ in range(20):
            viewing.feed._show()
        assert not viewing.is_there()
        viewing.client.close()


def test_who_logs_out_sees_no_more(viewing: Viewing) -> None:
    viewing.sessions.clear()
    viewing.feed._due = 0.0
    viewing.feed.check_deadlines()
    assert not viewing.is_there()
    viewing.feed._due = 0.0
    viewing.feed.check_deadlines()
    assert viewing.feed.next_deadline() == float("inf")  # and the master sleeps
