"""Sockets of the service manager: found by name and number, and clear words where there is none."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from dataclasses import replace

import pytest

from skitai.core import activation
from skitai.core.activation import NothingHanded, handed_socket
from skitai.core.config import Address, load
from skitai.core.listeners import BindError, bind


@pytest.fixture
def handed(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """One listening socket; its descriptor takes the place of number 3."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        monkeypatch.setattr(activation, "_FIRST", sock.fileno())
        yield sock


def environ(count: int = 1, names: str = "web") -> dict[str, str]:
    return {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": str(count), "LISTEN_FDNAMES": names}


def test_a_socket_is_found_by_name_by_number_and_as_the_only_one(handed: socket.socket) -> None:
    os.set_inheritable(handed.fileno(), True)
    for name in ("web", str(handed.fileno()), ""):
        with handed_socket(name, environ()) as sock:
            assert sock.getsockname() == handed.getsockname()
            assert sock.fileno() != handed.fileno()
    assert not os.get_inheritable(handed.fileno())


def test_what_was_handed_to_another_process_is_not_ours(handed: socket.socket) -> None:
    for others in ({}, environ() | {"LISTEN_PID": "0"}, environ() | {"LISTEN_FDS": "x"}):
        with pytest.raises(NothingHanded, match="handed us no socket"):
            handed_socket("web", others)


def test_another_name_is_told_with_those_that_there_are(handed: socket.socket) -> None:
    number = handed.fileno()
    with pytest.raises(NothingHanded, match=rf"no such socket; there are systemd:{number} \(named web\)"):
        handed_socket("wbe", environ())


def test_two_of_one_name_must_be_told_apart(handed: socket.socket) -> None:
    with pytest.raises(NothingHanded, match=r"several sockets that are meant; .*named web.*named web"):
        handed_socket("web", environ(2, "web:web"))


def test_what_does_not_listen_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as sock:
        monkeypatch.setattr(activation, "_FIRST", sock.fileno())
        with pytest.raises(NothingHanded, match="no socket that listens for connections"):
            handed_socket("", environ())
    with open(os.devnull) as file:
        monkeypatch.setattr(activation, "_FIRST", file.fileno())
        with pytest.raises(NothingHanded, match="is no socket"):
            handed_socket("", environ())


def test_a_listener_says_for_which_address_nothing_was_handed() -> None:
    listener = replace(load(None).listeners[0], address=Address(handed="web"))
    with pytest.raises(BindError, match="cannot listen on systemd:web: the service manager has handed us no"):
        bind(listener)
