"""Parts of files (RFC 9110 section 14): what is sent for a Range, in both builds."""

from __future__ import annotations

import email
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.program import LiveServer, Serve
from tests.live.static_site import BIG, BUILDS, EARLIER, LAST_MODIFIED, LATER, cases, gzipped, serve_site
from tests.live.wire import Reply, Wire

TEN = b"0123456789"

FILES = {
    "www/ten.txt": TEN,
    "www/empty.txt": b"",
    "www/big.bin": BIG,
    "www/page.html": b"<p>" + b"a page " * 100,
    "www/page.html.gz": gzipped(b"<p>" + b"a page " * 100),
}

CONF = """
[server]
ranges_max = 8
[routes:line]
/ = www
"""


@pytest.fixture(scope="module", params=BUILDS)
def server(request: pytest.FixtureRequest, serve_conf_module: Serve, module_path: Path) -> LiveServer:
    return serve_site(serve_conf_module, module_path, request.param, CONF, FILES)


@pytest.fixture
def wire(server: LiveServer) -> Iterator[Wire]:
    with server.connect() as wire:
        yield wire


def parts_of(reply: Reply) -> list[tuple[str, str, bytes]]:
    """Content-Range, Content-Type and content of each part of a multipart body."""
    head = f"Content-Type: {reply.get('Content-Type')}\r\n\r\n".encode("latin-1")
    message = email.message_from_bytes(head + reply.body)
    assert message.is_multipart()
    assert not message.defects
    parts = [part for part in message.walk() if not part.is_multipart()]
    return [(part["Content-Range"], part["Content-Type"], part.get_payload(decode=True)) for part in parts]


# Range of /ten.txt, which is 0123456789.  A multipart body is shown as first-last of its parts.
RANGES = """
# value                       status  Content-Range    body

# one range: first to last, open, the last so many
bytes=0-0                     206     bytes 0-0/10     0
bytes=0-3                     206     bytes 0-3/10     0123
bytes=4-                      206     bytes 4-9/10     456789
bytes=9-                      206     bytes 9-9/10     9
bytes=0-                      206     bytes 0-9/10     0123456789
bytes=-1                      206     bytes 9-9/10     9
bytes=-3                      206     bytes 7-9/10     789
bytes=-10                     206     bytes 0-9/10     0123456789

# longer than the file: what there is of it
bytes=8-99                    206     bytes 8-9/10     89
bytes=0-99999999999999999999  206     bytes 0-9/10     0123456789
bytes=-99                     206     bytes 0-9/10     0123456789
bytes=-99999999999999999999   206     bytes 0-9/10     0123456789

# nothing of it is there
bytes=10-                     416     bytes */10       -
bytes=10-12                   416     bytes */10       -
bytes=99999999999999999999-   416     bytes */10       -
bytes=-0                      416     bytes */10       -
bytes=10-,11-12               416     bytes */10       -

# spelling: the unit in any case, white space and empty elements in the list
BYTES=0-3                     206     bytes 0-3/10     0123
Bytes=0-3                     206     bytes 0-3/10     0123
bytes=0-3,                    206     bytes 0-3/10     0123
bytes=,0-3                    206     bytes 0-3/10     0123
bytes= 0-3                    206     bytes 0-3/10     0123
bytes=00000000000000000001-2  206     bytes 1-2/10     12

# what is no Range that we know: the whole file
bytes=3-0                     200     -                0123456789
bytes=0-1,3-2                 200     -                0123456789
bytes=                        200     -                0123456789
bytes=,                       200     -                0123456789
bytes                         200     -                0123456789
bytes 0-3                     200     -                0123456789
bytes =0-3                    200     -                0123456789
bytes=-                       200     -                0123456789
bytes=0-3;                    200     -                0123456789
bytes=a-b                     200     -                0123456789
bytes=0x0-0x3                 200     -                0123456789
bytes=+0-3                    200     -                0123456789
bytes=0--3                    200     -                0123456789
bytes=0 - 3                   200     -                0123456789
bytes=0-3-5                   200     -                0123456789
bytes=\u0660-3                200     -                0123456789
items=0-3                     200     -                0123456789
bytes=0-3,items=4-5           200     -                0123456789
0-3                           200     -                0123456789
*                             200     -                0123456789

# several: apart, in the order that was asked for, those that are there
bytes=0-1,4-5                 206     -                0-1 4-5
bytes=4-5,0-1                 206     -                4-5 0-1
bytes=0-0,-1                  206     -                0-0 9-9
bytes=0-1, 4-5 ,8-            206     -                0-1 4-5 8-9
bytes=0-1,99-,4-5             206     -                0-1 4-5
bytes=0-1,99-                 206     bytes 0-1/10     01

# those that touch or overlap are one
bytes=0-1,2-3                 206     bytes 0-3/10     0123
bytes=0-3,2-5                 206     bytes 0-5/10     012345
bytes=2-5,0-3                 206     bytes 0-5/10     012345
bytes=0-9,3-4                 206     bytes 0-9/10     0123456789
bytes=0-1,0-1                 206     bytes 0-1/10     01
bytes=8-9,0-1,1-2             206     -                8-9 0-2
bytes=0-1,5-6,2-3             206     -                0-3 5-6

# silly ones: the whole file
bytes=0-,0-,0-,0-                           200  -  0123456789
bytes=0-4,1-5,2-6,3-7                       200  -  0123456789
bytes=0-0,2-2,4-4,6-6,8-8,1-1,3-3,5-5,7-7   200  -  0123456789
"""


