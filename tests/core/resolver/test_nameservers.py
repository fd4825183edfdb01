"""DNS by c-ares: servers that are slow, dead or liars; search lists, services, resolv.conf."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import dns.message
import dns.rcode
import dns.rrset
import pytest

from skitai._kernels import engine
from skitai.core.resolver import Address, Service, nameservers
from skitai.core.resolver.channel import Channel
from skitai.core.resolver.resolvconf import ResolvConf
from skitai.errors import NetworkTimeout, ResolveError
from tests.core.resolver.nameserver import (
    NameServer,
    Question,
    Trick,
    late,
    liar,
    only_from,
    refusing,
    silent,
)
from tests.core.resolver.world import World, hosts_of
from tests.waiting import wait_until


@pytest.fixture
def second_server() -> Iterator[NameServer]:
    server = NameServer()
    yield server
    server.close()


def closed_port() -> str:
    """An address where nobody listens."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{sock.getsockname()[1]}"


# -- who is asked -------------------------------------------------------------------------------


def test_the_servers_of_resolv_conf(world: World) -> None:
    world.server.add("four.test", "A", "127.0.0.4")
    assert hosts_of(world.addresses(world.resolver(), "four.test")) == ["127.0.0.4"]


def test_dns_is_in_place_of_them(world: World, second_server: NameServer) -> None:
    world.server.add("four.test", "A", "127.0.0.4")
    second_server.add("four.test", "A", "127.0.0.5")
    assert hosts_of(world.addresses(world.resolver(second_server.address), "four.test")) == ["127.0.0.5"]
    assert not world.server.questions


def test_a_server_with_an_ipv6_address(world: World, missing: object) -> None:
    try:
        server = NameServer("::1")
    except OSError:
        pytest.skip("this machine lacks IPv6")
    try:
        server.add("four.test", "A", "127.0.0.4")
        assert hosts_of(world.addresses(world.resolver(server.address), "four.test")) == ["127.0.0.4"]
    finally:
        server.close()


@pytest.mark.parametrize("rcode", [dns.rcode.SERVFAIL, dns.rcode.REFUSED])
def test_the_next_server_where_the_first_one_fails(
    world: World, second_server: NameServer, rcode: dns.rcode.Rcode
) -> None:
    world.server.tricks["four.test"] = refusing(rcode)
    second_server.add("four.test", "A", "127.0.0.4")
    resolver = world.resolver(world.server.address, second_server.address)
    assert hosts_of(world.addresses(resolver, "four.test")) == ["127.0.0.4"]
    assert world.server.asked("four.test")


def test_the_next_server_where_the_first_one_is_not_there(world: World) -> None:
    world.server.add("four.test", "A", "127.0.0.4")
    resolver = world.resolver(closed_port(), world.server.address)
    assert hosts_of(world.addresses(resolver, "four.test")) == ["127.0.0.4"]


def test_the_next_server_where_the_first_one_is_silent(world: World, second_server: NameServer) -> None:
    world.server.tricks["four.test"] = silent
    second_server.add("four.test", "A", "127.0.0.4")
    resolver = world.resolver(world.server.address, second_server.address)
    assert hosts_of(world.addresses(resolver, "four.test")) == ["127.0.0.4"]


def test_no_server_is_there(world: World) -> None:
    begun = time.monotonic()
    found = world.addresses(world.resolver(closed_port()), "four.test")
    assert isinstance(found, ResolveError)
    assert "no name server is reached" in str(found)
    assert "/etc/resolv.conf" in str(found)
    assert time.monotonic() - begun < 2


def test_attempts_of_resolv_conf(world: World) -> None:
    world.write_resolv_conf(f"nameserver {world.server.address}", "options timeout:1 attempts:1")
    world.server.tricks["mute.test"] = silent
    found = world.addresses(world.resolver(dns_timeout=10.0), "mute.test")
    assert isinstance(found, NetworkTimeout)
    assert found.limit == "timeout and attempts of resolv.conf"
    assert world.server.asked("mute.test") == 1


