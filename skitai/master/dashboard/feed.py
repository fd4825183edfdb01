"""Those who look at the dashboard: WebSockets (RFC 6455) to which a snapshot goes each second.

The master has no kernels, so this is as much of the protocol as it takes: it sends texts, answers pings, and
takes nothing but small frames.  Who reads too slowly is let go: the page connects again.
"""

from __future__ import annotations

import base64
import hashlib
import json
import selectors
import socket
from collections.abc import Callable, Mapping
from time import monotonic
from typing import Any

__all__ = ["Feed", "accept_key"]

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_TEXT, _CLOSE, _PING, _PONG = 0x81, 0x88, 0x89, 0x8A
_EVERY = 1.0
_VIEWERS_MAX = 16
#: Bytes: of what a viewer may send before it is looked at; of what may wait for it.
_SAID_MAX = 4096
_WAITING_MAX = 4 << 20
_SMALL_FRAME = 125


def accept_key(key: str) -> str | None:
    """The answer to Sec-WebSocket-Key; None: that is not 16 bytes in base64."""
    try:
        if len(base64.b64decode(key, validate=True)) != 16:
            return None
    except ValueError:
        return None
    return base64.b64encode(hashlib.sha1(key.encode() + _GUID, usedforsecurity=False).digest()).decode()


class _Viewer:
    def __init__(self, sock: socket.socket, session: str) -> None:
        self.socket = sock
        self.session = session
        self.said = b""
        self.waiting = bytearray()


class Feed:
    def __init__(
        self,
        selector: selectors.BaseSelector,
        glance: Callable[[Callable[[], None]], None],
        snapshot: Callable[[], Mapping[str, Any]],
        knows: Callable[[str], bool],
    ) -> None:
        """``glance(done)`` has workers asked; ``snapshot()`` is what is known then; ``knows(session)``:
        whether that may look still, empty: without one."""
        self._selector = selector
        self._glance = glance
        self._snapshot = snapshot
        self._knows = knows
        self._viewers: dict[socket.socket, _Viewer] = {}
        self._due = float("inf")

    @property
    def is_full(self) -> bool:
        return len(self._viewers) >= _VIEWERS_MAX

    def join(self, sock: socket.socket, session: str) -> None:
        """``sock``, which has been told 101."""
        viewer = self._viewers[sock] = _Viewer(sock, session)
        self._selector.register(sock, selectors.EVENT_READ, lambda: self._turn(viewer))
        self._due = min(self._due, monotonic() + _EVERY)
        # What is known at this moment, and at once.
        self._send(viewer, _frame(_TEXT, self._text()))
        self._glance(self._show)

    def next_deadline(self) -> float:
        return self._due

    def check_deadlines(self) -> None:
        now = monotonic()
        if self._due <= now:
            self._due = now + _EVERY if self._viewers else float("inf")
            for viewer in [one for one in self._viewers.values() if not self._may_look(one)]:
                self._end(viewer)
            if self._viewers:
                self._glance(self._show)

    def close(self) -> None:
        for viewer in list(self._viewers.values()):
            self._end(viewer)

    def _may_look(self, viewer: _Viewer) -> bool:
        return not viewer.session or self._knows(viewer.session)

    def _show(self) -> None:
        if not self._viewers:
            return
        frame = _frame(_TEXT, self._text())
        for viewer in list(self._viewers.values()):
            self._send(viewer, frame)

    def _text(self) -> bytes:
        return json.dumps(self._snapshot(), default=str).encode()

    # -- one of them ----------------------------------------------------------------------------

    def _send(self, viewer: _Viewer, data: bytes) -> None:
        viewer.waiting += data
        if len(viewer.waiting) > _WAITING_MAX:
            self._end(viewer)
        else:
            self._flush(viewer)

    def _turn(self, viewer: _Viewer) -> bool:
        if viewer.waiting:
            self._flush(viewer)
        if viewer.socket in self._viewers:
            self._receive(viewer)
        return True

    def _flush(self, viewer: _Viewer) -> None:
        try:
            del viewer.waiting[: viewer.socket.send(viewer.waiting)]
        except BlockingIOError:
            pass
        except OSError:
            self._end(viewer)
            return
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if viewer.waiting else 0)
        self._selector.modify(viewer.socket, events, lambda: self._turn(viewer))

    def _receive(self, viewer: _Viewer) -> None:
        try:
            data = viewer.socket.recv(_SAID_MAX)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        viewer.said += data
        if not data or not self._hear(viewer):
            self._end(viewer)

    def _hear(self, viewer: _Viewer) -> bool:
        """False: it has said goodbye, or what we do not take."""
        while len(viewer.said) >= 2:
            first, second = viewer.said[0], viewer.said[1]
            size = second & 0x7F
            if not second & 0x80 or size > _SMALL_FRAME or first == _CLOSE:
                return False
            if len(viewer.said) < 6 + size:
                break
            mask, payload = viewer.said[2:6], viewer.said[6 : 6 + size]
            viewer.said = viewer.said[6 + size :]
            if first == _PING:
                said = bytes(byte ^ mask[place % 4] for place, byte in enumerate(payload))
                self._send(viewer, _frame(_PONG, said))
                if viewer.socket not in self._viewers:
                    return True
        return True

    def _end(self, viewer: _Viewer) -> None:
        if self._viewers.pop(viewer.socket, None) is not None:
            self._selector.unregister(viewer.socket)
            viewer.socket.close()


def _frame(first: int, payload: bytes) -> bytes:
    size = len(payload)
    if size <= _SMALL_FRAME:
        return bytes((first, size)) + payload
    if size < 1 << 16:
        return bytes((first, 126)) + size.to_bytes(2, "big") + payload
    return bytes((first, 127)) + size.to_bytes(8, "big") + payload
