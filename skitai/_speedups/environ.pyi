from typing import Any

SOURCE_CRC32: int

def add_fields(environ: dict[str, Any], headers: list[tuple[str, str]], withheld: frozenset[str]) -> None: ...
