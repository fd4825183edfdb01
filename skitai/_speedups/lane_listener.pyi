from collections.abc import Callable
from ssl import SSLContext
from typing import Any

from skitai._speedups.lanes import Lanes

class LaneListener:
    def __init__(
        self, lanes: Lanes, fd: int, info: Any, secure: Callable[[], SSLContext] | None, batch_max: int
    ) -> None: ...
    def accept(self) -> None: ...
    def close(self) -> None: ...
