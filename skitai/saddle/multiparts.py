"""multipart/form-data (RFC 7578), read piece by piece: texts into memory, files onto the disk.

The parser is `multipart` of Marcel Hellkamp, in its strict mode.  Beside python-multipart it is no
slower, bounds the heads of parts by itself, gives events instead of taking callbacks, and has the
shorter list of advisories (one against six, all mended).

Heads are read as latin-1 and decoded at the end, when the charset is known: browsers write names in
the page's encoding, and say which it was only in a field ``_charset_``.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import Any

from skitai.core.bodies import Spool
from skitai.core.contenttype import known_charset
from skitai.errors import HTTPError
from skitai.limits import FormLimits
from skitai.saddle.extras import extra
from skitai.saddle.uploads import Arrival, UploadedFile

__all__ = ["parse_multipart"]

_BLOCK = 65536
#: Bytes in a piece that are worth a pause: half of a block.
_PAUSE = _BLOCK // 2
#: Bytes of one field of a part's head, and fields of one: RFC 7578 knows three.
_HEAD_FIELD_MAX = 4096
_HEAD_FIELDS_MAX = 8


@dataclass(slots=True)
class _Part:
    """Its name and a file's name as latin-1 stands for bytes; ``value`` once it is complete."""

    name: str
    filename: str | None
    mimetype: str
    charset: str | None
    arrival: Arrival | None = None
    value: bytes | UploadedFile = b""


def parse_multipart(
    read: Callable[[int], bytes],
    boundary: str,
    charset: str,
    limits: FormLimits,
    spool: Spool | None,
    at_close: Callable[[Callable[[], None]], None],
) -> Generator[None, None, list[tuple[str, str | UploadedFile]]]:
    """Gives names and values in their order; an empty file field is an empty text, as browsers send it.

    A generator, which pauses behind each block that it has read: who has others to care for may do so.

    Args:
        read: gives the body.
        spool: where files go; None for the system's folder of temporary files.
        at_close: gets what takes the temporary files away, before anything is written to them.

    Raises:
        HTTPError: 400, it is none; 413, a limit is passed; 507, there is no room for files.
        ImportError: the package is missing.
    """
    parts: list[_Part] = []
    for part in _Reading(read, boundary, limits, spool, at_close).parts():
        if part is None:
            yield
        else:
            parts.append(part)
    for part in parts:
        if part.name == "_charset_" and isinstance(part.value, bytes):
            charset = known_charset(part.value.decode("latin-1")) or charset
            break
    return [(_recoded(part.name, charset), _value_of(part, charset)) for part in parts]


def _value_of(part: _Part, charset: str) -> str | UploadedFile:
    if isinstance(part.value, bytes):
        return part.value.decode(part.charset or charset, "replace")
    part.value.name = _recoded(part.value.name, charset)
    return part.value


def _recoded(text: str, charset: str) -> str:
    return text if text.isascii() else text.encode("latin-1").decode(charset, "replace")


class _Reading:
    """One form while it is read."""

    def __init__(
        self,
        read: Callable[[int], bytes],
        boundary: str,
        limits: FormLimits,
        spool: Spool | None,
        at_close: Callable[[Callable[[], None]], None],
    ) -> None:
        self._read = read
        self._boundary = boundary
        self._limits = limits
        self._spool = spool
        self._at_close = at_close
        self._library: Any = extra("multipart", "multipart", "forms", "a multipart form")
        if not hasattr(self._library, "PushMultipartParser"):
            raise ImportError(
                "a multipart form needs the package multipart, and python-multipart stands in its place: "
                "pip uninstall python-multipart, then pip install --force-reinstall 'skitai[forms]'"
            )
        self._texts = 0
        self._files = 0
        self._text_size = 0

    def parts(self) -> Iterator[_Part | None]:
        """The complete parts in their order; None behind each block of a long one."""
        try:
            parser = self._library.PushMultipartParser(
                self._boundary,
                max_header_size=_HEAD_FIELD_MAX,
                max_header_count=_HEAD_FIELDS_MAX,
                header_charset="latin-1",
                strict=True,
            )
            part: _Part | None = None
            text = bytearray()
            for event in parser.parse_blocking(self._read, _BLOCK):
                if event is None:
                    assert part is not None
                    part.value = self._finished(part, text)
                    text.clear()
                    yield part
                elif isinstance(event, (bytes, bytearray)):
                    assert part is not None
                    self._take(part, text, event)
                    if len(event) >= _PAUSE:
                        yield None
                else:
                    part = self._begun(event)
        except self._library.ParserLimitReached:
            raise HTTPError(
                413,
                f"The head of a part of the form has more than {_HEAD_FIELDS_MAX} fields or one of more "
                f"than {_HEAD_FIELD_MAX} bytes.",
            ) from None
        except (self._library.MultipartError, UnicodeError) as error:
            raise HTTPError(400, f"The body is no multipart form: {error}.") from error

    def _begun(self, segment: Any) -> _Part:
        part = _Part(
            segment.name,
            segment.filename,
            segment.content_type or "application/octet-stream",
            known_charset(segment.charset or ""),
        )
        if not part.filename:
            self._texts += 1
            if self._texts > self._limits.form_fields_max:
                raise _too_many("fields", "form_fields_max", self._limits.form_fields_max)
        else:
            self._open(part)
        return part

    def _open(self, part: _Part) -> Arrival:
        self._files += 1
        if self._files > self._limits.upload_files_max:
            raise _too_many("files", "upload_files_max", self._limits.upload_files_max)
        part.arrival = arrival = Arrival(self._spool, self._limits.upload_file_max)
        self._at_close(arrival.close)
        return arrival

    def _take(self, part: _Part, text: bytearray, data: bytes | bytearray) -> None:
        if part.filename is not None:
            (part.arrival or self._open(part)).write(data)
            return
        self._text_size += len(data)
        if self._text_size > self._limits.form_max:
            raise HTTPError(
                413, f"The texts of the form are longer than form_max allows ({self._limits.form_max} bytes)."
            )
        text += data

    def _finished(self, part: _Part, text: bytearray) -> bytes | UploadedFile:
        if part.arrival is None:
            return bytes(text)
        return part.arrival.finish(part.filename or "", part.mimetype)


def _too_many(what: str, name: str, limit: int) -> HTTPError:
    return HTTPError(413, f"The form has more {what} than {name} allows ({limit}).")
