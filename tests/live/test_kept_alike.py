"""Who is answered from the shelf gets what the general path would have said, field by field.

Each question of a product goes to a server that keeps files and to one that does not, each on a connection
of its own: so the first is asked in a lane, in front of which the shelf stands.
"""

from __future__ import annotations

import gzip
import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from skitai._kernels import implementation
from tests.live.program import LiveServer, Serve
from tests.live.static_site import LAST_MODIFIED, gzipped, serve_site
from tests.live.wire import Reply

CODE = b"var a = 1;\n" * 500
FILES = {
    "www/short.txt": b"short",
    "www/text.txt": b"hello world\n" * 300,
    "www/long.txt": b"0123456789abcde\n" * 5000,
    "www/empty.txt": b"",
    "www/image.png": bytes(range(256)) * 12,
    "www/long.png": bytes(range(256)) * 400,
    "www/code.js": CODE,
    "www/code.js.gz": gzipped(CODE),
}
PATHS = [*(f"/{Path(name).name}" for name in FILES if not name.endswith(".gz")), "/plain/text.txt"]
CONF = """
[server]
{key}
[routes:line]
/ = www
/plain = www
[mount /plain]
compress = no
"""

ACCEPTED = ("", "Accept-Encoding: gzip", "Accept-Encoding: br;q=0, deflate", "Accept-Encoding: identity")
CONDITIONS = (
    "",
    "If-None-Match: ETAG",
    "If-None-Match: W/ETAG",
    "If-None-Match: *",
    'If-None-Match: "other"',
    f"If-Modified-Since: {LAST_MODIFIED}",
    "If-Match: ETAG",
    f"If-Unmodified-Since: {LAST_MODIFIED}",
)
RANGES = (
    "",
    "Range: bytes=0-4",
    "Range: bytes=-3",
    "Range: bytes=2-",
    "Range: bytes=0-99999999999999999999",
    "Range: bytes=999999-",
)
CONNECTIONS = (("1.1", ""), ("1.1", "Connection: close"), ("1.0", ""), ("1.0", "Connection: keep-alive"))
#: Which of these the server knows depends on whether it has the whole body yet.
_FRAMING = {"Content-Length", "Transfer-Encoding"}


@pytest.fixture(scope="module")
def servers(serve_conf_module: Serve, module_path: Path) -> tuple[LiveServer, LiveServer]:
    if implementation() == "pure":
        pytest.skip("the pure build keeps nothing")
    keeping = serve_site(serve_conf_module, module_path, "compiled", CONF.format(key=""), FILES)
    return keeping, serve_conf_module(CONF.format(key="file_cache_max = 0"))


def ask(server: LiveServer, method: str, path: str, version: str, fields: list[str]) -> Reply:
    with server.connect() as wire:
        wire.request(method, path, *fields, version=version)
        return wire.read_reply(method)


def comparable(reply: Reply) -> tuple[int, list[tuple[str, str]], bytes]:
    """Codings of blocks and of the whole differ in bytes, never in what is decoded."""
    ignored = {"Date"} | (_FRAMING if reply.get("Content-Encoding") else set())
    fields = sorted(field for field in reply.headers if field[0] not in ignored)
    is_coded = reply.get("Content-Encoding") == "gzip" and reply.status == 200 and reply.body != b""
    return reply.status, fields, gzip.decompress(reply.body) if is_coded else reply.body


def questions(etag: str) -> Iterator[tuple[str, str, list[str]]]:
    everything = itertools.product(("GET", "HEAD"), CONDITIONS, RANGES, CONNECTIONS[:1])
    connections = itertools.product(("GET", "HEAD"), CONDITIONS[:2], RANGES[:2], CONNECTIONS[1:])
    for method, condition, part, (version, connection) in itertools.chain(everything, connections):
        yield method, version, [line.replace("ETAG", etag) for line in (condition, part, connection) if line]


@pytest.mark.parametrize("accepted", ACCEPTED)
@pytest.mark.parametrize("path", PATHS)
def test_no_client_can_tell(servers: tuple[LiveServer, LiveServer], path: str, accepted: str) -> None:
    accept = [accepted] if accepted else []
    kept = [ask(servers[0], "GET", path, "1.1", accept) for _ in range(3)]
    etag = (kept[0].get("ETag") or "").removeprefix("W/")
    for method, version, fields in questions(etag):
        said, expected = (
            comparable(ask(server, method, path, version, [*accept, *fields])) for server in servers
        )
        assert said == expected, (method, version, fields)
