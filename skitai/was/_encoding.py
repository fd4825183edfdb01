"""From the arguments of a call to the `Request` that is sent.

    build("post", "http://host/path", {"user": "Hans Roh"}, headers={"X-Trace": "1"})
    build("get", "@search/find", params={"q": "Mozart"})

    argument               is sent                                       Content-Type, if none is given
    bytes, str             as it is, str in UTF-8                        none
    dict, pairs            as a form                                     application/x-www-form-urlencoded
    a file, an iterable    as it is (`_bodies`)                          none
    upload, or files=      as a form with files (`_multipart`)           multipart/form-data
    json=                  as JSON                                       application/json

Here the request is made and nothing of it sent; times and sizes the call fills in.  What is wrong in the
arguments is raised here, at the line that says it, as a ValueError or TypeError.

The caller's thread; it is run for every call, so the common case is short.
"""

from __future__ import annotations

import json as json_module
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeAlias

from skitai._constants import VERSION
from skitai.core.outbound.decoding import ACCEPTED
from skitai.core.outbound.request import IDEMPOTENT, Origin, Request, TLSOptions
from skitai.was._bodies import FilePart, Pieces, gathered, is_file, of_file
from skitai.was._cookies import cookie_field
from skitai.was._credentials import Auth, credentials_of
from skitai.was._followups import REDIRECTS_MAX, FollowUp
from skitai.was._multipart import multipart
from skitai.was._proxies import Proxy, proxy_of
from skitai.was._urls import Fields, form_text, split_url, with_query

__all__ = ["HeaderFields", "build"]

HeaderFields: TypeAlias = Mapping[str, Any] | Iterable[tuple[str, Any]]

#: What every request says.
_DEFAULTS: Final = [
    ("Accept", "*/*"),
    ("Accept-Encoding", ACCEPTED),
    ("User-Agent", f"Skitai/{VERSION}"),
]
#: The body decides these (RFC 9112 section 6), whatever a caller has copied from somewhere.
_DECIDED: Final = frozenset({"content-length", "transfer-encoding"})
_TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_BAD_VALUE: Final = re.compile(r"[^\t\x20-\x7e\x80-\xff]")

_FORM: Final = "application/x-www-form-urlencoded"
_JSON: Final = "application/json"
#: POST, and its body is multipart/form-data whatever it is made of.
_UPLOAD: Final = "UPLOAD"


def build(
    verb: str,
    url: str,
    data: Any = None,
    *,
    json: Any = None,
    params: Fields | str | None = None,
    files: Fields | None = None,
    headers: HeaderFields | None = None,
    auth: Auth | None = None,
    cookies: Any = None,
    redirects: bool | int = False,
    proxy: Proxy = None,
    verify: bool = True,
    cafile: str = "",
    certfile: str = "",
    keyfile: str = "",
    server_name: str = "",
) -> Request:
    """What ``was.<verb>(url, data, …)`` sends.

    Args:
        verb: a method in any case, or ``upload``.
        url: an address, or ``@cluster/path``.
        data, json, files: the body; see above.
        params: names and values behind the query of the URL.
        headers: in place of ours, or besides; one that is None is not sent.
        auth: ``(user, password)``, ``"user:password"`` or ``(user, password, "basic" | "digest")``.
        cookies: a dict, which is sent, or an `http.cookiejar.CookieJar`, which is kept up to date.
        redirects: how many are followed; True is 10.
        proxy: ``"environment"``, or the URL of one.
        verify, cafile, certfile, keyfile, server_name: `TLSOptions`.

    Raises:
        TypeError, ValueError: an argument that cannot be sent.
    """
    verb = verb.upper()
    site, target = split_url(url)
    origin, user, password = site
    if params is not None:
        target = with_query(target, params)
    if verify is not True or cafile or certfile or keyfile or server_name or proxy is not None:
        if not isinstance(verify, bool):
            raise TypeError(f"verify is True or False, not {verify!r}; authorities to believe are cafile=")
        tls = TLSOptions(verify, cafile, certfile, keyfile, server_name)
        origin = _by_way_of(origin, tls, proxy)
    body, kind = _body(verb, data, json, files)
    if headers is None and not kind and cookies is None:
        fields = list(_DEFAULTS)
    else:
        fields = _fields(headers, kind, cookies)
    method = "POST" if verb == _UPLOAD else verb
    request = Request(method, origin, target, fields, body, repeatable=method in IDEMPOTENT)
    if auth is None and user is not None:
        auth = user, password
    jar = _jar(cookies)
    if auth is not None or redirects or jar is not None:
        if not isinstance(redirects, int):
            raise TypeError(f"redirects is True or how many are followed, not {redirects!r}")
        request.after = FollowUp(
            None if auth is None else credentials_of(auth),
            REDIRECTS_MAX if redirects is True else int(redirects),
            jar,
            proxy,
        )
    return request


