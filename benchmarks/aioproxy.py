"""A reverse proxy as one writes it with aiohttp: ``python -m benchmarks.aioproxy MEMBERS PORT``.

Of two members in turn, connections to them kept, the body passed on as it comes.
"""

from __future__ import annotations

import importlib
import itertools
import sys
from typing import Any

__all__ = ["main"]

_HOP_BY_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade"})


def main(members: str, port: str) -> None:
    aiohttp = importlib.import_module("aiohttp")
    web = importlib.import_module("aiohttp.web")
    bases = itertools.cycle((f"http://127.0.0.1:{members}", f"http://127.0.0.2:{members}"))

    async def pass_on(request: Any) -> Any:
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP_BY_HOP}
        headers["X-Forwarded-For"] = request.remote
        session = request.app["session"]
        async with session.request(
            request.method,
            next(bases) + request.raw_path,
            headers=headers,
            data=request.content if request.body_exists else None,
            allow_redirects=False,
        ) as answer:
            kept = {name: value for name, value in answer.headers.items() if name.lower() not in _HOP_BY_HOP}
            response = web.StreamResponse(status=answer.status, reason=answer.reason, headers=kept)
            await response.prepare(request)
            async for piece in answer.content.iter_any():
                await response.write(piece)
            await response.write_eof()
            return response

    async def open_session(app: Any) -> None:
        app["session"] = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), auto_decompress=False)

    async def close_session(app: Any) -> None:
        await app["session"].close()

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", pass_on)
    app.on_startup.append(open_session)
    app.on_cleanup.append(close_session)
    web.run_app(app, host="127.0.0.1", port=int(port), print=None, access_log=None)


if __name__ == "__main__":
    main(*sys.argv[1:])