def test_resolv_conf_is_read_again_when_it_has_changed(world: World, second_server: NameServer) -> None:
    resolver = world.resolver(dns_ttl_min=0.01)
    world.server.add("four.test", "A", "127.0.0.4", ttl=0)
    second_server.add("four.test", "A", "127.0.0.5", ttl=0)
    assert hosts_of(world.addresses(resolver, "four.test")) == ["127.0.0.4"]
    world.write_resolv_conf(f"nameserver {second_server.address}")
    wait_until(lambda: hosts_of(world.addresses(resolver, "four.test")) == ["127.0.0.5"])


def test_what_was_asked_of_former_servers_is_still_answered(world: World, second_server: NameServer) -> None:
    resolver = world.resolver(dns_ttl_min=0.01, dns_negative_ttl=0.01)
    world.server.add("slow.test", "A", "127.0.0.4")
    world.server.tricks["slow.test"] = late(1.5)
    second_server.add("four.test", "A", "127.0.0.5", ttl=0)
    results, _ = world.begin(resolver, "slow.test")
    wait_until(lambda: world.server.asked("slow.test"))
    world.write_resolv_conf(f"nameserver {second_server.address}")
    wait_until(lambda: not isinstance(world.addresses(resolver, "four.test"), ResolveError))
    assert hosts_of(results.get(timeout=5)) == ["127.0.0.4"]


# -- what is believed ---------------------------------------------------------------------------


def wrong_id(question: Question, reply: dns.message.Message) -> bytes:
    reply.id ^= 1
    return with_wrong_address(question, reply)


def wrong_question(question: Question, reply: dns.message.Message) -> bytes:
    return with_wrong_address(question, reply).replace(b"\x04true", b"\x04lies")


def with_wrong_address(question: Question, reply: dns.message.Message) -> bytes:
    return reply.to_wire().replace(socket.inet_aton("127.0.0.4"), socket.inet_aton("127.6.6.6"))


def rubbish(question: Question, reply: dns.message.Message) -> bytes:
    return b"\xff" * 40


def nothing(question: Question, reply: dns.message.Message) -> bytes:
    return b""


LIES = [wrong_id, wrong_question, nothing]


@pytest.mark.parametrize("lie", LIES)
def test_an_answer_to_another_question_is_passed_over(world: World, lie: object) -> None:
    world.server.add("true.test", "A", "127.0.0.4")
    world.server.tricks["true.test"] = liar(lie)  # type: ignore[arg-type]
    assert hosts_of(world.addresses(world.resolver(), "true.test")) == ["127.0.0.4"]
    assert world.server.asked("true.test") == 1


def test_lies_only(world: World) -> None:
    def lying(question: Question, reply: dns.message.Message) -> Iterator[bytes]:
        yield wrong_id(question, dns.message.from_wire(reply.to_wire()))
        yield wrong_question(question, reply)

    world.server.add("true.test", "A", "127.0.0.4")
    world.server.tricks["true.test"] = lying
    assert isinstance(world.addresses(world.resolver(dns_timeout=0.5), "true.test"), NetworkTimeout)


def test_rubbish_ends_in_an_error(world: World) -> None:
    def noise(question: Question, reply: dns.message.Message) -> Iterator[bytes]:
        yield rubbish(question, reply)

    world.server.tricks["true.test"] = noise
    begun = time.monotonic()
    found = world.addresses(world.resolver(dns_timeout=1.0), "true.test")
    assert isinstance(found, ResolveError | NetworkTimeout)
    assert time.monotonic() - begun < 5


def with_records(*records: tuple[str, str, str]) -> Trick:
    """An answer with these records, whatever was asked."""

    def answer(question: Question, reply: dns.message.Message) -> Iterator[bytes]:
        reply.set_rcode(dns.rcode.NOERROR)
        reply.answer = [dns.rrset.from_text(owner, 300, "IN", kind, value) for owner, kind, value in records]
        yield reply.to_wire()

    return answer


