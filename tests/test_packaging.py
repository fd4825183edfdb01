"""What is said of an installation is what pyproject.toml has."""

from __future__ import annotations

import importlib
import re
import sys

import pytest

from tests.test_docs import REPO, table_below

PAGE = REPO / "docs" / "installing.md"

if sys.version_info < (3, 11):
    pytest.skip("tomllib came with Python 3.11", allow_module_level=True)

tomllib = importlib.import_module("tomllib")

PROJECT = tomllib.loads((REPO / "pyproject.toml").read_text("utf-8"))["project"]
#: Of those who work on Skitai; `dev` has them.
INTERNAL = {"apps", "bench", "bench-bjoern", "docs", "lint", "test", "wheels"}


def names(requirements: list[str]) -> set[str]:
    return {re.split(r"[\[<>=~;! ]", requirement)[0] for requirement in requirements}


def test_every_dependency_has_its_size() -> None:
    rows = {row[0] for row in table_below(PAGE, "## What it brings")[2:]}
    assert rows == {"skitai, compiled", "skitai, pure", *names(PROJECT["dependencies"])}


def test_every_extra_is_told_with_what_it_brings() -> None:
    rows = {row[0].strip("`"): row[1] for row in table_below(PAGE, "## Extras")[2:]}
    extras = PROJECT["optional-dependencies"]
    assert rows.keys() == extras.keys() - INTERNAL
    for extra in rows.keys() - {"all", "dev", "redis"}:
        assert set(rows[extra].split(", ")) == names(extras[extra]) - {"brotlicffi"}, extra


def test_all_is_all() -> None:
    extras = PROJECT["optional-dependencies"]
    [everything] = extras["all"]
    assert set(re.findall(r"[\w-]+", everything)[1:]) == extras.keys() - INTERNAL - {"all", "dev"}


def test_the_bare_installation_is_small() -> None:
    assert len(PROJECT["dependencies"]) == 1
