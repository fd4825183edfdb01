"""Frames by hand, and both builds' cores side by side."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from skitai._pure import websocket as pure
from skitai._pure import wsframes as pure_frames
from skitai.limits import Limits

compiled: Any
compiled_frames: Any
try:
    from skitai._speedups import websocket as compiled
    from skitai._speedups import wsframes as compiled_frames
except ImportError:
    compiled = compiled_frames = None

needs_compiled = pytest.mark.skipif(compiled is None, reason="no extensions are built here")

#: The core of each build.
both = pytest.mark.parametrize(
    "core", [pytest.param(pure, id="pure"), pytest.param(compiled, id="compiled", marks=needs_compiled)]
)
#: Its kernels.
both_frames = pytest.mark.parametrize(
    "kernel",
    [
        pytest.param(pure_frames, id="pure"),
        pytest.param(compiled_frames, id="compiled", marks=needs_compiled),
    ],
)

MASK = b"\x37\xfa\x21\x3d"


def frame(
    opcode: int,
    payload: bytes = b"",
    *,
    fin: bool = True,
    reserved: int = 0,
    mask: bytes | None = MASK,
    wide: int | None = None,
) -> bytes:
    """A frame, also a wrong one; ``wide``: bytes of the extended length, else the fewest."""
    length = len(payload)
    if wide is None:
        wide = 0 if length < 126 else 2 if length < 65536 else 8
    short = {0: length, 2: 126, 8: 127}[wide]
    head = bytes((fin << 7 | reserved << 4 | opcode, (mask is not None) << 7 | short))
    head += length.to_bytes(wide, "big") if wide else b""
    if mask is None:
        return head + payload
    return head + mask + bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))


def server(core: Any, *, deflate: pure.Agreement | None = None, **limits: int) -> pure.Connection:
    """A connection as its server sees it: what it reads is masked."""
    return core.Connection(Limits(**limits), is_client=False, deflate=deflate)


def client(core: Any, *, deflate: pure.Agreement | None = None, **limits: int) -> pure.Connection:
    return core.Connection(Limits(**limits), is_client=True, deflate=deflate)


def hear(connection: pure.Connection, pieces: list[bytes]) -> list[pure.Event]:
    """All events of a stream that comes in ``pieces``."""
    return [event for piece in pieces for event in connection.receive(piece)]


def cut(stream: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(stream) + 1) for place in places), len(stream)]
    return [stream[start:end] for start, end in pairwise(edges)]
