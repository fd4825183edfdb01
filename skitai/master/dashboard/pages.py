"""What of the dashboard is asked by HTTP.

    GET   /dashboard                  the page, or where to log in
    GET   /dashboard/NAME             what belongs to it
    GET   /dashboard/feed             its WebSocket
    POST  /dashboard/login            with ``Authorization: Bearer PASSWORD-OR-TOKEN``
    POST  /dashboard/logout
    POST  /dashboard/token            by the control socket: one for the login, and where that is

It shows code, so who asks by the address of the settings has to log in; by the control socket nobody has to,
for who may write to that may do more.  Rules for browsers (a page of somebody else's must neither see nor do
anything here): a strict Content-Security-Policy; a cookie that no script reads and no other site sends; the
WebSocket only from our own origin; and where there is no login, only under a name that no stranger
can point here (DNS rebinding): an address, or localhost.
"""

from __future__ import annotations

import ipaddress
import selectors
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

from skitai.master.admin import Reply, Request
from skitai.master.dashboard.feed import Feed, accept_key
from skitai.master.dashboard.sessions import SESSION_AGE, Sessions

__all__ = ["PATH", "Dashboard"]

PATH = "/dashboard"
_COOKIE = "skitai_dashboard"
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
_RULES = (
    ("Content-Security-Policy", _POLICY),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
)
_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
#: They hold nothing of the instance.
_PUBLIC = ("dashboard.css", "dashboard.js", "login.js")


class Dashboard:
    def __init__(
        self,
        selector: selectors.BaseSelector,
        glance: Callable[[Callable[[], None]], None],
        snapshot: Callable[[], Mapping[str, Any]],
        password_file: Callable[[], Path | None],
        address: Callable[[], str],
    ) -> None:
        """See `Feed` and `Sessions`; ``address()``: of the settings, empty if there is none."""
        self._address = address
        self.sessions = Sessions(password_file)
        self.feed = Feed(selector, glance, snapshot, self.sessions.knows)
        folder = Path(__file__).parent
        names = (*_PUBLIC, "dashboard.html", "login.html")
        # While we may read them: a master may give up root.
        self._assets = {name: (folder / name).read_text("utf-8") for name in names}

    def respond(self, request: Request) -> Reply:
        """``request.path`` begins with `PATH`."""
        name = request.path.removeprefix(PATH).lstrip("/")
        is_reading = request.method in ("GET", "HEAD")
        if name in ("login", "logout"):
            if request.method != "POST":
                return Reply(405, "this is asked for by POST\n")
            return self._login(request) if name == "login" else self._logout(request)
        if name == "token":
            return self._token(request)
        if name not in ("", "feed", *_PUBLIC):
            return Reply(404, "there is nothing of this name\n")
        if not is_reading:
            return Reply(405, "this is asked for by GET\n")
        if name in _PUBLIC:
            return self._asset(200, name)
        if request.may_change and not _is_fixed_name(request.fields.get("host", "")):
            return Reply(403, "without a login, the dashboard is for localhost and addresses only\n")
        may_look = request.may_change or self.sessions.knows(_session(request))
        if name == "feed":
            return self._join(request) if may_look else Reply(401, "log in first\n")
        return self._asset(200, "dashboard.html") if may_look else self._asset(401, "login.html")

    def _asset(self, status: int, name: str) -> Reply:
        media_type = f"{_TYPES[Path(name).suffix]}; charset=utf-8"
        return Reply(status, self._assets[name], media_type, _RULES)

    def _token(self, request: Request) -> Reply:
        if request.method != "POST":
            return Reply(405, "this is asked for by POST\n")
        if not request.may_change or "origin" in request.fields:
            return Reply(403, "tokens are given by the control socket: skitai dashboard\n")
        return Reply.of_json({"token": self.sessions.token(), "address": self._address()})

    def _login(self, request: Request) -> Reply:
        if not _is_our_page(request):
            return Reply(403, "this is for the dashboard's own page\n")
        is_held_up = self.sessions.is_held_up
        scheme, _, secret = request.fields.get("authorization", "").partition(" ")
        session = self.sessions.begin(_text(secret)) if scheme.lower() == "bearer" else None
        if session is None and is_held_up:
            return Reply(429, "too many have failed; wait a minute, or ask for a token: skitai dashboard\n")
        if session is None:
            return Reply(403, "this is neither a token that is good nor the password\n")
        cookie = f"{_COOKIE}={session}; Path={PATH}; Max-Age={SESSION_AGE:.0f}; HttpOnly; SameSite=Strict"
        if _origin(request).scheme == "https":  # by a proxy of ours: no other way shall see it
            cookie += "; Secure"
        return Reply(200, "", headers=(("Set-Cookie", cookie),))

    def _logout(self, request: Request) -> Reply:
        if not _is_our_page(request):
            return Reply(403, "this is for the dashboard's own page\n")
        self.sessions.end(_session(request))
        return Reply(200, "", headers=(("Set-Cookie", f"{_COOKIE}=; Path={PATH}; Max-Age=0"),))

    def _join(self, request: Request) -> Reply:
        fields = request.fields
        key = accept_key(fields.get("sec-websocket-key", ""))
        if (
            request.method != "GET"
            or fields.get("upgrade", "").lower() != "websocket"
            or fields.get("sec-websocket-version") != "13"
            or key is None
        ):
            return Reply(400, "this is for WebSockets\n")
        if not _is_our_page(request):
            return Reply(403, "this WebSocket is for the dashboard's own page\n")
        if self.feed.is_full:
            return Reply(503, "too many look already\n")
        session = "" if request.may_change else _session(request)
        headers = (("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Accept", key))
        return Reply(101, "", headers=headers, switch=lambda sock: self.feed.join(sock, session))


def _session(request: Request) -> str:
    for pair in request.fields.get("cookie", "").split(";"):
        name, _, value = pair.strip().partition("=")
        if name == _COOKIE:
            return value
    return ""


def _is_our_page(request: Request) -> bool:
    """Whether a page of ours asks, by what browsers say and no page can change."""
    origin = _origin(request).netloc
    return bool(origin) and origin.lower() == request.fields.get("host", "").lower()


def _origin(request: Request) -> SplitResult:
    try:
        return urlsplit(request.fields.get("origin", ""))
    except ValueError:
        return urlsplit("")


def _is_fixed_name(authority: str) -> bool:
    """Whether no name server has a say where ``authority`` leads to."""
    try:
        name = urlsplit(f"//{authority}").hostname or ""
        if name == "localhost":
            return True
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _text(field: str) -> str:
    """What is beyond ASCII in a field is UTF-8."""
    return field.encode("latin-1", "replace").decode("utf-8", "surrogateescape")
