"""The system's getaddrinfo, as this machine has it, and what it cannot tell."""

from __future__ import annotations

import socket
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from skitai.core.resolver import Address
from skitai.core.resolver import resolver as resolver_module
from skitai.core.resolver.resolver import SYSTEM
from skitai.core.resolver.system import System
from skitai.errors import ConfigError, ResolveError
from tests.core.resolver.world import World, hosts_of
from tests.waiting import wait_until


def answering(monkeypatch: pytest.MonkeyPatch, *sockaddrs: tuple[Any, ...]) -> None:
    """A getaddrinfo that gives ``sockaddrs``."""

    def getaddrinfo(host: bytes, port: None, family: int, kind: int) -> list[Any]:
        families = {2: socket.AF_INET, 4: socket.AF_INET6}
        return [(families[len(each)], kind, 6, "", each) for each in sockaddrs]

    monkeypatch.setattr(resolver_module, "System", partial(System, getaddrinfo=getaddrinfo))


def test_the_real_one(world: World) -> None:
    # Names of the hosts file need no network; ours is empty, so the system reads its own.
    lines = Path("/etc/hosts").read_text("utf-8").splitlines()
    words = [word for line in lines for word in line.partition("#")[0].split()[1:]]
    name = next((word for word in words if "localhost" not in word), None)
    if name is None:
        pytest.skip("the hosts file of this machine has no name but localhost")
    expected = {item[4][0] for item in socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)}
    assert set(hosts_of(world.addresses(world.resolver(SYSTEM), name))) == expected


def test_an_answer_is_kept_for_the_default_time(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, ("127.0.0.4", 0))
    (found,) = world.addresses(world.resolver(SYSTEM), "four.test")
    assert isinstance(found, Address)
    assert found.expires - time.monotonic() == pytest.approx(30, abs=0.9)


def test_the_scope_of_an_address(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, ("fe80::1", 0, 0, 1))
    assert hosts_of(world.addresses(world.resolver(SYSTEM), "near.test")) == ["fe80::1%1"]


def test_no_address_twice(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, ("127.0.0.4", 0), ("127.0.0.4", 0))
    assert hosts_of(world.addresses(world.resolver(SYSTEM), "four.test")) == ["127.0.0.4"]


def test_an_empty_answer(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch)
    assert isinstance(world.addresses(world.resolver(SYSTEM), "four.test"), ResolveError)


def test_threads_are_bounded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    inside, most, blocked = 0, 0, threading.Event()
    lock = threading.Lock()

    def getaddrinfo(*asked: object) -> list[Any]:
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
        blocked.wait(10)
        with lock:
            inside -= 1
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.4", 0))]

    monkeypatch.setattr(resolver_module, "System", partial(System, getaddrinfo=getaddrinfo))
    resolver = world.resolver(SYSTEM, dns_threads=2)
    waiting = [world.begin(resolver, f"{number}.test")[0] for number in range(10)]
    wait_until(lambda: inside == 2)
    time.sleep(0.1)  # for a third one
    blocked.set()
    assert [hosts_of(results.get(timeout=5)) for results in waiting] == [["127.0.0.4"]] * 10
    assert most == 2


def test_one_name_after_the_other_needs_one_thread(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, ("127.0.0.4", 0))
    resolver = world.resolver(SYSTEM)
    before = set(threading.enumerate())
    for number in range(5):
        world.addresses(resolver, f"{number}.test")
    (thread,) = set(threading.enumerate()) - before
    assert thread.name == "skitai-resolver-1"


def test_services_need_pycares(world: World) -> None:
    found = world.services(world.resolver(SYSTEM), "_http._tcp.test")
    assert isinstance(found, ResolveError)
    assert "pip install skitai[dns]" in str(found)


# -- without pycares ------------------------------------------------------------------------------


def unloadable(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def import_module(name: str) -> None:
        raise error

    monkeypatch.setattr(resolver_module.importlib, "import_module", import_module)


def test_without_pycares_the_system_is_asked(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, ("127.0.0.4", 0))
    unloadable(ModuleNotFoundError("No module named 'pycares'"), monkeypatch)
    assert hosts_of(world.addresses(world.resolver(), "four.test")) == ["127.0.0.4"]
    assert world.reports == []


def test_a_pycares_that_does_not_load_is_reported(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, ("127.0.0.4", 0))
    unloadable(ImportError("libffi.so.8: cannot open shared object file"), monkeypatch)
    assert hosts_of(world.addresses(world.resolver(), "four.test")) == ["127.0.0.4"]
    (report,) = world.reports
    assert "the system is asked" in report
    assert "libffi.so.8" in report


def test_name_servers_need_pycares(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    unloadable(ModuleNotFoundError("No module named 'pycares'"), monkeypatch)
    with pytest.raises(ConfigError, match=r"pip install skitai\[dns\]"):
        world.resolver("127.0.0.53")
