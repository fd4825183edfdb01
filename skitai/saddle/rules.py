"""Routes: from the path of a request to a handler and its variables.

A rule is a path whose segments are literal or one variable each: ``/hello/<name>``,
``/math/<int:n>/<float:x>``, ``/files/<path:rest>`` (last, takes the slashes too; a bare last
``<path>`` is one as well).  Rules without variables are found in a dict.  The others form a tree
of segments in which a literal goes before a variable, and int, float, string and path variables
are tried in this order; so the order of definition never matters, the longer literal prefix wins,
and the cost depends on the segments of the path, not on the number of rules.

Threads: `add` while the application is imported, by one thread; `find` later, by any.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

__all__ = ["Found", "Rules"]

T = TypeVar("T")

_VARIABLE = re.compile(r"<(?:(?P<type>[a-z]+):)?(?P<name>[A-Za-z_][A-Za-z0-9_]*)>")
_DIGITS = re.compile(r"[0-9]{1,4000}")  # Python refuses to convert 4300 (sys.set_int_max_str_digits)
_NUMBER = re.compile(r"[0-9]{1,300}(?:\.[0-9]{1,300})?")


def _to_int(segment: str) -> int | None:
    return int(segment) if _DIGITS.fullmatch(segment) else None


def _to_float(segment: str) -> float | None:
    return float(segment) if _NUMBER.fullmatch(segment) else None


def _to_string(segment: str) -> str | None:
    return segment.replace("_", " ") or None


#: Converter of each type of one segment, in the order in which they are tried; None is no match.
_CONVERTERS: dict[str, Callable[[str], Any]] = {"int": _to_int, "float": _to_float, "string": _to_string}


@dataclass(slots=True)
class Found(Generic[T]):
    """The handlers at a path by method, and the path's variables."""

    handlers: dict[str, T]
    variables: dict[str, Any] = field(default_factory=dict)


class _Node(Generic[T]):
    """What may follow one beginning of a path."""

    __slots__ = ("literals", "names", "rest", "variables")

    def __init__(self) -> None:
        self.literals: dict[str, _Node[T]] = {}
        self.variables: dict[str, _Node[T]] = {}
        #: Handlers of rules that end here with the names of their variables, which may differ
        #: between methods; ``rest`` the same for rules that end in a path variable here.
        self.names: dict[tuple[str, ...], dict[str, T]] = {}
        self.rest: dict[tuple[str, ...], dict[str, T]] = {}


class Rules(Generic[T]):
    """All rules of one application."""

    def __init__(self) -> None:
        self._exact: dict[str, dict[str, T]] = {}
        self._root: _Node[T] = _Node()

    def add(self, rule: str, methods: Iterable[str], handler: T) -> None:
        """Have ``handler`` answer ``methods`` at ``rule``.

        Raises:
            ValueError: the rule is malformed, or taken for one of the methods.
        """
        handlers = self._place(rule)
        for method in methods:
            if handlers.setdefault(method, handler) is not handler:
                raise ValueError(f"the rule {rule!r} is there twice for {method}")

    def _place(self, rule: str) -> dict[str, T]:
        if not rule.startswith("/"):
            raise ValueError(f"the rule {rule!r} does not begin with a slash")
        if "<" not in rule and ">" not in rule:
            return self._exact.setdefault(rule, {})
        names: list[str] = []
        node = self._root
        segments = rule[1:].split("/")
        for index, segment in enumerate(segments):
            if "<" not in segment and ">" not in segment:
                node = node.literals.setdefault(segment, _Node())
                continue
            match = _VARIABLE.fullmatch(segment)
            if match is None:
                raise ValueError(f"{segment!r} in the rule {rule!r}: a variable fills a whole segment")
            kind, name = match["type"] or "string", match["name"]
            if name in names:
                raise ValueError(f"the rule {rule!r} has two variables {name!r}")
            names.append(name)
            is_last = index == len(segments) - 1
            if kind == "path" or (is_last and segment == "<path>"):
                if not is_last:
                    raise ValueError(f"<path:{name}> must be the last of the rule {rule!r}")
                return node.rest.setdefault(tuple(names), {})
            if kind not in _CONVERTERS:
                known = ", ".join([*_CONVERTERS, "path"])
                raise ValueError(f"unknown type {kind!r} in the rule {rule!r}; there are {known}")
            node = node.variables.setdefault(kind, _Node())
        return node.names.setdefault(tuple(names), {})

    def find(self, path: str, method: str) -> Found[T] | None:
        """The best rule for ``path`` that has ``method``; None where no rule matches.

        Where rules match but none has the method, the handlers found are those of all of them:
        the methods that are possible here.
        """
        exact = self._exact.get(path, {})
        if method in exact:
            return Found(exact)
        others = dict(exact)
        for names, handlers, values in _walk(self._root, path[1:].split("/"), 0, ()):
            if method in handlers:
                return Found(handlers, dict(zip(names, values, strict=True)))
            others.update(handlers)
        return Found(others) if others else None


def _walk(
    node: _Node[T], segments: list[str], index: int, values: tuple[Any, ...]
) -> Iterable[tuple[tuple[str, ...], dict[str, T], tuple[Any, ...]]]:
    """Every rule that matches ``segments`` from ``index`` on, best first."""
    if index == len(segments):
        for names, handlers in node.names.items():
            yield names, handlers, values
        return
    segment = segments[index]
    literal = node.literals.get(segment)
    if literal is not None:
        yield from _walk(literal, segments, index + 1, values)
    for kind, convert in _CONVERTERS.items():
        follower = node.variables.get(kind)
        if follower is not None:
            value = convert(segment)
            if value is not None:
                yield from _walk(follower, segments, index + 1, (*values, value))
    rest = "/".join(segments[index:])
    if rest:
        for names, handlers in node.rest.items():
            yield names, handlers, (*values, rest)
