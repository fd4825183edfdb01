"""Calls that say nothing but whom they ask, and what calls have of the request that they are made for."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from typing import Any

import pytest

from skitai import was
from skitai.core.outbound.request import Begin, Request
from skitai.limits import Limits
from skitai.was import _asker, _asking
from skitai.was._current import activate, deactivate
from skitai.was._encoding import build
from skitai.was._plans import Plans
from skitai.was._resultcache import ResultCache
from tests.was.fakes import Upstream


class Reach:
    """A `Reach` without sockets."""

    def __init__(self, **limits: Any) -> None:
        self.limits = Limits(**limits)
        self.kept = ResultCache(10)
        self.plans = Plans(self)
        self.upstream = Upstream()

    def way_to(self, request: Request) -> Begin:
        if request.origin.host == "@none":
            raise ValueError("there is no cluster @none")
        return self.upstream.begin


@pytest.fixture
def reach(monkeypatch: pytest.MonkeyPatch) -> Reach:
    made = Reach(call_timeout=7, call_connect_timeout=1, call_response_max=1000)
    monkeypatch.setattr(_asking, "reach", lambda: made)
    return made


@pytest.fixture
def environ() -> Iterator[dict[str, Any]]:
    """Of a request that is being answered here."""
    of_request: dict[str, Any] = {}
    token = activate(of_request)
    yield of_request
    deactivate(token)


def asked(reach: Reach, *arguments: Any, **options: Any) -> Request:
    was.get(*arguments, **options)
    return reach.upstream.last.request


@pytest.mark.parametrize("url", ["http://h/x?y=1", "http://ann:secret@h/x", f"http://h/{'x' * 2000}"])
def test_a_call_with_an_address_sends_what_any_other_does(reach: Reach, url: str) -> None:
    for verb in ("get", "post", "options"):
        requests = []
        for options in ({}, {}, {"data": None}):
            getattr(was, verb)(url, **options)
            requests.append(reach.upstream.last.request)
            assert 6.9 < requests[-1].deadline - time.monotonic() <= 7
            requests[-1].deadline = 0.0
        assert requests[0] == requests[1] == requests[2]
        built = build(verb, url)
        assert (requests[0].headers, requests[0].after) == (built.headers, built.after)
        assert (requests[0].connect_timeout, requests[0].response_max) == (1, 1000)


def test_no_call_has_the_fields_of_another_one(reach: Reach) -> None:
    asked(reach, "http://h/").headers.append(("X", "1"))
    assert ("X", "1") not in asked(reach, "http://h/").headers


def test_each_upload_has_a_boundary_of_its_own(reach: Reach) -> None:
    fields = []
    for _ in range(2):
        was.upload("http://h/")
        fields.append(reach.upstream.last.field("Content-Type"))
    assert fields[0] != fields[1]


@pytest.mark.parametrize(
    ("url", "kind", "text"),
    [
        (5, TypeError, "a URL is a str"),
        ([], TypeError, "a URL is a str"),
        ("host", ValueError, "whom to ask"),
        ("@none/", ValueError, "no cluster"),
    ],
)
def test_a_mistake_is_one_each_time(reach: Reach, url: Any, kind: type[Exception], text: str) -> None:
    for _ in range(2):
        with pytest.raises(kind, match=text):
            was.get(url)


def test_what_is_kept_is_given_to_calls_with_an_address(reach: Reach) -> None:
    call = was.get("http://h/x")
    reach.upstream.last.answer(200, b"hello")
    call.getwait().cache(60)
    assert was.get("http://h/x").getwait().data == b"hello"
    assert not was.get("http://h/y").done
    was.get("http://h/x").getwait().expire()
    assert not was.get("http://h/x").done


def test_no_more_plans_than_that(reach: Reach, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("skitai.was._plans._PLANS_MAX", 3)
    plans = Plans(reach)
    first = plans.of("get", "http://h/0")
    assert plans.of("get", "http://h/0") is first
    for number in range(1, 4):
        plans.of("get", f"http://h/{number}")
    assert plans.of("get", "http://h/0") is not first
    assert plans.of("get", f"http://h/{'x' * 2000}") is None


# -- of a request -------------------------------------------------------------------------------------


def test_all_calls_of_a_request_name_the_same_deadline(reach: Reach, environ: dict[str, Any]) -> None:
    environ["skitai.response_timeout"] = 3.0
    requests = [asked(reach, "http://h/"), asked(reach, "http://h/", timeout=5), asked(reach, "http://h/")]
    said = {dict(request.headers)["X-Request-Deadline"] for request in requests}
    assert len(said) == 1
    assert 2.5 < float(said.pop()) - time.time() <= 3.001
    assert len({request.deadline for request in requests}) == 1
    shorter = asked(reach, "http://h/", timeout=1)
    assert 0.9 < shorter.deadline - time.monotonic() <= 1


def test_who_streams_its_response_has_the_time_that_was_said(reach: Reach, environ: dict[str, Any]) -> None:
    environ["skitai.response_timeout"] = 0.05
    environ["HTTP_X_REQUEST_DEADLINE"] = said = f"{time.time() + 60:.3f}"
    assert asked(reach, "http://h/").deadline - time.monotonic() <= 0.05
    time.sleep(0.06)
    late = asked(reach, "http://h/")
    assert 6.9 < late.deadline - time.monotonic() <= 7
    assert abs(float(dict(late.headers)["X-Request-Deadline"]) - float(said)) < 0.1


def test_a_detached_call_has_nothing_of_its_request_but_its_trace(
    reach: Reach, environ: dict[str, Any]
) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    environ["skitai.response_timeout"] = 3.0
    environ["HTTP_TRACEPARENT"] = f"00-{trace}-b7ad6b7169203331-01"
    environ["HTTP_TRACESTATE"] = "a=b"
    detached = dict(asked(reach, "http://h/", detach=True).headers)
    assert "X-Request-Deadline" not in detached
    plain = [dict(asked(reach, "http://h/").headers) for _ in range(2)]
    for fields in (detached, *plain):
        assert fields["traceparent"].split("-")[1] == trace
        assert fields["tracestate"] == "a=b"
    assert len({fields["traceparent"] for fields in plain}) == 2


def test_calls_that_are_over_are_not_the_requests_any_more(reach: Reach, environ: dict[str, Any]) -> None:
    asker = _asker.asker(7, time.monotonic())
    assert asker is not None
    assert asker is _asker.asker(7, time.monotonic())
    calls = [was.get("http://h/") for _ in range(2)]
    reach.upstream.last.answer()
    asker.group.cancel()
    assert [bool(sent.cancelled) for sent in reach.upstream.sent] == [True, False]
    assert [call.getwait().status for call in calls] == [0, 3]


def test_an_asker_goes_without_the_collector(reach: Reach) -> None:
    gc.collect()
    gc.disable()
    try:
        token = activate({"skitai.response_timeout": 3.0})
        was.get("http://h/")
        reach.upstream.last.answer()
        deactivate(token)
        del token
        reach.upstream.sent.clear()
        assert not [each for each in gc.get_objects() if type(each) is _asker.Asker]
    finally:
        gc.enable()
