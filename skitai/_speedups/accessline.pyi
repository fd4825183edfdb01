from collections.abc import Callable, Iterable

from skitai._pure.accessline import AccessRecord

SOURCE_CRC32: int

def access_lines(records: Iterable[AccessRecord], prefix_of: Callable[[int], str]) -> list[bytes]: ...
