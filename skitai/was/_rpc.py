"""XML-RPC from the side that calls: what ``was.rpc(url)`` gives.

    s = was.rpc("http://host/rpc2")
    s.math.sum(1, 2)            # leaves at once, and gives its call
    s.getwait(5).data           # 3

An attribute is the name of a procedure, unless it is one of ours (`RpcCall`); ``s["getwait"](1)`` calls
what has such a name.  Each call is a request of its own, so several of one ``s`` are under way at once.
With ``multicall=True`` they are one request instead (`system.multicall`), which leaves with ``s()`` or the
first wait; its ``data`` is a list of values, with a `Fault` in the place of each that failed.

Who sends is none of our business: a `Start` is handed in.  The answer is read where its result is made, by
the function that goes along: in the thread that waits, never in that of the loop.

Whoever made an `RpcCall` uses it, one thread at a time.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Generator, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from skitai._lazy import LazyModule
from skitai.errors import RemoteProtocolError

if TYPE_CHECKING:
    from skitai import _xmlrpc
else:
    _xmlrpc = LazyModule("skitai._xmlrpc")

__all__ = ["CONTENT_TYPE", "Call", "Procedure", "RpcCall", "Start", "read_answer", "read_answers"]

#: Of a call: "Header requirements" of the specification.
CONTENT_TYPE = "text/xml; charset=utf-8"

_MULTICALL = "system.multicall"


class Call(Protocol):
    """What a verb of `skitai.was` gives."""

    def getwait(self, timeout: float | None = None) -> Any: ...

    def getswait(self, timeout: float | None = None, **of_many: int) -> Any: ...

    def cancel(self) -> None: ...

    def __await__(self) -> Generator[Any, None, Any]: ...

    def __iter__(self) -> Iterator[Any]: ...

    def __aiter__(self) -> AsyncIterator[Any]: ...


#: ``start(document, read)`` posts ``document`` and gives the call.  Of an answer with status 200 the
#: ``data`` of the result is ``read(body)``; what that raises, a `Fault` or a RemoteProtocolError, is its
#: exception.
Start: TypeAlias = Callable[[bytes, Callable[[bytes], Any]], Call]


class RpcCall:
    """The procedures of one server, or of a cluster's members, and the calls that were made of them."""

    __slots__ = ("_calls", "_collected", "_start")

    def __init__(self, start: Start, *, multicall: bool = False) -> None:
        self._start = start
        self._calls: list[Call] = []
        #: Of a multicall: what its next request will have.
        self._collected: list[dict[str, Any]] | None = [] if multicall else None

    def __getattr__(self, name: str) -> Procedure:
        if name.startswith("_"):  # asked by copy, pickle, inspect and others
            raise AttributeError(f"a procedure {name!r} is called by s[{name!r}](...)")
        return self[name]

    def __getitem__(self, name: str) -> Procedure:
        return Procedure(self._call, name)

    def __call__(self) -> Call:
        """Send what a multicall has collected.  Raises ValueError if that is nothing."""
        if not self._collected:
            raise ValueError("nothing is collected: s() sends the calls of was.rpc(url, multicall=True)")
        collected, self._collected = self._collected, []
        document = _xmlrpc.write_call(_MULTICALL, [collected])
        return self._send(document, partial(read_answers, count=len(collected)))

    def getwait(self, timeout: float | None = None) -> Any:
        """The result of the call.  Raises ValueError if none, or more than one, was made."""
        return self._sole("getwait").getwait(timeout)

    def getswait(self, timeout: float | None = None, **of_many: int) -> list[Any]:
        """The results of all calls in the order in which they were made; of one that went to all members of
        a cluster those of the members, which also takes ``need`` (`MapCall.getswait`)."""
        return [result for call in self._made() for result in call.getswait(timeout, **of_many)]

    def cancel(self) -> None:
        """Nobody wants the results any more."""
        for call in self._calls:
            call.cancel()

    def __await__(self) -> Generator[Any, None, Any]:
        return self._sole("await").__await__()

    def __iter__(self) -> Iterator[Any]:
        """The results of a call to all members, as they come."""
        return iter(self._sole("a loop"))

    def __aiter__(self) -> AsyncIterator[Any]:
        """The same in an ``async def``."""
        return aiter(self._sole("a loop"))

    def _call(self, name: str, parameters: tuple[Any, ...]) -> Call | None:
        try:
            if self._collected is not None:
                self._collected.append({"methodName": name, "params": _xmlrpc.plain(parameters)})
                return None
            document = _xmlrpc.write_call(name, parameters)
        except _xmlrpc.NotCarried as what:
            raise TypeError(f"{name}() was given {what}, which XML-RPC cannot carry") from None
        return self._send(document, read_answer)

    def _send(self, document: bytes, read: Callable[[bytes], Any]) -> Call:
        call = self._start(document, read)
        self._calls.append(call)
        return call

    def _made(self) -> list[Call]:
        if self._collected:
            self()
        if not self._calls:
            raise ValueError("nothing was called yet: s.method(arguments) sends the call")
        return self._calls

    def _sole(self, wanted: str) -> Call:
        calls = self._made()
        if len(calls) > 1:
            raise ValueError(f"{len(calls)} calls were made, and {wanted} takes one: use getswait")
        return calls[0]


class Procedure:
    """A procedure, or the first parts of its name."""

    __slots__ = ("_call", "_name")

    def __init__(self, call: Callable[[str, tuple[Any, ...]], Call | None], name: str) -> None:
        self._call = call
        self._name = name

    def __getattr__(self, name: str) -> Procedure:
        whole = f"{self._name}.{name}"
        if name.startswith("_"):
            raise AttributeError(f"a procedure {whole!r} is called by s[{whole!r}](...)")
        return Procedure(self._call, whole)

    def __call__(self, *parameters: Any) -> Call | None:
        """Call it: the call, or None where it is collected.

        Raises:
            TypeError: a parameter is of a kind that XML-RPC cannot carry.
        """
        return self._call(self._name, parameters)


def read_answer(body: bytes) -> Any:
    """The value in an answer.

    Raises:
        Fault: it is a fault.
        RemoteProtocolError: it is no answer of XML-RPC, or has a document type.
    """
    try:
        values, name = _xmlrpc.read(body)
    except (_xmlrpc.NotXML, _xmlrpc.NotXMLRPC) as error:
        raise _bad(f"the answer to an XML-RPC call {error}") from None
    if name is not None:
        raise _bad("the answer to an XML-RPC call is a call")
    return values[0] if len(values) == 1 else values


def read_answers(body: bytes, count: int) -> list[Any]:
    """The values in the answer to ``count`` calls, and faults.  Raises as `read_answer` does."""
    answers = read_answer(body)
    if not isinstance(answers, list) or len(answers) != count:
        raise _bad(f"{_MULTICALL} was not answered with an array of {count} results")
    return [_one_of_many(answer) for answer in answers]


def _one_of_many(answer: Any) -> Any:
    if isinstance(answer, list) and len(answer) == 1:
        return answer[0]
    if isinstance(answer, dict) and {"faultCode", "faultString"} <= answer.keys():
        return _xmlrpc.Fault(answer["faultCode"], answer["faultString"])
    raise _bad(f"{_MULTICALL} was answered with what is neither a value nor a fault")


def _bad(what: str) -> RemoteProtocolError:
    return RemoteProtocolError(what, status=502)
