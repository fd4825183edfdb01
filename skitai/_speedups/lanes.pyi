from typing import Any

from skitai._pure.engine import Habit, Job
from skitai._speedups.parking import Hub
from skitai._speedups.shelf import Shelf

SOURCE_CRC32: int

class Workspace:
    hub: Hub

class Lanes:
    shelf: Shelf
    def __init__(self, engine: Any) -> None: ...
    def run(self, job: Job) -> None: ...
    def drain(self) -> None: ...
    def learned(self) -> list[Habit]: ...

class EnvironReader:
    def __init__(self, lanes: Lanes, info: Any, address: str, port: str) -> None: ...
    def read(self, data: bytes) -> dict[str, Any] | None: ...