@pytest.mark.parametrize(
    "records",
    [
        [("other.test.", "A", "127.6.6.6")],
        [("true.test.", "CNAME", "alias.test."), ("other.test.", "A", "127.6.6.6")],
        [("true.test.", "CNAME", "alias.test."), ("true.test.", "A", "127.6.6.6")],
        [("true.test.", "CNAME", "true.test."), ("true.test.", "TXT", "hello")],
    ],
)
def test_records_of_others_are_not_taken(world: World, records: list[tuple[str, str, str]]) -> None:
    world.server.tricks["true.test"] = with_records(*records)
    found = world.addresses(world.resolver(), "true.test")
    assert isinstance(found, ResolveError)
    assert "has no address" in str(found)


def test_records_of_another_kind_are_not_taken(world: World) -> None:
    world.server.tricks["true.test"] = only_from("AAAA", with_records(("true.test.", "A", "127.6.6.6")))
    world.server.add("true.test", "A", "127.0.0.4")
    assert hosts_of(world.addresses(world.resolver(), "true.test")) == ["127.0.0.4"]


# -- how long ------------------------------------------------------------------------------------


def seconds_left(world: World, ttl: int, **limits: float) -> float:
    world.server.add("four.test", "A", "127.0.0.4", ttl=ttl)
    (found,) = world.addresses(world.resolver(**limits), "four.test")
    assert isinstance(found, Address)
    return found.expires - time.monotonic()


@pytest.mark.parametrize(
    ("ttl", "kept"),
    [
        (0, 1),
        (1, 1),
        (120, 120),
        (3600, 3600),
        (86400, 3600),
        (2**31 - 1, 3600),
        (2**31, 1),  # RFC 2181 section 8: no time at all
        (2**32 - 1, 1),
    ],
)
def test_the_time_to_live(world: World, ttl: int, kept: int) -> None:
    assert seconds_left(world, ttl) == pytest.approx(kept, abs=0.9)


def test_the_bounds_of_the_time_to_live(world: World) -> None:
    assert seconds_left(world, 1, dns_ttl_min=20.0) == pytest.approx(20, abs=0.9)


def test_the_upper_bound_of_the_time_to_live(world: World) -> None:
    assert seconds_left(world, 1000, dns_ttl_max=50.0) == pytest.approx(50, abs=0.9)


def test_the_shortest_life_of_a_chain_counts(world: World) -> None:
    world.server.add("www.test", "CNAME", "cdn.test.", ttl=30)
    world.server.add("cdn.test", "A", "127.0.0.4", ttl=300)
    (found,) = world.addresses(world.resolver(), "www.test")
    assert isinstance(found, Address)
    assert found.expires - time.monotonic() == pytest.approx(30, abs=0.9)


# -- one kind of address comes late, or never ------------------------------------------------------


@pytest.mark.parametrize(("late_kind", "address"), [("AAAA", "127.0.0.4"), ("A", "::1")])
@pytest.mark.parametrize("trick", [late(3.0), silent], ids=["late", "never"])
def test_the_other_kind_is_waited_for_a_moment_only(
    world: World, late_kind: str, address: str, trick: Trick
) -> None:
    resolver = world.resolver()
    world.server.add("half.test", "A", "127.0.0.4")
    world.server.add("half.test", "AAAA", "::1")
    world.server.tricks["half.test"] = only_from(late_kind, trick)
    begun = time.monotonic()
    assert hosts_of(world.addresses(resolver, "half.test")) == [address]
    assert 0.04 < time.monotonic() - begun < 1.5
    # Who comes meanwhile does not wait at all.
    begun = time.monotonic()
    assert hosts_of(world.addresses(resolver, "half.test")) == [address]
    assert time.monotonic() - begun < 1.5


def test_what_came_late_is_there_for_the_next_one(world: World) -> None:
    resolver = world.resolver()
    world.server.add("half.test", "A", "127.0.0.4")
    world.server.add("half.test", "AAAA", "::1")
    world.server.tricks["half.test"] = only_from("AAAA", late(0.3))
    assert hosts_of(world.addresses(resolver, "half.test")) == ["127.0.0.4"]
    wait_until(lambda: len(hosts_of(world.addresses(resolver, "half.test"))) == 2)
    assert world.server.asked("half.test", "AAAA") == 1


