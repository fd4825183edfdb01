"""Producers: ranges of files, past our memory and through it."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import pytest

from skitai._kernels import producers
from skitai.errors import WriteError

DATA = bytes(range(256)) * 1000


@pytest.fixture
def file(tmp_path: Path) -> Iterator[BinaryIO]:
    path = tmp_path / "data"
    path.write_bytes(DATA)
    with path.open("rb") as opened:
        yield opened


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def no_sendfile(*arguments: object) -> int:
    raise OSError(errno.EINVAL, "not here")


@pytest.mark.parametrize("way", ["sendfile", "refused", "absent"])
def test_a_range_is_sent(
    file: BinaryIO,
    pair: tuple[socket.socket, socket.socket],
    way: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if way == "refused":
        monkeypatch.setattr(os, "sendfile", no_sendfile, raising=False)
    elif way == "absent":
        monkeypatch.delattr(os, "sendfile", raising=False)
    piece = producers.FileRange(file, 10, 200_000)
    received = b""
    while piece.count:
        before = piece.count
        sent = piece.send(pair[0])
        assert 0 < sent == before - piece.count
        received += pair[1].recv(sent, socket.MSG_WAITALL)
    assert received == DATA[10:200_010]
    assert not file.closed
    piece.close()
    assert file.closed


def test_a_socket_that_is_full_takes_nothing(
    file: BinaryIO, pair: tuple[socket.socket, socket.socket]
) -> None:
    pair[0].setblocking(False)
    pair[0].setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16384)
    piece = producers.FileRange(file, 0, len(DATA))
    piece.send(pair[0])
    left = piece.count
    assert 0 < left < len(DATA)
    with pytest.raises(BlockingIOError):
        piece.send(pair[0])
    assert piece.count == left
    assert pair[1].recv(len(DATA) - left, socket.MSG_WAITALL) == DATA[: len(DATA) - left]


def test_another_error_of_sendfile_is_told(file: BinaryIO, pair: tuple[socket.socket, socket.socket]) -> None:
    piece = producers.FileRange(file, 0, 10)
    pair[1].close()
    with pytest.raises(OSError, match=r"Broken pipe"):
        piece.send(pair[0])


@pytest.mark.parametrize("most", [1, 7, 65536, 1 << 20])
def test_a_range_is_read(file: BinaryIO, most: int) -> None:
    piece = producers.FileRange(file, 300, 1000)
    parts = [*iter(lambda: piece.read(most), b"")]
    assert b"".join(parts) == DATA[300:1300]
    assert max(map(len, parts)) <= most
    assert piece.count == 0


def test_a_read_takes_no_more_than_a_block(file: BinaryIO) -> None:
    assert len(producers.FileRange(file, 0, len(DATA)).read()) == 65536


def test_reading_and_sending_go_on_from_each_other(
    file: BinaryIO, pair: tuple[socket.socket, socket.socket]
) -> None:
    piece = producers.FileRange(file, 0, 300)
    assert piece.read(100) == DATA[:100]
    assert piece.send(pair[0]) == 200
    assert pair[1].recv(1000) == DATA[100:300]
    assert piece.read() == b""
    assert piece.send(pair[0]) == 0


@pytest.mark.parametrize("way", ["sendfile", "refused", "read"])
def test_a_file_that_has_become_shorter(
    file: BinaryIO,
    pair: tuple[socket.socket, socket.socket],
    way: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if way == "refused":
        monkeypatch.setattr(os, "sendfile", no_sendfile, raising=False)
    piece = producers.FileRange(file, len(DATA) - 5, 10)
    take = piece.read if way == "read" else lambda: piece.send(pair[0])
    take()
    assert piece.count == 5
    with pytest.raises(WriteError, match="became shorter"):
        take()
