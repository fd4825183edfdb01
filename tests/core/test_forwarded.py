"""Who is asking: forwarded fields count from trusted peers only, and are read from the right."""

from __future__ import annotations

import time

import pytest

from skitai._kernels import http1
from skitai.core.forwarded import UNTRUSTED_FIELDS, ClientView, TrustedProxies
from skitai.errors import ConfigError

NOBODY = TrustedProxies([])
PROXIES = TrustedProxies(["10.0.0.0/8", "192.0.2.1", "fd00::/8", "unix"])
NONE: frozenset[str] = frozenset()


def ask(
    proxies: TrustedProxies, *fields: tuple[str, str], peer: tuple[str, int] = ("10.0.0.1", 4711)
) -> ClientView:
    head = http1.RequestHead(
        method="GET",
        target="/",
        http_version="1.1",
        headers=[("Host", "own.example"), *fields],
        form="origin",
        scheme="",
        host="own.example",
        path="/",
        query="",
        content_length=None,
        chunked=False,
        keep_alive=True,
        expect_continue=False,
    )
    return proxies.resolve(*peer, head, "http")


def client(view: ClientView) -> tuple[str, int]:
    return view.address, view.port


ALL = (
    ("X-Forwarded-For", "203.0.113.7"),
    ("X-Forwarded-Proto", "https"),
    ("X-Forwarded-Host", "shop.example"),
)


# -- trust --------------------------------------------------------------------------------


@pytest.mark.parametrize("proxies", [NOBODY, PROXIES])
def test_a_stranger_says_nothing(proxies: TrustedProxies) -> None:
    for fields in (ALL, (("Forwarded", "for=1.2.3.4;proto=https;host=evil"),), ()):
        view = ask(proxies, *fields, peer=("203.0.113.99", 5000))
        assert view == ("203.0.113.99", 5000, "http", "own.example", UNTRUSTED_FIELDS)
    assert {"forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip"} <= UNTRUSTED_FIELDS


@pytest.mark.parametrize(
    "peer", ["10.0.0.1", "10.255.255.255", "192.0.2.1", "fd12::1", "::ffff:10.0.0.1", ""], ids=repr
)
def test_a_trusted_proxy_is_believed(peer: str) -> None:
    view = ask(PROXIES, *ALL, peer=(peer, 0))
    assert view == ("203.0.113.7", 0, "https", "shop.example", NONE)


@pytest.mark.parametrize("peer", ["11.0.0.1", "192.0.2.2", "fe80::1%eth0", "::1", "::ffff:11.0.0.1", "no-ip"])
def test_neighbours_of_trusted_networks_are_strangers(peer: str) -> None:
    assert ask(PROXIES, *ALL, peer=(peer, 1)).address == peer


def test_a_unix_socket_is_a_stranger_unless_named() -> None:
    assert ask(TrustedProxies(["10.0.0.0/8"]), *ALL, peer=("", 0)).address == ""


def test_a_trusted_peer_that_says_nothing_is_the_client() -> None:
    assert ask(PROXIES) == ("10.0.0.1", 4711, "http", "own.example", NONE)


@pytest.mark.parametrize("item", ["nonsense", "10.0.0.0/33", "", "example.com", "10.0.0"])
def test_items_that_are_no_address(item: str) -> None:
    with pytest.raises(ConfigError, match=r"trusted_proxies.*no address or network; write"):
        TrustedProxies([item])


# -- X-Forwarded-* ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("chain", "expected"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("1.2.3.4, 203.0.113.7", "203.0.113.7"),
        ("1.2.3.4, 203.0.113.7, 10.1.1.1, 192.0.2.1", "203.0.113.7"),
        ("10.9.9.9, 203.0.113.7, 10.1.1.1", "203.0.113.7"),
        ("10.9.9.9, 10.1.1.1", "10.9.9.9"),  # inside the house all the way
        ("203.0.113.7,,\t10.1.1.1 ,", "203.0.113.7"),
        ("<script>, 203.0.113.7", "203.0.113.7"),  # left of the client: the client's own words
    ],
)
def test_the_client_is_the_last_one_that_is_not_ours(chain: str, expected: str) -> None:
    view = ask(PROXIES, ("X-Forwarded-For", chain))
    assert view.address == expected
    assert view.withheld == NONE


