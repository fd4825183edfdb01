"""What is made of the key table: --print-config, command line flags, docs/configuration.md."""

from __future__ import annotations

import re
from argparse import ArgumentParser
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skitai.core.config import ConfigErrors, Settings, add_flags, describe, for_app, given_flags, load
from skitai.core.config.reference import renewed
from skitai.core.config.settings import TABLES

DOCUMENT = Path(__file__).parents[2] / "docs" / "configuration.md"

FULL = """[server]
threads = 0
keep_alive = 1500ms
body_max = 3m
ip =
python_path = lib, other
trusted_proxies = 10.0.0.0/8, unix
passphrase = hunter2
access_log = off
[listen public]
address = [::1]:81
[listen local]
address = unix:x.sock
socket_mode = 600
[routes:line]
/ = static
/shop/ = blog:make('x')
/gone = nothing:app
: www.x.com [::1]
/ = static
: x.com
[mount /shop]
response_timeout = 1.5
index = home.html
[mount [::1]/]
static_max_age = 0
[host x.com]
redirect_to = https://www.x.com
[host www.x.com]
certfile = x.pem
passphrase = swordfish
https_only = yes
hsts = 365d; includesubdomains
[@search]
members = a, b:81 3, [::1]:82, dns:pods.example.com:80, dns:_http._tcp.example.com
hedge = p99.9
decay_time = 1500ms
[@people]
type = postresql
members = db:5432/people/hans/sw/ordfish
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "static").mkdir()
    (tmp_path / "blog.py").write_text("")
    return tmp_path


def again(settings: Settings) -> Settings:
    return load(None, text=describe(settings), base=settings.base)


def without_origins(settings: Settings) -> Settings:
    """``settings`` as far as they do not say where they came from."""
    routes = tuple(
        replace(route, line=0, problem=None, target=replace(route.target, text=""))
        for route in settings.routes
    )
    return replace(
        settings,
        file=None,
        origins=MappingProxyType({}),
        routes=routes,
        server=replace(settings.server, passphrase=""),
        listeners=tuple(replace(listener, passphrase="") for listener in settings.listeners),
        hosts=tuple(replace(host, passphrase="") for host in settings.hosts),
        clusters=tuple(cluster for cluster in settings.clusters if cluster.type == "http"),
    )


def test_what_is_printed_loads_to_the_same_settings(site: Path) -> None:
    settings = load(Path("x.conf"), text=FULL, base=site, environ={"SKITAI_BACKLOG": "7"})
    assert without_origins(again(settings)) == without_origins(settings)
    assert len(again(settings).problems) == 1


def test_bind_replaces_ip_port_and_listen_when_printed_too(site: Path) -> None:
    settings = load(Path("x.conf"), text=FULL, base=site, overrides={"bind": ":82"})
    assert without_origins(again(settings)).listeners == without_origins(settings).listeners
    assert "[listen" not in describe(settings)


def test_the_comments_say_where_values_came_from(site: Path) -> None:
    settings = load(
        Path("x.conf"), text=FULL, base=site, environ={"SKITAI_NAME": "n"}, overrides={"debug": "yes"}
    )
    lines = {line.split(" = ")[0]: line for line in describe(settings).splitlines() if " = " in line}
    assert lines["threads"].split() == ["threads", "=", "0", ";", "x.conf:2"]
    assert lines["name"].endswith("; environment SKITAI_NAME")
    assert lines["debug"].endswith("; command line --debug")
    assert lines["queue_max"].endswith("; default")
    assert lines["response_timeout"].endswith("; x.conf:23")
    assert "cannot be served: nothing to serve at 'nothing:app'" in lines["/gone"]


def test_secrets_are_not_printed(site: Path) -> None:
    text = describe(load(None, text=FULL, base=site))
    assert "hunter2" not in text
    assert "swordfish" not in text
    assert "ordfish" not in text
    assert "; members is set and not shown" in text
    assert "; [@people]" in text
    assert "; passphrase is set and not shown" in text


def test_a_value_that_no_file_can_hold_is_a_comment(site: Path) -> None:
    settings = load(None, environ={"SKITAI_LOG_PATH": "/logs ;old"})
    assert "; cannot stand in a file: log_path = /logs ;old" in describe(settings)
    assert again(settings).server.log_path is None


def test_a_list_that_would_be_read_as_another_is_a_comment() -> None:
    settings = load(None, text="[server]\npython_path = lib", base=Path("/srv/a,b"))
    assert "; cannot stand in a file: python_path = /srv/a,b/lib" in describe(settings)


SECTIONS = (
    "[server]",
    "[routes:line]",
    "[mount /]",
    "[mount x.com/a]",
    "[host x.com]",
    "[listen a]",
    "[@a]",
    "[x",
)
LINES = ("/ = json:app", "/a = json", "/b/ = nothing", ": x.com", ": .y.com [::1]", ": *", "/ = .", "; x")
KEYS = [key for keys in TABLES.values() for key in keys]
VALUES = (
    "",
    "1",
    "10",
    "1k",
    "5s",
    "yes",
    "no",
    ":1",
    "unix:x",
    "a, b",
    "::1",
    "~x/y",
    "a;b",
    "https://z.com",
    "a 2, dns:b:1",
    "a/b/c/d",
    "p95",
)
TEXTS = st.one_of(
    st.sampled_from(SECTIONS),
    st.sampled_from(LINES),
    st.tuples(st.sampled_from(KEYS), st.sampled_from(VALUES)).map(" = ".join),
    st.text(max_size=8),
)


@hypothesis.settings(max_examples=400, deadline=None)
@given(st.lists(TEXTS, max_size=8, unique=True).map("\n".join))
def test_any_text_is_refused_in_words_or_printed_so_that_it_loads_again(text: str) -> None:
    try:
        settings = load(None, text=text, base=Path("/"))
    except ConfigErrors:
        return
    copy = again(settings)
    assert replace(copy.server, passphrase="") == replace(settings.server, passphrase="")
    assert (copy.limits, copy.listeners, copy.hosts) == (settings.limits, settings.listeners, settings.hosts)
    assert copy.clusters == without_origins(settings).clusters
    assert [(route.hosts, route.path) for route in copy.routes] == [
        (route.hosts, route.path) for route in settings.routes
    ]


def test_settings_without_a_file_can_be_printed(site: Path) -> None:
    settings = for_app("blog:app", base=site)
    assert again(settings).problems == ()
    assert "; command line" in describe(settings)


# -- flags


def typed(*words: str) -> dict[str, str]:
    parser = ArgumentParser()
    parser.add_argument("target")
    parser.add_argument("--name-of-mine", dest="name")
    add_flags(parser)
    return given_flags(parser.parse_args(words))


def test_flags_give_the_text_of_what_was_typed() -> None:
    assert typed("x:app") == {}
    assert typed("--debug", "x:app", "--no-access-log", "--keep-alive", "5s") == {
        "debug": "yes",
        "access_log": "no",
        "keep_alive": "5s",
    }
    assert typed("--bind", ":80", "--bind", "unix:x", "x:app") == {"bind": ":80, unix:x"}
    assert typed("x:app", "--name", "n") == {"name": "n"}


def test_every_key_but_a_secret_has_a_flag(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        typed("--help")
    shown = capsys.readouterr().out
    for key in TABLES["server"].values():
        assert bool(re.search(rf"{key.flag}(?![\w-])", shown)) is not key.secret, key.name


def test_what_flags_give_can_be_loaded() -> None:
    settings = load(
        None, overrides=typed("x:app", "--use-reloader", "--python-path", "/a", "--python-path", "/b")
    )
    assert settings.server.use_reloader is True
    assert settings.server.python_path == (Path("/a"), Path("/b"))


# -- the table itself


def test_every_default_reads_back_from_its_text() -> None:
    for keys in TABLES.values():
        for key in keys.values():
            if not (key.required or key.inherits):
                assert key.read(key.kind.write(key.default), Path("/")) == key.default, key.name


def test_what_inherits_has_a_key_of_server_to_inherit_from() -> None:
    for keys in TABLES.values():
        for key in keys.values():
            assert not key.inherits or key.kind == TABLES["server"][key.name].kind, key.name


def test_no_two_keys_share_a_flag_or_a_variable() -> None:
    keys = TABLES["server"].values()
    assert len({key.flag for key in keys}) == len({key.environment for key in keys}) == len(keys)


def test_the_document_has_the_tables_of_today() -> None:
    text = DOCUMENT.read_text("utf-8")
    assert renewed(text) == text, f"run: python -m skitai.core.config.reference {DOCUMENT}"


def test_a_document_without_marks_is_not_written_over() -> None:
    with pytest.raises(ValueError, match="the marks are missing"):
        renewed("# Configuration\n")
