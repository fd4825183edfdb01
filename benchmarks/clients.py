"""What others do where `benchmarks.fetching` calls `was.get`: ``python -m benchmarks.clients NAME PORT``.

They have no server, so each gets one of the standard library's, which is asked once for all the files.
What is compared is the client: each keeps its connections, reads whole bodies, and looks at each status.
So does ``was`` in a process without our server.
"""

from __future__ import annotations

import asyncio
import importlib
import sys
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, TypeAlias
from urllib.parse import parse_qs

from benchmarks.dbclients import DATABASE_CLIENTS

__all__ = ["CLIENTS", "Fetch", "serve"]

#: ``fetch(url, count, at_once)`` gives the number of bytes; RuntimeError for an answer that is not 200.
Fetch: TypeAlias = Callable[[str, int, int], int]


class ByAiohttp:
    """As many workers as are at once, and one session, on uvloop."""

    def __init__(self) -> None:
        self._aiohttp = importlib.import_module("aiohttp")
        self._loop = importlib.import_module("uvloop").new_event_loop()
        self._session: Any = None

    def __call__(self, url: str, count: int, at_once: int) -> int:
        return int(self._loop.run_until_complete(self._fetch_all(url, count, at_once)))

    async def _fetch_all(self, url: str, count: int, at_once: int) -> int:
        if self._session is None:  # only a coroutine can make one
            connector = self._aiohttp.TCPConnector(limit=at_once)
            self._session = self._aiohttp.ClientSession(connector=connector)
        numbers = iter(range(count))
        return sum(await asyncio.gather(*(self._work(url, numbers) for _ in range(at_once))))

    async def _work(self, url: str, numbers: Iterator[int]) -> int:
        received = 0
        for _ in numbers:
            async with self._session.get(url) as answer:
                if answer.status != 200:
                    raise RuntimeError(f"{answer.status} {answer.reason}")
                received += len(await answer.read())
        return received


class ByPycurl:
    """libcurl's multi interface: handles are used again, and what is called for each piece is in C."""

    def __init__(self) -> None:
        self._curl = importlib.import_module("pycurl")
        self._multi = self._curl.CurlMulti()
        self._bodies: dict[Any, list[bytes]] = {}

    def __call__(self, url: str, count: int, at_once: int) -> int:
        curl, multi, bodies = self._curl, self._multi, self._bodies
        while len(bodies) < at_once:
            self._add_handle()
        for handle in bodies:
            handle.setopt(curl.URL, url)
            multi.add_handle(handle)
        started, done, received = at_once, 0, 0
        while done < count:
            multi.perform()
            _, good, bad = multi.info_read()
            if bad:
                raise RuntimeError(bad[0][2])
            for handle in good:
                multi.remove_handle(handle)
                if (status := handle.getinfo(curl.RESPONSE_CODE)) != 200:
                    raise RuntimeError(f"{status}")
                received += len(b"".join(bodies[handle]))
                bodies[handle].clear()
                if started < count:
                    started += 1
                    multi.add_handle(handle)
            done += len(good)
            if not good:
                multi.select(1.0)
        return received

    def _add_handle(self) -> None:
        body: list[bytes] = []
        handle = self._curl.Curl()
        handle.setopt(self._curl.WRITEFUNCTION, body.append)
        handle.setopt(self._curl.NOSIGNAL, 1)
        self._bodies[handle] = body


def _was() -> Fetch:
    fetch: Fetch = importlib.import_module("benchmarks.fetching").by_was
    return fetch


#: By the name that the command line has for them.
CLIENTS: dict[str, Callable[[], Fetch]] = {
    "aiohttp": ByAiohttp,
    "pycurl": ByPycurl,
    "was": _was,
    **DATABASE_CLIENTS,
}


def serve(fetch: Fetch, port: int) -> HTTPServer:
    """A server whose only thread fetches."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = parse_qs(self.path.partition("?")[2])
            count = int(asked["count"][0])
            body = b"%d %d\n" % (count, fetch(asked["url"][0], count, int(asked["at_once"][0])))
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """None of the servers under comparison logs."""

    return HTTPServer(("127.0.0.1", port), Handler)


if __name__ == "__main__":
    serve(CLIENTS[sys.argv[1]](), int(sys.argv[2])).serve_forever()
