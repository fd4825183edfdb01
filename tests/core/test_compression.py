"""Which responses are compressed, and what their heads say then."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skitai._kernels import http1
from skitai.core.compression import CODED_AT_ONCE_MAX, Compression, blocks, compression_of, takes_long
from skitai.core.config import ConfigErrors, load
from skitai.core.mediatypes import COMPRESSIBLE, media_type
from skitai.core.routes import RouteTable
from tests.decoding import decode

JSON = ("Content-Type", "application/json")
OURS = Compression(4, 1024, COMPRESSIBLE)


def head_of(accept: str | None = "gzip", method: str = "GET", **fields: str) -> http1.RequestHead:
    headers = [(name.replace("_", "-"), value) for name, value in fields.items()]
    if accept is not None:
        headers.append(("Accept-Encoding", accept))
    return http1.RequestHead(
        method, "/", "1.1", headers, "origin", "", "h", "/", "", None, False, True, False
    )


def settled(
    *fields: tuple[str, str], status: int = 200, size: int | None = 5000, accept: str | None = "gzip"
) -> tuple[dict[str, str], str | None]:
    headers, coding = OURS.settle(head_of(accept), status, list(fields), size)
    assert len(headers) == len({name.lower() for name, _ in headers})
    return dict(headers), coding.made_by.name if coding else None


@pytest.mark.parametrize(
    ("fields", "status", "size"),
    [
        ([("Content-Type", "image/png")], 200, 5000),
        ([], 200, 5000),
        ([JSON], 200, 1023),
        ([JSON], 200, 0),
        ([JSON], 204, None),
        ([JSON, ("Content-Encoding", "br")], 200, 5000),
        ([JSON, ("content-encoding", "identity")], 200, 5000),
        ([("Content-Type", "image/png"), ("Content-Range", "bytes 0-4999/10000")], 206, 5000),
        ([JSON, ("Cache-Control", "max-age=5, No-Transform")], 200, 5000),
        ([JSON, ("Content-Digest", "sha-256=:x:")], 200, 5000),
        ([JSON, ("Repr-Digest", "sha-256=:x:")], 200, 5000),
        ([JSON, ("Digest", "sha-256=x")], 200, 5000),
        ([JSON, ("Content-MD5", "x")], 200, 5000),
        ([("Cache-Control", "no-transform"), JSON], 200, None),
    ],
)
def test_what_could_never_be_coded_stays_as_it_is(
    fields: list[tuple[str, str]], status: int, size: int | None
) -> None:
    assert settled(*fields, status=status, size=size) == (dict(fields), None)


@pytest.mark.parametrize(
    "fields",
    [
        [JSON],
        [("content-type", "TEXT/HTML; charset=utf-8")],
        [JSON, ("Cache-Control", "private, no-transformation")],
        [JSON, ("Set-Cookie", "a=b")],
    ],
)
@pytest.mark.parametrize("status", [200, 201, 404, 500])
@pytest.mark.parametrize("size", [1024, 5000, None])
def test_the_others_are(fields: list[tuple[str, str]], status: int, size: int | None) -> None:
    headers, coding = settled(*fields, status=status, size=size)
    assert coding == "gzip"
    assert headers == {**dict(fields), "Content-Encoding": "gzip", "Vary": "Accept-Encoding"}


@pytest.mark.parametrize("accept", [None, "", "identity", "gzip;q=0", "rot13", "*;q=0"])
def test_who_likes_none_is_told_that_it_depends(accept: str | None) -> None:
    fields = (JSON, ("ETag", '"x"'), ("Accept-Ranges", "bytes"), ("Content-Length", "5000"))
    assert settled(*fields, accept=accept) == ({**dict(fields), "Vary": "Accept-Encoding"}, None)


@pytest.mark.parametrize(
    ("fields", "status"), [([JSON], 206), ([JSON, ("Content-Range", "bytes 0-4999/10000")], 416)]
)
def test_a_part_is_never_coded_but_varies_as_the_whole_does(
    fields: list[tuple[str, str]], status: int
) -> None:
    assert settled(*fields, status=status) == ({**dict(fields), "Vary": "Accept-Encoding"}, None)


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ("Cookie", "Cookie, Accept-Encoding"),
        ("accept-encoding", "accept-encoding"),
        ("Cookie, Accept-Encoding", "Cookie, Accept-Encoding"),
        ("*", "*"),
        ("", "Accept-Encoding"),
    ],
)
@pytest.mark.parametrize("accept", ["gzip", None])
def test_vary_is_added_to_what_is_there(given: str, sent: str, accept: str | None) -> None:
    assert settled(JSON, ("Vary", given), accept=accept)[0]["Vary"] == sent


def test_several_fields_of_vary_become_one() -> None:
    headers, _ = OURS.settle(head_of(), 200, [JSON, ("Vary", "Cookie"), ("vary", "Origin")], 5000)
    assert [value for name, value in headers if name.lower() == "vary"] == ["Cookie, Origin, Accept-Encoding"]


@pytest.mark.parametrize(("given", "sent"), [('"x"', 'W/"x"'), ('W/"x"', 'W/"x"')])
def test_other_bytes_have_a_weak_tag(given: str, sent: str) -> None:
    headers, _ = settled(JSON, ("ETag", given), ("Accept-Ranges", "bytes"), ("Content-Length", "5000"))
    assert headers["ETag"] == sent
    assert "Accept-Ranges" not in headers
    assert "Content-Length" not in headers


@pytest.mark.parametrize(
    ("asked", "tag"),
    [
        ('W/"x"', 'W/"x"'),
        ('"y", W/"x"', 'W/"x"'),
        ('"x"', '"x"'),
        ('W/"x", "x"', '"x"'),
        ("*", '"x"'),
        ('W/"y"', '"x"'),
    ],
)
def test_a_304_has_the_tag_that_was_asked_for(asked: str, tag: str) -> None:
    headers, coding = OURS.settle(head_of(If_None_Match=asked), 304, [("ETag", '"x"')], None)
    assert coding is None
    assert dict(headers)["ETag"] == tag
    assert ("Vary" in dict(headers)) == tag.startswith("W/")


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("page.html", True), ("a.css", True), ("a.js", True), ("a.json", True), ("a.map", True),
        ("a.xml", True), ("a.rss", True), ("a.xhtml", True), ("a.svg", True), ("a.wasm", True),
        ("a.webmanifest", True), ("a.geojson", True), ("a.ttf", True), ("a.otf", True), ("a.eot", True),
        ("a.ico", True), ("a.bmp", True), ("a.csv", True), ("a.gltf", True), ("a.vtt", True),
        ("a.png", False), ("a.jpeg", False), ("a.webp", False), ("a.mp4", False), ("a.woff", False),
        ("a.woff2", False), ("a.pdf", False), ("a.zip", False), ("a.gz", False), ("a.docx", False),
        ("a.unknown", False),
    ],
)  # fmt: skip
def test_types_of_files(name: str, wanted: bool) -> None:
    assert OURS.wants(media_type(name)) is wanted


@pytest.mark.parametrize(
    ("content_type", "wanted"),
    [
        ("text/event-stream", True),
        (" Text/Plain ;charset=utf-8", True),
        ("application/problem+json", True),
        ("application/jsonp", False),
        ("text", False),
        ("text/html/x", False),
        ("", False),
    ],
)
def test_types_of_applications(content_type: str, wanted: bool) -> None:
    assert OURS.wants(content_type) is wanted
    assert OURS.wants(content_type) is wanted  # and when it is remembered


def test_made_up_types_do_not_fill_the_memory() -> None:
    ours = Compression(4, 1024, COMPRESSIBLE)
    for number in range(1000):
        assert ours.wants(f"text/{number}")
    assert len(ours._known) < 300


@pytest.mark.parametrize("accept", ["gzip", "deflate", "br", "zstd"])
def test_a_whole_body(accept: str) -> None:
    body = b'{"a": 1}, ' * 500
    headers, coded = OURS.code(accept, 200, [JSON, ("ETag", '"x"')], body)
    assert dict(headers) == {
        **dict([JSON]), "ETag": 'W/"x"', "Content-Encoding": accept, "Vary": "Accept-Encoding"
    }  # fmt: skip
    assert len(coded) < len(body) / 10
    assert decode(accept, coded) == body


@given(st.lists(st.binary(max_size=300).map(lambda piece: piece * 700), max_size=8))
def test_blocks_are_the_same_bytes(pieces: list[bytes]) -> None:
    made = list(blocks(pieces))
    assert b"".join(made) == b"".join(pieces)
    assert all(CODED_AT_ONCE_MAX <= len(block) < 2 * CODED_AT_ONCE_MAX for block in made[:-1])


@pytest.mark.parametrize("given", [[b"x" * 60_000, "é" * 3000], [b"x" * 65_537]])
def test_what_is_too_long_for_the_loop(given: list[Any]) -> None:
    assert not takes_long(OURS, [given[0][:60_000], 5, None, b"x"])
    assert takes_long(OURS, [*given, *given])
    assert not takes_long(None, [*given, *given])


# --- the settings


def compressions(conf: str) -> dict[str, Compression | None]:
    settings = load(Path("site.conf"), text=f"{conf}\n", base=Path(__file__).parents[2])
    return {mount.path: mount.compression for mount in RouteTable.of(settings).mounts}


ROUTES = "[routes:line]\n/ = examples/static\n/docs = docs\n"


def test_it_is_on_by_default() -> None:
    made = compressions(ROUTES)
    assert made[""] is made["/docs"] is not None
    assert made[""].least == 1024


@pytest.mark.parametrize("word", ["no", "off", "false", "0"])
def test_a_mount_can_go_without(word: str) -> None:
    made = compressions(f"{ROUTES}[mount /docs]\ncompress = {word}")
    assert made[""] is not None
    assert made["/docs"] is None


@pytest.mark.parametrize("word", ["yes", "on", "true", "1"])
def test_a_mount_can_have_it_alone(word: str) -> None:
    made = compressions(f"[server]\ncompress = no\n{ROUTES}[mount /docs]\ncompress = {word}")
    assert made[""] is None
    assert made["/docs"] is not None


def test_what_a_mount_says_is_its_own() -> None:
    made = compressions(f"{ROUTES}[mount /docs]\ncompress_min = 2k\ncompress_types = text/html, Image/*")
    docs, root = made["/docs"], made[""]
    assert docs is not None
    assert root is not None
    assert (docs.least, root.least) == (2048, 1024)
    assert docs.wants("image/png")
    assert not docs.wants("text/plain")
    assert root.wants("text/plain")


def test_nothing_is_shorter_than_nothing() -> None:
    settings = load(Path("x"), text=f"[server]\ncompress_min = 0\n{ROUTES}", base=Path(__file__).parents[2])
    ours = compression_of(RouteTable.of(settings).mounts[0].options)
    assert ours is not None
    assert ours.code("gzip", 200, [JSON], b"") == ([JSON], b"")


@pytest.mark.parametrize(
    "line", ["compress = maybe", "compress_level = 0", "compress_level = 10", "compress_types = text"]
)
def test_what_is_wrong_is_told(line: str) -> None:
    with pytest.raises(ConfigErrors, match=line.partition(" ")[0]):
        compressions(f"[server]\n{line}\n{ROUTES}")
