"""Requests to virtual hosts and mounts."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import pytest

from skitai.core.config import load
from skitai.core.routes import RouteTable, VirtualHost, host_name


@pytest.fixture
def site(tmp_path: Path) -> Path:
    for name in ("static", "media"):
        (tmp_path / name).mkdir()
    for name in ("one.py", "two.py", "three.py"):
        (tmp_path / name).write_text("")
    return tmp_path


def table(site: Path, lines: str, more: str = "") -> RouteTable:
    return RouteTable.of(load(Path("x.conf"), text=f"[routes:line]\n{lines}\n{more}", base=site))


def default(site: Path, lines: str, more: str = "") -> VirtualHost:
    host = table(site, lines, more).host("")
    assert host is not None
    return host


def asked(host: VirtualHost, path: str) -> list[str]:
    """The mounts to ask for ``path``: ``/shop one`` is the target "one" at "/shop"."""
    return [f"{mount.path or '/'} {mount.target.text}" for mount in host.match(path)]


README = "/ = static\n/ = one:app\n/aboutus = two:app\n/services = three:app"


@pytest.mark.parametrize(
    ("path", "mounts"),
    [
        ("/", ["/ static", "/ one:app"]),
        ("/logo.png", ["/ static", "/ one:app"]),
        ("/aboutus", ["/aboutus two:app", "/ static", "/ one:app"]),
        ("/aboutus/", ["/aboutus two:app", "/ static", "/ one:app"]),
        ("/aboutus/x/y", ["/aboutus two:app", "/ static", "/ one:app"]),
        ("/aboutusx", ["/ static", "/ one:app"]),
        ("/About", ["/ static", "/ one:app"]),
        ("/x/aboutus", ["/ static", "/ one:app"]),
        ("//aboutus", ["/ static", "/ one:app"]),
        ("/services", ["/services three:app", "/ static", "/ one:app"]),
        ("*", []),
        ("", []),
    ],
)
def test_the_readme(site: Path, path: str, mounts: list[str]) -> None:
    assert asked(default(site, README), path) == mounts


def test_the_longest_path_comes_first_whatever_the_order_of_lines(site: Path) -> None:
    host = default(site, "/a/b/c = one\n/ = two\n/a = three\n/a/b/c = static\n/a/x = media")
    assert asked(host, "/a/b/c/d") == ["/a/b/c static", "/a/b/c one", "/a three", "/ two"]
    assert asked(host, "/a/b/cd") == ["/a three", "/ two"]
    assert asked(host, "/a/b") == ["/a three", "/ two"]
    assert asked(host, "/a/x") == ["/a/x media", "/a three", "/ two"]


def test_without_a_mount_at_the_root_there_may_be_nothing(site: Path) -> None:
    host = default(site, "/a = one")
    assert asked(host, "/") == asked(host, "/b/a") == []
    assert asked(host, "/a") == ["/a one"]


def test_paths_outside_ascii_and_with_spaces(site: Path) -> None:
    assert asked(default(site, "/ü b = one"), "/ü b/c") == ["/ü b one"]


def test_what_cannot_be_served_comes_last_at_its_path_and_says_so(site: Path) -> None:
    host = default(site, "/ = nothing\n/ = one\n/b = nothing:app")
    assert asked(host, "/") == ["/ one", "/ nothing"]
    good, bad = host.match("/")
    assert (good.problem, bad.problem is None) == (None, False)
    assert asked(host, "/b")[0] == "/b nothing:app"


def test_the_kind_of_a_mount(site: Path) -> None:
    assert [mount.kind for mount in default(site, README).match("/")] == ["static", "app"]


# -- the slash at the end


@pytest.mark.parametrize(
    ("path", "location"),
    [
        ("/about/", "/about"),
        ("/about", None),
        ("/about/x/", None),
        ("/shop", "/shop/"),
        ("/shop/", None),
        ("/shop/x", None),
        ("/", None),
        ("", None),
        ("//about/", None),
        ("/ü b/", "/%C3%BC%20b"),
        ("/files", None),
        ("/files/", None),
    ],
)
def test_slash_redirects(site: Path, path: str, location: str | None) -> None:
    lines = "/ = one\n/about = one\n/shop/ = two\n/ü b = three\n/files = static\n/files = two"
    assert default(site, lines).slash_redirect(path) == location


def test_two_spellings_of_one_path_do_not_send_a_client_to_and_fro(site: Path) -> None:
    host = default(site, "/a = nothing:app\n/a/ = one")
    assert host.slash_redirect("/a") == "/a/"
    assert host.slash_redirect("/a/") is None


# -- options


def test_options_go_from_the_general_to_the_special(site: Path) -> None:
    found = table(
        site,
        "/ = one\n/shop = two\n: x.com y.com\n/shop = three",
        """[server]
