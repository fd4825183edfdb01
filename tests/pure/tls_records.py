"""Records of TLS 1.3 that no client of the standard library sends: empty ones, KeyUpdate."""

from __future__ import annotations

import hashlib
import hmac
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tests.certificates import client_context
from tests.pure.tls_by_hand import ByHand

__all__ = ["Records"]

_HANDSHAKE, _APPLICATION_DATA = 22, 23


class Records:
    """Has shaken hands by ``client``, and is the only one that sends from then on (RFC 8446 sections 5.2,
    7.1 and 7.2).  Trusts everybody; ``keylog`` is a file of its own."""

    def __init__(self, address: tuple[str, int], keylog: Path) -> None:
        context = client_context()
        context.keylog_filename = str(keylog)
        self.client = ByHand(address, context=context)
        self.client.raw.sendall(self.client.shake_hands())
        cipher = self.client.tls.cipher()
        assert cipher
        assert cipher[0] == "TLS_AES_256_GCM_SHA384"
        lines = keylog.read_text().splitlines()
        (told,) = (line for line in lines if line.startswith("CLIENT_TRAFFIC_SECRET_0 "))
        self._take_keys(bytes.fromhex(told.rpartition(" ")[2]))

    def seal(self, data: bytes, kind: int = _APPLICATION_DATA) -> bytes:
        plain = data + bytes([kind])
        head = b"\x17\x03\x03" + (len(plain) + 16).to_bytes(2, "big")
        nonce = (self._nonce ^ self._number).to_bytes(12, "big")
        self._number += 1
        return head + self._key.encrypt(nonce, plain, head)

    def key_update(self, *, requested: bool) -> bytes:
        record = self.seal(b"\x18\x00\x00\x01" + bytes([requested]), _HANDSHAKE)
        self._take_keys(self._derive(b"traffic upd", 48))
        return record

    def _take_keys(self, secret: bytes) -> None:
        self._secret = secret
        self._key = AESGCM(self._derive(b"key", 32))
        self._nonce = int.from_bytes(self._derive(b"iv", 12), "big")
        self._number = 0

    def _derive(self, label: bytes, size: int) -> bytes:
        """HKDF-Expand-Label, of one block."""
        label = b"tls13 " + label
        info = size.to_bytes(2, "big") + bytes([len(label)]) + label + b"\x00"
        return hmac.digest(self._secret, info + b"\x01", hashlib.sha384)[:size]
