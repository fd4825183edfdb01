"""What an application is told of its own life, if it wants to know.

Each is an optional method of the object that is mounted:

    skitai_started()            once it is sure that the process will serve, before the first request; in
                                the main thread
    skitai_reloaded(former)     it was loaded in the place of ``former``, before its first request; in the
                                thread of the request that found the change, while others wait
    skitai_stopped()            behind the last request; in the main thread

What one of them raises is reported, and the server goes on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from skitai.core.apps.reports import report_of

__all__ = ["tell"]


def tell(application: Any, event: str, *args: object, report: Callable[[str], None]) -> None:
    """Call the application's method ``skitai_EVENT``, if it has one; ``report(text)`` what it raises."""
    try:
        method = getattr(application, f"skitai_{event}", None)
        if method is not None:
            method(*args)
    except BaseException as error:  # SystemExit too: it would end the server, or a request of somebody's
        report(f"skitai_{event}\n{report_of(error)}")