@pytest.mark.parametrize(("value", "status", "content_range", "body"), cases(RANGES, 4))
def test_a_range_of_ten_bytes(wire: Wire, value: str, status: str, content_range: str, body: str) -> None:
    raw = value.encode("utf-8").decode("latin-1")
    whole = wire.get("/ten.txt")
    reply = wire.get("/ten.txt", f"Range: {raw}")
    assert (reply.status, reply.get("Content-Range") or "") == (int(status), content_range)
    if status == "416":
        assert reply.get("ETag") is None  # it would be that of the page
        return
    assert reply.get("Accept-Ranges") == "bytes"
    assert reply.get("ETag") == whole.get("ETag")
    assert reply.get("Last-Modified") == LAST_MODIFIED
    assert reply.get("Cache-Control") == "max-age=300"
    if content_range or status == "200":
        assert reply.body == body.encode()
        assert reply.get("Content-Type") == "text/plain; charset=utf-8"
        return
    found = parts_of(reply)
    assert [where for where, _, _ in found] == [f"bytes {span}/10" for span in body.split()]
    for (_, type_, content), span in zip(found, body.split(), strict=True):
        first, last = map(int, span.split("-"))
        assert (type_, content) == ("text/plain; charset=utf-8", TEN[first : last + 1])


# Range of a file without a byte: the last so many of it are all of it, nothing else is there.
EMPTY = """
# value         status  Content-Range
bytes=0-        416     bytes */0
bytes=0-0       416     bytes */0
bytes=-5        200     -
bytes=-0        416     bytes */0
bytes=0-,-5     200     -
"""


@pytest.mark.parametrize(("value", "status", "content_range"), cases(EMPTY, 3))
def test_a_range_of_an_empty_file(wire: Wire, value: str, status: str, content_range: str) -> None:
    reply = wire.get("/empty.txt", f"Range: {value}")
    assert (reply.status, reply.get("Content-Range") or "") == (int(status), content_range)


def test_two_range_fields_are_not_one(wire: Wire) -> None:
    assert wire.get("/ten.txt", "Range: bytes=0-1", "Range: bytes=4-5").status == 200


@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT", "DELETE", "OPTIONS"])
def test_range_is_for_get_only(wire: Wire, method: str) -> None:
    wire.request(method, "/ten.txt", "Range: bytes=0-3")
    reply = wire.read_reply(method)
    assert reply.status not in (206, 416)
    assert reply.get("Content-Range") is None
    if method == "HEAD":
        assert (reply.status, reply.get("Content-Length"), reply.get("Accept-Ranges")) == (200, "10", "bytes")


