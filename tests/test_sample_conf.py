"""The configuration that ships: it names every key, and the defaults that it shows are true."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from skitai.core.config.daemon import DAEMON_TABLES, load_daemon
from skitai.core.config.settings import TABLES
from skitai.core.places import Places

SAMPLE = Path(__file__).resolve().parent.parent / "etc/skitaid/servers-enabled/sample.conf"

#: ``key = value`` or ``;key = value``; a comment for people has a space after its mark.
LINE = re.compile(r"^(;?)(\w+) = ?(.*)$", re.MULTILINE)

SERVER_SECTION = SAMPLE.read_text().partition("[server]")[2].partition("[routes:line]")[0]
LINES = [match.groups() for match in LINE.finditer(SERVER_SECTION)]
SHOWN_DEFAULTS = [(name, value) for mark, name, value in LINES if mark and value]


def test_every_key_of_the_server_stands_there_once() -> None:
    assert sorted(name for _, name, _ in LINES) == sorted(TABLES["server"])


@pytest.mark.parametrize(("name", "value"), SHOWN_DEFAULTS)
def test_a_commented_key_shows_its_default(name: str, value: str) -> None:
    key = TABLES["server"][name]
    assert key.read(value, SAMPLE.parent) == key.default


@pytest.mark.parametrize("name", [name for mark, name, value in LINES if mark and not value])
def test_a_key_shown_empty_is_empty_by_default(name: str) -> None:
    assert TABLES["server"][name].default in (None, "", ())


# --- skitaid.conf

DAEMON = SAMPLE.parent.parent / "skitaid.conf"


@pytest.mark.parametrize("section", list(DAEMON_TABLES))
def test_every_key_of_the_daemon_stands_there_with_its_default(section: str) -> None:
    text = DAEMON.read_text().partition(f"[{section}]")[2].partition("\n[")[0]
    lines = [match.groups() for match in LINE.finditer(text)]
    assert sorted(name for _, name, _ in lines) == sorted(DAEMON_TABLES[section])
    for mark, name, value in lines:
        key = DAEMON_TABLES[section][name]
        assert mark
        assert (key.read(value, SAMPLE.parent) if value else key.default) in (key.default, None, "")


def test_the_daemon_loads() -> None:
    load_daemon(Places.find("/nowhere"), DAEMON)
