"""Log files that give way to new ones: by day, by month, by size, and in several processes at once."""

from __future__ import annotations

import multiprocessing
import os
import time
from pathlib import Path

import pytest

from skitai.core.logs.journal import Journal
from skitai.core.logs.options import LogOptions, Rotation
from skitai.core.logs.rotation import RotatingFile, log_file
from skitai.core.logs.sinks import FileSink

NOON = time.mktime((2026, 11, 22, 12, 0, 0, 0, 0, -1))
DAY = 86400


def warning(text: str) -> bytes:
    return f"[warn] {text}\n".encode()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


class Clock:
    """The time of the thread that writes; what it writes is from then, too."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = NOON
        monkeypatch.setattr("skitai.core.logs.rotation.time.time", lambda: self.now)

    def write(self, sink: FileSink, text: str) -> None:
        sink.write([f"{text}\n".encode()])
        os.utime(sink.path, (self.now, self.now))


def made(folder: Path, every: str = "no", size: int = 0, keep: int = 100) -> FileSink:
    return log_file(folder, "request", warning, Rotation(every, size, keep))


def found(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in sorted(folder.iterdir())}


def test_a_new_day_has_a_new_file(tmp_path: Path, clock: Clock) -> None:
    sink = made(tmp_path, "daily")
    clock.write(sink, "one")
    clock.now += 60
    clock.write(sink, "two")
    clock.now += DAY
    clock.write(sink, "three")
    clock.now += 2 * DAY
    clock.write(sink, "four")
    sink.close()
    assert found(tmp_path) == {
        "request-20261122.log": "one\ntwo\n",
        "request-20261123.log": "three\n",
        "request.log": "four\n",
    }


def test_a_process_that_starts_another_day_leaves_what_is_there_to_its_own(
    tmp_path: Path, clock: Clock
) -> None:
    sink = made(tmp_path, "daily")
    clock.write(sink, "before")
    sink.close()
    clock.now += DAY
    sink = made(tmp_path, "daily")
    clock.write(sink, "after")
    sink.close()
    assert found(tmp_path) == {"request-20261122.log": "before\n", "request.log": "after\n"}


def test_a_month(tmp_path: Path, clock: Clock) -> None:
    sink = made(tmp_path, "monthly")
    clock.write(sink, "one")
    clock.now += 7 * DAY
    clock.write(sink, "two")
    clock.now += 7 * DAY
    clock.write(sink, "december")
    sink.close()
    assert found(tmp_path) == {"request-20261129.log": "one\ntwo\n", "request.log": "december\n"}


def test_a_size_and_a_name_that_is_taken(tmp_path: Path) -> None:
    sink = made(tmp_path, size=10)
    for number in range(5):
        sink.write([b"123456\n"])
        assert (tmp_path / "request.log").read_text() == "123456\n", number
    sink.write([b"longer than all of it\n"])
    sink.close()
    files = found(tmp_path)
    assert len(files) == 6
    assert "".join(files.values()).count("123456\n") == 5
    today = time.strftime("%Y%m%d")
    assert f"request-{today}.log" in files
    assert sum(name.startswith(f"request-{today}-") for name in files) == 4


def test_only_so_many_are_kept_and_nothing_else_goes(tmp_path: Path, clock: Clock) -> None:
    for name in ("request-20200101.log.gz", "request-old.log", "app-20200101.log"):
        (tmp_path / name).write_text("not ours")
    sink = made(tmp_path, "daily", keep=2)
    for _ in range(5):
        clock.write(sink, "line")
        clock.now += DAY
    sink.close()
    assert sorted(found(tmp_path)) == [
        *("app-20200101.log", "request-20200101.log.gz"),
        *("request-20261124.log", "request-20261125.log", "request-old.log", "request.log"),
    ]


def test_an_own_hand_may_rename_or_remove_it(tmp_path: Path) -> None:
    sink = made(tmp_path, "daily")
    sink.write([b"one\n"])
    (tmp_path / "request.log").rename(tmp_path / "mine")
    sink.write([b"two\n"])
    (tmp_path / "request.log").unlink()
    sink.write([b"three\n"])
    sink.close()
    assert found(tmp_path) == {"mine": "one\n", "request.log": "three\n"}


def test_a_renaming_that_is_refused_is_told_once_and_loses_nothing(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    sink = made(tmp_path, "daily")
    clock.write(sink, "one")
    clock.now += DAY
    monkeypatch.setattr("skitai.core.logs.rotation.os.rename", refuse)
    sink.write([b"two\n"])
    sink.write([b"three\n"])
    sink.close()
    path = tmp_path / "request.log"
    told = f"[warn] {path} cannot be renamed: Permission denied; going on in it\n"
    assert found(tmp_path) == {"request.log": f"one\n{told}two\nthree\n"}


def test_what_is_no_file_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "request.log").symlink_to(os.devnull)
    sink = made(tmp_path, "daily", size=1)
    sink.write([b"one\n"])
    sink.write([b"two\n"])
    sink.close()
    assert os.readlink(tmp_path / "request.log") == os.devnull
    assert len(os.listdir(tmp_path)) == 1


def test_without_a_reason_it_is_a_plain_file(tmp_path: Path) -> None:
    sink = made(tmp_path)
    sink.close()
    assert not isinstance(sink, RotatingFile)


def _write_much(folder: Path, name: str) -> None:
    sink = made(folder, size=2000, keep=100_000)
    for number in range(2000):
        sink.write([f"{name} {number}\n".encode()])
    sink.close()


def test_four_processes_lose_no_line(tmp_path: Path) -> None:
    spawning = multiprocessing.get_context("spawn")
    writers = [spawning.Process(target=_write_much, args=(tmp_path, name)) for name in "abcd"]
    for each in writers:
        each.start()
    for each in writers:
        each.join(60)
        assert each.exitcode == 0
    lines = [line for text in found(tmp_path).values() for line in text.splitlines()]
    assert sorted(lines) == sorted(f"{name} {number}" for name in "abcd" for number in range(2000))
    assert len(list(tmp_path.iterdir())) > 20


def test_the_masters_log_gives_way_too(tmp_path: Path, clock: Clock) -> None:
    journal = Journal(tmp_path, console=False, options=LogOptions(rotation=Rotation("daily")))
    journal.write("one")
    os.utime(tmp_path / "server.log", (clock.now, clock.now))
    clock.now += DAY
    journal.write("two")
    journal.close()
    assert sorted(found(tmp_path)) == ["server-20261122.log", "server.log"]
