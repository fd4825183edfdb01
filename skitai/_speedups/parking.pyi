from skitai._pure.engine import Job

SOURCE_CRC32: int

class Hub:
    due: bool
    parked: int
    def run(self, job: Job) -> None: ...
    def go_on_in_turn(self) -> None: ...
    def close(self) -> None: ...
