from typing import Any

from skitai._pure.engine import Job
from skitai._speedups.parking import Hub

SOURCE_CRC32: int

class Workspace:
    hub: Hub

class Lanes:
    def __init__(self, engine: Any) -> None: ...
    def run(self, job: Job) -> None: ...
    def drain(self) -> None: ...

class EnvironReader:
    def __init__(self, lanes: Lanes, info: Any, address: str, port: str) -> None: ...
    def read(self, data: bytes) -> dict[str, Any] | None: ...
