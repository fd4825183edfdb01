"""Names of hosts for the forward proxy: what they resolve to is looked at before anybody connects.

The loop thread.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from skitai.core.outbound.connecting import Names
from skitai.core.resolver import Address, Lookup
from skitai.errors import NetworkError
from skitai.proxy.permits import Permits

__all__ = ["GuardedNames", "TargetRefused"]


class TargetRefused(NetworkError):
    """The proxy does not go there."""


class GuardedNames:
    """As `names`, without the addresses that ``permits`` do not reach."""

    def __init__(self, names: Names, permits: Permits) -> None:
        self._names = names
        self._permits = permits

    def addresses(
        self, host: str, on_done: Callable[[Sequence[Address] | NetworkError], None]
    ) -> Lookup[Address]:
        def looked_up(found: Sequence[Address] | NetworkError) -> None:
            if isinstance(found, NetworkError):
                on_done(found)
                return
            good = [address for address in found if self._permits.reaches(address.sockaddr_host)]
            on_done(good or TargetRefused(f"{host} is at no public address, and not in proxy_allow"))

        return self._names.addresses(host, looked_up)