def test_that_one_kind_is_missing_makes_nobody_wait(world: World) -> None:
    world.server.add("four.test", "A", "127.0.0.4")
    begun = time.monotonic()
    world.addresses(world.resolver(), "four.test")
    assert time.monotonic() - begun < 1.5
    world.server.add("slow.test", "A", "127.0.0.4")
    world.server.tricks["slow.test"] = only_from("A", late(0.3))
    # There is no IPv6 address, and that is no reason to give up before IPv4 has answered.
    assert hosts_of(world.addresses(world.resolver(), "slow.test")) == ["127.0.0.4"]


# -- short names --------------------------------------------------------------------------------


def test_short_names_are_completed(world: World) -> None:
    world.write_resolv_conf(f"nameserver {world.server.address}", "search a.test b.test")
    world.server.add("db.b.test", "A", "127.0.0.4")
    assert hosts_of(world.addresses(world.resolver(), "db")) == ["127.0.0.4"]
    assert [name for name, kind, _ in world.server.questions if kind == "A"] == ["db.a.test", "db.b.test"]


def test_a_full_name_is_asked_for_first(world: World) -> None:
    world.write_resolv_conf(f"nameserver {world.server.address}", "search a.test")
    world.server.add("db.c.test", "A", "127.0.0.4")
    assert hosts_of(world.addresses(world.resolver(), "db.c.test")) == ["127.0.0.4"]
    assert {name for name, _, _ in world.server.questions} == {"db.c.test"}


def test_ndots(world: World) -> None:
    world.write_resolv_conf(f"nameserver {world.server.address}", "search a.test", "options ndots:3")
    world.server.add("db.c.test.a.test", "A", "127.0.0.4")
    world.server.add("db.c.test", "A", "127.0.0.5")
    resolver = world.resolver()
    assert hosts_of(world.addresses(resolver, "db.c.test")) == ["127.0.0.4"]
    assert hosts_of(world.addresses(resolver, "db.c.test.")) == ["127.0.0.5"]


def test_both_kinds_are_of_one_name(world: World) -> None:
    world.write_resolv_conf(f"nameserver {world.server.address}", "search a.test b.test")
    world.server.add("db.a.test", "A", "127.0.0.4")
    world.server.add("db.b.test", "AAAA", "::1")
    assert hosts_of(world.addresses(world.resolver(), "db")) == ["127.0.0.4"]


def test_a_zone_that_fails_does_not_end_the_search(world: World) -> None:
    world.write_resolv_conf(f"nameserver {world.server.address}", "search a.test b.test")
    world.server.tricks["db.a.test"] = refusing(dns.rcode.SERVFAIL)
    world.server.add("db.b.test", "A", "127.0.0.4")
    resolver = world.resolver()
    assert hosts_of(world.addresses(resolver, "db")) == ["127.0.0.4"]
    world.server.tricks["gone.a.test"] = refusing(dns.rcode.SERVFAIL)
    found = world.addresses(resolver, "gone")
    assert "fail to say" in str(found)


def test_silence_ends_the_search(world: World) -> None:
    world.write_resolv_conf(
        f"nameserver {world.server.address}", "search a.test b.test", "options timeout:1 attempts:1"
    )
    world.server.tricks["db.a.test"] = silent
    world.server.add("db.b.test", "A", "127.6.6.6")
    found = world.addresses(world.resolver(dns_timeout=5.0), "db")
    assert isinstance(found, NetworkTimeout)
    assert not world.server.asked("db.b.test")


def test_an_error_has_the_name_that_was_asked_for(world: World) -> None:
    world.write_resolv_conf(f"nameserver {world.server.address}", "search a.test b.test")
    found = world.addresses(world.resolver(), "nobody")
    assert "'nobody'" in str(found)
    assert "NXDOMAIN" in str(found)


# -- services -------------------------------------------------------------------------------------


