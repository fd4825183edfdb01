"""Who may have a WebSocket, and which room its URL names.

A browser says from which site its page is (Origin).  Pages of other sites may not connect in their users'
names, unless the design's options list them; who sends no Origin is no browser, and is let in.

Any thread; what is refused is an HTTPError, with the text for the client.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple
from urllib.parse import parse_qs

from skitai._kernels import websocket
from skitai.core.websockets.designs import Design, design_of
from skitai.errors import HTTPError

__all__ = ["RoomKey", "design_in", "offer", "room_key"]

#: Where the application finds that it may have one, and puts its design.
_INIT: Final = "websocket_init"


class RoomKey(NamedTuple):
    """``value``: None where the room is the path's."""

    path: str
    value: str | None

    @property
    def name(self) -> str:
        """As `was.publish` has it: the path, or ``path?value``."""
        # PEP 3333: bytes in a str.
        path = self.path.encode("latin-1").decode("utf-8", "surrogateescape").replace("?", "%3F")
        return path if self.value is None else f"{path}?{self.value}"


def offer(environ: dict[str, Any]) -> None:
    """Tell the application that it may have one."""
    environ[_INIT] = ""
    # Of one hop, and so ours (RFC 9110 section 7.6.1).  Werkzeug would look among rules of its own kind
    # for such a request, and Flask has no decorator for those.
    environ.pop("HTTP_UPGRADE", None)
    environ.pop("HTTP_CONNECTION", None)


def design_in(environ: dict[str, Any]) -> Design | None:
    """What the application has put there, by now; None: it says nothing of WebSockets.

    Raises ValueError: that is no design; HTTPError (403): a page of another site asks."""
    said = environ.pop(_INIT, "")
    if said == "":
        return None
    design = design_of(said)
    origin = environ.get("HTTP_ORIGIN")
    allowed = design.options.origins
    if origin is not None and "*" not in allowed and origin not in allowed:
        _check_same_site(origin, environ)
    return design


def room_key(environ: dict[str, Any], design: Design) -> RoomKey:
    """Raises HTTPError (400): the request does not say which room."""
    path = environ["SCRIPT_NAME"] + environ["PATH_INFO"]
    if design.variable is None:
        return RoomKey(path, None)
    values = parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True).get(design.variable)
    if not values or not values[0]:
        raise HTTPError(400, f"The URL does not say which room: it needs ?{design.variable}=...")
    return RoomKey(path, values[0])


def _check_same_site(origin: str, environ: dict[str, Any]) -> None:
    if not websocket.is_same_origin(origin, environ["wsgi.url_scheme"], environ.get("HTTP_HOST", "")):
        raise HTTPError(
            403,
            f"Pages of {origin} may not connect here; the application can list that site in the options of "
            'its environ["websocket_init"] ({"origins": [...]}).',
        )
