import socket
from typing import Any

from skitai._speedups.lanes import Lanes

SOURCE_CRC32: int

class LaneConnection:
    sock: socket.socket
    peer: tuple[str, int]
    info: Any
    deadline: float
    def __init__(self, lanes: Lanes, sock: socket.socket, peer: tuple[str, int], info: Any) -> None: ...
