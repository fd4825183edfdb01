"""Both ways of the compiled build: tests that use `way` run with members of whom
no connection is kept, and with such of whom one is, whose plain requests do not leave their lane."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from skitai import _kernels
from tests.proxy.proxy_world import WARM


@pytest.fixture(params=["cold", "warm"])
def way(request: pytest.FixtureRequest) -> Iterator[str]:
    if request.param == "warm" and _kernels.implementation() == "pure":
        pytest.skip("the pure build has one way")
    token = WARM.set(request.param == "warm")
    yield request.param
    WARM.reset(token)