def test_services(world: World) -> None:
    # Names that have nothing in common are not compressed, which RFC 2782 forbids, the test server does
    # nevertheless, and c-ares up to 1.34.8 refuses.
    world.server.add(
        "_http._tcp.test", "SRV", "20 1 8002 c.three.", "10 3 8000 A.one.", "10 1 8001 b.two.", ttl=60
    )
    found = world.services(world.resolver(), "_http._tcp.test")
    assert not isinstance(found, Exception)
    assert sorted(service[:4] for service in found) == sorted(
        [("a.one", 8000, 10, 3), ("b.two", 8001, 10, 1), ("c.three", 8002, 20, 1)]
    )
    assert [service.priority for service in found] == [10, 10, 20]
    for service in found:
        assert isinstance(service, Service)
        assert service.expires - time.monotonic() == pytest.approx(60, abs=0.9)


def test_services_are_kept(world: World) -> None:
    resolver = world.resolver()
    world.server.add("_http._tcp.test", "SRV", "10 3 8000 a.one.")
    for _ in range(3):
        world.services(resolver, "_http._tcp.test")
    assert world.server.asked("_http._tcp.test", "SRV") == 1


def test_a_service_that_is_decidedly_not_there(world: World) -> None:
    world.server.add("_http._tcp.test", "SRV", "0 0 0 .")
    found = world.services(world.resolver(), "_http._tcp.test")
    assert isinstance(found, ResolveError)
    assert "SRV" in str(found)


def test_no_such_service(world: World) -> None:
    found = world.services(world.resolver(), "_http._tcp.test")
    assert isinstance(found, ResolveError)
    assert "NXDOMAIN" in str(found)


def test_a_service_needs_a_name(world: World) -> None:
    assert isinstance(world.services(world.resolver(), "a b"), ResolveError)


# -- c-ares on our loop -----------------------------------------------------------------------------


@pytest.fixture
def channels(monkeypatch: pytest.MonkeyPatch) -> list[Channel]:
    """All that are made."""
    made: list[Channel] = []

    class Noted(Channel):
        def __init__(self, loop: engine.EventLoop, conf: ResolvConf) -> None:
            super().__init__(loop, conf)
            made.append(self)

    monkeypatch.setattr(nameservers, "Channel", Noted)
    return made


def test_a_loop_at_rest_has_no_timer_and_no_socket(world: World, channels: list[Channel]) -> None:
    world.server.add("four.test", "A", "127.0.0.4")
    world.addresses(world.resolver(), "four.test")
    (channel,) = channels
    wait_until(lambda: channel._sockets == {} and channel._timer is None)


def test_former_channels_close_when_they_are_done(
    world: World, second_server: NameServer, channels: list[Channel]
) -> None:
    resolver = world.resolver(dns_negative_ttl=0.01)
    for number in range(5):
        world.addresses(resolver, f"{number}.test")
        time.sleep(0.05)
    wait_until(lambda: [channel.is_closed for channel in channels] == [True] * 4 + [False])


def test_a_channel_does_not_remember_any_number_of_answers(
    world: World, channels: list[Channel], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nameservers, "_MOST_QUERIES", 10)
    resolver = world.resolver()
    for number in range(15):
        world.server.add(f"{number}.test", "A", "127.0.0.4")
        world.addresses(resolver, f"{number}.test")
    wait_until(lambda: [channel.is_closed for channel in channels] == [True, True, False])


def test_all_channels_end_with_the_resolver(world: World, channels: list[Channel]) -> None:
    resolver = world.resolver(dns_negative_ttl=0.01)
    world.server.tricks["mute.test"] = silent
    world.addresses(resolver, "nobody.test")
    world.begin(resolver, "mute.test")
    wait_until(lambda: world.server.asked("mute.test"))
    time.sleep(0.05)
    world.addresses(resolver, "other.test")
    wait_until(lambda: [channel.is_closed for channel in channels].count(False) == 2)
    world.in_loop(resolver.close)
    assert all(channel.is_closed and not channel._sockets for channel in channels)


def test_an_answer_behind_the_end(world: World, channels: list[Channel]) -> None:
    resolver = world.resolver()
    world.server.add("slow.test", "A", "127.0.0.4")
    world.server.tricks["slow.test"] = late(0.2)
    results, _ = world.begin(resolver, "slow.test")
    wait_until(lambda: world.server.asked("slow.test"))
    world.in_loop(channels[0].close)
    time.sleep(0.4)
    assert results.empty()
