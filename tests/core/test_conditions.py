"""Conditions and ranges as C reads them for the shelf (``skitai/_speedups/conditions.h``), held to what the
general path says: it may leave anything to that, and never differ."""

from __future__ import annotations

import ctypes
import datetime
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from skitai._httpdate import format_date, parse_date
from skitai._kernels import http1
from skitai.core.ranges import wanted_spans
from skitai.core.representation import Representation

REPO = Path(__file__).resolve().parents[2]
NAMES = ("If-Match", "If-Unmodified-Since", "If-None-Match", "If-Modified-Since", "If-Range", "Range")
SIZE = 100
MODIFIED = 1_000_000_000
UNSURE, WHOLE = -2, -1


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory, require_program: Callable[[str], str]) -> ctypes.CDLL:
    target = tmp_path_factory.mktemp("c") / "judging.so"
    flags = ["-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-O1", "-shared", "-fPIC"]
    sources = ["-I", str(REPO / "skitai/_speedups"), str(REPO / "tests/c/judging.c")]
    subprocess.run([require_program("cc"), *flags, *sources, "-o", str(target)], check=True, timeout=60)
    return ctypes.CDLL(str(target))


@pytest.fixture(scope="module")
def descriptor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    path = tmp_path_factory.mktemp("files") / "hundred"
    path.write_bytes(b"x" * SIZE)
    os.utime(path, (MODIFIED, MODIFIED))
    descriptor = os.open(path, os.O_RDONLY)
    yield descriptor
    os.close(descriptor)


def representation(descriptor: int) -> Representation:
    return Representation(os.dup(descriptor), os.fstat(descriptor), "text/plain", shared=[], own=[])


# -- what clients may say; ETAG is put in later ---------------------------------------------------

MOMENTS = st.one_of(
    st.integers(MODIFIED - 2, MODIFIED + 2),
    st.integers(-62_135_596_800, 253_402_300_799),
    st.integers(0, 2_000_000_000),
)


def in_form(form: str, moment: int) -> str:
    when = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=moment)
    return f"{when:{form}}"


DATES = st.one_of(
    st.builds(format_date, st.integers(0, 4_000_000_000)),
    st.just(format_date(MODIFIED)),
    st.builds(in_form, st.just("%A, %d-%b-%y %H:%M:%S GMT"), MOMENTS),
    st.builds(in_form, st.just("%a %b %e %H:%M:%S %Y"), MOMENTS),
    st.builds(in_form, st.just("%a, %d %b %Y %H:%M:%S GMT"), MOMENTS),
)
#: One character of a date is another one.
MISSPELT = st.builds(
    lambda date, place, letter: date[: place % len(date)] + letter + date[place % len(date) + 1 :],
    DATES,
    st.integers(0, 40),
    st.sampled_from("0123456789 :,-aMSGT"),
)
TAGS = st.lists(
    st.sampled_from(
        ["ETAG", "W/ETAG", "*", '"a,b"', '"', 'W/"c"', ",", " ", "W/", "x", '"ü"', '" "', "\t", 'w/"d"']
    ),
    max_size=6,
).map("".join)
NUMBER = st.one_of(
    st.integers(0, SIZE + 5).map(str), st.sampled_from(["", "00", "9" * 18, "9" * 19, "0" * 30])
)
SPEC = st.one_of(st.builds("{}-{}".format, NUMBER, NUMBER), st.sampled_from(["", " ", "x", "1--2", "1 -2"]))
RANGES = st.builds(
    "{}{}".format,
    st.sampled_from(["bytes=", "bytes=", "bytes=", "BYTES=", "bytes =", "items=", "byte", ""]),
    st.lists(SPEC, max_size=5).map(", ".join),
)
SAID = st.fixed_dictionaries(
    {},
    optional={
        "If-Match": TAGS,
        "If-None-Match": TAGS,
        "If-Unmodified-Since": st.one_of(DATES, MISSPELT),
        "If-Modified-Since": st.one_of(DATES, MISSPELT),
        "If-Range": st.one_of(DATES, MISSPELT, TAGS, st.just("ETAG")),
        "Range": RANGES,
    },
)
STATUSES = {0: 200, 1: 304, 2: 206, 3: 206, 4: 412, 5: 416}
SPANS_MAX = 64


