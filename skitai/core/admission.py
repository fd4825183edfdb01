"""What is decided about a request before its body is read, and while it comes.

Loop thread.  An application may refuse a request early by a method ``skitai_admit(environ)``
that returns None, or status line, headers and body of the refusal (Saddle's authorization does
so): a client then learns of its missing password before it sends 100 MB.  ``skitai_admit_body`` is
the same, asked only about bodies that would go to the disk.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from skitai._kernels import http1
from skitai.core.answer import Answer
from skitai.core.apps import MountedApp
from skitai.core.bodies import RequestBody
from skitai.errors import HTTPError, SpoolFull

__all__ = ["AdmissionHook", "LimitedSink", "admission_hook", "body_hook", "early_refusal"]

AdmissionHook = Callable[[dict[str, Any]], "tuple[str, http1.Headers, bytes] | None"]


def early_refusal(
    hook: AdmissionHook, environ: dict[str, Any], failure: Callable[[str], None]
) -> Answer | None:
    """The refusal of the application that ``hook`` belongs to, if it says no.

    ``failure(what)`` is called inside the ``except`` block if the application's method raises.
    Raises HTTPError (500) then.
    """
    try:
        refusal = hook(environ)
        if refusal is None:
            return None
        status, headers, body = refusal
        fields = [field for field in headers if field[0].lower() != "content-length"]
        return Answer(int(status[:3]), [*fields, ("Content-Length", str(len(body)))], body)
    except BaseException as error:  # SystemExit too: it would end the loop thread
        failure("skitai_admit")
        raise HTTPError(500, "The application failed; its error log says why.") from error


def admission_hook(app: MountedApp) -> AdmissionHook | None:
    """The application's ``skitai_admit``, if it has one."""
    return app.hook("skitai_admit")  # type: ignore[no-any-return]


def body_hook(app: MountedApp) -> AdmissionHook | None:
    """The application's ``skitai_admit_body``, if it has one."""
    return app.hook("skitai_admit_body")  # type: ignore[no-any-return]


class LimitedSink:
    """A request body on its way in, held to its mount's ``body_max``."""

    __slots__ = ("_body", "_note", "_room")

    def __init__(self, body: RequestBody, body_max: int, note: Callable[[str, str], None]) -> None:
        """``note(limit, text)`` tells the operator what the client need not know."""
        self._body = body
        self._room = body_max
        self._note = note

    def write(self, data: bytes) -> None:
        self._room -= len(data)
        if self._room < 0:
            raise HTTPError(413, "The body is larger than body_max allows.")
        try:
            self._body.write(data)
        except SpoolFull as error:
            self._note("spool_total_max", str(error))
            raise HTTPError(507, "There is no room for request bodies at the moment.") from error

    def finish(self) -> None:
        self._body.finish()

    def close(self) -> None:
        self._body.close()
