"""One request's way through a WSGI application (PEP 3333).

A `Run` is a job of the executor.  It calls the application, takes its iterable piece by
piece and hands the pieces to the exchange.  When the client takes them more slowly than
the application makes them, the run rests (no thread waits) and is submitted again once
there is room; one thread at a time is inside it, but not always the same one.  The
request's `contextvars.Context` travels with it.  What asyncio has to wait for, it does
(`skitai.core.coroutines`), by the methods here that have no underscore.

What the application owes us is checked (`skitai.core.wsgichecks`), and a debt is never passed
on to the client as a valid response: a head that breaks the rules is 500, a body shorter than
its Content-Length ends the connection, a longer one is cut.  What is compressed
(`skitai.core.compression`) is so where the application runs, whole or piece by piece.
"""

from __future__ import annotations

import contextvars
import enum
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from threading import get_ident
from time import monotonic
from typing import Any

from skitai import _forks
from skitai._kernels import coders, engine, http1
from skitai.core.answer import send
from skitai.core.apps import WSGIApplication
from skitai.core.bodies import RequestBody
from skitai.core.compression import CodedBody, Coding, blocks, takes_long
from skitai.core.coroutines import Sent, is_asynchronous
from skitai.core.eventstreams import ends_event, is_event_stream
from skitai.core.filewrapper import FileWrapper
from skitai.core.runreports import name_of, report_of
from skitai.core.runterms import RunTerms
from skitai.core.sendfile import NamedFile
from skitai.core.wsgichecks import as_bytes, check_headers, parse_status
from skitai.errors import AppLoadError, ClientDisconnected, HTTPError

__all__ = ["Run"]

#: In place of a request's own context, once nothing of it runs any more.
_NO_CONTEXT = contextvars.Context()
#: Lists of small pieces are sent as one when they are no longer than this.
_JOIN_MAX = 65536
#: Longer bodies are compressed piece by piece: not in memory twice, and others have their turn.
_CODED_WHOLE_MAX = 1 << 20
#: With threads = 0, pieces sent before the other connections get their turn.
_INLINE_PIECES = 16


class _Stage(enum.Enum):
    CALL = "the application is still to be called"
    AWAIT = "what it gave is awaited: `skitai.core.awaiting`"
    TAKE = "the coroutine has given what is to be sent"
    PULL = "its iterable gives pieces"
    DONE = "over"


# By their own names: see `skitai._pure.http1.states`.
_CALL, _AWAIT, _TAKE, _PULL, _DONE = _Stage
_MORE, _NO_ROOM, _ENOUGH = Sent


class _Pulled(enum.Enum):
    ALL = "the response is complete"
    NO_ROOM = "the client is slower than the application"
    TURN = "threads = 0: the other connections are next"


