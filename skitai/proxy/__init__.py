"""Requests that other servers answer: the reverse proxy and the forward proxy.

| module | one sentence |
|---|---|
| `reverse` | what is mounted: ``/path = @cluster`` |
| `passage` | one request on its way, from its head to the last byte of the answer |
| `plain` | what the compiled engine has to know to pass on plain requests by itself |
| `inflow` | its body, as fast as a member takes it |
| `asking` | the request that a member gets, over a connection of the client's pools |
| `headfields` | heads as they go on: what is for one hop only, and who has passed them on |
| `targets` | the path that a member is asked for |
| `forward` | requests for any server (``enable_proxy``) |
| `tunnels` | CONNECT: a way to a server, and its line in request.log |
| `admission` | who may use the forward proxy |
| `permits`, `guarded` | where it goes, whatever a name resolves to |
| `verdicts` | what a client is told of a failure |

Balancing, fail-over and ejection are those of `was` (`skitai.was._clusters`); connections and their clocks
those of the client (`skitai.core.outbound`).  All of it runs in the loop thread, and no application does.
"""

from __future__ import annotations

from skitai.proxy.forward import ForwardProxy
from skitai.proxy.reverse import ClusterRelay

__all__ = ["ClusterRelay", "ForwardProxy"]
