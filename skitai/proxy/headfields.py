"""Heads as they go on to the next hop (RFC 9110 section 7.6).

What is for one hop only is left out: the fields that RFC 9110 section 7.6.1 names, and those that the
message's own Connection names.  The framing is each connection's own.  Who the client is, and by which name
it has asked, is said anew: what a client wrote itself, or a proxy that is not trusted, goes no further.

A member may take ``X_Forwarded_For`` for ``X-Forwarded-For``, as CGI does: such spellings of what we say
ourselves are left out too.
"""

from __future__ import annotations

import enum
import re
from functools import lru_cache

from skitai._kernels import http1
from skitai.core.forwarded import UNTRUSTED_FIELDS, ClientView

__all__ = [
    "DROPPED",
    "DROPPED_OF_ANSWERS",
    "answer_fields",
    "goes_no_further",
    "identified",
    "interim_fields",
    "is_looped",
    "named_protocols",
    "request_fields",
    "trailer_fields",
]

#: Our name in Via (RFC 9110 section 7.6.3): a pseudonym, for addresses behind it are nobody's business.
_PSEUDONYM = "skitai"
#: How often our name may stand in Via: servers of ours in a row are legion, these are a loop.
_TURNS_MAX = 8
#: Protocols that are not upgraded to: behind them a client could ask for what no route leads to, on a
#: connection that we take for one request's.
_NO_TUNNELS = ("h2", "http", "tls")
#: protocol-name ["/" protocol-version], both tokens (RFC 9110 section 7.8).  What is none, a lenient member
#: might take for one of those.
_PROTOCOL = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+(/[!#$%&'*+\-.^_`|~0-9A-Za-z]+)?")


class _Kind(enum.Enum):
    PASSED = "as it is"
    DROPPED = "for this hop only, or said anew"
    CONNECTION = "names others that are"
    TE = "may say that trailers are welcome"
    TRAILER = "only where there can be some"
    FORWARDED_FOR = "goes on with one more address"
    FORWARDED = "goes on with one more element"
    MAX_FORWARDS = "counts the hops of OPTIONS"
    WITHHELD = "goes on where a trusted proxy has said it"

    __hash__ = object.__hash__


_PASSED = _Kind.PASSED

_OF_REQUESTS = {
    "connection": _Kind.CONNECTION,
    "te": _Kind.TE,
    "trailer": _Kind.TRAILER,
    "x-forwarded-for": _Kind.FORWARDED_FOR,
    "forwarded": _Kind.FORWARDED,
    "max-forwards": _Kind.MAX_FORWARDS,
    **dict.fromkeys(
        (
            *("content-length", "expect", "host", "keep-alive", "proxy-connection", "transfer-encoding"),
            *("http2-settings", "upgrade", "x-forwarded-host", "x-forwarded-proto"),
        ),
        _Kind.DROPPED,
    ),
}
_OF_ANSWERS = {
    "connection": _Kind.CONNECTION,
    "trailer": _Kind.TRAILER,
    **dict.fromkeys(("keep-alive", "proxy-connection", "te", "transfer-encoding", "upgrade"), _Kind.DROPPED),
}


_LOOKED_AT = (_Kind.TE, _Kind.MAX_FORWARDS)
#: Fields of plain messages that stop here: of clients whom nobody speaks for, and whose Connection, as that
#: of an answer, names nothing but what it means itself; of answers Content-Length too, for their end.
DROPPED = UNTRUSTED_FIELDS | frozenset(name for name, kind in _OF_REQUESTS.items() if kind not in _LOOKED_AT)
DROPPED_OF_ANSWERS = frozenset({*_OF_ANSWERS, "content-length"})


@lru_cache(maxsize=512)  # names as they are spelt, of which there are few
def _kind_in_request(name: str) -> _Kind:
    lower = name.lower()
    plain = lower.replace("_", "-")
    kind = _OF_REQUESTS.get(plain, _Kind.WITHHELD if plain in UNTRUSTED_FIELDS else _PASSED)
    return kind if plain == lower or kind is _PASSED else _Kind.DROPPED


@lru_cache(maxsize=512)
def _kind_in_answer(name: str) -> _Kind:
    return _OF_ANSWERS.get(name.lower(), _PASSED)


def request_fields(
    head: http1.RequestHead, client: ClientView, peer: str, prefix: str, host: str
) -> http1.Headers:
    """All fields but those that the body decides.

    ``peer``: the address at the other end of the connection; ``prefix``: the part of the path that was left
    out; ``host``: the field Host, empty where it is the member's own.
    """
    fields: http1.Headers = [("Host", host)] if host else []
    named: set[str] = set()
    forwarded_for, forwarded = [], []
    for field in head.headers:
        kind = _kind_in_request(field[0])
        if kind is _PASSED:
            fields.append(field)
        elif kind is _Kind.CONNECTION:
            named.update(_items(field[1]))
        elif kind is _Kind.TE:
            if "trailers" in _items(field[1]):
                fields += [("TE", "trailers"), ("Connection", "TE")]
        elif kind is _Kind.TRAILER:
            if head.chunked:
                fields.append(field)
        elif kind is _Kind.MAX_FORWARDS:
            fields.append((field[0], _one_less(field[1])) if head.method == "OPTIONS" else field)
        elif kind is not _Kind.DROPPED and field[0].lower() not in client.withheld:
            if kind is _Kind.FORWARDED_FOR:
                forwarded_for.append(field[1])
            elif kind is _Kind.FORWARDED:
                forwarded.append(field[1])
            else:
                fields.append(field)
    if named - {"close", "keep-alive", "te", "upgrade"}:
        fields = [field for field in fields if field[0].lower() not in named or field[0] in _OURS]
    address = client.address
    if address and address != peer:
        # A trusted proxy has said it in one of the two, and goes on as the last hop in both.
        forwarded_for = forwarded_for or [address]
        forwarded = forwarded or [_element(address, client.scheme, client.host)]
    if peer:
        forwarded_for.append(peer)
    if forwarded_for:
        fields.append(("X-Forwarded-For", ", ".join(forwarded_for)))
    fields.append(("X-Forwarded-Proto", client.scheme))
    if client.host:
        fields.append(("X-Forwarded-Host", client.host))
    forwarded.append(_element(peer, client.scheme, client.host))
    if prefix:
        fields.append(("X-Forwarded-Prefix", prefix))
    fields.append(("Forwarded", ", ".join(forwarded)))
    fields.append(("Via", f"{head.http_version} {_PSEUDONYM}"))
    if head.expect_continue and head.has_body:
        fields.append(("Expect", "100-continue"))
    return fields


def identified(fields: http1.Headers, request_id: str) -> http1.Headers:
    """``fields`` of a request with its id in ``X-Request-ID``, in the place of whatever was sent."""
    others = [field for field in fields if field[0].lower().replace("_", "-") != "x-request-id"]
    return [*others, ("X-Request-ID", request_id)]


#: That Connection may name, and that are ours by then.
_OURS = frozenset({"Host", "TE", "Connection"})


@lru_cache(maxsize=256)
def _element(peer: str, scheme: str, host: str) -> str:
    """A forwarded-element (RFC 7239 section 4)."""
    node = "unknown" if not peer else f'"[{peer}]"' if ":" in peer else peer
    element = f"for={node};proto={scheme}"
    return f'{element};host="{host}"' if host else element


def answer_fields(head: http1.ResponseHead) -> http1.Headers:
    """Those of the final head; Content-Length among them, which tells the kernel how it is framed."""
    fields = _kept(head)
    fields.append(("Via", f"{head.http_version} {_PSEUDONYM}"))
    return fields


def is_looped(head: http1.RequestHead) -> bool:
    """It has come through servers of this name so often that it comes back to us (RFC 9110 section 7.6.3)."""
    turns = 0
    for name, value in head.headers:
        if len(name) == 3 and name.lower() == "via":
            turns += sum(item.split()[1:2] == [_PSEUDONYM] for item in value.split(","))
    return turns >= _TURNS_MAX


def goes_no_further(head: http1.RequestHead) -> bool:
    """An OPTIONS that is ours to answer (RFC 9110 section 7.6.2)."""
    hops = (head.get("max-forwards") or "") if head.method == "OPTIONS" else ""
    return hops != "" and hops.strip("0") == ""


def _one_less(value: str) -> str:
    """Of Max-Forwards; what is no number of hops goes on as it is."""
    return str(int(value) - 1) if value.isascii() and value.isdigit() and len(value) < 10 else value


def interim_fields(head: http1.ResponseHead) -> http1.Headers:
    """Those of a 1xx."""
    return [field for field in _kept(head) if field[0].lower() != "content-length"]


def trailer_fields(trailers: http1.Headers) -> http1.Headers:
    """Those that may go on; what frames or routes the kernel has refused (RFC 9110 section 6.5.1)."""
    return [field for field in trailers if _kind_in_request(field[0]) is _PASSED]


def named_protocols(head: http1.RequestHead) -> str:
    """What the client would like the connection to become, but for what is not passed on; mostly nothing."""
    asked = head.get("upgrade")
    if asked is None or head.has_body or head.http_version != "1.1":
        return ""
    if "upgrade" not in _items(head.get("connection") or ""):
        return ""
    protocols = [item.strip() for item in asked.split(",")]
    return ", ".join(
        name for name in protocols if _PROTOCOL.fullmatch(name) and not name.lower().startswith(_NO_TUNNELS)
    )


def _kept(head: http1.ResponseHead) -> http1.Headers:
    fields: http1.Headers = []
    named: set[str] = set()
    for field in head.headers:
        kind = _kind_in_answer(field[0])
        if kind is _PASSED:
            fields.append(field)
        elif kind is _Kind.CONNECTION:
            named.update(_items(field[1]))
        elif kind is _Kind.TRAILER and head.chunked:
            fields.append(field)
    # Content-Length is the framing that was read: to let a member take it away would be to frame anew.
    named -= {"close", "keep-alive", "upgrade", "content-length"}
    return [field for field in fields if field[0].lower() not in named] if named else fields


def _items(value: str) -> list[str]:
    return [item.strip(" \t").lower() for item in value.split(",")]
