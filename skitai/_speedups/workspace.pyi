from skitai._speedups.parking import Hub

SOURCE_CRC32: int

class Workspace:
    hub: Hub
