"""Files over TLS, those that are kept ready among them: encrypted by the leader, never sent past it."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from skitai import _kernels
from tests.pure.test_lanes import Server
from tests.pure.tls_by_hand import ByHand

SIZES = {"empty": 0, "small": 5, "record": 16384, "more": 100_000, "large": 20 << 20}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    long_ago = time.time() - 60
    for name, size in SIZES.items():
        (folder / name).write_bytes(
            (name.encode() + b"|") * (size // (len(name) + 1)) + b"x" * (size % (len(name) + 1))
        )
        os.utime(folder / name, (long_ago, long_ago))
    return folder


@pytest.fixture(scope="module")
def server(files: Path) -> Iterator[Server]:
    server = Server(_kernels.engine.Engine, secure=True, files=files)
    yield server
    server.stop()


def client_of(server: Server) -> ByHand:
    client = ByHand(server.address)
    client.raw.sendall(client.shake_hands())
    return client


def get(name: str, method: str = "GET") -> bytes:
    return f"{method} /{name} HTTP/1.1\r\nHost: h\r\n\r\n".encode()


def answer(client: ByHand, has_body: bool = True) -> tuple[bytes, bytes]:
    got = client.open()
    while b"\r\n\r\n" not in got:
        got += client.open()
    head, _, body = got.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
    pieces, size = [body], len(body)
    while has_body and size < length:
        pieces.append(client.open())
        size += len(pieces[-1])
    return head, b"".join(pieces)


@pytest.mark.parametrize("name", SIZES)
def test_the_first_time_and_again(server: Server, files: Path, name: str) -> None:
    client = client_of(server)
    for _ in range(3):
        client.raw.sendall(client.seal(get(name)))
        head, body = answer(client)
        assert head.startswith(b"HTTP/1.1 200 OK")
        assert body == (files / name).read_bytes()
        client.raw.sendall(client.seal(get(name, "HEAD")))
        assert answer(client, has_body=False)[1] == b""
    assert not SIZES[name] or name.encode() + b"|" not in client.received
    client.close()


def test_many_at_once(server: Server, files: Path) -> None:
    client = client_of(server)
    client.raw.sendall(b"".join(client.seal(get("small") + get("more")) for _ in range(50)))
    got = b""
    while got.count((files / "more").read_bytes()) < 50:
        got += client.open(100_000)
    assert got.count(b"\r\n\r\n" + (files / "small").read_bytes() + b"HTTP/1.1 200 OK") == 50
    client.close()


def test_others_are_served_while_a_slow_client_takes_a_large_file(server: Server, files: Path) -> None:
    slow = client_of(server)
    slow.raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    slow.raw.sendall(slow.seal(get("large") + get("small")))
    time.sleep(0.1)
    other = client_of(server)
    for _ in range(20):
        other.raw.sendall(other.seal(get("small")))
        assert answer(other)[1] == (files / "small").read_bytes()
    got = slow.open((20 << 20) + 200)
    assert (files / "large").read_bytes() in got
    while not got.endswith((files / "small").read_bytes()):
        got += slow.open()
    for client in (slow, other):
        client.close()


def test_a_file_that_became_shorter_is_truncated_without_a_goodbye(server: Server, files: Path) -> None:
    changing = files / "changing"
    changing.write_bytes(b"c" * (20 << 20))
    long_ago = time.time() - 60
    os.utime(changing, (long_ago, long_ago))
    for _ in range(2):  # by the general connection, and from the shelf
        client = client_of(server)
        client.raw.sendall(client.seal(get("changing")))
        assert client.take()
        time.sleep(0.05)
        os.truncate(changing, 1000)
        with pytest.raises((AssertionError, ConnectionResetError), match=r"truncated|reset"):
            client.open((20 << 20) + 1)
        client.close()
        os.truncate(changing, 20 << 20)
        os.utime(changing, (long_ago, long_ago))
