"""What is asked of which servers: one row of a table for each question.

The first of ``ours`` is what the others are compared with; further ones answer how much a
setting of ours costs, in the same rounds.  A server that cannot do what a scenario asks is
left out and the reason is printed, because a gap without a word looks like a choice.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchmarks.apps import HELLO, ONE_MIB, TEN_KIB, TWENTY_KIB_JSON
from benchmarks.process import Request
from benchmarks.wrk import Load

__all__ = ["FILES", "FILE_SIZES", "MEMBERS", "PEERS", "SCENARIOS", "Scenario", "lay_out", "peer"]

FILES = "files"
"""In place of an application: the folder that `lay_out` makes."""
MEMBERS = "members"
"""In place of an application: the port of those that the measured servers pass requests on to."""
FILE_SIZES = {"12.bin": 12, "1k.bin": 1024, "64k.bin": 64 * 1024, "10m.bin": 10 << 20}
#: When they were changed: the start of 2026.
FILES_CHANGED = 1767225600

WSGI = ("bjoern", "fastwsgi", "granian", "gunicorn", "waitress", "cheroot")
THREADED = ("granian-threads", "gunicorn", "waitress", "cheroot")
SIXTEEN = ("granian-16", "gunicorn-16", "waitress-16", "bjoern")
ASYNC = ("granian-async", "uvicorn", "hypercorn")
CLIENTS = ("aiohttp", "pycurl")
ECHOERS = ("websockets", "websockets-uvloop", "aiohttp-echo", "picows")
#: Those that answer requests, and those that make them.
SERVERS = (*WSGI, "uvicorn", "hypercorn", "nginx", "haproxy", "websockets", "picows")
PEERS = (*SERVERS, *CLIENTS, "asyncpg", "psycopg2")

KEEP_ALIVE = Load()
CLOSE = Load(headers=("Connection: close",))


@dataclass(frozen=True, slots=True)
class Scenario:
    """``length`` is that of the body of a good answer, ``body`` what is posted."""

    title: str
    app: str
    length: int
    load: Load = KEEP_ALIVE
    ours: tuple[str, ...] = ("skitai",)
    peers: tuple[str, ...] = WSGI
    body: bytes | None = None
    cannot: Mapping[str, str] = field(default_factory=dict)
    """peers that are left out, and why"""
    loads: Mapping[str, Load] = field(default_factory=dict)
    """for servers that are loaded otherwise than by ``load``"""
    upstream: str = ""
    """the server of files or of `DATABASES` that those measured ask; its URL is ``{upstream}`` in the path of
    ``load``"""

    def load_of(self, server: str) -> Load:
        return self.loads.get(server, self.load)

    def beside(self, upstream: str) -> Scenario:
        """The same with the URL of such a server that runs."""
        load = replace(self.load, path=self.load.path.format(upstream=upstream))
        return replace(self, load=load, upstream="")

    def request(self) -> Request:
        """One of the kind that is measured, to see whether a server answers it."""
        opens_websocket = self.load.echoes > 0
        return Request(self.load.path, self.length, self.body, opens_websocket=opens_websocket)

    def servers(self, peers: Sequence[str] = PEERS) -> list[str]:
        """Ours, and of the peers those of ``peers`` that can do it."""
        able = [name for name in self.peers if peer(name) in peers and name not in self.cannot]
        return [*self.ours, *able]


NO_THREADS = "answers from its loop, has no threads"

SCENARIOS: dict[str, Scenario] = {
    "hello": Scenario(
        "12 bytes, keep-alive", "benchmarks.apps:hello", len(HELLO), ours=("skitai", "skitai-log")
    ),
    "threads": Scenario(
        "12 bytes from 4 threads",
        "benchmarks.apps:hello",
        len(HELLO),
        ours=("skitai-threads", "skitai"),
        peers=THREADED,
        cannot={"bjoern": NO_THREADS, "fastwsgi": NO_THREADS},
    ),
    "default": Scenario(
        "12 bytes from the threads of the default",
        "benchmarks.apps:hello",
        len(HELLO),
        ours=("skitai-default", "skitai"),
        peers=("bjoern", "granian"),
    ),
    "parking": Scenario(
        "12 bytes from handlers that could be parked, and from others",
        "benchmarks.apps:hello",
        len(HELLO),
        ours=("skitai-parks", "skitai-default"),
        peers=(),
    ),
    "sleepers": Scenario(
        "12 bytes, 56 connections, while 8 ask what waits 50 ms; the figures are of the 56",
        "benchmarks.apps:mixed",
        len(HELLO),
        Load(connections=56, beside=Load(path="/sleep", connections=8)),
        ours=("skitai-16", "skitai-alone"),
        peers=SIXTEEN,
        loads={"skitai-alone": Load(connections=56)},
    ),
    "tenth": Scenario(
        "12 bytes, a tenth of all requests wait 50 ms; the latencies are of the others",
        "benchmarks.apps:mixed",
        len(HELLO),
        Load(other=("/sleep", 0.1)),
        ours=("skitai-16",),
        peers=SIXTEEN,
    ),
    "burners": Scenario(
        "12 bytes, 60 connections, while 4 ask what computes 20 ms; the figures are of the 60",
        "benchmarks.apps:mixed",
        len(HELLO),
        Load(connections=60, beside=Load(path="/burn", connections=4)),
        ours=("skitai-16",),
        peers=SIXTEEN,
    ),
    "async": Scenario(
        "12 bytes from an async def",
        "benchmarks.apps:awaited",
        len(HELLO),
        ours=("skitai-default", "skitai"),
        peers=ASYNC,
    ),
    "pure": Scenario(
        "12 bytes from the build without compiled modules",
        "benchmarks.apps:hello",
        len(HELLO),
        ours=("skitai-pure",),
        peers=("gunicorn", "waitress", "cheroot"),
    ),
    "pipelined": Scenario(
        "12 bytes, requests pipelined by 16",
        "benchmarks.apps:hello",
        len(HELLO),
        Load(script="pipelined.lua", batched=True),
        ours=("skitai", "skitai-unpipelined"),
        cannot={"bjoern": "answers only the first of requests that come together"},
        loads={"skitai-unpipelined": KEEP_ALIVE},
    ),
    "10k": Scenario("10 KiB body", "benchmarks.apps:ten_kib", len(TEN_KIB)),
    "post": Scenario(
        "POST of 4 KiB", "benchmarks.apps:post", len("4096\n"), Load(script="post.lua"), body=b"x" * 4096
    ),
    "gzip": Scenario(
        "20 KiB of JSON, compressed by gzip at level 4; for gunicorn nginx does that",
        "benchmarks.apps:rows",
        len(TWENTY_KIB_JSON),
        Load(headers=("Accept-Encoding: gzip",)),
        ours=("skitai", "skitai-default"),
        peers=("gunicorn-gzip",),
    ),
    "1m": Scenario("1 MiB body", "benchmarks.apps:one_mib", len(ONE_MIB), Load(connections=16)),
    "close": Scenario(
        "12 bytes, a new connection for each request",
        "benchmarks.apps:hello",
        len(HELLO),
        CLOSE,
    ),
    "tls": Scenario(
        "12 bytes over TLS, keep-alive",
        "benchmarks.apps:hello",
        len(HELLO),
        ours=("skitai-tls", "skitai"),
        peers=("nginx-tls", "gunicorn-tls"),
    ),
    "handshakes": Scenario(
        "12 bytes, a new connection and full TLS handshake for each request, P-256",
        "benchmarks.apps:hello",
        len(HELLO),
        CLOSE,
        ours=("skitai-tls",),
        peers=("nginx-tls", "gunicorn-tls"),
    ),
    "handshakes-rsa": Scenario(
        "the same with RSA of 2048 bits",
        "benchmarks.apps:hello",
        len(HELLO),
        CLOSE,
        ours=("skitai-tls-rsa",),
        peers=("nginx-tls-rsa",),
    ),
    "flask": Scenario(
        "Flask's hello", "benchmarks.flaskhello:app", len(HELLO), ours=("skitai-default", "skitai")
    ),
    "saddle": Scenario(
        "Saddle's hello; Flask's on the same server",
        "benchmarks.saddlehello:app",
        len(HELLO),
        ours=("skitai-default", "skitai-flask"),
        peers=(),
    ),
    "static-1k": Scenario(
        "file of 1 KiB", FILES, FILE_SIZES["1k.bin"], Load(path="/1k.bin"), peers=("nginx",)
    ),
    "static-304": Scenario(
        "file of 1 KiB that the client has",
        FILES,
        FILE_SIZES["1k.bin"],
        Load(path="/1k.bin", headers=("If-Modified-Since: Thu, 01 Jan 2026 00:00:00 GMT",)),
        peers=("nginx",),
    ),
    "static-busy": Scenario(
        "file of 1 KiB, while 16 handlers wait 50 ms and a thread computes; the figures are of the files",
        FILES,
        FILE_SIZES["1k.bin"],
        Load(path="/1k.bin", beside=Load(path="/busy", connections=16)),
        ours=("skitai-busy", "skitai-idle"),
        peers=(),
        loads={"skitai-idle": Load(path="/1k.bin")},
    ),
    "static-64k": Scenario(
        "file of 64 KiB", FILES, FILE_SIZES["64k.bin"], Load(path="/64k.bin"), peers=("nginx",)
    ),
    "static-10m": Scenario(
        "file of 10 MiB",
        FILES,
        FILE_SIZES["10m.bin"],
        Load(path="/10m.bin", connections=16),
        peers=("nginx",),
    ),
    "fetch": Scenario(
        "20,000 files of 1 KiB fetched from an nginx by one handler, 100 at a time",
        "benchmarks.fetching:app",
        len("20000 20480000\n"),
        Load(path="/?count=20000&at_once=100&url={upstream}/1k.bin", connections=100, fetches=20_000),
        ours=("skitai-parks", "skitai-default", "skitai-script"),
        peers=CLIENTS,
        upstream="nginx",
    ),
    "ws-echo-32": Scenario(
        "WebSocket, 32 bytes of text sent back",
        "benchmarks.echoing:app",
        0,
        Load(echoes=32),
        ours=("skitai-default", "skitai"),
        peers=ECHOERS,
    ),
    "ws-echo-16k": Scenario(
        "WebSocket, 16 KiB of text sent back",
        "benchmarks.echoing:app",
        0,
        Load(echoes=16 * 1024),
        ours=("skitai-default", "skitai"),
        peers=ECHOERS,
    ),
    "proxy": Scenario(
        "file of 12 bytes through a reverse proxy, from two members that share wrk's core",
        MEMBERS,
        FILE_SIZES["12.bin"],
        Load(path="/12.bin"),
        ours=("skitai-proxy",),
        peers=("nginx-proxy", "haproxy-proxy", "aiohttp-proxy"),
        upstream="nginx-members",
    ),
    "proxy-64k": Scenario(
        "file of 64 KiB, likewise",
        MEMBERS,
        FILE_SIZES["64k.bin"],
        Load(path="/64k.bin"),
        ours=("skitai-proxy",),
        peers=("nginx-proxy", "haproxy-proxy", "aiohttp-proxy"),
        upstream="nginx-members",
    ),
    "proxy-one": Scenario(
        "file of 12 bytes, likewise, by one client that asks again when it is answered: the latency",
        MEMBERS,
        FILE_SIZES["12.bin"],
        Load(path="/12.bin", connections=1),
        ours=("skitai-proxy",),
        peers=("nginx-proxy", "haproxy-proxy"),
        upstream="nginx-members",
    ),
    "db": Scenario(
        "10,000 rows by primary key, 64 statements at once, over at most 4 connections (asyncpg also 10)",
        "benchmarks.querying:app",
        len("10000 10000\n"),
        Load(path="/?count=10000&at_once=64&url={upstream}", fetches=10_000),
        ours=("skitai-db-4", "skitai-db-2"),
        peers=("asyncpg-4", "asyncpg-10", "psycopg2-4", "psycopg2-2"),
        upstream="postgres",
    ),
    "db-far": Scenario(
        "2,000 rows by primary key, 64 statements at once, over 2 connections, 2 ms away each way",
        "benchmarks.querying:app",
        len("2000 2000\n"),
        Load(path="/?count=2000&at_once=64&url={upstream}", fetches=2000),
        ours=("skitai-db-2",),
        peers=("psycopg2-2",),
        upstream="postgres-far",
    ),
}


def peer(server: str) -> str:
    """The program behind an entry of `SERVERS`: of ``granian-threads`` it is ``granian``."""
    return server.partition("-")[0]


def lay_out(app: str, folder: Path) -> str:
    """What servers are told to serve: ``app`` itself, or the folder of files, made in ``folder``."""
    if app != FILES:
        return app
    files = folder / FILES
    files.mkdir()
    for name, size in FILE_SIZES.items():
        (files / name).write_bytes(b"x" * size)
        os.utime(files / name, (FILES_CHANGED, FILES_CHANGED))
    return str(files)
