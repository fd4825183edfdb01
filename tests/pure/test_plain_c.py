"""The plain C under the compiled engine, alone: compiled here with warnings as errors and run.

The lead's stress run is under ThreadSanitizer: 3 s here, ten minutes in `make soak`.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]
FLAGS = ("-std=c11", "-D_GNU_SOURCE", "-O1", "-g", "-Wall", "-Wextra", "-Werror", "-pthread")


@pytest.fixture
def build(tmp_path: Path, require_program: Callable[[str], str]) -> Callable[..., Path]:
    compiler = require_program("cc")

    def build(name: str, *flags: str) -> Path:
        program = tmp_path / name
        sources = ["-I", str(REPO / "skitai/_speedups"), str(REPO / f"tests/c/{name}.c")]
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


def test_the_lead_goes_over_and_over(build: Callable[..., Path]) -> None:
    assert "taken over" in run(build("lead_stress", "-fsanitize=thread"), "3")


@pytest.mark.soak
@pytest.mark.timeout(700)
def test_the_lead_goes_over_for_ten_minutes(build: Callable[..., Path]) -> None:
    assert "taken over" in run(build("lead_stress", "-fsanitize=thread"), "600", timeout=660)