static_max_age = 5
response_timeout = 6
[mount /shop]
response_timeout = 7
body_max = 1k
[mount y.com/shop]
body_max = 2k
""",
    )

    def options(host: str, path: str) -> tuple[float, int, int]:
        virtual_host = found.host(host)
        assert virtual_host is not None
        chosen = virtual_host.match(path)[0].options
        return chosen.response_timeout, chosen.body_max, chosen.static_max_age

    assert options("other", "/") == (6.0, 1 << 30, 5)
    assert options("other", "/shop") == (7.0, 1024, 5)
    assert options("x.com", "/shop") == (7.0, 1024, 5)
    assert options("y.com", "/shop") == (7.0, 2048, 5)


def test_index_files_have_a_default(site: Path) -> None:
    assert default(site, README).match("/")[0].options.index == ("index.html", "index.htm")


# -- hosts


@pytest.mark.parametrize(
    ("authority", "name"),
    [
        ("www.x.com", "www.x.com"),
        ("WWW.X.com:8080", "www.x.com"),
        ("www.x.com.", "www.x.com"),
        ("www.x.com.:80", "www.x.com"),
        ("127.0.0.1:5000", "127.0.0.1"),
        ("[::1]:5000", "::1"),
        ("[::A]", "::a"),
        ("[", ""),
        ("", ""),
        (":80", ""),
    ],
)
def test_host_name(authority: str, name: str) -> None:
    assert host_name(authority) == name


def test_virtual_hosts(site: Path) -> None:
    hosts = table(site, "/ = one\n: www.x.com x.com\n/ = two\n: .x.com [::1]\n/ = three")

    def target(authority: str) -> str:
        for _ in range(2):  # worked out, then remembered
            host = hosts.host(authority)
            assert host is not None
        return host.match("/")[0].target.text

    assert target("www.x.com") == target("X.com:81") == target("x.com.") == "two"
    assert target("a.x.com") == target("a.b.x.com:1") == target("[::1]:5000") == "three"
    assert target("") == target("y.com") == target("ax.com") == "one"


def test_without_a_default_a_stranger_has_no_host(site: Path) -> None:
    hosts = table(site, ": x.com\n/ = one")
    assert hosts.host("y.com") is None
    assert hosts.host("") is None
    assert hosts.host("x.com") is not None


def test_a_host_that_redirects(site: Path) -> None:
    hosts = table(site, ": www.x.com\n/ = one\n: x.com", "[host x.com]\nredirect_to = https://www.x.com:81\n")
    bare, www = hosts.host("x.com"), hosts.host("www.x.com")
    assert bare is not None
    assert www is not None
    assert (bare.redirect_to, bare.match("/")) == ("https://www.x.com:81", ())
    assert www.redirect_to == ""


def test_without_routes_there_is_no_host(site: Path) -> None:
    assert table(site, "").host("x.com") is None


def test_made_up_hosts_do_not_fill_the_memory(site: Path) -> None:
    hosts = table(site, "/ = one")
    for number in range(5000):
        hosts.host(f"{number}.example.com")
    assert len(hosts._remembered) <= 1024
    for number in range(2000):
        assert hosts.host(f"{number}.example.com".rjust(8000, "x")) is hosts.host("example.com")
    assert max(map(len, hosts._remembered)) < 300


def test_threads_that_ask_at_once_get_the_same_answers(site: Path) -> None:
    hosts = table(site, "/ = one\n: .x.com\n/ = two")
    wrong: list[str] = []

    def ask(seed: int) -> None:
        for number in range(3000):
            name = f"{(number * seed) % 1500}.x.com"
            host = hosts.host(name)
            if host is None or host.name != ".x.com":
                wrong.append(name)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        threads = [threading.Thread(target=ask, args=(seed,)) for seed in (1, 7, 11, 13)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert wrong == []
