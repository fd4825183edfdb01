"""The sample site in a browser: every page, as `make run` serves it.

A second server of the same site is the member of ``[@shops]``, for ports of tests are not known beforehand.
"""

from __future__ import annotations

import hashlib
import html
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from tests.live.browser import Browser, Page, browser
from tests.live.program import REPO, LiveServer, Serve
from tests.live.test_readme_samples import SAMPLE

#: Pages of /live, and the file that each of them shows.
PAGES = {
    "forms": "forms.py",
    "upload": "uploads.py",
    "session": "sessions.py",
    "fanout": "fanout.py",
    "sockets": "sockets.py",
    "events": "streams.py",
    "files": "files.py",
    "proxy": "proxied.py",
    "database": "databases.py",
}


def sample(shops: str) -> str:
    """The text of sample.conf as it ships, with another member."""
    text = SAMPLE.read_text().replace("../../..", str(REPO))
    assert "members = 127.0.0.1:5000\n" in text
    return text.replace("127.0.0.1:5000\n", f"{shops}\n")


@pytest.fixture(scope="module")
def alone(serve_conf_module: Serve) -> LiveServer:
    """Its member is not there: nobody listens on port 1."""
    return serve_conf_module(sample("127.0.0.1:1"))


@pytest.fixture(scope="module")
def server(serve_conf_module: Serve, alone: LiveServer) -> LiveServer:
    return serve_conf_module(sample(f"127.0.0.1:{alone.port}"))


@pytest.fixture(scope="module")
def chromium(require_program: Callable[[str], str], module_path: Path) -> Iterator[Browser]:
    with browser(require_program("chromium"), module_path / "profile") as started:
        yield started


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """A new tab; whatever the browser complains of fails the test."""
    with chromium.page() as opened:
        yield opened
        assert not opened.complaints


def rows(page: Page) -> list[list[str]]:
    """Cells of the tables' bodies."""
    script = (
        "[...document.querySelectorAll('tbody tr')].map(row => [...row.cells].map(cell => cell.innerText))"
    )
    found = page.ask(script)
    assert isinstance(found, list)
    return found


# --- all pages


def test_the_index_leads_to_every_page(server: LiveServer, page: Page) -> None:
    page.open(f"{server.url}/")
    links = page.ask("[...document.querySelectorAll('.cards a')].map(link => link.getAttribute('href'))")
    assert {f"/live/{name}" for name in PAGES} <= set(links)
    for link in links:
        assert requests.get(server.url + link, timeout=10).status_code == 200, link


@pytest.mark.parametrize("name", PAGES)
def test_a_page_shows_its_own_code(server: LiveServer, page: Page, name: str) -> None:
    page.open(f"{server.url}/live/{name}")
    source = (REPO / "examples" / "live" / PAGES[name]).read_text("utf-8")
    assert page.ask("document.querySelector('.code').textContent") == source
    assert page.ask("document.querySelector('nav [aria-current]').getAttribute('href')") == f"/live/{name}"


@pytest.mark.parametrize("path", ["", *(f"live/{name}" for name in PAGES)])
def test_nothing_comes_from_elsewhere(server: LiveServer, path: str) -> None:
    answer = requests.get(f"{server.url}/{path}", timeout=10)
    policy = answer.headers.get("Content-Security-Policy", "")
    if not path:  # a file has no fields of its own
        found = re.search(r'http-equiv="Content-Security-Policy" content="([^"]+)"', answer.text)
        policy = html.unescape(found[1]) if found else ""
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    assert not re.findall(r'(?:href|src|action)="(?![/?#])[^"]*"', answer.text)


@pytest.mark.parametrize("path", ["/", "/live/forms", "/live/fanout", "/live/sockets", "/live/files"])
def test_a_page_fits_dark_and_narrow_windows(server: LiveServer, page: Page, path: str) -> None:
    colour = "getComputedStyle(document.body).backgroundColor"
    page.looks(width=380)
    page.open(server.url + path)
    light = page.ask(colour)
    assert page.ask("document.documentElement.scrollWidth") <= 380
    page.looks(width=380, dark=True)
    assert page.ask(colour) != light


# --- each page


def test_a_form(server: LiveServer, page: Page) -> None:
    page.open(f"{server.url}/live/forms")
    page.ask("document.querySelector('[name=name]').value = '<b>Jürgen</b>'")
    page.ask("document.querySelector('[name=outside]').click()")
    page.send()
    assert rows(page) == [
        ["name", "'<b>Jürgen</b>'", "str"],
        ["guests", "2", "int"],
        ["drink", "'tea'", "str"],
        ["outside", "True", "bool"],
        ["note", "''", "str"],
    ]
    assert requests.get(f"{server.url}/live/forms?guests=many", timeout=10).status_code == 400


