"""What handlers do, without a server of ours: a process that has clusters of databases."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from skitai._kernels import engine
from skitai.core.config import load
from skitai.limits import Limits
from skitai.was import _provider
from skitai.was._provider import provide

__all__ = ["providing"]


@contextmanager
def providing(monkeypatch: pytest.MonkeyPatch, sections: str, **limits: Any) -> Iterator[list[str]]:
    """``was`` has the clusters of ``sections``; what operators are told."""
    monkeypatch.setattr(_provider, "_provider", _provider._Provider())
    reports: list[str] = []
    told: list[str] = []
    loop = engine.EventLoop(lambda what: reports.append(f"{what}: {traceback.format_exc()}"))
    thread = threading.Thread(target=loop.run, daemon=True)
    thread.start()
    clusters = load(None, text=sections).clusters
    provide(loop, report=reports.append, warn=told.append, clusters=clusters, limits=Limits(**limits))
    try:
        yield told
    finally:
        reach = _provider.reach()
        if "databases" in reach.__dict__:
            reach.databases.client.close()
        loop.call_soon(loop.stop)
        thread.join(10)
    assert reports == []
