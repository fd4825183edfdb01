"""Server nonces of digest authorization (RFC 7616 section 5.4), and which of their counts were used.

    nonce = base64url( made, 8 bytes of nanoseconds | 8 random bytes | HMAC-SHA256, 16 bytes )

A nonce carries its own age and proof, so those given to strangers cost no memory.  One is written
down when a request with the right password used it: its highest count, and which of the counts
below were there (connections in parallel arrive in any order).  A count serves once.

The table is bounded.  Where it is full, the nonce that was first used goes, and all that are as old
and not in the table are stale from then on; so nothing forgotten can be replayed.

Any thread: the loop that admits, and workers of a foreign server.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import os
import struct
import threading
import time
from typing import Final

__all__ = ["NONCE_LIFETIME", "Nonces"]

#: Seconds; an expired one costs the client a second request, not its user's attention.
NONCE_LIFETIME: Final = 300

_TABLE_MAX: Final = 4096
#: So many counts below the highest are told apart; what comes later than these is stale.
_WINDOW: Final = 256

_MADE: Final = struct.Struct(">Q")
_BODY: Final = 16
_MAC: Final = 16


class Nonces:
    """The nonces of one realm in this process."""

    def __init__(self, key: bytes) -> None:
        """``key``: other processes take nonces for theirs if they have the same."""
        self._key = key
        self._lock = threading.Lock()
        #: Nonce: when it was made, its highest count, and the counts below that by bits (0: the highest).
        self._used: dict[str, tuple[int, int, int]] = {}
        self._stale_until = 0

    def make(self) -> str:
        body = _MADE.pack(time.time_ns()) + os.urandom(_BODY - _MADE.size)
        return base64.urlsafe_b64encode(body + self._mac(body)).rstrip(b"=").decode("ascii")

    def use(self, nonce: str, count: int) -> bool:
        """Whether ``nonce`` may be used for the ``count``-th time now; it is used then."""
        made = self._made(nonce)
        now = time.time_ns()
        if count < 1 or made is None or not made <= now < made + NONCE_LIFETIME * 10**9:
            return False
        with self._lock:
            _, highest, seen = self._used.get(nonce, (made, 0, 0))
            if nonce not in self._used and made <= self._stale_until:
                return False
            below = highest - count
            if below >= 0:
                if below >= _WINDOW or seen >> below & 1:
                    return False
                seen |= 1 << below
            else:
                # A leap of the count past the window must not make a number of as many bits.
                seen = (seen << -below if -below < _WINDOW else 0) | 1
                seen &= (1 << _WINDOW) - 1
                highest = count
            if nonce not in self._used and len(self._used) >= _TABLE_MAX:
                self._forget_first()
            self._used[nonce] = made, highest, seen
            return True

    def _forget_first(self) -> None:
        made, _, _ = self._used.pop(next(iter(self._used)))
        self._stale_until = max(self._stale_until, made)

    def _made(self, nonce: str) -> int | None:
        """When we made it; None if we did not."""
        try:
            raw = base64.urlsafe_b64decode(nonce.encode("ascii") + b"=" * (-len(nonce) % 4))
        except (UnicodeEncodeError, binascii.Error):
            return None
        body, mac = raw[:_BODY], raw[_BODY:]
        if len(body) != _BODY or not hmac.compare_digest(mac, self._mac(body)):
            return None
        made: int = _MADE.unpack_from(body)[0]
        return made

    def _mac(self, body: bytes) -> bytes:
        return hmac.digest(self._key, body, "sha256")[:_MAC]
