"""The hosts file and resolv.conf."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

import pytest

from skitai.core.resolver import changing, resolvconf
from skitai.core.resolver.changing import ChangingFile
from skitai.core.resolver.hosts import HostsFile
from skitai.core.resolver.resolvconf import parse_resolv_conf


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(changing, "monotonic", made)
    return made


@pytest.fixture(autouse=True)
def _host_without_domain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolvconf.socket, "gethostname", lambda: "machine")


# -- a file that changes ----------------------------------------------------------------------------


def test_it_is_read_once(tmp_path: Path, clock: Clock) -> None:
    (tmp_path / "file").write_text("one")
    file = ChangingFile(tmp_path / "file", pytest.fail)
    assert file.news() == "one"
    clock.now += 5
    assert file.news() is None


def test_it_is_looked_at_once_a_second(tmp_path: Path, clock: Clock) -> None:
    (tmp_path / "file").write_text("one")
    file = ChangingFile(tmp_path / "file", pytest.fail)
    file.news()
    (tmp_path / "file").write_text("other")
    clock.now += 0.9
    assert file.news() is None
    clock.now += 0.2
    assert file.news() == "other"


def test_one_that_was_only_touched_has_no_news(tmp_path: Path, clock: Clock) -> None:
    (tmp_path / "file").write_text("one")
    file = ChangingFile(tmp_path / "file", pytest.fail)
    file.news()
    os.utime(tmp_path / "file", (1, 1))
    clock.now += 2
    assert file.news() is None


def test_one_that_comes_and_goes(tmp_path: Path, clock: Clock) -> None:
    file = ChangingFile(tmp_path / "file", pytest.fail)
    assert file.news() == ""
    (tmp_path / "file").write_text("one")
    clock.now += 2
    assert file.news() == "one"
    (tmp_path / "file").unlink()
    clock.now += 2
    assert file.news() == ""


def test_one_that_cannot_be_read_is_reported_once(tmp_path: Path, clock: Clock) -> None:
    reports: list[str] = []
    file = ChangingFile(tmp_path, reports.append)  # a folder
    assert file.news() == ""
    clock.now += 2
    assert file.news() is None
    (report,) = reports
    assert str(tmp_path) in report


def test_one_that_cannot_be_read_for_a_while(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    reports: list[str] = []
    file = ChangingFile(tmp_path / "file", reports.append)
    (tmp_path / "file").write_text("one")
    assert file.news() == "one"
    (tmp_path / "file").write_text("other")
    clock.now += 2
    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_text", lambda *given: os.open("/dev/null/x", os.O_RDONLY))
        assert file.news() is None
    assert len(reports) == 1
    clock.now += 2
    assert file.news() == "other"


# -- hosts --------------------------------------------------------------------------------------------

HOSTS = """\
# 127.0.0.9 commented
127.0.0.1 localhost
10.0.0.1\tdb.example DB  # the database
::2 db.example
10.0.0.1 db.example
10.0.0.2 dotted.example.
not-an-address broken
10.0.0.300 broken
10.0.0.3
fe80::1%nowhere broken
"""


def test_hosts(tmp_path: Path) -> None:
    (tmp_path / "hosts").write_text(HOSTS)
    hosts = HostsFile(tmp_path / "hosts", pytest.fail)
    both = [(socket.AF_INET, "10.0.0.1"), (socket.AF_INET6, "::2")]
    assert hosts.addresses("db.example") == both
    assert hosts.addresses("db.example.") == both
    assert hosts.addresses("db") == both[:1]
    assert hosts.addresses("dotted.example") == [(socket.AF_INET, "10.0.0.2")]
    assert hosts.addresses("broken") == []
    assert hosts.addresses("commented") == []


def test_a_long_list_keeps_nobody_waiting(tmp_path: Path) -> None:
    lines = (f"0.0.0.0 tracker-{number}.example" for number in range(150_000))
    (tmp_path / "hosts").write_text("\n".join([*lines, "10.0.0.1 db"]))
    hosts = HostsFile(tmp_path / "hosts", pytest.fail)
    assert hosts.addresses("tracker-77.example") == [(socket.AF_INET, "0.0.0.0")]
    begun = time.thread_time()
    assert hosts.addresses("www.example") == []
    assert time.thread_time() - begun < 0.2


def test_bytes_that_are_no_text_do_no_harm(tmp_path: Path) -> None:
    (tmp_path / "hosts").write_bytes(b"\xff\xfe\x00\n10.0.0.1 db\n")
    assert HostsFile(tmp_path / "hosts", pytest.fail).addresses("db") == [(socket.AF_INET, "10.0.0.1")]


# -- resolv.conf --------------------------------------------------------------------------------------


def candidates(text: str, name: str) -> list[str]:
    return list(parse_resolv_conf(text).candidates(name))


@pytest.mark.parametrize(
    ("text", "name", "expected"),
    [
        ("", "db", ["db"]),
        ("search a.test b.test", "db", ["db.a.test", "db.b.test", "db"]),
        ("search a.test b.test", "db.c", ["db.c", "db.c.a.test", "db.c.b.test"]),
        ("search a.test b.test", "db.", ["db"]),
        ("search A.test.", "db", ["db.a.test", "db"]),
        ("domain a.test", "db", ["db.a.test", "db"]),
        ("search a.test\nsearch b.test", "db", ["db.b.test", "db"]),
        ("search a.test\ndomain b.test", "db", ["db.b.test", "db"]),
        ("search .", "db", ["db"]),
        ("search", "db", ["db"]),
        ("search a.test -bad- b.test", "db", ["db.a.test", "db.b.test", "db"]),
        ("search a.test\noptions ndots:0", "db", ["db", "db.a.test"]),
        ("search a.test\noptions rotate ndots:2", "db.c", ["db.c.a.test", "db.c"]),
        ("search a.test\noptions ndots:x", "db", ["db.a.test", "db"]),
        ("search a.test\noptions ndots:99999", "a." * 15 + "b", ["a." * 15 + "b", "a." * 15 + "b.a.test"]),
        ("# search b.test\n;search c.test\nsearch a.test", "db", ["db.a.test", "db"]),
        ("\tsearch\ta.test", "db", ["db.a.test", "db"]),
        (f"search {'x' * 60}.test", ".".join(["a" * 60] * 4), [".".join(["a" * 60] * 4)]),
    ],
)
def test_candidates(text: str, name: str, expected: list[str]) -> None:
    assert candidates(text, name) == expected


def test_not_any_number_of_domains() -> None:
    text = "search " + " ".join(f"d{number}.test" for number in range(1000))
    assert len(candidates(text, "db")) == 33


def test_the_domain_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolvconf.socket, "gethostname", lambda: "machine.corp.test")
    assert candidates("", "db") == ["db.corp.test", "db"]
    assert candidates("search .", "db") == ["db"]


def test_who_is_asked() -> None:
    conf = parse_resolv_conf(
        "nameserver 10.0.0.53\n"
        "nameserver fd00::53 # the second one\n"
        "nameserver fe80::1%eth0\n"
        "nameserver [10.0.0.54]:5353\n"
        "nameserver dns.example\n"
        "nameserver\n"
        "#nameserver 10.0.0.55\n"
    )
    assert conf.servers == ("10.0.0.53", "[fd00::53]", "[fe80::1]%eth0", "10.0.0.54:5353")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("", (None, None, False)),
        ("timeout:3 attempts:4 rotate", (3, 4, True)),
        ("timeout:0 attempts:0", (1, 1, False)),
        ("timeout:99999 attempts:99999", (30, 5, False)),
        ("timeout:soon attempts:-1", (None, None, False)),
    ],
)
def test_how_often_it_is_asked(options: str, expected: tuple[object, ...]) -> None:
    conf = parse_resolv_conf(f"options {options}")
    assert (conf.timeout, conf.attempts, conf.rotates) == expected
