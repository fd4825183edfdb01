"""Servers as the harness runs them: started, asked, ended with all they started."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import procfs
from benchmarks.process import Request, Server, ServerFailed
from benchmarks.scenarios import SCENARIOS

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux") or shutil.which("taskset") is None, reason="needs /proc and taskset"
)


def core() -> int:
    return min(os.sched_getaffinity(0))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server("skitai", SCENARIOS["hello"].app, core(), tmp_path)
    yield server
    server.stop()


def sessions() -> set[int]:
    return {session for _, session, _ in procfs.processes()}


def test_a_server_answers_and_is_gone_after_stop(tmp_path: Path) -> None:
    server = Server("skitai", SCENARIOS["hello"].app, core(), tmp_path)
    try:
        server.wait_ready(SCENARIOS["hello"].request())
        assert procfs.memory(server.session) > 1
    finally:
        server.stop()
    assert server.session not in sessions()


def test_a_wrong_answer_is_told(server: Server) -> None:
    with pytest.raises(ServerFailed, match="200 with 12 bytes of body, not 200 with 13"):
        server.wait_ready(Request("/", 13))


def test_a_server_that_does_not_start_has_last_words(tmp_path: Path) -> None:
    server = Server("skitai", "benchmarks.nothing:app", core(), tmp_path)
    try:
        with pytest.raises(ServerFailed, match=r"does not listen: .*benchmarks\.nothing"):
            server.wait_ready(Request("/", 12))
    finally:
        server.stop()
