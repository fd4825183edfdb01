"""test_lanes.py over TLS: the lane and the general connection say the same, encrypted by different hands."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from skitai import _kernels
from skitai._pure import engine as pure_engine
from tests.pure import test_lanes
from tests.pure.test_lanes import Server

for name, test in vars(test_lanes).items():
    if name.startswith("test_"):
        globals()[name] = test


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[Server, Server]]:
    ours = Server(_kernels.engine.Engine, secure=True)
    general = Server(pure_engine.Engine, secure=True)
    yield ours, general
    ours.stop()
    general.stop()
