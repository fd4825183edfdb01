"""Forged requests of other sites (CSRF), and how a form shows that it is ours.

A secret in the session is given to each page in a form that differs every time:

    token = base64url( mask, 32 random bytes | mask XOR secret )

so that a compressed page that shows it among data of an attacker's choice does not give it away
(BREACH).  A request that changes something must send it back in the field ``_csrf_token`` of its
form or in the header ``X-CSRF-Token``; and where the browser says whence the request came
(``Sec-Fetch-Site``, ``Origin``), that must be this site.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets
from collections.abc import Callable
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from skitai.errors import HTTPError
from skitai.saddle.sessions import Session
from skitai.was import Services

__all__ = [
    "FIELD",
    "Html",
    "check_csrf",
    "csrf_exempt",
    "csrf_input",
    "csrf_mark",
    "csrf_protect",
    "csrf_token",
]

FIELD: Final = "_csrf_token"
_HEADER: Final = "HTTP_X_CSRF_TOKEN"
_PRIVATE: Final = "csrf"
_SIZE: Final = 32
_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
_MARK: Final = "skitai_csrf"

Function = TypeVar("Function", bound=Callable[..., Any])


class Html(str):
    """Text that templates take as it is."""

    __slots__ = ()

    def __html__(self) -> str:
        return self


def csrf_protect(function: Function) -> Function:
    """Have this handler need a token.  Stands below ``@app.route``."""
    setattr(function, _MARK, True)
    return function


def csrf_exempt(function: Function) -> Function:
    """Have this handler need none, for its clients are no browsers.  Stands below ``@app.route``."""
    setattr(function, _MARK, False)
    return function


def csrf_mark(function: Callable[..., Any]) -> bool | None:
    """What was said about this very function; None: nothing."""
    mark: bool | None = getattr(function, _MARK, None)
    return mark


def csrf_token(session: Session | None) -> str:
    """``was.csrf_token``: a token for one page.

    Raises:
        RuntimeError: the application has no sessions.
    """
    secret = _secret(_required(session))
    if secret is None:
        secret = secrets.token_bytes(_SIZE)
        _required(session).keep(_PRIVATE, secret.hex())
    mask = secrets.token_bytes(_SIZE)
    return base64.urlsafe_b64encode(mask + _xor(mask, secret)).rstrip(b"=").decode("ascii")


def csrf_input(token: str) -> Html:
    """``was.csrf_token_input``: the hidden field of a form."""
    return Html(f'<input type="hidden" name="{FIELD}" value="{token}">')


def check_csrf(services: Services) -> None:
    """Refuse a request that changes something and is not shown to come from a page of ours.

    Raises:
        HTTPError: 403.
        RuntimeError: the application has no sessions.
    """
    environ = services.env
    if environ["REQUEST_METHOD"] in _SAFE_METHODS:
        return
    secret = _secret(_required(services.session))
    _check_origin(environ)
    given = environ.get(_HEADER) or services.request.form().get(FIELD)
    if secret is None or not isinstance(given, str) or not _is_token_of(given, secret):
        raise HTTPError(403, "The form has expired, or was not one of this site. Load its page again.")


def _required(session: Session | None) -> Session:
    if session is None:
        raise RuntimeError("CSRF tokens are kept in the session, and there is none: set app.securekey")
    return session


def _secret(session: Session) -> bytes | None:
    kept = session.private.get(_PRIVATE)
    return None if kept is None else bytes.fromhex(kept)


def _check_origin(environ: dict[str, Any]) -> None:
    """Browsers send these two, and no page can make them lie."""
    site = environ.get("HTTP_SEC_FETCH_SITE", "same-origin")
    origin = environ.get("HTTP_ORIGIN")
    # The scheme is not compared: behind a proxy that ends TLS we may not know it.
    if site not in ("same-origin", "none") or (
        origin is not None and _host(origin) != environ.get("HTTP_HOST")
    ):
        raise HTTPError(403, "The request came from a page of another site.")


def _host(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return None


def _is_token_of(token: str, secret: bytes) -> bool:
    try:
        raw = base64.urlsafe_b64decode(token.encode("ascii") + b"=" * (-len(token) % 4))
    except (UnicodeEncodeError, binascii.Error):
        return False
    return len(raw) == 2 * _SIZE and hmac.compare_digest(_xor(raw[:_SIZE], raw[_SIZE:]), secret)


def _xor(left: bytes, right: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(left, right, strict=True))
