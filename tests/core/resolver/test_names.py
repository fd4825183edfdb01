"""What may be the name of a host."""

from __future__ import annotations

import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skitai.core.resolver import names
from skitai.core.resolver.names import host_name, is_local, literal
from skitai.errors import ResolveError


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("example.com", "example.com"),
        ("Example.COM.", "example.com."),
        ("a", "a"),
        ("1.example", "1.example"),
        ("3com.com", "3com.com"),
        ("x1.0a", "x1.0a"),
        ("_sip._udp.example.com", "_sip._udp.example.com"),
        ("my_service", "my_service"),
        ("ends-.example", "ends-.example"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("BÜCHER.example", "xn--bcher-kva.example"),
        ("例え.テスト", "xn--r8jz45g.xn--zckzah"),
        ("a" * 63 + ".example", "a" * 63 + ".example"),
        (".".join(["a" * 49] * 5), ".".join(["a" * 49] * 5)),
    ],
)
def test_a_name(host: str, name: str) -> None:
    assert host_name(host) == name


@pytest.mark.parametrize(
    ("host", "why"),
    [
        ("", "empty"),
        (".", "nothing between"),
        ("a..b", "nothing between"),
        (".example", "nothing between"),
        ("a b", "' '"),
        ("a/b", "'/'"),
        ("a\r\nb", r"'\r'"),
        ("a\0b", r"'\x00'"),
        ("user@host", "'@'"),
        ("*.example", "'*'"),
        ("-a.example", "'-'"),
        ("a" * 64 + ".example", "63"),
        (".".join(["a" * 50] * 5), "253"),
        ("127.1", "four decimal numbers"),
        ("2130706433", "four decimal numbers"),
        ("0x7f000001", "four decimal numbers"),
        ("0x7f.1", "four decimal numbers"),
        ("1.2.3.4.5", "four decimal numbers"),
        ("1.2.3.4.", "four decimal numbers"),
        ("example.0x", "four decimal numbers"),
        ("printer.invalid", "RFC 6761"),
        ("hidden.onion", "RFC 7686"),
        ("ü" * 64 + ".example", "cannot be a name"),
    ],
)
def test_what_is_no_name(host: str, why: str) -> None:
    with pytest.raises(ResolveError) as caught:
        host_name(host)
    assert why in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("host", "found"),
    [
        ("127.0.0.1", (socket.AF_INET, "127.0.0.1")),
        ("::1", (socket.AF_INET6, "::1")),
        ("0:0:0:0:0:0:0:1", (socket.AF_INET6, "::1")),
        ("fe80::1%1", (socket.AF_INET6, "fe80::1%1")),
        ("example.com", None),
        ("127.1", None),
    ],
)
def test_an_address(host: str, found: tuple[int, str] | None) -> None:
    assert literal(host) == found


def test_an_ipv4_address_in_ipv6() -> None:
    found = literal("::ffff:127.0.0.1")
    assert found is not None
    assert found[0] == socket.AF_INET6
    assert socket.inet_pton(socket.AF_INET6, found[1])[-4:] == bytes([127, 0, 0, 1])


def test_a_scope_by_the_name_of_an_interface() -> None:
    index, name = socket.if_nameindex()[0]
    assert literal(f"fe80::1%{name}") == (socket.AF_INET6, f"fe80::1%{name}")
    assert index


@pytest.mark.parametrize(
    ("host", "why"),
    [
        ("fe80::1%nowhere", "no interface 'nowhere'"),
        ("::g", "no IPv6 address"),
        ("[::1]", "no IPv6 address"),
        ("host:80", "no IPv6 address"),
        ("256.0.0.1", "no IPv4 address"),
        ("010.0.0.1", "no IPv4 address"),
    ],
)
def test_what_is_no_address(host: str, why: str) -> None:
    with pytest.raises(ResolveError, match=why):
        literal(host)


def test_without_idna_python_has_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    class Missing:
        def __getattr__(self, name: str) -> object:
            raise ModuleNotFoundError("No module named 'idna'")

    monkeypatch.setattr(names, "idna", Missing())
    assert host_name("bücher.example") == "xn--bcher-kva.example"
    with pytest.raises(ResolveError, match="cannot be a name"):
        host_name("ü" * 64)


def test_this_machine() -> None:
    assert [is_local(name) for name in ("localhost", "a.localhost.", "notlocalhost", "localhost.com")] == [
        True,
        True,
        False,
        False,
    ]


@given(st.text(max_size=300))
def test_any_text_is_a_good_name_or_refused(host: str) -> None:
    try:
        name = host_name(host)
    except ResolveError:
        return
    assert host_name(name) == name
    assert name.isascii()
    assert len(name) <= 254
    assert all(1 <= len(label) <= 63 for label in name.removesuffix(".").split("."))
