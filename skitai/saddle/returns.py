"""The body that a handler's value stands for.

| the value | the body |
|---|---|
| ``str``; bytes, bytearray, memoryview; int, float | itself, str as UTF-8, numbers as text |
| ``dict`` | JSON |
| an empty ``list``, a list or tuple of plain data | JSON |
| an empty tuple, a list or tuple of str and bytes | these, joined |
| has ``read(size)``, ``more()``, ``__iter__``, ``__next__``, ``next()`` or ``_next()`` | a stream |
| a list or tuple with a stream in it | its parts in order; each is str, bytes or a stream, or such a list |

A stream is asked for a piece when the client has room for it, so its memory is constant and no
thread waits.  ``close()`` of every stream is called once, also of those in a list that were never
reached: by `Streams` when it is used up, or by the server when the client has left.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from skitai.core.filewrapper import FileWrapper
from skitai.saddle.response import Response

__all__ = ["Streams", "body_of", "discard", "encode_json"]

_BLOCK = 65536
_TEXT = (str, bytes, bytearray, memoryview)
_SETS = (Mapping, set, frozenset)
#: What makes an object a stream, in this order of preference.
_STREAMS = ("read", "more", "__iter__", "__next__", "next", "_next")

#: One encoder for all: `json.dumps` makes a new one for settings that are not its own.
_JSON = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))

_WANTED = (
    "a handler returns str, bytes, a number, a dict or list of plain data, a file, a producer, "
    "an iterable of str and bytes, or a list of these"
)


def body_of(
    value: Any, response: Response, environ: Mapping[str, Any], where: str
) -> bytes | Iterable[bytes]:
    """The body that ``value`` stands for: bytes when the whole is known, else an iterable.

    JSON sets the Content-Type that nobody else has set.

    Raises:
        TypeError: it is none that has a body, or a piece of it is none; ``where`` names the handler.
    """
    if isinstance(value, _TEXT):
        return _encode(value, where)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value).encode("ascii")
    if isinstance(value, dict):
        return _as_json(value, response, where)
    if isinstance(value, (list, tuple)):
        return _of_list(value, response, where)
    if hasattr(value, "read"):
        return _of_file(value, environ, where)
    if _is_stream(value):
        return Streams((value,), where)
    if value is None and "websocket" in environ:
        return b""  # a loop over messages has ended, and nobody reads what it returns
    raise TypeError(f"{where} returned {_kind(value)}: {_WANTED}")


def encode_json(value: Any) -> bytes:
    """``value`` as UTF-8 JSON.  Raises TypeError or ValueError for what JSON has not (NaN too)."""
    # Only half a surrogate pair has no UTF-8, and what replaces it is its escape in JSON too.
    return _JSON.encode(value).encode("utf-8", "backslashreplace")


def discard(value: Any) -> None:
    """Close what a handler has returned, and is not sent.  Raises the first error, when all are closed."""
    _close_all([value])


def _of_list(value: list[Any] | tuple[Any, ...], response: Response, where: str) -> bytes | Iterable[bytes]:
    if all(isinstance(part, _TEXT) for part in value) and value != []:
        return b"".join([_encode(part, where) for part in value])
    if _has_stream(value):
        return Streams(value, where)
    return _as_json(value, response, where)


def _as_json(value: Any, response: Response, where: str) -> bytes:
    try:
        body = encode_json(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise TypeError(f"{where} returned a {type(value).__name__} that is no JSON: {error}") from error
    if "Content-Type" not in response:
        response["Content-Type"] = "application/json"
    return body


def _of_file(file: Any, environ: Mapping[str, Any], where: str) -> Iterable[bytes]:
    if isinstance(file, io.TextIOWrapper):
        # As it lies on the disk, which is also how the server can send it without us.
        file = file.detach()
    elif isinstance(file, io.TextIOBase) or not hasattr(file, "fileno"):
        return Streams((file,), where)  # it may give str
    wrapper: Callable[[Any, int], Iterable[bytes]] = environ.get("wsgi.file_wrapper", FileWrapper)
    return wrapper(file, _BLOCK)


def _is_stream(value: Any) -> bool:
    return (
        not isinstance(value, _TEXT)
        and not isinstance(value, _SETS)
        and any(hasattr(value, name) for name in _STREAMS)
    )


def _has_stream(parts: Iterable[Any]) -> bool:
    return any(_has_stream(part) if isinstance(part, (list, tuple)) else _is_stream(part) for part in parts)


def _kind(value: Any) -> str:
    return "None" if value is None else type(value).__name__


def _encode(piece: Any, where: str) -> bytes:
    if isinstance(piece, str):
        try:
            return piece.encode()
        except UnicodeEncodeError:  # half a surrogate pair, which JSON may bring, is U+FFFD to a browser too
            return piece.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()
    if isinstance(piece, (bytes, bytearray, memoryview)):
        return bytes(piece)
    raise TypeError(f"{where} gave a piece that is neither str nor bytes but {_kind(piece)}")


def _pieces(stream: Any, where: str) -> Iterator[Any]:
    """The pieces of one stream, not yet encoded."""
    if hasattr(stream, "read"):
        return iter(lambda: stream.read(_BLOCK) or None, None)
    if hasattr(stream, "more"):
        return iter(lambda: stream.more() or None, None)
    if hasattr(stream, "__iter__"):
        return iter(stream)
    for name in ("__next__", "next", "_next"):
        if hasattr(stream, name):
            return _by_calling(getattr(stream, name))
    raise TypeError(f"{where} gave a part that is neither str, bytes nor a stream but {_kind(stream)}")


def _by_calling(step: Callable[[], Any]) -> Iterator[Any]:
    while True:
        try:
            piece = step()
        except StopIteration:
            return
        yield piece


def _close_all(parts: list[Any]) -> None:
    first: BaseException | None = None
    seen: set[int] = set()  # a list may be in itself
    while parts:
        part = parts.pop()
        if isinstance(part, (list, tuple)):
            if id(part) not in seen:
                seen.add(id(part))
                parts.extend(reversed(part))
            continue
        try:
            close = getattr(part, "close", None)
            if close is not None:
                close()
        except BaseException as error:
            first = first or error
    if first is not None:
        raise first


class Streams:
    """Parts in order, encoded as they are asked for; the parts of a list in it come in its place.

    It owns what it was made of, and lets go of each part as it closes it: so nothing is closed twice.
    """

    def __init__(self, parts: Iterable[Any], where: str) -> None:
        #: What is still to come, the next one last.
        self._parts = [*parts][::-1]
        self._where = where
        self._current: Iterator[Any] = iter(())
        #: The stream behind ``_current``.
        self._open: list[Any] = []

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        while True:
            for piece in self._current:
                return _encode(piece, self._where)
            _close_all(self._open)
            if not self._parts:
                raise StopIteration
            part = self._parts.pop()
            if isinstance(part, (list, tuple)):
                self._parts.extend(reversed(part))
            elif isinstance(part, _TEXT):
                self._current = iter((part,))
            else:
                self._open.append(part)
                self._current = _pieces(part, self._where)

    def close(self) -> None:
        self._parts.extend(self._open)
        self._open.clear()
        self._current = iter(())
        _close_all(self._parts)
