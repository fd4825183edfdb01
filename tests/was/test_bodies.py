"""Bodies in files, and those that are read before they are sent."""

from __future__ import annotations

import gzip
import io
import os
import tempfile
import threading
from pathlib import Path

import pytest

from skitai.was import _bodies
from skitai.was._bodies import FilePart, Pieces, gathered, is_file, of_file


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def everything(part: bytes | FilePart, size: int = 7) -> bytes:
    body = Pieces([part])
    return b"".join(iter(lambda: body.read(size), b""))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "file.bin"
    made.write_bytes(b"0123456789" * 10)
    return made


def test_what_is_a_file(path: Path) -> None:
    with path.open("rb") as file:
        assert is_file(file)
    assert is_file(path)
    assert is_file(io.BytesIO())
    assert not any(map(is_file, ("text", b"bytes", {}, [], 5, None, str(path))))


def test_a_regular_file_is_not_copied_and_not_moved(path: Path) -> None:
    for opened in (path.open("rb"), path.open("r+b"), path.open("rb", buffering=0)):
        with opened as file:
            file.seek(95)
            part = of_file(file)
            assert isinstance(part, FilePart)
            assert file.tell() == 95
        assert (part.start, part.size) == (95, 5)
        assert everything(part) == b"56789"


def test_what_was_written_is_sent_too() -> None:
    with tempfile.TemporaryFile() as file:
        file.write(b"not yet on its way to the system")
        file.seek(0)
        part = of_file(file)
        assert everything(part) == b"not yet on its way to the system"


def test_what_is_behind_the_end_is_nothing(path: Path) -> None:
    with path.open("rb") as file:
        file.seek(1000)
        part = of_file(file)
    assert everything(part) == b""


def test_a_pipe_is_read_at_once() -> None:
    reading, writing = os.pipe()
    writer = threading.Thread(target=lambda: (os.write(writing, b"through a pipe"), os.close(writing)))
    writer.start()
    with open(reading, "rb") as file:
        assert of_file(file) == b"through a pipe"
    writer.join()


def test_a_file_that_decompresses_is_what_comes_out_of_it(tmp_path: Path) -> None:
    packed = tmp_path / "a.gz"
    packed.write_bytes(gzip.compress(b"content" * 3))
    with gzip.open(packed) as file:
        assert of_file(file) == b"content" * 3


def test_a_class_of_ones_own_is_read_as_it_reads(path: Path) -> None:
    class Shouting(io.FileIO):
        def read(self, size: int = -1) -> bytes:
            return super().read(size).replace(b"0", b"!")

    with Shouting(str(path)) as file:
        assert of_file(file) == b"!123456789" * 10


def test_a_named_temporary_file() -> None:
    with tempfile.NamedTemporaryFile() as file:
        file.write(b"content")
        file.seek(3)
        assert of_file(file) == b"tent"


def test_a_file_that_was_opened_as_text(path: Path) -> None:
    with path.open() as file, pytest.raises(TypeError, match="was opened as text: open it with mode 'rb'"):
        of_file(file)


def test_what_is_short_stays_in_memory_and_what_is_long_goes_to_a_file() -> None:
    piece = b"x" * 65536
    assert gathered([piece] * 16) == piece * 16
    before = descriptors()
    part = gathered(piece for _ in range(17))
    assert isinstance(part, FilePart)
    assert part.size == 17 * 65536
    assert descriptors() == before + 1
    assert everything(part, 1 << 20) == piece * 17
    part.close()
    assert descriptors() == before


def test_a_file_is_never_all_in_memory(path: Path) -> None:
    """A call costs a descriptor, however large the file."""
    with path.open("ab") as file:
        file.truncate(1 << 34)
    body = Pieces([b"head", of_file(path), b"tail"])
    assert body.size == (1 << 34) + 8
    assert body.read(1 << 30) == b"head"
    assert len(body.read(100)) == 100
    body.close()


def test_pieces_one_behind_the_other(path: Path) -> None:
    body = Pieces([b"", b"head", of_file(path), b"", b"tail"])
    whole = b"head" + path.read_bytes() + b"tail"
    assert body.size == len(whole)
    for size in (1, 3, 10, 1000):
        got = list(iter(lambda size=size: body.read(size), b""))
        assert all(0 < len(piece) <= size for piece in got)
        assert b"".join(got) == whole
        assert body.read(size) == b""
        assert body.rewind()


def test_copies_are_read_beside_each_other(path: Path) -> None:
    first = Pieces([b"head", of_file(path)])
    assert first.read(6) == b"head"
    second = first.copy()
    assert first.read(3) == b"012"
    assert (second.read(2), second.read(5)) == (b"he", b"ad")
    assert second.read(5) == b"01234"
    first.close()
    assert second.read(2) == b"56"
    second.close()


def test_descriptors_are_given_back(path: Path) -> None:
    before = descriptors()
    body = Pieces([of_file(path), of_file(path)])
    assert descriptors() == before + 2
    body.close()
    body.close()
    assert descriptors() == before
    # Nobody had a use for it.
    made = of_file(path)
    assert descriptors() == before + 1
    del made
    assert descriptors() == before


def test_a_file_that_becomes_shorter_is_an_error_and_not_a_shorter_body(path: Path) -> None:
    body = Pieces([of_file(path)])
    assert len(body.read(50)) == 50
    os.truncate(path, 50)
    with pytest.raises(OSError, match="shorter while it was being sent"):
        body.read(50)


def test_a_system_without_pread(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_bodies, "_read_at", _bodies._seek_and_read)
    first, second = Pieces([of_file(path)]), Pieces([of_file(path)])
    assert first.read(15) == b"012345678901234"
    assert second.read(5) == b"01234"
    assert first.read(5) == b"56789"
