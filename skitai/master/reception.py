"""Where an instance is asked: by the address of the settings and by the control socket."""

from __future__ import annotations

import selectors
import socket
from collections.abc import Callable, Sequence
from typing import Any

from skitai.core.config import ServerSettings
from skitai.master.admin import Admin, Reply, Request
from skitai.master.child import Child
from skitai.master.dashboard.pages import PATH, Dashboard
from skitai.master.desk import Desk, House

__all__ = ["Reception"]


class Reception:
    def __init__(
        self,
        selector: selectors.BaseSelector,
        private: Sequence[tuple[socket.socket, bool]],
        house: House,
        server: Callable[[], ServerSettings],
    ) -> None:
        """``private``: see `Admin`; ``server()``: the settings as they are now."""
        self._desk = Desk(house)
        self._dashboard = Dashboard(
            selector,
            self._desk.glance,
            self._desk.live.snapshot,
            lambda: server().admin_password_file,
            lambda: str(server().admin or ""),
        )
        self._admin = Admin(selector, private, self._respond)

    def _respond(self, request: Request, answer: Callable[[Reply], None]) -> None:
        if request.path == PATH or request.path.startswith(f"{PATH}/"):
            answer(self._dashboard.respond(request))
        else:
            self._desk.respond(request, answer)

    def told(self, worker: Child, value: dict[str, Any]) -> None:
        self._desk.told(worker, value)

    def gone(self, worker: Child) -> None:
        self._desk.gone(worker)

    def next_deadline(self) -> float:
        return min(
            self._desk.next_deadline(), self._admin.next_deadline(), self._dashboard.feed.next_deadline()
        )

    def check_deadlines(self) -> None:
        self._desk.check_deadlines()
        self._admin.check_deadlines()
        self._dashboard.feed.check_deadlines()

    def close(self) -> None:
        """Those who look are told, by the end of their connection."""
        self._dashboard.feed.close()
