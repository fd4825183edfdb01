"""Digest authorization (RFC 7616), the server's half: what is asked for, and whether an answer is right.

SHA-256 and MD5 are offered, in this order, with ``qop=auth``.  A request with the right password
and a nonce that cannot be used (expired, another process's, used already) is told ``stale=true``:
its client asks again by itself, and its user is not asked for the password.

Pure computation of microseconds; `Nonces` has the only state.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple
from urllib.parse import unquote

from skitai.core.digest import ALGORITHMS, digest_response, parameters_of, quoted
from skitai.saddle.nonces import Nonces

__all__ = ["DigestRealm", "Verdict"]

_COUNT = re.compile(r"[0-9a-fA-F]{8}")

#: Stands for the password of users that there are not, so that they take as long.
_NOBODY: Final = secrets.token_hex()


class Verdict(NamedTuple):
    """The user whose password the request proves, if any; else whether only the nonce was wrong."""

    user: str | None
    is_stale: bool = False


_REFUSED: Final = Verdict(None)


class DigestRealm:
    """One realm; any thread."""

    def __init__(self, realm: str, key: bytes, algorithms: Sequence[str]) -> None:
        """Raises ValueError: an algorithm is not there, or the realm cannot be quoted."""
        unknown = [name for name in algorithms if name not in ALGORITHMS]
        if unknown or not algorithms:
            raise ValueError(f"digest algorithms {list(algorithms)!r}: there are {', '.join(ALGORITHMS)}")
        self._realm = realm
        self._quoted_realm = quoted(realm)
        self._algorithms = tuple(algorithms)
        self._nonces = Nonces(key)
        self._opaque = hashlib.sha256(b"opaque " + realm.encode()).hexdigest()[:32]

    def challenges(self, *, is_stale: bool = False) -> list[str]:
        """Values of WWW-Authenticate, the best first."""
        stale = ", stale=true" if is_stale else ""
        return [
            f'Digest realm={self._quoted_realm}, qop="auth", algorithm={algorithm}, '
            f'nonce="{self._nonces.make()}", opaque="{self._opaque}", charset=UTF-8{stale}'
            for algorithm in self._algorithms
        ]

    def verdict(
        self, credentials: str, method: str, target: str, password_of: Callable[[str], str | None]
    ) -> Verdict:
        """What ``credentials``, behind the scheme in an Authorization field, are worth.

        ``target``: of the request line.  ``password_of(user)`` gives None for one that there is not.
        """
        given = parameters_of(credentials)
        if given is None:
            return _REFUSED
        user = _user(given)
        algorithm = given.get("algorithm", "MD5").upper()
        count = given.get("nc", "")
        if (
            user is None
            or algorithm not in self._algorithms
            or given.get("qop", "").lower() != "auth"
            or given.get("userhash", "false").lower() != "false"
            or given.get("opaque", self._opaque) != self._opaque
            or not _COUNT.fullmatch(count)
            or not {"nonce", "cnonce", "response", "uri"} <= given.keys()
            or given["uri"] != target
        ):
            return _REFUSED
        password = password_of(user)
        expected = digest_response(
            algorithm,
            user,
            self._realm,
            _NOBODY if password is None else password,
            method=method,
            uri=given["uri"],
            nonce=given["nonce"],
            count=count,
            cnonce=given["cnonce"],
        )
        response = given["response"].lower().encode("utf-8")
        if not hmac.compare_digest(response, expected.encode("ascii")) or password is None:
            return _REFUSED
        if not self._nonces.use(given["nonce"], int(count, 16)):
            return Verdict(None, is_stale=True)
        return Verdict(user)


def _user(given: dict[str, str]) -> str | None:
    """The user's name; None unless it is said once, in UTF-8."""
    plain, extended = given.get("username"), given.get("username*")
    if (plain is None) == (extended is None):
        return None
    try:
        if plain is not None:
            return plain.encode("latin-1", "replace").decode("utf-8")
        charset, _, rest = (extended or "").partition("'")
        _, quote, value = rest.partition("'")
        if not quote or charset.lower() != "utf-8":
            return None
        return unquote(value, errors="strict")
    except UnicodeDecodeError:
        return None
