"""How the members of a cluster are asked, by what they speak: what a `Cluster` has to know of it.

HTTP           requests                 _attempts.py, _balancing.py, _membership.py
PostgreSQL     statements               _postgres/ways.py
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from skitai._kernels import engine
from skitai.core.config import ClusterSettings, Member
from skitai.was._attempts import ending_of, failure_of, latency_of, may_be_hedged, may_be_repeated
from skitai.was._balancing import request_for
from skitai.was._membership import origin_of

__all__ = ["HTTP", "Ways"]


class Ways(NamedTuple):
    """``type``: of clusters that can be asked so; ``asker``: who does, for people.

    What is asked is called a request here, whatever it is.  It has an ``origin`` with ``host``, ``port`` and
    ``authority``, a ``deadline``, a ``body``, and is ``repeatable`` or not.
    """

    type: str
    asker: str
    #: ``origin_of(settings, member)``: whom a member of the list stands for.
    origin_of: Callable[[ClusterSettings, Member], Any]
    #: ``request_for(peer, request)``: as it is sent to this member.
    request_for: Callable[[Any, Any], Any]
    #: What an outcome says about the member.
    ending_of: Callable[[Any], engine.Ending]
    failure_of: Callable[[Any], str]
    #: How long the member took for its answer; 0: as long as the request did.
    latency_of: Callable[[Any], float]
    #: ``may_be_repeated(request, outcome)``: of another member.
    may_be_repeated: Callable[[Any, Any], bool]
    #: Two members may be asked at the same time.
    may_be_hedged: Callable[[Any], bool]


def _origin_of(settings: ClusterSettings, member: Member) -> Any:
    return origin_of(settings, member.host, member.port)


HTTP = Ways(
    "http",
    "HTTP",
    _origin_of,
    request_for,
    ending_of,
    failure_of,
    latency_of,
    may_be_repeated,
    may_be_hedged,
)
