"""PEP 3333, SCRIPT_NAME and PATH_INFO: two apps mounted by path, seen through the validator."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.live.program import REPO, LiveServer, Serve
from tests.live.wire import Wire

CONF = f"""
[routes:line]
/ = {REPO}/tests/live/apps/edges:app
/mnt/app = {REPO}/tests/live/apps/edges:app
"""


@pytest.fixture(scope="module")
def server(serve_conf_module: Serve) -> LiveServer:
    return serve_conf_module(CONF)


@pytest.fixture
def wire(server: LiveServer) -> Iterator[Wire]:
    with server.connect() as wire:
        yield wire


def environ(wire: Wire, target: str, *fields: str) -> Any:
    reply = wire.get(target, *fields)
    assert reply.status == 200, reply.text
    return json.loads(reply.body)


@pytest.mark.parametrize(
    ("target", "script_name", "path_info", "query"),
    [
        ("/environ", "", "/environ", ""),
        ("/mnt/app/environ", "/mnt/app", "/environ", ""),
        ("/mnt/app/a/b/?q=%2F", "/mnt/app", "/a/b/", "q=%2F"),
        ("/mnt/application", "", "/mnt/application", ""),
        ("/mnt/app/a%20b", "/mnt/app", "/a b", ""),
        ("/mnt/app/a%2Fb", "/mnt/app", "/a/b", ""),
        ("/a+b", "", "/a+b", ""),
        ("/a;p=1", "", "/a;p=1", ""),
        ("/a??b", "", "/a", "?b"),
        ("/100%", "", "/100%", ""),
        # The PEP: bytes as latin-1 text; an application recodes them to UTF-8.
        ("/mnt/app/%C3%A9", "/mnt/app", "/\u00c3\u00a9", ""),
        ("/mnt/app/%E2%82%AC/%FF", "/mnt/app", "/\u00e2\u0082\u00ac/\u00ff", ""),
        ("/%6Dnt/app/x", "/mnt/app", "/x", ""),
    ],
)
def test_the_two_parts_of_a_path(
    wire: Wire, target: str, script_name: str, path_info: str, query: str
) -> None:
    seen = environ(wire, target)
    assert seen["SCRIPT_NAME"] == script_name
    assert seen["PATH_INFO"] == path_info
    assert seen["QUERY_STRING"] == query


def test_the_mount_itself(wire: Wire) -> None:
    seen = environ(wire, "/mnt/app")
    assert seen["SCRIPT_NAME"] == "/mnt/app"
    assert seen["PATH_INFO"] in ("", "/")


def test_absolute_form_names_the_host_and_the_path(wire: Wire) -> None:
    """RFC 9112 section 3.2.2: the target's authority wins over Host."""
    seen = environ(wire, "http://other.example:81/mnt/app/x?y")
    assert (seen["SCRIPT_NAME"], seen["PATH_INFO"]) == ("/mnt/app", "/x")
    assert seen["QUERY_STRING"] == "y"
    assert seen["HTTP_HOST"] == "other.example:81"


def test_fields_that_could_be_taken_for_others_do_not_reach_environ(wire: Wire) -> None:
    """``X_Forwarded_For`` would become HTTP_X_FORWARDED_FOR; ``Proxy`` is httpoxy."""
    seen = environ(wire, "/environ", "X_User: mallory", "Proxy: http://evil.example", "X-User: alice")
    assert seen["HTTP_X_USER"] == "alice"
    assert "HTTP_PROXY" not in seen


def test_repeated_fields_are_joined_as_the_rfcs_say(wire: Wire) -> None:
    """RFC 9110 section 5.3 with a comma, Cookie by RFC 9113 section 8.2.3 with a semicolon."""
    seen = environ(wire, "/environ", "X-A: 1", "Cookie: a=1", "X-A: 2", "Cookie: b=2")
    assert seen["HTTP_X_A"].replace(" ", "") == "1,2"
    assert seen["HTTP_COOKIE"] == "a=1; b=2"
