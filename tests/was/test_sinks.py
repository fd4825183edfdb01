"""Answers that go to files, and those that are read while they come."""

from __future__ import annotations

import http.cookiejar
import os
import shutil
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from skitai import was
from skitai.errors import ConnectError, WriteError
from skitai.was._drafts import Draft
from skitai.was._sinks import FileSink
from tests.core.outbound.peers import Client, Peer, answers
from tests.was.fakes import FullDisk, answered, failed


@pytest.fixture
def url() -> Iterator[str]:
    peer = Peer(answers())
    yield f"http://127.0.0.1:{peer.port}/"
    peer.close()


@pytest.fixture
def may_answer() -> threading.Event:
    return threading.Event()


@pytest.fixture
def slow_url(may_answer: threading.Event) -> Iterator[str]:
    """Of a server that waits for the event before it answers."""

    def script(client: Client) -> None:
        while client.request():
            may_answer.wait(5)
            client.answer()

    peer = Peer(script)
    yield f"http://127.0.0.1:{peer.port}/"
    peer.close()


# -- files ------------------------------------------------------------------------------------------


def test_a_path_has_its_file_when_the_result_is_there(url: str, tmp_path: Path) -> None:
    assert was.get(url, into=tmp_path / "x").getwait(5).code == 200
    assert (tmp_path / "x").read_bytes() == b"hello"
    assert os.listdir(tmp_path) == ["x"]


def test_what_fails_leaves_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"before")
    result = was.get("http://127.0.0.1:1/", into=tmp_path / "x").getwait(5)
    assert isinstance(result.error, ConnectError)
    assert (tmp_path / "x").read_bytes() == b"before"
    assert os.listdir(tmp_path) == ["x"]


def test_only_a_regular_file_is_replaced(url: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "to null").symlink_to(os.devnull)
    for path in (tmp_path, tmp_path / "pipe", tmp_path / "to null"):
        with pytest.raises(FileExistsError, match="no regular file"):
            was.get(url, into=path)
    assert sorted(os.listdir(tmp_path)) == ["pipe", "to null"]


def test_a_folder_that_goes_away_is_an_error_in_the_result(
    slow_url: str, may_answer: threading.Event, tmp_path: Path
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    call = was.get(slow_url, into=folder / "x")
    shutil.rmtree(folder)
    may_answer.set()
    assert isinstance(call.getwait(5).error, WriteError)


def test_what_cannot_take_its_place_is_no_more(
    slow_url: str, may_answer: threading.Event, tmp_path: Path
) -> None:
    call = was.get(slow_url, into=tmp_path / "x")
    (tmp_path / "x").mkdir()
    may_answer.set()
    assert isinstance(call.getwait(5).error, WriteError)
    assert os.listdir(tmp_path) == ["x"]


@pytest.mark.parametrize("outcome", [answered(200), failed(WriteError("the first reason"))])
def test_a_full_disk_keeps_no_part_of_it(tmp_path: Path, outcome: Any) -> None:
    draft = Draft(tmp_path / "x")
    draft.file = FullDisk(draft.file)
    error = FileSink(draft.file, draft).finish(outcome).error
    assert isinstance(error, WriteError)
    assert str(error) == "the first reason" or "No space left" in str(error)
    assert os.listdir(tmp_path) == []


def test_a_file_that_its_owner_closes_is_an_error_in_the_result(
    slow_url: str, may_answer: threading.Event, tmp_path: Path
) -> None:
    with (tmp_path / "x").open("wb") as file:
        call = was.get(slow_url, into=file)
    may_answer.set()
    result = call.getwait(5)
    assert isinstance(result.error, WriteError)
    assert "closed file" in str(result.error)


def test_a_call_that_cannot_begin_leaves_no_file(url: str, tmp_path: Path) -> None:
    class Jar(http.cookiejar.CookieJar):
        def add_cookie_header(self, request: Any) -> None:
            raise RuntimeError("this jar is empty")

    with pytest.raises(RuntimeError, match="this jar is empty"):
        was.get(url, into=tmp_path / "x", cookies=Jar())
    assert os.listdir(tmp_path) == []


# -- streams ----------------------------------------------------------------------------------------


def bomb(megabytes: int) -> bytes:
    packer = zlib.compressobj(9, wbits=31)
    return b"".join(packer.compress(bytes(1 << 20)) for _ in range(megabytes)) + packer.flush()


@pytest.fixture
def bomb_url() -> Iterator[str]:
    packed = bomb(64)

    def script(client: Client) -> None:
        client.request()
        client.answer(packed, b"Content-Encoding: gzip")

    peer = Peer(script)
    yield f"http://127.0.0.1:{peer.port}/"
    peer.close()


def test_a_bomb_takes_no_more_memory_than_any_stream(bomb_url: str) -> None:
    result = was.get(bomb_url, stream=True).getwait(5)
    size = most = 0
    for piece in result:
        size += len(piece)
        most = max(most, result._sink._size)
    assert size == 64 << 20
    assert most <= 1 << 19


def test_a_bomb_that_goes_to_a_file_lets_others_have_their_turn(bomb_url: str, tmp_path: Path) -> None:
    other = Peer(answers())
    try:
        call = was.get(bomb_url, into=tmp_path / "x")
        begun = 0
        while not call.done:
            assert was.get(f"http://127.0.0.1:{other.port}/").getwait(5).code == 200
            begun += 1
        assert begun > 2, "one at its beginning, and one at its end"
    finally:
        other.close()
    assert call.getwait(5).status == 3
    assert (tmp_path / "x").stat().st_size == 64 << 20
