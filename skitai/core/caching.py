"""What caches are told about a file: the field Cache-Control (RFC 9111 section 5.2.2, RFC 8246).

Immutable; for any thread.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import translate

from skitai.core.config import CacheRule

__all__ = ["CachePolicy"]

# main.3f2a9c1b.js, chunk-3F2A9C1B.css, index-BkX3a9fQ.js, main.3f2a9c1b.chunk.js: bundlers put a hash
# of the content into the name.  In base 16 it has letters and digits, in base 62 or 64 letters of both
# cases and digits: else every year and every word of eight letters would be one.
_HASH = re.compile(
    r"[.-](?:"
    r"(?=[0-9]*[a-f])(?=[a-f]*[0-9])[0-9a-f]{8,64}"
    r"|(?=[0-9]*[A-F])(?=[A-F]*[0-9])[0-9A-F]{8,64}"
    r"|(?=\w*[a-z])(?=\w*[A-Z])(?=\w*[0-9])\w{8,64}"
    r")\.",
    re.ASCII,
)
_FOR_EVER = "max-age=31536000, immutable"


class CachePolicy:
    def __init__(
        self, rules: Sequence[CacheRule] = (), *, max_age: int = 300, immutable: bool = False
    ) -> None:
        """``rules``: the first whose pattern fits decides; without one, ``immutable`` lets names with a
        hash of the content be kept for a year, all others for ``max_age`` seconds."""
        self.rules = tuple(rules)
        self.otherwise = f"max-age={max_age}"
        #: For names with a hash; None: as for any other.
        self.for_hashed = _FOR_EVER if immutable else None
        self._patterns = [re.compile(translate(rule.pattern)) for rule in rules]

    def field(self, path: str) -> str:
        """The value for the file at ``path``, below the mount and with a slash in front."""
        name = path[path.rfind("/") + 1 :]
        for pattern, rule in zip(self._patterns, self.rules, strict=True):
            if pattern.match(path if rule.is_path else name):
                return rule.value
        return self.for_hashed if self.for_hashed and _HASH.search(name) else self.otherwise
