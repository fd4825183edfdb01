"""The cases of the Autobahn test suite (kosoku carries and runs them), for both ends and both builds.

`make test` runs those that are quick, `make soak` all 517: thousands of long messages, most compressed.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path

import kosoku
import pytest
from kosoku._kosoku import Behavior, CaseResult

REPO = Path(__file__).resolve().parents[2]

#: All but speed (9), compression (12, 13) and four cases that wait for a second each; and a few of these.
QUICK = [*(f"{group}.*" for group in (1, 2, 3, 4, 5, 7, 10)), "6.1.*", "6.2.*", "6.3.*", "6.6.*", "6.12.*"]
QUICK += ["9.1.1", "9.2.1", "9.3.1", "9.5.1", "12.1.3", "12.2.1", "12.3.11", "13.1.3", "13.4.3", "13.5.3"]

Drive = Callable[[str, "list[str] | None"], Coroutine[None, None, list[CaseResult]]]

builds = pytest.mark.parametrize("build", ["compiled", "pure"])


@pytest.fixture(autouse=True, scope="module")
def stand_ins() -> Iterator[None]:
    """kosoku has stand-ins for old packages; pytest would take its pkg_resources for the real one."""
    path, modules = list(sys.path), set(sys.modules)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if "/kosoku/shim/" in (getattr(sys.modules[name], "__file__", None) or ""):
            del sys.modules[name]


@contextmanager
def program(build: str, module: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """One of ours, whose end is waited for; it must have nothing to complain about."""
    environment = {**os.environ, "SKITAI_PURE": "1" if build == "pure" else ""}
    running = subprocess.Popen(
        [sys.executable, "-m", f"tests.autobahn.{module}", *arguments],
        cwd=REPO,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield running
        _, complaints = running.communicate(timeout=10)
    finally:
        running.kill()
        running.wait()
    assert complaints == ""
    assert running.returncode == 0


async def drive_server(build: str, cases: list[str] | None) -> list[CaseResult]:
    with program(build, "echo") as server:
        assert server.stdout is not None
        port = int(server.stdout.readline())
        return await kosoku.run_fuzzingclient(f"ws://127.0.0.1:{port}", cases)


async def drive_client(build: str, cases: list[str] | None) -> list[CaseResult]:
    async with kosoku.run_fuzzingserver(cases, port=0) as fuzzer:
        with program(build, "asker", str(fuzzer.port)):
            return await fuzzer.get_result()


def check(results: list[CaseResult], least: int) -> None:
    """What kosoku lets pass as not strict is a failure here: everything is refused as soon as it shows."""
    assert len(results) >= least
    lax = [result.case_id for result in results if result.behavior == Behavior.NON_STRICT]
    assert lax == []


@builds
@pytest.mark.parametrize("drive", [drive_server, drive_client], ids=["server", "client"])
def test_the_quick_cases(drive: Drive, build: str) -> None:
    check(asyncio.run(drive(build, QUICK)), 140)  # raises FailureError, which names the cases that failed


@pytest.mark.soak
@pytest.mark.timeout(3600)
@builds
@pytest.mark.parametrize("drive", [drive_server, drive_client], ids=["server", "client"])
def test_all_cases(drive: Drive, build: str) -> None:
    check(asyncio.run(drive(build, None)), 517)
