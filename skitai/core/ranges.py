"""Parts of a file: the fields Range and Content-Range (RFC 9110 section 14).

Pure functions, for any thread.  A Range is a wish: what is not understood, or asks for more work
than the whole file would be, is answered with the whole file (sections 14.2 and 17.15).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from skitai._kernels import engine

__all__ = ["Span", "content_range", "multipart", "wanted_spans"]

#: More that overlap are no reader's wish (section 14.2 names "more than two").
_OVERLAPS_MAX = 2

# ranges-specifier = range-unit "=" 1#( first-pos "-" [ last-pos ] / "-" suffix-length )
# The unit's name is case-insensitive (section 14.1); empty elements of a list are passed over
# (section 5.6.1.2).
_UNIT = "bytes="
_SPEC = re.compile(r"(?P<first>[0-9]*)-(?P<last>[0-9]*)")
#: Longer numbers lie behind the end of any file; int() refuses those of some thousand digits.
_DIGITS_MAX = 18


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """``count`` bytes, one at least, from ``offset`` on."""

    offset: int
    count: int

    @property
    def end(self) -> int:
        return self.offset + self.count


def wanted_spans(value: str, size: int, most: int) -> list[Span] | None:
    """What the Range field ``value`` asks for of ``size`` bytes, in its order; spans that touch or
    overlap are one.  None: the whole; an empty list: nothing that is there (416).

    ``most``: ranges that one request may have.
    """
    if value[: len(_UNIT)].lower() != _UNIT:
        return None
    # Of more elements, empty ones among them, the last one keeps its commas and is no range.
    specs = [spec for spec in map(_trimmed, value[len(_UNIT) :].split(",", 2 * most)) if spec]
    if not 0 < len(specs) <= most:
        return None
    spans: list[Span] = []
    for spec in specs:
        match = _SPEC.fullmatch(spec)
        if match is None or spec == "-":
            return None
        first, last = match["first"], match["last"]
        if not first:
            count = min(_number(last), size)
            if count == 0 < _number(last):
                return None  # the last bytes of nothing are all of it, for which Content-Range has no form
            offset = size - count
        else:
            offset = _number(first)
            if last and _number(last) < offset:
                return None
            count = min(_number(last) + 1 if last else size, size) - offset
        if count > 0:
            spans.append(Span(offset, count))
    return _joined(spans)


def content_range(span: Span, size: int) -> str:
    return f"bytes {span.offset}-{span.end - 1}/{size}"


def multipart(
    spans: Sequence[Span], size: int, content_type: str, boundary: str
) -> tuple[list[engine.Part], int]:
    """The body of multipart/byteranges (section 14.6) and its length.

    ``boundary`` must not occur in the file: make it up at random for each answer.
    """
    parts: list[engine.Part] = []
    length = 0
    for span in spans:
        head = (
            f"\r\n--{boundary}\r\n"
            f"Content-Type: {content_type}\r\n"
            f"Content-Range: {content_range(span, size)}\r\n\r\n"
        ).encode("latin-1")
        parts += [head, (span.offset, span.count)]
        length += len(head) + span.count
    end = f"\r\n--{boundary}--\r\n".encode("latin-1")
    return [*parts, end], length + len(end)


def _trimmed(spec: str) -> str:
    return spec.strip(" \t")


def _number(digits: str) -> int:
    digits = digits.lstrip("0")
    return int(digits or "0") if len(digits) <= _DIGITS_MAX else 10**_DIGITS_MAX


def _joined(spans: list[Span]) -> list[Span] | None:
    """Without spans that touch others; each stands where the first of it was asked for (section
    15.3.7.2).  None where too many overlap."""
    if len(spans) < 2:
        return spans
    overlaps = 0
    joined: list[tuple[int, Span]] = []  # the place of the first, and all of it; by offset
    for place, span in sorted(enumerate(spans), key=lambda item: item[1]):
        if joined and span.offset <= joined[-1][1].end:
            earlier, before = joined[-1]
            overlaps += span.offset < before.end
            end = max(before.end, span.end)
            joined[-1] = (min(earlier, place), Span(before.offset, end - before.offset))
        else:
            joined.append((place, span))
    if overlaps > _OVERLAPS_MAX:
        return None
    return [span for _, span in sorted(joined)]
