from skitai._speedups.engine import Engine

SOURCE_CRC32: int

class Lanes:
    def __init__(self, engine: Engine) -> None: ...
