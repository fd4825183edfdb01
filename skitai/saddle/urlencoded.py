"""application/x-www-form-urlencoded, read as the URL Standard says (WHATWG URL, section 5.1).

Split at ``&``, empty pieces left out; split at the first ``=``; ``+`` is a space; then
percent-decoded and decoded, bytes that are none in the charset become U+FFFD.  The charset is UTF-8
unless the field ``_charset_`` names another that forms may have (HTML, section 4.10.22.8: browsers
write there what they have encoded in), or the Content-Type does.
"""

from __future__ import annotations

from urllib.parse import unquote_to_bytes

from skitai.core.contenttype import known_charset
from skitai.errors import HTTPError

__all__ = ["parse_urlencoded"]


def parse_urlencoded(data: bytes, fields_max: int, charset: str = "utf-8") -> list[tuple[str, str]]:
    """Names and values in their order.

    Raises:
        HTTPError: 413, they are more than ``fields_max``.
    """
    if data.count(b"&") >= fields_max:
        raise HTTPError(413, f"The form has more fields than form_fields_max allows ({fields_max}).")
    fields: list[tuple[bytes, bytes]] = []
    for piece in data.split(b"&"):
        if piece:
            name, _, value = piece.replace(b"+", b" ").partition(b"=")
            fields.append((unquote_to_bytes(name), unquote_to_bytes(value)))
    for name, value in fields:
        if name == b"_charset_":
            charset = known_charset(value.decode("latin-1")) or charset
            break
    return [(name.decode(charset, "replace"), value.decode(charset, "replace")) for name, value in fields]
