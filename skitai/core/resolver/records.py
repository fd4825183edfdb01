"""What the records of an answer say about a name.

c-ares has seen to it that an answer belongs to its question.  Which of the records in it are about the name
is seen to here: those of its own, or of the name at the end of its chain of aliases (RFC 1034 section 3.6.2).
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from skitai._lazy import LazyModule
from skitai.core.resolver.answers import Address, Service

if TYPE_CHECKING:
    import pycares
else:
    pycares = LazyModule("pycares")

__all__ = ["Expiry", "ipv4_of", "ipv6_of", "services_of"]

#: From the seconds of a record to the time until which it may be kept.
Expiry = Callable[[int], float]

_LONGEST = 0x7FFFFFFF

Data = TypeVar("Data")


def ipv4_of(result: pycares.DNSResult, name: str, expiry: Expiry) -> list[Address]:
    found, seconds = _about(result, name, pycares.ARecordData)
    return [Address(socket.AF_INET, data.addr, expiry(seconds)) for data in found]


def ipv6_of(result: pycares.DNSResult, name: str, expiry: Expiry) -> list[Address]:
    found, seconds = _about(result, name, pycares.AAAARecordData)
    return [Address(socket.AF_INET6, data.addr, expiry(seconds)) for data in found]


def services_of(result: pycares.DNSResult, name: str, expiry: Expiry) -> list[Service]:
    """Without those whose target is the root, which means that there is no such service (RFC 2782)."""
    found, seconds = _about(result, name, pycares.SRVRecordData)
    services = [
        Service(_plain(data.target), data.port, data.priority, data.weight, expiry(seconds)) for data in found
    ]
    return [service for service in services if service.host]


def _about(result: pycares.DNSResult, name: str, kind: type[Data]) -> tuple[list[Data], int]:
    """The records of this kind, and the shortest time to live of all that led to them."""
    aliases = {
        _plain(record.name): (_plain(record.data.cname), _seconds(record))
        for record in result.answer
        if isinstance(record.data, pycares.CNAMERecordData)
    }
    owner = _plain(name)
    lives = []
    while owner in aliases:
        owner, seconds = aliases.pop(owner)  # so that a ring ends
        lives.append(seconds)
    found: list[Data] = []
    for record in result.answer:
        if isinstance(record.data, kind) and _plain(record.name) == owner:
            found.append(record.data)
            lives.append(_seconds(record))
    return found, min(lives, default=0)


def _plain(name: str) -> str:
    return name.lower().rstrip(".")


def _seconds(record: pycares.DNSRecord) -> int:
    """RFC 2181 section 8: a time with the highest bit set is none."""
    return record.ttl if record.ttl <= _LONGEST else 0
