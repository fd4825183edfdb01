"""Sealed data: what the client keeps for us, and can neither read nor change.

    sealed = base64url( version 1 | salt, 16 bytes | AES-256-GCM( plain ) )

Key and nonce of each message come from the secret and the message's random salt by HKDF-SHA256
(RFC 5869).  One key with random nonces would be good for 2**32 messages (NIST SP 800-38D section
8.3), which a busy site seals in months; a key of its own for each message has no such end.  The
purpose is authenticated too, so what was sealed for one cannot be handed in for another.

Of several secrets the first seals and all open: a new one is put in front, and the old one taken
away when what it sealed has expired.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Sequence
from typing import Any, Final

from skitai.saddle.extras import extra

__all__ = ["SECRET_MIN", "Sealer", "as_secrets", "sealed_size"]

#: Shorter secrets can be guessed: whoever has one sealed message can try as fast as he can compute.
SECRET_MIN: Final = 16

_VERSION: Final = b"\x01"
_SALT: Final = 16
_TAG: Final = 16
_KEY: Final = 32
_NONCE: Final = 12


def as_secrets(value: str | bytes | Sequence[str | bytes] | None) -> tuple[bytes, ...]:
    """The secrets that a setting stands for; none for None or an empty text.

    Raises:
        ValueError: one is too short.
        TypeError: one is neither text nor bytes.
    """
    if not value:
        return ()
    secrets: list[bytes] = []
    for item in [value] if isinstance(value, (str, bytes)) else value:
        if not isinstance(item, (str, bytes)):
            raise TypeError(f"securekey is text, bytes or a list of these, not {type(item).__name__}")
        secret = item.encode() if isinstance(item, str) else item
        if len(secret) < SECRET_MIN:
            raise ValueError(
                f"securekey has {len(secret)} bytes, which can be guessed; it needs {SECRET_MIN} or more: "
                f'python3 -c "import secrets; print(secrets.token_urlsafe(32))" prints a good one'
            )
        secrets.append(secret)
    return tuple(secrets)


def sealed_size(plain: int) -> int:
    """Characters of a sealed message of ``plain`` bytes."""
    return -(-4 * (len(_VERSION) + _SALT + plain + _TAG) // 3)


class Sealer:
    """Seals and opens for one purpose.  Immutable, any thread."""

    __slots__ = ("_ciphers", "_hashes", "_invalid", "_kdf", "_purpose", "_secrets")

    def __init__(self, secrets: Sequence[bytes], purpose: str) -> None:
        """Raises ImportError: the package cryptography is missing."""
        base = "cryptography.hazmat.primitives"
        needs = ("cryptography", "sessions", "app.securekey")
        self._ciphers: Any = extra(f"{base}.ciphers.aead", *needs)
        self._hashes: Any = extra(f"{base}.hashes", *needs)
        self._kdf: Any = extra(f"{base}.kdf.hkdf", *needs)
        self._invalid: type[Exception] = extra("cryptography.exceptions", *needs).InvalidTag
        self._secrets = tuple(secrets)
        self._purpose = purpose.encode()

    def seal(self, plain: bytes) -> str:
        salt = os.urandom(_SALT)
        cipher, nonce = self._cipher(self._secrets[0], salt)
        message = _VERSION + salt + cipher.encrypt(nonce, plain, self._purpose)
        return base64.urlsafe_b64encode(message).rstrip(b"=").decode("ascii")

    def open(self, sealed: str) -> bytes | None:
        """What was sealed; None if it was not sealed here, or was changed since."""
        try:
            message = base64.urlsafe_b64decode(sealed.encode("ascii") + b"=" * (-len(sealed) % 4))
        except (UnicodeEncodeError, binascii.Error):
            return None
        if len(message) < len(_VERSION) + _SALT + _TAG or not message.startswith(_VERSION):
            return None
        salt, encrypted = message[1 : 1 + _SALT], message[1 + _SALT :]
        for secret in self._secrets:
            cipher, nonce = self._cipher(secret, salt)
            try:
                plain: bytes = cipher.decrypt(nonce, encrypted, self._purpose)
            except self._invalid:
                continue
            return plain
        return None

    def _cipher(self, secret: bytes, salt: bytes) -> tuple[Any, bytes]:
        derived = self._kdf.HKDF(
            algorithm=self._hashes.SHA256(), length=_KEY + _NONCE, salt=salt, info=b"skitai " + self._purpose
        ).derive(secret)
        return self._ciphers.AESGCM(derived[:_KEY]), derived[_KEY:]