def judged(
    library: ctypes.CDLL, said: dict[str, str], etag: str, is_head: bool, has_parts: bool = True
) -> tuple[int, ...] | None:
    """Status, and first byte and count of each part."""
    texts = (ctypes.c_char_p * 6)(*(said[n].encode("latin-1") if n in said else None for n in NAMES))
    spans = (ctypes.c_ulonglong * (2 * SPANS_MAX))()
    kind = library.judge(
        texts,
        etag.encode(),
        ctypes.c_longlong(MODIFIED),
        ctypes.c_ulonglong(SIZE),
        has_parts,
        is_head,
        ctypes.c_longlong(int(time.time())),
        64,
        spans,
    )
    assert kind >= -1
    parts = [
        number
        for first, count in zip(spans[::2], spans[1::2], strict=True)
        if count
        for number in (first, count)
    ]
    return None if kind < 0 else (STATUSES[kind], *parts)


def head_of(said: dict[str, str], method: str) -> http1.RequestHead:
    headers = [("Host", "h"), *said.items()]
    return http1.RequestHead(
        method, "/", "1.1", headers, "origin", "", "h", "/", "", None, False, True, False
    )


@given(SAID, st.booleans())
@example({"If-None-Match": 'W/ETAG, "a ",ETAG,'}, False)
def test_what_c_decides_is_what_python_says(
    library: ctypes.CDLL, descriptor: int, said: dict[str, str], is_head: bool
) -> None:
    whole = representation(descriptor)
    said = {name: value.strip(" \t").replace("ETAG", whole.etag) for name, value in said.items()}
    answer = whole.answer(head_of(said, "HEAD" if is_head else "GET"), 64)
    if answer.file is not None:
        answer.file.close()
    found = judged(library, said, whole.etag, is_head)
    if found is not None:
        parts = [number for part in answer.parts if isinstance(part, tuple) for number in part]
        count = answer.count if answer.status == 206 else SIZE
        assert found == (answer.status, *(parts or (answer.offset, count)))


#: All that C has to do by itself: ordinary requests of browsers, players and download managers.
ORDINARY = [
    ({"If-None-Match": "ETAG"}, (304, 0, SIZE)),
    ({"If-None-Match": "*"}, (304, 0, SIZE)),
    ({"If-None-Match": '"a", W/"b", ETAG'}, (304, 0, SIZE)),
    ({"If-None-Match": '"other"'}, (200, 0, SIZE)),
    ({"If-None-Match": '"other"', "If-Modified-Since": "AT"}, (200, 0, SIZE)),
    ({"If-Modified-Since": "AT"}, (304, 0, SIZE)),
    ({"If-Modified-Since": "Sunday, 09-Sep-01 01:46:40 GMT"}, (304, 0, SIZE)),
    ({"If-Modified-Since": "Sun Sep  9 01:46:40 2001"}, (304, 0, SIZE)),
    ({"If-Modified-Since": "Sun, 09 Sep 2001 01:46:39 GMT"}, (200, 0, SIZE)),
    ({"If-Modified-Since": "yesterday"}, (200, 0, SIZE)),
    ({"If-Match": "*", "If-Unmodified-Since": "Sun, 09 Sep 2001 01:46:39 GMT"}, (200, 0, SIZE)),
    ({"If-Match": 'W/ETAG, "b", ETAG'}, (200, 0, SIZE)),
    ({"If-Match": '"other"'}, (412, 0, SIZE)),
    ({"If-Match": "W/ETAG", "If-None-Match": "ETAG"}, (412, 0, SIZE)),
    ({"If-Unmodified-Since": "AT"}, (200, 0, SIZE)),
    ({"If-Unmodified-Since": "Sun, 09 Sep 2001 01:46:39 GMT"}, (412, 0, SIZE)),
    ({"Range": "bytes=0-9"}, (206, 0, 10)),
    ({"Range": "bytes=90-"}, (206, 90, 10)),
    ({"Range": "bytes=-10"}, (206, 90, 10)),
    ({"Range": "Bytes=-999"}, (206, 0, SIZE)),
    ({"Range": "bytes=0-4, 5-9"}, (206, 0, 10)),
    ({"Range": "bytes=0-4,9-"}, (206, 0, 5, 9, 91)),
    ({"Range": "bytes=9-19, 0-4"}, (206, 9, 11, 0, 5)),
    ({"Range": "bytes=100-"}, (416, 0, SIZE)),
    ({"Range": "bytes=9-0"}, (200, 0, SIZE)),
    ({"Range": "lines=0-9"}, (200, 0, SIZE)),
    ({"Range": "bytes=0-9", "If-Range": "ETAG"}, (206, 0, 10)),
    ({"Range": "bytes=0-9", "If-Range": '"other"'}, (200, 0, SIZE)),
    ({"Range": "bytes=0-9", "If-Range": "AT"}, (206, 0, 10)),
    ({"Range": "bytes=0-9", "If-Range": "Sun, 09 Sep 2001 01:46:41 GMT"}, (200, 0, SIZE)),
    ({"Range": "bytes=0-9", "If-None-Match": "ETAG"}, (304, 0, SIZE)),
]


