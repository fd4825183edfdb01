"""What is kept of files (compiled build): when it is made, and when it is not made again."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from skitai import _kernels
from tests.pure.test_lanes import Server

pytestmark = pytest.mark.skipif(
    _kernels.implementation() != "compiled", reason="the pure build keeps nothing"
)

#: Seconds that a file must not have changed for.
SETTLED = 2.1


@pytest.fixture
def files(tmp_path: Path) -> Path:
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "page.txt").write_bytes(b"0123456789" * 200)
    time.sleep(SETTLED)
    return folder


def ask(server: Server, *fields: str) -> bytes:
    """The first line of the answer."""
    lines = ["GET /page.txt HTTP/1.1", "Host: h", *fields, "Connection: close", "", ""]
    with socket.create_connection(server.address, timeout=5) as client:
        client.sendall("\r\n".join(lines).encode())
        got = b""
        while data := client.recv(65536):
            got += data
    return got.partition(b"\r\n")[0]


def test_it_is_made_once_whatever_is_asked_of_it(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    engine = _kernels.engine.Engine
    make: Callable[..., bytes] = engine._kept_head  # type: ignore[attr-defined]

    def counted(self: object, status: int, headers: object) -> bytes:
        made.append(status)
        return make(self, status, headers)

    monkeypatch.setattr(engine, "_kept_head", counted)
    server = Server(engine, files=files)
    try:
        standing = list(made)
        assert ask(server) == b"HTTP/1.1 200 OK"
        kept = list(made)
        assert len(kept) > len(standing)
        for fields in ("If-Match: *", 'If-None-Match: "a", "b"', "Range: bytes=0-1,5-6", ""):
            assert ask(server, *filter(None, [fields]))[:10] == b"HTTP/1.1 2"
        assert made == kept

        assert ask(server, "Accept-Encoding: br") == b"HTTP/1.1 200 OK"
        assert len(made) > len(kept)  # for other clients

        other = files / "other"
        other.write_bytes(b"other" * 500)
        os.replace(other, files / "page.txt")
        time.sleep(SETTLED)
        kept = list(made)
        assert ask(server, "If-Match: *") == b"HTTP/1.1 200 OK"
        assert len(made) > len(kept)
    finally:
        server.stop()
