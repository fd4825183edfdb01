"""Which server of messages a URL means (key ``url`` of ``[bus]``)."""

from __future__ import annotations

from urllib.parse import urlsplit

from skitai.core.bus.postgres import PostgresCarrier
from skitai.core.bus.redis import RedisCarrier
from skitai.core.bus.remote import Carrier

__all__ = ["carrier_of", "shown"]


def carrier_of(url: str, prefix: str) -> Carrier:
    """``url`` as the configuration lets it be."""
    if url.startswith("redis"):
        return RedisCarrier(url, prefix)
    return PostgresCarrier(url, prefix)


def shown(url: str) -> str:
    """For logs: without a password."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
