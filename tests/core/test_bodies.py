"""A request body is a true file, in memory or on disk, and leaves nothing behind."""

from __future__ import annotations

import errno
import io
import os
import stat
import threading
from pathlib import Path

import pytest

from skitai.core.bodies import EMPTY_INPUT, RequestBody, Spool
from skitai.errors import ConfigError, SpoolFull

#: The name by which the spool makes its files.
FILE_MAKER = "skitai.core.bodies.tempfile.TemporaryFile"

TEXT = b"first line\nsecond\n\nlast without end"


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(str(tmp_path), 1000)


def body_of(spool: Spool, *pieces: bytes, memory_max: int) -> RequestBody:
    body = RequestBody(spool, memory_max)
    for piece in pieces:
        body.write(piece)
    body.finish()
    return body


@pytest.mark.parametrize("memory_max", [len(TEXT), len(TEXT) - 1, 0], ids=["memory", "grown", "disk"])
def test_input_is_a_file_that_ends_with_the_body(spool, memory_max):
    body = body_of(spool, TEXT[:13], TEXT[13:], memory_max=memory_max)
    file = body.input
    assert body.size == len(TEXT)
    assert body.is_spooled is (memory_max < len(TEXT))
    assert file.read() == TEXT
    assert file.read() == b""
    assert file.read(10) == b""
    assert file.seek(0) == 0
    assert file.readline() == b"first line\n"
    assert file.readline(3) == b"sec"
    assert file.tell() == 14
    assert list(file) == [b"ond\n", b"\n", b"last without end"]
    file.seek(-3, os.SEEK_END)
    assert file.readlines() == [b"end"]
    file.seek(0)
    assert file.readlines(1) == [b"first line\n"]
    assert io.TextIOWrapper(file, "ascii").read() == TEXT[11:].decode()
    body.close()


def test_only_a_spooled_body_has_a_descriptor_and_nobody_else_may_read_it(spool):
    with pytest.raises(io.UnsupportedOperation):
        body_of(spool, b"x", memory_max=1).input.fileno()
    body = body_of(spool, b"xy", memory_max=1)
    status = os.fstat(body.input.fileno())
    assert stat.S_IMODE(status.st_mode) == 0o600
    assert not os.get_inheritable(body.input.fileno())
    assert not body.input.writable()
    body.close()


def test_the_file_never_has_a_name_and_is_gone_when_closed(spool, tmp_path):
    body = body_of(spool, b"x" * 100, memory_max=10)
    descriptor = body.input.fileno()
    assert list(tmp_path.iterdir()) == []
    body.close()
    body.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)


def test_a_body_that_was_never_finished_can_be_closed(spool):
    body = RequestBody(spool, 1)
    body.write(b"xyz")
    body.close()
    assert spool.used == 0
    with pytest.raises(ValueError, match="closed"):
        body.write(b"more")


def test_there_is_no_input_before_the_end(spool):
    with pytest.raises(RuntimeError, match="finish"):
        _ = RequestBody(spool, 1).input


def test_all_spooled_bodies_share_the_total_and_give_it_back(spool):
    first = body_of(spool, b"x" * 600, memory_max=10)
    in_memory = body_of(spool, b"x" * 10, memory_max=10)
    assert spool.used == 600
    second = RequestBody(spool, 10)
    second.write(b"x" * 400)
    with pytest.raises(SpoolFull, match="spool_total_max") as caught:
        second.write(b"x")
    assert caught.value.status == 507
    second.close()
    assert spool.used == 600
    first.close()
    first.close()
    in_memory.close()
    assert spool.used == 0
    third = body_of(spool, b"x" * 1000, memory_max=10)
    assert spool.used == 1000
    third.close()


def test_the_count_is_right_when_many_threads_close_one_body(spool):
    for _ in range(50):
        body = body_of(spool, b"x" * 100, memory_max=0)
        threads = [threading.Thread(target=body.close) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert spool.used == 0


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_disk_is_507_and_is_counted_back(spool, monkeypatch):
    monkeypatch.setattr(FILE_MAKER, lambda *args, **kw: io.FileIO("/dev/full", "r+"))
    body = RequestBody(spool, 1)
    with pytest.raises(SpoolFull, match="No space left") as caught:
        body.write(b"xyz")
    assert isinstance(caught.value.__cause__, OSError)
    body.close()
    assert spool.used == 0


def test_a_file_that_cannot_be_made_is_507_too(spool, monkeypatch):
    def refuse(*args, **kw):
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(FILE_MAKER, refuse)
    body = RequestBody(spool, 1)
    with pytest.raises(SpoolFull, match="Too many open files"):
        body.write(b"xyz")
    body.close()
    assert spool.used == 0


def test_a_disk_that_takes_less_than_it_is_given_is_asked_again(spool, monkeypatch):
    class Slow(io.FileIO):
        def write(self, data):
            return super().write(bytes(data[:7]))

    monkeypatch.setattr(FILE_MAKER, lambda *a, dir, **kw: Slow(os.path.join(dir, "f"), "w+b"))
    body = body_of(spool, TEXT, TEXT, memory_max=5)
    assert body.input.read() == TEXT * 2
    body.close()


def test_a_missing_folder_is_a_mistake_of_the_configuration(tmp_path):
    with pytest.raises(ConfigError, match=r"spool_dir '.*nowhere' cannot be used: No such file") as caught:
        Spool(str(tmp_path / "nowhere"), 1)
    assert "body_memory_max" in str(caught.value)


def test_the_default_folder_is_the_systems(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert Spool(None, 1).directory == str(tmp_path)


def test_where_the_system_has_no_folder_long_bodies_are_refused(monkeypatch):
    def has_none() -> str:
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found")

    spool = Spool(None, 100)
    monkeypatch.setattr("skitai.core.bodies.tempfile.gettempdir", has_none)
    with pytest.raises(SpoolFull, match="the system's folder of temporary files: No usable"):
        spool.create()
    with pytest.raises(SpoolFull, match="the system's folder of temporary files would pass"):
        spool.reserve(101)


def test_the_empty_input_is_at_its_end_whatever_is_done_to_it():
    with EMPTY_INPUT as file:
        assert file.read() == file.read(5) == file.readline() == b""
        assert list(file) == file.readlines() == []
        assert file.seek(0, os.SEEK_END) == file.seek(5) == file.tell() == 0
    EMPTY_INPUT.close()
    assert io.TextIOWrapper(EMPTY_INPUT, "ascii").read() == ""
    buffer = bytearray(4)
    assert EMPTY_INPUT.readinto(buffer) == 0
    assert not EMPTY_INPUT.closed


@pytest.mark.parametrize("memory_max", [len(TEXT), 0], ids=["memory", "disk"])
def test_what_an_application_does_to_its_input_does_not_fill_the_spool(spool, memory_max):
    body = body_of(spool, TEXT, memory_max=memory_max)
    kept = body.input.detach() if body.is_spooled else body.input.getbuffer()
    body.close()
    assert spool.used == 0
    assert kept is not None
