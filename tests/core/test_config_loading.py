"""Settings from file, environment and command line, and what is told when they are wrong."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from skitai.core.config import (
    Address,
    AppTarget,
    ClusterTarget,
    ConfigErrors,
    Settings,
    StaticTarget,
    for_app,
    load,
    loading,
)
from skitai.errors import ConfigError
from skitai.limits import Limits


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder with an application and static files."""
    (tmp_path / "static").mkdir()
    (tmp_path / "blog.py").write_text("raise SystemExit('a configuration never imports')")
    return tmp_path


def read(text: str, base: Path = Path("/base"), **sources: dict[str, str]) -> Settings:
    return load(Path("x.conf"), text=text, base=base, **sources)


def complaints(text: str, base: Path = Path("/base"), **sources: dict[str, str]) -> list[str]:
    with pytest.raises(ConfigErrors) as caught:
        read(text, base, **sources)
    return str(caught.value).split("\n")


def test_without_anything_there_are_the_defaults() -> None:
    settings = load(None)
    assert settings.server.threads == 8
    assert settings.limits == Limits()
    assert [listener.address for listener in settings.listeners] == [Address("", 5000)]
    assert settings.origin("server", "threads") == "default"
    assert (settings.routes, settings.mounts, settings.hosts, settings.problems) == ((), (), (), ())
    assert settings.clusters == ()


def test_settings_cannot_be_changed() -> None:
    settings = load(None)
    with pytest.raises(FrozenInstanceError):
        settings.server.threads = 1  # type: ignore[misc]  # the point of the test


def test_the_sources_win_over_each_other_in_their_order() -> None:
    text = "[server]\nthreads = 1\nport = 1\nname = one\n"
    settings = read(
        text,
        environ={"SKITAI_THREADS": "2", "SKITAI_PORT": "2", "SKITAI_UNRELATED": "x"},
        overrides={"threads": "3"},
    )
    assert (settings.server.threads, settings.server.port, settings.server.name) == (3, 2, "one")
    assert settings.origin("server", "threads") == "command line --threads"
    assert settings.origin("server", "port") == "environment SKITAI_PORT"
    assert settings.origin("server", "name") == "x.conf:4"
    assert settings.origin("server", "keep_alive") == "default"


def test_limits_are_keys_of_server() -> None:
    settings = read("[server]\nbody_max = 64k\nkeep_alive = 500ms\nheader_fields_max = 7\n")
    assert settings.limits == Limits(body_max=65536, keep_alive=0.5, header_fields_max=7)
    assert isinstance(settings.limits.header_fields_max, int)


def test_every_problem_is_told_in_the_order_of_the_file() -> None:
    text = """[server]
threads = many
keep-alive = 5
[rotues:line]
/ = static
[server:line]
[mount /shop]
body_max = 1x
"""
    assert complaints(text, overrides={"threds": "3"}, environ={"SKITAI_PORT": "http"}) == [
        "environment SKITAI_PORT: port = http: not a whole number",
        "command line: there is no setting 'threds'; did you mean 'threads'?",
        "x.conf:2: threads = many: not a whole number",
        "x.conf:3: [server] has no key 'keep-alive'; did you mean 'keep_alive'?",
        "x.conf:4: there is no section [rotues]; did you mean 'routes'?",
        "x.conf:6: [server] stands already in line 1; keep one",
        "x.conf:7: [mount /shop]: no route begins with /shop",
        "x.conf:8: body_max = 1x: not a size; write 65536, 64k, 1m or 1g",
    ]


