"""Where a run tells what went wrong: texts for logs and pages for clients.

Made by `skitai.core.runs` with what the service hands in; used by any thread that runs applications.
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable
from typing import Any

from skitai._kernels import engine, http1
from skitai.core.tracecontext import words_for
from skitai.errors import AppLoadError, HTTPError, LocalProtocolError

__all__ = ["RunReports", "name_of", "report_of"]

#: Where the frames are ours; those of a compiled module have its source's path in the project.
_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_OURS = (os.path.join(_PACKAGE, ""), "skitai/_speedups/")


class RunReports:
    def __init__(
        self,
        failure: Callable[[str], None],
        warn: Callable[[str], None],
        error_page: Callable[[engine.Exchange, int, str, str], tuple[http1.Headers, bytes]],
    ) -> None:
        """``failure(text)`` logs a traceback; ``warn(text)`` a line;
        ``error_page(exchange, status, why, detail)`` makes a page."""
        self.failure = failure
        self.warn = warn
        self.error_page = error_page

    def failure_in(self, environ: dict[str, Any], where: str, error: BaseException) -> None:
        """The same for a request that has no run."""
        self.failure(f"{_name_in(environ)}{where}\n{report_of(error)}")

    def warn_about(self, environ: dict[str, Any], text: str) -> None:
        self.warn(f"{_name_in(environ)}: {text}")

    def failure_page(
        self, exchange: engine.Exchange, error: BaseException, debug: Callable[[], bool]
    ) -> tuple[http1.Headers, bytes]:
        if isinstance(error, HTTPError):
            return self.error_page(exchange, error.status, error.why, "")
        why = "The application failed; its error log says why."
        if isinstance(error, LocalProtocolError):
            why = "The application gave a response that HTTP does not allow; its error log says which."
        detail = ""
        if debug():
            detail = error.report if isinstance(error, AppLoadError) else report_of(error)
        return self.error_page(exchange, 500, why, detail)


def name_of(method: str, target: str, traceparent: str | None, request_id: str) -> str:
    """What a line calls a request."""
    identified = f" request_id={request_id}" if request_id else ""
    return f"{method} {target}{identified}{words_for(traceparent)}"


def _name_in(environ: dict[str, Any]) -> str:
    return name_of(
        environ["REQUEST_METHOD"],
        environ["REQUEST_URI"],
        environ.get("HTTP_TRACEPARENT"),
        str(environ.get("skitai.request_id", "")),
    )


def report_of(error: BaseException) -> str:
    """The traceback from where the application begins."""
    step = error.__traceback__
    while step is not None and step.tb_frame.f_code.co_filename.startswith(_OURS):
        step = step.tb_next
    return "".join(traceback.format_exception(type(error), error, step or error.__traceback__))
