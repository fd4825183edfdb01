"""Percent-decoding of request targets (RFC 3986 section 2.1), the plain Python twin."""

from __future__ import annotations

from urllib.parse import unquote_to_bytes

__all__ = ["percent_decode"]


def percent_decode(data: str) -> bytes:
    """The bytes that ``data`` stands for: ``%41`` becomes ``A``, the rest stays as it is.

    ``data``: latin-1 characters, as a request head gives them.  An escape that is not two
    hexadecimal digits is left as it stands, for the application to judge.  Raises
    ``ValueError`` for a character beyond latin-1.  Safe in any thread.
    """
    try:
        raw = data.encode("latin-1")
    except UnicodeEncodeError as error:
        raise ValueError(
            f"percent_decode: character U+{ord(data[error.start]):04X} at index {error.start} is not latin-1"
        ) from None
    return unquote_to_bytes(raw)
