"""Many servers in one process, each of which can be slow.

    python -m tests.live.delaying COUNT [HOST PORT [CERTFILE KEYFILE]]

It prints the ports as JSON (those that the system gives, where PORT is 0), then does what its input says, a
line each, and prints JSON when it is done:

    3 0.25      server 3 answers after 0.25 s from now on; * is all of them
    3 refuse    server 3 listens no more, and resets its connections
    seen        requests, connections made and connections open, of each

Every answer is the number of its server.  It ends with its input.
"""

from __future__ import annotations

import asyncio
import json
import re
import resource
import ssl
import sys

__all__: list[str] = []

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


class Server:
    def __init__(self, number: int) -> None:
        self.delay = 0.0
        self.requests = 0
        self.connections = 0
        self.clients: set[Client] = set()
        body = str(number).encode()
        self.answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)

    async def listen(self, host: str, port: int, context: ssl.SSLContext | None) -> int:
        loop = asyncio.get_running_loop()
        self._listening = await loop.create_server(
            lambda: Client(self), host, port, backlog=4096, ssl=context
        )
        return int(self._listening.sockets[0].getsockname()[1])

    def refuse(self) -> None:
        self._listening.close()
        for client in list(self.clients):
            client.transport.abort()


class Client(asyncio.Protocol):
    transport: asyncio.Transport

    def __init__(self, server: Server) -> None:
        self._server = server
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._server.connections += 1
        self._server.clients.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        self._server.clients.discard(self)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, end, rest = self._received.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        size = int(length[1]) if length else 0
        if not end or len(rest) < size:
            return
        self._received = rest[size:]
        self._server.requests += 1
        if self._server.delay:
            asyncio.get_running_loop().call_later(self._server.delay, self._answer)
        else:
            self._answer()

    def _answer(self) -> None:
        self.transport.write(self._server.answer)


def obey(servers: list[Server], line: str) -> object:
    if line == "seen":
        return {
            "requests": [server.requests for server in servers],
            "connections": [server.connections for server in servers],
            "open": [len(server.clients) for server in servers],
        }
    number, what = line.split()
    for server in servers if number == "*" else [servers[int(number)]]:
        if what == "refuse":
            server.refuse()
        else:
            server.delay = float(what)
    return None


def context_of(files: tuple[str, ...]) -> ssl.SSLContext | None:
    if not files:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)
    return context


async def main(count: int, host: str, port: int, *files: str) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    servers = [Server(number) for number in range(count)]
    context = context_of(files)
    print(json.dumps([await server.listen(host, port, context) for server in servers]), flush=True)
    lines = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while line := (await lines.readline()).decode().strip():
        print(json.dumps(obey(servers, line)), flush=True)


if __name__ == "__main__":
    _, count, *place = sys.argv
    host, port, *files = place or ("127.0.0.1", "0")
    asyncio.run(main(int(count), host, int(port), *files))
