"""A home with a spool and agents, and servers that these deliver to."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.mail.home import Home
from tests.mail.smtpserver import SmtpServer


@pytest.fixture(autouse=True)
def _no_settings_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("SKITAI_") and name != "SKITAI_PURE"]:
        monkeypatch.delenv(name)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    with contextlib.closing(Home(tmp_path / "home")) as made:
        yield made


@pytest.fixture
def smtp() -> Iterator[Callable[..., SmtpServer]]:
    """``smtp(users=…)`` starts a server for one test."""
    with contextlib.ExitStack() as stack:

        def start(**options: object) -> SmtpServer:
            server = SmtpServer(**options)  # type: ignore[arg-type]
            stack.callback(server.close)
            return server

        yield start
