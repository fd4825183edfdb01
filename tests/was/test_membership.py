"""Members that DNS names, and members that are checked."""

from __future__ import annotations

import threading
from itertools import pairwise

import pytest

from skitai.errors import ClusterUnavailable, ConnectError, NetworkTimeout, ResolveError
from tests.was.cluster_world import World

BY_ADDRESS = "members = dns:web.default.svc:8080"
BY_SERVICE = "members = dns:_http._tcp.web.default.svc"
NAME = "web.default.svc"
SERVICES = "_http._tcp.web.default.svc"


def nodes(world: World) -> list[tuple[str, int]]:
    return [peer.node for peer in world.cluster._membership.peers]


def test_the_first_request_waits_for_the_first_answer() -> None:
    world = World(BY_ADDRESS)
    world.names.has(NAME, "10.0.0.2", "10.0.0.1")
    assert world.names.asked == []
    asked = world.get()
    assert world.sent == []
    world.run(1)
    assert asked.status == 200
    assert nodes(world) == [("10.0.0.1", 8080), ("10.0.0.2", 8080)]


def test_an_address_is_asked_for_its_name() -> None:
    world = World(BY_ADDRESS + "\nssl = yes")
    world.names.has(NAME, "10.0.0.1")
    world.get()
    world.get(headers=[("host", "other")])
    world.run(1)
    assert [sent.request.headers for sent in world.sent] == [[("Host", f"{NAME}:8080")], [("host", "other")]]
    tls = world.sent[0].request.origin.tls
    assert tls is not None
    assert tls.server_name == NAME


def test_members_follow_their_name() -> None:
    world = World(BY_ADDRESS)
    world.names.has(NAME, "10.0.0.1", "10.0.0.2", ttl=30)
    world.gets(1)
    world.names.has(NAME, "10.0.0.2", "10.0.0.3", ttl=60)
    world.run(29)
    assert nodes(world) == [("10.0.0.1", 8080), ("10.0.0.2", 8080)]
    kept = world.state("10.0.0.2:8080")["id"]
    world.run(2)
    assert nodes(world) == [("10.0.0.2", 8080), ("10.0.0.3", 8080)]
    assert world.state("10.0.0.2:8080")["id"] == kept
    world.gets(50)
    assert set(world.hosts[1:]) == {"10.0.0.2", "10.0.0.3"}


def test_a_request_to_one_that_is_gone_ends_as_ever() -> None:
    world = World(BY_ADDRESS)
    world.names.has(NAME, "10.0.0.1", ttl=1)
    world.at("10.0.0.1").delay = 20
    asked = world.get(timeout=100)
    world.run(0.1)
    world.names.has(NAME, "10.0.0.9", ttl=1)
    world.run(30)
    assert asked.status == 200
    assert nodes(world) == [("10.0.0.9", 8080)]


def test_a_name_is_not_looked_up_too_often() -> None:
    world = World(BY_ADDRESS)
    world.names.has(NAME, "10.0.0.1", ttl=0)
    world.gets(1)
    world.run(20)
    times = [at for at, _ in world.names.asked]
    assert all(later - earlier >= 5 for earlier, later in pairwise(times))
    assert len(times) >= 4


def test_a_lookup_that_fails_changes_nothing() -> None:
    world = World(BY_ADDRESS)
    world.names.has(NAME, "10.0.0.1", ttl=1)
    world.gets(1)
    world.names.records[NAME] = ResolveError("no name server answered")
    world.run(60)
    assert nodes(world) == [("10.0.0.1", 8080)]
    world.names.has(NAME, "10.0.0.2")
    world.run(6)
    assert nodes(world) == [("10.0.0.2", 8080)]


def test_no_member_is_known() -> None:
    world = World(BY_ADDRESS)
    world.names.records[NAME] = ResolveError("web.default.svc is not known")
    first = world.get()
    world.run(1)
    again = world.get()
    world.run(0)
    for asked in (first, again):
        assert isinstance(asked.error, ClusterUnavailable)
        assert str(asked.error) == "no member of @search is known: web.default.svc is not known"
    world.names.has(NAME, "10.0.0.2")
    world.run(6)
    assert world.gets(1)[0].status == 200


