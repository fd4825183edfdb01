"""X-Sendfile and X-Accel-Redirect: files that applications have sent for them, in both builds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.program import LiveServer, Serve
from tests.live.static_site import BIG, BUILDS, LAST_MODIFIED, cases, serve_site
from tests.live.wire import Wire

APP = b"""
import os
from urllib.parse import parse_qs

HOME = os.path.dirname(os.path.abspath(__file__))

def app(environ, start_response):
    query = parse_qs(environ["QUERY_STRING"])
    field = query["field"][0]
    value = query["value"][0].replace("HOME", HOME).encode().decode("latin-1")
    headers = [("Content-Disposition", "attachment"), ("Set-Cookie", "a=b"), ("Cache-Control", "private")]
    headers.append((field, value))
    if "type" in query:
        headers.append(("Content-Type", query["type"][0]))
    if "coding" in query:
        headers.append(("Content-Encoding", query["coding"][0]))
    if "length" in query:
        headers.append(("Content-Length", query["length"][0]))
    how = query.get("how", ["list"])[0]
    if how == "generator":
        return generate(start_response, headers)
    write = start_response(query.get("status", ["200 OK"])[0], headers)
    if how == "write":
        write(b"not this")
    return [] if how == "nothing" else [b"not ", b"this"]

def generate(start_response, headers):
    start_response("200 OK", headers)
    yield b"not this"

async def coroutine(environ, start_response):
    start_response("200 OK", [("X-Sendfile", HOME + "/files/ten.txt")])
    return [b"not this"]
"""
FILES = {
    "application.py": APP,
    "files/ten.txt": b"0123456789",
    "files/big.bin": BIG,
    "files/sub/.hidden": b"hidden",
    "files/caf\u00e9 1.txt": b"name",
    "private/x.pdf": b"%PDF",
    "secret.txt": b"secret",
    "files-secret/x.txt": b"secret",
}
CONF = """
[routes:line]
/ = application:app
/async = application:coroutine
/untouched = application:app
[mount /]
sendfile_roots = files, /protected = private
[mount /async]
sendfile_roots = files
"""


@pytest.fixture(scope="module", params=BUILDS)
def server(request: pytest.FixtureRequest, serve_conf_module: Serve, module_path: Path) -> LiveServer:
    out = module_path / "files" / "out.txt"
    if not out.is_symlink():
        out.parent.mkdir()
        out.symlink_to(module_path / "secret.txt")
    return serve_site(serve_conf_module, module_path, request.param, CONF, FILES)


@pytest.fixture
def wire(server: LiveServer) -> Iterator[Wire]:
    with server.connect() as wire:
        yield wire


NAMED = """
# field               value                             status  body

X-Sendfile            HOME/files/ten.txt                200     0123456789
x-sendfile            HOME/files/ten.txt                200     0123456789
X-Sendfile            HOME/files//ten.txt               200     0123456789
X-Sendfile            HOME/files/sub/.hidden            200     hidden
X-Sendfile            HOME/files/caf%C3%A9%201.txt      200     name
X-Accel-Redirect      /protected/x.pdf                  200     %PDF
X-Accel-Redirect      /protected/%2578.pdf              200     %PDF
X-Accel-Redirect      /protected/x.pdf%3Fa=b            200     %PDF

# not there
X-Sendfile            HOME/files/none.txt               404     -
X-Sendfile            HOME/files/sub                    404     -
X-Sendfile            HOME/files/ten.txt/x              404     -
X-Sendfile            HOME/files/out.txt                404     -
X-Accel-Redirect      /protected/none                   404     -