def test_a_config_errors_is_a_config_error_of_its_first_problem() -> None:
    with pytest.raises(ConfigError) as caught:
        read("[server]\n\nport = 0x50\n")
    assert (caught.value.file, caught.value.line) == ("x.conf", 3)


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("threads =", "threads = : the value is empty; leave the line out for the default"),
        ("threads = 20000", "threads = 20000: more than 10000"),
        ("port = 70000", "port = 70000: more than 65535"),
        ("processes = 0", "processes = 0: less than 1"),
        (
            "ssl = yes",
            "ssl = yes needs a certificate; write certfile = server.pem; "
            "`skitai cert` makes one for your own machine",
        ),
        ("verify = required", "verify = required without TLS: nobody would be verified; write ssl = yes"),
        (
            "proxy_allow = a b",
            "proxy_allow = a b: 'a b' is no target; "
            "write host.example.com, .example.com, host:993 or 10.1.0.0/16",
        ),
        ("response_timeout = 0", "response_timeout = 0: less than 0.001"),
        ("pass_phrase = x", "[server] has no key 'pass_phrase'; did you mean 'passphrase'?"),
        ("Threads = 4", "[server] has no key 'Threads'; did you mean 'threads'?"),
        ("zzz = 4", "[server] has no key 'zzz'"),
    ],
)
def test_a_line_of_server_is_refused(line: str, complaint: str) -> None:
    assert complaints(f"[server]\n{line}\n") == [f"x.conf:2: {complaint}"]


def test_name_servers_of_our_own_need_pycares(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read("[server]\ndns = 10.0.0.53, [fd00::53]:5353\n").server.dns == ("10.0.0.53", "[fd00::53]:5353")
    monkeypatch.setattr(loading.importlib.util, "find_spec", lambda name: None)
    assert complaints("[server]\ndns = 10.0.0.53\n") == [
        "x.conf:2: dns: who asks name servers needs pycares: pip install skitai[dns], or write system"
    ]
    assert read("[server]\ndns = system\n").server.dns == ("system",)


def test_several_processes_need_the_master() -> None:
    assert complaints("[server]\nprocesses = 2\nmaster = no\n") == [
        "x.conf:3: master = no: more than one process needs it: write auto"
    ]


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ("processes = 2", "processes: Windows has one only: write 1"),
        ("master = yes", "master = yes: there is none on Windows: write auto"),
    ],
)
def test_windows_has_no_master(given: str, complaint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("skitai.core.config.loading._POSIX", False)
    assert complaints(f"[server]\n{given}\n") == [f"x.conf:2: {complaint}"]


def test_what_a_stronger_source_hides_is_still_told() -> None:
    assert complaints("[server]\nthreads = x", overrides={"threads": "3"}) == [
        "x.conf:2: threads = x: not a whole number"
    ]


def test_secrets_are_not_told() -> None:
    (text,) = complaints("", environ={"SKITAI_PASSPHRASE": "se\x00cret"})
    assert text == "environment SKITAI_PASSPHRASE: passphrase: a control character in the value"
    assert "hunter2" not in repr(read("[server]\npassphrase = hunter2\n"))


def test_a_variable_that_is_nearly_a_key_is_a_slip_and_others_are_nobodys_business() -> None:
    others = {"SKITAI_PURE": "1", "SKITAI_PORT_5000_TCP_PROTO": "tcp", "SKITAI_SERVICE_HOST": "10.0.0.1"}
    assert complaints("", environ={"SKITAI_THREAD": "4", **others}) == [
        "environment: SKITAI_THREAD is no setting; did you mean SKITAI_THREADS?"
    ]


def test_what_kubernetes_puts_into_the_environment_is_explained() -> None:
    (text,) = complaints("", environ={"SKITAI_PORT": "tcp://10.0.0.1:5000"})
    assert "Kubernetes" in text


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (
            "[routes]\n/ = static",
            "x.conf:1: [routes] is not how this section is written; write [routes:line]",
        ),
        ("[server a]", "x.conf:1: [server a] is not how this section is written; write [server]"),
        ("[mount]", "x.conf:1: [mount] is not how this section is written; write [mount /path]"),
        ("[@search:line]\na:80", "x.conf:1: [@search] is not how this section is written; write [@name]"),
        (
            "[@search one]\nmembers = a:80",
            "x.conf:1: [@search one] is not how this section is written; write [@name]",
        ),
    ],
)
def test_a_section_that_cannot_be(text: str, complaint: str) -> None:
    assert complaints(text) == [complaint]


@pytest.mark.parametrize("name", ["none.conf", "none/none.conf"])
def test_a_file_that_is_not_there_is_one_problem(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigErrors, match="there is no such file") as caught:
        load(tmp_path / name)
    assert len(caught.value.errors) == 1


# -- paths


