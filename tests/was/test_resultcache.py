"""Results that are given again, to whom, and for how long."""

from __future__ import annotations

import gc
import http.cookiejar
import io
import random
import threading
import weakref
from functools import partial
from typing import Any

import pytest

from skitai.core.outbound.request import Request
from skitai.was._call import Call, MapCall, Timing
from skitai.was._credentials import Credentials
from skitai.was._resultcache import Asked, ResultCache, key_of
from skitai.was._results import Result
from tests.was.fakes import HERE, FakeOutcome, Upstream, answered


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_it_is_kept_for_its_time(clock: Clock) -> None:
    cache = ResultCache(10, clock)
    assert not len(cache)
    cache.keep("key", "result", 5)
    clock.now += 4.9
    assert cache.get("key") == "result"
    assert cache.get("other") is None
    clock.now += 0.1
    assert cache.get("key") is None


def test_it_can_be_kept_anew_and_ended(clock: Clock) -> None:
    cache = ResultCache(10, clock)
    cache.keep("key", "result", 5)
    cache.keep("key", "newer", 50)
    clock.now += 10
    assert cache.get("key") == "newer"
    cache.keep("key", "newer", 0)
    assert cache.get("key") is None
    assert not len(cache)


def test_no_key_and_no_room_keep_nothing(clock: Clock) -> None:
    cache = ResultCache(10, clock)
    cache.keep(None, "result", 5)
    none = ResultCache(0, clock)
    none.keep("key", "result", 5)
    assert not len(cache)
    assert not len(none)


def test_those_with_the_least_time_left_make_room(clock: Clock) -> None:
    cache = ResultCache(10, clock)
    for number in range(10):
        cache.keep(number, number, 100 - number)
    cache.keep("one more", 1, 50)
    assert [number for number in range(10) if cache.get(number) is None] == [8, 9]
    assert len(cache) == 9


def test_those_that_are_over_go_first(clock: Clock) -> None:
    cache = ResultCache(4, clock)
    for number, seconds in enumerate((1, 2, 300, 400)):
        cache.keep(number, number, seconds)
    clock.now += 10
    cache.keep("one more", 1, 1)
    assert [cache.get(number) for number in range(4)] == [None, None, 2, 3]
    assert len(cache) == 3


def test_one_is_room_enough_for_one(clock: Clock) -> None:
    cache = ResultCache(1, clock)
    for number in range(5):
        cache.keep(number, number, 5)
        assert (cache.get(number), len(cache)) == (number, 1)


def test_several_threads() -> None:
    cache = ResultCache(20)
    faults: list[object] = []

    def work(seed: int) -> None:
        chance = random.Random(seed)
        try:
            for _ in range(3000):
                key = chance.randrange(60)
                if chance.random() < 0.5:
                    cache.keep(key, -key, chance.choice((0, 0.001, 5)))
                elif cache.get(key) not in (None, -key):
                    faults.append(key)
        except Exception as error:
            faults.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults
    assert len(cache) <= 20


def key(verb: str = "get", uri: str = "@c/x", *arguments: Any, to_all: bool = False, **options: Any) -> Any:
    return key_of(verb, uri, arguments, options, to_all=to_all)


