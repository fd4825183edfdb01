"""What a call gives: its answer, or why there is none.  Nothing raises here unless it is asked to.

    status      code                      what happened
    0           0                         not done: there is no answer yet, or the call was cancelled
    1           702                       timeout; `error` is a `NetworkTimeout`, whose ``limit`` says which
    2           700 and up, see below     no answer, or none that can be used; `error` says why
    3           as the server says        an answer, whatever its code: 404 and 500 are answers

The codes of failures are those of Skitai 0.11, so far as they still mean something:

    700   no connection, or one that broke         707   bytes that are no HTTP, or a coding that is none
    701   anything else                            709   a longer answer than is wanted
    704   no address for the host

A result is made for each call, at the rate of calls, in the thread that waits for it: it takes the outcome
and works nothing out until it is asked for.  Any thread.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from skitai._constants import NO_BODY_STATUSES
from skitai.core.contenttype import known_charset, parse_content_type
from skitai.core.outbound.request import Outcome
from skitai.errors import (
    CallCancelled,
    CallsQueueFull,
    ClusterUnavailable,
    NetworkError,
    NetworkTimeout,
    ProtocolError,
    ResolveError,
    ResponseTooLarge,
    WaitTimeout,
)

__all__ = ["FAILED", "NORMAL", "NOT_DONE", "TIMEOUT", "ResponseHeaders", "Result"]

NOT_DONE: Final = 0
TIMEOUT: Final = 1
FAILED: Final = 2
NORMAL: Final = 3

#: Status and code, by the first class that an error is of.
_FAILURES: Final[tuple[tuple[tuple[type[BaseException], ...], int, int], ...]] = (
    ((NetworkTimeout, WaitTimeout), TIMEOUT, 702),
    ((CallCancelled,), NOT_DONE, 0),
    ((ResolveError,), FAILED, 704),
    ((ResponseTooLarge,), FAILED, 709),
    ((CallsQueueFull, ClusterUnavailable), FAILED, 701),
    ((NetworkError,), FAILED, 700),
    ((ProtocolError,), FAILED, 707),
    ((BaseException,), FAILED, 701),
)

#: What a text may begin with to say how it is written.
_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


class Result:
    """``result.status == 3``, and then ``result.code``, ``result.data``."""

    __slots__ = ("_headers", "_keep", "_outcome", "_text")

    def __init__(
        self, outcome: Outcome | None = None, keep: Callable[[Outcome, float], None] | None = None
    ) -> None:
        """``outcome``: None, it is not done.  ``keep(outcome, seconds)``: for equal calls, so long."""
        self._outcome = outcome
        self._keep = keep
        self._headers: ResponseHeaders | None = None
        self._text: str | None = None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.status}: {self.code} {self.msg}>"

    @property
    def error(self) -> BaseException | None:
        """Why there is no answer; None if there is one, or the call is not done."""
        return None if self._outcome is None else self._outcome.error

    @property
    def status(self) -> int:
        """0 not done, 1 timeout, 2 exception, 3 normal."""
        if self._outcome is None:
            return NOT_DONE
        error = self.error
        return NORMAL if error is None else _failure(error)[0]

    @property
    def code(self) -> int:
        """The status code of the answer; from 700 on that of a failure; 0 for what is not done."""
        if self._outcome is None:
            return 0
        error = self.error
        if error is not None:
            return _failure(error)[1]
        response = self._outcome.response
        return 0 if response is None else response.head.status

    @property
    def msg(self) -> str:
        """The reason phrase of the answer, which may be empty, or what the error says."""
        error = self.error
        if error is not None:
            return str(error)
        head = self._head
        return "" if head is None else head.reason

    @property
    def version(self) -> str:
        """Of HTTP: ``"1.1"``; empty without an answer, as all that follows."""
        head = self._head
        return "" if head is None else head.http_version

    @property
    def header(self) -> list[str]:
        """The fields of the answer, as lines: ``"Content-Type: text/plain"``."""
        head = self._head
        return [] if head is None else [f"{name}: {value}" for name, value in head.headers]

    @property
    def headers(self) -> ResponseHeaders:
        """The same, by name in any case."""
        if self._headers is None:
            head = self._head
            self._headers = ResponseHeaders([] if head is None else head.headers)
        return self._headers

    def get_header(self, name: str, default: str | None = None) -> str | None:
        """The value of one field, in any case; several of one name are joined."""
        head = self._head
        return default if head is None else head.get(name, default)

    @property
    def data(self) -> Any:
        """The body (bytes), its codings undone.

        None where there is none: HEAD, 204, 304, and what went to a file or an iterator.
        """
        outcome = self._outcome
        response = None if outcome is None else outcome.response
        if outcome is None or response is None:
            return b""
        if response.body:
            return response.body
        request = outcome.request
        has_none = response.head.status in NO_BODY_STATUSES or request.method == "HEAD"
        return None if has_none or request.sink is not None else b""

    @property
    def text(self) -> str:
        """The body as text: as its byte order mark says, as its type says, else UTF-8.

        What is none in that charset is U+FFFD.
        """
        if self._text is None:
            body = self._body
            self._text = body.decode(self._charset(body), "replace")
        return self._text

    def json(self) -> Any:
        """The body read as JSON.

        Raises:
            ValueError: it is none.
            SkitaiError: there is no answer; the `error` of this result.
        """
        self.reraise()
        try:
            return json.loads(self._body)
        except RecursionError as error:
            raise ValueError(f"the answer is JSON that is nested too deeply: {error}") from None
        except ValueError as error:
            kind = self.get_header("Content-Type") or "no Content-Type"
            raise ValueError(f"the answer ({self.code}, {kind}) is no JSON: {error}") from error

    @property
    def node(self) -> tuple[str, int] | None:
        """Who was asked: host and port, of a cluster's member too.  None if nobody was."""
        if self._outcome is None:
            return None
        origin = self._outcome.request.origin
        return None if origin.host.startswith("@") else (origin.host, origin.port)

    @property
    def elapsed(self) -> float:
        """Seconds from the call to its end."""
        return 0.0 if self._outcome is None else self._outcome.elapsed

    def reraise(self) -> None:
        """Raise the `error`, if there is one."""
        if (error := self.error) is not None:
            raise error

    def cache(self, seconds: float = 300) -> None:
        """Give this result to calls that are equal, for so long, without a request; 0 ends it.

        Only normal results with code 200 are kept.
        """
        if self._keep is not None and self._outcome is not None and self.code == 200:
            self._keep(self._outcome, seconds)

    def expire(self) -> None:
        """Calls that are equal ask again."""
        self.cache(0)

    @property
    def _head(self) -> Any:
        outcome = self._outcome
        return None if outcome is None or outcome.response is None else outcome.response.head

    @property
    def _body(self) -> bytes:
        response = None if self._outcome is None else self._outcome.response
        return b"" if response is None else response.body

    def _charset(self, body: bytes) -> str:
        for mark, charset in _MARKS:
            if body.startswith(mark):
                return charset
        _, parameters = parse_content_type(self.get_header("Content-Type") or "")
        return known_charset(parameters.get("charset", "")) or "utf-8"


class ResponseHeaders(Mapping[str, str]):
    """Fields by name, in any case.  Several of one name are joined by ``", "``; `get_all` gives each alone,
    which ``Set-Cookie`` needs."""

    __slots__ = ("_values",)

    def __init__(self, fields: list[tuple[str, str]]) -> None:
        #: By the name in lower case: the name as it came first, and the values.
        self._values: dict[str, tuple[str, list[str]]] = {}
        for name, value in fields:
            self._values.setdefault(name.lower(), (name, []))[1].append(value)

    def __getitem__(self, name: str) -> str:
        return ", ".join(self._values[name.lower()][1])

    def __iter__(self) -> Iterator[str]:
        return (name for name, _ in self._values.values())

    def __len__(self) -> int:
        return len(self._values)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._values

    def __repr__(self) -> str:
        return f"{type(self).__name__}({dict(self)!r})"

    def get_all(self, name: str) -> list[str]:
        """Every value of ``name``, in the order of the answer."""
        found = self._values.get(name.lower())
        return [] if found is None else list(found[1])


def _failure(error: BaseException) -> tuple[int, int]:
    return next((status, code) for classes, status, code in _FAILURES if isinstance(error, classes))