def test_paths_of_the_file_are_below_its_folder_and_others_below_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "work").mkdir()
    file = tmp_path / "etc" / "x.conf"
    file.write_text("[server]\nspool_dir = spool\nlog_path = logs\n")
    monkeypatch.chdir(tmp_path / "work")
    settings = load(Path("../etc/x.conf"), overrides={"log_path": "logs"})
    assert settings.server.spool_dir is not None
    assert settings.server.spool_dir.resolve() == tmp_path / "etc" / "spool"
    assert settings.server.log_path == tmp_path / "work" / "logs"


def test_import_path_is_python_path_and_chdir(tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    settings = read("[server]\npython_path = lib, /opt/lib\nchdir = app\n", tmp_path)
    assert settings.import_path == (tmp_path / "lib", Path("/opt/lib"), tmp_path / "app")


def test_a_working_directory_that_is_missing_stops_the_start() -> None:
    assert complaints("[server]\nchdir = app\n") == ["x.conf:2: chdir: there is no folder /base/app"]


def test_quotes_are_not_taken_for_a_part_of_a_value() -> None:
    text = '[server]\nlog_path = "/var/log/x"\nname = \'mine\'\npassphrase = "of the key"\n'
    assert complaints(text) == [
        'x.conf:2: log_path = "/var/log/x": quotes would belong to the value; write it without them',
        "x.conf:3: name = 'mine': quotes would belong to the value; write it without them",
    ]


def test_a_target_that_cannot_be_read_is_one_complaint() -> None:
    with pytest.raises(ConfigErrors) as caught:
        for_app("blog:app(")
    assert len(caught.value.errors) == 1


def test_a_file_without_routes_has_nothing_to_serve() -> None:
    (problem,) = read("[server]\nthreads = 2\n[routes:line]\n").problems
    assert str(problem) == "x.conf: there is nothing to serve; write a route: [routes:line] and / = folder"


# -- listeners


def test_ip_and_port_make_one_listener() -> None:
    (listener,) = read("[server]\nip = 127.0.0.1\nport = 81\nbacklog = 5\n").listeners
    assert (listener.address, listener.backlog) == (Address("127.0.0.1", 81), 5)


def test_listen_sections() -> None:
    text = """[server]
socket_mode = 600
[listen public]
address = :81
[listen local]
address = unix:run/x.sock
socket_mode = 666
backlog = 9
"""
    public, local = read(text).listeners
    assert (public.name, public.address, public.socket_mode) == ("public", Address("", 81), 0o600)
    assert (local.address.path, local.socket_mode, local.backlog) == (Path("/base/run/x.sock"), 0o666, 9)


def test_listen_sections_contradict_ip_and_port_unless_these_say_the_default() -> None:
    assert len(read("[server]\nport = 5000\nip =\n[listen a]\naddress = :81\n").listeners) == 1
    assert complaints("[server]\nport = 80\n[listen a]\naddress = :81\n") == [
        "x.conf:2: port stands beside [listen a]; keep one of them"
    ]
    assert complaints("[listen a]\naddress = :81\n", overrides={"ip": "::1"}) == [
        "command line --ip: ip stands beside [listen a]; keep one of them"
    ]


def test_bind_of_the_command_line_replaces_what_the_file_says() -> None:
    text = "[server]\nport = 80\n[listen a]\naddress = :81\n"
    # [listen] beside port is a contradiction of the file; bind leaves neither of them a say.
    settings = read(text, overrides={"bind": "127.0.0.1:82, unix:/run/x"})
    assert [str(listener.address) for listener in settings.listeners] == ["127.0.0.1:82", "unix:/run/x"]


@pytest.mark.parametrize(
    ("text", "sources", "complaint"),
    [
        ("[server]\nbind = :1\nport = 2", {}, "x.conf:3: port stands beside bind (x.conf:2)"),
        ("[server]\nbind = :1\n[listen a]\naddress = :2", {}, "x.conf:2: bind stands beside [listen a]"),
        (
            "[server]\nbind = :1",
            {"overrides": {"port": "2"}},
            "command line --port: port stands beside bind (x.conf:2)",
        ),
    ],
)
def test_bind_contradicts_ip_and_port(text: str, sources: dict[str, dict[str, str]], complaint: str) -> None:
    assert complaints(text, **sources) == [complaint + "; keep one of them"]


def test_a_listen_section_needs_an_address_of_its_own() -> None:
    assert complaints("[listen a]\nbacklog = 5\n[listen b]\naddress = :1\n[listen c]\naddress = :1\n") == [
        "x.conf:1: [listen a] lacks address; "
        "127.0.0.1:5000, [::1]:5000, :5000 (every interface), unix:/path or systemd:NAME",
        "x.conf:5: [listen c] has the address of [listen b] in line 3; keep one",
    ]


def test_two_ports_that_the_system_chooses_are_two() -> None:
    assert len(read("[listen a]\naddress = :0\n[listen b]\naddress = :0\n").listeners) == 2


# -- mounts and hosts


def test_the_bus() -> None:
    assert read("[routes:line]\n/ = /tmp\n").bus.url == ""
    bus = read("[bus]\nurl = rediss://:secret@host/3\nprefix = site\n[routes:line]\n/ = /tmp\n").bus
    assert (bus.url, bus.prefix) == ("rediss://:secret@host/3", "site")
    for url in ("http://host", "redis://", "redis://host:x", "redis://host/a"):
        (complaint,) = complaints(f"[bus]\nurl = {url}\n[routes:line]\n/ = /tmp\n")
        assert "redis://host:6379" in complaint


def test_the_bus_by_the_environment() -> None:
    text = "[bus]\nurl = redis://here\nprefix = site\n[routes:line]\n/ = /tmp\n"
    settings = read(text, environ={"SKITAI_BUS_URL": "redis://there"})
    assert (settings.bus.url, settings.bus.prefix) == ("redis://there", "site")
    assert settings.origin("bus", "url") == "environment SKITAI_BUS_URL"
    (complaint,) = complaints(text, environ={"SKITAI_BUS_URL": "http://there"})
    assert "SKITAI_BUS_URL" in complaint
    (complaint,) = complaints(text, environ={"SKITAI_BUS_URI": "redis://there"})
    assert "did you mean SKITAI_BUS_URL?" in complaint
    without_file = for_app("tests.live.apps.messages:app", environ={"SKITAI_BUS_PREFIX": "site"})
    assert without_file.bus.prefix == "site"


def test_mount_sections(site: Path) -> None:
    text = """[routes:line]
/ = static
: www.x.com
/shop/ = blog
[mount /]
index = home.html, index.html
static_max_age = 1h
[mount WWW.x.com/shop]
response_timeout = 30
body_max = 1m
"""
    root, shop = read(text, site).mounts
    assert (root.host, root.path) == ("", "")
    assert root.values == {"index": ("home.html", "index.html"), "static_max_age": 3600}
    assert (shop.host, shop.path) == ("www.x.com", "/shop")
    assert shop.values == {"response_timeout": 30.0, "body_max": 1 << 20}
    assert read(text, site).origin("mount www.x.com/shop", "body_max") == "x.conf:10"


@pytest.mark.parametrize(
    ("section", "complaint"),
    [
        ("[mount /shpo]", "[mount /shpo]: no route begins with /shpo; did you mean '/shop'?"),
        ("[mount www.x.com/]", "[mount www.x.com/]: no route begins with /"),
        ("[mount www.x.co/shop]", "[mount www.x.co/shop]: no routes are for host www.x.co;"),
        (
            "[mount shop]",
            "[mount shop]: 'shop' has no path; write [mount /shop], or [mount shop/] for a host",
        ),
        ("[mount /shop]\nthreads = 4", "[mount /shop] has no key 'threads'"),
        ("[mount /shop]\nbody_max = 2g", "body_max of [mount /shop] is above that of [server]"),
        ("[mount /shop]\n[mount /shop/]", "[mount /shop/] says the same as [mount /shop] in line 5"),
        ("[host www.x.co]\nredirect_to = http://a", "[host www.x.co]: no routes are for host www.x.co;"),
        (
            "[host www.x.com]\nkeyfile = x.key",
            "x.conf:6: [host www.x.com] has a keyfile but no certfile; name both",
        ),
        (
            "[mount /shop]\ncache_control = *.js: no-cahce",
            "x.conf:6: cache_control = *.js: no-cahce: 'no-cahce' is no directive of Cache-Control; "
            "did you mean 'no-cache'?",
        ),
        ("[host www.x.com]\nerror_pages = none", "x.conf:6: error_pages = none: there is no such folder"),
        (
            "[host www.x.com]\nredirect_to = http://a\n[host WWW.x.com]\nredirect_to = http://b",
            "x.conf:7: [host WWW.x.com]: www.x.com has a section already; keep one",
        ),
        ("[host www.x.com]\nredirect_to = www.a", "redirect_to = www.a: not the address of a site"),
        ("[host www.x.com]\nredirect_to = https://WWW.X.com:81", "sends its requests back to itself"),
    ],
)
def test_a_section_that_fits_no_route_is_refused(site: Path, section: str, complaint: str) -> None:
    routes = "[routes:line]\n/ = static\n: www.x.com\n/shop = blog\n"
    (text,) = complaints(routes + section, site)
    assert complaint in text


def test_a_host_that_only_redirects_needs_no_routes(site: Path) -> None:
    text = """[routes:line]
: x.com
: .y.com
: www.x.com
/ = static
[host x.com]
redirect_to = https://www.x.com/
[host .y.com]
redirect_to = https://www.x.com
"""
    settings = read(text, site)
    assert [(host.name, host.redirect_to) for host in settings.hosts] == [
        ("x.com", "https://www.x.com"),
        (".y.com", "https://www.x.com"),
    ]
    assert complaints("[routes:line]\n: x.com\n: www.x.com\n/ = static\n", site) == [
        "x.conf:2: host x.com has no routes; write some below its header"
    ]


def test_a_domain_that_redirects_into_itself_is_refused(site: Path) -> None:
    routes = "[routes:line]\n: .x.com\n[host .x.com]\nredirect_to = https://www.x.com\n"
    assert complaints(routes, site) == ["x.conf:4: [host .x.com] sends its requests back to itself"]


def test_a_route_that_cannot_be_read_is_told_once(site: Path) -> None:
    text = "[routes:line]\n/ = static\n/search = x:\n[mount /search]\nbody_max = 1m\n"
    assert complaints(text, site) == ["x.conf:3: 'x:' is no target; write a folder or path/module:callable"]


CLUSTERS = "[@search]\nmembers = a\n[@db]\ntype = postgresql\nmembers = a/b/c/d\n[routes:line]\n"


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("@serch", "x.conf:7: there is no cluster @serch; did you mean '@search'?"),
        ("@db", "x.conf:7: @db is a cluster of type postgresql; requests are for members that speak HTTP"),
    ],
)
def test_a_cluster_that_cannot_be_asked_is_a_problem_of_its_route(name: str, problem: str) -> None:
    settings = load(Path("x.conf"), text=f"{CLUSTERS}/a = {name}\n/b = @search\n")
    assert [str(found) for found in settings.problems] == [problem]
    assert settings.routes[1].target == ClusterTarget("search")


