"""What holds whoever is asked: c-ares, or the system's getaddrinfo in threads."""

from __future__ import annotations

import math
import queue
import threading
import time

import dns.rcode
import pytest

from skitai.core.resolver import Address
from skitai.core.resolver.ordering import arranged
from skitai.errors import NetworkTimeout, ResolveError
from tests.core.resolver.nameserver import late, refusing, silent, truncated
from tests.core.resolver.world import EitherBackend, World, hosts_of
from tests.waiting import wait_until


def assert_nothing_comes(results: queue.SimpleQueue[object], seconds: float) -> None:
    with pytest.raises(queue.Empty):
        results.get(timeout=seconds)


# -- what is found --------------------------------------------------------------------------


def test_an_ipv4_address(either: EitherBackend) -> None:
    world, resolver = either.world, either.resolver()
    world.server.add("four.test", "A", "127.0.0.4")
    assert hosts_of(world.addresses(resolver, "four.test")) == ["127.0.0.4"]


def test_an_ipv6_address(either: EitherBackend) -> None:
    world, resolver = either.world, either.resolver()
    world.server.add("six.test", "AAAA", "::1")
    assert hosts_of(world.addresses(resolver, "six.test")) == ["::1"]


def test_all_addresses_in_the_order_of_happy_eyeballs(either: EitherBackend) -> None:
    world, resolver = either.world, either.resolver()
    four = ["127.0.0.1", "127.0.0.2", "127.0.0.3"]
    world.server.add("both.test", "A", *four)
    world.server.add("both.test", "AAAA", "::1")
    found = world.addresses(resolver, "both.test")
    assert set(hosts_of(found)) == {"::1", *four}
    expected = [(address.family, address.sockaddr_host) for address in found if isinstance(address, Address)]
    assert expected == arranged(expected)


def test_the_end_of_a_chain_of_aliases(either: EitherBackend) -> None:
    world, resolver = either.world, either.resolver()
    world.server.add("www.test", "CNAME", "cdn.test.")
    world.server.add("cdn.test", "CNAME", "edge.cdn.test.")
    world.server.add("edge.cdn.test", "A", "127.0.0.7")
    assert hosts_of(world.addresses(resolver, "www.test")) == ["127.0.0.7"]


def test_upper_case_is_the_same_name(either: EitherBackend) -> None:
    world, resolver = either.world, either.resolver()
    world.server.add("four.test", "A", "127.0.0.4")
    assert hosts_of(world.addresses(resolver, "FOUR.Test")) == ["127.0.0.4"]
    assert hosts_of(world.addresses(resolver, "four.test")) == ["127.0.0.4"]
    assert world.server.asked("four.test") == 1


def test_an_answer_too_long_for_a_datagram(either: EitherBackend) -> None:
    world, resolver = either.world, either.resolver()
    many = [f"127.0.1.{number}" for number in range(1, 200)]
    world.server.add("many.test", "A", *many)
    world.server.tricks["many.test"] = truncated
    assert sorted(hosts_of(world.addresses(resolver, "many.test"))) == sorted(many)
    assert ("many.test", "A", "TCP") in world.server.questions


def test_a_name_in_another_script(either: EitherBackend) -> None:
    world, resolver = either.world, either.resolver()
    world.server.add("xn--bcher-kva.test", "A", "127.0.0.5")
    assert hosts_of(world.addresses(resolver, "Bücher.test")) == ["127.0.0.5"]


# -- what is not found ------------------------------------------------------------------------


def test_a_host_that_does_not_exist(either: EitherBackend) -> None:
    found = either.world.addresses(either.resolver(), "nobody.test")
    assert isinstance(found, ResolveError)
    assert "'nobody.test'" in str(found)


def test_a_host_without_an_address(either: EitherBackend) -> None:
    either.world.server.add("mail.test", "MX", "10 mx.test.")
    found = either.world.addresses(either.resolver(), "mail.test")
    assert isinstance(found, ResolveError)
    assert "address" in str(found)


def test_an_alias_of_nobody(either: EitherBackend) -> None:
    either.world.server.add("www.test", "CNAME", "gone.test.")
    assert isinstance(either.world.addresses(either.resolver(), "www.test"), ResolveError)


def test_aliases_in_a_ring(either: EitherBackend) -> None:
    either.world.server.add("a.test", "CNAME", "b.test.")
    either.world.server.add("b.test", "CNAME", "a.test.")
    assert isinstance(either.world.addresses(either.resolver(), "a.test"), ResolveError)