# If-Range of /ten.txt with "Range: bytes=0-3" (section 13.1.5); ETAG stands for its tag.
IF_RANGE = f"""
# value                                 status
ETAG                                    206
W/ETAG                                  200
"other"                                 200
{LAST_MODIFIED}                         206
Sunday, 09-Sep-01 01:46:40 GMT          206
Sun Sep  9 01:46:40 2001                206
{EARLIER}                               200
{LATER}                                 200
yesterday                               200
"other", ETAG                           200
*                                       200
"""


@pytest.mark.parametrize(("value", "status"), [line.rsplit(maxsplit=1) for line in IF_RANGE.splitlines()[2:]])
def test_if_range(wire: Wire, value: str, status: str) -> None:
    etag = wire.get("/ten.txt").get("ETag") or ""
    reply = wire.get("/ten.txt", "Range: bytes=0-3", f"If-Range: {value.strip().replace('ETAG', etag)}")
    assert (reply.status, reply.body) == (int(status), b"0123" if status == "206" else TEN)


def test_a_date_of_just_now_is_not_good_enough_for_a_part(
    server: LiveServer, module_path: Path, wire: Wire
) -> None:
    """It may be changed again within the same second."""
    (module_path / "www" / "fresh.txt").write_bytes(TEN)
    date = wire.get("/fresh.txt").get("Last-Modified")
    assert wire.get("/fresh.txt", "Range: bytes=0-3", f"If-Range: {date}").status == 200


def test_if_range_without_range_means_nothing(wire: Wire) -> None:
    assert wire.get("/ten.txt", 'If-Range: "other"').status == 200


def test_large_parts_are_sent_as_they_are_asked_for(wire: Wire) -> None:
    spans = [(160_000, 319_999), (8, 15), (80_000, 159_000)]
    reply = wire.get("/big.bin", "Range: bytes=" + ",".join(f"{first}-{last}" for first, last in spans))
    assert reply.status == 206
    assert [content for _, _, content in parts_of(reply)] == [BIG[first : last + 1] for first, last in spans]
    assert wire.get("/ten.txt").body == TEN  # the connection goes on where the body ended


def test_a_download_that_goes_on_where_it_was_cut(wire: Wire) -> None:
    first = wire.get("/big.bin", "Range: bytes=0-99999")
    rest = wire.get("/big.bin", "Range: bytes=100000-", f"If-Range: {first.get('ETag')}")
    assert first.body + rest.body == BIG


def test_a_part_of_the_compressed_form_is_one_of_its_bytes(wire: Wire) -> None:
    form = FILES["www/page.html.gz"]
    reply = wire.get("/page.html", "Accept-Encoding: gzip", "Range: bytes=2-9")
    assert (reply.status, reply.body) == (206, form[2:10])
    assert reply.get("Content-Encoding") == "gzip"
    assert reply.get("Content-Range") == f"bytes 2-9/{len(form)}"
    assert reply.get("Vary") == "Accept-Encoding"


def test_several_parts_of_a_compressed_form_are_the_whole_of_it(wire: Wire) -> None:
    """Whether Content-Encoding would be that of the parts or of the multipart body, nobody says."""
    reply = wire.get("/page.html", "Accept-Encoding: gzip", "Range: bytes=0-1,5-6")
    assert (reply.status, reply.body) == (200, FILES["www/page.html.gz"])


def test_the_tag_of_one_form_is_no_good_for_a_part_of_the_other(wire: Wire) -> None:
    plain = wire.get("/page.html")
    reply = wire.get(
        "/page.html", "Accept-Encoding: gzip", "Range: bytes=0-3", f"If-Range: {plain.get('ETag')}"
    )
    assert (reply.status, reply.get("Content-Encoding")) == (200, "gzip")
