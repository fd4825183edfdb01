"""Which requests an application may be called for without further ado.

The compiled engine calls applications itself (`skitai._kernels.engine.Lane`), once it has learnt
here, by host and mount, that nobody else has a word: no folder in front of the
application, no redirect, no early refusal by the application, no reloading, no file that it
may name, no proxy to be believed.  Where members of a cluster answer in the place of an
application, it passes plain requests on itself.  Everything else comes to `HttpService` as ever.

Loop thread.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from skitai._kernels import AccessRecord, engine, http1
from skitai.core.admission import admission_hook
from skitai.core.apps import MountedApp
from skitai.core.binding import Binding
from skitai.core.environ import build_environ, wsgi_string
from skitai.core.forwarded import UNTRUSTED_FIELDS
from skitai.core.relays import Cut, Relay
from skitai.core.requestnotes import ID_FIELD
from skitai.core.routes import Mount
from skitai.errors import AppLoadError

__all__ = ["LaneCallbacks", "make_lane", "make_relay_lane"]

#: Each one object: who reads fields in a lane remembers of each name what that set says of it.
_WITHHELD = {False: UNTRUSTED_FIELDS, True: UNTRUSTED_FIELDS | ID_FIELD}


class LaneCallbacks:
    """What a `Lane` calls back; for each see there."""

    def __init__(
        self,
        binding: Binding,
        log: Callable[[AccessRecord], None] | None,
        warn: Callable[[dict[str, Any], str], None],
        failure: Callable[[dict[str, Any], str, BaseException], None],
    ) -> None:
        self.binding = binding
        self.log = log
        self.warn = warn
        self.failure = failure


def make_lane(
    mount: Mount,
    app: MountedApp,
    template: dict[str, Any],
    *,
    host: str,
    scheme: str,
    server: tuple[str, int],
    body_memory_max: int,
    slot: int,
    ids: engine.Ids | None,
    callbacks: LaneCallbacks,
) -> engine.Lane | None:
    """The lane of ``app`` at ``mount`` for requests to ``host``, which are counted in ``slot``; None if it
    cannot have one.  ``ids``: what its requests get."""
    if app.reloads or mount.options.sendfile_roots or admission_hook(app) is not None:
        return None
    try:
        application = app.application
    except AppLoadError:
        return None
    # What is the request's own is written over; all else is as in any request to this host.
    environ = build_environ(
        template,
        http1.RequestHead("", "", "1.1", [], "origin", "", host, "", "", None, False, True, False),
        script_name=wsgi_string(mount.path),
        path_info="",
        client=("", 0),
        scheme=scheme,
        host=host,
        server=server,
    )
    environ["skitai.response_timeout"] = mount.options.response_timeout
    if ids is not None:
        environ["skitai.request_id"] = environ["HTTP_X_REQUEST_ID"] = ""
    return engine.Lane(
        application,
        environ,
        len(mount.path.encode("utf-8", "surrogateescape")),
        min(mount.options.body_max, body_memory_max),
        mount.options.lane == "auto",
        mount.options.park in app.parks_with,
        _WITHHELD[ids is not None],
        callbacks.binding.variable,
        callbacks.binding.make,
        callbacks.log,
        callbacks.warn,
        callbacks.failure,
        mount.compression,
        slot,
        ids,
    )


def make_relay_lane(
    mount: Mount,
    relay: Relay,
    scheme: str,
    cut: Cut,
    log: Callable[[AccessRecord], None] | None,
    slot: int,
    ids: engine.Ids | None,
) -> engine.RelayLane | None:
    """The lane of what ``relay`` passes on from ``mount``; None if it cannot have one."""
    way = relay.way(scheme, cut)
    if way is None:
        return None
    path_start = len(mount.path.encode("utf-8", "surrogateescape"))
    return engine.RelayLane(way, path_start, mount.options.body_max, log, slot, ids)