@pytest.mark.parametrize("rcode", [dns.rcode.SERVFAIL, dns.rcode.REFUSED, dns.rcode.NOTIMP])
def test_a_server_that_fails(either: EitherBackend, rcode: dns.rcode.Rcode) -> None:
    world, resolver = either.world, either.resolver(dns_ttl_min=0.2, dns_negative_ttl=60.0)
    world.server.add("broken.test", "A", "127.0.0.4")
    world.server.tricks["broken.test"] = refusing(rcode)
    found = world.addresses(resolver, "broken.test")
    assert isinstance(found, ResolveError)
    assert "'broken.test'" in str(found)
    # It says nothing about the host, and is not believed for as long as if it did.
    del world.server.tricks["broken.test"]
    time.sleep(0.3)
    assert hosts_of(world.addresses(resolver, "broken.test")) == ["127.0.0.4"]


def test_errors_are_not_shared(either: EitherBackend) -> None:
    # One that is raised in several places would collect all their tracebacks.
    world, resolver = either.world, either.resolver()
    first, second = (world.addresses(resolver, "nobody.test") for _ in range(2))
    assert world.server.asked("nobody.test") == 1
    assert str(first) == str(second)
    assert first is not second


# -- how long it takes ------------------------------------------------------------------------


def test_nobody_answers(either: EitherBackend) -> None:
    world, resolver = either.world, either.resolver(dns_timeout=0.4)
    world.server.tricks["mute.test"] = silent
    begun = time.monotonic()
    found = world.addresses(resolver, "mute.test")
    assert isinstance(found, NetworkTimeout)
    assert found.limit == "dns_timeout"
    assert "'mute.test'" in str(found)
    assert 0.35 < time.monotonic() - begun < 3


def test_each_has_its_own_time(either: EitherBackend) -> None:
    world, resolver = either.world, either.resolver(dns_timeout=1.0)
    world.server.tricks["mute.test"] = silent
    first, _ = world.begin(resolver, "mute.test")
    time.sleep(0.5)
    second, _ = world.begin(resolver, "mute.test")
    assert isinstance(first.get(timeout=5), NetworkTimeout)
    assert_nothing_comes(second, 0.2)
    assert isinstance(second.get(timeout=5), NetworkTimeout)


def test_what_comes_too_late_serves_the_next_one(either: EitherBackend) -> None:
    world, resolver = either.world, either.resolver(dns_timeout=0.3)
    world.server.add("slow.test", "A", "127.0.0.4")
    world.server.tricks["slow.test"] = late(0.8)
    assert isinstance(world.addresses(resolver, "slow.test"), NetworkTimeout)
    wait_until(lambda: not isinstance(world.addresses(resolver, "slow.test"), NetworkTimeout))
    assert hosts_of(world.addresses(resolver, "slow.test")) == ["127.0.0.4"]
    assert world.server.asked("slow.test") == 1


def test_a_late_answer_in_time(either: EitherBackend) -> None:
    world, resolver = either.world, either.resolver()
    world.server.add("slow.test", "A", "127.0.0.4")
    world.server.tricks["slow.test"] = late(0.3)
    assert hosts_of(world.addresses(resolver, "slow.test")) == ["127.0.0.4"]


# -- what is kept -----------------------------------------------------------------------------


def test_an_answer_is_kept(either: EitherBackend) -> None:
    world, resolver = either.world, either.resolver()
    world.server.add("four.test", "A", "127.0.0.4", ttl=60)
    found = [hosts_of(world.addresses(resolver, "four.test")) for _ in range(5)]
    assert found == [["127.0.0.4"]] * 5
    assert world.server.asked("four.test") == 1


def test_an_answer_is_not_kept_for_ever(either: EitherBackend) -> None:
    world, resolver = either.world, either.resolver(dns_ttl_min=0.5, dns_ttl_default=0.5)
    world.server.add("moved.test", "A", "127.0.0.4", ttl=0)
    assert hosts_of(world.addresses(resolver, "moved.test")) == ["127.0.0.4"]
    world.server.add("moved.test", "A", "127.0.0.5", ttl=0)
    assert hosts_of(world.addresses(resolver, "moved.test")) == ["127.0.0.4"]
    time.sleep(0.6)
    assert hosts_of(world.addresses(resolver, "moved.test")) == ["127.0.0.5"]


def test_that_there_is_nothing_is_believed_for_a_while(either: EitherBackend) -> None:
    world, resolver = either.world, either.resolver(dns_negative_ttl=0.4)
    world.server.negative_ttl = 3600  # which c-ares would believe
    assert isinstance(world.addresses(resolver, "new.test"), ResolveError)
    world.server.add("new.test", "A", "127.0.0.4")
    assert isinstance(world.addresses(resolver, "new.test"), ResolveError)
    assert world.server.asked("new.test") == 1
    time.sleep(0.5)
    assert hosts_of(world.addresses(resolver, "new.test")) == ["127.0.0.4"]


