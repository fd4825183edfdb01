"""Clusters: who is asked, who else, and what the caller gets."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from skitai.core.outbound.request import Body
from skitai.errors import (
    CallCancelled,
    CallsQueueFull,
    ClusterUnavailable,
    ConnectError,
    NetworkTimeout,
    ReadError,
    ResolveError,
    ResponseTooLarge,
    SkitaiError,
    TLSError,
)
from tests.was.cluster_world import World


class Streamed:
    """A body that is read piece by piece."""

    def __init__(self, data: bytes, can_rewind: bool = True) -> None:
        self.data = data
        self.can_rewind = can_rewind
        self.at = 0
        self.rewound = self.closed = 0

    @property
    def size(self) -> int | None:
        return len(self.data)

    @property
    def trailers(self) -> list[tuple[str, str]]:
        return []

    def read(self, size: int) -> bytes:
        piece = self.data[self.at : self.at + size]
        self.at += len(piece)
        return piece

    def rewind(self) -> bool:
        self.rewound += self.can_rewind
        self.at = 0
        return self.can_rewind

    def copy(self) -> Streamed:
        return Streamed(self.data)

    def close(self) -> None:
        self.closed += 1


# -- one member


def test_the_member_takes_the_place_of_the_clusters_name() -> None:
    world = World("members = b:8080")
    asked = world.get()
    world.run(1)
    assert asked.status == 200
    origin = asked.outcome.request.origin
    assert (origin.scheme, origin.host, origin.port, origin.tls) == ("http", "b", 8080, None)
    assert asked.outcome.elapsed == pytest.approx(0.01)


def test_members_that_speak_tls() -> None:
    world = World("members = b\nssl = yes\nverify = no\nserver_name = www.example.com")
    world.get()
    origin = world.sent[0].request.origin
    assert (origin.scheme, origin.port) == ("https", 443)
    assert origin.tls is not None
    assert (origin.tls.verify, origin.tls.server_name) == (False, "www.example.com")


def test_a_request_leaves_in_the_thread_of_its_caller() -> None:
    world = World()
    world.get()
    assert len(world.sent) == 1


def test_all_members_are_asked_now_and_then() -> None:
    world = World()
    world.gets(300)
    assert all(70 < times < 130 for times in Counter(world.hosts).values())


def test_nothing_is_in_flight_afterwards() -> None:
    world = World("members = a, b, c\nhedge = p95\nper_try_timeout = 100ms")
    world.at("a").delay = 0.3
    world.fail("b", answer=ReadError("gone"))
    asked = world.gets(400)
    world.run(20)
    assert all(len(one.outcomes) == 1 for one in asked)
    assert all(state["in_flight"] == 0 for state in world.cluster.status())
    assert world.loop.timers == 0


# -- fail-over


@pytest.mark.parametrize(
    "failure",
    [
        502,
        503,
        504,
        ConnectError("refused"),
        ReadError("reset"),
        ResolveError("no such name"),
        NetworkTimeout("slow", limit="connect_timeout"),
        NetworkTimeout("slow", limit="first_byte_timeout"),
    ],
    ids=str,
)
def test_another_member_is_asked_when_one_fails(failure: int | SkitaiError) -> None:
    world = World("members = a, b")
    world.fail("a", answer=failure)
    asked = world.gets(20)
    assert {one.status for one in asked} == {200}
    assert {"a", "b"} == set(world.hosts)


@pytest.mark.parametrize(
    "failure", [500, 404, 429, ResponseTooLarge("too long"), CallsQueueFull("full")], ids=str
)
def test_what_another_member_would_not_do_better_is_the_callers(failure: int | SkitaiError) -> None:
    world = World("members = a, b")
    world.fail("a", "b", answer=failure)
    world.get()
    world.run(1)
    assert len(world.sent) == 1
    assert world.state(world.hosts[0])["failures"] == 0


@pytest.mark.parametrize(
    ("failure", "count"),
    [
        (ConnectError("refused"), 3),
        (ResolveError("unknown"), 3),
        (TLSError("the certificate is refused"), 3),
        (NetworkTimeout("slow", limit="connect_timeout"), 3),
        (ReadError("reset"), 1),
        (NetworkTimeout("slow", limit="first_byte_timeout"), 1),
        (503, 1),
    ],
    ids=str,
)
def test_what_may_not_be_repeated_goes_on_only_if_it_never_left(
    failure: int | SkitaiError, count: int
) -> None:
    world = World()
    world.fail("a", "b", "c", answer=failure)
    asked = world.get("POST", body=b"x")
    world.run(1)
    assert len(world.sent) == count
    assert asked.outcome.error is failure or asked.status == failure


def test_as_many_others_are_asked_as_num_retries_says() -> None:
    for retries, hosts in ((0, 1), (1, 2), (2, 3), (9, 4)):
        world = World(f"members = a, b, c, d\nnum_retries = {retries}")
        world.fail(*"abcd")
        asked = world.get()
        world.run(1)
        assert asked.status == 503
        assert len(set(world.hosts)) == len(world.hosts) == hosts


class Sink:
    """``may_begin``: what has come may be thrown away."""

    def __init__(self, *, may_begin: bool) -> None:
        self.may_begin = may_begin

    def begin(self, head: Any, resume: Any) -> None: ...

    def write(self, data: bytes) -> bool:
        return True


@pytest.mark.parametrize(("may_begin", "count"), [(True, 2), (False, 1)])
def test_what_was_passed_on_is_not_begun_again(may_begin: bool, count: int) -> None:
    """The reader would get the beginning of one answer and then all of another one."""
    world = World("members = a, b")
    world.fail("a", "b", answer=ReadError("reset in the body"))
    world.get(sink=Sink(may_begin=may_begin))
    world.run(1)
    assert len(world.sent) == count


def test_a_large_answer_may_take_longer_than_a_try() -> None:
    world = World("members = a, b\nper_try_timeout = 200ms")
    world.at("a").delay = world.at("b").delay = 5.0
    asked = world.get(sink=Sink(may_begin=True))
    world.run(6)
    assert asked.status == 200
    [sent] = world.sent
    assert (sent.request.connect_timeout, sent.request.first_byte_timeout) == (0.2, 0.2)


def test_the_last_failure_is_the_callers_with_its_member() -> None:
    world = World("members = a, b")
    world.fail("a", answer=503)
    world.fail("b", answer=502)
    asked = world.get()
    world.run(1)
    last = world.sent[-1]
    assert asked.status == world.at(last.host).answer
    assert asked.outcome.request.origin.host == last.host


def test_the_deadline_is_one_for_all_tries() -> None:
    world = World("members = a, b, c")
    for host in "abc":
        world.fail(host)
        world.at(host).delay = 0.4
    asked = world.get(timeout=1.0)
    world.run(5)
    assert isinstance(asked.error, NetworkTimeout)
    assert asked.error.limit == "timeout"
    assert asked.outcome.elapsed == pytest.approx(1.0)
    assert len(world.sent) == 3


def test_one_try_may_take_less_than_all() -> None:
    world = World("members = a, b\nper_try_timeout = 200ms")
    world.gets(20)
    world.at("a").is_frozen = True
    asked = world.gets(50, every=1)
    assert {one.status for one in asked} == {200}
    assert max(one.outcome.elapsed for one in asked) == pytest.approx(0.21)


def test_what_is_asked_last_or_cannot_be_repeated_has_all_the_time() -> None:
    world = World("members = a, b\nper_try_timeout = 200ms\nnum_retries = 1")
    for host in "ab":
        world.at(host).delay = 0.5
    assert [world.get(method) for method in ("POST", "GET")]
    world.run(2)
    assert [sent.request.deadline - sent.began for sent in world.sent] == [
        pytest.approx(10),
        pytest.approx(0.2),
        pytest.approx(9.8),
    ]


def test_a_try_that_took_too_long_and_had_no_other_is_named() -> None:
    world = World("members = a\nper_try_timeout = 200ms")
    world.at("a").is_frozen = True
    asked = world.get()
    world.run(1)
    assert isinstance(asked.error, NetworkTimeout)
    assert asked.error.limit == "per_try_timeout"


def test_a_streamed_body_is_sent_again_from_its_beginning_and_closed_once() -> None:
    world = World()
    world.fail("a", "b", "c")
    body = Streamed(b"data")
    asked = world.get("PUT", body=body)
    world.run(1)
    assert asked.status == 503
    assert (len(world.sent), body.rewound, body.closed) == (3, 2, 1)


def test_a_body_that_cannot_be_read_again_is_sent_once() -> None:
    world = World()
    world.fail("a", "b", "c", answer=ConnectError("refused"))
    body: Body = Streamed(b"data", can_rewind=False)
    world.get("PUT", body=body)
    world.run(1)
    assert len(world.sent) == 1


def test_who_cancels_closes_the_body_when_nobody_reads_it() -> None:
    world = World()
    body = Streamed(b"data")
    asked = world.get("PUT", body=body)
    asked.handle.cancel()
    world.run(0)
    assert isinstance(asked.error, CallCancelled)
    assert (world.sent[0].is_over, body.closed) == (True, 1)


def test_retries_have_a_budget() -> None:
    world = World("members = a, b\nmax_ejection_percent = 0")
    world.fail("a", "b")
    world.gets(3000, every=0.01)
    world.run(1)
    retries = len(world.sent) - 3000
    assert 300 + 90 - 40 <= retries <= 300 + 90 + 40


def test_a_call_that_is_given_up_gives_up_its_request() -> None:
    world = World("members = a")
    error = NetworkTimeout("the caller waits no longer", limit="timeout")
    asked = world.get()
    asked.handle.cancel(error)
    asked.handle.cancel()
    world.run(1)
    assert asked.error is error
    assert world.sent[0].is_over
    assert world.state("a")["failures"] == world.state("a")["in_flight"] == 0


# -- ejection


def test_a_dead_member_is_soon_asked_no_more() -> None:
    world = World("members = a, b, c")
    world.gets(100)
    world.fail("b", answer=ConnectError("refused"))
    calls = [world.get() for _ in range(60)]
    world.run(1)
    world.gets(300)
    assert {one.status for one in calls} == {200}
    assert world.state("b")["ejections"] == 1
    assert world.told == ["@search: member b is not asked for 30 s: refused"]
    before = world.hosts.count("b")
    world.gets(300)
    assert world.hosts.count("b") == before
    world.mend("b")
    world.run(30)
    world.gets(300)
    assert world.hosts.count("b") > before + 20


def test_all_ejected_is_an_error_at_once() -> None:
    world = World("members = a, b\nmax_ejection_percent = 100\nnum_retries = 0")
    world.fail("a", "b")
    world.gets(100, every=0.5)
    asked = world.get()
    world.run(0)
    assert isinstance(asked.error, ClusterUnavailable)
    assert "none of the 2 members of @search can be asked: 2 ejected, the first of them for" in str(
        asked.error
    )
    assert asked.outcome.elapsed == 0
    world.mend("a", "b")
    world.run(300)
    again = world.get()
    world.run(1)
    assert again.status == 200


def test_the_error_is_the_members_when_no_other_may_be_asked() -> None:
    world = World("members = a, b\nmax_ejection_percent = 100")
    world.fail("a", "b", answer=ReadError("reset"))
    errors = [type(one.error) for one in world.gets(40, every=0.5)]
    assert errors[0] is ReadError
    assert errors[-1] is ClusterUnavailable


# -- slow and frozen members


def test_one_of_five_turned_fifty_times_slower() -> None:
    world = World("members = a, b, c, d, e")
    world.gets(2000)
    world.at("c").delay = 0.5
    world.gets(200)  # two seconds
    slow = [one.outcome.elapsed > 0.1 for one in world.gets(3000)]
    assert sum(slow) < len(slow) / 100


def test_a_frozen_member_is_left_alone_before_its_answers_are_overdue() -> None:
    world = World("members = a, b, c, d, e")
    world.gets(500, every=0.002)
    world.at("c").is_frozen = True
    asked = world.gets(1000, every=0.002)
    assert sum(not one.outcomes for one in asked) < 15


# -- hedging


def test_what_takes_long_is_asked_of_another_member_too() -> None:
    world = World("members = a, b\nhedge = p95")
    world.gets(200)
    world.at("a").delay = 5.0
    asked = world.gets(100)
    world.run(10)
    assert max(one.outcome.elapsed for one in asked) < 0.05
    assert all(sent.is_over for sent in world.sent)


def test_a_twentieth_more_at_most() -> None:
    world = World("members = a, b, c\nhedge = p50")
    for host, delay in zip("abc", (0.01, 0.02, 0.04), strict=True):
        world.at(host).delay = delay
    world.gets(2000, every=0.005)
    assert 2000 < len(world.sent) <= 2101


@pytest.mark.parametrize(
    "fields",
    [{"method": "POST"}, {"body": Streamed(b"")}, {"sink": object()}],
    ids=["POST", "stream", "sink"],
)
def test_what_two_cannot_have_at_once_is_not_hedged(fields: dict[str, Any]) -> None:
    world = World("members = a, b\nhedge = p95")
    world.gets(200)
    world.at("a").delay = world.at("b").delay = 5.0
    before = len(world.sent)
    world.get(**fields)
    world.run(8)
    assert len(world.sent) == before + 1


def test_a_hedge_that_fails_leaves_the_first_its_time() -> None:
    world = World("members = a, b\nhedge = p95")
    world.gets(200)
    for host in "ab":
        world.at(host).delay = 1.0
    before = len(world.sent)
    asked = world.get()
    world.run(0.1)
    _, second = world.sent[before:]
    second.end(ConnectError("refused"))
    world.run(0.5)
    assert not asked.outcomes
    world.run(1)
    assert asked.status == 200


# -- all members


def test_all_are_asked_in_the_order_of_the_list() -> None:
    world = World("members = c:81, a, b")
    members, outcomes = world.get_all()
    assert [node for node, _ in members] == [("c", 81), ("a", 80), ("b", 80)]
    world.run(1)
    assert [outcomes[place].request.origin.host for place in range(3)] == ["c", "a", "b"]


def test_those_that_are_ejected_too_and_none_twice() -> None:
    world = World("members = a, b, c")
    world.fail("b", answer=ConnectError("refused"))
    world.gets(60, every=0)
    world.run(1)
    assert world.state("b")["ejected_for"] > 0
    before = len(world.sent)
    _, outcomes = world.get_all(repeatable=True)
    world.run(1)
    assert sorted(world.hosts[before:]) == ["a", "b", "c"]
    assert isinstance(outcomes[1].error, ConnectError)


def test_each_can_be_given_up_by_itself() -> None:
    world = World("members = a, b")
    members, outcomes = world.get_all()
    members[1][1].cancel()
    world.run(1)
    assert outcomes[0].error is None
    assert isinstance(outcomes[1].error, CallCancelled)
    assert all(state["in_flight"] == 0 for state in world.cluster.status())


def test_all_get_the_whole_of_a_streamed_body() -> None:
    world = World("members = a, b")
    body = Streamed(bytes(200_000))
    world.get_all(body=body)
    first, second = (sent.request.body for sent in world.sent)
    assert first is not second
    assert [first.read(1 << 20), second.read(1 << 20)] == [bytes(200_000)] * 2
    assert body.closed == 1
