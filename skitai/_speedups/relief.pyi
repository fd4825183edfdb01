from skitai._speedups.lanes import Lanes

SOURCE_CRC32: int

class Relief:
    def __init__(self, lanes: Lanes) -> None: ...
