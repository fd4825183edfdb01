"""``was.cookie``: the cookies of the client, and what is to become of them (RFC 6265bis).

Reading is lenient, for anybody may have written the Cookie field: what is no cookie is passed over,
and nothing raises.  Writing is strict: what a browser would drop or mistake is a ValueError.  Values
may be any text: what a cookie cannot carry goes percent-encoded, as scripts do by
``encodeURIComponent``, and is decoded when it comes back.

A change is seen at once and leaves with the head of the response; where an error page is sent
instead, it does not.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, MutableMapping
from functools import partial
from typing import Any, Final, Literal
from urllib.parse import quote, unquote_to_bytes

from skitai._httpdate import format_date
from skitai.saddle.response import Response

__all__ = ["COOKIE_MAX", "Cookies", "Lifetime", "SameSite", "cookie_line", "is_secure", "read_cookies"]

#: Bytes of a cookie with its name and its attributes; browsers drop larger ones.
COOKIE_MAX: Final = 4096

#: Cookies of one request that are read; browsers keep some 180 of a site.
_COOKIES_MAX: Final = 300

#: Seconds that "never" lasts: 20 years, of which browsers make their own longest (400 days).
_NEVER: Final = 20 * 365 * 86400

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_DOMAIN = re.compile(r"\.?[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*")
_PATH = re.compile(r"/[\x20-\x3a\x3c-\x7e]*")
#: Beside letters, digits and ``_.-~``: what RFC 6265bis calls a cookie-octet, without the percent sign.
_PLAIN: Final = "!#$&'()*+/:<=>?@[]^`{|}"

Lifetime = int | float | Literal["now", "never"] | None
SameSite = Literal["Lax", "Strict", "None"] | None


def is_secure(environ: dict[str, Any]) -> bool:
    """Whether the request came over TLS."""
    return bool(environ.get("wsgi.url_scheme") == "https")


def read_cookies(field: str) -> dict[str, str]:
    """The cookies of a Cookie field.  Of two with a name the first, which has the longer path."""
    found: dict[str, str] = {}
    for pair in field.split(";", _COOKIES_MAX)[:_COOKIES_MAX]:
        name, sign, value = pair.partition("=")
        name = name.strip(" \t")
        # Without a sign it is the value of a nameless cookie, whatever name that pretends to have.
        if sign and name and name not in found:
            found[name] = _decode(value.strip(" \t"))
    return found


def _decode(value: str) -> str:
    if len(value) >= 2 and value[0] == value[-1] == '"':
        value = value[1:-1]
    if value.isascii() and "%" not in value:
        return value
    return unquote_to_bytes(value.encode("latin-1", "replace")).decode("utf-8", "replace")


def cookie_line(
    name: str,
    value: str,
    *,
    lifetime: Lifetime = None,
    path: str = "/",
    domain: str | None = None,
    secure: bool = False,
    httponly: bool = True,
    samesite: SameSite = "Lax",
) -> str:
    """The value of a Set-Cookie field.

    Raises:
        ValueError: a browser would drop it or read it differently.
        TypeError: the value is neither a text nor a number.
    """
    _check(name, path, domain, secure, samesite)
    parts = [f"{name}={_encode(name, value)}"]
    if lifetime is not None:
        seconds = _seconds(name, lifetime)
        parts.append(f"Expires={format_date(int(time.time()) + seconds if seconds else 0)}")
        parts.append(f"Max-Age={seconds}")
    parts.append(f"Path={path}")
    if domain:
        parts.append(f"Domain={domain.removeprefix('.')}")
    if secure:
        parts.append("Secure")
    if httponly:
        parts.append("HttpOnly")
    if samesite:
        parts.append(f"SameSite={samesite}")
    line = "; ".join(parts)
    if len(line) > COOKIE_MAX:
        raise ValueError(
            f"the cookie {name!r} would have {len(line)} bytes with its attributes; browsers drop "
            f"those of more than {COOKIE_MAX}, so keep the data elsewhere and its key in the cookie"
        )
    return line


def _check(name: str, path: str, domain: str | None, secure: bool, samesite: SameSite) -> None:
    if not _TOKEN.fullmatch(name):
        raise ValueError(
            f"{name!r} cannot name a cookie: a name has letters, digits and !#$%&'*+-.^_`|~ (RFC 6265)"
        )
    if not _PATH.fullmatch(path):
        raise ValueError(
            f"the path {path!r} of cookie {name!r}: it begins with / and has no ; or control character"
        )
    if domain is not None and not _DOMAIN.fullmatch(domain):
        raise ValueError(f"the domain {domain!r} of cookie {name!r} is not the name of a host")
    if samesite not in ("Lax", "Strict", "None", None):
        raise ValueError(
            f"samesite={samesite!r} of cookie {name!r}: there are 'Lax', 'Strict', 'None' and None"
        )
    if samesite == "None" and not secure:
        raise ValueError(f"browsers drop the cookie {name!r}: samesite='None' needs secure=True")
    lower = name.lower()
    if lower.startswith(("__host-", "__secure-")) and not secure:
        raise ValueError(f"browsers drop the cookie {name!r}: its prefix needs secure=True")
    if lower.startswith("__host-") and (path != "/" or domain is not None):
        raise ValueError(f"browsers drop the cookie {name!r}: its prefix needs path='/' and no domain")


def _encode(name: str, value: str) -> str:
    try:
        return quote(value, safe=_PLAIN)
    except UnicodeEncodeError:
        raise ValueError(
            f"the value of cookie {name!r} has half a surrogate pair, which is no text"
        ) from None


def _seconds(name: str, lifetime: Lifetime) -> int:
    if lifetime == "now":
        return 0
    if lifetime == "never":
        return _NEVER
    if isinstance(lifetime, (int, float)) and not isinstance(lifetime, bool) and lifetime <= _NEVER:
        return max(0, int(lifetime))
    raise ValueError(
        f"{lifetime!r} is no lifetime of cookie {name!r}: seconds (20 years at most), 'now' or 'never'"
    )


#: The longest name of a cookie for which there is a line that removes it.
_REMOVABLE_MAX: Final = COOKIE_MAX - len(cookie_line("n", "", lifetime="now", secure=True)) + 1


class Cookies(MutableMapping[str, str]):
    """The cookies of one request, with the changes made during it.  One request, one thread."""

    __slots__ = ("_environ", "_pending", "_response", "_values")

    def __init__(self, environ: dict[str, Any], response: Response) -> None:
        self._environ = environ
        self._response = response
        self._values = read_cookies(environ.get("HTTP_COOKIE", ""))
        #: Lines that still have to be sent, by what makes two cookies one to a browser.
        self._pending: dict[tuple[str, str | None, str], str] = {}

    def set(
        self,
        name: str,
        val: str | float = "",
        expires: Lifetime = None,
        path: str = "/",
        domain: str | None = None,
        secure: bool | None = None,
        httponly: bool = True,
        samesite: SameSite = "Lax",
        max_age: Lifetime = None,
    ) -> None:
        """Have the client keep ``val`` under ``name``.

        Args:
            expires: seconds from now, ``"never"``, ``"now"`` to remove it, or None: until the browser
                ends.  ``max_age`` is another name for it.
            secure: sent back over TLS only; None if this request came by TLS or the name demands it.
            httponly: scripts of the page do not see it.
            samesite: ``"Lax"``: requests that other sites cause carry it only where they open the page.

        Raises:
            ValueError: a browser would drop it or read it differently.
            TypeError: ``val`` is neither a text nor a number.
        """
        if isinstance(val, (int, float)) and not isinstance(val, bool):
            val = str(val)
        if not isinstance(val, str):
            raise TypeError(f"the value of cookie {name!r} is text or a number, not {type(val).__name__}")
        if expires is not None and max_age is not None:
            raise ValueError(f"cookie {name!r}: expires and max_age say the same; give one")
        lifetime = max_age if expires is None else expires
        if secure is None:
            secure = is_secure(self._environ) or name.lower().startswith(("__host-", "__secure-"))
        line = cookie_line(
            name,
            val,
            lifetime=lifetime,
            path=path,
            domain=domain,
            secure=secure,
            httponly=httponly,
            samesite=samesite,
        )
        key = (name, domain, path)
        # One call for each change, for an error page forgets those that came before it.
        self._pending[key] = line
        self._response.at_head(partial(self._send, key))
        if lifetime is not None and _seconds(name, lifetime) == 0:
            self._values.pop(name, None)
        else:
            self._values[name] = val

    def _send(self, key: tuple[str, str | None, str]) -> None:
        line = self._pending.pop(key, None)
        if line is not None:
            self._response.add("Set-Cookie", line)

    def remove(self, name: str, path: str = "/", domain: str | None = None) -> None:
        """Have the client forget it; ``path`` and ``domain`` as it was set.  It need not be there."""
        self.set(name, "", "now", path, domain)

    def clear(self) -> None:
        """Remove all that the client has sent, and those set since."""
        for name in tuple(self._values):
            # Others no browser keeps, and what does not come from one need not forget.
            if _TOKEN.fullmatch(name) and len(name) <= _REMOVABLE_MAX:
                self.remove(name)
        self._values.clear()

    def has_key(self, name: str) -> bool:
        """As ``name in was.cookie``."""
        return name in self._values

    def __getitem__(self, name: str) -> str:
        return self._values[name]

    def __setitem__(self, name: str, val: str) -> None:
        self.set(name, val)

    def __delitem__(self, name: str) -> None:
        if name not in self._values:
            raise KeyError(name)
        self.remove(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"<cookies {', '.join(self._values) or 'none'}>"
