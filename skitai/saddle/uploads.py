"""An uploaded file: what README calls the file object.

It lies in a temporary file of its own (mode 0600), in the server's spool folder, where its bytes count
against ``spool_total_max``; under other servers in the system's folder of temporary files.  `save`
moves it out; what was not saved is gone when the request is over, whatever happened
(`Response.at_close` calls `UploadedFile.close`).

`Arrival` is the file while it still comes, written by `skitai.saddle.multiparts`.  Both belong to one
request and its thread.
"""

from __future__ import annotations

import errno
import io
import os
import secrets
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterable

from skitai.core.bodies import Spool
from skitai.errors import HTTPError, SpoolFull
from skitai.saddle.filenames import numbered_names, safe_name

__all__ = ["Arrival", "UploadedFile"]

_CREATE = os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)


class UploadedFile:
    """One file of a form.

    Attributes:
        file: path of the temporary file; once it is saved, of the saved one.
        name: as the client called it.  It may be anything: `save` makes it safe, use nothing else of
            it as a path.
        size: in bytes.
        mimetype: as the client called it, without parameters.
    """

    __slots__ = ("_at_end", "_reading", "file", "mimetype", "name", "size")

    def __init__(self, file: str, name: str, size: int, mimetype: str, at_end: Callable[[], None]) -> None:
        """``at_end()`` is called once, when the temporary file is no more."""
        self.file = file
        self.name = name
        self.size = size
        self.mimetype = mimetype
        self._at_end: Callable[[], None] | None = at_end
        self._reading: io.FileIO | None = None

    def __repr__(self) -> str:
        return f"<UploadedFile {self.name!r} of {self.size} bytes>"

    def read(self, size: int = -1) -> bytes:
        """The next ``size`` bytes, or all that are left."""
        if self._reading is None:
            self._reading = io.FileIO(self.file)
        return self._reading.read(size)

    def save(
        self, into: str | os.PathLike[str], name: str | None = None, mkdir: bool = False, dup: str = "u"
    ) -> str:
        """Move it into the folder ``into``, and return its path there.

        Args:
            name: instead of the client's; either is made safe: it never leads out of the folder.
            mkdir: make the folder, if it is not there.
            dup: ``"u"``: if the name is taken, ``a.txt`` becomes ``a.1.txt`` and so on; ``"o"``: overwrite.

        Raises:
            FileNotFoundError: there is no such folder.
            ValueError: ``dup`` is neither, or the file was saved or removed already.
        """
        if dup not in ("u", "o"):
            raise ValueError(f'dup={dup!r} is not known: "u" makes the name unique, "o" overwrites')
        if self._at_end is None:
            raise ValueError(f"the upload {self.name!r} was saved or removed already, or its request is over")
        folder = os.fspath(into)
        if mkdir:
            os.makedirs(folder, exist_ok=True)
        elif not os.path.isdir(folder):
            raise FileNotFoundError(errno.ENOENT, "no such folder to save into (mkdir=True makes it)", folder)
        safe = safe_name(self.name if name is None else name)
        target = os.path.join(folder, safe)
        if dup == "o":
            # Beside it first: whoever reads the old file meanwhile reads the whole of it.
            placed = self._place([f".{secrets.token_hex(8)}.upload"], folder)
            try:
                os.replace(placed, target)
            except OSError:
                os.unlink(placed)
                raise
        else:
            target = self._place(numbered_names(safe), folder)
        self.file = target
        self._ended()
        return target

    def remove(self) -> None:
        """Delete the temporary file now, and not only when the request is over.  A saved one stays."""
        self._stop_reading()
        if self._at_end is not None:
            try:
                os.unlink(self.file)
            except FileNotFoundError:
                pass  # the application has moved or deleted it itself
            finally:
                self._ended()

    #: The request is over.
    close = remove

    def _place(self, names: Iterable[str], folder: str) -> str:
        """Move the file to the first of ``names`` that is free; nobody else gets it meanwhile."""
        for name in names:
            path = os.path.join(folder, name)
            try:
                descriptor = os.open(path, _CREATE, 0o666)
            except FileExistsError:
                continue
            try:
                mode = stat.S_IMODE(os.fstat(descriptor).st_mode)  # what the umask has left of it
            finally:
                os.close(descriptor)
            try:
                self._move_over(path, mode)
            except BaseException:
                os.unlink(path)
                raise
            return path
        raise FileExistsError(errno.EEXIST, "every name is taken", folder)

    def _move_over(self, path: str, mode: int) -> None:
        self._stop_reading()
        try:
            os.chmod(self.file, mode)
            os.replace(self.file, path)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            shutil.copyfile(self.file, path)
            os.unlink(self.file)

    def _stop_reading(self) -> None:
        if self._reading is not None:
            self._reading.close()
            self._reading = None

    def _ended(self) -> None:
        at_end, self._at_end = self._at_end, None
        if at_end is not None:
            at_end()


class Arrival:
    """A file on its way in: `write`, then `finish`; `close` in any case."""

    __slots__ = ("_descriptor", "_limit", "_path", "_spool", "_upload", "size")

    def __init__(self, spool: Spool | None, limit: int) -> None:
        """``limit``: ``upload_file_max``.  Raises HTTPError (507): there is no room."""
        self.size = 0
        self._spool = spool
        self._limit = limit
        self._upload: UploadedFile | None = None
        try:
            self._descriptor, self._path = tempfile.mkstemp(
                prefix="skitai-upload-", dir=None if spool is None else spool.directory
            )
        except OSError as error:
            raise _no_room() from error

    def write(self, data: bytes | bytearray) -> None:
        """Raises HTTPError: 413, it is too long; 507, there is no room."""
        if self.size + len(data) > self._limit:
            raise HTTPError(413, f"A file is longer than upload_file_max allows ({self._limit} bytes).")
        try:
            if self._spool is not None:
                self._spool.reserve(len(data))
            self.size += len(data)
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        except (OSError, SpoolFull) as error:
            raise _no_room() from error

    def finish(self, name: str, mimetype: str) -> UploadedFile:
        os.close(self._descriptor)
        self._descriptor = -1
        self._upload = UploadedFile(self._path, name, self.size, mimetype, self._release)
        return self._upload

    def close(self) -> None:
        """Nothing of it is left, unless it was saved."""
        if self._upload is not None:
            self._upload.close()
            return
        if self._descriptor != -1:
            os.close(self._descriptor)
            self._descriptor = -1
            os.unlink(self._path)
            self._release()

    def _release(self) -> None:
        if self._spool is not None:
            self._spool.release(self.size)


def _no_room() -> HTTPError:
    return HTTPError(507, "There is no room for uploads at the moment.")
