"""Routes of a configuration file through the whole server: mounts, slashes, hosts, failures."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.live.program import LiveServer, Serve
from tests.live.wire import Wire

NAMED = """
from . import sub
import helper

def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    text = f"{sub.NAME} {helper.NAME} {environ['SCRIPT_NAME']} {environ['PATH_INFO']}"
    return [text.encode()]
"""


def make_app(folder: Path, name: str) -> None:
    """An ``app.py`` with a ``sub.py`` and a ``helper.py`` beside it that know their ``name``."""
    folder.mkdir(parents=True)
    (folder / "app.py").write_text(NAMED)
    for module in ("sub", "helper"):
        (folder / f"{module}.py").write_text(f"NAME = {name!r}\n")


# --- applications


@pytest.fixture
def two(serve_conf: Serve, tmp_path: Path) -> LiveServer:
    make_app(tmp_path / "blue", "blue")
    make_app(tmp_path / "red", "red")
    return serve_conf("[routes:line]\n/blue = blue/app:app\n/red = red/app\n/slashed/ = red/app\n")


@pytest.fixture
def wire(two: LiveServer) -> Iterator[Wire]:
    with two.connect() as wire:
        yield wire


def test_two_applications_of_one_module_name_do_not_collide(wire: Wire) -> None:
    assert wire.get("/blue/x").text == "blue blue /blue /x"
    assert wire.get("/red/x").text == "red red /red /x"


def test_slash_redirects_keep_the_query_and_are_not_for_post(wire: Wire) -> None:
    away = wire.get("/blue/?a=b")
    assert (away.status, away.get("Location")) == (301, "/blue?a=b")
    added = wire.get("/slashed?a=b")
    assert (added.status, added.get("Location")) == (301, "/slashed/?a=b")
    assert wire.post("/blue/", b"x").status == 200


def test_a_path_without_a_mount_is_404(wire: Wire) -> None:
    assert wire.get("/green").status == 404
    assert wire.get("/blueberry").status == 404
    assert wire.get("/").status == 404


def test_ping_is_built_in(wire: Wire) -> None:
    assert wire.get("/ping").text == "pong"


def test_an_application_that_does_not_import_is_named_and_the_rest_serves(
    serve_conf: Serve, tmp_path: Path
) -> None:
    make_app(tmp_path / "good", "good")
    bad = tmp_path / "bad.py"
    bad.write_text("x = 1\n1 / 0\n")
    server = serve_conf("[routes:line]\n/ = good/app\n/bad = bad:app\n")
    with server.connect() as wire:
        assert wire.get("/x").text == "good good  /x"
        assert wire.get("/bad").status in (500, 503)
    server.wait_for_text("ZeroDivisionError")
    server.wait_for_text(re.escape(f'File "{bad}", line 2'))


def test_a_target_that_is_nothing_is_named_and_never_answered_by_another(
    serve_conf: Serve, tmp_path: Path
) -> None:
    make_app(tmp_path / "good", "good")
    server = serve_conf("[routes:line]\n/ = good/app\n/none = no/such:app\n")
    server.wait_for_text("no/such")
    with server.connect() as wire:
        assert wire.get("/x").text == "good good  /x"
        assert wire.get("/none").status in (404, 500, 503)


# --- virtual hosts: the sample of the README


@pytest.fixture
def hosts(serve_conf: Serve, tmp_path: Path) -> str:
    for name in ("www", "mydomain.www", "mydomain.any"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "index.html").write_text(name)
    server = serve_conf(
        """
        [routes:line]

        : default
        / = www

        ; exactly matching host
        : www.mydomain.com mydomain.com
        / = mydomain.www

        ; matched *.mydomain.com
        : .mydomain.com
        / = mydomain.any
        """
    )
    return server.url


@pytest.mark.parametrize(
    ("host", "page"),
    [
        ("www.mydomain.com", "mydomain.www"),
        ("mydomain.com", "mydomain.www"),
        ("WWW.MyDomain.COM", "mydomain.www"),
        ("www.mydomain.com:8080", "mydomain.www"),
        ("www.mydomain.com.", "mydomain.www"),
        ("blog.mydomain.com", "mydomain.any"),
        ("a.b.mydomain.com", "mydomain.any"),
        ("notmydomain.com", "www"),
        ("mydomain.com.evil.example", "www"),
        ("127.0.0.1", "www"),
        ("[::1]:5000", "www"),
    ],
)
def test_virtual_hosts(hosts: str, session: requests.Session, host: str, page: str) -> None:
    assert session.get(f"{hosts}/", headers={"Host": host}).text == page


def test_without_a_default_host_strangers_are_turned_away(
    serve_conf: Serve, tmp_path: Path, session: requests.Session
) -> None:
    (tmp_path / "www").mkdir()
    (tmp_path / "www" / "index.html").write_text("known")
    url = serve_conf("[routes:line]\n: known.example\n/ = www\n").url
    assert session.get(f"{url}/", headers={"Host": "known.example"}).text == "known"
    assert session.get(f"{url}/", headers={"Host": "other.example"}).status_code in (421, 503)
