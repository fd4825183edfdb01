from collections.abc import Callable, Sequence
from typing import Any

from skitai._pure.engine.keeping import ErrorPage, FolderTerms, Ground
from skitai._speedups.shelf import Shelf

SOURCE_CRC32: int

class Fetching:
    def __init__(self, shelf: Shelf) -> None: ...
    def add(
        self,
        info: Any,
        grounds: tuple[Ground, ...],
        heads: Callable[[FolderTerms], Sequence[tuple[bytes, bytes, bytes]]],
    ) -> None: ...
    def refuse_with(self, pages: tuple[ErrorPage, ...], heads: Callable[[ErrorPage], bytes]) -> None: ...
