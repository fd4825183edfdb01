"""The value of ``cache_control``: ``*.html: no-cache, /assets/*: max-age=31536000 immutable``.

Rules with commas between them; a pattern, a colon, and directives of Cache-Control with spaces
between them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from skitai.core.config.problems import Mistake, did_you_mean

__all__ = ["CacheRule", "parse_cache_rule"]

# What servers may say (RFC 9111 section 5.2.2, RFC 5861, RFC 8246), and which have a number of seconds.
_WORDS = (
    *("no-cache", "no-store", "no-transform", "must-revalidate", "must-understand", "proxy-revalidate"),
    *("private", "public", "immutable"),
)
_SECONDS = ("max-age", "s-maxage", "stale-while-revalidate", "stale-if-error")


@dataclass(frozen=True, slots=True)
class CacheRule:
    """``pattern``: ``*``, ``?`` and ``[abc]`` as in a shell, but that ``*`` takes slashes too; ``value``:
    of the field."""

    pattern: str
    value: str

    @property
    def is_path(self) -> bool:
        """Whether the pattern is for the path below the mount, and not for the file's name alone."""
        return self.pattern.startswith("/")

    def __str__(self) -> str:
        return f"{self.pattern}: {self.value.replace(', ', ' ')}"


def parse_cache_rule(text: str, base: Path) -> CacheRule:
    pattern, colon, directives = (part.strip() for part in text.partition(":"))
    if not (colon and pattern and directives):
        raise Mistake(f"{text!r} is not 'pattern: directives'", "write *.html: no-cache")
    if "/" in pattern and not pattern.startswith("/"):
        raise Mistake(
            f"{pattern!r} is neither a path nor a name",
            f"write /{pattern}, or what stands behind the last slash",
        )
    return CacheRule(pattern, ", ".join(_directive(word) for word in directives.split()))


def _directive(word: str) -> str:
    name, equals, number = word.partition("=")
    if name in _SECONDS:
        if not re.fullmatch("[0-9]{1,10}", number):
            raise Mistake(f"{word!r} lacks its seconds", f"write {name}=3600")
    elif name not in _WORDS:
        raise Mistake(f"{word!r} is no directive of Cache-Control", did_you_mean(name, _WORDS + _SECONDS))
    elif equals:
        raise Mistake(f"{word!r}: {name} has no value", f"write {name}")
    return word