def test_that_there_is_no_address_is_believed_no_longer(either: EitherBackend) -> None:
    world, resolver = either.world, either.resolver(dns_negative_ttl=0.2)
    world.server.add("new.test", "MX", "10 mx.test.")
    assert isinstance(world.addresses(resolver, "new.test"), ResolveError)
    world.server.add("new.test", "A", "127.0.0.4")
    time.sleep(0.3)
    assert hosts_of(world.addresses(resolver, "new.test")) == ["127.0.0.4"]


def test_no_more_names_are_kept_than_allowed(either: EitherBackend) -> None:
    world, resolver = either.world, either.resolver(dns_cache_max=2)
    for number in range(3):
        world.server.add(f"{number}.test", "A", f"127.0.0.{number}", ttl=0)
    for number in (0, 1, 0, 2, 0, 1):
        world.addresses(resolver, f"{number}.test")
    assert [world.server.asked(f"{number}.test") for number in range(3)] == [1, 2, 1]


def test_none_is_kept(either: EitherBackend) -> None:
    world, resolver = either.world, either.resolver(dns_cache_max=0)
    world.server.add("four.test", "A", "127.0.0.4", ttl=0)
    found = [hosts_of(world.addresses(resolver, "four.test")) for _ in range(2)]
    assert found == [["127.0.0.4"]] * 2
    assert world.server.asked("four.test") == 2


# -- many at once -----------------------------------------------------------------------------


def test_many_who_want_one_name_share_a_question(either: EitherBackend) -> None:
    world, resolver = either.world, either.resolver()
    world.server.add("four.test", "A", "127.0.0.4")
    world.server.tricks["four.test"] = late(0.1)
    waiting = [world.begin(resolver, "four.test")[0] for _ in range(50)]
    assert [hosts_of(results.get(timeout=5)) for results in waiting] == [["127.0.0.4"]] * 50
    assert world.server.asked("four.test") == 1


def test_many_names(either: EitherBackend) -> None:
    world, resolver = either.world, either.resolver(dns_lookups_max=7)
    for number in range(100):
        world.server.add(f"{number}.test", "A", f"127.0.0.{number}")
    waiting = [world.begin(resolver, f"{number}.test")[0] for number in range(100)]
    found = [hosts_of(results.get(timeout=10)) for results in waiting]
    assert found == [[f"127.0.0.{number}"] for number in range(100)]


def test_names_beyond_the_bound_wait_their_turn(either: EitherBackend) -> None:
    world, resolver = either.world, either.resolver(dns_lookups_max=2)
    for number in range(3):
        world.server.add(f"{number}.test", "A", f"127.0.0.{number}")
        world.server.tricks[f"{number}.test"] = late(0.4)
    waiting = [world.begin(resolver, f"{number}.test")[0] for number in range(3)]
    wait_until(lambda: world.server.asked("0.test") and world.server.asked("1.test"))
    time.sleep(0.1)
    assert world.server.asked("2.test") == 0
    found = [hosts_of(results.get(timeout=5)) for results in waiting]
    assert found == [["127.0.0.0"], ["127.0.0.1"], ["127.0.0.2"]]


def test_a_name_that_nobody_wants_any_more_is_not_asked_for(either: EitherBackend) -> None:
    world, resolver = either.world, either.resolver(dns_lookups_max=1)
    for name in ("slow.test", "four.test", "unwanted.test"):
        world.server.add(name, "A", "127.0.0.4")
    world.server.tricks["slow.test"] = late(0.3)
    world.begin(resolver, "slow.test")
    unwanted, lookup = world.begin(resolver, "unwanted.test")
    world.in_loop(lookup.cancel)
    assert hosts_of(world.addresses(resolver, "four.test")) == ["127.0.0.4"]
    assert world.server.asked("unwanted.test") == 0
    assert unwanted.empty()


def test_who_cancels_is_not_told(either: EitherBackend) -> None:
    world, resolver = either.world, either.resolver()
    world.server.add("four.test", "A", "127.0.0.4")
    world.server.tricks["four.test"] = late(0.2)
    kept, kept_lookup = world.begin(resolver, "four.test")
    given_up, lookup = world.begin(resolver, "four.test")
    world.in_loop(lookup.cancel)
    world.in_loop(lookup.cancel)
    assert lookup.done
    assert not kept_lookup.done
    assert hosts_of(kept.get(timeout=5)) == ["127.0.0.4"]
    assert kept_lookup.done
    assert_nothing_comes(given_up, 0.1)


