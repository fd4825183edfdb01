"""Where a request came in, who is asked for its path, and what was decided about it.

That is once for each listener (`ListenerInfo`), for each set of mounts (`Chains`), for each request
(`Plan`).

Loop thread.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from skitai.core.answer import Answer
from skitai.core.apps import MountedApp
from skitai.core.bodies import RequestBody
from skitai.core.config import ListenSettings
from skitai.core.coroutines import is_coroutine_function
from skitai.core.forwarded import ClientView
from skitai.core.gateway import Run
from skitai.core.relays import Passage, Relay
from skitai.core.routes import Mount
from skitai.core.static import StaticFolder

__all__ = ["NOBODY", "Chain", "Chains", "ListenerInfo", "Plan"]


@dataclass(frozen=True, slots=True)
class ListenerInfo:
    """``server`` is the address for SERVER_NAME and SERVER_PORT when a client names no host;
    ``https_only``, ``https_port`` and ``hsts`` as in the settings; ``verifies``: clients are asked for a
    certificate."""

    scheme: str
    server: tuple[str, int]
    https_only: bool = False
    https_port: int = 443
    hsts: str = ""
    verifies: bool = False

    @classmethod
    def of(cls, sock: socket.socket, listener: ListenSettings) -> ListenerInfo:
        name = sock.getsockname()
        unnamed = ("localhost", 443 if listener.ssl else 80)
        return cls(
            listener.scheme,
            (name[0], name[1]) if isinstance(name, tuple) else unnamed,
            https_only=listener.https_only,
            https_port=listener.https_port,
            hsts=listener.hsts,
            verifies=listener.ssl and listener.verify != "no",
        )


@dataclass(frozen=True, slots=True)
class Chain:
    """Who is asked for a path, in order: the folders, then the application, or the ``relay`` in its place.

    A folder above the path of these is not among them: they are nearer.
    ``is_broken``: what is mounted at the nearest path cannot be served, and nothing further up
    makes up for it.  ``is_coroutine``: calling the application makes a coroutine, and no more.
    """

    folders: tuple[tuple[Mount, StaticFolder], ...]
    mount: Mount | None
    app: MountedApp | None
    is_broken: bool
    is_coroutine: bool
    relay: Relay | None = None


NOBODY = Chain((), None, None, False, False)


@dataclass(slots=True)
class Plan:
    """What was decided about one request.  ``answer`` is set where it needs nobody else;
    otherwise `HttpService.execute` asks the ``chain``."""

    client: ClientView
    #: Where the site has its error pages.
    error_pages: Path | None = None
    path: str = ""
    #: The rule that the host was found by.
    host: str = ""
    chain: Chain = NOBODY
    slash_redirect: str | None = None
    answer: Answer | None = None
    body: RequestBody | None = None
    environ: dict[str, Any] | None = None
    run: Run | None = None
    #: Who passes the request on.
    passage: Passage | None = None
    #: Of the request in the logs of all servers; empty where it has none.
    request_id: str = ""
    #: When it began to wait for a thread, or for another server, as of ``time.monotonic()``; 0.0: it did
    #: not, or nobody wants to know.
    waits_since: float = 0.0
    #: Seconds of that: until the thread had come; until the answer had.
    queue: float | None = None
    upstream: float | None = None
    #: The client would like the connection to become something else (`skitai.core.upgrades`).
    upgrades: bool = False


class Chains:
    """As many as there are mounted paths: each is worked out once."""

    def __init__(
        self,
        apps: Mapping[Mount, MountedApp],
        folders: Mapping[Mount, StaticFolder],
        relays: Mapping[Mount, Relay],
    ) -> None:
        self._apps = apps
        self._relays = relays
        self._folders = folders
        self._known: dict[tuple[Mount, ...], Chain] = {}

    def of(self, mounts: tuple[Mount, ...]) -> Chain:
        """``mounts``: those whose path is a part of the request's, the nearest first."""
        return self._known.get(mounts) or self._work_out(mounts)

    def _work_out(self, mounts: tuple[Mount, ...]) -> Chain:
        mount = next((mount for mount in mounts if mount in self._apps or mount in self._relays), None)
        folders = tuple(
            (other, self._folders[other])
            for other in mounts
            if other in self._folders and (mount is None or len(other.path) >= len(mount.path))
        )
        nearest = mounts[0].path
        served = [other.path for other, _ in folders] + ([mount.path] if mount else [])
        app = self._apps.get(mount) if mount else None
        relay = self._relays.get(mount) if mount else None
        chain = self._known[mounts] = Chain(
            folders, mount, app, nearest not in served, app is not None and _is_coroutine(app), relay
        )
        return chain


def _is_coroutine(app: MountedApp) -> bool:
    # The next version of one that reloads may be something else.
    return not app.reloads and app.error is None and is_coroutine_function(app.application)
