"""The parts around the supervisor, each alone; as a whole: tests/live/test_skitaid.py."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import pytest

from skitai.cli import instance
from skitai.core.layout import lay_out
from skitai.core.places import Places
from skitai.daemon.control import Answer, BadRequest, Inquiry, NotRunning, Verb, ask
from skitai.daemon.enabled import Enabled
from skitai.errors import ConfigError
from skitai.notify import ServiceManager

if sys.platform != "win32":
    from skitai.core.pidfile import AlreadyHeld, PidFile, holder
    from skitai.daemon.children import NotifySocket, handed_descriptors

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="skitaid needs POSIX")

# --- servers-enabled


def test_files_and_links_are_servers(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("")
    for name in ("a.conf", ".hidden.conf", "readme.txt", "b.conf~"):
        (tmp_path / name).write_text("")
    (tmp_path / "link.conf").symlink_to(tmp_path / "real")
    (tmp_path / "broken.conf").symlink_to(tmp_path / "nowhere")
    (tmp_path / "folder.conf").mkdir()
    assert set(Enabled(tmp_path).look(1.0, at_once=True)) == {"a", "link"}


def test_a_file_is_gone_when_it_has_been_missing_for_a_moment(tmp_path: Path) -> None:
    enabled = Enabled(tmp_path)
    file = enabled.file("site")
    file.write_text("")
    assert set(enabled.look(1.0, at_once=True)) == {"site"}
    file.unlink()
    assert set(enabled.look(2.0, at_once=False)) == {"site"}
    assert set(enabled.look(2.1, at_once=True)) == {"site"}, "an operator asked meanwhile"
    file.write_text("")
    assert set(enabled.look(3.0, at_once=False)) == {"site"}
    file.unlink()
    assert set(enabled.look(4.0, at_once=False)) == {"site"}
    assert set(enabled.look(5.0, at_once=False)) == set()


def test_a_file_that_is_being_written_is_no_server_yet(tmp_path: Path) -> None:
    enabled = Enabled(tmp_path)
    file = enabled.file("site")
    for now, text in enumerate(("[server]\n", "[server]\nport = 1\n", "[server]\nport = 1\n[routes:line]\n")):
        file.write_text(text)
        assert not enabled.look(now, at_once=False)
        assert not enabled.look(now + 0.1, at_once=False), "it is the same moment"
    assert set(enabled.look(3.0, at_once=False)) == {"site"}
    enabled.file("other").write_text("")
    assert set(enabled.look(3.1, at_once=True)) == {"site", "other"}, "an operator says that it is complete"


def test_another_text_is_another_stamp(tmp_path: Path) -> None:
    enabled = Enabled(tmp_path)
    enabled.file("site").write_text("")
    before = enabled.look(1.0, at_once=True)["site"]
    assert enabled.look(2.0, at_once=False)["site"] == before
    enabled.file("site").write_text("[server]\n")
    assert enabled.look(2.0, at_once=False)["site"] != before


def test_a_folder_that_cannot_be_read_says_nothing_about_its_files(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Enabled(tmp_path / "none").look(1.0, at_once=True)


# --- what is laid out


def test_a_first_start_finds_something_to_serve(tmp_path: Path) -> None:
    places = Places.find(str(tmp_path / "home"))
    written = lay_out(places)
    names = {path.name for path in written}
    assert names >= {"skitaid.conf", "sample.conf", "README.txt", "wsgiapp.py", "fanout.py"}
    assert all(path.is_file() for path in written)
    sample = (places.servers / "sample.conf").read_text()
    assert f"/ = {tmp_path}/home/pub/sample/wsgiapp:app" in sample
    assert ".." not in sample.partition("[routes:line]")[2]
    assert lay_out(places) == []


def test_the_sample_of_the_readme_is_laid_out_for_whoever_asks_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    home = tmp_path / "home"
    assert instance.main(["-f", "other", "--home", str(home), "--print-config"]) == 78
    assert not home.exists()
    assert instance.main(["-f", "sample", "--home", str(home), "--print-config"]) == 0
    assert f"laid out {home}/etc/skitaid" in capsys.readouterr().err


def test_what_an_administrator_has_removed_does_not_come_back(tmp_path: Path) -> None:
    places = Places.find(str(tmp_path))
    lay_out(places)
    (places.servers / "sample.conf").unlink()
    assert lay_out(places) == []
    assert not (places.servers / "sample.conf").exists()


def test_no_file_that_is_there_is_written_to(tmp_path: Path) -> None:
    places = Places.find(str(tmp_path))
    app = places.public / "sample" / "wsgiapp.py"
    app.parent.mkdir(parents=True)
    app.write_text("mine")
    assert app not in lay_out(places)
    assert app.read_text() == "mine"


def test_where_nothing_can_be_written_it_says_so(tmp_path: Path) -> None:
    (tmp_path / "etc").write_text("a file")
    with pytest.raises(ConfigError, match="cannot be laid out"):
        lay_out(Places.find(str(tmp_path)))


# --- one process for a file


def test_a_lock_has_one_holder(tmp_path: Path) -> None:
    path = tmp_path / "pid"
    assert holder(path) is None
    held = PidFile(path)
    assert holder(path) == os.getpid()
    with pytest.raises(AlreadyHeld) as refused:
        PidFile(path)
    assert refused.value.pid == os.getpid()
    held.release()
    assert holder(path) is None


# --- what operators ask


def conversation(*pieces: bytes) -> tuple[Inquiry, socket.socket]:
    ours, theirs = socket.socketpair()
    for piece in pieces:
        theirs.send(piece)
    return Inquiry(ours), theirs


def test_a_request_may_come_in_pieces() -> None:
    inquiry, theirs = conversation(b'{"verb": "stop", "na')
    assert inquiry.receive() is None
    assert inquiry.receive() is None
    theirs.send(b'mes": ["site"]}\n')
    assert inquiry.receive() == (Verb.STOP, ["site"])
    inquiry.answer(Answer(lines=["done"]))
    assert theirs.recv(1000) == b'{"ok": true, "lines": ["done"], "programs": []}\n'
    assert theirs.recv(1000) == b""


@pytest.mark.parametrize(
    "sent",
    [b"GET / HTTP/1.1\r\n\r\n", b'{"verb": "eat", "names": []}\n', b"[]\n", b'{"verb": 1}\n', b"\xff\n"],
)
def test_what_is_no_request_is_refused(sent: bytes) -> None:
    with pytest.raises(BadRequest, match="no request"):
        conversation(sent)[0].receive()


def test_who_says_nothing_and_who_never_ends_are_refused() -> None:
    inquiry, theirs = conversation()
    theirs.close()
    with pytest.raises(BadRequest):
        inquiry.receive()
    inquiry, theirs = conversation(b"x" * 60000)
    assert inquiry.receive() is None
    theirs.send(b"x" * 60000)
    with pytest.raises(BadRequest):
        inquiry.receive()


def test_where_nobody_listens_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(NotRunning, match="does not run"):
        ask(tmp_path / "sock", Verb.STATUS, [], 1.0)


# --- the protocol of sd_notify


def test_what_a_program_tells_is_heard(tmp_path: Path) -> None:
    notify = NotifySocket(tmp_path / "notify")
    assert (tmp_path / "notify").stat().st_mode & 0o777 == 0o600
    environ = {"NOTIFY_SOCKET": str(notify.path), "WATCHDOG_USEC": "3000000", "OTHER": "x"}
    manager = ServiceManager.find(environ)
    assert environ == {"OTHER": "x"}
    assert manager.pulse == 3.0
    manager.ready("all well")
    manager.live()
    manager.stopping()
    manager.reloading()
    heard = notify.receive()
    assert heard[:3] == [{"READY": "1", "STATUS": "all well"}, {"WATCHDOG": "1"}, {"STOPPING": "1"}]
    assert heard[3].keys() == {"RELOADING", "MONOTONIC_USEC"}
    notify.close()
    manager.ready("nobody hears it")
    assert not notify.path.exists()


@pytest.mark.skipif(sys.platform != "linux", reason="abstract sockets are Linux's")
def test_an_abstract_socket_is_one_too() -> None:
    name = f"skitai-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(f"\0{name}")
        ServiceManager.find({"NOTIFY_SOCKET": f"@{name}"}).status("hello")
        assert sock.recv(100) == b"STATUS=hello"


@pytest.mark.parametrize(
    "environ",
    [{}, {"WATCHDOG_USEC": "x"}, {"WATCHDOG_USEC": "0"}, {"WATCHDOG_USEC": "5", "WATCHDOG_PID": "1"}],
)
def test_who_wants_no_sign_of_life_gets_none(environ: dict[str, str], tmp_path: Path) -> None:
    notify = NotifySocket(tmp_path / "notify")
    manager = ServiceManager.find({**environ, "NOTIFY_SOCKET": str(notify.path)})
    assert manager.pulse is None
    manager.live()
    assert notify.receive() == []
    notify.close()


def test_sockets_that_were_handed_to_us_are_handed_on() -> None:
    environ = {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "2"}
    assert handed_descriptors(environ) == range(3, 5)
    assert not handed_descriptors({**environ, "LISTEN_PID": "1"})
    assert not handed_descriptors({})