# outside of the roots, or known by the other name only
X-Sendfile            HOME/secret.txt                   500     -
X-Sendfile            HOME/files/../secret.txt          500     -
X-Sendfile            HOME/files-secret/x.txt           500     -
X-Sendfile            HOME/files                        500     -
X-Sendfile            HOME/files/                       500     -
X-Sendfile            files/ten.txt                     500     -
X-Sendfile            /etc/passwd                       500     -
X-Sendfile            HOME/private/x.pdf                500     -
X-Sendfile            /protected/x.pdf                  500     -
X-Accel-Redirect      HOME/files/ten.txt                500     -
X-Accel-Redirect      /protected                        500     -
X-Accel-Redirect      /protected/../secret.txt          500     -
X-Accel-Redirect      /protected/%252e%252e/secret.txt  500     -
X-Accel-Redirect      /other/x.pdf                      500     -
"""


@pytest.mark.parametrize(("field", "value", "status", "body"), cases(NAMED, 4))
def test_a_file_that_is_named(
    server: LiveServer, wire: Wire, field: str, value: str, status: str, body: str
) -> None:
    reply = wire.get(f"/?field={field}&value={value}")
    assert reply.status == int(status)
    assert reply.get(field) is None
    assert b"secret" not in reply.body
    assert b"not this" not in reply.body
    if reply.status == 200:
        assert reply.text == body
        assert reply.get("Content-Disposition") == "attachment"
        assert reply.get("Set-Cookie") == "a=b"
        assert reply.get("Cache-Control") == "private"
        assert reply.get("Last-Modified") == LAST_MODIFIED
    if reply.status == 500:
        server.wait_for_text(r"lies in none of the sendfile_roots of its mount")


TEN = "/?field=X-Sendfile&value=HOME/files/ten.txt"


@pytest.mark.parametrize("how", ["list", "generator", "write", "nothing"])
@pytest.mark.parametrize("length", ["", "&length=0", "&length=99"])
def test_the_body_of_the_application_is_not_sent_however_it_gives_one(
    wire: Wire, how: str, length: str
) -> None:
    reply = wire.get(f"{TEN}&how={how}{length}")
    assert (reply.status, reply.body, reply.get_all("Content-Length")) == (200, b"0123456789", ["10"])


def test_a_coroutine_may_name_one_too(wire: Wire) -> None:
    assert wire.get("/async").body == b"0123456789"


def test_the_type_is_what_the_application_says_or_else_the_name(wire: Wire) -> None:
    assert wire.get(TEN).get("Content-Type") == "text/plain; charset=utf-8"
    assert wire.get(f"{TEN}&type=text/x-own").get_all("Content-Type") == ["text/x-own"]


def test_a_file_that_is_compressed_says_the_application(wire: Wire) -> None:
    reply = wire.get(f"{TEN}&coding=br", "Range: bytes=0-1,4-5")
    assert (reply.status, reply.get_all("Content-Encoding"), reply.body) == (200, ["br"], b"0123456789")
    part = wire.get(f"{TEN}&coding=br", "Range: bytes=4-5")
    assert (part.status, part.get_all("Content-Encoding"), part.body) == (206, ["br"], b"45")
    assert part.get("ETag") != wire.get(TEN).get("ETag")


def test_ranges_and_conditions(wire: Wire) -> None:
    etag = wire.get(TEN).get("ETag")
    part = wire.get(TEN, "Range: bytes=2-4")
    assert (part.status, part.body, part.get("Content-Range")) == (206, b"234", "bytes 2-4/10")
    assert part.get("Content-Disposition") == "attachment"
    assert wire.get(TEN, "Range: bytes=0-1,4-5").status == 206
    assert wire.get(TEN, "Range: bytes=10-").get("Content-Range") == "bytes */10"
    unchanged = wire.get(TEN, f"If-None-Match: {etag}")
    assert (unchanged.status, unchanged.get("Cache-Control"), unchanged.get("Set-Cookie")) == (
        304,
        "private",
        "a=b",
    )
    assert wire.get(TEN, 'If-Match: "other"').status == 412


def test_another_status_is_kept_and_its_file_is_sent_whole(wire: Wire) -> None:
    reply = wire.get(f"{TEN}&status=403%20No", "Range: bytes=2-4")
    assert (reply.status, reply.body) == (403, b"0123456789")


def test_head_and_post(wire: Wire) -> None:
    wire.request("HEAD", TEN)
    reply = wire.read_reply("HEAD")
    assert (reply.status, reply.get("Content-Length")) == (200, "10")
    reply = wire.post(TEN, b"form", "Range: bytes=2-4", "If-None-Match: *")
    assert (reply.status, reply.body) == (200, b"0123456789")


def test_a_large_file(wire: Wire) -> None:
    assert wire.get("/?field=X-Sendfile&value=HOME/files/big.bin").body == BIG


def test_without_roots_the_field_is_for_whoever_is_in_front(wire: Wire) -> None:
    reply = wire.get("/untouched?field=X-Accel-Redirect&value=/protected/x.pdf")
    assert (reply.status, reply.body) == (200, b"not this")
    assert reply.get("X-Accel-Redirect") == "/protected/x.pdf"