def test_several_fields_are_one_list() -> None:
    fields = (("X-Forwarded-For", "1.2.3.4, 203.0.113.7"), ("x-forwarded-for", "10.1.1.1"))
    assert ask(PROXIES, *fields).address == "203.0.113.7"


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        ("203.0.113.7:8080", ("203.0.113.7", 8080)),
        ("2001:DB8::7", ("2001:db8::7", 0)),
        ("[2001:db8::7]", ("2001:db8::7", 0)),
        ("[2001:db8:0:0::7]:8080", ("2001:db8::7", 8080)),
        ("::ffff:203.0.113.7", ("203.0.113.7", 0)),
        ("[::ffff:203.0.113.7]:1", ("203.0.113.7", 1)),
    ],
)
def test_ways_to_write_an_address(node: str, expected: tuple[str, int]) -> None:
    assert client(ask(PROXIES, ("X-Forwarded-For", node))) == expected
    assert client(ask(PROXIES, ("Forwarded", f'for="{node}"'))) == expected


@pytest.mark.parametrize(
    "node",
    [
        "unknown",
        "_hidden",
        "localhost",
        "999.1.1.1",
        "1.2.3",
        "0x7f.1",
        "127.1",
        "1.2.3.4:99999",
        "1.2.3.4:",
        "1.2.3.4 5.6.7.8",
        "fe80::1%eth0",
        "[::1",
        "::1]",
        "[1.2.3.4]x",
        "1.2.3.4\x00",
        "\u0661.2.3.4",
        "1.2.3.4/8",
        "a" * 60000,
    ],
    ids=lambda node: ascii(node[:20]),
)
def test_what_is_no_address_ends_the_walk(node: str) -> None:
    """The last good word is that of the hop which wrote it."""
    view = ask(PROXIES, ("X-Forwarded-For", f"203.0.113.7, {node}, 10.1.1.1"))
    assert client(view) == ("10.1.1.1", 0)
    assert view.withheld == {"x-forwarded-for"}
    assert ask(PROXIES, ("X-Forwarded-For", node)).address == "10.0.0.1"


@pytest.mark.parametrize(
    ("proto", "scheme"), [("https", "https"), ("HTTPS", "https"), ("http", "http"), ("https, https", "https")]
)
def test_schemes(proto: str, scheme: str) -> None:
    view = ask(PROXIES, ("X-Forwarded-Proto", proto))
    assert (view.scheme, view.withheld) == (scheme, NONE)


@pytest.mark.parametrize("proto", ["gopher", "", "https:", "https, http", "wss", "https\x0b"])
def test_what_is_no_scheme_or_contradicts_itself(proto: str) -> None:
    view = ask(PROXIES, ("X-Forwarded-Proto", proto))
    assert (view.scheme, view.withheld) == ("http", {"x-forwarded-proto"})


def test_a_scheme_of_each_hop_belongs_to_that_hop() -> None:
    """A CDN took https and asks our balancer by http; each appends to both lists."""
    fields = (("X-Forwarded-For", "203.0.113.7, 10.1.1.1"), ("X-Forwarded-Proto", "https, http"))
    assert ask(PROXIES, *fields).scheme == "https"
    forged = (("X-Forwarded-For", "1.2.3.4, 203.0.113.7"), ("X-Forwarded-Proto", "https, http"))
    assert ask(PROXIES, *forged).scheme == "http"


@pytest.mark.parametrize(
    "host", ["shop.example", "Shop.Example:8443", "[2001:db8::7]", "[2001:db8::7]:443", "a_b", "10.0.0.1:1"]
)
def test_hosts(host: str) -> None:
    view = ask(PROXIES, ("X-Forwarded-Host", host))
    assert (view.host, view.withheld) == (host.lower(), NONE)


