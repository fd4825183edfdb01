"""Files on their way to their place, without a name and, where the system has no such thing, with one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from skitai.was import _drafts
from skitai.was._drafts import Draft
from tests.was.fakes import FullDisk

can_be_unnamed = pytest.mark.skipif(not hasattr(os, "O_TMPFILE"), reason="a file has a name here")


@pytest.fixture(autouse=True, params=[pytest.param(True, marks=can_be_unnamed), False])
def unnamed(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    if not request.param:
        monkeypatch.setattr(_drafts, "_open_unnamed", lambda folder: None)
    return bool(request.param)


def test_what_is_kept_takes_the_place_of_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"before")
    draft = Draft(tmp_path / "x")
    draft.file.write(b"after")
    assert (tmp_path / "x").read_bytes() == b"before"
    draft.keep()
    assert (tmp_path / "x").read_bytes() == b"after"
    assert os.listdir(tmp_path) == ["x"]


def test_until_then_only_a_named_one_is_seen(tmp_path: Path, unnamed: bool) -> None:
    draft = Draft(tmp_path / "x")
    assert len(os.listdir(tmp_path)) == (0 if unnamed else 1)
    draft.discard()
    assert os.listdir(tmp_path) == []


def test_it_is_as_readable_as_any_file_of_the_caller(tmp_path: Path) -> None:
    (tmp_path / "other").touch()
    draft = Draft(tmp_path / "x")
    draft.keep()
    assert (tmp_path / "x").stat().st_mode == (tmp_path / "other").stat().st_mode


def test_what_cannot_take_its_place_is_no_more(tmp_path: Path) -> None:
    draft = Draft(tmp_path / "x")
    (tmp_path / "x").mkdir()
    with pytest.raises(IsADirectoryError):
        draft.keep()
    assert os.listdir(tmp_path) == ["x"]


@pytest.mark.parametrize("end", [Draft.keep, Draft.discard])
def test_a_full_disk_leaves_nothing(tmp_path: Path, end: object) -> None:
    draft = Draft(tmp_path / "x")
    draft.file = FullDisk(draft.file)
    with pytest.raises(OSError, match="No space left"):
        end(draft)  # type: ignore[operator]
    assert os.listdir(tmp_path) == []


def test_a_folder_that_there_is_not(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Draft(tmp_path / "folder" / "x")


def test_a_process_that_is_killed_leaves_none_that_has_no_name(tmp_path: Path, unnamed: bool) -> None:
    if not unnamed:
        pytest.skip("this is what a file without a name is for")
    script = (
        "import os, pathlib, signal, sys\n"
        "from skitai.was._drafts import Draft\n"
        "draft = Draft(pathlib.Path(sys.argv[1]))\n"
        "draft.file.write(bytes(1 << 20))\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", script, tmp_path / "x"], timeout=30, check=False)
    assert os.listdir(tmp_path) == []
