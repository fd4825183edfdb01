"""Handlers that last for a moment anywhere: ``/KIND/...?token=T&NAME=MILLISECONDS&size=N``.

Every answer carries its request's token, as a field and all through its body, so that a client sees
whose answer it has got.  ``before``, ``after``, ``piece`` and ``close`` say where to sleep: before and
after start_response, in the iterable, in its close().  The application counts who is inside of it:
``/gauge`` tells how many threads were at most, and begins anew.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


class Gauge:
    """How many threads are inside the application, and how many were at most."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._most = 0

    @contextmanager
    def inside(self) -> Iterator[None]:
        with self._lock:
            self._inside += 1
            self._most = max(self._most, self._inside)
        try:
            yield
        finally:
            with self._lock:
                self._inside -= 1

    def read(self) -> int:
        with self._lock:
            most, self._most = self._most, self._inside
            return most


gauge = Gauge()


class Wish:
    """What the query asks for."""

    def __init__(self, environ: WSGIEnvironment) -> None:
        self.values = dict(parse_qsl(environ["QUERY_STRING"]))
        self.token = self.values.get("token", "none")
        self.size = int(self.values.get("size", "64"))

    def sleep(self, where: str) -> None:
        duration = float(self.values.get(where, "0")) / 1000
        if duration:
            time.sleep(duration)

    def body(self) -> bytes:
        token = self.token.encode()
        return (token * (self.size // len(token) + 1))[: self.size]

    def head(self, *, length: bool) -> list[tuple[str, str]]:
        fields = [("Content-Type", "text/plain"), ("X-Token", self.token)]
        return [*fields, ("Content-Length", str(self.size))] if length else fields


class Pieces:
    """The body in ``count`` pieces, with a sleep in front of each but the first, and in close()."""

    def __init__(self, wish: Wish, count: int) -> None:
        self._wish = wish
        body = wish.body()
        step = max(1, -(-len(body) // count))
        self._left = [body[at : at + step] for at in range(0, len(body), step)]

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        with gauge.inside():
            self._wish.sleep("piece")
            if not self._left:
                raise StopIteration
            return self._left.pop(0)

    def close(self) -> None:
        with gauge.inside():
            self._wish.sleep("close")


def plain(wish: Wish, start: StartResponse) -> Iterable[bytes]:
    wish.sleep("before")
    start("200 OK", wish.head(length=True))
    wish.sleep("after")
    return [wish.body()]


def unsized(wish: Wish, start: StartResponse) -> Iterable[bytes]:
    wish.sleep("before")
    start("200 OK", wish.head(length=False))
    wish.sleep("after")
    return [wish.body()]


def one(wish: Wish, start: StartResponse) -> Iterable[bytes]:
    """One piece of all that was announced: its end and close() come behind the answer."""
    wish.sleep("before")
    start("200 OK", wish.head(length=True))
    return Pieces(wish, 1)


def stream(wish: Wish, start: StartResponse) -> Iterable[bytes]:
    wish.sleep("before")
    start("200 OK", wish.head(length=False))
    return Pieces(wish, 4)


def sized(wish: Wish, start: StartResponse) -> Iterable[bytes]:
    start("200 OK", wish.head(length=True))
    wish.sleep("after")
    return Pieces(wish, 3)


def writes(wish: Wish, start: StartResponse) -> Iterable[bytes]:
    write = start("200 OK", wish.head(length=True))
    wish.sleep("before")
    body = wish.body()
    write(body[: len(body) // 2])
    wish.sleep("after")
    write(body[len(body) // 2 :])
    return []


def elsewhere(wish: Wish, start: StartResponse) -> Iterable[bytes]:
    """Another thread calls start_response, while this one waits for it."""

    def begin() -> None:
        wish.sleep("before")
        start("200 OK", wish.head(length=True))

    _in_a_thread(begin)
    wish.sleep("after")
    return [wish.body()]


def writes_elsewhere(wish: Wish, start: StartResponse) -> Iterable[bytes]:
    def begin() -> None:
        wish.sleep("before")
        start("200 OK", wish.head(length=True))(wish.body())

    _in_a_thread(begin)
    wish.sleep("after")
    return []


def two_write(wish: Wish, start: StartResponse) -> Iterable[bytes]:
    """Two threads write at once: of the halves, which are the same, one comes first."""
    write = start("200 OK", wish.head(length=True))
    wish.sleep("before")
    half = wish.body()[: wish.size // 2]
    together = threading.Barrier(2)

    def give() -> None:
        together.wait()
        write(half)

    _in_a_thread(give, give)
    return [wish.body()[2 * len(half) :]]


def writes_late(wish: Wish, start: StartResponse) -> Iterable[bytes]:
    """A thread goes on writing when the application has returned, and has no right to."""
    write = start("200 OK", wish.head(length=True))

    def give() -> None:
        for _ in range(5):
            try:
                start("200 OK", wish.head(length=True), (ValueError, ValueError("late"), None))
                write(b"late")
            except Exception:
                return
            time.sleep(0.0001)

    threading.Thread(target=give).start()
    wish.sleep("after")
    return [wish.body()]


def fails(wish: Wish, start: StartResponse) -> Iterable[bytes]:
    wish.sleep("before")
    raise SystemExit("an application that fails")


def fails_begun(wish: Wish, start: StartResponse) -> Iterable[bytes]:
    start("200 OK", wish.head(length=True))
    wish.sleep("after")
    raise ValueError("an application that fails")


def bad_field(wish: Wish, start: StartResponse) -> Iterable[bytes]:
    start("200 OK", [*wish.head(length=True), ("X-Bad", "two\nlines")])
    wish.sleep("after")
    return [wish.body()]


def burns(wish: Wish, start: StartResponse) -> Iterable[bytes]:
    until = time.thread_time() + float(wish.values.get("before", "0")) / 1000
    while time.thread_time() < until:
        sum(range(100))
    return plain(Wish({"QUERY_STRING": f"token={wish.token}&size={wish.size}"}), start)


def odd_class(wish: Wish, start: StartResponse) -> Iterable[bytes]:
    """An iterable that raises when asked for its class, as a proxy without a context does."""

    class Odd(list[bytes]):
        @property
        def __class__(self) -> Any:
            raise SystemExit("asked for its class")

    start("200 OK", wish.head(length=True))
    return Odd([wish.body()])


def forks(wish: Wish, start: StartResponse) -> Iterable[bytes]:
    """A child process lives on for a while, with all descriptors that this one has."""
    child = os.fork()
    if child == 0:
        wish.sleep("before")
        os._exit(0)
    threading.Thread(target=os.waitpid, args=(child, 0)).start()
    return plain(Wish({"QUERY_STRING": f"token={wish.token}&size={wish.size}"}), start)


def measures(wish: Wish, start: StartResponse) -> Iterable[bytes]:
    body = str(gauge.read()).encode()
    start("200 OK", [("Content-Length", str(len(body))), ("X-Token", wish.token)])
    return [body]


def _in_a_thread(*functions: Callable[[], None]) -> None:
    threads = [threading.Thread(target=function) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


KINDS: dict[str, Callable[[Wish, StartResponse], Iterable[bytes]]] = {
    function.__name__: function
    for function in (
        plain, unsized, one, stream, sized, writes, elsewhere, writes_elsewhere, two_write, writes_late,
        fails, fails_begun, bad_field, burns, odd_class, forks,
    )
}  # fmt: skip


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    kind = environ["PATH_INFO"].split("/")[1]
    if kind == "gauge":
        return measures(Wish(environ), start_response)
    with gauge.inside():
        return KINDS[kind](Wish(environ), start_response)
