"""A wire that is long: ``python -m benchmarks.relay PORT TARGET SECONDS`` hands on what it gets, later."""

from __future__ import annotations

import asyncio
import sys

__all__ = ["relay"]


async def _hand_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seconds: float) -> None:
    """Each piece after ``seconds``, however many are on their way."""
    loop = asyncio.get_running_loop()
    while piece := await reader.read(1 << 16):
        loop.call_later(seconds, writer.write, piece)
    loop.call_later(seconds, writer.close)


async def relay(port: int, target: int, seconds: float) -> None:
    """Listen at ``port`` for ever."""

    async def join(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", target)
        await asyncio.gather(
            _hand_on(reader, far_writer, seconds),
            _hand_on(far_reader, writer, seconds),
            return_exceptions=True,
        )

    server = await asyncio.start_server(join, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(relay(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))
