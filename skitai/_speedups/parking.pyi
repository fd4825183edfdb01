from skitai._pure.engine import Job

SOURCE_CRC32: int
#: False: it is not installed, and nothing is parked.
has_greenlet: bool

def load_greenlet() -> bool: ...

class Hub:
    due: bool
    parked: int
    def run(self, job: Job) -> None: ...
    def go_on_in_turn(self) -> None: ...
    def close(self) -> None: ...
