"""``skitai install-service``: the files it writes are good, and it writes over nobody's."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from skitai.cli import installing, main, units

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has services of its own kind")

#: /bin/true stands for skitaid: systemd-analyze looks whether the command is there.
COMMAND = ["/bin/true", "--home", "/srv/a site/100%"]


@pytest.mark.parametrize("kind", ["system", "user"])
def test_systemd_has_nothing_to_say_against_a_unit(
    tmp_path: Path, kind: str, require_program: Callable[[str], str]
) -> None:
    program = require_program("systemd-analyze")
    file = tmp_path / "skitaid.service"
    text = (
        units.system_unit(COMMAND, 90.0, "/srv/a site")
        if kind == "system"
        else units.user_unit(COMMAND, 90.0)
    )
    file.write_text(text)
    checked = subprocess.run([program, "verify", file], capture_output=True, text=True)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


def test_a_command_is_written_as_systemd_reads_it() -> None:
    assert 'ExecStart=/bin/true --home "/srv/a site/100%%"\n' in units.user_unit(COMMAND, 90.0)
    assert "TimeoutStopSec=100\n" in units.user_unit(COMMAND, 90.0)


def script(tmp_path: Path, code: int) -> Path:
    """For a skitaid that says what it was asked and exits with ``code``."""
    skitaid = tmp_path / "a skitaid"
    skitaid.write_text(f'#!/bin/sh\necho "$@"\nexit {code}\n')
    skitaid.chmod(0o755)
    file = tmp_path / "init"
    file.write_text(units.sysv_script([str(skitaid), "--home", "/x"]))
    return file


@pytest.mark.parametrize(
    ("verb", "asked"),
    [
        ("start", "--home /x start\n"),
        ("stop", "--home /x stop\n"),
        ("status", "--home /x status\n"),
        ("force-reload", "--home /x reload\n"),
        ("restart", "--home /x stop\n--home /x start\n"),
    ],
)
def test_the_verbs_of_the_script(tmp_path: Path, verb: str, asked: str) -> None:
    ran = subprocess.run(["sh", script(tmp_path, 3), verb], capture_output=True, text=True)
    assert (ran.stdout, ran.returncode) == (asked, 3)


def test_another_word_is_explained(tmp_path: Path) -> None:
    ran = subprocess.run(["sh", script(tmp_path, 0), "dance"], capture_output=True, text=True)
    assert ran.returncode == 2
    assert "Usage:" in ran.stderr


@pytest.fixture
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The unit's file of an ordinary user."""
    monkeypatch.setattr(installing.os, "geteuid", lambda: 1000)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path / "config" / "systemd" / "user" / "skitaid.service"


def test_a_user_gets_a_unit_and_a_configuration(
    user: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["install-service", "--init", "systemd", "--home", str(tmp_path / "home")]
    assert main.main(command) == 0
    assert f"--home {tmp_path}/home\n" in user.read_text()
    assert (tmp_path / "home" / "etc" / "skitaid" / "servers-enabled" / "sample.conf").is_file()
    said = capsys.readouterr().out
    assert f"{user}: written" in said
    assert "systemctl --user enable --now skitaid" in said
    assert main.main(command) == 0
    assert "as it was" in capsys.readouterr().out


def test_a_file_that_says_something_else_stays(
    user: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["install-service", "--init", "systemd", "--home", str(tmp_path / "home")]
    user.parent.mkdir(parents=True)
    user.write_text("mine")
    assert main.main(command) == 78
    assert user.read_text() == "mine"
    assert "says something else; --force replaces it" in capsys.readouterr().err
    assert main.main([*command, "--force"]) == 0
    assert "Type=notify" in user.read_text()


def test_only_root_has_scripts_of_init(user: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["install-service", "--init", "sysv"]) == 78
    assert "only root" in capsys.readouterr().err
    assert main.main(["install-service", "--init", "sysv", "--print"]) == 0
    assert capsys.readouterr().out.startswith("#!/bin/sh")
