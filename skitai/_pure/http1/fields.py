"""Blocks of field lines: the header section and the trailer section (RFC 9112 section 5).

A block is looked at as a whole, once, when its empty line has come: one search for
CRLF CRLF, one decoding, one regular expression.  Only when that fails are the lines walked
one by one, to say which is wrong and why.

The refusal of a bad block does not depend on how it was cut.  The rule is: *the first fault in
the order of the lines wins*, and a fault is a bad line, one line too many, or the size
overrun.  An unfinished block is refused early for a bare LF (its sender may never send the CRLF CRLF that
we wait for), for too many lines and for its size; each time the walk goes over the
complete lines from the top, and so finds what it would have found in the whole block.
"""

from __future__ import annotations

from typing import NoReturn

from skitai._pure.http1.buffer import ReceiveBuffer
from skitai._pure.http1.events import Headers
from skitai._pure.http1.grammar import BARE_LF, FIELD, NOT_TOKEN
from skitai.errors import RemoteProtocolError
from skitai.limits import Limits

__all__ = ["FieldBlockReader", "excerpt"]


def excerpt(text: str) -> str:
    """``text`` quoted for an error message, not longer than a console line bears."""
    return repr(text if len(text) <= 60 else text[:57] + "...")


class FieldBlockReader:
    """Reads one block after another out of a buffer.

    ``what``: ``"header"`` or ``"trailer"``, for the error texts.  Raises ``RemoteProtocolError``
    with status 400, or 431 beyond ``header_block_max`` bytes or ``header_fields_max`` lines.
    """

    __slots__ = ("_examined", "_fields_max", "_lines", "_size_max", "_what")

    def __init__(self, limits: Limits, what: str) -> None:
        self._size_max = limits.header_block_max
        self._fields_max = limits.header_fields_max
        self._what = what
        self._examined = 0
        self._lines = 0

    def read(self, buffer: ReceiveBuffer) -> Headers | None:
        """The fields of the block at the front of ``buffer``, or ``None`` if it is not complete."""
        if buffer.startswith(b"\r\n"):
            buffer.take(2)
            return []
        window = self._size_max + 2
        end = buffer.find(b"\r\n\r\n", window)
        if end < 0:
            self._refuse_early(buffer, window)
            return None
        self._examined = self._lines = 0
        return self._parse(buffer.take(end)[:-2].decode("latin-1"))

    def _parse(self, block: str) -> Headers:
        fields = FIELD.findall(block)
        count = block.count("\n")
        # Every match is one whole line, so equal numbers mean that every line matched.
        if len(fields) != count or count > self._fields_max:
            self._refuse(block)
        return [(name, value.strip(" \t")) for name, value in fields]

    def _refuse_early(self, buffer: ReceiveBuffer, window: int) -> None:
        """Raise if the unfinished block can be refused already."""
        known = self._examined
        # One byte again, for the CR that may have ended the last piece.
        fresh = buffer.peek(max(known - 1, 0), window)
        first = 1 if known else 0
        self._examined = known + len(fresh) - first
        self._lines += fresh.count(b"\n", first)
        full = self._examined >= window
        if full or self._lines > self._fields_max or BARE_LF.search(fresh, first):
            lines, newline, _ = buffer.peek(0, window).decode("latin-1").rpartition("\n")
            self._refuse(lines + newline)

    def _refuse(self, lines: str) -> NoReturn:
        """Walk complete ``lines``, raise for the first fault; without one they are too long in all."""
        for number, line in enumerate(lines.split("\n")[:-1], 1):
            if number > self._fields_max:
                raise RemoteProtocolError(
                    f"more than {self._fields_max} {self._what} fields",
                    status=431,
                    rule="RFC 6585 section 5, limit header_fields_max",
                )
            if not FIELD.fullmatch(f"{line}\n"):
                self._refuse_line(number, line)
        raise RemoteProtocolError(
            f"{self._what} section longer than {self._size_max} bytes",
            status=431,
            rule="RFC 6585 section 5, limit header_block_max",
        )

    def _refuse_line(self, number: int, line: str) -> NoReturn:
        where = f"{self._what} line {number}"
        name, colon, value = line.partition(":")
        fault, rule = f"has a control character in its value: {excerpt(value)}", "RFC 9110 section 5.5"
        if not line.endswith("\r"):
            fault, rule = "ends with a bare LF", "RFC 9112 section 2.2"
        elif "\r" in line[:-1]:
            fault, rule = "has a bare CR", "RFC 9112 section 2.2"
        elif line[0] in " \t":
            fault, rule = "begins with white space (obsolete line folding)", "RFC 9112 section 5.2"
        elif not colon:
            fault, rule = f"has no colon: {excerpt(line[:-1])}", "RFC 9112 section 5"
        elif name.rstrip(" \t") != name:
            fault, rule = f"has white space before the colon: {excerpt(name)}", "RFC 9112 section 5.1"
        elif not name or NOT_TOKEN.search(name):
            fault, rule = f"has a name that is not a token: {excerpt(name)}", "RFC 9110 section 5.1"
        raise RemoteProtocolError(f"{where} {fault}", rule=rule)
