"""The script for pages that are in a room, as an application: mount it where pages look for it.

    [routes:line]
    /js/room.js = skitai.lib.roomscript:app

What the script does is told in `room.js` beside this file, and in docs/websocket.md.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

__all__ = ["app"]

_SCRIPT = Path(__file__).with_name("room.js").read_bytes()
_TAG = hashlib.blake2b(_SCRIPT, digest_size=8).hexdigest()


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """The script, whatever the path; its tag changes with it."""
    headers = [("ETag", f'"{_TAG}"'), ("Cache-Control", "no-cache")]
    if _TAG in environ.get("HTTP_IF_NONE_MATCH", ""):  # compressed, it has another one around this
        start_response("304 Not Modified", headers)
        return []
    headers += [("Content-Type", "text/javascript; charset=utf-8"), ("Content-Length", str(len(_SCRIPT)))]
    start_response("200 OK", headers)
    return [_SCRIPT]