def _by_way_of(origin: Origin, tls: TLSOptions, proxy: Proxy) -> Origin:
    """What is said of TLS matters where it is spoken; whether to a cluster, only the cluster knows."""
    if origin.tls is not None or origin.host.startswith("@"):
        origin = origin._replace(tls=tls)
    return origin._replace(proxy=proxy_of(origin, proxy))


def _body(verb: str, data: Any, json: Any, files: Fields | None) -> tuple[bytes | Pieces, str]:
    """The body, and the Content-Type that it has by itself."""
    if json is not None:
        if data is not None or files is not None:
            raise ValueError("json= is a whole body: it cannot go with data= or files=")
        return json_module.dumps(json, allow_nan=False, separators=(",", ":")).encode(), _JSON
    if files is not None or verb == _UPLOAD:
        return multipart(() if data is None else data, () if files is None else files)
    if data is None:
        return b"", ""
    if isinstance(data, (str, bytes, bytearray, memoryview)):
        return data.encode() if isinstance(data, str) else bytes(data), ""
    if is_file(data):
        return _whole(of_file(data)), ""
    if isinstance(data, Mapping) or _are_pairs(data):
        return form_text(data).encode(), _FORM
    if isinstance(data, Iterable):
        return _whole(gathered(data)), ""
    raise TypeError(
        f"data is str, bytes, a dict, pairs, a file or an iterable of bytes, not {type(data).__name__}"
    )


def _whole(content: bytes | FilePart) -> bytes | Pieces:
    return content if isinstance(content, bytes) else Pieces([content])


def _are_pairs(data: Any) -> bool:
    return isinstance(data, (list, tuple)) and all(
        isinstance(item, (list, tuple)) and len(item) == 2 for item in data
    )


def _jar(cookies: Any) -> Any:
    if cookies is None or isinstance(cookies, Mapping):
        return None
    if not hasattr(cookies, "add_cookie_header"):
        raise TypeError(f"cookies are a dict or an http.cookiejar.CookieJar, not {type(cookies).__name__}")
    return cookies


def _fields(headers: Any, kind: str, cookies: Any) -> list[tuple[str, str]]:
    """Our fields, but for those that ``headers`` have, and these."""
    # Whatever else is said, only our multipart/form-data has the boundary.
    decided = _DECIDED | {"content-type"} if kind.startswith("multipart/") else _DECIDED
    given: list[tuple[str, str]] = []
    named: set[str] = set()
    for name, value in _items(headers):
        if not isinstance(name, str) or not _TOKEN.fullmatch(name):
            raise ValueError(f"{name!r} is no name of a header: letters, digits and hyphens are")
        if name.lower() in decided:
            continue
        named.add(name.lower())
        if value is not None:
            given.append((name, _value(name, value)))
    if kind and "content-type" not in named:
        given.append(("Content-Type", kind))
    if isinstance(cookies, Mapping):
        given.append(("Cookie", cookie_field(cookies)))
    return [field for field in _DEFAULTS if field[0].lower() not in named] + given


def _items(headers: Any) -> Iterable[tuple[Any, Any]]:
    if headers is None:
        return ()
    if isinstance(headers, Mapping):
        return headers.items()
    fields = list(headers)
    if not _are_pairs(fields):
        raise TypeError(f"headers are a dict, or pairs of a name and a value, not {headers!r:.80}")
    return fields


def _value(name: str, value: Any) -> str:
    if isinstance(value, bytes):
        text = value.decode("latin-1")
    elif isinstance(value, (str, int, float)):
        text = str(value)
    else:
        raise TypeError(f"the header {name} is {type(value).__name__}: give str, bytes or a number")
    text = text.strip(" \t")
    if _BAD_VALUE.search(text):
        raise ValueError(
            f"the header {name} has a character that no header can carry: {text!r:.80} (line ends never can; "
            f"other scripts by the header's own rules, mostly percent-encoding)"
        )
    return text