class Run:
    __slots__ = (
        "_application",
        "_body",
        "_burns",
        "_coder",
        "_environ",
        "_exchange",
        "_head_sent",
        "_headers",
        "_iterable",
        "_iterator",
        "_named",
        "_reason",
        "_remaining",
        "_stage",
        "_status",
        "_terms",
        "_upgrade",
        "began_at",
        "context",
        "is_inside",
        "lasts",
        "made_at",
        "meter",
        "parks",
        "request_id",
        "thread",
    )

    def __init__(
        self,
        exchange: engine.Exchange,
        application: Callable[[], WSGIApplication],
        environ: dict[str, Any],
        context: contextvars.Context,
        terms: RunTerms,
        body: RequestBody | None,
        parks: bool,
        upgrade: Callable[[], bool] | None = None,
    ) -> None:
        """``application()`` gives the WSGI callable (it may load it first); ``body`` is closed at
        the end; ``parks``: see `Job`; ``upgrade()``: whether the application wants the connection for
        something else, so that it is not answered here."""
        self._exchange = exchange
        self._application = application
        self._environ = environ
        #: Empty: it has none.
        self.request_id = str(environ.get("skitai.request_id", ""))
        self.context = context
        self._terms = terms
        self._body = body
        #: Once the head is out: what codes the pieces of the body.
        self._coder: coders.Coder | None = None
        #: The file that is sent in the place of what it gives.
        self._named: NamedFile | None = None
        self._upgrade = upgrade
        self._burns = exchange.burns or terms.burns
        self.lasts = exchange.lasts or terms.lasts
        self.parks = parks
        self.meter = exchange.meter
        #: A thread is in the application's code, as far as is known: not yet or no more otherwise.
        self.is_inside = False
        #: In which the application's code is, or was last.
        self.thread = 0
        self.made_at = monotonic()
        #: When it was first in a thread; 0: not yet.
        self.began_at = 0.0
        self._stage = _CALL
        self._status = 0
        self._reason = ""
        self._headers: http1.Headers = []
        self._head_sent = False
        #: What is left of the Content-Length; None without one.
        self._remaining: int | None = None
        self._iterable: Iterable[Any] | None = None
        self._iterator: Iterator[Any] | None = None

    @property
    def burns(self) -> bool:
        """May change while it waits for a thread: by then others have shown what they do."""
        return self._burns if self.meter is None else self.meter.burns

    @property
    def is_parked(self) -> bool:
        return self._exchange.is_parked

    @property
    def holds_thread(self) -> bool:
        return self.is_inside and not self._exchange.is_parked

    @property
    def name(self) -> str:
        """Which request it is, for people."""
        return self._name()

    @property
    def given(self) -> Any:
        """What the application gave, where that is not taken yet."""
        return self._iterable

    # -- the job ------------------------------------------------------------------------

    def enter(self, thread: int) -> None:
        """A thread goes inside, which is that of `threading.get_ident`."""
        self.is_inside = True
        self.thread = thread
        self._terms.present.add(self)

    def run(self) -> None:
        self.enter(get_ident())
        self.began_at = self.began_at or monotonic()
        try:
            if self._stage is _CALL and self._exchange.is_current:
                self.context.run(self._call)
            elif self._stage is _TAKE:
                self.context.run(self._take)
            if self._stage is _AWAIT:
                self.is_inside = False
                self.submit_awaited()
                return
            while self._stage is _PULL:
                # Rest only after the context was left: the next thread may be in it at once.
                pulled = self.context.run(self._pull)
                if pulled is _Pulled.ALL:
                    break
                self._terms.present.discard(self)
                if pulled is _Pulled.TURN:
                    self._exchange.yield_turn(self._resume)
                    return
                if self._exchange.when_room(self._resume):
                    return
                self._terms.present.add(self)
        except ClientDisconnected:
            self.forsake()
        except BaseException as error:  # SystemExit of an application ends its request only
            self.fail(error)
        self.leave()

    def shed(self) -> None:
        self._shed("queue_max or queue_timeout", "All threads are busy.")

    def _shed(self, limit: str, why: str) -> None:
        try:
            self._terms.on_overload(self._exchange, limit, why)
        finally:
            self.leave()

    def submit_awaited(self) -> None:
        """Go on in asyncio's thread: with what the application gave, or, where it is known to give a
        coroutine, with its call."""
        self.began_at = self.began_at or monotonic()
        self._terms.present.add(self)
        try:
            is_in = self._terms.coroutines.submit(self)
        except Exception as error:  # the system gives no thread, or uvloop is broken
            self.fail(error)
            self.leave()
            return
        if not is_in:
            self._shed("coroutines_max", "Too many requests are being answered.")

    # -- calling --------------------------------------------------------------------------

    def _call(self) -> None:
        self._ask()
        if type(self._iterable) is not list and is_asynchronous(self._iterable):
            self._stage = _AWAIT
        else:
            self._take()

    def _ask(self) -> None:
        engine.REQUEST.set(self._exchange)
        application = self._application()
        # Time that it is parked is not its own: whoever runs its stack measures.
        meter = None if self.parks else self.meter
        if meter is None:
            result = application(self._environ, self.start_response)
        else:
            meter.begin()
            result = application(self._environ, self.start_response)
            meter.end()
        self._iterable = result

    def _take(self) -> None:
        if self._upgrade is not None and self._upgrade():
            return
        result = self._iterable
        if isinstance(result, FileWrapper) and self._send_file(result):
            return
        if isinstance(result, (list, tuple)):
            pieces = [piece if type(piece) is bytes else as_bytes(piece) for piece in result]
            if self._send_whole(pieces):
                return
            self._iterator = iter(pieces) if self._coder is None else blocks(pieces)
        else:
            self._iterator = iter(result)  # type: ignore[arg-type]  # raises what is right
        self._stage = _PULL

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
        if self._stage is _AWAIT:
            raise AssertionError(
                "write() waits for the client, and a coroutine must not: "
                "give the pieces by an asynchronous generator"
            )
        if self._named is not None:
            return
        data = as_bytes(data)
        if data:
            self._send_head()
            data = self._fit(data)
        if data and self._body_allowed():
            self._exchange.write_waiting(self._coded(data))

    # -- asyncio's thread -------------------------------------------------------------------

    @property
    def exchange(self) -> engine.Exchange:
        return self._exchange

    def ask(self) -> Any:
        """What the application gave, which is called if nobody has."""
        if self._stage is _CALL:
            self._stage = _AWAIT
            self._ask()
        return self._iterable

    def returned(self, value: Any, context: contextvars.Context) -> None:
        """The coroutine has given ``value``, and has left ``context``."""
        self._iterable, self.context, self._stage = value, context, _TAKE
        if self._terms.executor.inline:
            self._exchange.yield_turn(self._resume)
        elif type(value) in (list, tuple) and not takes_long(self._terms.compression, value):
            self._exchange.yield_turn(self.run)
        else:
            self._terms.executor.submit(self, resumed=True)  # its code may take its time

    # -- the body -------------------------------------------------------------------------

    def _pull(self) -> _Pulled:
        assert self._iterator is not None
        for count, piece in enumerate(self._iterator, 1):
            sent = self.send_piece(piece)
            if sent is _ENOUGH:
                break
            if sent is _NO_ROOM:
                return _Pulled.NO_ROOM
            if count == _INLINE_PIECES and self._terms.executor.inline:
                return _Pulled.TURN
        self.finish()
        return _Pulled.ALL

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

    def _resume(self) -> None:
        """Loop thread: the client has taken what waited, or has gone, or the others had their turn.

        By the executor with threads = 0 too: it knows whether this may wait, and how.
        """
        self._terms.executor.submit(self, resumed=True)

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

    # -- the end ----------------------------------------------------------------------------

    def fail(self, error: BaseException) -> None:
        _forks.check(error)
        if not isinstance(error, (HTTPError, AppLoadError)):
            self._terms.reports.failure(f"{self._name()}\n{report_of(error)}")
        try:
            if self._head_sent and self._remaining == 0:
                self._end()  # it failed behind its body: the client has all that was announced
            elif self._head_sent:
                self._exchange.abort()
            else:
                headers, body = self._terms.reports.failure_page(self._exchange, error, self._terms.debug)
                status = error.status if isinstance(error, HTTPError) else 500
                self._exchange.respond(status, headers, body)
        except ClientDisconnected:
            return  # nobody is left to be told
        except BaseException as second:
            # ``debug`` is the application's and may raise.  A response that nobody ends would
            # keep its client waiting for ever.
            self._terms.reports.failure(f"{self._name()}: its error page\n{report_of(second)}")
            self._exchange.abort()

    def forsake(self) -> None:
        """A client has gone: not the application's fault, and nobody is left to be told.  Where it was
        another one, whose WebSocket the application holds, ours must not wait for ever."""
        if self._exchange.is_current:
            self._exchange.abort()

    def leave(self) -> None:
        """Once, whatever happened: the iterable's close() and the request's body."""
        self.is_inside = False
        self._terms.present.discard(self)
        if self._stage is _DONE:
            return
        self._stage = _DONE
        iterable, self._iterable, self._iterator, self._coder = self._iterable, None, None, None
        close = getattr(iterable, "close", None)
        try:
            if close is not None:
                self.context.run(close)
        except BaseException as error:
            self.fail_closing(error)
        finally:
            if self._exchange.loss is not None:
                self.context.run(self._terms.give_up)
            # What the application finds in its context may lead back here, and would wait for the collector.
            self.context = _NO_CONTEXT
            if self._body is not None:
                self._body.close()

    def give_up(self) -> None:
        """In the context of the request, which the application has left: if nobody will get the response, end
        what was begun for it."""
        if self._exchange.loss is not None:
            self._terms.give_up()

    def fail_closing(self, error: BaseException) -> None:
        # One that waited for the client is told that it has gone: no failure.
        if not isinstance(error, ClientDisconnected):
            self._terms.reports.failure(f"{self._name()}: close()\n{report_of(error)}")

    def _warn(self, text: str) -> None:
        self._terms.reports.warn(f"{self._name()}: {text}")

    def _name(self) -> str:
        head = self._exchange.head
        return name_of(head.method, head.target, head.get("traceparent"), self.request_id)
