from skitai._pure.http1 import ResponseHead
from skitai.limits import Limits

SOURCE_CRC32: int

def read_response_head(
    data: bytes, start: int, limits: Limits, method: str
) -> tuple[ResponseHead, int] | None: ...
def verdict(data: bytes, limits: Limits) -> int: ...
