"""The plain C under the compiled engine, alone: compiled here with warnings as errors and run.

The stress runs of the lead, of the monitor in the leader's place and of a cluster's members are under
ThreadSanitizer: some seconds here, ten minutes of the first two in `make soak`.  The kqueue half of the
poller runs over a stand-in for the BSDs' header (tests/c/kqueue); `make soak` runs the engine's tests on it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]
FLAGS = ("-std=c11", "-D_GNU_SOURCE", "-O1", "-g", "-Wall", "-Wextra", "-Werror", "-pthread")

KQUEUE = ("-DSKITAI_KQUEUE", "-I", str(REPO / "tests/c/kqueue"))


@pytest.fixture
def build(tmp_path: Path, require_program: Callable[[str], str]) -> Callable[..., Path]:
    compiler = require_program("cc")

    def build(name: str, *flags: str) -> Path:
        program = tmp_path / name
        sources = ["-I", str(REPO / "skitai/_speedups"), str(REPO / f"tests/c/{name}.c"), "-lm"]
        subprocess.run([compiler, *FLAGS, *flags, *sources, "-o", str(program)], check=True, timeout=60)
        return program

    return build


def run(program: Path, *arguments: str, timeout: float = 30) -> str:
    # Under `make sanitize` another sanitizer would be loaded into a program that has one.
    environment = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
    done = subprocess.run(
        [program, *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_what_is_learnt_of_routes(build: Callable[..., Path]) -> None:
    run(build("habits_check", "-fsanitize=address,undefined"))


def test_who_computes(build: Callable[..., Path]) -> None:
    run(build("workers_check", "-fsanitize=address,undefined"))


def test_who_is_woken(build: Callable[..., Path]) -> None:
    run(build("rest_check", "-fsanitize=address,undefined"))


def test_what_ends_the_monitors_doze(build: Callable[..., Path]) -> None:
    run(build("doze_check", "-fsanitize=address,undefined"))


def test_what_is_kept_on_the_shelf(build: Callable[..., Path], tmp_path: Path) -> None:
    run(build("shelf_check", "-fsanitize=address,undefined"), str(tmp_path))


@pytest.mark.parametrize("sanitizer", ["address,undefined", "thread"])
def test_files_that_are_fetched(build: Callable[..., Path], tmp_path: Path, sanitizer: str) -> None:
    run(build("fetching_check", f"-fsanitize={sanitizer}"), str(tmp_path))


def test_members_that_come_and_go(build: Callable[..., Path]) -> None:
    run(build("members_check", "-fsanitize=address,undefined"))


def test_members_from_many_threads(build: Callable[..., Path]) -> None:
    assert "repeated" in run(build("members_stress", "-fsanitize=thread"), "1")


def test_the_lead_goes_over_and_over(build: Callable[..., Path]) -> None:
    assert "taken over" in run(build("lead_stress", "-fsanitize=thread"), "3")


def test_the_monitor_serves_in_the_leaders_place(build: Callable[..., Path], tmp_path: Path) -> None:
    assert "by the monitor" in run(build("relief_stress", "-fsanitize=thread"), str(tmp_path), "3")


@pytest.mark.soak
@pytest.mark.timeout(700)
def test_the_monitor_serves_for_ten_minutes(build: Callable[..., Path], tmp_path: Path) -> None:
    program = build("relief_stress", "-fsanitize=thread")
    assert "by the monitor" in run(program, str(tmp_path), "600", timeout=660)


@pytest.mark.soak
@pytest.mark.timeout(700)
def test_the_lead_goes_over_for_ten_minutes(build: Callable[..., Path]) -> None:
    assert "taken over" in run(build("lead_stress", "-fsanitize=thread"), "600", timeout=660)


@pytest.mark.parametrize("half", [(), KQUEUE], ids=["epoll", "kqueue"])
def test_what_is_ready(build: Callable[..., Path], half: tuple[str, ...]) -> None:
    run(build("poller_check", "-fsanitize=address,undefined", *half))


@pytest.mark.soak
@pytest.mark.timeout(300)
def test_the_engine_on_kqueue(tmp_path: Path, require_program: Callable[[str], str]) -> None:
    """In a copy, whose extensions are built anew."""
    require_program("cc")
    pytest.importorskip("Cython")
    for folder in ("skitai", "tests"):
        built = shutil.ignore_patterns("*.so", "__pycache__", ".hypothesis")
        shutil.copytree(REPO / folder, tmp_path / folder, ignore=built)
    for file in ("setup.py", "pyproject.toml", "README.md"):
        shutil.copy(REPO / file, tmp_path)
    environment = {
        **os.environ,
        "CFLAGS": " ".join(KQUEUE),
        "PYTHONPATH": str(tmp_path),
        "SKITAI_EXTENSIONS": "require",
        "SKITAI_PURE": "",
    }
    tests = [f"tests/pure/test_{name}.py" for name in ("engine", "lanes", "threads")]
    for arguments in (["setup.py", "-q", "build_ext", "--inplace"], ["-m", "pytest", "-q", *tests]):
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=200,
            check=False,
        )
        assert done.returncode == 0, done.stdout
