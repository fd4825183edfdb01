"""Digest authorization (RFC 7616), what both its ends have to know: fields and how they are computed.

Saddle asks for it (`skitai.saddle.digest`), calls of ours answer (`skitai.was._credentials`).  Pure functions
of microseconds, any thread.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from typing import Final

__all__ = ["ALGORITHMS", "digest_response", "parameters_of", "quoted"]

#: Names of algorithms as they are sent, and how they compute.
ALGORITHMS: Final[dict[str, Callable[[bytes], str]]] = {
    "SHA-256": lambda data: hashlib.sha256(data).hexdigest(),
    # The protocol's word, where FIPS would not let it be used for security.
    "MD5": lambda data: hashlib.md5(data, usedforsecurity=False).hexdigest(),
}

# name=token or name="quoted", with what separates it from the next one
_PARAMETER = re.compile(
    r"""[ \t,]*([!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]*=[ \t]*"""
    r"""(?:"([^"\\]*(?:\\.[^"\\]*)*)"|([^\s",]*))[ \t]*(?:,|$)"""
)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")

#: Longer credentials, and those of more parameters, are none: the loop thread reads them.
_CREDENTIALS_MAX: Final = 16384
_PARAMETERS_MAX: Final = 32


def digest_response(
    algorithm: str,
    user: str,
    realm: str,
    password: str,
    *,
    method: str,
    uri: str,
    nonce: str,
    count: str,
    cnonce: str,
) -> str:
    """``response`` of RFC 7616 section 3.4.1 for ``qop=auth``.  Fields are text of single bytes."""
    hash_of = ALGORITHMS[algorithm]
    first = hash_of(f"{user}:{realm}:{password}".encode("utf-8", "surrogatepass"))
    second = hash_of(_bytes(f"{method}:{uri}"))
    return hash_of(_bytes(f"{first}:{nonce}:{count}:{cnonce}:auth:{second}"))


def _bytes(field: str) -> bytes:
    return field.encode("latin-1", "replace")


def parameters_of(credentials: str) -> dict[str, str] | None:
    """``name=value, name="value"``, with names in lower case.

    None if it is something else, says a name twice, or is too long.
    """
    found: dict[str, str] = {}
    position = 0
    if len(credentials) > _CREDENTIALS_MAX:
        return None
    while position < len(credentials):
        match = _PARAMETER.match(credentials, position)
        if match is None:
            return None if credentials[position:].strip(" \t,") else found
        name, in_quotes, token = match.groups()
        name = name.lower()
        if name in found or len(found) == _PARAMETERS_MAX:
            return None
        found[name] = token if in_quotes is None else _ESCAPED.sub(r"\1", in_quotes)
        position = match.end()
    return found


def quoted(text: str) -> str:
    """A quoted-string of a field, UTF-8 in the single bytes of WSGI.

    Raises:
        ValueError: ``text`` has a control character.
    """
    if _CONTROL.search(text):
        raise ValueError(f"{text!r} has a control character, which no field can carry")
    escaped = text.replace("\\", r"\\").replace('"', r"\"")
    return '"' + escaped.encode().decode("latin-1") + '"'
