"""The response of one run of a WSGI application: from ``start_response`` and a body's pieces to the exchange.

What the application owes us is checked (`skitai.core.wsgichecks`), and a debt is never passed
on to the client as a valid response: a head that breaks the rules is 500, a body shorter than
its Content-Length ends the connection, a longer one is cut.  What is compressed
(`skitai.core.compression`) is so here, whole or piece by piece.

In the thread that runs the application, or gives its pieces: one at a time, which `Run` sees to.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from typing import Any

from skitai._kernels import coders, engine, http1
from skitai.core.answer import send
from skitai.core.compression import CodedBody, Coding
from skitai.core.coroutines import Sent
from skitai.core.eventstreams import ends_event, is_event_stream
from skitai.core.filewrapper import FileWrapper
from skitai.core.runreports import name_of
from skitai.core.runterms import RunTerms
from skitai.core.sendfile import NamedFile
from skitai.core.wsgichecks import as_bytes, check_headers, parse_status
from skitai.errors import ClientDisconnected

__all__ = ["Response"]

#: Lists of small pieces are sent as one when they are no longer than this.
_JOIN_MAX = 65536
#: Longer bodies are compressed piece by piece: not in memory twice, and others have their turn.
_CODED_WHOLE_MAX = 1 << 20

# By their own names: see `skitai._pure.http1.states`.
_MORE, _NO_ROOM, _ENOUGH = Sent


class Response:
    __slots__ = (
        "_coder",
        "_environ",
        "_exchange",
        "_head_sent",
        "_headers",
        "_named",
        "_reason",
        "_remaining",
        "_status",
        "_terms",
        "request_id",
    )

    def __init__(self, exchange: engine.Exchange, environ: dict[str, Any], terms: RunTerms) -> None:
        self._exchange = exchange
        self._environ = environ
        #: Empty: it has none.  Of the beginning: the environ is the application's by and by.
        self.request_id = str(environ.get("skitai.request_id", ""))
        self._terms = terms
        #: Once the head is out: what codes the pieces of the body.
        self._coder: coders.Coder | None = None
        #: The file that is sent in the place of what the application gives.
        self._named: NamedFile | None = None
        self._status = 0
        self._reason = ""
        self._headers: http1.Headers = []
        self._head_sent = False
        #: What is left of the Content-Length; None without one.
        self._remaining: int | None = None

    def start_response(
        self, status: str, headers: http1.Headers, exc_info: Any = None
    ) -> Callable[[bytes], None]:
        if exc_info:
            try:
                if self._head_sent:
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None  # PEP 3333: no circular reference through the traceback
        elif self._status:
            raise AssertionError("start_response was called twice without exc_info (PEP 3333)")
        self._status, self._reason = parse_status(status)
        self._headers, self._remaining = check_headers(headers, self._terms.reports.warn)
        roots = self._terms.roots
        if roots is not None:
            self._named = roots.named(self._status, self._headers)
        return self._write

    def _write(self, data: bytes) -> None:
        """PEP 3333's ``write``: blocks while the client is slow."""
        if self._named is not None:
            return
        data = as_bytes(data)
        if data:
            self._send_head()
            data = self._fit(data)
        if data and self._body_allowed():
            self._exchange.write_waiting(self._coded(data))

    def send_piece(self, piece: Any) -> Sent:
        if self._named is not None:
            return _ENOUGH
        if piece:
            whole = as_bytes(piece)
            self._send_head(whole)
            data = self._fit(whole)
            if not self._body_allowed():
                return _ENOUGH
            room = not data or self._exchange.write(self._coded(data))
            if len(data) < len(whole):
                return _ENOUGH
            if self._terms.is_ending() and ends_event(whole) and is_event_stream(self._headers):
                return _ENOUGH
            if not room:
                return _NO_ROOM
        elif not self._exchange.is_current:  # no write would tell us, and b"" may mean to wait for ever
            raise ClientDisconnected("the client has gone while the application had nothing to send")
        return _MORE

    def _send_whole(self, pieces: list[bytes]) -> bool:
        """All of the body is there: its length is known, and head and body leave at once."""
        size = sum(map(len, pieces))
        if self._head_sent or not self._status or not self._body_allowed() or self._named is not None:
            return False
        announced = self._remaining
        if announced is not None and announced > size:
            return False  # too short: the stream will show it
        coding = self._settle(size if announced is None else announced)
        if coding is None and size > _JOIN_MAX and len(pieces) > 1:
            return False
        if coding is not None and size > _CODED_WHOLE_MAX:
            self._start(coding)
            return False
        body = self._fit(b"".join(pieces))  # of one piece no copy is made
        if coding is not None:
            body = coding.whole(body)
        if coding is not None or announced is None:
            self._headers.append(("Content-Length", str(len(body))))
        self._exchange.respond(self._status, self._headers, body, reason=self._reason)
        self._head_sent = True
        return True

    def _send_file(self, wrapper: FileWrapper) -> bool:
        """Let the system send it, if it is a regular file with a descriptor."""
        if self._head_sent or not self._status or self._status in (204, 304) or self._named is not None:
            return False
        try:
            descriptor = wrapper.file.fileno()
            offset = wrapper.file.tell()
            info = os.fstat(descriptor)
        except (AttributeError, OSError, ValueError):
            return False
        available = info.st_size - offset
        if not stat.S_ISREG(info.st_mode) or available < 0 or (self._remaining or 0) > available:
            return False
        coding = self._settle(available if self._remaining is None else self._remaining)
        if coding is not None:  # its bytes go through our memory
            self._start(coding)
            return False
        if self._remaining is None:
            self._headers.append(("Content-Length", str(available)))
            self._remaining = available
        file = os.fdopen(os.dup(descriptor), "rb", buffering=0)
        self._exchange.respond_file(
            self._status, self._headers, file, offset, self._remaining, reason=self._reason
        )
        self._head_sent = True
        return True

    def _send_head(self, first: bytes = b"") -> None:
        """``first``: the piece of the body that comes behind it, where it is known."""
        if self._head_sent:
            return
        if not self._status:
            raise AssertionError("the application gave a body before it called start_response (PEP 3333)")
        coding = self._settle(self._remaining)
        is_all = first and self._body_allowed() and len(first) == self._remaining
        if coding is not None and is_all and len(first) <= _CODED_WHOLE_MAX:
            self._start(None, CodedBody(coding.whole(first)))
        else:
            self._start(coding)

    def _settle(self, size: int | None) -> Coding | None:
        """Let the head say how a body of ``size`` bytes is coded."""
        compression, head = self._terms.compression, self._exchange.head
        if compression is None:
            return None
        self._headers, coding = compression.settle(head, self._status, self._headers, size)
        return coding

    def _start(self, coding: Coding | None, coded: CodedBody | None = None) -> None:
        if coded is not None:
            self._headers.append(("Content-Length", str(coded.size)))
        self._exchange.start(self._status, self._headers, reason=self._reason)
        self._head_sent = True
        self._coder = coded
        if coding is not None and self._body_allowed():
            self._coder = coding.begin()

    def _coded(self, data: bytes) -> bytes:
        return data if self._coder is None else self._coder.push(data)

    def _end(self) -> None:
        if self._coder is not None:
            self._exchange.write(self._coder.end())
        self._exchange.end()

    def _fit(self, data: bytes) -> bytes:
        """Hold the application to its Content-Length."""
        if self._remaining is None:
            return data
        if len(data) > self._remaining:
            self._terms.reports.warn(
                f"{self._name()}: the application sent more than its Content-Length; the rest was cut"
            )
            data = data[: self._remaining]
        self._remaining -= len(data)
        return data

    def _body_allowed(self) -> bool:
        return self._exchange.head.method != "HEAD" and self._status not in (204, 304)

    def finish(self) -> None:
        if not self._status:
            raise AssertionError("the application never called start_response (PEP 3333)")
        if self._named is not None:
            send(self._exchange, self._named.answer(self._exchange.head, self._status, self._warn))
            self._head_sent = True
        elif self._remaining and self._body_allowed():
            self._terms.reports.warn(
                f"{self._name()}: the application sent {self._remaining} bytes less than its "
                "Content-Length; the connection was closed"
            )
            self._send_head()
            self._exchange.abort()
        elif self._head_sent:
            self._end()
        else:
            self._settle(0 if self._body_allowed() else self._remaining)
            if self._remaining is None and self._body_allowed():
                self._headers.append(("Content-Length", "0"))
            self._exchange.respond(self._status, self._headers, reason=self._reason)
            self._head_sent = True

    def _warn(self, text: str) -> None:
        self._terms.reports.warn(f"{self._name()}: {text}")

    def _name(self) -> str:
        head = self._exchange.head
        return name_of(head.method, head.target, head.get("traceparent"), self.request_id)
