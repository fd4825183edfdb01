"""What a client does with coded bodies: the other side of skitai/_pure/coders.py, by libraries of its own."""

from __future__ import annotations

import importlib
import zlib
from collections.abc import Callable

__all__ = ["decode", "decoder"]


def decoder(coding: str) -> Callable[[bytes], bytes]:
    """``more(piece)`` gives all of the body that can be shown by now."""
    if coding == "zstd":
        made = importlib.import_module("zstandard").ZstdDecompressor().decompressobj()
        return lambda piece: made.decompress(piece) if piece else b""
    if coding == "br":
        stream = importlib.import_module("brotli").Decompressor()
        return lambda piece: stream.process(piece) if piece else b""
    # Raw deflate, which some servers send for "deflate", is refused.
    return zlib.decompressobj({"gzip": 31, "deflate": 15}[coding]).decompress


def decode(coding: str | None, body: bytes) -> bytes:
    return decoder(coding)(body) if coding else body
