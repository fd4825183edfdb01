from collections.abc import Iterable

from skitai._pure.http1 import RequestHead
from skitai.limits import Limits

SOURCE_CRC32: int

def read_request_head(data: bytes, start: int, limits: Limits) -> tuple[RequestHead, int] | None: ...
def read_in_turn(requests: Iterable[bytes], limits: Limits) -> list[tuple[RequestHead, int] | None]: ...
def verdict(data: bytes, limits: Limits) -> int: ...
