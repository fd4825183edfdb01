"""multipart/form-data (RFC 7578), streamed: texts in memory, files from where they lie.

    {"user": "Hans Roh", "file": open("logo.png", "rb")}        a text and a file
    {"file": Path("logo.png")}                                  opened here, closed when it is sent
    {"file": ("name.png", content, "image/png")}                named, and its type said

``content`` is a file, a path or bytes; the type is guessed by the name where it is not said.  Names are
written as browsers do (WHATWG HTML, "multipart/form-data"): in UTF-8, with quotes and line ends encoded.  The
boundary is random, so that nothing which is sent can hold it but by a chance of 2^-128.

The caller's thread.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from skitai.core.mediatypes import media_type
from skitai.was._bodies import FilePart, Pieces, is_file, of_file
from skitai.was._urls import Fields, items_of

__all__ = ["multipart"]

_TYPE: Final = re.compile(r"[!-~]+/[ -~]+")


def multipart(fields: Fields, files: Fields) -> tuple[bytes | Pieces, str]:
    """The body and its Content-Type.

    Among ``fields`` a file is what can be read, a path, or a tuple with a content that is one of these or
    bytes; everything else is a text.  Of ``files`` all are files.  A list is several of one name.

    Raises:
        TypeError, ValueError: something that cannot be sent so.
        OSError: a path that cannot be opened.
    """
    boundary = secrets.token_hex(16)
    pieces: list[bytes | FilePart] = []
    for name, value in items_of(fields):
        for one in _several(value):
            pieces += (_file if is_file(one) or _is_described(one) else _text)(boundary, name, one)
    for name, value in items_of(files):
        for one in value if isinstance(value, list) else (value,):
            pieces += _file(boundary, name, one)
    pieces.append(f"--{boundary}--\r\n".encode())
    kind = f"multipart/form-data; boundary={boundary}"
    if any(isinstance(piece, FilePart) for piece in pieces):
        return Pieces(pieces), kind
    return b"".join(piece for piece in pieces if isinstance(piece, bytes)), kind


def _several(value: Any) -> Iterable[Any]:
    are_several = isinstance(value, list) or (isinstance(value, tuple) and not _is_described(value))
    return [one for one in (value if are_several else (value,)) if one is not None]


def _is_described(value: Any) -> bool:
    """A file with its name, and perhaps its type."""
    if not isinstance(value, tuple) or len(value) not in (2, 3):
        return False
    return is_file(value[1]) or isinstance(value[1], bytes)


def _text(boundary: str, name: str, value: Any) -> list[bytes | FilePart]:
    content = value if isinstance(value, (bytes, bytearray)) else str(value).encode()
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="{_escaped(name)}"\r\n\r\n'
    return [head.encode(), bytes(content), b"\r\n"]


def _file(boundary: str, name: str, value: Any) -> list[bytes | FilePart]:
    filename, content, kind = _described(name, value)
    head = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="{_escaped(name)}"; '
        f'filename="{_escaped(filename)}"\r\nContent-Type: {kind}\r\n\r\n'
    )
    return [head.encode(), _content(name, content), b"\r\n"]


def _described(name: str, value: Any) -> tuple[str, Any, str]:
    """The file's name, its content and its type."""
    kind = ""
    if not isinstance(value, tuple):
        filename, content = _name_of(name, value), value
    elif len(value) in (2, 3) and isinstance(value[0], str):
        filename, content, kind = (*value, "")[:3]
    else:
        raise TypeError(
            f"the file {name!r} is a tuple, but not (name, content) or (name, content, type): {value!r:.80}"
        )
    # What is guessed for a text would say a charset, which nobody knows.
    kind = kind or media_type(filename).partition(";")[0]
    if not _TYPE.fullmatch(kind):
        raise ValueError(f"the file {name!r} has a type that is none: {kind!r}")
    return filename, content, kind


def _name_of(name: str, file: Any) -> str:
    if isinstance(file, Path):
        return file.name
    # A temporary file is called by its descriptor, a number.
    path = getattr(file, "name", None)
    return os.path.basename(path) if isinstance(path, str) and path else name


def _content(name: str, content: Any) -> bytes | FilePart:
    if is_file(content):
        return of_file(content)
    if isinstance(content, str):
        return content.encode()
    if isinstance(content, (bytes, bytearray, memoryview)):
        return bytes(content)
    raise TypeError(f"the file {name!r} is neither a file, a path, bytes nor str, but {content!r:.80}")


def _escaped(name: str) -> str:
    return name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
