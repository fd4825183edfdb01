"""Error pages of a site in place of Skitai's own: the key ``error_pages``.

A folder of pages, the nearest name first: ``404.html``, ``40x.html``, ``4xx.html``.  They are for whoever
would have got our page in HTML; programs that ask for JSON or text still get that, and what an
application has made is left alone.  For any thread.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from time import monotonic

from skitai.core.answer import Answer
from skitai.core.beneath import open_anywhere, with_status

__all__ = ["ErrorFolders"]

#: Seconds that a page, or that there is none, is believed: as with files that are kept ready.
_TRUST = 1.0
#: Fields that belong to the page that is replaced.
_OF_THE_PAGE = frozenset({"content-length", "content-security-policy"})


class ErrorFolders:
    """All of an instance.  What was read is remembered: a few pages for each folder of the settings."""

    def __init__(self, longest: int) -> None:
        """``longest``: bytes of a page; see `skitai.limits`."""
        self._longest = longest
        self._pages: dict[tuple[Path, str], tuple[float, bytes | None]] = {}

    def dressed(self, answer: Answer, folder: Path | None) -> Answer:
        """``answer`` with the page of ``folder``, if it is an error page of ours and the folder has one."""
        if folder is None or not answer.is_error_page or not _is_html(answer):
            return answer
        body = self._page_for(answer.status, folder)
        if body is None:
            return answer
        headers = [item for item in answer.headers if item[0].lower() not in _OF_THE_PAGE]
        return Answer(answer.status, [*headers, ("Content-Length", str(len(body)))], body)

    def _page_for(self, status: int, folder: Path) -> bytes | None:
        names = (f"{status}.html", f"{status // 10}x.html", f"{status // 100}xx.html")
        return next((page for name in names if (page := self._page(folder, name)) is not None), None)

    def _page(self, folder: Path, name: str) -> bytes | None:
        now = monotonic()
        looked_at, page = self._pages.get((folder, name), (-_TRUST, None))
        if now - looked_at >= _TRUST:
            page = self._read(folder, name)
            self._pages[folder, name] = now, page
        return page

    def _read(self, folder: Path, name: str) -> bytes | None:
        try:
            descriptor, status = with_status(open_anywhere(os.fsencode(folder), [os.fsencode(name)]))
        except OSError:
            return None
        try:
            if not stat.S_ISREG(status.st_mode):
                return None  # a fifo would have all clients wait for who writes into it
            page = os.read(descriptor, self._longest + 1)
        except OSError:
            return None
        finally:
            os.close(descriptor)
        return page if len(page) <= self._longest else None


def _is_html(answer: Answer) -> bool:
    return any(name == "Content-Type" and value.startswith("text/html") for name, value in answer.headers)
