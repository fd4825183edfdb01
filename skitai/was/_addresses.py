"""Addresses of e-mail as people write them: ``hans@example.com``, ``"Roh, Hans" <hans@example.com>``, several
with commas between them, or a list of such texts.

The standard library's parser reads them and tells by its defects what only looks like an address.  What it is
lenient with is refused: where two programs could see different recipients, one of them is wrong.

Names of hosts leave as ASCII (IDNA, RFC 5890), names of people in whichever letters they have; letters
outside of ASCII before the ``@`` need servers with SMTPUTF8 (RFC 6531)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from email import policy
from email.errors import MessageDefect, NonASCIILocalPartDefect
from email.headerregistry import Address

from skitai.core.mail.letter import is_address
from skitai.was._mailfields import address_of

__all__ = ["one_line", "read_address", "read_addresses"]

#: What no field may contain: the end of a line would begin another field.
CONTROLS = re.compile(r"[\x00-\x08\x0a-\x1f\x7f\x85\u2028\u2029]")
#: RFC 2047, and what is nearly so: the library decodes it, and writes the end of a line that was in it.
ENCODED_WORD = re.compile(r"=\?.*\?=")


def one_line(what: str, value: str) -> str:
    """``value``, which can stand in a field.  Raises ValueError that names ``what``."""
    if not isinstance(value, str):
        raise TypeError(f"{what}: {value!r} is no text")
    if CONTROLS.search(value):
        raise ValueError(f"{what} {value!r} has a control character")
    if ENCODED_WORD.search(value):
        raise ValueError(f"{what} {value!r} has an encoded word (=?…?=): write the letters themselves")
    value.encode()  # half of a surrogate pair is told here, and not when the e-mail is sent
    return value


def read_addresses(what: str, given: str | Iterable[str]) -> list[Address]:
    """All addresses of ``given``.  Raises ValueError that names ``what``."""
    texts = [given] if isinstance(given, str) else list(given)
    return [address for text in texts for address in _read(what, text)]


def read_address(what: str, given: str) -> Address:
    """The one address of ``given``.  Raises ValueError that names ``what``."""
    found = _read(what, given)
    if len(found) != 1:
        raise ValueError(f"{what} {given!r} are {len(found)} addresses: one is wanted")
    return found[0]


def _read(what: str, text: str) -> list[Address]:
    one_line(what, text)
    if (plain := address_of(text)) is not None:
        return [plain]
    refusal = ValueError(f"{what} {text!r} is no address; write hans@example.com or Hans <hans@example.com>")
    try:
        header = policy.default.header_factory("To", text)
    except Exception as error:  # the parser stumbles over some nonsense: IndexError for "hans@"
        raise refusal from error
    if not header.addresses or any(map(_is_wrong, header.defects)):
        raise refusal
    return [_checked(address, refusal) for address in header.addresses]


def _is_wrong(defect: MessageDefect) -> bool:
    return not isinstance(defect, NonASCIILocalPartDefect)


def _checked(address: Address, refusal: ValueError) -> Address:
    """With a domain in ASCII."""
    try:
        domain = address.domain.encode("idna").decode()
    except UnicodeError as error:
        raise refusal from error
    checked = Address(address.display_name, address.username, domain)
    if CONTROLS.search(checked.display_name) or not domain or not is_address(checked.addr_spec):
        raise refusal
    return checked
