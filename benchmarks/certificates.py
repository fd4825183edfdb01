"""Certificates for the servers of a scenario.  Not for servers: they would be said to take its memory."""

from __future__ import annotations

from pathlib import Path

import trustme

__all__ = ["certificate"]


def certificate(key: str, folder: Path) -> None:
    """Chain and key in one file, the same for all servers of a scenario."""
    place = folder / f"{key}.pem"
    if not place.exists():
        made = trustme.CA().issue_cert("127.0.0.1", key_type=trustme.KeyType[key])
        place.write_bytes(made.private_key_and_cert_chain_pem.bytes())
