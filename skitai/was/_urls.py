"""URLs as people write them: whom to ask, and what for.

    "http://search.example:8080/find me?q=ü#top"     asks search.example, port 8080, for /find%20me?q=%C3%BC
    "@search/find?q=1"                               asks a member of the cluster ``search``

What may not stand in a request is percent-encoded once, and what is encoded already is left (``%20``; a lone
``%`` is ``%25``).  Names in other scripts become IDNA.  ``user:password@`` are credentials, no part of the
address; the fragment is not sent at all.  What can only be a mistake is a ValueError that says how to mend
it: better than a request to somewhere else.

Pure functions, any thread.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple, NoReturn, TypeAlias
from urllib.parse import unquote, urlencode

from skitai.core.outbound.request import Origin, TLSOptions
from skitai.core.resolver.names import ascii_name
from skitai.errors import ResolveError

__all__ = ["Fields", "Site", "as_utf8", "form_text", "items_of", "split_url", "with_query"]

#: Names and values, of a form or a query.
Fields: TypeAlias = Mapping[str, Any] | Iterable[tuple[str, Any]]

# pchar and "/" of RFC 3986 section 3.3; a query may have "?" too.
_KEPT: Final = r"A-Za-z0-9\-._~!$&'()*+,;=:@/"
_ENCODED: Final = f"[{_KEPT}]*(?:%[0-9A-Fa-f]{{2}}[{_KEPT}]*)*"
_ENCODED_QUERY: Final = f"[{_KEPT}?]*(?:%[0-9A-Fa-f]{{2}}[{_KEPT}?]*)*"
#: Nothing needs to be done about the path and the query of such a URL, and there is no fragment.
_CLEAN: Final = re.compile(rf"(https?://[^/?#@\\\s]+|@[^/?#@\\\s]+)(/{_ENCODED}(?:\?{_ENCODED_QUERY})?)?")
_PARTS: Final = re.compile(r"(@[^/?#@\\]+|[A-Za-z][A-Za-z0-9+.\-]*://[^/?#\\]*)((?:[/?#].*)?)", re.DOTALL)
_SITE: Final = re.compile(r"([^:]+)://(?:(.*)@)?(.*)", re.DOTALL)
_TO_QUOTE: Final = re.compile(rf"[^{_KEPT}%]|%(?![0-9A-Fa-f]{{2}})".encode())
_TO_QUOTE_IN_QUERY: Final = re.compile(rf"[^{_KEPT}?%]|%(?![0-9A-Fa-f]{{2}})".encode())
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
# "%25" is how RFC 6874 writes the "%" of a scope.
_LITERAL: Final = re.compile(r"\[([0-9A-Fa-f:.]+)(?:%(?:25)?([A-Za-z0-9._~\-]+))?\](?::([0-9]*))?")

_PORTS: Final = {"http": 80, "https": 443}
_VERIFIED: Final = TLSOptions()


class Site(NamedTuple):
    """What stands before the path.  ``user`` is None where there are no credentials."""

    origin: Origin
    user: str | None = None
    password: str = ""


def split_url(url: str) -> tuple[Site, str]:
    """Whom to ask, and the target: path and query as they are sent.

    A cluster's origin has the host ``@name``; who it is, and whether by TLS, the cluster knows.

    Raises:
        TypeError: it is no text.
        ValueError: it is no such address.
    """
    if not isinstance(url, str):
        raise TypeError(f"a URL is a str, not {type(url).__name__}: {url!r}")
    clean = _CLEAN.fullmatch(url)
    if clean is not None:
        return _site(clean[1]), clean[2] or "/"
    text = url.strip()
    if _CONTROL.search(text):
        _refuse(url, "has a control character in it: percent-encode what belongs to it")
    parts = _PARTS.fullmatch(text)
    if parts is None:
        _refuse(url, "does not say whom to ask: write http://host/path, https://host/path or @cluster/path")
    before, rest = parts.groups()
    path, mark, query = rest.partition("#")[0].partition("?")
    target = _quoted(_TO_QUOTE, path or "/", url)
    return _site(before), f"{target}?{_quoted(_TO_QUOTE_IN_QUERY, query, url)}" if mark else target


def with_query(target: str, params: Fields | str) -> str:
    """``target`` with ``params`` behind the query that it has: names and values, or a query as it is."""
    query = _quoted(_TO_QUOTE_IN_QUERY, params, params) if isinstance(params, str) else form_text(params)
    if not query:
        return target
    return f"{target}{'&' if '?' in target else '?'}{query}"


def form_text(fields: Fields) -> str:
    """``application/x-www-form-urlencoded``, in UTF-8; bytes are taken as they are."""
    return urlencode(list(_pairs_of(fields)))


def _pairs_of(fields: Fields) -> Iterator[tuple[str, Any]]:
    """Names and single values: several values give their name several times, None gives nothing."""
    for name, value in items_of(fields):
        for one in value if isinstance(value, (list, tuple)) else (value,):
            if one is not None:
                yield name, one


def items_of(fields: Any) -> Iterator[tuple[str, Any]]:
    """Names and values.

    Raises:
        TypeError: they are neither a mapping nor pairs.
    """
    if not isinstance(fields, Iterable) or isinstance(fields, (str, bytes)):
        raise TypeError(f"fields are a dict, or pairs of a name and a value, not {type(fields).__name__}")
    for item in fields.items() if isinstance(fields, Mapping) else fields:
        if not isinstance(item, (tuple, list)) or len(item) != 2 or not isinstance(item[0], str):
            raise TypeError(f"fields are a dict, or pairs of a name and a value, not of {item!r:.80}")
        yield item[0], item[1]


def as_utf8(field: str) -> str:
    """A field of an answer as UTF-8, if it is: as browsers read Location, and RFC 7616 names of realms."""
    try:
        return field.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return field


@lru_cache(maxsize=1024)
def _site(text: str) -> Site:
    if text.startswith("@"):
        return Site(Origin("http", text, 80))
    match = _SITE.fullmatch(text)
    assert match is not None  # as both patterns above end before the path
    scheme, credentials, address = match.groups()
    scheme = scheme.lower()
    if scheme not in _PORTS:
        _refuse(text, "has another scheme than http and https")
    host, port = _host_and_port(text, address)
    tls = _VERIFIED if scheme == "https" else None
    origin = Origin(scheme, host, _PORTS[scheme] if port is None else port, tls)
    if credentials is None:
        return Site(origin)
    user, _, password = credentials.partition(":")
    return Site(origin, unquote(user), unquote(password))


def _host_and_port(url: str, address: str) -> tuple[str, int | None]:
    if address.startswith("["):
        return _literal(url, address)
    host, _, port = address.partition(":")
    if not host:
        _refuse(url, "has no host")
    try:
        name = ascii_name(host)
    except ResolveError as error:
        _refuse(url, f"has a host that is none: {error}")
    return name, _port(url, port)


def _literal(url: str, address: str) -> tuple[str, int | None]:
    match = _LITERAL.fullmatch(address)
    if match is None:
        _refuse(url, f"has a host that is no IPv6 address in brackets: {address!r}")
    host, scope, port = match.groups()
    try:
        ipaddress.IPv6Address(host)
    except ValueError as error:
        _refuse(url, f"has a host that is no IPv6 address: {error}")
    return (f"{host}%{scope}" if scope else host).lower(), _port(url, port or "")


def _port(url: str, text: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) <= 5 and 0 < int(text) < 65536):
        _refuse(url, f"has a port that is none: {text!r} (1 to 65535)")
    return int(text)


def _quoted(pattern: re.Pattern[bytes], text: str, url: str) -> str:
    try:
        encoded = text.encode()
    except UnicodeEncodeError:
        _refuse(url, "has half a surrogate pair in it")
    return pattern.sub(lambda found: b"%%%02X" % found[0][0], encoded).decode("ascii")


def _refuse(url: str, fault: str) -> NoReturn:
    # Nobody's password shall be in a log.
    shown = re.sub(r"//[^/@]*@", "//…@", url)
    raise ValueError(f"the URL {shown!r} {fault}")
