"""Accept and Accept-Encoding as C reads them (``skitai/_speedups/negotiation.h``), held to what the general
path says: it may leave anything to that, and never differ."""

from __future__ import annotations

import ctypes
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from skitai.core.negotiation import preferred_coding, preferred_type

REPO = Path(__file__).resolve().parents[2]
CODINGS = ("zstd", "br", "gzip", "deflate")
TYPES = ("text/plain", "text/html", "application/json")
NONE, UNSURE = -1, -2


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory, require_program: Callable[[str], str]) -> ctypes.CDLL:
    target = tmp_path_factory.mktemp("c") / "negotiating.so"
    flags = ["-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-O1", "-shared", "-fPIC"]
    sources = ["-I", str(REPO / "skitai/_speedups"), str(REPO / "tests/c/negotiating.c")]
    subprocess.run([require_program("cc"), *flags, *sources, "-o", str(target)], check=True, timeout=60)
    return ctypes.CDLL(str(target))


def strings(values: tuple[str, ...]) -> ctypes.Array[ctypes.c_char_p]:
    return (ctypes.c_char_p * (len(values) + 1))(*(value.encode() for value in values), None)


QUALITY = st.one_of(
    st.sampled_from(
        ["", "0", "1", "0.5", "1.000", "0.001", "1.001", "2", "-1", "+1", "1e-1", "nan", ".5", "0."]
    ),
    st.floats(0, 1).map(lambda quality: f"{quality:.3f}"),
)
WEIGHT = st.one_of(
    st.just(""),
    st.builds("{};{}q={}".format, st.sampled_from(["", " ", "\t"]), st.sampled_from(["", " "]), QUALITY),
    st.sampled_from([";", ";q", ";level=1", ";Q=0.3", ";q=0.2;q=0.9", "; q = 0.4 ", ";level=1;q=0.1"]),
)
CODING = st.sampled_from(
    [*CODINGS, "GZIP", "x-gzip", "identity", "*", "compress", "", " ", "gz ip", "\xa0br"]
)
RANGE = st.sampled_from(
    [*TYPES, "*/*", "text/*", "TEXT/*", "Text/HTML", "*", "text/", "image/png", "", "a/b/c"]
)


def fields(item: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.lists(st.builds("{}{}".format, item, WEIGHT), max_size=6).map(", ".join)


@given(fields(CODING), st.lists(st.sampled_from(CODINGS), unique=True, max_size=4).map(tuple))
@example("gzip, deflate, br, zstd", CODINGS)
@example("gzip;q=0", ("gzip",))
def test_codings(library: ctypes.CDLL, accept: str, available: tuple[str, ...]) -> None:
    place = library.preferred_coding(accept.encode("latin-1"), strings(available))
    if place != UNSURE:
        assert (None if place == NONE else available[place]) == preferred_coding(accept, available)


@given(fields(RANGE))
@example("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8")
def test_types(library: ctypes.CDLL, accept: str) -> None:
    place = library.preferred_type(accept.encode("latin-1"), strings(TYPES), len(TYPES))
    if place != UNSURE:
        assert TYPES[place] == preferred_type(accept, TYPES)


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", None),
        ("identity", None),
        ("gzip", "gzip"),
        ("gzip, deflate, br, zstd", "zstd"),
        ("br;q=1.0, gzip;q=0.8, *;q=0.1", "br"),
        ("gzip;q=1.0, deflate;q=0.6, identity;q=0.3", "gzip"),
        ("deflate, x-gzip;q=0.5", "deflate"),
        ("gzip;q=0.5, identity", None),
        ("*", "zstd"),
        ("gzip;q=0", None),
    ],
)
def test_codings_that_are_decided_in_c(library: ctypes.CDLL, accept: str, expected: str | None) -> None:
    place = library.preferred_coding(accept.encode(), strings(CODINGS))
    assert place != UNSURE
    assert (None if place == NONE else CODINGS[place]) == expected


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", "text/plain"),
        ("*/*", "text/plain"),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8", "text/html"),
        ("application/json, text/plain, */*", "application/json"),
        ("text/html;level=1;q=0.7, application/json;q=0.5", "text/html"),
        ("image/png", "text/plain"),
    ],
)
def test_types_that_are_decided_in_c(library: ctypes.CDLL, accept: str, expected: str) -> None:
    place = library.preferred_type(accept.encode(), strings(TYPES), len(TYPES))
    assert place != UNSURE
    assert TYPES[place] == expected


@pytest.mark.parametrize(
    "field", ["a" * 600, ", ".join(["gzip"] * 40), "gz\x7fip", "gzip;q=0.1234", "gzip;q"]
)
def test_what_is_left_to_python(library: ctypes.CDLL, field: str) -> None:
    assert library.preferred_coding(field.encode(), strings(CODINGS)) == UNSURE
    assert library.preferred_type(field.encode(), strings(TYPES), len(TYPES)) == UNSURE
