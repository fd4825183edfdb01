from skitai._speedups.parking import Hub

SOURCE_CRC32: int

def trim() -> None: ...

class Workspace:
    hub: Hub
