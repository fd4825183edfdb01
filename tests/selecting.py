"""A plugin of pytest, ``-p tests.selecting``: the pure engine's loop asks select(), as on systems without
epoll, kqueue and poll.  `make test` runs the engine's tests once more with it."""

from __future__ import annotations

import selectors

selectors.DefaultSelector = selectors.SelectSelector  # type: ignore[misc,assignment]


def pytest_report_header() -> str:
    return "engine: select()"
