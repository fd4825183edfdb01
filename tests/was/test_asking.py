"""From a line of a handler to a request on its way, and to no request at all."""

from __future__ import annotations

import xmlrpc.client
from collections.abc import Callable
from typing import Any

import pytest

from skitai import was
from skitai.core.outbound.request import Begin, Outcome, Request
from skitai.limits import Limits
from skitai.was import _asking
from skitai.was._plans import Plans
from skitai.was._resultcache import ResultCache
from tests.was.fakes import HERE, Sent, Upstream


class Cluster:
    """Three members, which are asked by an `Upstream`."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream

    def begin_all(self, request: Request, on_member: Callable[[int, Outcome], None]) -> Any:
        handles = []
        for place in range(3):
            asked = Request(request.method, HERE._replace(port=place + 1), request.target)
            begun = self._upstream.begin(asked, lambda outcome, place=place: on_member(place, outcome))
            handles.append(((HERE.host, place + 1), begun))
        return handles


class Reach:
    """A `Reach` without sockets."""

    def __init__(self) -> None:
        self.limits = Limits()
        self.kept = ResultCache(10)
        self.plans = Plans(self)
        self.upstream = Upstream()

    def way_to(self, request: Request) -> Begin:
        return self.upstream.begin

    def cluster_of(self, request: Request) -> Cluster:
        return Cluster(self.upstream)

    def answer(self, *codes: int) -> None:
        """Those who were asked last, each with its place as the body."""
        for place, code in enumerate(codes):
            sent: Sent = self.upstream.sent[place - len(codes)]
            sent.answer(code, b"%d" % place)


@pytest.fixture
def reach(monkeypatch: pytest.MonkeyPatch) -> Reach:
    made = Reach()
    monkeypatch.setattr(_asking, "reach", lambda: made)
    return made


def test_a_result_that_is_kept_is_given_to_equal_calls(reach: Reach) -> None:
    call = was.get("http://h/x", timeout=3)
    reach.answer(200)
    result = call.getwait()
    result.cache(60)
    again = was.get("http://h/x", timeout=5)
    assert again.done
    assert (again.getwait().data, again.getwait().node, len(reach.upstream.sent)) == (b"0", ("h", 80), 1)
    for other in (
        {"uri": "http://h/y"},
        {"uri": "http://h/x", "auth": ("ann", "secret")},
        {"uri": "http://h/x", "headers": {"X": "1"}},
    ):
        assert not was.get(**other).done
    assert not was.head("http://h/x").done
    result.expire()
    assert not was.get("http://h/x").done


def test_so_are_those_of_all_members(reach: Reach) -> None:
    call = was.get.map("search/x")
    reach.answer(200, 200, 200)
    call.getswait().cache(60)
    again = was.get.map("@search/x")
    assert again.done
    assert [result.data for result in again.getswait()] == [b"0", b"1", b"2"]
    assert [result.data for result in again] == [b"0", b"1", b"2"]
    assert len(reach.upstream.sent) == 3
    # One member of them is another call.
    assert not was.get("@search/x").done


def test_one_member_of_all_is_no_answer_that_could_be_kept(reach: Reach) -> None:
    call = was.get.map("@search/x")
    reach.answer(200, 200, 200)
    call.getswait()[0].cache(60)
    assert not was.get.map("@search/x").done
    reach.answer(200, 503, 200)
    assert not len(reach.kept)


def test_procedures_can_be_kept_too(reach: Reach) -> None:
    document = xmlrpc.client.dumps((7,), methodresponse=True).encode()
    call = was.rpc("http://h/rpc2")
    call.add(3, 4)
    reach.upstream.last.answer(200, document, ("Content-Type", "text/xml"))
    call.getwait().cache(60)
    again = was.rpc("http://h/rpc2")
    again.add(3, 4)
    assert (again.getwait().data, len(reach.upstream.sent)) == (7, 1)
    other = was.rpc("http://h/rpc2")
    other.add(3, 5)
    assert len(reach.upstream.sent) == 2


def test_an_argument_that_there_is_not(reach: Reach) -> None:
    for name in ("header", "time_out"):
        with pytest.raises(TypeError, match=f"a call has no argument '{name}'; it has"):
            was.get("http://h/", **{name: 1})
    assert not reach.upstream.sent
