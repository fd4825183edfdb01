from skitai._pure.http1 import RequestHead
from skitai.limits import Limits

SOURCE_CRC32: int

def read_request_head(data: bytes, start: int, limits: Limits) -> tuple[RequestHead, int] | None: ...
def verdict(data: bytes, limits: Limits) -> int: ...
