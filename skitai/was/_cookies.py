"""Cookies, when a call says so: some that are sent, or a jar that is kept up to date.

The jar is the standard library's `http.cookiejar.CookieJar`, which knows the rules, has a lock, and can be
kept in a file; those of other libraries inherit from it.  It wants to be shown requests and answers of
`urllib`: here is as much of them as it looks at.

The loop thread, and whoever begins a call.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, cast

from skitai._kernels import http1
from skitai.core.outbound.request import Request

if TYPE_CHECKING:
    from http.cookiejar import CookieJar

__all__ = ["cookie_field", "cookies_for", "keep_cookies"]

_NAME: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
#: RFC 6265 section 4.1.1, and what browsers take besides: spaces, commas, quotes.
_VALUE: Final = re.compile(r"[ !-:<-~]*")


def cookie_field(cookies: Mapping[str, str]) -> str:
    """The value of Cookie.

    Raises:
        ValueError: a name or a value that no cookie can have.
    """
    for name, value in cookies.items():
        if not _NAME.fullmatch(name) or not _VALUE.fullmatch(str(value)):
            raise ValueError(f"the cookie {name!r} cannot be sent: {value!r:.80} (percent-encode its value)")
    return "; ".join(f"{name}={value}" for name, value in cookies.items())


def cookies_for(jar: CookieJar, request: Request) -> str | None:
    """What of the jar goes with ``request``."""
    asked = _Asked(request)
    jar.add_cookie_header(cast(Any, asked))
    return asked.cookie


def keep_cookies(jar: CookieJar, request: Request, head: http1.ResponseHead) -> None:
    """Put what an answer says of cookies into the jar."""
    if head.get("set-cookie") is not None:
        jar.extract_cookies(cast(Any, _Answered(head)), cast(Any, _Asked(request)))


class _Asked:
    """`urllib.request.Request`, so far as a jar looks at it."""

    #: A person's wish, and not a page's: no cookie of a third party.
    unverifiable = False

    def __init__(self, request: Request) -> None:
        origin = request.origin
        self.type = origin.scheme
        self.host = origin.authority
        self.origin_req_host = origin.host
        self.cookie: str | None = None
        self._url = f"{origin.scheme}://{origin.authority}{request.target}"
        self._fields = {name.lower(): value for name, value in request.headers}

    def get_full_url(self) -> str:
        return self._url

    def has_header(self, name: str) -> bool:
        return name.lower() in self._fields

    def get_header(self, name: str, default: str | None = None) -> str | None:
        return self._fields.get(name.lower(), default)

    def add_unredirected_header(self, name: str, value: str) -> None:
        if name == "Cookie":
            self.cookie = value


class _Answered:
    """A response of `urllib`, and its headers."""

    def __init__(self, head: http1.ResponseHead) -> None:
        self._head = head

    def info(self) -> _Answered:
        return self

    def get_all(self, name: str, default: Any = None) -> Any:
        return self._head.get_all(name) or default
