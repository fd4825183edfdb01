"""One request's way through a WSGI application (PEP 3333).

A `Run` is a job of the executor.  It calls the application, takes its iterable piece by
piece and hands the pieces to the exchange.  When the client takes them more slowly than
the application makes them, the run rests (no thread waits) and is submitted again once
there is room; one thread at a time is inside it, but not always the same one.  The
request's `contextvars.Context` travels with it.  What asyncio has to wait for, it does
(`skitai.core.coroutines`), by the methods here that have no underscore.

What becomes of the pieces is told in `skitai.core.responses`.
"""

from __future__ import annotations

import contextvars
import enum
from collections.abc import Callable, Iterable, Iterator
from threading import get_ident
from time import monotonic
from typing import Any

from skitai import _forks
from skitai._kernels import engine
from skitai.core.apps import WSGIApplication
from skitai.core.bodies import RequestBody
from skitai.core.compression import blocks, takes_long
from skitai.core.coroutines import Sent, is_asynchronous
from skitai.core.filewrapper import FileWrapper
from skitai.core.responses import Response
from skitai.core.runreports import report_of
from skitai.core.runterms import RunTerms
from skitai.core.wsgichecks import as_bytes
from skitai.errors import AppLoadError, ClientDisconnected, HTTPError

__all__ = ["Run"]

#: In place of a request's own context, once nothing of it runs any more.
_NO_CONTEXT = contextvars.Context()
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
_, _NO_ROOM, _ENOUGH = Sent


class _Pulled(enum.Enum):
    ALL = "the response is complete"
    NO_ROOM = "the client is slower than the application"
    TURN = "threads = 0: the other connections are next"


class Run(Response):
    __slots__ = (
        "_application",
        "_body",
        "_burns",
        "_iterable",
        "_iterator",
        "_stage",
        "_upgrade",
        "began_at",
        "context",
        "is_inside",
        "lasts",
        "made_at",
        "meter",
        "parks",
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
        super().__init__(exchange, environ, terms)
        self._application = application
        self.context = context
        self._body = body
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

    def _write(self, data: bytes) -> None:
        if self._stage is _AWAIT:
            raise AssertionError(
                "write() waits for the client, and a coroutine must not: "
                "give the pieces by an asynchronous generator"
            )
        super()._write(data)

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

    def _resume(self) -> None:
        """Loop thread: the client has taken what waited, or has gone, or the others had their turn.

        By the executor with threads = 0 too: it knows whether this may wait, and how.
        """
        self._terms.executor.submit(self, resumed=True)

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