@pytest.mark.parametrize(
    "host",
    [
        "",
        "a b",
        "shop.example/path",
        "user@shop.example",
        "shop.example:99999",
        "shop.example:x",
        "[::g]",
        "[1.2.3.4]",
        "a,b",
        "shöp.example",
        "a\r\nX: y",
        "-a",
        "x" * 300,
    ],
    ids=lambda host: ascii(host[:20]),
)
def test_what_is_no_host(host: str) -> None:
    view = ask(PROXIES, ("X-Forwarded-Host", host))
    assert (view.host, view.withheld) == ("own.example", {"x-forwarded-host"})


# -- Forwarded ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("for=203.0.113.7;proto=https;host=shop.example", ("203.0.113.7", 0, "https", "shop.example")),
        ('For="[2001:db8::7]:47";Proto=HTTPS', ("2001:db8::7", 47, "https", "own.example")),
        ('for=203.0.113.7 ; host="shop.example:8443"', ("203.0.113.7", 0, "http", "shop.example:8443")),
        ("for=1.2.3.4;proto=https, for=203.0.113.7", ("203.0.113.7", 0, "http", "own.example")),
        ("for=203.0.113.7;proto=https, for=10.1.1.1;proto=http", ("203.0.113.7", 0, "https", "own.example")),
        ("for=203.0.113.7;proto=https,for=10.1.1.1", ("203.0.113.7", 0, "https", "own.example")),
        (r'for="203.0.113\.7";by=10.0.0.1', ("203.0.113.7", 0, "http", "own.example")),
        ("proto=https", ("10.0.0.1", 4711, "https", "own.example")),
        ("for=203.0.113.7, ", ("203.0.113.7", 0, "http", "own.example")),
        ('for="a, for=1.2.3.4", for=203.0.113.7', ("203.0.113.7", 0, "http", "own.example")),
    ],
)
def test_forwarded(value: str, expected: tuple[str, int, str, str]) -> None:
    """RFC 7239 section 4."""
    assert ask(PROXIES, ("Forwarded", value)) == (*expected, NONE)


def test_a_quotation_left_open_by_the_client_does_not_swallow_the_proxys_words() -> None:
    for opening in ('for="', 'for="1.2.3.4;x=', '"', 'for=1.2.3.4;a="\\'):
        view = ask(PROXIES, ("Forwarded", f"{opening}, for=203.0.113.7;proto=https"))
        assert (view.address, view.scheme) == ("203.0.113.7", "https"), opening
        view = ask(PROXIES, ("Forwarded", opening), ("Forwarded", 'for="[2001:db8::7]"'))
        assert view.address == "2001:db8::7", opening


@pytest.mark.parametrize(
    "value",
    ["for=", "for", "nonsense", "for=unknown", "for=_x;proto=gopher", "for=a=b", 'for="1.2.3.4', "", ";"],
)
def test_forwarded_that_says_nothing_good(value: str) -> None:
    assert ask(PROXIES, ("Forwarded", value)) == ("10.0.0.1", 4711, "http", "own.example", {"forwarded"})


def test_the_plain_fields_win_over_forwarded() -> None:
    """Most proxies set the plain ones and let a client's Forwarded through."""
    forged = ("Forwarded", "for=1.2.3.4;proto=http;host=evil.example")
    view = ask(PROXIES, *ALL, forged)
    assert view == ("203.0.113.7", 0, "https", "shop.example", {"forwarded"})
    assert ask(PROXIES, ("X-Forwarded-Proto", "https"), forged).address == "10.0.0.1"


# -- time ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-Forwarded-For", "10.1.1.1," * 7000),
        ("Forwarded", "for=10.1.1.1," * 4500),
        ("Forwarded", 'a="' * 20000),
        ("Forwarded", ',a="\\"' * 9000),
        ("Forwarded", "a=b;" * 15000),
        ("Forwarded", "," + " " * 60000 + "x"),
        ("Forwarded", ", " * 30000 + "x"),
        ("X-Forwarded-Host", "a." * 30000),
        ("X-Forwarded-For", "1" * 60000),
    ],
    ids=lambda text: text[:16],
)
def test_long_values_cost_little(name: str, value: str) -> None:
    """A header block may have 64 KiB; reading it must not be quadratic."""
    started = time.process_time()
    ask(PROXIES, (name, value))
    assert time.process_time() - started < 0.5