def test_a_lookup_without_end_is_bounded_by_the_deadline() -> None:
    world = World(BY_ADDRESS)
    world.names.records[NAME] = None
    asked, given_up = world.get(timeout=2), world.get(timeout=2)
    given_up.handle.cancel()
    world.run(1.9)
    assert not asked.outcomes
    assert given_up.outcomes
    world.run(0.2)
    assert isinstance(asked.error, NetworkTimeout)
    assert "the members of @search were still being looked up" in str(asked.error)


@pytest.mark.parametrize(
    ("family", "expected"),
    [
        ("v4_preferred", ["10.0.0.1"]),
        ("auto", ["fd00::1"]),
        ("v4_only", ["10.0.0.1"]),
        ("v6_only", ["fd00::1"]),
        ("all", ["10.0.0.1", "fd00::1"]),
    ],
)
def test_families(family: str, expected: list[str]) -> None:
    world = World(f"{BY_ADDRESS}\ndns_lookup_family = {family}")
    world.names.has(NAME, "fd00::1", "10.0.0.1")
    world.gets(1)
    assert [host for host, _ in nodes(world)] == expected


def test_a_family_that_the_name_has_not() -> None:
    world = World(f"{BY_ADDRESS}\ndns_lookup_family = v6_only")
    world.names.has(NAME, "10.0.0.1")
    asked = world.get()
    world.run(1)
    assert "web.default.svc has no address that is v6_only" in str(asked.error)


def test_services_say_ports_weights_and_priorities() -> None:
    world = World(BY_SERVICE)
    world.names.has_services(SERVICES, ("a", 81, 0, 3), ("b", 82, 0, 0), ("c", 83, 5, 1))
    world.gets(200)
    assert nodes(world) == [("a", 81), ("b", 82), ("c", 83)]
    assert [state["weight"] for state in world.cluster.status()] == [3, 1, 1]
    assert set(world.hosts) == {"a", "b"}
    assert world.sent[0].request.headers == []
    world.fail("a", "b", answer=ConnectError("refused"))
    assert world.gets(1, every=1)[0].status == 200
    assert world.hosts[-1] == "c"


def test_two_records_for_one_server_are_one_member() -> None:
    world = World(BY_SERVICE)
    world.names.has_services(SERVICES, ("a", 81, 0, 3), ("a", 81, 1, 1))
    world.gets(1)
    assert nodes(world) == [("a", 81)]
    assert len(world.cluster.status()) == len(world.cluster.members.snapshot(world.loop.now)) == 1


def test_services_may_change_their_weights() -> None:
    world = World(BY_SERVICE)
    world.names.has_services(SERVICES, ("a", 80, 0, 1), ("b", 80, 0, 1), ttl=1)
    world.gets(1)
    before = [state["id"] for state in world.cluster.status()]
    world.names.has_services(SERVICES, ("a", 80, 0, 9), ("b", 80, 1, 1), ttl=1)
    world.run(6)
    assert [state["weight"] for state in world.cluster.status()] == [9, 1]
    assert [state["id"] for state in world.cluster.status()] == before


def test_names_and_hosts_may_stand_beside_each_other() -> None:
    world = World("members = dns:web.default.svc:8080, a 7, dns:other")
    world.names.has(NAME, "10.0.0.1")
    world.names.has("other", "10.0.0.2")
    world.gets(1)
    assert nodes(world) == [("10.0.0.1", 8080), ("a", 80), ("10.0.0.2", 80)]


def test_all_members_of_a_name_wait_for_it() -> None:
    world = World(BY_ADDRESS)
    world.names.has(NAME, "10.0.0.1", "10.0.0.2")
    found = []
    thread = threading.Thread(target=lambda: found.append(world.get_all()))
    thread.start()
    while thread.is_alive():
        world.run(0.01)
        thread.join(0.001)
    members, outcomes = found[0]
    world.run(1)
    assert [node for node, _ in members] == [("10.0.0.1", 8080), ("10.0.0.2", 8080)]
    assert sorted(outcomes) == [0, 1]


