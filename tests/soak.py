"""The settings of `make soak` (loaded with ``pytest -p tests.soak``): the same property
tests as in `make test`, with a hundred times the random input and no deadline."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile(
    "soak", max_examples=10_000, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
