"""What sends each WebSocket message back: ours, a plain WSGI application, and what others have in its place.

    python -m benchmarks.echoing NAME PORT

None of them compresses, for the client does not offer it.  Each gives the message as its own samples do:
websockets and aiohttp as str, picows, which leaves that to its user, as the bytes of the frame.
"""

from __future__ import annotations

import asyncio
import importlib
import sys
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from skitai import WEBSOCKET_REQDATA

__all__ = ["PEERS", "app"]

_IDLE = 60


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    if "websocket_init" in environ:
        environ["websocket_init"] = (WEBSOCKET_REQDATA, _IDLE, "message")
        start_response("200 OK", [])
        return []
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ["skitai.websocket.message"].encode()]


async def by_websockets(port: int) -> None:
    server = importlib.import_module("websockets.asyncio.server")

    async def echo(websocket: Any) -> None:
        async for message in websocket:
            await websocket.send(message)

    async with server.serve(echo, "127.0.0.1", port, compression=None) as listening:
        await listening.serve_forever()


async def by_aiohttp(port: int) -> None:
    web = importlib.import_module("aiohttp.web")

    async def echo(request: Any) -> Any:
        socket = web.WebSocketResponse(compress=False)
        await socket.prepare(request)
        async for message in socket:
            await socket.send_str(message.data)
        return socket

    site = web.Application()
    site.router.add_get("/", echo)
    runner = web.AppRunner(site, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


async def by_picows(port: int) -> None:
    picows = importlib.import_module("picows")

    class Echo(picows.WSListener):  # type: ignore[name-defined,misc]
        def on_ws_frame(self, transport: Any, frame: Any) -> None:
            transport.send(frame.msg_type, frame.get_payload_as_memoryview())

    server = await picows.ws_create_server(lambda request: Echo(), "127.0.0.1", port)
    await server.serve_forever()


#: By the name that the command line has for them, and whether uvloop is theirs.
PEERS: dict[str, tuple[Callable[[int], Awaitable[None]], bool]] = {
    "websockets": (by_websockets, False),
    "websockets-uvloop": (by_websockets, True),
    "aiohttp": (by_aiohttp, True),
    "picows": (by_picows, True),
}


async def _serve(serve: Callable[[int], Awaitable[None]], port: int) -> None:
    await serve(port)


def main(name: str, port: str) -> None:
    serve, on_uvloop = PEERS[name]
    if on_uvloop:
        importlib.import_module("uvloop").run(_serve(serve, int(port)))
    else:
        asyncio.run(_serve(serve, int(port)))


if __name__ == "__main__":
    main(*sys.argv[1:])
