"""Fields of e-mails by the standard library, which reads each value by a parser before it writes it again.

That is most of what a short e-mail costs, so here it is left out where it changes nothing:

    a value of plain words that fits its line     is written as it stands
    fields of bodies (``Content-Type``, …)        are read and written once for all that have them alike
    the class that a field's values are of        is made once, and not for each value

What leaves is the same, byte by byte: `tests/was/test_mailfields.py` holds the library's own policy against
it.

Any thread.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from email.headerregistry import Address, BaseHeader, HeaderRegistry
from email.policy import EmailPolicy, Policy
from typing import Any, Final

__all__ = ["SEVEN_BITS", "SEVEN_BITS_UTF8", "address_of", "people"]

#: Visible characters with a space between words; "=?" begins an encoded word.
_PLAIN: Final = re.compile(r"(?!.*=\?)[!-~]+(?: [!-~]+)*")
#: Fields that may be so: of the words that they get here, no parser of the library's writes one otherwise.
_READ_AS_WORDS: Final = frozenset({"date", "from", "to", "cc", "reply-to", "message-id", "subject"})
_OF_BODIES: Final = frozenset(
    {"content-type", "content-transfer-encoding", "content-disposition", "mime-version"}
)
_KNOWN_MAX: Final = 256
_KNOWN_LENGTH_MAX: Final = 200
_ATOMS: Final = r"[A-Za-z0-9_+-]+(?:\.[A-Za-z0-9_+-]+)*"
#: RFC 1035 section 2.3.4: labels of 63 octets.
_HOST: Final = r"[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})*"
_MAILBOX: Final = re.compile(rf"({_ATOMS})@({_HOST})")
_NAME: Final = re.compile(r"(?:[A-Za-z0-9]+(?: [A-Za-z0-9]+)*)?")


class _Field(BaseHeader):
    """Writes itself once: each policy has its own."""

    def fold(self, *, policy: Policy[Any]) -> str:
        folded: str | None = self.__dict__.get("_folded")
        if folded is None:
            folded = self.__dict__["_folded"] = super().fold(policy=policy)
        return folded


class _Fields(HeaderRegistry):
    def __init__(self) -> None:
        super().__init__(base_class=_Field)
        self._class_of = functools.lru_cache(_KNOWN_MAX)(super().__getitem__)
        self._of_body = functools.lru_cache(_KNOWN_MAX)(super().__call__)

    def __getitem__(self, name: str) -> Any:
        return self._class_of(name)

    def __call__(self, name: str, value: Any) -> Any:
        if name.lower() in _OF_BODIES and isinstance(value, str) and len(value) <= _KNOWN_LENGTH_MAX:
            return self._of_body(name, value)
        return super().__call__(name, value)


class _Policy(EmailPolicy):
    def header_store_parse(self, name: str, value: Any) -> tuple[str, Any]:
        if type(value) is str and name.lower() in _READ_AS_WORDS and self._fits(name, value):
            return name, value
        stored: tuple[str, Any] = super().header_store_parse(name, value)
        return stored

    def _fits(self, name: str, value: str) -> bool:
        return len(name) + len(value) + 2 <= (self.max_line_length or 0) and bool(_PLAIN.fullmatch(value))


def people(addresses: Sequence[Address]) -> Any:
    """What a field is given that names them: plain words where they are such."""
    if all(_NAME.fullmatch(each.display_name) and _MAILBOX.fullmatch(each.addr_spec) for each in addresses):
        return ", ".join(map(str, addresses))
    return list(addresses)


def address_of(text: str) -> Address | None:
    """The plain mailbox ``text`` without a name; None: it may be something else."""
    found = _MAILBOX.fullmatch(text)
    return None if found is None else Address("", found[1], found[2])


SEVEN_BITS: Final = _Policy(linesep="\r\n", cte_type="7bit", header_factory=_Fields())
SEVEN_BITS_UTF8: Final = _Policy(linesep="\r\n", cte_type="7bit", utf8=True, header_factory=_Fields())
