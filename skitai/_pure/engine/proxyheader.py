"""The header of the PROXY protocol, versions 1 and 2: whom a proxy in front speaks for.

haproxy's proxy-protocol.txt, sections 2.1 and 2.2.  Bytes in, an address out; what is not exactly as it says
there is an error, for a header that two sides read in two ways lets clients choose their addresses.
"""

from __future__ import annotations

import re
import socket
import struct
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple

__all__ = ["Announced", "NotAnnounced", "read_header"]

_SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
_LINE_MAX = 107
#: Addresses and whatever a proxy adds behind them; section 2.2.6 has some hundred bytes of it.
_MORE_MAX = 4096
_FIXED = 16
_LINE = re.compile(rb"PROXY TCP([46]) ([0-9A-Fa-f.:]{2,45}) ([0-9A-Fa-f.:]{2,45}) ([0-9]{1,5}) ([0-9]{1,5})")
_LOCAL, _PROXY = 0x20, 0x21
#: Over TCP: the family, and how long one of its two addresses is.
_FAMILIES = {0x11: (socket.AF_INET, 4), 0x21: (socket.AF_INET6, 16)}


class NotAnnounced(Exception):
    """The bytes are no such header."""


class Announced(NamedTuple):
    """``size``: of the header in bytes; ``peer``: the client's address and port, None where the proxy speaks
    for itself or does not know."""

    size: int
    peer: tuple[str, int] | None


def read_header(data: bytes) -> Announced | None:
    """What ``data`` begins with; None: it is not all there yet.  Raises NotAnnounced."""
    if data.startswith(_SIGNATURE[: len(data)]):
        return _binary(data)
    if data.startswith(b"PROXY "[: len(data)]):
        return _line(data)
    raise NotAnnounced("a connection begins without a header of the PROXY protocol")


def _line(data: bytes) -> Announced | None:
    end = data.find(b"\r\n", 0, _LINE_MAX)
    if end < 0:
        if len(data) >= _LINE_MAX:
            raise NotAnnounced("a line of the PROXY protocol does not end")
        return None
    line, size = data[:end], end + 2
    if line.startswith(b"PROXY UNKNOWN"):
        return Announced(size, None)
    match = _LINE.fullmatch(line)
    if match is None or int(match[4]) > 65535 or int(match[5]) > 65535:
        raise NotAnnounced("a line of the PROXY protocol that says nothing")
    kind = IPv4Address if match[1] == b"4" else IPv6Address
    try:
        client, _ = kind(match[2].decode()), kind(match[3].decode())
    except ValueError:
        raise NotAnnounced("a line of the PROXY protocol without addresses") from None
    return Announced(size, (_plain(client), int(match[4])))


def _binary(data: bytes) -> Announced | None:
    if len(data) < _FIXED:
        return None
    command, family, count = struct.unpack_from("!BBH", data, len(_SIGNATURE))
    if command not in (_LOCAL, _PROXY) or count > _MORE_MAX:
        raise NotAnnounced("a header of the PROXY protocol with a version, command or length that is unknown")
    if len(data) < _FIXED + count:
        return None
    size = _FIXED + count
    if command == _LOCAL or family not in _FAMILIES:
        return Announced(size, None)
    kind, length = _FAMILIES[family]
    if count < 2 * length + 4:
        raise NotAnnounced("a header of the PROXY protocol that is shorter than its addresses")
    client = data[_FIXED : _FIXED + length]
    (port,) = struct.unpack_from("!H", data, _FIXED + 2 * length)
    return Announced(
        size, (_plain(IPv4Address(client) if kind == socket.AF_INET else IPv6Address(client)), port)
    )


def _plain(address: IPv4Address | IPv6Address) -> str:
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(address)
