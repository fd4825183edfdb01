"""Who the client is: what proxies say counts only when the proxy is trusted."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.live.program import LiveServer, Serve

APP = "tests.live.apps.edges:app"

FORWARDED = (
    "X-Forwarded-For: 203.0.113.7",
    "X-Forwarded-Proto: https",
    "X-Forwarded-Host: shop.example",
)


def environ(server: LiveServer, *fields: str) -> Any:
    with server.connect() as wire:
        return json.loads(wire.get("/environ", *fields).body)


@pytest.fixture(scope="module")
def trusting(serve_module: Serve) -> LiveServer:
    return serve_module(APP, "--trusted-proxies", "127.0.0.1, 10.0.0.0/8")


@pytest.mark.parametrize("fields", [FORWARDED, ("Forwarded: for=203.0.113.7;proto=https;host=shop.example",)])
def test_a_stranger_is_not_believed(serve: Serve, fields: tuple[str, ...]) -> None:
    server = serve(APP)
    seen = environ(server, *fields)
    assert seen["REMOTE_ADDR"] == "127.0.0.1"
    assert seen["wsgi.url_scheme"] == "http"
    assert seen["HTTP_HOST"] == "testserver"
    server.wait_for_text(r"127\.0\.0\.1:\d+ GET /environ")


@pytest.mark.parametrize("fields", [FORWARDED, ("Forwarded: for=203.0.113.7;proto=https;host=shop.example",)])
def test_a_trusted_proxy_is_believed(trusting: LiveServer, fields: tuple[str, ...]) -> None:
    seen = environ(trusting, *fields)
    assert seen["REMOTE_ADDR"] == "203.0.113.7"
    assert seen["wsgi.url_scheme"] == "https"
    assert seen["HTTP_HOST"] == "shop.example"
    assert (seen["SERVER_NAME"], seen["SERVER_PORT"]) == ("shop.example", "443")
    trusting.wait_for_text(r"203\.0\.113\.7:\d+ GET /environ")


@pytest.mark.parametrize(
    ("chain", "client"),
    [
        ("203.0.113.7, 10.1.2.3", "203.0.113.7"),
        ("1.2.3.4, 203.0.113.7, 10.1.2.3", "203.0.113.7"),
        ("2001:db8::1", "2001:db8::1"),
        ("10.1.2.3, 203.0.113.7", "203.0.113.7"),
    ],
)
def test_the_client_is_the_last_that_is_not_trusted(trusting: LiveServer, chain: str, client: str) -> None:
    """What stands further left was written by that client and proves nothing."""
    assert environ(trusting, f"X-Forwarded-For: {chain}")["REMOTE_ADDR"] == client


@pytest.mark.parametrize(
    "field",
    [
        "X-Forwarded-For: nonsense",
        "X-Forwarded-For: 203.0.113.7<script>",
        "X-Forwarded-Proto: gopher",
        "X-Forwarded-Host: a b/c",
        "Forwarded: for=",
    ],
)
def test_nonsense_of_a_trusted_proxy_is_left_out(trusting: LiveServer, field: str) -> None:
    seen = environ(trusting, field)
    assert seen["REMOTE_ADDR"] == "127.0.0.1"
    assert seen["wsgi.url_scheme"] == "http"
    assert seen["HTTP_HOST"] == "testserver"