def test_all_of_nobody_is_one_error() -> None:
    world = World(BY_ADDRESS)
    world.names.records[NAME] = ResolveError("not known")
    world.gets(1)
    members, outcomes = world.get_all()
    world.run(0)
    assert [node for node, _ in members] == [("@search", 0)]
    assert isinstance(outcomes[0].error, ClusterUnavailable)
    members[0][1].cancel()


def test_after_close_nothing_is_looked_up_or_checked() -> None:
    world = World(BY_ADDRESS + "\nhealth_check_path = /health")
    world.names.has(NAME, "10.0.0.1", ttl=1)
    world.gets(1)
    world.cluster.close()
    world.run(0)
    before = len(world.names.asked), len(world.sent)
    world.run(60)
    assert (len(world.names.asked), len(world.sent)) == before


# -- checks

CHECKED = "members = a, b\nhealth_check_path = /health\nhealth_check_interval = 1"


def checks(world: World, host: str) -> int:
    return sum(sent.request.target == "/health" for sent in world.sent if sent.host == host)


def test_members_are_checked_from_the_first_request_on() -> None:
    world = World(CHECKED)
    world.run(5)
    assert world.sent == []
    world.get()
    world.run(10.9)
    assert 10 <= checks(world, "a") <= 11
    assert 10 <= checks(world, "b") <= 11
    sent = next(sent for sent in world.sent if sent.request.target == "/health")
    assert (sent.request.method, sent.request.deadline - sent.began) == ("GET", 2.0)


@pytest.mark.parametrize("failure", [500, 302, ConnectError("refused"), "frozen"])
def test_who_fails_three_checks_is_left_alone_until_two_go_well(failure: int | Exception | str) -> None:
    world = World(CHECKED)
    world.gets(10)
    if isinstance(failure, str):
        world.at("a").is_frozen = True
    else:
        world.fail("a", answer=failure)  # type: ignore[arg-type]
    world.run(2.0)
    assert world.state("a")["healthy"]
    world.run(8)
    assert not world.state("a")["healthy"]
    before = len(world.sent)
    world.gets(20, every=0.001)
    assert "a" not in [sent.host for sent in world.sent[before:] if sent.request.target == "/"]
    world.at("a").is_frozen = False
    world.at("a").answer = 200
    world.run(0.5)
    assert not world.state("a")["healthy"]
    world.run(4)
    assert world.state("a")["healthy"]
    sick, well = world.told
    assert sick.startswith("@search: member a is unhealthy: ")
    assert well == "@search: member a is healthy again"


def test_one_bad_check_is_forgotten() -> None:
    world = World(CHECKED)
    world.gets(10)
    world.at("a").answers = [500, 500, 200, 500, 500, 200]
    world.run(10)
    assert world.state("a")["healthy"]


def test_all_sick_is_an_error_at_once() -> None:
    world = World(CHECKED)
    world.gets(1)
    world.fail("a", "b", answer=500)
    world.run(10)
    asked = world.get()
    world.run(0)
    assert isinstance(asked.error, ClusterUnavailable)
    assert "0 ejected, 2 unhealthy" in str(asked.error)


def test_members_that_come_are_checked_and_those_that_go_are_not() -> None:
    world = World(BY_ADDRESS + "\nhealth_check_path = /health\nhealth_check_interval = 1")
    world.names.has(NAME, "10.0.0.1", ttl=1)
    world.gets(1)
    world.names.has(NAME, "10.0.0.2", ttl=1000)
    world.run(7)
    before = checks(world, "10.0.0.1")
    world.run(7)
    assert checks(world, "10.0.0.1") == before
    assert checks(world, "10.0.0.2") >= 7
    health = next(sent for sent in world.sent if sent.request.target == "/health")
    assert health.request.headers == [("Host", "web.default.svc:8080")]
