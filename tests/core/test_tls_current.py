"""Certificates that change while they are in use."""

from __future__ import annotations

import os
import ssl
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from skitai.core.config import load
from skitai.core.tls import ListenerContext, current
from tests import certificates
from tests.certificates import client_context, shake_hands

TEXT = """[server]
ssl = yes
certfile = server.pem
keyfile = server.key
[routes:line]
: www.x.com
/ = www
[host www.x.com]
certfile = www.pem
keyfile = www.key
"""


class World:
    """A listener with a clock of its own."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.now = 1000.0
        self.told: list[tuple[str, str]] = []
        monkeypatch.setattr(current, "monotonic", lambda: self.now)
        (folder / "www").mkdir()
        self.renew("first")
        certificates.server(folder, ["www.x.com", "www.first"], stem="www")
        settings = load(folder / "x.conf", text=TEXT)
        self.contexts = ListenerContext(
            settings.listeners[0], settings, lambda text, kind: self.told.append((kind, text))
        )

    def renew(self, name: str) -> None:
        certificates.server(self.folder, [name])

    def shown(self, name: str | None = None) -> str:
        """The last name of the certificate that a client gets, a second later."""
        self.now += 1.0
        client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        client.check_hostname = False
        client.verify_mode = ssl.CERT_REQUIRED
        for file in self.folder.glob("*.pem"):
            client.load_verify_locations(file)
        certificate = shake_hands(client, self.contexts(name or ""), name).client.getpeercert()
        assert certificate
        return str(certificate["subjectAltName"][-1][1])  # type: ignore[index]


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(tmp_path, monkeypatch)


def test_a_new_certificate_is_for_those_who_connect_from_then_on(world: World) -> None:
    before = world.contexts("")
    assert world.shown() == "first"
    assert world.contexts("") is before
    world.renew("second")
    assert world.shown() == "second"
    assert world.contexts("") is not before
    assert world.told == [("info", f"{world.folder}/server.pem: what it holds now is in use")]


def test_keys_of_tickets_last_a_day(world: World) -> None:
    client = client_context(world.folder / "server.pem")
    session = shake_hands(client, world.contexts(""), "first").client.session
    world.now += 86399
    assert shake_hands(client, world.contexts(""), "first", session).client.session_reused
    world.now += 1
    renewed = shake_hands(client, world.contexts(""), "first", session).client
    assert not renewed.session_reused
    assert not world.told


def test_the_files_are_looked_at_once_a_second(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[object] = []
    stat = os.stat
    monkeypatch.setattr(current.os, "stat", lambda *path: looks.append(path) or stat(*path))
    for _ in range(10):
        world.contexts("")
    assert not looks
    world.now += 1.0
    for _ in range(10):
        world.contexts("")
    assert len(looks) == 2


def test_that_of_a_host_too(world: World) -> None:
    assert world.shown("www.x.com") == "www.first"
    certificates.server(world.folder, ["www.x.com", "www.second"], stem="www")
    assert world.shown("www.x.com") == "www.second"
    assert world.shown("other") == "first"


@pytest.mark.parametrize("harm", ["half", "foreign", "gone"])
def test_while_the_new_one_does_not_load_the_former_goes_on(world: World, harm: str) -> None:
    key, certificate = world.folder / "server.key", world.folder / "server.pem"
    good = world.folder / "good"
    good.mkdir()
    certificates.server(good, ["second"])
    if harm == "half":
        certificate.write_bytes((good / "server.pem").read_bytes()[:200])
    elif harm == "foreign":
        key.write_bytes((good / "server.key").read_bytes())
    else:
        key.unlink()
    context = world.contexts("")
    for _ in range(3):
        world.now += 1.0
        assert world.contexts("") is context
    ((kind, text),) = world.told
    assert kind == "error"
    assert text.endswith("\nthe former certificate stays in use")

    certificate.write_bytes((good / "server.pem").read_bytes())
    key.write_bytes((good / "server.key").read_bytes())
    assert world.shown() == "second"
    assert len(world.told) == 2


def test_no_handshake_fails_while_certificates_change(world: World) -> None:
    """The clock runs fast: every connection looks at the files, which somebody rewrites all the time."""
    ended = threading.Event()
    failed: list[BaseException] = []
    client = client_context()

    def connect() -> None:
        try:
            while not ended.is_set():
                world.now += 1.0
                shake_hands(client, world.contexts("www.x.com"), "www.x.com")
                shake_hands(client, world.contexts(""), "localhost")
        except BaseException as error:
            failed.append(error)

    def taken() -> int:
        return sum(kind == "info" for kind, _ in list(world.told))

    clients = [threading.Thread(target=connect) for _ in range(2)]
    for thread in clients:
        thread.start()
    changes: list[Callable[[], object]] = [
        lambda: world.renew("again"),
        lambda: certificates.server(world.folder, ["www.x.com", "www.again"], stem="www"),
    ]
    number = 0
    # On a busy machine the clients see fewer of them.
    while number < 60 or (taken() <= 10 and number < 600):
        changes[number % 2]()
        number += 1
    ended.set()
    for thread in clients:
        thread.join(10)
    assert not failed
    assert taken() > 10
    assert world.shown() == "again"
    assert world.shown("www.x.com") == "www.again"
