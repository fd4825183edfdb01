"""Where the compiled engine may find files by itself: routes where a folder is asked first, and nobody else
has a word about what is in it.

Asked once for each listener, when applications have begun and before the first connection.  What is not
there, and what is refused, remains the service's to say.
"""

from __future__ import annotations

from collections.abc import Mapping

from skitai._kernels import engine
from skitai.core.admission import admission_hook
from skitai.core.apps import MountedApp
from skitai.core.plans import NOBODY, Chains, ListenerInfo
from skitai.core.routes import RouteTable, VirtualHost
from skitai.core.transport import further_fields, needs_https
from skitai.counters import NO_MOUNT

__all__ = ["grounds_of"]


def grounds_of(
    table: RouteTable, chains: Chains, info: ListenerInfo, slots: Mapping[tuple[str, str], int]
) -> tuple[engine.Ground, ...]:
    """All that is mounted, as requests see it that come in by the listener of ``info``; ``slots``: where
    they are counted, by host rule and mounted path."""
    return tuple(
        _ground(site, path, chains, info, slots.get((site.name, path), NO_MOUNT))
        for site in table.sites
        # The root in any case: of a host without it nothing is another one's.
        for path in {"", *(mount.path for mount in site.mounts)}
    )


def _ground(site: VirtualHost, path: str, chains: Chains, info: ListenerInfo, slot: int) -> engine.Ground:
    mounts = site.match(path or "/")
    chain = chains.of(mounts) if mounts else NOBODY
    if (
        not chain.folders
        or chain.is_broken
        or site.redirect_to
        or needs_https(site, info)
        or further_fields(site, info, info.scheme)
        or not _is_silent(chain.app)
    ):
        return engine.Ground(site.name, path, None, slot=slot)
    mount, folder = chain.folders[0]
    our_errors = mounts[0].options.error_pages is None
    return engine.Ground(
        site.name,
        path,
        folder.terms(mount.compression),
        mount.path,
        our_errors=our_errors,
        ends=our_errors and chain.mount is None and len(chain.folders) == 1,
        slot=slot,
    )


def _is_silent(app: MountedApp | None) -> bool:
    """Whether the application behind a folder is asked about nothing that is in it, now and later."""
    return app is None or (not app.reloads and app.error is None and admission_hook(app) is None)
