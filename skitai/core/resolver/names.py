"""What may be the name of a host, and what is an address already.

A name is letters, digits and hyphens, in labels of at most 63 and 253 in all (RFC 1123 section 2.1, RFC 1035
section 2.3.4); underscores too, which names of services (RFC 2782) and of containers have.  That a label does
not end with a hyphen is not asked for: such names are in use, and resolve.  Other scripts are written as IDNA
wants them: by the package idna (IDNA 2008) where it is installed, else by Python's codec (IDNA 2003).

A name whose last label is a number is none.  ``127.1`` and ``0x7f000001`` are addresses for old functions of
the C library, and not what a check of addresses saw.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from typing import TYPE_CHECKING

from skitai._lazy import LazyModule
from skitai.errors import ResolveError

if TYPE_CHECKING:
    import idna
else:
    idna = LazyModule("idna")

__all__ = ["ascii_name", "host_name", "is_local", "literal"]

_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,62})"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.?")
_NUMBER = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)\.?")
_IPV4 = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}")
_LONGEST = 253

#: Names that mean "nobody", and that must not be asked for: RFC 6761 section 6.4, RFC 7686 section 2.
_NOBODY = ("invalid", "onion")


def literal(host: str) -> tuple[int, str] | None:
    """Family and text of an address; None for what is a name, or wants to be one.  Raises ResolveError."""
    _refuse_too_long(host)
    if ":" in host:
        return socket.AF_INET6, _ipv6(host)
    if _IPV4.fullmatch(host):
        try:
            return socket.AF_INET, str(ipaddress.IPv4Address(host))
        except ValueError as error:
            raise ResolveError(f"{host!r} is no IPv4 address: {error}") from None
    return None


def _refuse_too_long(name: str) -> None:
    """Before anything else is done with it, and again in ASCII, in which other scripts are longer."""
    if len(name.removesuffix(".")) > _LONGEST:
        raise ResolveError(
            f"{name[:40]!r}... is no name: it has {len(name)} characters, and {_LONGEST} is most"
        )


def _ipv6(host: str) -> str:
    try:
        address = ipaddress.IPv6Address(host)
    except ValueError:
        raise ResolveError(f"{host!r} is no IPv6 address, and no name has a colon") from None
    scope = address.scope_id
    if scope is not None and not scope.isdigit():
        try:
            socket.if_nametoindex(scope)
        except OSError as error:
            raise ResolveError(f"{host!r}: this machine has no interface {scope!r}") from error
    return str(address)


def ascii_name(host: str) -> str:
    """``host`` in ASCII and lower case, if it is made as names are; a dot at its end is kept.

    Raises ResolveError.
    """
    _refuse_too_long(host)
    name = (host if host.isascii() else _in_ascii(host)).lower()
    _refuse_too_long(name)
    if not _NAME.fullmatch(name):
        raise ResolveError(_what_is_wrong(host, name))
    return name


def host_name(host: str) -> str:
    """`ascii_name`, if somebody can be called so.  Raises ResolveError."""
    name = ascii_name(host)
    if _NUMBER.fullmatch(name):
        raise ResolveError(
            f"{host!r} is neither a name nor an address: an IPv4 address has four decimal numbers"
        )
    if name.rstrip(".").rpartition(".")[2] in _NOBODY:
        raise ResolveError(f"{host!r} is nobody's name, by RFC 6761 or RFC 7686")
    return name


def is_local(name: str) -> bool:
    """Whether it is this machine, whatever servers say (RFC 6761 section 6.3)."""
    bare = name.rstrip(".")
    return bare == "localhost" or bare.endswith(".localhost")


def _in_ascii(host: str) -> str:
    try:
        encode = idna.encode
    except ImportError:
        return _by_codec(host)
    try:
        return encode(host, uts46=True).decode("ascii")
    except idna.IDNAError as error:
        raise ResolveError(f"{host!r} cannot be a name: {error}") from error


def _by_codec(host: str) -> str:
    try:
        return host.encode("idna").decode("ascii")
    except UnicodeError as error:
        raise ResolveError(f"{host!r} cannot be a name: {error}") from error


def _what_is_wrong(host: str, name: str) -> str:
    if not name:
        return "there is no host: its name is empty"
    labels = name.removesuffix(".").split(".")
    for label in labels:
        if not label:
            return f"{host!r} is no name: there is nothing between two of its dots"
        if len(label) > 63:
            return f"{label[:40]!r}... of {host[:40]!r} is longer than 63 characters"
    odd = next((character for character in name if not re.match(r"[a-z0-9_.-]", character)), "-")
    return f"{host!r} is no name of a host: {odd!r} cannot stand there"
