"""Which address to try first."""

from __future__ import annotations

import random
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skitai.core.resolver.ordering import arranged, source_address


def hosts(*texts: str) -> list[tuple[int, str]]:
    return [(socket.AF_INET6 if ":" in text else socket.AF_INET, text) for text in texts]


class Machine:
    """A machine with these addresses: which of them speaks to whom."""

    def __init__(self, *, four: str | None = "198.51.100.7", six: str | None = "2001:db8::7") -> None:
        self.own = {socket.AF_INET: four, socket.AF_INET6: six}
        self.asked: list[str] = []

    def source(self, family: int, host: str) -> str | None:
        self.asked.append(host)
        return self.own[socket.AddressFamily(family)]


def order(*texts: str, machine: Machine | None = None) -> list[str]:
    return [text for _, text in arranged(hosts(*texts), (machine or Machine()).source)]


def test_ipv6_first_and_families_in_turns() -> None:
    given = ("192.0.2.1", "192.0.2.2", "192.0.2.3", "2001:db8::1", "2001:db8::2")
    assert order(*given) == ["2001:db8::1", "192.0.2.1", "2001:db8::2", "192.0.2.2", "192.0.2.3"]


def test_the_order_of_servers_is_kept_within_a_family() -> None:
    given = [f"192.0.2.{number}" for number in random.Random(7).sample(range(256), 50)]
    assert order(*given) == given


def test_what_there_is_no_way_to_comes_last() -> None:
    given = ("2001:db8::1", "192.0.2.1", "192.0.2.2")
    assert order(*given, machine=Machine(six=None)) == ["192.0.2.1", "192.0.2.2", "2001:db8::1"]
    assert order(*given, machine=Machine(four=None)) == ["2001:db8::1", "192.0.2.1", "192.0.2.2"]
    assert sorted(order(*given, machine=Machine(four=None, six=None))) == sorted(given)


@pytest.mark.parametrize(
    ("given", "machine"),
    [
        # RFC 6724 section 10.2, as far as the rules that are followed decide.
        (("2001:db8:1::1", "198.51.100.121"), Machine(six="2001:db8:1::2", four="169.254.13.78")),
        (("198.51.100.121", "2001:db8:1::1"), Machine(six="fe80::1", four="198.51.100.117")),
        (("2001:db8:1::1", "10.1.2.3"), Machine(six="2001:db8:1::2", four="10.1.2.4")),
        (("198.51.100.121", "2002:c633:6401::1"), Machine(six="2001:db8:1::2", four="198.51.100.117")),
        # A site's own IPv6 (fc00::/7) from an address of the world: IPv4 is likelier to work.
        (("192.0.2.1", "fd00::1"), Machine()),
        # Teredo and 6to4 behind IPv4.
        (("192.0.2.1", "2001::1"), Machine()),
        (("192.0.2.1", "2002:102:304::1"), Machine(six="2002:102:304::7")),
    ],
)
def test_rules(given: tuple[str, ...], machine: Machine) -> None:
    assert order(*given, machine=machine) == list(given)
    assert order(*reversed(given), machine=machine) == list(given)


def test_the_system_is_asked_once_for_each_kind() -> None:
    machine = Machine()
    many = [f"192.0.2.{number}" for number in range(200)] + [f"2001:db8::{number:x}" for number in range(200)]
    assert len(order(*many, "::1", machine=machine)) == 401
    assert len(machine.asked) == 3


def test_a_single_one_needs_no_order() -> None:
    machine = Machine()
    assert order("192.0.2.1", machine=machine) == ["192.0.2.1"]
    assert machine.asked == []


def test_none_twice() -> None:
    assert order("192.0.2.1", "192.0.2.2", "192.0.2.1") == ["192.0.2.1", "192.0.2.2"]


def test_link_local_addresses_have_a_zone() -> None:
    assert order("fe80::1%1", "fe80::1%2") == ["fe80::1%1", "fe80::1%2"]


def test_the_way_to_this_machine() -> None:
    assert source_address(socket.AF_INET, "127.0.0.1") == "127.0.0.1"


def test_no_way() -> None:
    # A scope that no interface has.
    assert source_address(socket.AF_INET6, "fe80::1%4000000") is None


ADDRESSES = st.ip_addresses().map(str)


@given(st.lists(ADDRESSES, max_size=20), st.booleans(), st.booleans())
def test_nobody_gets_lost(texts: list[str], has_four: bool, has_six: bool) -> None:
    machine = Machine(four="198.51.100.7" if has_four else None, six="2001:db8::7" if has_six else None)
    assert sorted(order(*texts, machine=machine)) == sorted(set(texts))
