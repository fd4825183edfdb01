"""Basic authorization of a whole application (RFC 7617).

`BasicRealm.admits` may run in the loop thread, before the body of a request is read: no I/O, a
few microseconds.  The comparison takes the same time whatever was sent, its length included.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac

__all__ = ["BasicRealm"]


class BasicRealm:
    """One user of one realm; immutable, any thread."""

    __slots__ = ("_expected", "challenge")

    def __init__(self, realm: str, user: str, password: str) -> None:
        """Raises ValueError: a user with a colon cannot be told from its password."""
        if ":" in user:
            raise ValueError(f"the user {user!r} has a colon, which basic authorization cannot carry")
        quoted = realm.replace("\\", r"\\").replace('"', r"\"")
        #: The value of WWW-Authenticate.
        self.challenge = f'Basic realm="{quoted}", charset="UTF-8"'
        self._expected = _digest(f"{user}:{password}".encode())

    def admits(self, authorization: str) -> bool:
        """Whether the value of an Authorization field carries the user and the password."""
        scheme, _, credentials = authorization.strip().partition(" ")
        if scheme.lower() != "basic":
            return False
        try:
            given = base64.b64decode(credentials.strip(), validate=True)
        except (binascii.Error, ValueError):
            return False
        return hmac.compare_digest(_digest(given), self._expected)


def _digest(credentials: bytes) -> bytes:
    return hashlib.sha256(credentials).digest()
