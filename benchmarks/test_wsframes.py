"""The bytes of WebSocket frames: unmasking, UTF-8, whole messages read and made, by size.

``make bench`` measures; `make test` runs each once, so that they do not rot.  The figures worth knowing are
bytes per second: 16 KiB and more at the speed of memory in the compiled build, and the price of 32 bytes.
The yardstick is ``bytes(...)``, which copies and does nothing else.
"""

from __future__ import annotations

from typing import Any

import pytest

from skitai._kernels import websocket, wsframes
from skitai.limits import Limits

MASK = b"\x37\xfa\x21\x3d"
LIMITS = Limits()

sizes = pytest.mark.parametrize("size", [32, 1024, 16384, 1 << 20], ids=["32 B", "1 KiB", "16 KiB", "1 MiB"])


def rate(benchmark: Any, size: int) -> None:
    """Bytes for each call, beside the time that it takes (GB/s in the report of ``--benchmark-json``)."""
    benchmark.extra_info["bytes"] = size
    if benchmark.stats is not None:
        benchmark.extra_info["GB/s"] = round(size / benchmark.stats.stats.median / 1e9, 2)


@sizes
def test_copy(benchmark: Any, size: int) -> None:
    data = bytearray(size)
    benchmark(bytes, data)
    rate(benchmark, size)


@sizes
def test_unmask(benchmark: Any, size: int) -> None:
    data = bytes(size)
    assert benchmark(wsframes.unmask, data, MASK) == wsframes.unmask(data, MASK)
    rate(benchmark, size)


@sizes
@pytest.mark.parametrize("text", ["a", "é", "€uro "], ids=["ASCII", "two bytes", "mixed"])
def test_utf8(benchmark: Any, size: int, text: str) -> None:
    data = text.encode() * (size // len(text.encode()))
    check = wsframes.Utf8()
    benchmark(check.feed, data)
    rate(benchmark, size)


@sizes
@pytest.mark.parametrize("opcode", [0x81, 0x82], ids=["text", "binary"])
def test_a_message_is_read(benchmark: Any, size: int, opcode: int) -> None:
    data = wsframes.make_frame(opcode, b"a" * size, MASK)
    connection = websocket.Connection(LIMITS, is_client=False)
    (message,) = benchmark(connection.receive, data)
    assert len(message) == size
    rate(benchmark, size)


@sizes
@pytest.mark.parametrize("message", ["a", b"a"], ids=["text", "binary"])
def test_a_message_is_made(benchmark: Any, size: int, message: str | bytes) -> None:
    connection = websocket.Connection(LIMITS, is_client=False)
    assert len(benchmark(connection.send_message, message * size)) > size
    rate(benchmark, size)
