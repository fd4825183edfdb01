"""Range fields as spans: what any of them comes to; for clients see tests/live/test_static_ranges.py."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from skitai.core.ranges import Span, multipart, wanted_spans

SIZE = 40
NUMBERS = st.integers(0, 50)
SPECS = st.one_of(
    st.builds("{}-{}".format, NUMBERS, NUMBERS),
    st.builds("{}-".format, NUMBERS),
    st.builds("-{}".format, NUMBERS),
)


def places(spec: str) -> set[int]:
    """The bytes of a file of SIZE that ``spec`` asks for."""
    first, _, last = spec.partition("-")
    if not first:
        return set(range(max(0, SIZE - int(last)), SIZE))
    return set(range(int(first), min(SIZE, int(last) + 1) if last else SIZE))


def is_upside_down(spec: str) -> bool:
    first, _, last = spec.partition("-")
    return bool(first and last) and int(last) < int(first)


@given(st.lists(SPECS, min_size=1, max_size=6))
def test_spans_are_exactly_what_is_asked_for_and_never_touch(specs: list[str]) -> None:
    spans = wanted_spans("bytes=" + ",".join(specs), SIZE, 6)
    if any(map(is_upside_down, specs)):
        assert spans is None
        return
    if spans is None:
        assert len(specs) > 3  # at least three of them overlap others
        return
    covered = [place for span in spans for place in range(span.offset, span.end)]
    assert len(covered) == len(set(covered))
    assert set(covered) == set().union(*map(places, specs))
    assert all(span.count > 0 for span in spans)
    assert not {span.end for span in spans} & {span.offset for span in spans}


@given(st.text(max_size=20))
def test_no_text_is_too_odd(text: str) -> None:
    for value in (text, "bytes=" + text):
        spans = wanted_spans(value, SIZE, 6)
        assert spans is None or all(0 <= span.offset < span.end <= SIZE for span in spans)


@given(st.lists(st.tuples(NUMBERS, st.integers(1, 9)), min_size=1, max_size=5))
def test_a_multipart_body_is_as_long_as_it_says(spans: list[tuple[int, int]]) -> None:
    parts, length = multipart([Span(*span) for span in spans], 99, "text/plain", "boundary")
    assert length == sum(len(part) if isinstance(part, bytes) else part[1] for part in parts)


def test_elements_are_counted_the_empty_ones_too() -> None:
    assert wanted_spans("bytes=,,,0-1,", SIZE, 8) == [Span(0, 2)]
    assert wanted_spans("bytes=" + "," * 60_000 + "0-1", SIZE, 8) is None
    assert wanted_spans("bytes=" + "0-1," * 15_000, SIZE, 8) is None


def test_numbers_of_thousands_of_digits_are_behind_the_end() -> None:
    assert wanted_spans("bytes=0-" + "9" * 9000, SIZE, 1) == [Span(0, SIZE)]
    assert wanted_spans("bytes=" + "0" * 9000 + "1-2", SIZE, 1) == [Span(1, 2)]
    assert wanted_spans("bytes=" + "9" * 9000 + "-", SIZE, 1) == []
