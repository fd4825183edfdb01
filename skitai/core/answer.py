"""A whole response that was made without an application: a file, an error page, a redirect.

Made by `static`, `errorpages` and the redirects, on any thread; handed to the engine by `send`,
which sends it and closes ``file`` exactly once, also when the client has gone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import BinaryIO

from skitai._kernels import engine, http1
from skitai.core.compression import Coding
from skitai.errors import ClientDisconnected

__all__ = ["Answer", "send"]


@dataclass(slots=True)
class Answer:
    """``status`` and ``headers``, then either ``body`` or ``count`` bytes of ``file`` from ``offset``,
    or the ``parts`` where there are any: several ranges of ``file`` and bytes around them.

    ``headers`` carries Content-Length and Content-Type; Date, Server and Connection are
    the engine's.  A HEAD request is answered with the same object; the engine leaves the
    body out.  ``file`` is an unbuffered binary file with a real descriptor.
    """

    status: int
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    file: BinaryIO | None = None
    offset: int = 0
    count: int = 0
    parts: Sequence[engine.Part] = ()
    #: With 304, and with ``parts``: the fields of the 200 in whose place it is.
    spared: http1.Headers = field(default_factory=list)
    #: Set where the whole ``file`` is the answer to all who ask for it, as long as it is unchanged.
    lasting: engine.LastingFile | None = None
    #: Of the bytes of ``file`` on their way: `skitai.core.codedfiles`.
    coding: Coding | None = None
    #: Made by `errorpages`, without a traceback: a site may have a page of its own for it.
    is_error_page: bool = False


def send(exchange: engine.Exchange, answer: Answer) -> None:
    try:
        if answer.lasting is not None:
            exchange.keep(answer.lasting, answer.file.fileno() if answer.file is not None else -1)
        if answer.file is not None:
            parts = answer.parts or ((answer.offset, answer.count),)
            exchange.respond_parts(answer.status, answer.headers, answer.file, parts)
        else:
            exchange.respond(answer.status, answer.headers, answer.body)
    except ClientDisconnected:
        return  # the access line will say so
