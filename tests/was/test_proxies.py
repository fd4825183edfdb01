"""Which proxy a call goes by: the one that it says, or the environment's."""

from __future__ import annotations

import os

import pytest

from skitai.core.outbound.request import Origin, TLSOptions
from skitai.was._credentials import basic
from skitai.was._proxies import proxy_of

HTTP = Origin("http", "h.example", 80)
HTTPS = Origin("https", "h.example", 443, TLSOptions())
PROXY = Origin("http", "proxy", 3128)


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.mark.parametrize(
    ("proxy", "origin"),
    [
        (None, None),
        ("", None),
        ("http://proxy:3128", PROXY),
        ("http://proxy:3128/", PROXY),
        ("proxy:3128", PROXY),
        ("http://proxy", Origin("http", "proxy", 80)),
        ("https://proxy", Origin("https", "proxy", 443, TLSOptions())),
        ("http://ann:s%40cret@proxy:3128", PROXY._replace(authorization=basic("ann", "s@cret"))),
    ],
)
def test_the_one_that_is_said(proxy: str | None, origin: Origin | None) -> None:
    assert proxy_of(HTTP, proxy) == origin


@pytest.mark.parametrize("proxy", ["socks5://proxy:1080", "http://", "http://a b", "http://ann%0A@proxy"])
def test_what_is_none(proxy: str) -> None:
    with pytest.raises(ValueError, match=r"URL|control character"):
        proxy_of(HTTP, proxy)


def test_members_of_clusters_are_asked_themselves() -> None:
    assert proxy_of(Origin("http", "@search", 80), "http://proxy:3128") is None


def test_the_environment_counts_only_when_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://proxy:3128")
    assert proxy_of(HTTP, None) is None
    assert proxy_of(HTTP, "environment") == PROXY
    assert proxy_of(HTTPS, "environment") is None


@pytest.mark.parametrize(
    ("variables", "http", "https"),
    [
        ({}, None, None),
        ({"https_proxy": "proxy:3128"}, None, PROXY),
        ({"HTTPS_PROXY": "proxy:3128"}, None, PROXY),
        # A field of a client, in a CGI program.
        ({"HTTP_PROXY": "proxy:3128"}, None, None),
        ({"all_proxy": "proxy:3128"}, PROXY, PROXY),
        ({"ALL_PROXY": "proxy:3128"}, PROXY, PROXY),
        ({"all_proxy": "other:1", "http_proxy": "proxy:3128", "https_proxy": "proxy:3128"}, PROXY, PROXY),
        ({"https_proxy": "", "HTTPS_PROXY": "proxy:3128"}, None, None),
    ],
)
def test_its_variables(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], http: Origin | None, https: Origin | None
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert proxy_of(HTTP, "environment") == http
    assert proxy_of(HTTPS, "environment") == https


@pytest.mark.parametrize(
    ("host", "no_proxy", "is_excepted"),
    [
        ("h.example", "h.example", True),
        ("h.example", "H.Example", True),
        ("h.example", ".example", True),
        ("h.example", "example", True),
        ("h.example", "*.example", True),
        ("h.example.", "example", True),
        ("h.example", "ample", False),
        ("h.example", "a.h.example", False),
        ("h.example", "*", True),
        ("h.example", "other, h.example", True),
        ("h.example", "other h.example", True),
        ("h.example", "", False),
        ("h.example", ",,", False),
        ("h.example", "h.example:80", True),
        ("h.example", "h.example:81", False),
        ("10.1.2.3", "10.0.0.0/8", True),
        ("11.1.2.3", "10.0.0.0/8", False),
        ("10.1.2.3", "10.1.2.3", True),
        ("10.1.2.3", "10.1.2.3:81", False),
        ("10.1.2.3", "2.3", False),
        ("::1", "::1", True),
        ("::1", "[::1]", True),
        ("fd00::1", "fd00::/8", True),
        ("fd00::1", "10.0.0.0/8", False),
        ("h.example", "10.0.0.0/8", False),
    ],
)
def test_whom_it_excepts(
    monkeypatch: pytest.MonkeyPatch, host: str, no_proxy: str, is_excepted: bool
) -> None:
    monkeypatch.setenv("http_proxy", "proxy:3128")
    monkeypatch.setenv("no_proxy", no_proxy)
    assert (proxy_of(HTTP._replace(host=host), "environment") is None) is is_excepted
