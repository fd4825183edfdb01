"""Producers: ranges of files, past our memory and through it; gzip and deflate."""

from __future__ import annotations

import errno
import gzip
import os
import socket
import tracemalloc
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skitai._kernels import producers
from skitai.errors import WriteError

DATA = bytes(range(256)) * 1000
Coding = Literal["gzip", "deflate"]


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


def decoder(coding: Coding) -> zlib._Decompress:
    """What a client has; it refuses raw deflate for ``deflate``, which some servers send."""
    return zlib.decompressobj(31 if coding == "gzip" else 15)


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
@given(pieces=st.lists(st.binary(max_size=200) | st.just(b"abc" * 10_000)), level=st.integers(1, 9))
def test_each_piece_can_be_shown_when_it_has_come(coding: Coding, pieces: list[bytes], level: int) -> None:
    coder, client = producers.ZlibCoder(coding, level), decoder(coding)
    for piece in pieces:
        assert client.decompress(coder.push(piece)) == piece
    assert client.decompress(coder.end()) == b""
    assert client.eof
    assert not client.unused_data


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_an_empty_body_and_empty_pieces(coding: Coding) -> None:
    coder = producers.ZlibCoder(coding, 6)
    assert coder.push(b"") == b""
    assert decoder(coding).decompress(coder.end()) == b""


def test_gzip_is_gzip_and_always_the_same() -> None:
    coded = []
    for _ in range(2):
        coder = producers.ZlibCoder("gzip", 6)
        coded.append(coder.push(DATA) + coder.end())
    assert gzip.decompress(coded[0]) == DATA
    assert coded[0] == coded[1]
    assert coded[0][4:8] == bytes(4)  # no time


@pytest.mark.parametrize(("level", "share"), [(1, 0.06), (6, 0.01), (9, 0.01)])
def test_it_becomes_smaller(level: int, share: float) -> None:
    coder = producers.ZlibCoder("gzip", level)
    assert len(coder.push(DATA) + coder.end()) < share * len(DATA)


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_what_cannot_be_compressed_becomes_little_longer(coding: Coding) -> None:
    noise = os.urandom(100_000)
    coder = producers.ZlibCoder(coding, 6)
    assert len(coder.push(noise) + coder.end()) < len(noise) + 100


def test_a_long_body_takes_no_more_memory_than_a_short_one() -> None:
    """Of Python's; zlib's own is fixed when the stream is made."""
    coder = producers.ZlibCoder("gzip", 1)
    coder.push(DATA)
    tracemalloc.start()
    try:
        for _ in range(20):
            coder.push(DATA)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 10_000