SAME = [
    (key(), key("GET")),
    (key("post", "@c/x", {"a": 1, "b": [2, "3"]}), key("post", "@c/x", {"a": 1, "b": [2, "3"]})),
    (key(auth=("ann", "secret")), key(auth=("ann", "secret"))),
    (key(timeout=3, detach=True, response_max=5), key(timeout=4)),
    (key(params={"a": 1}, headers={"X": "1"}), key(headers={"X": "1"}, params={"a": 1})),
    (key("put", "@c/x", bytearray(b"a")), key("put", "@c/x", b"a")),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_calls_that_are_equal(one: Any, other: Any) -> None:
    assert one is not None
    assert one == other
    assert hash(one) == hash(other)


def test_calls_that_are_not() -> None:
    keys = [
        key(),
        key("post"),
        key("get", "@c/y"),
        key(to_all=True),
        key("get", "@c/x", ""),
        key("get", "@c/x", b""),
        key("get", "@c/x", None),
        key("get", "@c/x", 1),
        key("get", "@c/x", 1.0),
        key("get", "@c/x", True),
        key("get", "@c/x", {"a": 1}),
        key("get", "@c/x", {"a": "1"}),
        key("get", "@c/x", {"a": 1, "b": 2}),
        key("get", "@c/x", {"b": 2, "a": 1}),
        key("get", "@c/x", [("a", 1)]),
        key(json={"a": 1}),
        key(params={"a": 1}),
        key(auth=("ann", "secret")),
        key(auth=("ann", "other")),
        key(auth=("bob", "secret")),
        key(auth=("ann", "secret", "digest")),
        key(auth="ann:secret"),
        key(auth=Credentials("ann", "other")),
        key(headers={"Authorization": "Bearer 1"}),
        key(headers={"Authorization": "Bearer 2"}),
        key(cookies={"id": "1"}),
        key(cookies={"id": "2"}),
        key(redirects=True),
        key(redirects=1),
        key(verify=False),
    ]
    assert None not in keys
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize(
    "call",
    [
        key("post", "@c/x", io.BytesIO(b"a")),
        key("post", "@c/x", iter([b"a"])),
        key("upload", "@c/x", {"f": io.BytesIO(b"a")}),
        key("post", "@c/x", files={"f": ("a.txt", io.BytesIO(b"a"))}),
        key(cookies=http.cookiejar.CookieJar()),
        key("post", "@c/x", {1, 2}),
    ],
)
def test_what_nobody_can_compare_is_not_kept(call: Any) -> None:
    assert call is None


# --- as calls use it


def asked(cache: ResultCache, uri: str = "@c/x", *, to_all: bool = False, **options: Any) -> Asked:
    return Asked(cache, "get", uri, (), options, to_all=to_all)


def result_of(call: Asked) -> Result | None:
    kept = call.kept
    if kept is None:
        return None
    return Call(kept.begin, kept.request, partial(Result, keep=call.keep), Timing(5)).getwait()


def test_an_equal_call_gets_the_result_that_was_kept() -> None:
    cache = ResultCache(10)
    call = asked(cache, timeout=3)
    assert call.kept is None
    first = Result(answered(200, b"body", ("X", "1")), call.keep)
    first.cache(60)
    again = result_of(asked(cache, timeout=4))
    assert again is not None
    assert (again.status, again.code, again.data, again.headers["x"]) == (3, 200, b"body", "1")
    assert (again.node, again.elapsed) == (first.node, first.elapsed)
    assert asked(cache, "@c/y").kept is None
    assert asked(cache, auth=("ann", "secret")).kept is None
    again.expire()
    assert asked(cache).kept is None


def test_nothing_is_kept_of_who_has_asked() -> None:
    """An outcome is what the client has of it, with connection, buffers and all."""
    cache = ResultCache(10)
    outcome = answered(200)
    gone = weakref.ref(outcome)
    asked(cache).keep(outcome, 60)
    del outcome
    gc.collect()
    assert gone() is None
    assert result_of(asked(cache)) is not None


def map_call(call: Asked, outcomes: list[FakeOutcome]) -> MapCall:
    def begin_all(request: Request, on_member: Any) -> Any:
        for place, outcome in enumerate(outcomes):
            on_member(place, outcome)
        return [(None, Upstream().begin(request, lambda outcome: None)) for _ in outcomes]

    return MapCall(begin_all, Request("GET", HERE), Result, Timing(5), keep=call.keep_all)


def members(*codes: int) -> list[FakeOutcome]:
    return [
        answered(code, b"%d" % port, request=Request("GET", HERE._replace(port=port)))
        for port, code in enumerate(codes, 1)
    ]


def test_those_of_all_members_are_kept_together() -> None:
    cache = ResultCache(10)
    call = asked(cache, to_all=True)
    map_call(call, members(200, 200, 200)).getswait().cache(60)
    assert asked(cache).kept is None
    kept = asked(cache, to_all=True).kept
    assert kept is not None
    results = MapCall(kept.begin_all, kept.request, Result, Timing(5)).getswait()
    assert [(result.data, result.node) for result in results] == [
        (b"1", ("here.example", 1)),
        (b"2", ("here.example", 2)),
        (b"3", ("here.example", 3)),
    ]
    assert len(cache) == 1


def test_unless_one_of_them_has_failed() -> None:
    cache = ResultCache(10)
    map_call(asked(cache, to_all=True), members(200, 503, 200)).getswait().cache(60)
    assert not len(cache)
    # Nor can one of them be kept by itself: it is no answer to the call.
    map_call(asked(cache, to_all=True), members(200, 200)).getswait()[0].cache(60)
    assert not len(cache)
