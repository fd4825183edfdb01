from skitai._pure.engine import EventLoop as EventLoop

SOURCE_CRC32: int
