"""Control groups of both versions, as containers show them, in a folder of the test's."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from skitai.core import machine
from skitai.core.processlimits import fit_to_memory
from skitai.limits import Limits

MIB = 1 << 20


class System:
    """Its /proc/self, and what is mounted."""

    def __init__(self, folder: Path) -> None:
        self.ours = folder / "proc"
        self.ours.mkdir()
        self.groups = folder / "sys fs"
        self.mounts: list[str] = []
        self.lines: list[str] = []

    def mount(self, name: str, kind: str, options: str = "rw", root: str = "/") -> None:
        place = str(self.groups / name).replace(" ", "\\040")
        self.mounts.append(f"29 23 0:26 {root} {place} rw,nosuid shared:4 - {kind} cgroup {options}\n")

    def group(self, name: str, **files: str) -> None:
        folder = self.groups / name
        folder.mkdir(parents=True, exist_ok=True)
        for file, text in files.items():
            (folder / file.replace("__", ".")).write_text(text + "\n")

    def ready(self) -> Path:
        (self.ours / "mountinfo").write_text("23 1 8:1 / / rw - ext4 /dev/sda1 rw\n" + "".join(self.mounts))
        (self.ours / "cgroup").write_text("".join(f"{line}\n" for line in self.lines))
        return self.ours


@pytest.fixture
def system(tmp_path: Path) -> System:
    return System(tmp_path)


@pytest.fixture(autouse=True)
def large_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(16)), raising=False)
    monkeypatch.setattr(os, "sysconf", {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 1 << 24}.__getitem__)


def test_the_smallest_of_the_groups_above_counts(system: System) -> None:
    system.mount("2", "cgroup2")
    system.group("2", cpu__stat="")
    system.group("2/pod", memory__max=str(256 * MIB), cpu__max="350000 100000")
    system.group("2/pod/app", memory__max="max", cpu__max="max 100000")
    system.lines = ["0::/pod/app"]
    assert machine.memory(system.ready()) == 256 * MIB
    assert machine.processors(system.ours) == 3


def test_less_than_a_processor_is_one(system: System) -> None:
    system.mount("2", "cgroup2")
    system.group("2", cpu__max="20000 100000", memory__max="max")
    system.lines = ["0::/"]
    assert machine.processors(system.ready()) == 1
    assert machine.memory(system.ours) == 4096 << 24


def test_version_1_and_its_number_for_no_limit(system: System) -> None:
    system.mount("unified", "cgroup2")
    system.mount("cpu,cpuacct", "cgroup", "rw,cpu,cpuacct")
    system.mount("memory", "cgroup", "rw,memory")
    system.group("cpu,cpuacct/a", cpu__cfs_quota_us="200000", cpu__cfs_period_us="100000")
    system.group("cpu,cpuacct", cpu__cfs_quota_us="-1", cpu__cfs_period_us="100000")
    system.group("memory", memory__limit_in_bytes="9223372036854771712")
    system.group("memory/b", memory__limit_in_bytes=str(64 * MIB))
    system.lines = ["5:cpu,cpuacct:/a", "4:memory:/b", "1:name=systemd:/", "0::/"]
    assert machine.processors(system.ready()) == 2
    assert machine.memory(system.ours) == 64 * MIB


def test_a_container_that_sees_its_own_group_as_the_root(system: System) -> None:
    """Without a namespace of groups the path is the host's, and the mount shows a part of it."""
    system.mount("memory", "cgroup", "rw,memory", root="/docker/0123")
    system.group("memory", memory__limit_in_bytes=str(128 * MIB))
    system.lines = ["4:memory:/docker/0123"]
    assert machine.memory(system.ready()) == 128 * MIB
    system.lines = ["4:memory:/elsewhere"]
    assert machine.memory(system.ready()) == 128 * MIB


@pytest.mark.parametrize("text", ["", "garbage", "-5", "1.5"])
def test_what_cannot_be_read_is_no_limit(system: System, text: str) -> None:
    system.mount("2", "cgroup2")
    system.mount("memory", "cgroup", "rw,memory")
    system.group("2", memory__max=text, cpu__max=text)
    system.group("memory", memory__limit_in_bytes=text)
    system.lines = ["4:memory:/", "0::/"]
    system.ready()
    assert machine.memory(system.ours) == 4096 << 24
    assert machine.processors(system.ours) == 16
    assert machine.processors(system.ours / "none") == 16


def nothing_is_set(name: str) -> bool:
    return False


def test_limits_follow_from_the_memory() -> None:
    usual = Limits(connections_max=50_000)
    assert fit_to_memory(usual, 64 << 30, nothing_is_set) is not usual
    assert fit_to_memory(usual, 64 << 30, nothing_is_set) == usual
    assert fit_to_memory(usual, None, nothing_is_set) == usual
    small = fit_to_memory(usual, 128 * MIB, nothing_is_set)
    assert (small.connections_max, small.body_memory_max, small.file_cache_max) == (1024, 32 << 10, 16 * MIB)
    tiny = fit_to_memory(usual, MIB, nothing_is_set)
    assert (tiny.connections_max, tiny.body_memory_max) == (16, 16 << 10)


def test_what_is_set_stays() -> None:
    usual = Limits(connections_max=50_000)
    assert fit_to_memory(usual, MIB, lambda name: True) == usual
