"""It asks another server, whose address is the query, by an HTTP client of asyncio."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import httpx


async def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    async with httpx.AsyncClient(trust_env=False) as client:
        reply = await client.get(environ["QUERY_STRING"])
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{reply.status_code} {reply.text}".encode()]
