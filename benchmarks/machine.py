"""Where a run was made: enough to judge whether another run's figures may stand beside it."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from datetime import datetime, timezone
from pathlib import Path

from benchmarks.servers import REPO

__all__ = ["describe"]


def describe() -> dict[str, str]:
    return {
        "time": datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "processor": f"{_processor()}, {os.cpu_count()} cores",
        "system": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "wrk": _first_line("wrk", "-v"),
        "revision": _first_line("git", "--no-optional-locks", "describe", "--always", "--dirty"),
        "load": f"{os.getloadavg()[0]:.2f} before the run",
    }


def _processor() -> str:
    found = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return found[1] if found else platform.machine()


def _first_line(*command: str) -> str:
    """Of what a program says about itself; wrk says it and ends with 1."""
    if shutil.which(command[0]) is None:
        return "unknown"
    answer = subprocess.run(
        command, cwd=REPO, text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=20
    )
    return answer.stdout.partition("\n")[0].partition(" Copyright")[0].strip() or "unknown"
