"""The README's sample site as `make run` serves it: curl, requests and a browser."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from tests.live.program import REPO, LiveServer, Serve

SAMPLE = REPO / "etc" / "skitaid" / "servers-enabled" / "sample.conf"

#: Chromium on a machine without a network, a screen or a user session.
CHROMIUM = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)


@pytest.fixture
def server(serve_conf: Serve) -> LiveServer:
    return serve_conf(SAMPLE)


def test_the_three_applications_over_requests(server: LiveServer, session: requests.Session) -> None:
    for path in ("/hello", "/aboutus", "/services"):
        reply = session.get(server.url + path)
        assert (reply.status_code, reply.text) == (200, "Hello World"), path
    redirected = session.get(f"{server.url}/aboutus/")
    assert [step.status_code for step in redirected.history] == [301]
    assert redirected.text == "Hello World"


def test_the_three_applications_over_curl(server: LiveServer, require_program: Callable[[str], str]) -> None:
    urls = [server.url + path for path in ("/hello", "/aboutus", "/services")]
    run = subprocess.run(
        [require_program("curl"), "-sS", "--noproxy", "*", "-w", "\n%{http_code}\n", *urls],
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert run.stdout.split("\n") == ["Hello World", "200"] * 3 + [""], run.stderr


def test_the_index_page_and_what_it_links(server: LiveServer, session: requests.Session) -> None:
    page = session.get(f"{server.url}/")
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    for link in ("/style.css", "/skitai.svg", "/hello", "/aboutus", "/services", "/ping"):
        assert f'"{link}"' in page.text
        assert session.get(server.url + link).status_code == 200


def test_a_browser_shows_the_index_page(
    server: LiveServer, tmp_path: Path, require_program: Callable[[str], str]
) -> None:
    run = subprocess.run(
        [
            require_program("chromium"),
            *CHROMIUM,
            f"--user-data-dir={tmp_path}/profile",
            "--dump-dom",
            f"{server.url}/",
        ],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "Skitai is running</h1>" in run.stdout, run.stderr
    # The page and what it is made of were fetched by the browser, each with a whole answer.
    for path in ("/", "/style.css", "/skitai.svg"):
        server.wait_for_text(rf"GET {path} HTTP/1\.1 200 ")
