"""`traceparent` (W3C Trace Context): whom we ask has the trace and a span of its own; logs name both."""

from __future__ import annotations

import re

import pytest

from skitai.core.tracecontext import child_of, words_for

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
FIELD = f"00-{TRACE}-{SPAN}-01"


def test_a_child_has_the_trace_and_a_span_of_its_own() -> None:
    children = {child_of(FIELD) for _ in range(10)}
    assert len(children) == 10
    for child in children:
        assert re.fullmatch(rf"00-{TRACE}-[0-9a-f]{{16}}-01", child)
        assert SPAN not in child


def test_words_of_a_line() -> None:
    assert words_for(FIELD) == f" trace={TRACE} span={SPAN}"


@pytest.mark.parametrize(
    "field",
    [
        *(None, "", "x", FIELD.upper(), FIELD + "\n", f"{FIELD}, {FIELD}", f"00-{TRACE}-{SPAN}"),
        *(f"01-{TRACE}-{SPAN}-01", f"00-{'0' * 32}-{SPAN}-01", f"00-{TRACE}-{'0' * 16}-01"),
    ],
)
def test_what_is_none_is_left_out(field: str | None) -> None:
    """Section 3.2: a field that cannot be read is as none; it is the client's, and goes into no log."""
    assert child_of(field) == ""
    assert words_for(field) == ""
