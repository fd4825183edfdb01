"""Applications are told of start, reload and stop, and what they do about it harms nobody."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from skitai.core.apps import MountedApp
from skitai.core.config.targets import AppTarget
from skitai.errors import AppLoadError

#: ``steps`` is of the process: files are imported anew.
TOLD = """
import builtins

class App:
    def __call__(self, environ, start_response):
        return [b"{word}"]

    def skitai_started(self):
        builtins.steps.append("started {word}")

    def skitai_reloaded(self, former):
        builtins.steps.append("{word} for %s" % former([], None)[0].decode())

    def skitai_stopped(self):
        builtins.steps.append("stopped {word}")

app = App()
"""


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    steps: list[str] = []
    monkeypatch.setattr("builtins.steps", steps, raising=False)
    return steps


class Site:
    """A folder with one application, whose file is younger each time it is written."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "app.py"
        self._age = 1_600_000_000
        self.reports: list[str] = []
        self.app = MountedApp(
            AppTarget(folder, "app", "app", "app:app"),
            use_reloader=True,
            check_interval=0.0,
            report=self.reports.append,
        )

    def write(self, text: str) -> Site:
        self._file.write_text(text)
        self._age += 1
        os.utime(self._file, (self._age, self._age))
        return self


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_start_reload_and_stop(site: Site, steps: list[str]) -> None:
    site.write(TOLD.format(word="one")).app.load()
    assert steps == []  # loaded, but perhaps this process is never to serve
    site.app.begin()
    site.app.refresh()
    site.write(TOLD.format(word="two")).app.refresh()
    site.app.refresh()
    site.app.end()
    site.app.end()
    assert steps == ["started one", "two for one", "stopped two"]
    assert site.reports == []


def test_what_never_serves_is_told_nothing(site: Site, steps: list[str]) -> None:
    site.write(TOLD.format(word="one")).app.load()
    site.app.end()
    assert steps == []


def test_one_that_was_broken_takes_the_place_of_the_last_that_was_not(site: Site, steps: list[str]) -> None:
    site.write(TOLD.format(word="one")).app.load()
    site.app.begin()
    site.write("broken(").app.refresh()
    assert site.app.error is not None
    site.write(TOLD.format(word="three")).app.refresh()
    assert steps == ["started one", "three for one"]


def test_one_that_is_broken_from_the_start_is_started_when_it_is_mended(site: Site, steps: list[str]) -> None:
    with pytest.raises(AppLoadError):
        site.write("broken(").app.load()
    site.app.begin()
    site.write(TOLD.format(word="one")).app.refresh()
    site.app.end()
    assert steps == ["started one", "stopped one"]


@pytest.mark.parametrize("raised", ["ValueError('wrong')", "SystemExit(3)", "KeyboardInterrupt"])
def test_what_it_raises_is_reported(site: Site, steps: list[str], raised: str) -> None:
    text = TOLD.format(word="one").replace("builtins.steps.append", f"raise {raised} #")
    site.write(text).app.load()
    site.app.begin()
    site.write(text + "\n").app.refresh()
    assert site.app.application({}, None) == [b"one"]
    site.app.end()
    assert [report.partition("\n")[0] for report in site.reports] == [
        "skitai_started",
        "skitai_reloaded",
        "skitai_stopped",
    ]
    assert all(raised.partition("(")[0] in report for report in site.reports)


def test_plain_applications_want_to_know_nothing(site: Site) -> None:
    site.write("def app(environ, start_response):\n    return [b'plain']\n").app.load()
    site.app.begin()
    site.app.end()
    assert site.reports == []


def test_nobody_is_answered_by_the_new_one_before_it_was_told(site: Site, steps: list[str]) -> None:
    """A request that comes while another one reloads waits, and finds the application told."""
    told = 'builtins.steps.append("{word} for'
    slow = TOLD.replace(told, f"import time; time.sleep(0.2); {told}")
    site.write(slow.format(word="one")).app.load()
    site.app.begin()
    site.write(slow.format(word="two"))
    seen: list[tuple[bytes, int]] = []

    def request() -> None:
        site.app.refresh()
        seen.append((site.app.application({}, None)[0], len(steps)))  # type: ignore[arg-type, index]

    threads = [threading.Thread(target=request) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [(b"two", 2)] * 4
