from typing import Any

from skitai._pure.engine.secure import SecureSocket
from skitai._speedups.lanes import Lanes

SOURCE_CRC32: int

class LaneConnection:
    address: str
    port: int
    peer: tuple[str, int]
    info: Any
    deadline: float
    idle_since: float
    is_idle: bool
    def is_silent(self) -> bool: ...
    returns: int
    has_answered: bool
    TAKES_MAX: int
    def __init__(
        self,
        lanes: Lanes,
        fd: int,
        family: int,
        address: str,
        port: int,
        info: Any,
        returns: int = 0,
        left: bytes = b"",
        secure: SecureSocket | None = None,
    ) -> None: ...
    def cut(self) -> None: ...
    def close(self) -> None: ...
