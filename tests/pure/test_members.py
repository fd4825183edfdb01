"""The members of a cluster: what is learnt of them and who is asked, by both builds to the last bit."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skitai._kernels import engine
from skitai._pure.engine import members as pure
from skitai._pure.engine.members import Ending, MemberPolicy

try:
    from skitai._speedups import members as compiled
except ImportError:
    compiled = None

needs_compiled = pytest.mark.skipif(compiled is None, reason="no extensions are built here")

#: Nothing that takes time to begin.
POLICY = MemberPolicy(slow_start_window=0)


@pytest.fixture(
    params=[pytest.param(pure, id="pure"), pytest.param(compiled, id="compiled", marks=needs_compiled)]
)
def build(request: pytest.FixtureRequest) -> Any:
    return request.param


class World:
    """A cluster of ``count`` members with ids from 0, and a clock."""

    def __init__(self, build: Any, count: int, policy: MemberPolicy = POLICY, seed: int = 1) -> None:
        self.now = 1000.0
        self.members = build.Members(policy, seed)
        self.ids = [self.members.add(1, self.now) for _ in range(count)]

    def ask(self, id: int, elapsed: float = 0.01, how: Ending = Ending.OK) -> float:
        self.members.begin(id, self.now)
        self.now += elapsed
        ejected: float = self.members.end(id, self.now, elapsed, how)
        return ejected

    def chosen(self, times: int = 1000, **arguments: Any) -> Counter[int]:
        return Counter(self.members.choose(self.now, **arguments) for _ in range(times))

    def state(self, id: int) -> pure.MemberState:
        return next(state for state in self.members.snapshot(self.now) if state["id"] == id)


# -- who is asked


def test_nobody_is_there(build: Any) -> None:
    assert World(build, 0).members.choose(0.0) == -1


def test_equal_members_get_equal_shares(build: Any) -> None:
    counts = World(build, 4).chosen(4000)
    assert all(800 < counts[id] < 1200 for id in range(4))


def test_weights_decide_among_equals(build: Any) -> None:
    world = World(build, 2)
    world.members.rank(1, 3, 0)
    for id in world.ids:
        world.ask(id)
    assert 650 < world.chosen()[1] < 850


def test_requests_in_flight_are_shared_by_weight(build: Any) -> None:
    world = World(build, 2)
    world.members.rank(1, 3, 0)
    for id in world.ids:
        world.ask(id)
    for _ in range(80):
        world.members.begin(world.members.choose(world.now), world.now)
    assert 55 <= world.state(1)["in_flight"] <= 65


def test_a_slower_answer_counts_at_once_and_quicker_ones_slowly(build: Any) -> None:
    world = World(build, 1)
    world.ask(0, 0.01)
    world.ask(0, 0.5)
    assert world.state(0)["latency"] == 0.5
    world.ask(0, 0.01)
    assert 0.45 < world.state(0)["latency"] < 0.5


def test_a_slow_member_is_hardly_asked_and_tried_again_in_time(build: Any) -> None:
    world = World(build, 5)
    for id in world.ids:
        world.ask(id, 0.5 if id == 3 else 0.01)
    assert world.chosen()[3] == 0
    for _ in range(100):
        world.now += 0.5
        for id in (0, 1, 2, 4):
            world.ask(id, 0.01)
    assert world.chosen()[3] > 0


def test_two_slow_ones_hardly_ever_meet(build: Any) -> None:
    world = World(build, 5)
    for id in world.ids:
        world.ask(id, 1.0 if id < 2 else 0.02)
    counts = world.chosen(10000)
    assert counts[0] + counts[1] < 50


def test_what_was_learnt_long_ago_is_not_known_any_more(build: Any) -> None:
    world = World(build, 2)
    world.ask(0, 5.0)
    for _ in range(41):
        world.now += 1
        world.ask(1, 0.001)
    assert world.state(0)["latency"] == 0
    assert world.chosen()[0] == 1000
    world.ask(0, 0.002)
    assert world.state(0)["latency"] == 0.002


def test_what_is_not_known_is_tried_by_one_request(build: Any) -> None:
    world = World(build, 2)
    world.ask(0, 0.001)
    assert world.chosen()[1] == 1000
    world.members.begin(1, world.now)
    assert world.chosen()[1] == 0


def test_one_that_says_nothing_is_left_alone_before_its_answer_is_overdue(build: Any) -> None:
    world = World(build, 2)
    for id in world.ids:
        world.ask(id, 0.01)
    for id in world.ids:
        world.members.begin(id, world.now)
    world.now += 0.2
    world.members.end(0, world.now, 0.01, Ending.OK)
    assert world.chosen()[1] == 0
    world.members.end(1, world.now, 0.2, Ending.CANCELLED)
    assert world.state(1)["latency"] == 0.2


def test_who_was_tried_is_not_asked_again(build: Any) -> None:
    world = World(build, 3)
    assert set(world.chosen(tried=[1])) == {0, 2}
    assert world.members.choose(world.now, iter([0, 2])) == 1
    assert set(world.chosen(tried=range(40))) == {-1}


def test_a_later_priority_is_asked_when_no_other_is_left(build: Any) -> None:
    world = World(build, 3)
    world.members.rank(0, 1, 10)
    world.members.rank(2, 1, 5)
    assert set(world.chosen()) == {1}
    world.members.judge(1, False, world.now)
    assert set(world.chosen()) == {2}
    assert set(world.chosen(tried=[2])) == {0}


def test_a_new_member_begins_slowly(build: Any) -> None:
    world = World(build, 1, MemberPolicy(slow_start_window=10))
    world.now += 60
    world.ask(0)
    new = world.members.add(1, world.now)
    world.ask(new)
    assert world.chosen()[new] < 150
    world.now += 5
    assert 250 < world.chosen()[new] < 420
    world.now += 5
    assert 400 < world.chosen()[new] < 600


def test_members_that_begin_together_share_as_ever(build: Any) -> None:
    assert 400 < World(build, 2, MemberPolicy(slow_start_window=10)).chosen()[0] < 600


# -- who is not


def fail(world: World, id: int, times: int = 5, how: Ending = Ending.FAILED) -> None:
    for _ in range(times):
        world.ask(id, 0.0, how)


@pytest.mark.parametrize("how", [Ending.FAILED, Ending.GATEWAY, Ending.TIMEOUT])
def test_failures_in_a_row_eject(build: Any, how: Ending) -> None:
    world = World(build, 3)
    assert [world.ask(1, 0.0, how) for _ in range(5)] == [0, 0, 0, 0, 30]
    assert world.state(1)["ejected_for"] == 30
    assert set(world.chosen()) == {0, 2}
    world.now += 30
    for id in (0, 2):
        world.ask(id)
    assert 1 in world.chosen()


def test_one_good_answer_makes_up_for_failures(build: Any) -> None:
    world = World(build, 3)
    for _ in range(3):
        fail(world, 1, 4)
        world.ask(1)
    assert world.state(1)["ejections"] == 0


def test_what_we_gave_up_is_nobodys_failure(build: Any) -> None:
    world = World(build, 3)
    fail(world, 1, 20, Ending.CANCELLED)
    assert world.state(1)["failures"] == world.state(1)["ejections"] == 0


def test_each_ejection_is_longer_up_to_a_bound_and_good_times_are_forgiven(build: Any) -> None:
    world = World(build, 3)
    times = []
    for _ in range(12):
        fail(world, 1)
        times.append(world.state(1)["ejected_for"])
        world.now += times[-1]
    assert times == [30 * count for count in range(1, 11)] + [300, 300]
    world.now += 30 * 9
    fail(world, 1)
    assert world.state(1)["ejections"] == 4


def test_never_more_than_half_are_ejected(build: Any) -> None:
    for count in range(1, 7):
        world = World(build, count)
        for id in world.ids:
            fail(world, id)
        assert sum(world.state(id)["ejected_for"] > 0 for id in world.ids) == count // 2


def test_all_can_be_ejected_where_that_is_wanted(build: Any) -> None:
    world = World(build, 2, POLICY._replace(max_ejection_percent=100))
    for id in world.ids:
        fail(world, id)
    assert world.chosen(1) == {-1: 1}


def test_no_ejection_where_that_is_wanted(build: Any) -> None:
    world = World(build, 2, POLICY._replace(consecutive_gateway_failure=0))
    fail(world, 0, 100)
    assert world.state(0)["ejected_for"] == 0


def test_one_that_fails_at_once_does_not_look_quick(build: Any) -> None:
    world = World(build, 3, POLICY._replace(consecutive_gateway_failure=0))
    for id in world.ids:
        world.ask(id)
    fail(world, 0, 2)
    fail(world, 1, 7)
    counts = world.chosen()
    assert counts[2] > 900
    world.ask(0)
    assert 400 < world.chosen()[0] < 600


def test_one_whose_first_request_failed_is_tried_again_in_time(build: Any) -> None:
    world = World(build, 2, POLICY._replace(consecutive_gateway_failure=0))
    fail(world, 0, 3)
    world.ask(1)
    assert world.chosen()[0] == 0
    for _ in range(50):
        world.now += 1
        world.ask(1)
    assert world.chosen()[0] > 0


def test_one_that_comes_back_begins_slowly(build: Any) -> None:
    world = World(build, 2, MemberPolicy(slow_start_window=10))
    world.now += 100
    for id in world.ids:
        world.ask(id)
    fail(world, 0)
    world.now += 30
    for id in world.ids:
        world.ask(id)
    assert world.chosen()[0] < 150


def test_active_checks_decide_too(build: Any) -> None:
    world = World(build, 2, MemberPolicy(slow_start_window=10))
    world.now += 100
    for id in world.ids:
        world.members.judge(id, False, world.now)
    assert world.chosen(1) == {-1: 1}
    world.members.judge(1, True, world.now)
    assert set(world.chosen()) == {1}
    world.members.judge(0, True, world.now)
    world.now += 20
    assert {state["healthy"] for state in world.members.snapshot(world.now)} == {True}
    assert set(world.chosen()) == {0, 1}


def test_who_is_removed_is_forgotten(build: Any) -> None:
    world = World(build, 2)
    world.members.begin(0, world.now)
    world.members.remove(0)
    world.members.end(0, world.now, 0.1, Ending.OK)
    assert set(world.chosen()) == {1}
    assert [state["id"] for state in world.members.snapshot(world.now)] == [1]
    assert world.members.add(1, world.now) == 2


# -- budgets


def test_a_tenth_may_be_repeated_and_three_a_second(build: Any) -> None:
    world = World(build, 1)
    world.members.choose(world.now)
    while world.members.may_retry(world.now):  # what no time was too short to save
        continue
    requests = repeated = 0
    for _ in range(6000):
        world.now += 0.01
        world.members.choose(world.now)
        requests += 1
        while world.members.may_retry(world.now):
            repeated += 1
    assert repeated == pytest.approx(0.1 * requests + 3 * 60, rel=0.02)


def test_what_is_not_spent_is_lost(build: Any) -> None:
    world = World(build, 1)
    for _ in range(3600):
        world.now += 1
        world.members.choose(world.now)
    repeated = sum(world.members.may_retry(world.now) for _ in range(1000))
    assert 30 <= repeated <= 32


def test_a_twentieth_may_be_hedged(build: Any) -> None:
    world = World(build, 1)
    hedged = 0
    for _ in range(2000):
        world.now += 0.001
        world.members.choose(world.now)
        hedged += world.members.may_hedge(world.now)
    assert 85 <= hedged <= 100


# -- quantiles


def test_too_few_answers_say_nothing(build: Any) -> None:
    world = World(build, 1)
    for _ in range(99):
        world.ask(0)
    assert world.members.quantile(0.95) == 0
    world.ask(0)
    assert world.members.quantile(0.95) == pytest.approx(0.01, rel=0.13)


def test_quantiles_follow_what_is_new(build: Any) -> None:
    world = World(build, 1)
    for count in range(1000):
        world.ask(0, 0.2 if count % 10 == 0 else 0.01)
    assert world.members.quantile(0.85) == pytest.approx(0.01, rel=0.13)
    assert world.members.quantile(0.95) == pytest.approx(0.2, rel=0.13)
    for _ in range(20000):
        world.ask(0, 0.01)
    assert world.members.quantile(0.95) == pytest.approx(0.01, rel=0.13)


@pytest.mark.parametrize("elapsed", [0.0, 1e-5, 1e-4, 1.0, 160.0, 1e6])
def test_no_time_is_too_short_or_too_long(build: Any, elapsed: float) -> None:
    world = World(build, 1)
    for _ in range(100):
        world.ask(0, elapsed)
    assert world.members.quantile(0.5) == pytest.approx(min(max(elapsed, 1e-5), 168.0), rel=0.13)


# -- both builds


IDS = st.integers(0, 12)
TIMES = st.one_of(st.just(0.0), st.floats(0, 400), st.floats(0, 0.1))
STEPS = st.one_of(
    st.tuples(st.just("add"), st.integers(1, 100), st.integers(0, 2)),
    st.tuples(st.just("remove"), IDS),
    st.tuples(st.just("rank"), IDS, st.integers(1, 100), st.integers(0, 2)),
    st.tuples(st.just("judge"), IDS, st.booleans()),
    st.tuples(st.just("choose"), st.lists(IDS, max_size=20)),
    st.tuples(st.just("begin"), IDS),
    st.tuples(st.just("end"), IDS, TIMES, st.sampled_from(Ending)),
    st.tuples(st.just("fail"), IDS),
    st.tuples(st.just("may_retry")),
    st.tuples(st.just("may_hedge")),
    st.tuples(st.just("quantile"), st.floats(0, 1)),
)
POLICIES = st.builds(
    MemberPolicy,
    decay_time=st.sampled_from([0.001, 1.0, 10.0]),
    default_rtt=st.sampled_from([0.001, 0.01]),
    cost_tolerance=st.integers(0, 100),
    slow_start_window=st.sampled_from([0.0, 10.0]),
    slow_start_min_weight_percent=st.integers(1, 100),
    consecutive_gateway_failure=st.integers(0, 5),
    base_ejection_time=st.sampled_from([0.001, 30.0]),
    max_ejection_time=st.sampled_from([0.001, 300.0]),
    max_ejection_percent=st.integers(0, 100),
    retry_budget_percent=st.integers(0, 100),
    retry_budget_per_second=st.integers(0, 10),
    hedge_budget_percent=st.integers(0, 100),
    budget_window=st.sampled_from([0.001, 10.0]),
)


def told(members: Any, now: float, step: tuple[Any, ...]) -> Any:
    match step:
        case ("add", weight, priority):
            return members.add(weight, now, priority)
        case ("judge", id, healthy):
            return members.judge(id, healthy, now)
        case ("choose", tried):
            return [members.choose(now), members.choose(now, tried)]
        case ("end", id, elapsed, how):
            return members.end(id, now, elapsed, how)
        case ("fail", id):
            return [members.end(id, now, 0.001, Ending.FAILED) for _ in range(5)]
        case ("begin" | "may_retry" | "may_hedge" as name, *arguments):
            return getattr(members, name)(*arguments, now)
        case (name, *arguments):
            return getattr(members, name)(*arguments)


@needs_compiled
@given(POLICIES, st.integers(0, (1 << 64) - 1), st.lists(st.tuples(TIMES, STEPS), max_size=60))
def test_both_builds_say_the_same(
    policy: MemberPolicy, seed: int, steps: list[tuple[float, tuple[Any, ...]]]
) -> None:
    pair = [build.Members(policy, seed) for build in (pure, compiled)]
    now = 1000.0
    for members in pair:
        for _ in range(4):
            members.add(1, now)
    for passed, step in steps:
        now += passed
        first, second = (told(members, now, step) for members in pair)
        assert first == second
        assert pair[0].snapshot(now) == pair[1].snapshot(now)


def test_without_a_seed_no_two_are_alike(build: Any) -> None:
    first, second = ([World(build, 9, seed=seed).chosen(1) for _ in range(50)] for seed in (None, None))
    assert first != second


def test_the_chosen_build_has_it() -> None:
    module = compiled if engine.Members.__module__ == "skitai._speedups.members" else pure
    assert engine.Members is module.Members
