"""Which form of a file a client gets, and what caches are told of it, in both builds."""

from __future__ import annotations

import gzip
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.program import LiveServer, Serve
from tests.live.static_site import BUILDS, MODIFIED, cases, gzipped, serve_site, write
from tests.live.wire import Wire
from tests.waiting import wait_until

PAGE = b"<p>" + b"a page " * 100
#: What stands in the place of a form is not looked at: any bytes will do.
FORMS = {"-": PAGE, "gzip": gzipped(PAGE), "br": b"in brotli", "zstd": b"in zstandard"}

FILES = {
    "www/all.html": PAGE,
    "www/all.html.gz": FORMS["gzip"],
    "www/all.html.br": FORMS["br"],
    "www/all.html.zst": FORMS["zstd"],
    "www/gz.js": PAGE,
    "www/gz.js.gz": FORMS["gzip"],
    "www/plain.css": PAGE,
    "www/hollow.txt": PAGE,
    "www/hollow.txt.gz": b"",
    "www/folder.txt": PAGE,
    "www/folder.txt.gz/file": b"",
    "www/outside.txt": PAGE,
    "www/sub/index.html": PAGE,
    "www/sub/index.html.gz": FORMS["gzip"],
    "secret.gz": gzipped(b"secret"),
    "raw/gz.js": PAGE,
    "raw/gz.js.gz": FORMS["gzip"],
    "www/assets/logo.svg": b"<svg/>",
    "www/assets/app.js": b"",
    "www/app.3f2a9c1b.js": b"",
    "www/chunk-3F2A9C1B.css": b"",
    "www/index-BkX3a9fQ.js": b"",
    "www/main.3f2a9c1b.chunk.js": b"",
    "www/photo-20240101.jpg": b"",
    "www/report-january2024.pdf": b"",
    "www/jquery-3.7.1.min.js": b"",
    "www/deadbeef.js": b"",
    "raw/app.3f2a9c1b.js": b"",
}
CONF = """
[server]
cache_control = *.map: no-store
[routes:line]
/ = www
/raw = raw
[mount /]
immutable = yes
cache_control = all.*: no-cache, /assets/*.js: public max-age=60 must-revalidate, /assets/*: public immutable
[mount /raw]
precompressed = no
static_max_age = 5
"""


@pytest.fixture(scope="module", params=BUILDS)
def server(request: pytest.FixtureRequest, serve_conf_module: Serve, module_path: Path) -> LiveServer:
    outside = module_path / "www" / "outside.txt.gz"
    if not outside.is_symlink():
        outside.parent.mkdir(exist_ok=True)
        outside.symlink_to(module_path / "secret.gz")
    return serve_site(serve_conf_module, module_path, request.param, CONF, FILES)


@pytest.fixture
def wire(server: LiveServer) -> Iterator[Wire]:
    with server.connect() as wire:
        yield wire


ACCEPTED = """
# path         Accept-Encoding                     form

/all.html      -                                   -
/all.html      gzip                                gzip
/all.html      GZIP                                gzip
/all.html      x-gzip                              gzip
/all.html      br                                  br
/all.html      zstd                                zstd
/all.html      deflate                             -
/all.html      gzip, deflate, br, zstd             zstd
/all.html      gzip, deflate, br                   br
/all.html      gzip;q=1.0, br;q=0.5                gzip
/all.html      gzip;q=0.1, br;q=0.2, zstd;q=0.15   br
/all.html      gzip;q=0                            -
/all.html      gzip;q=0, *                         zstd
/all.html      *                                   zstd
/all.html      *;q=0                               -
/all.html      identity                            -
/all.html      identity, gzip;q=0.5                -
/all.html      identity;q=0.5, gzip                gzip
/all.html      identity;q=0, gzip;q=0              -
/all.html      gzip;q=nonsense                     -
/all.html      gzip ; q=0.5                        gzip
/gz.js         br, zstd                            -
/gz.js         br, gzip;q=0.1                      gzip
/sub/          gzip                                gzip
/sub/          -                                   -
"""


@pytest.mark.parametrize(("path", "accepted", "form"), cases(ACCEPTED, 3))
def test_the_form_that_a_client_likes_best(wire: Wire, path: str, accepted: str, form: str) -> None:
    fields = [f"Accept-Encoding: {accepted}"] if accepted else []
    reply = wire.get(path, *fields)
    assert (reply.status, reply.body) == (200, FORMS[form or "-"])
    assert reply.get("Content-Encoding") == (form or None)
    assert reply.get("Vary") == "Accept-Encoding"
    assert (reply.get("Content-Type") or "").startswith("text/")
    assert reply.get("Accept-Ranges") == "bytes"
    assert wire.get(path, *fields).body == FORMS[form or "-"]
    # Each form has a tag of its own, and is not sent again to whoever has it.
    again = wire.get(path, *fields, f"If-None-Match: {reply.get('ETag')}")
    assert (again.status, again.get("Vary")) == (304, "Accept-Encoding")
    assert again.get("ETag") == reply.get("ETag")


