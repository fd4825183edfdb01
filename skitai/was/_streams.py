"""Answers that are read while they come: the result is there with the head.

Whoever drops the result gives the rest up, and its connection is closed.
"""

from __future__ import annotations

import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from time import monotonic

from skitai._kernels import http1
from skitai.core.outbound.request import Begin, Cancelable, Outcome, Request
from skitai.was._results import Result
from skitai.was._sinks import Head, StreamSink

__all__ = ["StreamResult", "Streamed"]


class StreamResult(Result):
    """Iterating it (``for``, ``async for``) gives the body, once: bytes, as they come."""

    __slots__ = ("__weakref__", "_sink")

    def __init__(self, outcome: Outcome, sink: StreamSink, handle: Cancelable) -> None:
        super().__init__(outcome)
        self._sink = sink
        # The call may be over by then, which cancelling does not mind.
        weakref.finalize(self, handle.cancel).atexit = False

    def __iter__(self) -> Iterator[bytes]:
        """Raises the error that ends the answer before its end."""
        yield from self._sink.pieces()  # as long as somebody iterates, there is this result

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """The same in an ``async def``."""
        async for piece in self._sink.pieces_awaited():
            yield piece


class Streamed:
    """One call: a `Begin` that is over with the head of the answer."""

    def __init__(self, begin: Begin, latest: float) -> None:
        """``latest``: until when the body may come; the deadline of the request is for the head."""
        self._begin = begin
        self._latest = latest
        self._began = monotonic()
        self._request: Request | None = None
        self._sink = StreamSink(self._on_head)
        self._handle: Cancelable | None = None
        self._has_head = False
        self._on_done: Callable[[Outcome], None] | None = None

    def begin(self, request: Request, on_done: Callable[[Outcome], None]) -> Cancelable:
        self._request = request
        self._on_done = on_done
        request.sink = self._sink
        self._handle = handle = self._begin(request, self._over)
        if self._has_head:
            handle.extend(self._latest)  # the head has come in this moment
        return handle

    def _on_head(self, head: http1.ResponseHead) -> None:
        assert self._request is not None
        self._has_head = True
        self._tell(Head(self._request, head, monotonic() - self._began))
        if self._handle is not None:
            self._handle.extend(self._latest)

    def _over(self, outcome: Outcome) -> None:
        self._sink.finish(outcome)
        self._tell(outcome)

    def _tell(self, outcome: Outcome) -> None:
        on_done, self._on_done = self._on_done, None
        if on_done is not None:
            on_done(outcome)

    def result(self, outcome: Outcome) -> StreamResult:
        assert self._handle is not None
        self._handle.extend(self._latest)  # whoever waited may have said less since
        return StreamResult(outcome, self._sink, self._handle)
