from __future__ import annotations

import pytest

from skitai.core.negotiation import preferred_coding, weighted

OURS = ("zstd", "br", "gzip", "deflate")


@pytest.mark.parametrize(
    ("field", "coding"),
    [
        (None, None),
        ("", None),
        ("identity", None),
        ("gzip", "gzip"),
        ("GZIP", "gzip"),
        ("x-gzip", "gzip"),
        ("gzip, deflate, br", "br"),
        ("gzip, deflate, br, zstd", "zstd"),
        ("gzip;q=1.0, br;q=0.5", "gzip"),
        ("gzip;q=0.5, br;q=0.5", "br"),
        ("gzip; q=0.5 , identity ; Q=1", None),
        ("gzip, identity", "gzip"),
        ("identity;q=0.5, gzip;q=0.4", None),
        ("gzip;q=0", None),
        ("gzip;q=0, *", "zstd"),
        ("*", "zstd"),
        ("*;q=0", None),
        ("*;q=0, gzip", "gzip"),
        ("br;q=0, zstd;q=0, *;q=0.1", "gzip"),
        ("identity;q=0", None),
        ("identity;q=0, *;q=0", None),
        ("compress", None),
        ("gzip;q=2", None),
        ("gzip;q=nan", None),
        ("gzip;q=-1", None),
        ("gzip;q=much", None),
        (",, gzip ,", "gzip"),
        (";q=1", None),
        ("gzip;q=0, gzip", None),
        ("x" * 2000 + ", gzip", None),
    ],
)
def test_the_coding_that_is_liked_best(field: str | None, coding: str | None) -> None:
    assert preferred_coding(field, OURS) == coding


def test_nothing_is_chosen_that_is_not_there() -> None:
    assert preferred_coding("br, gzip;q=0.1", ("gzip",)) == "gzip"
    assert preferred_coding("br", ("gzip",)) is None
    assert preferred_coding("*", ()) is None


def test_names_with_their_qualities() -> None:
    assert weighted("text/html;level=1;q=0.7, */*") == [("text/html", 0.7), ("*/*", 1.0)]
