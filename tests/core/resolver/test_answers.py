"""What is found for a name."""

from __future__ import annotations

import math
import socket

import pytest

from skitai.core.resolver import Address


@pytest.mark.parametrize(
    ("host", "sockaddr"),
    [
        ("127.0.0.1", ("127.0.0.1", 80)),
        ("::1", ("::1", 80)),
        ("fe80::1%7", ("fe80::1", 80, 0, 7)),
    ],
)
def test_the_address_of_a_socket(host: str, sockaddr: tuple[object, ...]) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    assert Address(family, host, math.inf).sockaddr(80) == sockaddr


def test_a_scope_by_name() -> None:
    index, name = socket.if_nameindex()[0]
    address = Address(socket.AF_INET6, f"fe80::1%{name}", math.inf)
    assert address.sockaddr(80) == ("fe80::1", 80, 0, index)


def test_an_interface_that_is_gone() -> None:
    with pytest.raises(OSError, match="interface"):
        Address(socket.AF_INET6, "fe80::1%gone", math.inf).sockaddr(80)
