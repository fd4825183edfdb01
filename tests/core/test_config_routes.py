"""The lines of [routes:line]: hosts, paths, and what targets are found without importing them."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest

from skitai.core.config import AppTarget, ConfigErrors, Route, StaticTarget, load
from skitai.core.config.routelines import find_rule, read_host_rule, read_path
from skitai.core.config.targets import Target

BOOM = "raise SystemExit('a configuration never imports')"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("static", "apps", "apps/pkg", "pkg", "lib/vendored"):
        (tmp_path / name).mkdir(parents=True)
    for file in (
        "wsgiapp.py",
        "apps/blog.py",
        "apps/my-app.py",
        "apps/pkg/__init__.py",
        "apps/pkg/web.py",
        "pkg/__init__.py",
        "pkg/web.py",
        "lib/vendored/__init__.py",
        "lib/vendored/web.py",
    ):
        (tmp_path / file).write_text(BOOM)
    (tmp_path / "static" / "logo.png").write_bytes(b"")
    return tmp_path


def routes(lines: str, base: Path, server: str = "") -> tuple[Route, ...]:
    return load(Path("x.conf"), text=f"[routes:line]\n{lines}\n[server]\n{server}\n", base=base).routes


def target(text: str, base: Path, server: str = "") -> Target:
    (route,) = routes(f"/ = {text}", base, server)
    assert route.problem is None
    return route.target


def problem(text: str, base: Path) -> str:
    (route,) = routes(f"/ = {text}", base)
    assert route.problem is not None
    return str(route.problem)


def complaints(lines: str, base: Path) -> list[str]:
    with pytest.raises(ConfigErrors) as caught:
        routes(lines, base)
    return [str(error) for error in caught.value.errors]


# -- targets


def test_an_existing_folder_is_static(folder: Path) -> None:
    assert target("static", folder) == StaticTarget(folder / "static", "static")
    assert target(f"{folder}/static/", folder) == StaticTarget(folder / "static", f"{folder}/static/")


@pytest.mark.parametrize(
    ("text", "where", "module", "attribute"),
    [
        ("apps/blog:app", "apps", "blog", "app"),
        ("apps/blog", "apps", "blog", "app"),
        ("./apps/blog:site.app", "apps", "blog", "site.app"),
        ("apps/my-app:app", "apps", "my-app", "app"),
        ("apps/pkg:app", "apps", "pkg", "app"),
        ("apps/pkg.web:app", "apps", "pkg.web", "app"),
        ("wsgiapp:app", ".", "wsgiapp", "app"),
        ("wsgiapp", ".", "wsgiapp", "app"),
        ("pkg:app", ".", "pkg", "app"),
        ("pkg.web:app", ".", "pkg.web", "app"),
        ("wsgiapp:make('a/b:c', debug=True)", ".", "wsgiapp", "make('a/b:c', debug=True)"),
    ],
)
def test_an_application_by_path(folder: Path, text: str, where: str, module: str, attribute: str) -> None:
    assert target(text, folder) == AppTarget(folder / where, module, attribute, text)


def test_an_absolute_application(folder: Path) -> None:
    found = target(f"{folder}/apps/blog:app", Path("/nowhere"))
    assert isinstance(found, AppTarget)
    assert (found.directory, found.module, str(found)) == (folder / "apps", "blog", f"{folder}/apps/blog:app")


def test_an_application_on_the_import_path(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert target("wsgiref.simple_server:demo_app", folder) == AppTarget(
        None, "wsgiref.simple_server", "demo_app", "wsgiref.simple_server:demo_app"
    )
    assert target("vendored.web:app", folder, "python_path = lib").kind == "app"
    assert "vendored" in problem("vendored.web:app", folder)
    monkeypatch.syspath_prepend(folder / "lib")
    assert str(target("vendored.web:app", folder)) == "vendored.web:app"
    assert "vendored" not in sys.modules


def test_a_module_that_the_import_system_knows_nothing_about(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made_up = ModuleType("made_up")
    made_up.__spec__ = None
    monkeypatch.setitem(sys.modules, "made_up", made_up)
    assert "nothing to serve" in problem("made_up:app", folder)


def test_folders_may_have_names_that_look_like_syntax(tmp_path: Path) -> None:
    odd = tmp_path / "a:b (copy)"
    odd.mkdir()
    (odd / "blog.py").write_text(BOOM)
    assert target(f"{odd}/blog:app", tmp_path) == AppTarget(odd, "blog", "app", f"{odd}/blog:app")
    assert target("blog:app", odd) == AppTarget(odd, "blog", "app", "blog:app")
    assert target(str(odd), tmp_path) == StaticTarget(odd, str(odd))


def test_a_name_too_long_for_the_disk_is_only_missing(folder: Path) -> None:
    assert "nothing to serve" in problem("x" * 5000, folder)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("apps/blgo:app", ["neither a folder", "nor a module", "apps/blgo.py", "did you mean 'blog'?"]),
        ("statik", ["nothing to serve at 'statik'", "did you mean 'static'?"]),
        ("app/blog:app", ["there is no folder", "/app"]),
        ("wsgiapp.py", ["names a file", "write the module 'wsgiapp'"]),
        ("apps/blog.py:app", ["names a file", "write the module 'blog'"]),
        ("static/logo.png", ["is a file", "a folder or to an application"]),
        ("apps/pkg", ["is a Python package", "write apps/pkg:app"]),
        ("wsgiref.nothing:app", ["nothing to serve"]),
        ("static:app", ["neither a folder", "static.py"]),
    ],
)
def test_what_is_not_there_is_a_problem_of_its_route(folder: Path, text: str, words: list[str]) -> None:
    found = problem(text, folder)
    assert found.startswith("x.conf:2: ")
    for word in words:
        assert word in found


def test_the_rest_is_served_when_one_target_is_missing(folder: Path) -> None:
    good, bad = routes("/ = static\n/blog = apps/nothing:app", folder)
    assert (good.problem, bad.problem is None) == (None, False)
    assert bad.target == AppTarget(folder / "apps", "nothing", "app", "apps/nothing:app")


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("/ = wsgiapp:", "'wsgiapp:' is no target; write a folder or path/module:callable"),
        ("/ = wsgiapp:a-b", "'wsgiapp:a-b' is no target"),
        ('/ = "my apps/blog:app"', "is no target; write a folder or path/module:callable without quotes"),
        ("/ = apps/blog:a.b(", "'apps/blog:a.b(' is no target"),
        ("/ = ~nobody-of-this-name/app", "names a home that cannot be found"),
        ("/ = :app", "':app' is no target"),
        ("/ =", "/ leads nowhere"),
        ("www.x.com", "'www.x.com' is not 'path = target'; hosts stand behind a colon"),
        ("shop = static", "'shop' is not a path; write /shop"),
        ("//a = static", "empty or dotted segment"),
        ("/a/../b = static", "empty or dotted segment"),
        ("/a%20b = static", "write it decoded"),
        ("/a?b = static", "without a query"),
    ],
)
def test_a_line_that_says_nothing_sensible(folder: Path, line: str, complaint: str) -> None:
    (text,) = complaints(line, folder)
    assert text.startswith("x.conf:2: ")
    assert complaint in text


# -- paths and hosts


@pytest.mark.parametrize(
    ("text", "path"),
    [("/", ("", False)), ("/a", ("/a", False)), ("/a/b/", ("/a/b", True)), ("/ü b", ("/ü b", False))],
)
def test_a_path(text: str, path: tuple[str, bool]) -> None:
    assert read_path(text) == path


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("WWW.My.com", "www.my.com"),
        ("my.com.", "my.com"),
        (".My.com", ".my.com"),
        ("*", "default"),
        ("default", "default"),
        ("[0::1]", "::1"),
        ("10.0.0.1", "10.0.0.1"),
        ("münchen.de", "xn--mnchen-3ya.de"),
        ("a_b.local", "a_b.local"),
    ],
)
def test_a_host_rule(text: str, rule: str) -> None:
    assert read_host_rule(text) == rule


def test_hosts_of_the_readme(folder: Path) -> None:
    found = routes(
        """
    / = static
    : default
    /a = static
    ; exactly matching host
    : www.mydomain.com mydomain.com
    / = static
    : .mydomain.com
    / = static
    : *
    /b = static""",
        folder,
    )
    assert [(route.hosts, route.path, route.line) for route in found] == [
        (("default",), "", 3),
        (("default",), "/a", 5),
        (("www.mydomain.com", "mydomain.com"), "", 8),
        ((".mydomain.com",), "", 10),
        (("default",), "/b", 12),
    ]


@pytest.mark.parametrize(
    ("header", "complaint"),
    [
        (":", "a header without a host"),
        (": *.my.com", "write .my.com for a domain and all hosts below it"),
        (": my.com:80", "write it without a port"),
        (": [::g]", "not an IPv6 address"),
        (": my..com", "'my..com' is not a host"),
        (": ü..com", "'ü..com' is not a host"),
        (": http//x", "'http//x' is not a host"),
    ],
)
def test_a_header_that_cannot_be_read_takes_its_lines_with_it(
    folder: Path, header: str, complaint: str
) -> None:
    (text,) = complaints(f"/ = static\n{header}\n/ = static", folder)
    assert text.startswith("x.conf:3: ")
    assert complaint in text


def test_a_host_in_two_different_headers(folder: Path) -> None:
    assert complaints(": a.com\n/ = static\n: b.com a.com\n/ = static", folder) == [
        "x.conf:4: a.com stands already in line 2 beside other hosts; "
        "name a host in one header, or repeat the whole header"
    ]


def test_a_header_may_be_repeated_whole(folder: Path) -> None:
    first, second = routes(": a.com b.com\n/ = static\n: b.com a.com\n/x = static", folder)
    assert set(first.hosts) == set(second.hosts)


# -- two targets at one path


def test_a_folder_and_an_application_share_a_path(folder: Path) -> None:
    assert len(routes("/ = static\n/ = wsgiapp:app", folder)) == 2


def test_two_applications_at_one_path_name_both_lines(folder: Path) -> None:
    assert complaints("/a = wsgiapp:app\n: x.com\n/a = wsgiapp\n: default\n/a/ = apps/blog", folder) == [
        "x.conf:6: /a of host default leads to a second application, the first is in line 2; keep one"
    ]


def test_two_folders_at_one_path_name_both_lines(folder: Path) -> None:
    assert complaints("/ = static\n/ = apps", folder) == [
        "x.conf:3: / of host default leads to a second folder, the first is in line 2; keep one"
    ]


def test_a_target_that_is_missing_collides_with_nothing(folder: Path) -> None:
    broken, good = routes("/ = statik\n/ = wsgiapp", folder)
    assert (broken.problem is None, good.problem) == (False, None)


# -- which rule takes a host


@pytest.mark.parametrize(
    ("host", "rule"),
    [
        ("www.my.com", "www.my.com"),
        ("my.com", ".my.com"),
        ("a.b.my.com", ".my.com"),
        ("x.deep.my.com", ".deep.my.com"),
        ("deep.my.com", ".deep.my.com"),
        ("notmy.com", "default"),
        ("my.com.evil.com", "default"),
        ("", "default"),
        ("." * 5000 + "my.com", "default"),
    ],
)
def test_find_rule(host: str, rule: str) -> None:
    assert find_rule(host, {"www.my.com", ".my.com", ".deep.my.com", "default"}) == rule


def test_find_rule_without_a_default() -> None:
    assert find_rule("other.com", {"my.com"}) is None
