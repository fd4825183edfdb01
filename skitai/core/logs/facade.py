"""`Logs`: what the server, the gateway and applications write through.

Every method may be called from any thread; none waits and none raises because of a log.
`close`, `flush` and `reopen` are for the owner of the instance, in the main thread.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from pathlib import Path
from time import time

from skitai._kernels import AccessRecord
from skitai.core.logs.bridges import AppLogHandler, ErrorStream
from skitai.core.logs.forms import form_of
from skitai.core.logs.options import LogOptions
from skitai.core.logs.pathsoff import paths_off
from skitai.core.logs.rotation import log_file
from skitai.core.logs.sinks import Sink, console_sinks
from skitai.core.logs.writer import LogWriter, Stream

__all__ = ["Logs"]

#: Characters of one entry; a longer text keeps its beginning and its end.
TEXT_MAX = 65536


class Logs:
    """The three logs of an instance.

    Types of entries (``kind``) are those of 0.11: ``info``, ``warn``, ``error``, ``fail`` and
    ``expt`` for tracebacks; a name may follow, ``warn:shop.cart``.
    """

    def __init__(
        self, folder: Path | None = None, *, console: bool = False, options: LogOptions | None = None
    ) -> None:
        """Write to ``server.log``, ``request.log`` and ``app.log`` under ``folder``, which is made
        if it is missing, and with ``console`` to the console as well.  Without a folder, to
        the console: access lines to stdout, all else to stderr.

        Raises ConfigError when the folder cannot be written to.
        """
        options = options or LogOptions()
        form = form_of(options)

        def warning(text: str) -> bytes:
            return form.encode(time(), "warn", text)

        sinks: dict[Stream, list[Sink]] = {stream: [] for stream in Stream}
        if folder is not None:
            for stream in (Stream.SERVER, Stream.REQUEST, Stream.APP):
                sinks[stream].append(log_file(folder, stream.value, warning, options.rotation))
        if console or folder is None:
            out, error = console_sinks(warning)
            sinks[Stream.REQUEST] += out
            sinks[Stream.SERVER] += error
            sinks[Stream.APP] += error
        sinks[Stream.TUNNEL] = sinks[Stream.REQUEST]
        self._writer = LogWriter(form, sinks, paths_off(options.off) if options.off else None)
        self._handler: logging.Handler | None = None
        #: Notes one request for its access line.  The writer's own method: it is called for each.
        self.request: Callable[[AccessRecord], None] = self._writer.put_request
        #: The ``wsgi.errors`` of every request.
        self.wsgi_errors = ErrorStream(self.app)

    # -- writing ----------------------------------------------------------------------------

    def tunnel(self, text: str) -> None:
        """A line among those of requests, of a tunnel that is closed."""
        self._writer.put(Stream.TUNNEL, "info", text)

    def server(self, text: str, kind: str = "info") -> None:
        """The server's own log."""
        self._writer.put(Stream.SERVER, kind, _shorten(text))

    def server_now(self, text: str, kind: str) -> None:
        """The same where no thread is left to write it: in a child that a handler has forked."""
        self._writer.put_now(Stream.SERVER, kind, _shorten(text))

    def app(self, text: str, kind: str = "info") -> None:
        """The log of the applications."""
        self._writer.put(Stream.APP, kind, _shorten(text))

    def app_warning(self, text: str) -> None:
        """The same as a warning: a callback for parts that know no types."""
        self.app(text, "warn")

    def trace(self, what: str) -> None:
        """The exception being handled, with its traceback, into the server's log: it is ours.
        ``what`` says what could not be done.  (Those of applications come by `app`.)"""
        self.server(f"{what}\n{traceback.format_exc()}", "expt")

    def trace_app(self, what: str) -> None:
        """The same when an application raised it: into the log of the applications."""
        self.app(f"{what}\n{traceback.format_exc()}", "expt")

    def capture_logging(self) -> None:
        """Let the standard `logging` of applications end in app.log, until `close`.

        A handler on the root logger, whose level is left as it is (WARNING unless somebody
        changed it).  An application that sets up logging for itself is not hindered.
        """
        if self._handler is None:
            self._handler = AppLogHandler(self.app)
            logging.getLogger().addHandler(self._handler)

    # -- for the owner ----------------------------------------------------------------------

    def flush(self, timeout: float = 5.0) -> bool:
        """Wait until what was written so far is out; False if ``timeout`` seconds were not enough."""
        return self._writer.flush(timeout)

    def reopen(self) -> None:
        """Go on in new files of the same names, after somebody has renamed the old ones (USR1)."""
        self._writer.reopen()

    def close(self, timeout: float = 5.0) -> None:
        """Write out what waits and end the thread, within ``timeout`` seconds.  What is logged
        afterwards is lost."""
        if self._handler is not None:
            logging.getLogger().removeHandler(self._handler)
            self._handler = None
        self._writer.close(timeout)


def _shorten(text: str) -> str:
    if len(text) <= TEXT_MAX:
        return text
    half = TEXT_MAX // 2
    return f"{text[:half]}\n... {len(text) - 2 * half} characters left out ...\n{text[-half:]}"
