"""What the verbs of `skitai.was` do: from a line of a handler to a request on its way.

The caller's thread; what belongs to the loop, `Begin` hands over.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from time import monotonic
from typing import Any, NoReturn

from skitai.was._asker import asker
from skitai.was._call import Call, CallGroup, MapCall, Timing
from skitai.was._callers import seconds_of, size_of
from skitai.was._encoding import build
from skitai.was._provider import reach
from skitai.was._reach import Reach
from skitai.was._resultcache import Asked
from skitai.was._results import Result
from skitai.was._rpc import CONTENT_TYPE, RpcCall
from skitai.was._rpcresult import RpcResult
from skitai.was._sinks import ToFile
from skitai.was._streams import Streamed

__all__ = ["ask", "ask_all", "ask_plainly", "of_cluster", "prepare", "rpc"]

_FOREVER = float("inf")
#: What a request is made of, and what else a call can be given.
_ARGUMENTS = frozenset(build.__kwdefaults__ or ()) | {"data"}
_OF_CALLS = {
    *("timeout", "connect_timeout", "first_byte_timeout", "between_bytes_timeout"),
    *("response_max", "detach", "into", "stream"),
}
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*://")


def ask(verb: str, uri: str, arguments: tuple[Any, ...], options: dict[str, Any]) -> Call:
    """One server, or one member of the cluster that ``uri`` names.

    Besides what `build` takes: ``timeout`` and its parts, ``response_max``; ``detach=True``: goes on when
    the client of this request has gone; ``into=``: a path or file for the answer; ``stream=True``: the
    result is there with the head, and iterating it gives the body.

    Raises what `build` does, and ValueError for a cluster that there is not.
    """
    if options.pop("stream", False):
        return _stream(verb, uri, arguments, options)
    return _ask(verb, uri, arguments, options, Result)


def ask_plainly(verb: str, uri: str) -> Call:
    """What `ask` does, for a call with nothing but an address."""
    by = reach()
    plan = by.plans.of(verb, uri)
    if plan is None:
        return _ask(verb, uri, (), {}, Result)
    timing = by.plans.timing
    if by.kept.results and (kept := plan.asked.kept) is not None:
        return Call(kept.begin, kept.request, plan.make, timing)
    now = monotonic()
    deadline = now + timing.timeout
    who = asker(timing.timeout, now)
    if who is None:
        return Call(plan.begin, plan.request((), deadline), plan.make, timing)
    request = plan.request(who.fields, deadline if deadline < who.deadline else who.deadline)
    if who.is_traced:
        who.trace(request)
    return Call(plan.begin, request, plan.make, who.timing, who.group)


def ask_all(verb: str, uri: str, arguments: tuple[Any, ...], options: dict[str, Any]) -> MapCall:
    """All members of the cluster that ``uri`` names; else as `ask`, but for ``into`` and ``stream``."""
    return _ask_all(verb, uri, arguments, options, Result)


def rpc(uri: str, arguments: tuple[Any, ...], options: dict[str, Any], *, to_all: bool) -> RpcCall:
    """The procedures of a server; ``options`` may have ``multicall``, for `RpcCall`, and what `ask` takes."""
    if arguments:
        raise TypeError("was.rpc takes the address; what a procedure is given stands in its call")
    multicall = bool(options.pop("multicall", False))
    headers = {"Content-Type": CONTENT_TYPE, **dict(options.pop("headers", None) or {})}

    def start(document: bytes, read: Callable[[bytes], Any]) -> Any:
        send = _ask_all if to_all else _ask
        return send("post", uri, (document,), {**options, "headers": headers}, partial(RpcResult, read))

    return RpcCall(start, multicall=multicall)


def prepare() -> None:
    """Have by whom to ask."""
    reach()


def of_cluster(uri: str) -> str:
    """``.lb`` and ``.map`` ask clusters only: the @ may be left out.

    Raises ValueError: it is the address of one server."""
    if uri.startswith("@"):
        return uri
    if _SCHEME.match(uri):
        raise ValueError(
            ".lb and .map ask a cluster, as @name/path; one server is asked without them: was.get(url)"
        )
    return f"@{uri}"


def _ask(
    verb: str, uri: str, arguments: tuple[Any, ...], options: dict[str, Any], make: Callable[..., Result]
) -> Call:
    by = reach()
    into = options.pop("into", None)
    if into is not None:
        prepared = _Prepared(by, verb, uri, arguments, options)
        begin = ToFile(by.way_to(prepared.request), into).begin
        return Call(begin, prepared.request, make, prepared.timing, prepared.group)
    asked = Asked(by.kept, verb, uri, arguments, options, to_all=False)
    make = partial(make, keep=asked.keep)
    if (kept := asked.kept) is not None:
        return Call(kept.begin, kept.request, make, by.plans.timing)
    prepared = _Prepared(by, verb, uri, arguments, options)
    return Call(by.way_to(prepared.request), prepared.request, make, prepared.timing, prepared.group)


def _ask_all(
    verb: str, uri: str, arguments: tuple[Any, ...], options: dict[str, Any], make: Callable[..., Result]
) -> MapCall:
    by = reach()
    # One member's answer is none to the call: only all of them can be kept.
    asked = Asked(by.kept, verb, uri, arguments, options, to_all=True)
    if (kept := asked.kept) is not None:
        return MapCall(kept.begin_all, kept.request, make, by.plans.timing, keep=asked.keep_all)
    prepared = _Prepared(by, verb, uri, arguments, options)
    cluster = by.cluster_of(prepared.request)
    return MapCall(cluster.begin_all, prepared.request, make, prepared.timing, prepared.group, asked.keep_all)


def _stream(verb: str, uri: str, arguments: tuple[Any, ...], options: dict[str, Any]) -> Call:
    by = reach()
    is_timed = options.get("timeout") is not None
    prepared = _Prepared(by, verb, uri, arguments, options)
    request = prepared.request
    if is_timed:
        latest = request.deadline
    else:
        # All of the body may take its time, as long as something comes; it passes through a response that has
        # begun by then.  The head has the time of any other answer.
        latest = _FOREVER
        request.between_bytes_timeout = request.between_bytes_timeout or prepared.timing.timeout
    streamed = Streamed(by.way_to(request), latest)
    return Call(streamed.begin, request, streamed.result, prepared.timing, prepared.group)


class _Prepared:
    """A request, with what it has of the one that is being answered here."""

    __slots__ = ("group", "request", "timing")

    def __init__(
        self, by: Reach, verb: str, uri: str, arguments: tuple[Any, ...], options: dict[str, Any]
    ) -> None:
        limits = by.limits
        timeout = options.get("timeout")
        seconds = seconds_of(options, "timeout", limits.call_timeout)
        connect_timeout = seconds_of(options, "connect_timeout", limits.call_connect_timeout)
        first_byte_timeout = seconds_of(options, "first_byte_timeout", limits.call_first_byte_timeout)
        between_bytes_timeout = seconds_of(
            options, "between_bytes_timeout", limits.call_between_bytes_timeout
        )
        response_max = size_of(options, "response_max", limits.call_response_max)
        detach = options.pop("detach", False)
        if len(arguments) > 1 or not _ARGUMENTS.issuperset(options):
            _refuse(arguments, options)
        self.request = request = build(verb, uri, *arguments, **options)
        request.connect_timeout = connect_timeout
        request.first_byte_timeout = first_byte_timeout
        request.between_bytes_timeout = between_bytes_timeout
        request.response_max = response_max
        request.deadline = monotonic() + seconds
        #: What was said of the whole call is the last word; otherwise whoever waits may wait longer.
        latest = _FOREVER if timeout is None else request.deadline
        who = asker(limits.call_timeout, monotonic())
        self.group: CallGroup | None = None
        if who is not None:
            if not detach:
                self.group = who.group
                latest = min(latest, who.deadline)
                request.deadline = min(request.deadline, who.deadline)
                request.headers.extend(who.fields)
            who.trace(request)
        self.timing = Timing(seconds, latest)


def _refuse(arguments: tuple[Any, ...], options: dict[str, Any]) -> NoReturn:
    if len(arguments) > 1:
        raise TypeError("a call takes the address and data; all else is given by name: timeout=5")
    unknown = ", ".join(repr(name) for name in options if name not in _ARGUMENTS)
    known = ", ".join(sorted(_ARGUMENTS | _OF_CALLS))
    raise TypeError(f"a call has no argument {unknown}; it has {known}")
