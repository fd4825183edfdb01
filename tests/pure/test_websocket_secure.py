"""The conversations of test_websocket_engine.py once more, over TLS.

Left out are those about clocks, which do not know what is below, and one whose client would have to see a
reset: Python's own takes it for the end.
"""

from __future__ import annotations

import pytest

from tests.pure import engine_world, test_websocket_engine
from tests.pure.test_engine_secure import SecureWorld

LEFT_OUT = {
    "test_a_silent_client_gets_pings_and_is_cut",
    "test_half_a_frame_has_a_clock",
    "test_messages_in_fragments_have_all_the_time_between_them",
    "test_who_says_nothing_is_closed_though_it_answers_pings",
}
SAME = {name: test for name, test in vars(test_websocket_engine).items() if name.startswith("test_")}

globals().update((name, SAME[name]) for name in SAME.keys() - LEFT_OUT)


@pytest.fixture(autouse=True)
def over_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_world, "World", SecureWorld)


def test_what_is_left_out_exists() -> None:
    assert SAME.keys() > LEFT_OUT
