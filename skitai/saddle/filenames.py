"""Names that clients give to files, made into names that stay in the folder they are saved in.

Only the last part of a path counts, whosever separators it has; what no file name may have on some
system is replaced.  So the same name is safe on all of them, and nothing that a client says can
mean another folder, a device, a hidden file or an alternate stream (``a.txt:b``).
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator

__all__ = ["numbered_names", "safe_name"]

# Control characters, and what Windows forbids: "Naming Files, Paths, and Namespaces", Microsoft.
_FORBIDDEN = re.compile(r'[\x00-\x1f\x7f<>:"|?*]')
_DEVICES = frozenset(
    ["con", "prn", "aux", "nul", "conin$", "conout$", "clock$"]
    + [f"{port}{digit}" for port in ("com", "lpt") for digit in "0123456789¹²³"]
)
#: Bytes of a name: most file systems take 255, and a number may still come in.
_LONGEST = 240
#: Beyond that many files of one name, looking for the next number would take too long.
_NUMBERS = 1000
_NAMELESS = "file"


def safe_name(name: str) -> str:
    """``name`` as a file's name in any folder: ``../../etc/passwd`` is ``passwd``, nothing is ``file``."""
    last = re.split(r"[/\\]", name)[-1]
    # Windows takes dots and spaces at the end away; dots at the beginning hide a file elsewhere.
    cleaned = _FORBIDDEN.sub("_", last).lstrip(". ").rstrip(". ")
    if cleaned.partition(".")[0].rstrip().lower() in _DEVICES:
        cleaned = f"_{cleaned}"
    return _shortened(cleaned) or _NAMELESS


def numbered_names(name: str) -> Iterator[str]:
    """``a.txt``, ``a.1.txt``, ``a.2.txt``, …, and where all these are taken, anything between the dots."""
    yield name
    base, dot, extension = name.rpartition(".")
    if not base:
        base, extension = name, ""
    for number in range(1, _NUMBERS):
        yield f"{base}.{number}{dot}{extension}"
    while True:
        yield f"{base}.{secrets.token_hex(8)}{dot}{extension}"


def _shortened(name: str) -> str:
    """At most so long in UTF-8, the extension kept if it is one."""
    encoded = name.encode("utf-8", "ignore")
    if len(encoded) <= _LONGEST:
        return encoded.decode()
    base, dot, extension = encoded.rpartition(b".")
    ending = dot + extension if base and len(extension) <= 20 else b""
    kept = encoded[: _LONGEST - len(ending)].decode("utf-8", "ignore")
    return kept.rstrip(". ") + ending.decode("utf-8", "ignore")
