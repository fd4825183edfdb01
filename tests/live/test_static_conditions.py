"""Conditions (RFC 9110 section 13) and methods: what of a file is sent at all, in both builds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.program import LiveServer, Serve
from tests.live.static_site import BUILDS, EARLIER, LAST_MODIFIED, LATER, cases, serve_site
from tests.live.wire import Wire

APP = b"""
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ["REQUEST_METHOD"].encode()]
"""
FILES = {"www/ten.txt": b"0123456789", "both/ten.txt": b"0123456789", "application.py": APP}
CONF = """
[routes:line]
/ = www
/both = both
/both = application:app
"""


@pytest.fixture(scope="module", params=BUILDS)
def server(request: pytest.FixtureRequest, serve_conf_module: Serve, module_path: Path) -> LiveServer:
    return serve_site(serve_conf_module, module_path, request.param, CONF, FILES)


@pytest.fixture
def wire(server: LiveServer) -> Iterator[Wire]:
    with server.connect() as wire:
        yield wire


# Fields of a GET of /ten.txt, with a bar between them.  ETAG stands for its tag, AT for its date, BEFORE
# and AFTER for a second less and more; IM, INM, IMS, IUS and IR for the names of the conditions.
CONDITIONS = """
# fields                                          status

# step 1 of section 13.2.2: If-Match, by strong comparison
IM: ETAG                                          200
IM: *                                             200
IM: "a", ETAG                                     200
IM: "other"                                       412
IM: W/ETAG                                        412
IM: "a,b", W/"c"                                  412

# step 2: If-Unmodified-Since, only without If-Match
IUS: AT                                           200
IUS: AFTER                                        200
IUS: BEFORE                                       412
IUS: yesterday                                    200
IM: ETAG | IUS: BEFORE                            200
IM: "other" | IUS: AFTER                          412

# step 3: If-None-Match, by weak comparison
INM: ETAG                                         304
INM: W/ETAG                                       304
INM: *                                            304
INM: "a", W/"b", ETAG                             304
INM: "other"                                      200
INM: ETAG-without-quotes                          200

# step 4: If-Modified-Since, only without If-None-Match
IMS: AT                                           304
IMS: AFTER                                        304
IMS: BEFORE                                       200
IMS: yesterday                                    200
INM: "other" | IMS: AT                            200
INM: ETAG | IMS: BEFORE                           304

# the first two before the others
IM: "other" | INM: ETAG                           412
IM: ETAG | INM: ETAG                              304
IUS: BEFORE | IMS: AT                             412
IUS: AT | IMS: AT                                 304
IUS: AT | INM: "other"                            200

# step 5: Range, where none of them has decided
Range: bytes=0-3 | INM: ETAG                      304
Range: bytes=0-3 | IMS: AT                        304
Range: bytes=0-3 | IM: "other"                    412
Range: bytes=99- | INM: ETAG                      304
Range: bytes=99- | IM: "other"                    412
Range: bytes=0-3 | INM: "other"                   206
Range: bytes=0-3 | IM: ETAG                       206
Range: bytes=0-3 | IUS: AT                        206
Range: bytes=0-3 | IM: ETAG | IR: "other"         200
Range: bytes=0-3 | IM: ETAG | IR: ETAG            206
Range: bytes=0-3 | INM: ETAG | IR: "other"        304
Range: bytes=99- | IR: "other"                    200
Range: bytes=99- | IR: ETAG                       416
"""

_NAMES = {
    "IM": "If-Match",
    "IUS": "If-Unmodified-Since",
    "INM": "If-None-Match",
    "IMS": "If-Modified-Since",
    "IR": "If-Range",
    "Range": "Range",
}


def fields_of(text: str, etag: str) -> list[str]:
    lines = []
    for item in text.split(" | "):
        name, _, value = item.partition(": ")
        for word, meaning in (
            ("ETAG-without-quotes", etag.strip('"')),
            ("ETAG", etag),
            ("AT", LAST_MODIFIED),
            ("BEFORE", EARLIER),
            ("AFTER", LATER),
        ):
            value = value.replace(word, meaning)
        lines.append(f"{_NAMES[name]}: {value}")
    return lines


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(("fields", "status"), cases(CONDITIONS, 2))
def test_a_condition(wire: Wire, fields: str, status: str, method: str) -> None:
    etag = wire.get("/ten.txt").get("ETag") or ""
    wire.request(method, "/ten.txt", *fields_of(fields, etag))
    reply = wire.read_reply(method)
    if method == "HEAD" and status in ("206", "416"):
        status = "200"  # Range is for GET
    assert reply.status == int(status)
    if reply.status in (200, 206, 304):
        # Who names the weak form has a response that was compressed on its way.
        assert reply.get("ETag") == (f"W/{etag}" if fields == "INM: W/ETAG" else etag)
        assert reply.get("Cache-Control") == "max-age=300"
    if reply.status == 304:
        assert reply.get("Content-Type") is None
        assert reply.get("Last-Modified") is None
    if reply.status == 200 and method == "GET":
        assert reply.body == b"0123456789"
    assert wire.get("/ten.txt").status == 200  # and the connection goes on


METHODS = """
# method   path             status  Allow

GET        /ten.txt         200     -
HEAD       /ten.txt         200     -
OPTIONS    /ten.txt         204     GET, HEAD, OPTIONS
OPTIONS    /none.txt        204     GET, HEAD, OPTIONS
POST       /ten.txt         405     GET, HEAD, OPTIONS
PUT        /ten.txt         405     GET, HEAD, OPTIONS
DELETE     /ten.txt         405     GET, HEAD, OPTIONS
PATCH      /ten.txt         405     GET, HEAD, OPTIONS
TRACE      /ten.txt         405     GET, HEAD, OPTIONS
PROPFIND   /ten.txt         405     GET, HEAD, OPTIONS
get        /ten.txt         405     GET, HEAD, OPTIONS
HEAD       /none.txt        404     -

# with an application on the same path all but GET and HEAD of files is its own
HEAD       /both/ten.txt    200     -
OPTIONS    /both/ten.txt    200     -
POST       /both/ten.txt    200     -
"""


@pytest.mark.parametrize(("method", "path", "status", "allow"), cases(METHODS, 4))
def test_a_method(wire: Wire, method: str, path: str, status: str, allow: str) -> None:
    wire.request(method, path)
    reply = wire.read_reply(method)
    assert (reply.status, reply.get("Allow") or "") == (int(status), allow)
    if path.startswith("/both") and method != "HEAD":
        assert reply.body == method.encode()
