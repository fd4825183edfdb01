"""Flask, Bottle and Falcon run unchanged."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.live.program import Serve

UPLOAD = bytes(range(256)) * 8192  # 2 MiB: beyond body_memory_max


# --- Flask


@pytest.fixture(scope="module")
def flask(serve_module: Serve) -> str:
    return serve_module("tests.live.apps.flaskapp:app").url


def test_flask_routes_and_builds_urls(flask: str, session: requests.Session) -> None:
    link = session.get(f"{flask}/").text
    assert link == "/greet/Hans%20Roh"
    assert session.get(flask + link).text == "Hello, Hans Roh"
    assert session.get(f"{flask}/nowhere").status_code == 404
    assert session.post(f"{flask}/greet/x").status_code == 405


def test_flask_takes_forms_with_files(flask: str, session: requests.Session) -> None:
    reply = session.post(f"{flask}/form", data={"name": "Ünïcode"}, files={"file": ("big.bin", UPLOAD)})
    assert reply.json() == {
        "name": "Ünïcode",
        "filename": "big.bin",
        "sha256": hashlib.sha256(UPLOAD).hexdigest(),
    }


def test_flask_takes_json_sized_and_chunked(flask: str, session: requests.Session) -> None:
    assert session.post(f"{flask}/json", json={"a": [1, None]}).json() == {"a": [1, None]}

    def pieces() -> Iterator[bytes]:
        yield b'{"a": '
        yield b"2}"

    reply = session.post(f"{flask}/json", data=pieces(), headers={"Content-Type": "application/json"})
    assert reply.json() == {"a": 2}


def test_flask_keeps_its_session_over_a_redirect(flask: str, session: requests.Session) -> None:
    assert session.get(f"{flask}/whoami").status_code == 401
    reply = session.get(f"{flask}/login/roh")
    assert [step.status_code for step in reply.history] == [302]
    assert reply.text == "roh"


def test_flask_streams(flask: str, session: requests.Session) -> None:
    reply = session.get(f"{flask}/stream?word=go", stream=True)
    assert list(reply.iter_lines()) == [b"go 0", b"go 1", b"go 2"]


def test_flask_answers_its_own_500(flask: str, session: requests.Session) -> None:
    assert session.get(f"{flask}/fail").status_code == 500
    assert session.get(f"{flask}/greet/again").text == "Hello, again"


def test_flask_under_a_mount_builds_urls_with_it(serve_conf: Serve, session: requests.Session) -> None:
    folder = Path(__file__).parent / "apps"
    url = serve_conf(f"[routes:line]\n/shop = {folder}/flaskapp:app\n").url
    assert session.get(f"{url}/shop").text == "/shop/greet/Hans%20Roh"
    reply = session.get(f"{url}/shop/login/roh")
    assert reply.history[0].headers["Location"] == "/shop/whoami"
    assert reply.text == "roh"


# --- Bottle


@pytest.fixture(scope="module")
def bottle(serve_module: Serve) -> str:
    return serve_module("tests.live.apps.bottleapp:app").url


def test_bottle_routes_and_takes_forms(bottle: str, session: requests.Session) -> None:
    assert session.get(f"{bottle}/greet/roh").text == "Hello, roh"
    assert session.get(f"{bottle}/nowhere").status_code == 404
    reply = session.post(f"{bottle}/form", data={"name": "roh"}, files={"file": UPLOAD})
    assert reply.json() == {"name": "roh", "size": len(UPLOAD)}


def test_bottle_sends_files(bottle: str, session: requests.Session) -> None:
    reply = session.get(f"{bottle}/source")
    assert reply.content == (Path(__file__).parent / "apps" / "bottleapp.py").read_bytes()
    again = session.get(f"{bottle}/source", headers={"If-None-Match": reply.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    part = session.get(f"{bottle}/source", headers={"Range": "bytes=3-10"})
    assert (part.status_code, part.content) == (206, reply.content[3:11])


def test_bottle_answers_its_own_500(bottle: str, session: requests.Session) -> None:
    assert session.get(f"{bottle}/fail").status_code == 500
    assert session.get(f"{bottle}/greet/again").text == "Hello, again"


# --- Falcon


@pytest.fixture(scope="module")
def falcon(serve_module: Serve) -> str:
    return serve_module("tests.live.apps.falconapp:app").url


def test_falcon_resource(falcon: str, session: requests.Session) -> None:
    made = session.post(f"{falcon}/notes", json={"text": "süß"})
    assert (made.status_code, made.headers["Location"]) == (201, "/notes/1")
    assert session.get(f"{falcon}/notes").json() == [{"text": "süß"}]
    assert session.delete(f"{falcon}/notes").status_code == 204
    assert session.get(f"{falcon}/notes").json() == []
    assert session.options(f"{falcon}/notes").headers["Allow"] == "DELETE, GET, POST"


def test_falcon_reads_and_streams_large_bodies(falcon: str, session: requests.Session) -> None:
    assert session.put(f"{falcon}/echo", data=UPLOAD).content == UPLOAD