@pytest.mark.parametrize(("said", "expected"), ORDINARY)
def test_what_is_decided_in_c(
    library: ctypes.CDLL, said: dict[str, str], expected: tuple[int, ...] | None
) -> None:
    said = {name: v.replace("ETAG", '"e"').replace("AT", format_date(MODIFIED)) for name, v in said.items()}
    assert judged(library, said, '"e"', is_head=False) == expected


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"If-None-Match": 'W/"e"'}, (304, 0, SIZE)),
        ({"If-None-Match": "*"}, (304, 0, SIZE)),
        ({"If-None-Match": '"e"'}, None),  # who has it uncoded: the general path says which tag it gets
        ({"If-None-Match": '"e", W/"e"'}, None),
        ({"If-None-Match": 'W/"f", "g"'}, (200, 0, SIZE)),
        ({"If-Match": '"e"'}, (200, 0, SIZE)),
        ({"If-Match": 'W/"e"'}, (412, 0, SIZE)),
        ({"If-Modified-Since": format_date(MODIFIED)}, (304, 0, SIZE)),
        ({"Range": "bytes=0-9"}, None),
    ],
)
def test_what_was_coded_on_its_way(
    library: ctypes.CDLL, said: dict[str, str], expected: tuple[int, ...] | None
) -> None:
    assert judged(library, said, 'W/"e"', is_head=False, has_parts=False) == expected


@given(st.one_of(DATES, MISSPELT))
@example("Sun, 31 Dec 0000 00:00:00 GMT")
@example("Thu, 29 Feb 1900 00:00:00 GMT")
@example("Sat, 31 Dec 2016 23:59:60 GMT")
@example("Tue Feb 29 00:00:00 2000")
def test_dates(library: ctypes.CDLL, text: str) -> None:
    seconds = ctypes.c_longlong()
    is_date = library.read_date(text.encode(), time.gmtime().tm_year, ctypes.byref(seconds))
    assert (seconds.value if is_date else None) == parse_date(text)


@given(RANGES, st.sampled_from([0, 1, 2, 50, SIZE]), st.sampled_from([1, 2, 3, 64]))
@example("bytes=,,,0-1,", SIZE, 2)
@example("bytes=,,,0-1,,", SIZE, 2)
@example("bytes=0-0,2-2,4-4", SIZE, 2)
@example("bytes=10-19,5-14,0-9,12-30", SIZE, 64)
def test_ranges(library: ctypes.CDLL, text: str, size: int, most: int) -> None:
    spans = (ctypes.c_ulonglong * 128)()
    count = library.read_ranges(text.encode(), ctypes.c_ulonglong(size), most, spans)
    expected = wanted_spans(text, size, most)
    if expected is None:
        assert count == WHOLE
    else:
        assert [(spans[2 * n], spans[2 * n + 1]) for n in range(count)] == [
            (span.offset, span.count) for span in expected
        ]


def test_more_ranges_than_there_is_room_for_are_left_to_python(library: ctypes.CDLL) -> None:
    spans = (ctypes.c_ulonglong * 128)()
    text = "bytes=" + ",".join(f"{number * 2}-{number * 2}" for number in range(70))
    assert library.read_ranges(text.encode(), ctypes.c_ulonglong(1000), 100, spans) == UNSURE
    assert len(wanted_spans(text, 1000, 100) or ()) == 70
