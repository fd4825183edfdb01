"""Forms with files, as a server of somebody else's making reads them."""

from __future__ import annotations

import io
import os
import tempfile
from pathlib import Path
from typing import Any

import multipart as reader
import pytest

from skitai.was._bodies import Pieces
from skitai.was._multipart import multipart


def read(fields: Any, files: Any = ()) -> list[tuple[str, str | None, str | None, bytes]]:
    """Name, name of the file, type and content of each part."""
    body, kind = multipart(fields, files)
    if isinstance(body, Pieces):
        pieces = list(iter(lambda: body.read(1000), b""))
        assert sum(map(len, pieces)) == body.size
        body = b"".join(pieces)
    media_type, options = reader.parse_options_header(kind)
    assert media_type == "multipart/form-data"
    parser = reader.MultipartParser(io.BytesIO(body), options["boundary"], len(body), strict=True)
    return [
        (part.name, part.filename, part.headers.get("Content-Type"), part.file.read())
        for part in parser.parts()
    ]


@pytest.fixture
def logo(tmp_path: Path) -> Path:
    path = tmp_path / "logo.png"
    path.write_bytes(b"\x89PNG\r\n--" * 1000)
    return path


def test_the_readme_sample(logo: Path) -> None:
    with logo.open("rb") as file:
        parts = read({"user": "Hans Roh", "file": file})
    assert parts == [
        ("user", None, None, b"Hans Roh"),
        ("file", "logo.png", "image/png", logo.read_bytes()),
    ]


def test_a_file_is_streamed(logo: Path) -> None:
    with logo.open("rb") as file:
        body, _ = multipart({"file": file}, ())
    assert isinstance(body, Pieces)
    assert isinstance(multipart({"file": ("a.txt", b"small")}, ())[0], bytes)


def test_kinds_of_files(logo: Path) -> None:
    content = logo.read_bytes()
    with tempfile.TemporaryFile() as nameless:
        nameless.write(b"temporary")
        nameless.seek(0)
        parts = read(
            {
                "path": logo,
                "named": ("résumé.pdf", logo),
                "typed": ("x", io.BytesIO(b"x"), "text/x-odd"),
                "bytes": ("b.txt", b"some"),
                "nameless": nameless,
            }
        )
    assert parts == [
        ("path", "logo.png", "image/png", content),
        ("named", "résumé.pdf", "application/pdf", content),
        ("typed", "x", "text/x-odd", b"x"),
        ("bytes", "b.txt", "text/plain", b"some"),
        ("nameless", "nameless", "application/octet-stream", b"temporary"),
    ]


def test_files_beside_texts() -> None:
    parts = read(
        {"a": "1"}, {"f": b"bytes", "g": ("g.json", "{}"), "h": [("1", b"1"), ("2", bytearray(b"2"))]}
    )
    assert parts == [
        ("a", None, None, b"1"),
        ("f", "f", "application/octet-stream", b"bytes"),
        ("g", "g.json", "application/json", b"{}"),
        ("h", "1", "application/octet-stream", b"1"),
        ("h", "2", "application/octet-stream", b"2"),
    ]


def test_texts() -> None:
    parts = read(
        [("ü", "ä"), ("n", 5), ("several", [1, None, 2]), ("none", None), ("raw", b"\xff"), ("t", (3, 4))]
    )
    assert parts == [
        ("ü", None, None, "ä".encode()),
        ("n", None, None, b"5"),
        ("several", None, None, b"1"),
        ("several", None, None, b"2"),
        ("raw", None, None, b"\xff"),
        ("t", None, None, b"3"),
        ("t", None, None, b"4"),
    ]
    assert read({}) == []


def test_names_cannot_break_out() -> None:
    body, _ = multipart({'a"; filename="b\r\nX: y': "1"}, {"f": ('../"\r\n', b"")})
    assert isinstance(body, bytes)
    assert b'name="a%22; filename=%22b%0D%0AX: y"\r\n\r\n1' in body
    assert b'filename="../%22%0D%0A"' in body


def test_each_has_a_boundary_of_its_own() -> None:
    assert multipart({}, ())[1] != multipart({}, ())[1]


@pytest.mark.parametrize(
    ("fields", "files", "fault"),
    [
        ("text", (), "fields are a dict, or pairs"),
        (b"raw", (), "fields are a dict, or pairs"),
        (["ab"], (), "fields are a dict, or pairs"),
        ((), {"f": 5}, "the file 'f' is neither a file, a path, bytes nor str"),
        ((), {"f": ("a",)}, r"not \(name, content\) or"),
        ((), {"f": (b"a", b"b")}, r"not \(name, content\) or"),
        ((), {"f": None}, "the file 'f' is neither"),
    ],
)
def test_what_cannot_be_sent(fields: Any, files: Any, fault: str) -> None:
    with pytest.raises(TypeError, match=fault):
        multipart(fields, files)


def test_a_type_that_is_none() -> None:
    for kind in ("text", "text/plain\r\nX: y", "text/ä"):
        with pytest.raises(ValueError, match="a type that is none"):
            multipart({}, {"f": ("a", b"b", kind)})


def test_files_that_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        multipart({"f": tmp_path / "away"}, ())
    text = tmp_path / "a.txt"
    text.write_text("text")
    with text.open() as file, pytest.raises(TypeError, match="open it with mode 'rb'"):
        multipart({"f": file}, ())


def test_a_mistake_leaves_no_file_open(logo: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(TypeError):
        multipart({"a": logo}, {"f": 5})
    assert len(os.listdir("/proc/self/fd")) == before
