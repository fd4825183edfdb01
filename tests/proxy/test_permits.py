"""Where the forward proxy goes, and for whom."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from skitai._kernels import http1
from skitai.core.config.problems import Mistake
from skitai.core.config.proxytargets import ProxyTarget, parse_proxy_target
from skitai.core.resolver import Address
from skitai.errors import ConfigError, HTTPError, NetworkError, ResolveError
from skitai.limits import Limits
from skitai.proxy.admission import Clients, Users
from skitai.proxy.guarded import GuardedNames, TargetRefused
from skitai.proxy.permits import Permits


def target(text: str) -> ProxyTarget:
    return parse_proxy_target(text, Path())


def permits(*texts: str) -> Permits:
    return Permits(map(target, texts))


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.9.9.9", "0.0.0.0", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1"),
        *("169.254.169.254", "100.64.0.1", "192.0.0.8", "198.18.0.1", "224.0.0.1", "240.0.0.1"),
        *("255.255.255.255", "::", "::1", "fe80::1", "fe80::1%1", "fc00::1", "fd12::1", "ff02::1"),
        # An IPv4 address inside: mapped, 6to4, NAT64, Teredo.
        *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "2002:7f00:1::", "2002:a00:1::1", "64:ff9b::7f00:1"),
        *("64:ff9b::10.0.0.1", "2001:0:4136:e378:8000:63bf:f5ff:fffe"),
    ],
)
def test_what_is_no_public_address_is_not_reached(address: str) -> None:
    assert not Permits().reaches(address)


@pytest.mark.parametrize("address", ["93.184.216.34", "8.8.8.8", "2606:4700::1111", "64:ff9b::808:808"])
def test_public_addresses_are(address: str) -> None:
    assert Permits().reaches(address)


def test_networks_that_are_listed_are_reached_under_any_name() -> None:
    some = permits("10.1.0.0/16", "127.0.0.2", "fd00::/8")
    assert [some.reaches(each) for each in ("10.1.2.3", "127.0.0.2", "fd00::1")] == [True] * 3
    assert [some.reaches(each) for each in ("10.2.0.1", "127.0.0.1", "fe80::1")] == [False] * 3


def test_connect_goes_to_443_and_to_what_is_listed() -> None:
    some = permits("mail.example.com:993", ".intranet", "db.example.com")
    assert some.may_connect("anywhere.example.com", 443)
    assert some.may_connect("mail.example.com", 993)
    assert some.may_connect("db.example.com", 5432)
    assert some.may_connect("a.b.intranet", 22)
    assert some.may_connect("intranet", 22)
    for host, port in (("mail.example.com", 25), ("xdb.example.com", 5432), ("aintranet", 22), ("x", 80)):
        assert not some.may_connect(host, port)


def test_entries_are_written_as_they_are_read() -> None:
    for text in (
        "a.example.com",
        ".example.com",
        "mail.example.com:993",
        "10.1.0.0/16",
        "[::1]:80",
        "::1/128",
    ):
        assert str(target(text)) == text
    assert str(target("127.0.0.2")) == "127.0.0.2/32"


@pytest.mark.parametrize(
    "text", ["", ":80", "a b", "http://x", "x:", "x:99999", "x/y", "*.x", "x:80:90", "u@x"]
)
def test_entries_that_are_none(text: str) -> None:
    with pytest.raises(Mistake, match="is no target") as caught:
        target(text)
    assert caught.value.hint.startswith("write host.example.com")


# -- names ----------------------------------------------------------------------------------


class Names:
    """A resolver that knows one answer."""

    def __init__(self, answer: object) -> None:
        self.answer = answer

    def addresses(self, host: str, on_done: object) -> object:
        on_done(self.answer)  # type: ignore[operator]
        return None


def looked_up(answer: object, *allowed: str) -> object:
    found: list[object] = []
    GuardedNames(Names(answer), permits(*allowed)).addresses("x.example", found.append)  # type: ignore[arg-type]
    return found[0]


def address(text: str) -> Address:
    return Address(2, text, float("inf"))


def test_of_several_addresses_the_public_ones_are_left() -> None:
    answer = [address("10.0.0.1"), address("8.8.8.8"), address("127.0.0.1")]
    assert looked_up(answer) == [address("8.8.8.8")]
    assert looked_up(answer, "10.0.0.0/8") == answer[:2]


def test_a_name_that_leads_inside_is_refused() -> None:
    refused = looked_up([address("127.0.0.1")])
    assert isinstance(refused, TargetRefused)
    assert isinstance(refused, NetworkError)


def test_a_name_that_there_is_not_stays_one() -> None:
    error = ResolveError("no such name")
    assert looked_up(error) is error


# -- clients --------------------------------------------------------------------------------


def test_who_may_use_it() -> None:
    clients = Clients(("10.0.0.0/8", "::1"), 2)
    assert clients.may("10.1.2.3")
    assert clients.may("::ffff:10.1.2.3")
    assert clients.may("::1")
    assert not clients.may("11.0.0.1")
    assert not clients.may("")
    assert Clients(("unix",), 2).may("")


def test_each_client_has_its_own_bound() -> None:
    clients = Clients(("10.0.0.0/8",), 2)
    assert [clients.enter("10.0.0.1") for _ in range(3)] == [True, True, False]
    assert clients.enter("10.0.0.2")
    clients.leave("10.0.0.1")
    assert clients.enter("10.0.0.1")


def head(field: str = "") -> http1.RequestHead:
    connection = http1.ServerConnection(Limits())
    line = f"Proxy-Authorization: {field}\r\n" if field else ""
    connection.receive_data(f"GET http://x/ HTTP/1.1\r\nHost: x\r\n{line}\r\n".encode())
    event = connection.next_event()
    assert isinstance(event, http1.RequestHead)
    return event


def is_known(users: Users, field: str) -> bool:
    try:
        users.check(head(field))
    except HTTPError as error:
        return error.status != 407
    return True


def test_users_of_a_file_which_may_change(tmp_path: Path) -> None:
    file = tmp_path / "users"
    file.write_text("# those of the office\nalice:se:cret\n\nbob:\n")
    told: list[str] = []
    users = Users(file, told.append)
    assert is_known(users, "Basic YWxpY2U6c2U6Y3JldA==")  # alice:se:cret
    assert is_known(users, "basic Ym9iOg==")  # bob, without a password
    for wrong in ("", "Basic", "Basic !", "Basic YWxpY2U6eA==", "Basic eDp5", "Bearer YWxpY2U6c2U6Y3JldA=="):
        assert not is_known(users, wrong)
    file.write_text("carol:x\n")
    os.utime(file, (1, 1))
    assert not is_known(users, "Basic YWxpY2U6c2U6Y3JldA==")
    assert is_known(users, "Basic Y2Fyb2w6eA==")
    file.write_text("half written")
    os.utime(file, (2, 2))
    for _ in range(3):
        assert is_known(users, "Basic Y2Fyb2w6eA==")
    assert len(told) == 1
    assert "line 1 is none" in told[0]
    file.unlink()
    for _ in range(3):
        assert is_known(users, "Basic Y2Fyb2w6eA==")
    assert len(told) == 2
    assert "cannot be read" in told[1]


def test_a_file_of_users_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        Users(tmp_path / "none", print)
    (tmp_path / "users").write_text("alice:a\nbob\n")
    with pytest.raises(ConfigError, match="line 2 is none"):
        Users(tmp_path / "users", print)
