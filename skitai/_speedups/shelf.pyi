from typing import Any

from skitai.limits import Limits

SOURCE_CRC32: int

class Shelf:
    memory: int
    open: int
    def __init__(self, limits: Limits) -> None: ...
    def keep_always(self, path: bytes, head: bytes, content: bytes) -> bool: ...
    def keep_file(
        self,
        info: Any,
        host: bytes,
        path: bytes,
        head: bytes,
        unchanged: bytes,
        etag: bytes,
        file: bytes,
        descriptor: int,
    ) -> bool: ...
