"""Request heads that are whole, certainly good and simple, read in one go.

What nearly every client sends needs neither the strict reader's care for heads that are cut nor its
search for the right words of a refusal.  ``read_simple_head`` accepts only what the strict reader
(``heads.py``, ``fields.py``, ``framing.py``) would read in the same way, and leaves every error and
every odd case to it.  So there is one truth about what is refused, and a mistake here can only be
to accept too much: ``tests/pure/test_heads.py`` looks for that, here and in the compiled twin.

A head is simple if it has a method other than CONNECT, a target in origin-form, HTTP/1.0 or
HTTP/1.1, and no empty line in front; one Host, without percent-escapes and IP-literals; at most one
Content-Length, of 1 to 18 digits; at most one Connection, "keep-alive" or "close"; no
Transfer-Encoding, no Expect, no Upgrade; and nothing beyond the limits.
"""

from __future__ import annotations

from skitai._pure.http1.events import RequestHead
from skitai._pure.http1.grammar import FIELD, SIMPLE_HOST, SIMPLE_LENGTH, SIMPLE_REQUEST_LINE
from skitai.limits import Limits

__all__ = ["read_simple_head"]

#: Fields that frame the message or route it: once each, or the head is not simple.
_FRAMING = frozenset({"host", "content-length", "connection"})
#: With one of these it never is.
_NEVER_SIMPLE = frozenset({"transfer-encoding", "expect", "upgrade"})
_KEEP_ALIVE = {"keep-alive": True, "close": False}
#: Values of Host that are simple, and their lower case: clients name few.  Bounded in number and length.
_hosts: dict[str, str] = {}
_HOSTS_MAX = 1024
_HOST_LENGTH_MAX = 255


def read_simple_head(data: bytes, start: int, limits: Limits) -> tuple[RequestHead, int] | None:
    """The simple head that begins at ``data[start]`` and the number of its bytes.

    ``None`` if there is none for certain: let the strict reader read.
    """
    end = data.find(b"\r\n\r\n", start)
    if end < 0:
        return None
    text = data[start : end + 2].decode("latin-1")
    line = SIMPLE_REQUEST_LINE.match(text)
    if line is None:
        return None
    fields_start = line.end()
    fields = FIELD.findall(text, fields_start)
    # Every match is one whole line, so equal numbers mean that every line matched.
    if len(fields) != text.count("\n", fields_start) or len(fields) > limits.header_fields_max:
        return None
    # Neither the line's nor the block's last CRLF counts.
    if fields_start - 2 > limits.request_line_max or len(text) - fields_start > limits.header_block_max:
        return None
    headers = []
    framing: dict[str, str] = {}
    for name, padded in fields:
        value = padded.strip(" \t")
        headers.append((name, value))
        key = name.lower()
        if key in _FRAMING:
            if key in framing:
                return None
            framing[key] = value
        elif key in _NEVER_SIMPLE:
            return None
    host = framing.get("host", "")
    lower_host = _hosts.get(host) or _learn_host(host)
    if not lower_host:
        return None
    method, target, path, query, version = line.groups("")
    keep_alive = version == "1.1"
    if "connection" in framing:
        said = _KEEP_ALIVE.get(framing["connection"].lower())
        if said is None:
            return None
        keep_alive = said
    length = None
    if "content-length" in framing:
        if SIMPLE_LENGTH.fullmatch(framing["content-length"]) is None:
            return None
        length = int(framing["content-length"])
    head = RequestHead(
        method,
        target,
        version,
        headers,
        "origin",
        "",
        lower_host,
        path,
        query,
        length,
        False,
        keep_alive,
        False,
    )
    return head, end + 4 - start


def _learn_host(host: str) -> str:
    """What `_hosts` has to say of ``host``; empty if it is not simple."""
    if SIMPLE_HOST.fullmatch(host) is None:
        return ""
    lower = host.lower()
    if len(host) <= _HOST_LENGTH_MAX:
        if len(_hosts) >= _HOSTS_MAX:
            _hosts.clear()  # made-up names must not fill it for good
        _hosts[host] = lower
    return lower
