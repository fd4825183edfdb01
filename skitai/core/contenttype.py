"""The Content-Type of a message, and the charsets that forms and texts may have.

A charset outside the table would be a text encoding to Python only (``punycode`` takes quadratic
time, ``unicode_escape`` is a language) or one that no browser sends forms in: HTML submits in
UTF-8, or in the page's encoding if that is a superset of ASCII in bytes.
"""

from __future__ import annotations

import codecs
import re

__all__ = ["known_charset", "parse_content_type"]

# The two ways out of a quoted string's loop begin with different characters: linear time.
_PARAMETER = re.compile(r';\s*([!#$%&\'*+.^_`|~0-9A-Za-z-]+)=("(?:[^"\\]|\\.)*"|[^;\s"]*)')

#: Python's names of the encodings of the WHATWG Encoding Standard that forms are sent in.  The codecs are not
#: asked for these: each would be loaded, which takes half a MiB.
_CODECS = frozenset(
    (
        *("utf-8", "ascii", "cp866", "koi8-r", "koi8-u", "mac-roman", "mac-cyrillic", "cp874"),
        *(f"iso8859-{part}" for part in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 13, 14, 15, 16)),
        *(f"cp125{page}" for page in range(9)),
        *("gbk", "gb2312", "gb18030", "big5", "big5hkscs"),
        *("euc_jp", "iso2022_jp", "shift_jis", "cp932", "euc_kr", "cp949"),
    )
)


def parse_content_type(value: str) -> tuple[str, dict[str, str]]:
    """``"Text/HTML; Charset=x"`` is ``("text/html", {"charset": "x"})`` (RFC 9110 section 8.3)."""
    media_type, separator, _ = value.partition(";")
    parameters: dict[str, str] = {}
    if separator:
        for name, text in _PARAMETER.findall(value, len(media_type)):
            if text.startswith('"'):
                text = re.sub(r"\\(.)", r"\1", text[1:-1])
            parameters.setdefault(name.lower(), text)
    return media_type.strip().lower(), parameters


def known_charset(label: str) -> str | None:
    """Python's name of the charset, if forms may have it."""
    try:
        name = codecs.lookup(label.strip()).name
    except (LookupError, ValueError):  # ValueError: a NUL in it
        return None
    return name if name in _CODECS else None
