"""Access lines: eight words whatever a client sends, and the same ones from both builds."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from skitai._pure import accessline as pure
from skitai._pure.accessline import AccessRecord

AccessLines = Callable[[Iterable[AccessRecord], Callable[[int], str]], "list[bytes]"]

compiled: AccessLines | None
try:
    from skitai._speedups.accessline import access_lines as compiled
except ModuleNotFoundError:  # no extensions are built here
    compiled = None

TWINS = [pure.access_lines, *([compiled] if compiled else [])]
twins = pytest.mark.parametrize("access_lines", TWINS, ids=["pure", "compiled"][: len(TWINS)])


def prefix_of(second: int) -> str:
    return f"{second} "


@twins
@pytest.mark.parametrize(
    ("record", "line"),
    [
        (
            ("127.0.0.1", 4711, "GET", "/a?b=%20", "1.1", 200, 1234, 0.0124, 1.5),
            "127.0.0.1:4711 GET /a?b=%20 HTTP/1.1 200 1234 12ms 1500ms",
        ),
        (("2001:db8::7", 1, "GET", "/", "1.0", 304, 0, 0, 0), "[2001:db8::7]:1 GET / HTTP/1.0 304 0 0ms 0ms"),
        (("", 0, "GET", "/", "1.1", 200, 1, 0, 0), "unix:0 GET / HTTP/1.1 200 1 0ms 0ms"),
        (("127.0.0.1", 1, "-", "-", "-", 400, 0, 0, 0), "127.0.0.1:1 - - - 400 0 0ms 0ms"),
        (
            ("127.0.0.1", 1, "G T", "/a b\r\n\x1b[2J\xe9\u2028", "1.1", 400, 0, 0, 0),
            "127.0.0.1:1 G\\x20T /a\\x20b\\r\\n\\x1b[2J\\xe9\\u2028 HTTP/1.1 400 0 0ms 0ms",
        ),
        (("127.0.0.1", 1, "", "", "1.1", 400, 0, 0, 0), "127.0.0.1:1 - - HTTP/1.1 400 0 0ms 0ms"),
        (("::1%a b", 1, "GET", "/", "1.1", 200, 0, 0, 0), "[::1%a\\x20b]:1 GET / HTTP/1.1 200 0 0ms 0ms"),
        (("h", 1, "GET", "/\x7f", "1.1", 200, 0, 0.0005, 0), "h:1 GET /\\x7f HTTP/1.1 200 0 1ms 0ms"),
    ],
)
def test_a_request_is_eight_words(
    access_lines: AccessLines,
    record: tuple[str, int, str, str, str, int, int, float, float],
    line: str,
) -> None:
    assert access_lines([(7.9, *record)], prefix_of) == [f"7 {line}\n".encode()]
    assert len(line.split()) == 8 or record[4] == "-"


@twins
def test_the_prefix_is_that_of_each_second(access_lines: AccessLines) -> None:
    asked: list[int] = []

    def prefix(second: int) -> str:
        asked.append(second)
        return f"{second} "

    times = (5.0, 5.9, 6.1, 5.5)
    lines = access_lines([(when, "h", 1, "GET", "/", "1.1", 200, 0, 0, 0) for when in times], prefix)
    assert [line.split()[0] for line in lines] == [b"5", b"5", b"6", b"5"]
    assert asked == [5, 6, 5]


@twins
def test_lines_of_any_length(access_lines: AccessLines) -> None:
    for length in (1, 1000, *range(1800, 2100), 100_000):
        (line,) = access_lines([(0, "h", 1, "GET", "x" * length, "1.1", 200, 0, 0, 0)], prefix_of)
        assert line == b"0 h:1 GET %b HTTP/1.1 200 0 0ms 0ms\n" % (b"x" * length)


@twins
def test_what_is_no_record_is_an_error(access_lines: AccessLines) -> None:
    for wrong in ((0.0, "h"), (0.0, b"h", 1, "GET", "/", "1.1", 200, 0, 0.0, 0.0)):
        with pytest.raises((TypeError, ValueError)):
            access_lines([wrong], prefix_of)  # type: ignore[list-item]  # on purpose


words = st.one_of(st.text("GET/:-?%[]! ~", max_size=12), st.text(max_size=40))
counts = st.integers(-(2**63) + 1, 2**63 - 1)
seconds = st.floats(0, 1e9)
records = st.tuples(
    seconds,
    words,
    counts,
    words,
    words,
    st.sampled_from(["1.1", "1.0", "-"]),
    counts,
    counts,
    seconds,
    seconds,
)


@pytest.mark.skipif(compiled is None, reason="no extensions are built here")
@given(st.lists(records))
@example([(0.0, "h", -(2**63), "GET", "/", "1.1", 2**63 - 1, 0, 0.0, 1e9)])
@example([(0.0, "h", 0, "GET", "/", "1.1", 200, 0, -0.4, -2.0)])
def test_the_twins_agree(many: list[AccessRecord]) -> None:
    assert compiled is not None
    assert compiled(many, prefix_of) == pure.access_lines(many, prefix_of)
