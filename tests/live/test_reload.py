"""Reloading: edit a file, and the next requests are answered by the new code.

The server looks at files every few milliseconds, so each test asks until the answer changes.
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import requests

from tests.live.program import LiveServer, Serve
from tests.waiting import wait_until

PLAIN = """
import helper

def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"%s " + helper.WORD]
"""

FLASK = """
from flask import Flask

app = Flask(__name__)
app.use_reloader = True

@app.route("/")
def index():
    return "%s"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "site.conf").write_text("[routes:line]\n/ = application:app\n")
    (tmp_path / "helper.py").write_text("WORD = b'helper one'\n")
    return tmp_path


def answers(server: LiveServer, session: requests.Session, text: str, status: int = 200) -> None:
    """Ask until the answer is this; AssertionError if it does not become so."""
    last: list[tuple[int, str]] = []

    def asked() -> bool:
        reply = session.get(server.url)
        last[:] = [(reply.status_code, reply.text)]
        return reply.status_code == status and text in reply.text

    try:
        wait_until(asked, 5)
    except AssertionError:
        raise AssertionError(f"wanted {status} {text!r}, last was {last}") from None


def test_the_reload_option_is_for_any_application(
    folder: Path, serve: Serve, session: requests.Session
) -> None:
    source = folder / "application.py"
    source.write_text(PLAIN % "one")
    server = serve("application:app", "--reload", cwd=folder)
    answers(server, session, "one helper one")
    source.write_text(PLAIN % "two")
    answers(server, session, "two helper one")
    (folder / "helper.py").write_text("WORD = b'another helper'\n")
    answers(server, session, "two another helper")


def test_a_syntax_error_is_shown_until_it_is_mended(
    folder: Path, serve: Serve, session: requests.Session
) -> None:
    source = folder / "application.py"
    source.write_text(PLAIN % "one")
    server = serve("application:app", "--reload", cwd=folder)
    answers(server, session, "one")
    source.write_text("def app(:\n")
    answers(server, session, "", status=500)
    server.wait_for_text("SyntaxError")
    source.write_text(PLAIN % "mended")
    answers(server, session, "mended")


def test_a_server_that_reloads_starts_with_a_broken_application(
    folder: Path, serve: Serve, session: requests.Session
) -> None:
    source = folder / "application.py"
    source.write_text("import no_such_module_anywhere\n")
    server = serve("application:app", "--reload", cwd=folder)
    answers(server, session, "", status=500)
    server.wait_for_text("no_such_module_anywhere")
    source.write_text(PLAIN % "mended")
    answers(server, session, "mended")


@pytest.mark.parametrize("text", [FLASK, PLAIN + "\napp.use_reloader = True\n"])
def test_the_attribute_use_reloader(
    folder: Path, serve_conf: Serve, session: requests.Session, text: str
) -> None:
    source = folder / "application.py"
    source.write_text(text % "one")
    server = serve_conf(folder / "site.conf")
    answers(server, session, "one")
    source.write_text(text % "number two")
    answers(server, session, "number two")


def test_without_being_asked_nothing_is_reloaded(
    folder: Path, serve_conf: Serve, session: requests.Session
) -> None:
    source = folder / "application.py"
    source.write_text(PLAIN % "one")
    server = serve_conf(folder / "site.conf")
    answers(server, session, "one")
    source.write_text(PLAIN % "number two")
    # Much longer than the reloader would take.
    unchanged_until = time.monotonic() + 0.8
    while time.monotonic() < unchanged_until:
        assert session.get(server.url).text == "one helper one"
        time.sleep(0.1)