def test_each_form_has_its_own_tag(wire: Wire) -> None:
    tags = {wire.get("/all.html", f"Accept-Encoding: {form}").get("ETag") for form in (*FORMS, "identity")}
    assert len(tags) == len(FORMS)
    for form in FORMS:
        etag = wire.get("/all.html", "Accept-Encoding: identity").get("ETag")
        reply = wire.get("/all.html", f"Accept-Encoding: {form}", f"If-None-Match: {etag}")
        assert reply.status == (304 if form == "-" else 200)


@pytest.mark.parametrize("status", [206, 304, 412, 416])
def test_every_answer_of_a_file_with_forms_says_so(wire: Wire, status: int) -> None:
    field = {
        206: "Range: bytes=0-1",
        304: "If-None-Match: *",
        412: 'If-Match: "x"',
        416: "Range: bytes=9999-",
    }
    reply = wire.get("/all.html", field[status])
    assert reply.status == status
    assert "Accept-Encoding" in reply.get_all("Vary")


ALONE = """
# path              there is nothing beside it but

/plain.css          nothing
/hollow.txt         an empty file, which somebody may be writing
/folder.txt         a folder
/outside.txt        a link that leads out of the root
/raw/gz.js          a form, where precompressed = no
"""


@pytest.mark.parametrize(("path", "why"), cases(ALONE, 2))
def test_a_file_without_other_forms(wire: Wire, path: str, why: str) -> None:
    reply = wire.get(path, "Accept-Encoding: gzip")
    assert (reply.status, reply.body, reply.get("Content-Encoding")) == (200, PAGE, None), why


def test_a_form_can_be_asked_for_by_its_own_name(wire: Wire) -> None:
    reply = wire.get("/gz.js.gz", "Accept-Encoding: gzip")
    assert (reply.body, reply.get("Content-Type")) == (FORMS["gzip"], "application/gzip")
    assert reply.get("Content-Encoding") is None


def test_a_form_older_than_its_file_is_of_another_version(wire: Wire, module_path: Path) -> None:
    write(module_path / "www" / "new.js", PAGE, MODIFIED)
    write(module_path / "www" / "new.js.gz", FORMS["gzip"], MODIFIED - 1)
    assert wire.get("/new.js", "Accept-Encoding: gzip").get("Content-Encoding") is None
    # Within the same second: programs lose the fractions of the file's time.
    os.utime(module_path / "www" / "new.js", (MODIFIED, MODIFIED + 0.7))
    os.utime(module_path / "www" / "new.js.gz", (MODIFIED, MODIFIED))
    assert wire.get("/new.js", "Accept-Encoding: gzip").get("Content-Encoding") == "gzip"


def test_forms_come_and_go_while_the_file_stays(wire: Wire, module_path: Path) -> None:
    file, form = module_path / "www" / "stays.js", module_path / "www" / "stays.js.gz"
    write(file, PAGE)
    write(form, gzip.compress(PAGE))
    assert wire.get("/stays.js", "Accept-Encoding: gzip").get("Content-Encoding") == "gzip"
    form.unlink()
    assert wire.get("/stays.js", "Accept-Encoding: gzip").get("Content-Encoding") is None


# What the field Cache-Control says; immutable = yes at /.
KEPT = """
# path                       Cache-Control
/all.html                    no-cache
/all.html.gz                 no-cache
/assets/app.js               public, max-age=60, must-revalidate
/assets/logo.svg             public, immutable
/app.3f2a9c1b.js             max-age=31536000, immutable
/chunk-3F2A9C1B.css          max-age=31536000, immutable
/index-BkX3a9fQ.js           max-age=31536000, immutable
/main.3f2a9c1b.chunk.js      max-age=31536000, immutable
/photo-20240101.jpg          max-age=300
/report-january2024.pdf      max-age=300
/jquery-3.7.1.min.js         max-age=300
/deadbeef.js                 max-age=300
/plain.css                   max-age=300
/sub/                        max-age=300
/raw/app.3f2a9c1b.js         max-age=5
"""


@pytest.mark.parametrize(("path", "value"), cases(KEPT, 2))
def test_what_caches_are_told(wire: Wire, path: str, value: str) -> None:
    reply = wire.get(path)
    assert (reply.status, reply.get("Cache-Control")) == (200, value)
    assert wire.get(path, f"If-None-Match: {reply.get('ETag')}").get("Cache-Control") == value


def test_a_file_that_is_kept_ready_says_the_same_until_a_form_appears_beside_it(
    wire: Wire, module_path: Path, request: pytest.FixtureRequest
) -> None:
    """What has no other form the compiled build sends by itself once it has settled."""
    file, form = module_path / "www" / "alone.js", module_path / "www" / "alone.js.br"
    form.unlink(missing_ok=True)  # of the other build
    write(file, PAGE)
    answers = []
    # It has settled after two seconds; the pure build keeps nothing.
    end = time.monotonic() + (0.5 if "pure" in request.node.name else 2.7)
    while time.monotonic() < end:
        reply = wire.get("/alone.js", "Accept-Encoding: br")
        answers.append(sorted(field for field in reply.headers if field[0] != "Date"))
        time.sleep(0.2)
    assert all(answer == answers[0] for answer in answers)
    write(form, FORMS["br"])
    wait_until(lambda: wire.get("/alone.js", "Accept-Encoding: br").body == FORMS["br"])