def checksum(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()[:16] + "…"


def test_an_upload(server: LiveServer, page: Page, tmp_path: Path) -> None:
    small, large = tmp_path / "größe.txt", tmp_path / "large.bin"
    small.write_text("of a browser")
    large.write_bytes(b"0123456789" * 100_000)
    page.open(f"{server.url}/live/upload")
    page.choose_files("[type=file]", small, large)
    page.send()
    assert rows(page) == [
        ["größe.txt", "12", "text/plain", checksum(small)],
        ["large.bin", "1000000", "application/octet-stream", checksum(large)],
    ]


def test_a_session(server: LiveServer, page: Page) -> None:
    page.call("Network.clearBrowserCookies")
    page.open(f"{server.url}/live/session")
    assert rows(page) == [["visits", "1"]]
    page.ask("document.querySelector('[name=name]').value = 'Hans & Jane'")
    page.send()
    assert "Hello Hans & Jane: this message" in page.text()
    assert ["name", "Hans & Jane"] in rows(page)
    assert ["visits", "2"] in rows(page)
    page.open(f"{server.url}/live/session")
    assert "this message has waited" not in page.ask(
        "document.querySelector('main').innerText.split('The code')[0]"
    )
    page.send(button="[name=forget]")
    assert ["visits", "1"] in rows(page)
    forged = requests.post(f"{server.url}/live/session/remember", {"name": "x"}, timeout=10)
    assert forged.status_code == 403


def test_the_fan_out_draws_who_answered_when(server: LiveServer, page: Page) -> None:
    page.open(f"{server.url}/live/fanout")
    bars = page.ask(
        "[...document.querySelectorAll('rect')].map(bar => [bar.className.baseVal, bar.width.baseVal.value])"
    )
    kinds = [kind for kind, _ in bars]
    assert kinds == ["one"] * 6 + ["total"] * 2
    (_, at_once), (_, one_by_one) = bars[-2:]
    assert at_once == max(width for kind, width in bars[:6])
    assert at_once < one_by_one * 0.6  # 310 of 1020 ms
    assert "Dachau has it for 10.80" in page.text()


def test_a_fan_out_to_nobody_says_why(alone: LiveServer, page: Page) -> None:
    page.open(f"{alone.url}/live/fanout")
    assert page.ask("document.querySelectorAll('.failed').length") == 6
    assert "Not all shops have answered" in page.text()


def test_web_sockets_in_three_designs(server: LiveServer, page: Page, chromium: Browser) -> None:
    def say(tab: Page, panel: str, text: str) -> None:
        form = f"document.querySelector('[data-socket*={panel}] form')"
        tab.ask(f"{form}.elements.say.value = {text!r}; {form}.querySelector('button').click()")

    def hears(tab: Page, panel: str, text: str) -> None:
        log = f"document.querySelector('[data-socket*={panel}] .log')"
        tab.wait(f"{log}.innerText.includes({text!r})")

    all_open = "document.querySelectorAll('[data-state=open]').length === 3"
    page.open(f"{server.url}/live/sockets")
    page.wait(all_open)
    say(page, "echo", "<i>hi</i>")
    hears(page, "echo", "ECHO: <i>hi</i>")
    say(page, "talk", "hello")
    hears(page, "talk", "Hello, Hans")
    say(page, "talk", "bye")
    hears(page, "talk", "Bye, have a nice day.")
    hears(page, "talk", "closed (1000)")
    with chromium.page() as other:
        other.open(f"{server.url}/live/sockets")
        other.wait(all_open)
        hears(page, "chat", "present: 2")
        say(other, "chat", "is anybody there?")
        hears(page, "chat", ": is anybody there?")
        assert not other.complaints
    hears(page, "chat", "has gone; present: 1")


def test_a_stream_is_drawn_to_its_end(server: LiveServer, page: Page) -> None:
    page.open(f"{server.url}/live/events")
    page.wait("document.querySelector('[data-state=ended]')")
    assert page.ask("document.querySelector('polyline').points.length") == 40
    assert "event 40 of 40" in page.text()


def test_a_file_in_several_ways(server: LiveServer, page: Page) -> None:
    page.open(f"{server.url}/live/files")
    size = (REPO / "examples" / "static" / "style.css").stat().st_size
    whole, zipped, known, part, behind = rows(page)
    assert whole[1:] == ["200 OK", str(size), "-", "-"]
    assert (zipped[1], zipped[3]) == ("200 OK", "gzip")
    assert int(zipped[2]) < size / 2
    assert known[1] == "304 Not Modified"
    assert part[1:] == ["206 Partial Content", "100", "-", f"bytes 0-99/{size}"]
    assert (behind[1], behind[4]) == ("416 Range Not Satisfiable", f"bytes */{size}")


def test_a_request_that_is_passed_on(server: LiveServer, page: Page) -> None:
    page.open(f"{server.url}/live/proxy")
    page.wait("document.querySelectorAll('[data-state=shown]').length === 2")
    direct, passed_on = page.ask(
        "[...document.querySelectorAll('[data-fetch]')].map(shown => shown.textContent)"
    )
    for seen in (direct, passed_on):
        assert "REQUEST_URI = /live/seen\n" in seen
        assert f"HTTP_HOST = 127.0.0.1:{server.port}\n" in seen
    assert direct != passed_on, "the member sees another connection"


def test_without_a_database_the_page_says_how(server: LiveServer, page: Page) -> None:
    page.open(f"{server.url}/live/database")
    assert "No database is configured" in page.text()
    assert "type = postgresql" in page.text()
