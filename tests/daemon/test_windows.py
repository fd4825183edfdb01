"""The service of Windows without Windows: a service manager that is a fake, and processes that are none."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from skitai.cli import win32service
from skitai.core.logs.journal import Journal
from skitai.core.places import Places
from skitai.daemon.enabled import Enabled
from skitai.daemon.keeper import Keeper, start_process
from skitai.daemon.supervisor import Patience, Supervisor
from tests.waiting import wait_until


class FakeManager:
    """A service manager; ``heard`` is what was done."""

    def __init__(self, state: str | None = None) -> None:
        self.current = state
        self.heard: list[str] = []

    def state(self) -> str | None:
        return self.current

    def install(self, *, is_automatic: bool) -> None:
        self.heard.append(f"install {'auto' if is_automatic else 'manual'}")
        self.current = "stopped"

    def change(self, *, is_automatic: bool) -> None:
        self.heard.append(f"change {'auto' if is_automatic else 'manual'}")

    def start(self) -> None:
        if self.current != "stopped":
            raise OSError("the service manager says: it runs")
        self.heard.append("start")
        self.current = "running"

    def stop(self) -> None:
        self.heard.append("stop")
        self.current = "stopped"

    def remove(self) -> None:
        if self.current != "stopped":
            raise OSError("the service manager says: it runs")
        self.heard.append("remove")
        self.current = None


def test_the_sequence_of_the_readme(capsys: pytest.CaptureFixture[str]) -> None:
    manager = FakeManager()
    for words in (["install"], ["--startup", "auto", "install"], ["start"], ["start"], ["stop"], ["remove"]):
        assert win32service.main(words, manager) == 0
    assert manager.heard == ["install manual", "change auto", "start", "stop", "remove"]
    assert "skitaid is removed" in capsys.readouterr().out


def test_one_that_runs_is_stopped_before_it_is_removed() -> None:
    manager = FakeManager("running")
    assert win32service.main(["remove"], manager) == 0
    assert manager.heard == ["stop", "remove"]


@pytest.mark.parametrize("verb", ["start", "stop", "remove"])
def test_what_is_not_installed_is_told(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert win32service.main([verb], FakeManager()) == 1
    assert "skitaid is not installed: install-win32-service install" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="it has pywin32, or may have it")
def test_elsewhere_it_says_what_it_needs(capsys: pytest.CaptureFixture[str]) -> None:
    assert win32service.main(["install"]) == 1
    assert "needs Windows and pywin32" in capsys.readouterr().err


# --- servers


class FakeProcess:
    def __init__(self, name: str, heard: list[str]) -> None:
        self.name = name
        self.end: int | None = None
        self._heard = heard

    def code(self) -> int | None:
        return self.end

    def stop(self) -> None:
        self._heard.append(f"stop {self.name}")

    def kill(self) -> None:
        self._heard.append(f"kill {self.name}")
        self.end = 1


class Story:
    """Runs a `Keeper`; ``steps`` are made between its glances, and behind the last one it is to end."""

    def __init__(self, folder: Path) -> None:
        self.enabled = Enabled(folder / "servers-enabled")
        self.enabled.folder.mkdir()
        self.heard: list[str] = []
        self.processes: list[FakeProcess] = []
        self.now = 0.0
        self._journal = Journal(folder / "log", console=False)

    def spawn(self, name: str) -> FakeProcess:
        self.heard.append(f"spawn {name}")
        self.processes.append(FakeProcess(name, self.heard))
        return self.processes[-1]

    def tell(self, *steps: object) -> None:
        left = list(steps)

        def wait(seconds: float) -> bool:
            self.now += seconds
            if not left:
                return True
            step = left[0]
            if isinstance(step, float):
                left[0] = step - seconds
                if left[0] <= 0:
                    del left[0]
            elif callable(step):
                del left[0]
                step()
            return False

        core = Supervisor(Patience(2.0, 4, 10.0))
        Keeper(core, self.enabled, self._journal, self.spawn, wait, lambda: self.now).run()
        self._journal.close()


def test_servers_are_kept_running_until_the_service_ends(tmp_path: Path) -> None:
    story = Story(tmp_path)
    story.enabled.file("site").write_text("")
    story.tell(
        8.0,
        lambda: setattr(story.processes[0], "end", 1),
        1.0,
        lambda: story.enabled.file("shop").write_text(""),
        2.0,
    )
    assert story.heard[:3] == ["spawn site", "spawn site", "spawn shop"]
    # Neither listens: both are killed when their time is over.
    assert sorted(story.heard[3:5]) == ["stop shop", "stop site"]
    assert sorted(story.heard[5:]) == ["kill shop", "kill site"]


def test_a_process_ends_when_its_input_does(tmp_path: Path) -> None:
    process = start_process([sys.executable, "-c", "import sys; sys.stdin.read(); sys.exit(7)"])
    assert process.code() is None
    process.stop()
    wait_until(lambda: process.code() == 7, 10)


def test_the_home_of_windows() -> None:
    assert Places.default_home("win32") == "c:/skitaid"
    assert Places.default_home("linux") == "~/.skitai"
