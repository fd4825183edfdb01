"""was.status(): sections that parts of the process register, as a page or a dict."""

from __future__ import annotations

import os
from html.parser import HTMLParser

import pytest

from skitai import was
from skitai.was import Services
from skitai.was._status import Status

HOSTILE = "</td><script>alert('x')</script>\"&amp;"


@pytest.fixture
def status() -> Status:
    status = Status()
    status.register("THREADS", lambda: {"busy": 3, "names": ["a", "b"]})
    status.register(
        "CLUSTER:search",
        lambda: {"members": [{"host": "a:80", "in flight": 1}, {"host": "b:80", "ejected": 2.5}]},
    )
    return status


class Page(HTMLParser):
    """What a browser would see: tags in order, the texts of cells, links and their targets."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.rows: list[list[str]] = []
        self.links: list[str | None] = []
        self.targets: list[str | None] = []
        self._in_cell = False
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self._in_cell = tag in ("td", "th")
        if tag == "tr":
            self.rows.append([])
        elif self._in_cell:
            self.rows[-1].append("")
        elif tag == "a":
            self.links.append(dict(attributes)["href"])
        elif tag == "h2":
            self.targets.append(dict(attributes)["id"])

    def handle_endtag(self, tag: str) -> None:
        self._in_cell = self._in_cell and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        if self._in_cell:
            self.rows[-1][-1] += data


def test_a_dict_for_programs(status):
    assert status(fancy=False) == {
        "CLUSTER:search": {
            "members": [{"host": "a:80", "in flight": 1}, {"host": "b:80", "ejected": 2.5}],
        },
        "THREADS": {"busy": 3, "names": ["a", "b"]},
    }
    assert status("THREADS", False) == {"THREADS": {"busy": 3, "names": ["a", "b"]}}


def test_a_page_for_people(status):
    page = Page(status())
    assert page.links == ["#CLUSTER:search", "#THREADS"]
    assert page.targets == ["CLUSTER:search", "THREADS"]
    assert ["busy", "3"] in page.rows
    assert ["host", "in flight", "ejected"] in page.rows
    assert ["b:80", "", "2.5"] in page.rows
    assert Page(status("THREADS")).targets == ["THREADS"]


def test_nothing_on_the_page_is_more_than_text(status):
    tags = set(Page(status()).tags)
    status.register(HOSTILE, lambda: {HOSTILE: [HOSTILE, {HOSTILE: HOSTILE}], "rows": [{HOSTILE: HOSTILE}]})
    page = Page(status())
    assert set(page.tags) == tags
    assert HOSTILE in page.targets
    assert f"#{HOSTILE}" in page.links
    assert [HOSTILE] in page.rows


def test_a_section_that_fails_hides_no_other(status):
    status.register("BROKEN", lambda: {"ratio": 1 // 0})
    sections = status(fancy=False)
    assert sections["BROKEN"] == {"failed": "ZeroDivisionError: integer division or modulo by zero"}
    assert "THREADS" in sections
    assert "ZeroDivisionError" in status()


def test_names_are_known_once(status):
    with pytest.raises(KeyError, match=r"no section 'QUEUE'; those there are: CLUSTER:search, THREADS"):
        status("QUEUE")
    with pytest.raises(KeyError, match="has a section 'THREADS' already"):
        status.register("THREADS", dict)
    status.unregister("THREADS")
    assert list(status(fancy=False)) == ["CLUSTER:search"]
    with pytest.raises(KeyError):
        status.unregister("THREADS")


def test_every_process_says_what_it_is():
    section = was.status("PROCESS", fancy=False)["PROCESS"]
    assert section["process"] == os.getpid()
    assert "MainThread" in section["threads"]
    assert Services({}).status("PROCESS", False)["PROCESS"]["Python"] == section["Python"]
