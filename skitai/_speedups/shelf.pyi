from typing import Any

from skitai._pure.engine.keeping import Witness
from skitai.limits import Limits

SOURCE_CRC32: int

class Shelf:
    memory: int
    open: int
    def __init__(self, limits: Limits) -> None: ...
    def fileno(self) -> int: ...
    def doubt(self, goes_on: bool) -> None: ...
    def keep_always(self, path: bytes, head: bytes, content: bytes) -> bool: ...
    def has(self, info: Any, host: bytes, path: bytes, accept: bytes | None, etag: bytes) -> bool: ...
    def keep_file(
        self,
        info: Any,
        host: bytes,
        path: bytes,
        accept: bytes | None,
        heads: tuple[bytes, bytes, bytes],
        etag: bytes,
        modified: bytes,
        witnesses: tuple[Witness, ...],
        content: bytes | None,
        descriptor: int,
        slot: int = 0,
    ) -> bool: ...