def test_an_application_and_a_cluster_at_one_path_are_one_too_many(site: Path) -> None:
    assert complaints(CLUSTERS + "/ = @search\n/ = blog:app\n", site) == [
        "x.conf:8: / of host default leads to a second application, the first is in line 7; keep one"
    ]


# -- without a file


def test_for_app_has_one_route(site: Path) -> None:
    settings = for_app("blog:app", base=site, overrides={"port": "81"})
    (route,) = settings.routes
    assert (route.hosts, route.path, route.problem) == (("default",), "", None)
    assert route.target == AppTarget(None, "blog", "app", "blog:app")
    assert settings.import_path == (site,)
    assert settings.server.port == 81


def test_for_app_serves_a_folder_too(site: Path) -> None:
    (route,) = for_app("static", base=site).routes
    assert route.target == StaticTarget(site / "static", "static")


def test_for_app_looks_in_chdir(site: Path) -> None:
    settings = for_app("static", overrides={"chdir": str(site)})
    assert settings.base == site
    assert settings.problems == ()


def test_for_app_says_what_it_looked_for(site: Path) -> None:
    settings = for_app("blgo:app", base=site)
    (problem,) = settings.problems
    assert "blgo.py" in str(problem)
    assert problem.hint == "did you mean 'blog'?"
    assert str(problem).startswith("command line: nothing to serve at 'blgo:app'")


def test_for_app_refuses_what_is_no_target(site: Path) -> None:
    with pytest.raises(ConfigErrors, match="is no target"):
        for_app("x:", base=site)
