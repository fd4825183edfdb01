"""Listings of folders, for people and for programs, in both builds."""

from __future__ import annotations

import html
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urljoin

import pytest

from tests.live.program import LiveServer, Serve
from tests.live.static_site import BUILDS, serve_site, write
from tests.live.wire import Wire

FILES = {
    "www/Zebra.txt": b"12345",
    "www/apple.txt": b"x" * 1536,
    "www/sub/x.txt": b"x",
    "www/sub/deep/y.txt": b"y",
    "www/With index/index.html": b"an index",
    "www/<b>&\"'.txt": b"markup",
    "www/javascript:alert(1)": b"scheme",
    "www/100% caf\u00e9 #1?.txt": b"escapes",
    "www/.hidden": b"hidden",
    "www/.well-known/acme": b"known",
    "www/back\\slash": b"no path leads here",
    "www/secret-of-root": b"",
    "many/file": b"",
    "outside.txt": b"outside",
    "off/x.txt": b"x",
}
CONF = """
[server]
listing_max = 20
[routes:line]
/ = www
/many = many
/off = off
[mount /]
listing = yes
[mount /many]
listing = yes
"""


@pytest.fixture(scope="module", params=BUILDS)
def server(request: pytest.FixtureRequest, serve_conf_module: Serve, module_path: Path) -> LiveServer:
    for name, content in FILES.items():
        write(module_path / name, content)
    for number in range(30):
        write(module_path / "many" / f"{number}.txt", b"")
    write(module_path / os.fsdecode(b"www/latin-\xe9.txt"), b"latin-1")
    fifo = module_path / "www" / "fifo"
    if not fifo.exists():
        os.mkfifo(fifo)
        for name, target in {"inside": "sub", "out": "../outside.txt", "astray": "nowhere"}.items():
            (module_path / "www" / name).symlink_to(target)
    return serve_site(serve_conf_module, module_path, request.param, CONF, {})


@pytest.fixture
def wire(server: LiveServer) -> Iterator[Wire]:
    with server.connect() as wire:
        yield wire


SHOWN = [
    ".well-known/",
    "inside/",
    "sub/",
    "With index/",
    "100% caf\u00e9 #1?.txt",
    "<b>&\"'.txt",
    "apple.txt",
    "javascript:alert(1)",
    "latin-\ufffd.txt",
    "secret-of-root",
    "Zebra.txt",
]


def test_a_page_for_people(wire: Wire) -> None:
    reply = wire.get("/", "Accept: text/html,*/*;q=0.8")
    assert reply.status == 200
    assert reply.get("Content-Type") == "text/html; charset=utf-8"
    assert "default-src 'none'" in (reply.get("Content-Security-Policy") or "")
    assert reply.get("X-Content-Type-Options") == "nosniff"
    assert reply.get("Cache-Control") == "no-cache"
    names = re.findall(r'<a href="([^"]*)">(.*?)</a>', reply.text)
    assert [html.unescape(name) for _, name in names] == SHOWN
    assert "<b>&" not in reply.text
    assert "1.5 KiB" in reply.text
    assert "2001-09-09 01:46" in reply.text


def test_every_link_leads_to_what_it_names(wire: Wire) -> None:
    links = [html.unescape(link) for link in re.findall(r'<a href="([^"]*)">', wire.get("/").text)]
    for link in links:
        target = urljoin("/", link)
        assert target.startswith("/"), link
        assert wire.get(target).status == 200, link
    assert wire.get(urljoin("/", links[SHOWN.index("latin-\ufffd.txt")])).body == b"latin-1"


def test_json_for_programs(wire: Wire) -> None:
    reply = wire.get("/sub/", "Accept: application/json")
    assert (reply.get("Content-Type"), reply.get("Vary")) == ("application/json", "Accept")
    found = json.loads(reply.body)
    (folder, file) = found["entries"]
    assert (found["path"], found["complete"]) == ("/sub/", True)
    assert (folder["name"], folder["link"], folder["type"]) == ("deep", "deep/", "folder")
    assert file == {
        "name": "x.txt",
        "link": "x.txt",
        "type": "file",
        "size": 1,
        "modified": "2001-09-09T01:46:40Z",
    }


def test_the_way_up_ends_at_the_route(wire: Wire) -> None:
    assert 'href="../"' in wire.get("/sub/deep/").text
    assert 'href="../"' not in wire.get("/").text
    assert 'href="../"' not in wire.get("/many/").text


def test_a_folder_is_listed_under_its_slash_and_an_index_is_shown_in_its_place(wire: Wire) -> None:
    assert wire.get("/sub").get("Location") == "/sub/"
    assert wire.get("/With%20index/").body == b"an index"


def test_nobody_looks_beyond_listing_max(wire: Wire) -> None:
    assert "Only 20 entries are shown" in wire.get("/many/").text
    found = json.loads(wire.get("/many/", "Accept: application/json").body)
    assert (len(found["entries"]), found["complete"]) == (20, False)


def test_hidden_folders_and_other_routes_are_not_listed(wire: Wire) -> None:
    for path in ("/off/", "/off", "/none/", "/.git/", "/out/", "/Zebra.txt/"):
        assert wire.get(path).status == 404, path


def test_head_of_a_listing(wire: Wire) -> None:
    length = wire.get("/sub/").get("Content-Length")
    wire.request("HEAD", "/sub/")
    reply = wire.read_reply("HEAD")
    assert (reply.status, reply.get("Content-Length")) == (200, length)
