"""The server's log for the master: the same lines in the same places, written at once; and the log of the
agent that delivers e-mail.

Both write from one thread, and little, so nothing is queued here.  Files are appended to
by all processes of an instance; a line is one write, which the system does not mix with others.
"""

from __future__ import annotations

from pathlib import Path
from time import time

from skitai.core.logs.forms import form_of
from skitai.core.logs.options import LogOptions
from skitai.core.logs.rotation import log_file
from skitai.core.logs.sinks import FileSink, Sink, console_sinks

__all__ = ["Journal"]


class Journal:
    """Where to: see `skitai.core.logs.facade.Logs`, whose ``server.log`` this is."""

    def __init__(
        self,
        folder: Path | None,
        *,
        console: bool,
        name: str = "server",
        options: LogOptions | None = None,
    ) -> None:
        """``name``: of the file, without its ending.  Raises ConfigError when the folder cannot be written
        to."""
        options = options or LogOptions()
        self._format = form_of(options)
        self._sinks: list[Sink] = []
        if folder is not None:
            self._sinks.append(log_file(folder, name, self._warning, options.rotation))
        if console or folder is None:
            self._sinks += console_sinks(self._warning)[1]

    def write(self, text: str, kind: str = "info") -> None:
        """One entry; never raises because of a log."""
        line = self._format.encode(time(), kind, text)
        for sink in self._sinks:
            sink.write([line])

    def reopen(self) -> None:
        """Go on in a new file of the same name, after somebody has renamed the old one."""
        for sink in self._sinks:
            if isinstance(sink, FileSink):
                try:
                    sink.reopen()
                except OSError as error:
                    self.write(
                        f"cannot reopen {sink.path}: {error.strerror}; going on in the old file", "error"
                    )

    def close(self) -> None:
        for sink in self._sinks:
            sink.close()

    def _warning(self, text: str) -> bytes:
        return self._format.encode(time(), "warn", text)