def test_one_who_fails_does_not_stand_in_the_way(either: EitherBackend) -> None:
    world, resolver = either.world, either.resolver()
    world.server.add("four.test", "A", "127.0.0.4")
    world.server.tricks["four.test"] = late(0.1)

    def fail(found: object) -> None:
        raise ValueError("of the one who asks")

    world.in_loop(lambda: resolver.addresses("four.test", fail))
    results, _ = world.begin(resolver, "four.test")
    assert hosts_of(results.get(timeout=5)) == ["127.0.0.4"]
    assert len(world.errors) == 1
    world.errors.clear()


# -- the end ----------------------------------------------------------------------------------


def test_after_the_end_nobody_is_told_and_nothing_is_asked(either: EitherBackend) -> None:
    world, resolver = either.world, either.resolver()
    world.server.tricks["slow.test"] = late(0.2)
    results, lookup = world.begin(resolver, "slow.test")
    wait_until(lambda: world.server.asked("slow.test", "AAAA"))
    world.in_loop(resolver.close)
    assert lookup.done
    assert_nothing_comes(results, 0.5)
    found = world.addresses(resolver, "slow.test")
    assert isinstance(found, ResolveError)
    assert "ending" in str(found)
    assert isinstance(world.services(resolver, "_http._tcp.test"), ResolveError)
    world.in_loop(resolver.close)


def test_threads_end_with_the_resolver(either: EitherBackend) -> None:
    before = set(threading.enumerate())

    def threads() -> list[threading.Thread]:
        new = set(threading.enumerate()) - before
        return [each for each in new if each.name.startswith("skitai-resolver")]

    world, resolver = either.world, either.resolver(dns_threads=3)
    for number in range(10):
        world.begin(resolver, f"{number}.test")
    wait_until(lambda: world.server.asked("9.test"))
    assert len(threads()) <= 3
    world.in_loop(resolver.close)
    wait_until(lambda: not threads())


# -- what nobody has to be asked for ------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.9", "127.0.0.9"),
        ("192.0.2.1", "192.0.2.1"),
        ("::1", "::1"),
        ("2001:DB8:0::1", "2001:db8::1"),
        ("fe80::1%1", "fe80::1%1"),
    ],
)
def test_an_address_is_itself(world: World, host: str, address: str) -> None:
    (found,) = world.addresses(world.resolver(), host)
    assert isinstance(found, Address)
    assert (found.sockaddr_host, found.expires) == (address, math.inf)
    assert not world.server.questions


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "localhost.", "app.localhost"])
def test_localhost_is_this_machine(world: World, host: str) -> None:
    world.hosts.write_text("127.0.0.9 localhost app.localhost\n")
    assert set(hosts_of(world.addresses(world.resolver(), host))) == {"127.0.0.1", "::1"}
    assert not world.server.questions


def test_localhost_is_told_at_once(world: World) -> None:
    resolver = world.resolver()
    found: list[object] = []
    lookup = world.in_loop(lambda: (resolver.addresses("localhost", found.append), list(found)))
    assert lookup[0].done
    assert len(lookup[1]) == 1


def test_the_hosts_file_goes_first(either: EitherBackend) -> None:
    world, resolver = either.world, either.resolver()
    world.server.add("db.test", "A", "127.0.0.4")
    world.hosts.write_text("127.0.0.8 other.test DB.test # ours\n")
    assert hosts_of(world.addresses(resolver, "db.test")) == ["127.0.0.8"]
    assert not world.server.questions


def test_the_hosts_file_is_read_again_when_it_has_changed(either: EitherBackend) -> None:
    world, resolver = either.world, either.resolver()
    world.hosts.write_text("127.0.0.8 db.test\n")
    assert hosts_of(world.addresses(resolver, "db.test")) == ["127.0.0.8"]
    world.hosts.write_text("127.0.0.9 db.test\n")
    wait_until(lambda: hosts_of(world.addresses(resolver, "db.test")) == ["127.0.0.9"])
    world.server.add("db.test", "A", "127.0.0.4")
    world.hosts.unlink()
    wait_until(lambda: hosts_of(world.addresses(resolver, "db.test")) == ["127.0.0.4"])


@pytest.mark.parametrize("host", ["", "a b", "nobody.invalid", "x.onion", "127.1", "-a.test"])
def test_what_is_no_name_is_refused_and_not_asked_for(either: EitherBackend, host: str) -> None:
    found = either.world.addresses(either.resolver(), host)
    assert isinstance(found, ResolveError)
    assert either.world.server.questions == []
