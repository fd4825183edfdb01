"""The file object of README: what it is called, where it can be saved, and when it is gone."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skitai.core.bodies import Spool
from skitai.errors import HTTPError
from skitai.saddle import Saddle
from skitai.saddle.filenames import safe_name
from skitai.saddle.uploads import Arrival, UploadedFile
from tests.saddle.asking import Reply, ask
from tests.saddle.multipartbody import CONTENT_TYPE, body, file


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of temporary files, of which none may be left."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def into(tmp_path: Path) -> Path:
    folder = tmp_path / "into"
    folder.mkdir()
    return folder


def upload(handle: Callable[[UploadedFile], Any], name: str = "a.txt", data: bytes = b"data") -> Reply:
    app = Saddle(__name__)

    @app.route("/upload")
    def index(was):
        return handle(was.request.files["file"]) or "done"

    return ask(app, "/upload", "POST", body(file("file", name, data)), CONTENT_TYPE=CONTENT_TYPE)


# -- README's list -----------------------------------------------------------------------------


def test_the_attributes_of_the_readme(temporary):
    def look(uploaded: UploadedFile) -> None:
        path = Path(uploaded.file)
        assert path.parent == temporary
        assert path.read_bytes() == b"data"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert (uploaded.name, uploaded.size, uploaded.mimetype) == ("a.txt", 4, "text/plain")
        assert (uploaded.read(1), uploaded.read(), uploaded.read()) == (b"d", b"ata", b"")
        assert repr(uploaded) == "<UploadedFile 'a.txt' of 4 bytes>"
        assert uploaded
        uploaded.remove()
        assert not path.exists()
        uploaded.remove()

    assert upload(look).text == "done"
    assert not list(temporary.iterdir())


def test_save_moves_it_under_its_own_name(temporary, into):
    def save(uploaded: UploadedFile) -> None:
        assert uploaded.read(2) == b"da"
        assert uploaded.save(into) == uploaded.file == str(into / "a.txt")
        assert uploaded.read() == b"data"
        uploaded.remove()

    mask = os.umask(0o027)
    try:
        upload(save)
    finally:
        os.umask(mask)
    assert (into / "a.txt").read_bytes() == b"data"
    assert stat.S_IMODE((into / "a.txt").stat().st_mode) == 0o640
    assert not list(temporary.iterdir())


def test_save_makes_the_name_unique(temporary, into):
    for _ in range(3):
        upload(lambda uploaded: uploaded.save(into))
    upload(lambda uploaded: uploaded.save(into, "none"))
    upload(lambda uploaded: uploaded.save(into, name="none", dup="u"))
    assert sorted(path.name for path in into.iterdir()) == ["a.1.txt", "a.2.txt", "a.txt", "none", "none.1"]


def test_save_overwrites(temporary, into):
    for data in (b"old", b"new"):
        upload(lambda uploaded: uploaded.save(into, dup="o"), data=data)
    assert [path.name for path in into.iterdir()] == ["a.txt"]
    assert (into / "a.txt").read_bytes() == b"new"


def test_save_makes_the_folder_when_it_is_told(temporary, into):
    def save(uploaded: UploadedFile) -> None:
        with pytest.raises(FileNotFoundError, match="mkdir=True makes it"):
            uploaded.save(into / "deep" / "er")
        uploaded.save(into / "deep" / "er", mkdir=True)

    assert upload(save).text == "done"
    assert (into / "deep" / "er" / "a.txt").read_bytes() == b"data"


def test_save_refuses_what_it_cannot_do(temporary, into):
    def save(uploaded: UploadedFile) -> None:
        with pytest.raises(ValueError, match="dup='x' is not known"):
            uploaded.save(into, dup="x")
        uploaded.save(into)
        with pytest.raises(ValueError, match="saved or removed already"):
            uploaded.save(into)

    assert upload(save).text == "done"


def test_save_onto_another_file_system_copies(temporary, into, monkeypatch):
    replace = os.replace

    def across(source: str, target: str) -> None:
        if Path(source).parent == temporary:
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        replace(source, target)

    monkeypatch.setattr(os, "replace", across)
    upload(lambda uploaded: uploaded.save(into))
    upload(lambda uploaded: uploaded.save(into, "b", dup="o"))
    assert {path.name: path.read_bytes() for path in into.iterdir()} == {"a.txt": b"data", "b": b"data"}
    assert not list(temporary.iterdir())


def test_a_save_that_fails_leaves_nothing(temporary, into):
    (into / "a.txt").mkdir()

    def save(uploaded: UploadedFile) -> None:
        with pytest.raises(OSError, match=r"a\.txt"):
            uploaded.save(into, dup="o")

    upload(save)
    assert [path.name for path in into.iterdir()] == ["a.txt"]


def test_a_link_in_the_folder_is_not_followed(temporary, into, tmp_path):
    outside = tmp_path / "outside"
    outside.write_bytes(b"precious")
    (into / "a.txt").symlink_to(outside)
    upload(lambda uploaded: uploaded.save(into))
    upload(lambda uploaded: uploaded.save(into, dup="o"))
    assert outside.read_bytes() == b"precious"
    assert {path.name for path in into.iterdir()} == {"a.txt", "a.1.txt"}


# -- names -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "saved"),
    [
        ("a b.txt", "a b.txt"),
        ("가.txt", "가.txt"),
        ("../../etc/passwd", "passwd"),
        ("/etc/passwd", "passwd"),
        ("..\\..\\boot.ini", "boot.ini"),
        ("C:\\windows\\system.ini", "system.ini"),
        ("C:evil.txt", "C_evil.txt"),
        ("\\\\server\\share\\x", "x"),
        ("a/", "file"),
        ("..", "file"),
        (".", "file"),
        ("", "file"),
        (" . . ", "file"),
        (".htaccess", "htaccess"),
        ("a.txt. .", "a.txt"),
        ("a\0b\r\nc", "a_b__c"),
        ("a.txt:stream", "a.txt_stream"),
        ('<>"|?*', "______"),
        ("con", "_con"),
        ("NUL.txt", "_NUL.txt"),
        ("Com1 .a.b", "_Com1 .a.b"),
        ("lpt².x", "_lpt².x"),
        ("console", "console"),
        ("x" * 300 + ".tar.gz", "x" * 237 + ".gz"),
        ("가" * 100, "가" * 80),
    ],
)
def test_names_become_safe(sent, saved):
    assert safe_name(sent) == saved


@given(st.text(alphabet=st.sampled_from("./\\:\0 aé가.conNUL1²<~-%") | st.characters(), max_size=300))
def test_a_name_never_leaves_its_folder(name):
    safe = safe_name(name)
    assert safe == os.path.basename(safe)
    assert not set(safe) & set('/\\:\0<>|"?*')
    assert safe not in ("", ".", "..")
    assert safe[0] not in ". "
    assert safe[-1] not in ". "
    assert len(safe.encode()) <= 241
    assert safe_name(safe) == safe


@pytest.mark.parametrize("name", ["../up.txt", "/tmp/up.txt", "sub\\up.txt"])
def test_neither_the_clients_name_nor_the_applications_leads_out(temporary, into, name):
    quoted = name.replace("\\", "\\\\")
    upload(lambda uploaded: uploaded.save(into), quoted)
    upload(lambda uploaded: uploaded.save(into, name), "x")
    assert {path.name for path in into.iterdir()} == {"up.txt", "up.1.txt"}


# -- the end -----------------------------------------------------------------------------------


def test_temporary_files_are_gone_whatever_happens(temporary):
    def fail(uploaded: UploadedFile) -> None:
        assert list(temporary.iterdir())
        raise LookupError

    def refuse(uploaded: UploadedFile) -> None:
        raise HTTPError(409)

    with pytest.raises(LookupError):
        upload(fail)
    assert upload(refuse).code == 409
    assert upload(lambda uploaded: (c for c in uploaded.read().decode())).body == b"data"
    assert upload(lambda uploaded: uploaded).body == b"data"
    assert upload(lambda uploaded: os.unlink(uploaded.file)).text == "done"
    assert not list(temporary.iterdir())


@pytest.mark.parametrize("cut", range(3, 60, 7))
def test_a_form_that_breaks_off_leaves_no_file(temporary, cut):
    app = Saddle(__name__)
    app.route("/")(lambda was: was.request.form())
    data = body(file("a", "a", b"x"), file("b", "b", b"y"))[:-cut]
    assert ask(app, "/", "POST", data, CONTENT_TYPE=CONTENT_TYPE).code == 400
    assert not list(temporary.iterdir())


# -- the spool ---------------------------------------------------------------------------------


def test_files_lie_in_the_spool_and_count_there(tmp_path, into):
    spool = Spool(tmp_path, 100)
    app = Saddle(__name__)

    @app.route("/")
    def index(was):
        kept, saved = was.request.files["f"]
        assert Path(kept.file).parent == tmp_path
        assert spool.used == 50
        saved.save(into)
        assert spool.used == 30
        return ""

    data = body(file("f", "a", b"x" * 30), file("f", "b", b"y" * 20))
    environ = {"CONTENT_TYPE": CONTENT_TYPE, "skitai.spool": spool}
    assert ask(app, "/", "POST", data, **environ).code == 200
    assert spool.used == 0
    full = ask(app, "/", "POST", body(file("f", "a", b"x" * 101)), **environ)
    assert (full.code, spool.used) == (507, 0)


def test_a_full_disk_is_507(temporary, monkeypatch):
    def full(descriptor: int, data: Any) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    arrival = Arrival(None, 10)
    monkeypatch.setattr(os, "write", full)
    with pytest.raises(HTTPError, match="507"):
        arrival.write(b"x")
    arrival.close()
    assert not list(temporary.iterdir())
    temporary.rmdir()
    with pytest.raises(HTTPError, match="507"):
        Arrival(None, 10)
