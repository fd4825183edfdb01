"""Root binds, and then nobody of a server is root any more."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.program import PACKAGE_HOME, Serve
from tests.live.test_master import workers

if sys.platform != "win32":
    import pwd


def others_can_read(path: Path) -> bool:
    return all(folder.stat().st_mode & stat.S_IXOTH for folder in (path, *path.parents))


def interpreter_for_others() -> str | None:
    """This one, or the system's where that is the same Python: root's own may lie in root's home."""
    for found in (sys.executable, shutil.which("python3", path="/usr/bin:/usr/local/bin")):
        if found is None or not others_can_read(Path(found).resolve().parent):
            continue
        says = [found, "-c", "import sys; print(sys.version_info[:2])"]
        if subprocess.run(says, capture_output=True, text=True).stdout == f"{sys.version_info[:2]}\n":
            return found
    return None


pytestmark = [
    pytest.mark.skipif(sys.platform == "win32" or os.geteuid() != 0, reason="only root can give up root"),
    pytest.mark.skipif(not others_can_read(PACKAGE_HOME), reason="another user could not import skitai"),
]

USER = "nobody"


@pytest.fixture(autouse=True)
def interpreter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Servers are started by one that another user may run."""
    found = interpreter_for_others()
    if found is None:
        pytest.skip("another user could not run this Python, and the system has no other of its version")
    monkeypatch.setattr(sys, "executable", found)


@pytest.fixture
def home() -> Iterator[Path]:
    """Not tmp_path, which is in a folder of root's."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        path = Path(folder)
        path.chmod(0o755)
        (path / "public").mkdir()
        (path / "public" / "index.html").write_text("hello")
        yield path


def site(home: Path, *lines: str) -> Path:
    conf = home / "site.conf"
    conf.write_text("\n".join(["[server]", *lines, "[routes:line]", "/ = public", ""]))
    return conf


def owners(pid: int) -> set[str]:
    """The users of a process: real, effective, saved and that of the file system."""
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"^Uid:\s+(.*)$", status, re.MULTILINE)
    assert found
    return {pwd.getpwuid(int(uid)).pw_name for uid in found[1].split()}


def test_master_and_workers_are_the_user(home: Path, serve_conf: Serve) -> None:
    sock = home / "site.sock"
    listeners = ["[listen tcp]", "address = 127.0.0.1:0", "[listen local]", f"address = unix:{sock}"]
    server = serve_conf(site(home, f"user = {USER}", *listeners), "--home", str(home))
    with server.connect() as wire:
        assert wire.get("/").body == b"hello"
    for pid in (server.process.pid, *workers(server)):
        assert owners(pid) == {USER}
    log = home / "log" / "instances" / "site" / "server.log"
    assert log.owner() == USER
    assert (home / "log").owner() == "root"
    assert sock.owner() == USER
    assert server.stop() == 0


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("user = nosuchuser", "has no user 'nosuchuser'"),
        (f"user = {USER}\ngroup = nosuch", "no group 'nosuch'"),
        (f"user = {USER}\nmaster = no", "user: this needs a master: write master = auto"),
    ],
)
def test_what_cannot_be_given_up_is_told(home: Path, serve_conf: Serve, line: str, says: str) -> None:
    server = serve_conf(site(home, line), "--home", str(home), ready=False)
    assert server.wait() == 78
    assert says in server.stderr_text()
