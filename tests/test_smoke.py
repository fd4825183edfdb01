"""`tests/smoke.py`, which tries wheels, tried here; and once more on what stands in for Windows."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from skitai import _kernels
from tests.test_build import REPO

SMOKE = REPO / "tests" / "smoke.py"
LIKE_WINDOWS = REPO / "tests" / "likewindows"


def python(*arguments: str | Path, first: Path | None = None) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(str(folder) for folder in (first, REPO) if folder is not None)
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )


def test_an_installation_serves_what_the_smoke_test_asks_for() -> None:
    done = python(SMOKE, _kernels.implementation())
    assert done.returncode == 0, done.stderr


def test_the_smoke_test_wants_the_build_that_it_is_told() -> None:
    other = {"pure": "compiled", "compiled": "pure"}[_kernels.implementation()]
    assert f"not {other}" in python(SMOKE, other).stderr


def test_what_stands_in_for_windows_lacks_what_windows_lacks() -> None:
    script = """
import os, select, selectors, signal, socket, sys
assert sys.platform == "win32"
for module in ("fcntl", "pwd", "grp", "resource"):
    try:
        __import__(module)
    except ImportError:
        continue
    raise AssertionError(module)
assert not hasattr(os, "fork") and not hasattr(signal, "SIGHUP") and not hasattr(socket, "AF_UNIX")
assert not hasattr(select, "epoll") and selectors.DefaultSelector is selectors.SelectSelector
reader, writer = os.pipe()
try:
    select.select([reader], [], [], 0)
except OSError:
    sys.exit()
raise AssertionError("a pipe can be asked")
"""
    done = python("-c", script, first=LIKE_WINDOWS)
    assert done.returncode == 0, done.stderr


def test_a_server_without_posix_serves() -> None:
    done = python(SMOKE, "pure", first=LIKE_WINDOWS)
    assert done.returncode == 0, done.stderr


def test_the_command_line_without_posix_says_what_is_not_there() -> None:
    for module, *arguments in (
        ["skitai.cli.skitaid", "start"],
        ["skitai", "install-service"],
        ["skitai", "reload"],
    ):
        done = python("-m", module, *arguments, first=LIKE_WINDOWS)
        assert done.returncode not in (0, 2)
        assert "Windows" in done.stderr, done.stderr
        assert "Traceback" not in done.stderr
