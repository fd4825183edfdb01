"""What an application may put into ``environ["websocket_init"]``."""

from __future__ import annotations

from typing import Any

import pytest

import skitai
from skitai.core.websockets.designs import Design, Options, design_of

ECHO = (skitai.WEBSOCKET_REQDATA, 60, "message")


def test_a_tuple_of_three() -> None:
    assert design_of(ECHO) == Design(skitai.WEBSOCKET_REQDATA, 60.0, "message", Options())


def test_a_variable_may_be_missing() -> None:
    assert design_of((skitai.WEBSOCKET_DEDICATE, 0.5, None)).variable is None


def test_options() -> None:
    design = design_of(
        (
            skitai.WEBSOCKET_MULTICAST,
            60,
            "roomid",
            {
                "notices": True,
                "subprotocols": ["v2", "v1"],
                "origins": ["https://example.com"],
                "on_slow_client": "drop_oldest",
            },
        )
    )
    assert design.options == Options(True, ("v2", "v1"), ("https://example.com",), "drop_oldest")


@pytest.mark.parametrize(
    ("value", "word"),
    [
        (None, "tuple"),
        ("echo", "tuple"),
        ([1, 60, "message"], "tuple"),
        ((1, 60), "tuple"),
        ((1, 60, "a", {}, 5), "tuple"),
        ((4, 60, "a"), "WEBSOCKET_MULTICAST"),
        ((True, 60, "a"), "WEBSOCKET_REQDATA"),
        (("1", 60, "a"), "WEBSOCKET_REQDATA"),
        ((1, 0, "a"), "seconds above 0"),
        ((1, -1, "a"), "seconds above 0"),
        ((1, "60", "a"), "seconds above 0"),
        ((1, True, "a"), "seconds above 0"),
        ((1, float("nan"), "a"), "seconds above 0"),
        ((1, float("inf"), "a"), "seconds above 0"),
        ((1, 60, ""), "name of an argument"),
        ((1, 60, 5), "name of an argument"),
        ((1, 60, "a", {"notice": True}), "notices"),
        ((1, 60, "a", ["notices"]), "notices"),
        ((1, 60, "a", {"origins": "https://a"}), "origins is a list"),
        ((1, 60, "a", {"subprotocols": [1]}), "subprotocols is a list"),
        ((1, 60, "a", {"on_slow_client": "wait"}), "drop_oldest"),
    ],
)
def test_what_is_none_says_what_is_wrong(value: Any, word: str) -> None:
    with pytest.raises(ValueError, match="websocket_init") as failure:
        design_of(value)
    assert word in str(failure.value)
