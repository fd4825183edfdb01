"""WebDAV: WsgiDAV on Skitai under Debian's litmus, all five suites."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

from tests.live.program import Serve

#: litmus 0.13: basic 16, copymove 13, props 30, locks 41, http 4.
TESTS = 104

SUMMARY = re.compile(r"summary for `(\w+)': of (\d+) tests run: (\d+) passed, (\d+) failed")


def test_litmus_passes_whole(serve: Serve, tmp_path: Path, require_program: Callable[[str], str]) -> None:
    litmus = require_program("litmus")
    root = tmp_path / "root"
    root.mkdir()
    server = serve("tests.live.apps.dav:app", "--threads", "4", env={"DAV_ROOT": str(root)})
    run = subprocess.run(
        [litmus, "--keep-going", f"{server.url}/"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    suites = {name: [int(n) for n in rest] for name, *rest in SUMMARY.findall(run.stdout)}
    assert sorted(suites) == ["basic", "copymove", "http", "locks", "props"], run.stdout
    assert sum(passed for _, passed, _ in suites.values()) == TESTS, run.stdout
    assert sum(failed for *_, failed in suites.values()) == 0, run.stdout
