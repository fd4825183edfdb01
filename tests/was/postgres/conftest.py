"""A real server for all tests of this folder."""

from __future__ import annotations

from tests.postgres import postgres, postgres_binaries, postgres_shards

__all__ = ["postgres", "postgres_binaries", "postgres_shards"]
