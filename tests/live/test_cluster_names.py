"""A cluster whose members are named by a name server: they come and go, and nobody is told."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from skitai.core.resolver import ResolverOptions
from skitai.errors import ClusterUnavailable, TLSError
from skitai.was._clusters import Cluster
from tests import certificates
from tests.live.clustersite import Caller, Member
from tests.waiting import wait_until

pytest.importorskip("pycares")
nameserver = pytest.importorskip("tests.core.resolver.nameserver")

NAME = "web.default.example"
SERVICES = "_http._tcp.web.example"


class Site:
    """Two members, equally quick, at two addresses of this machine, with one port, and a name server."""

    def __init__(self, stack: contextlib.ExitStack, folder: Path) -> None:
        self.first = Member()
        stack.callback(self.first.close)
        self.second = Member(host="127.0.0.2", port=self.first.port)
        stack.callback(self.second.close)
        self.names = nameserver.NameServer()
        stack.callback(self.names.close)
        (folder / "hosts").write_text("")
        (folder / "resolv.conf").write_text("search .\n")
        self.caller = Caller(
            ResolverOptions(
                servers=(self.names.address,), resolv_conf=folder / "resolv.conf", hosts=folder / "hosts"
            )
        )
        stack.callback(self.caller.close)

    def asked(self, cluster: Cluster, times: int = 30) -> set[tuple[str, int]]:
        """Who has answered."""
        outcomes = [self.caller.ask(cluster) for _ in range(times)]
        assert {outcome.error for outcome in outcomes} == {None}
        return {(outcome.request.origin.host, outcome.request.origin.port) for outcome in outcomes}


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with contextlib.ExitStack() as stack:
        yield Site(stack, tmp_path)


def test_addresses_of_a_name_come_and_go(site: Site) -> None:
    port = site.first.port
    site.names.add(NAME, "A", "127.0.0.1", ttl=1)
    cluster = site.caller.cluster(f"dns:{NAME}:{port}", "dns_refresh_rate = 100ms")
    assert site.asked(cluster) == {("127.0.0.1", port)}
    site.names.add(NAME, "A", "127.0.0.1", "127.0.0.2", ttl=1)
    wait_until(lambda: len(cluster.status()) == 2)
    assert site.asked(cluster) == {("127.0.0.1", port), ("127.0.0.2", port)}
    site.names.add(NAME, "A", "127.0.0.2", ttl=1)
    wait_until(lambda: len(cluster.status()) == 1)
    assert site.asked(cluster) == {("127.0.0.2", port)}


def test_services_say_where_their_members_are(site: Site) -> None:
    port = site.first.port
    site.names.add("a.example", "A", "127.0.0.1")
    site.names.add("b.example", "A", "127.0.0.2")
    site.names.add(SERVICES, "SRV", f"0 5 {port} a.example.", f"1 5 {port} b.example.", ttl=1)
    cluster = site.caller.cluster(f"dns:{SERVICES}", "dns_refresh_rate = 100ms")
    assert site.asked(cluster) == {("a.example", port)}
    site.first.close()
    assert site.asked(cluster, times=5) == {("b.example", port)}
    site.names.add(SERVICES, "SRV", f"0 5 {port} b.example.", ttl=1)
    wait_until(lambda: [state["member"] for state in cluster.status()] == [f"b.example:{port}"])


def test_a_name_that_nobody_knows(site: Site) -> None:
    cluster = site.caller.cluster("dns:nowhere.example:80")
    error = site.caller.ask(cluster).error
    assert isinstance(error, ClusterUnavailable)
    assert "no member of @search is known: " in str(error)
    assert "nowhere.example" in str(error)


def test_a_member_at_an_address_shows_a_certificate_of_its_name(site: Site, tmp_path: Path) -> None:
    files = certificates.server(tmp_path, [NAME])
    member = Member(files=files)
    try:
        site.names.add(NAME, "A", "127.0.0.1")
        keys = ("ssl = yes", f"cafile = {files.certfile}")
        assert site.asked(site.caller.cluster(f"dns:{NAME}:{member.port}", *keys)) == {
            ("127.0.0.1", member.port)
        }
        by_address = f"127.0.0.1:{member.port}"
        refused = site.caller.ask(site.caller.cluster(by_address, *keys)).error
        assert isinstance(refused, TLSError)
        site.asked(site.caller.cluster(by_address, *keys, f"server_name = {NAME}"))
        site.asked(site.caller.cluster(by_address, "ssl = yes", "verify = no"))
    finally:
        member.close()
