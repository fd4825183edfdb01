"""The argument that a WebSocket's message becomes: the compiled build writes it as the library does."""

from __future__ import annotations

from urllib.parse import quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

wsenviron = pytest.importorskip("skitai._speedups.wsenviron", reason="the compiled build's")


@given(
    st.text(st.characters(exclude_categories=["Cs"])) | st.binary(),
    st.sampled_from(["", "m=", "a=1&m=", "ä="]),
)
def test_as_the_library(message: str | bytes, query: str) -> None:
    assert wsenviron.quoted_message(query, message) == query + quote_plus(message)


def test_every_byte() -> None:
    everything = bytes(range(256)) * 3
    assert wsenviron.quoted_message("m=", everything) == "m=" + quote_plus(everything)


@pytest.mark.parametrize("size", [254, 255, 256, 510, 70_000])
def test_long_ones(size: int) -> None:
    for text in ("x" * size, " " * size, "/" * size, "x" * (size - 1) + "&"):
        assert wsenviron.quoted_message("m=", text) == "m=" + quote_plus(text)
