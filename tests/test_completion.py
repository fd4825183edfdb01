"""``skitai completion``: what the shells offer, asked of the shells themselves."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from skitai.cli import main

SHELLS = ("bash", "zsh", "fish")
#: Of a line, the words that must be among what is offered, and one that must not.
LINES = {
    "skitai r": ({"run", "reload"}, "drain"),
    "skitai ": ({"run", "new", "completion"}, "-h"),
    "skitai run --wor": ({"--workers", "--worker-connections"}, "--threads"),
    "skitai run app:app --thr": ({"--threads"}, "--workers"),
    "skitai mail d": ({"drop"}, "list"),
    "skitai mail drop --a": ({"--all"}, "--home"),
    "skitai log-level w": ({"warning"}, "error"),
    "skitai install-service --init s": ({"systemd", "sysv"}, "--print"),
    "skitaid r": ({"restart", "reload", "rotate"}, "stop"),
    "skitaid-instance.py --pri": ({"--print-config"}, "--port"),
    "skitaid-smtpda --sta": ({"--status"}, "--json"),
}
#: Functions of zsh's that say what they were given: its own answer only where somebody types.
ZSH = """
offer() {
    local each
    for each in "${(@P)1}"; do
        if [[ ${each%%:*} == ${words[CURRENT]}* ]]; then print -r -- "${each%%:*}"; fi
    done
}
_describe() { offer $2 }
compadd() { local -a given=("${@[2,-1]}"); offer given }
_files() { true }
compdef() { true }
"""


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("completions")
    for shell in SHELLS:
        done = subprocess.run(
            [sys.executable, "-m", "skitai", "completion", shell], capture_output=True, check=True
        )
        (folder / shell).write_bytes(done.stdout)
    return {shell: folder / shell for shell in SHELLS}


def offered(shell: str, script: Path, line: str) -> set[str]:
    words = line.split(" ")
    typed = shlex.join(words)
    if shell == "bash":
        asked = f"COMP_WORDS=({typed}); COMP_CWORD={len(words) - 1}; _skitai"
        asked += "; printf '%s\\n' \"${COMPREPLY[@]}\""
        command = ["bash", "-c", f"source {script}; {asked}"]
    elif shell == "zsh":
        asked = f"words=({typed}); CURRENT={len(words)}; _skitai"
        command = ["zsh", "-fc", f"{ZSH}\nsource {script}; {asked}"]
    else:
        command = ["fish", "-c", f"source {script}; complete -C {shlex.quote(line)}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert not done.stderr
    return {found.partition("\t")[0] for found in done.stdout.splitlines()}


@pytest.mark.parametrize("shell", SHELLS)
def test_a_shell_completes(shell: str, scripts: dict[str, Path]) -> None:
    if shutil.which(shell) is None:
        assert os.environ.get("CI") != "true", f"CI is to have {shell}"
        pytest.skip(f"no {shell} here")
    for line, (wanted, unwanted) in LINES.items():
        found = offered(shell, scripts[shell], line)
        assert wanted <= found, line
        assert unwanted not in found, line


def test_an_option_that_wants_a_file_offers_no_words(scripts: dict[str, Path]) -> None:
    assert offered("bash", scripts["bash"], "skitai run --certfile ") == {""}


def test_every_command_is_completed(scripts: dict[str, Path]) -> None:
    subcommands = next(
        action.choices for action in main.command_parser()._actions if action.dest == "command"
    )
    for shell in SHELLS:
        text = scripts[shell].read_text()
        assert all(name in text for name in subcommands)
        assert "--worker-class" not in text, "what is not taken is not offered"
