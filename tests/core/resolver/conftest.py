from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from skitai.core.resolver import resolver as resolver_module
from skitai.core.resolver.resolver import SYSTEM
from skitai.core.resolver.system import System
from tests.core.resolver.world import EitherBackend, World, getaddrinfo_of


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.close()


@pytest.fixture(params=["c-ares", SYSTEM])
def either(world: World, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> EitherBackend:
    """What holds whoever is asked."""
    monkeypatch.setattr(resolver_module, "System", partial(System, getaddrinfo=getaddrinfo_of(world.server)))
    return EitherBackend(world, request.param)
