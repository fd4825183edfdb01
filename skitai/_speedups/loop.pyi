from skitai._pure.engine import EventLoop as EventLoop
from skitai._pure.engine import Timer as Timer

SOURCE_CRC32: int
