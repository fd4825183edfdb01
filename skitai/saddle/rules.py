"""Rules: from the path of a request to what stands there and its variables, and from a rule to its parts.

A rule is a path whose segments are literal or one variable each: ``/hello/<name>``,
``/math/<int:n>/<float:x>``, ``/files/<path:rest>`` (last, takes the slashes too; a bare last
``<path>`` is one as well).  Rules without variables are found in a dict.  The others form a tree
of segments in which a literal goes before a variable, and int, float, string and path variables
are tried in this order; so the order of definition never matters, the longer literal prefix wins,
and the cost depends on the segments of the path, not on the number of rules.

Threads: `add` while the application is imported, by one thread; the others later, by any.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, NamedTuple, TypeVar

__all__ = ["CONVERTERS", "Rules", "Variable", "parse"]

T = TypeVar("T")

_VARIABLE = re.compile(r"<(?:(?P<type>[a-z]+):)?(?P<name>[A-Za-z_][A-Za-z0-9_]*)>")
_DIGITS_MAX = 4000  # Python refuses to convert 4300 (sys.set_int_max_str_digits)


def _to_int(segment: str) -> int | None:
    if segment.isdigit() and segment.isascii() and len(segment) <= _DIGITS_MAX:
        return int(segment)
    return None


def _to_float(segment: str) -> float | None:
    whole, point, fraction = segment.partition(".")
    is_number = whole.isdigit() and (fraction.isdigit() or not point) and segment.isascii()
    # Beyond 308 digits it would be infinite.
    return float(segment) if is_number and len(whole) <= sys.float_info.max_10_exp else None


def _to_string(segment: str) -> str | None:
    return segment.replace("_", " ") or None


#: Converter of each type of one segment, in the order in which they are tried; None is no match.
CONVERTERS: dict[str, Callable[[str], Any]] = {"int": _to_int, "float": _to_float, "string": _to_string}


class Variable(NamedTuple):
    """``kind``: ``int``, ``float``, ``string`` or ``path``."""

    name: str
    kind: str


def parse(rule: str) -> tuple[str | Variable, ...]:
    """The segments of ``rule``: literal ones as they are.

    Raises:
        ValueError: the rule is malformed.
    """
    if not rule.startswith("/"):
        raise ValueError(f"the rule {rule!r} does not begin with a slash")
    segments = rule[1:].split("/")
    parts: list[str | Variable] = []
    names: set[str] = set()
    for index, segment in enumerate(segments):
        if "<" not in segment and ">" not in segment:
            parts.append(segment)
            continue
        match = _VARIABLE.fullmatch(segment)
        if match is None:
            raise ValueError(f"{segment!r} in the rule {rule!r}: a variable fills a whole segment")
        is_last = index == len(segments) - 1
        kind = "path" if is_last and segment == "<path>" else match["type"] or "string"
        name = match["name"]
        if name in names:
            raise ValueError(f"the rule {rule!r} has two variables {name!r}")
        if kind == "path" and not is_last:
            raise ValueError(f"<path:{name}> must be the last of the rule {rule!r}")
        if kind != "path" and kind not in CONVERTERS:
            known = ", ".join([*CONVERTERS, "path"])
            raise ValueError(f"unknown type {kind!r} in the rule {rule!r}; there are {known}")
        names.add(name)
        parts.append(Variable(name, kind))
    return tuple(parts)


class _Node(Generic[T]):
    """What may follow one beginning of a path."""

    __slots__ = ("followers", "here", "literals", "rest")

    def __init__(self) -> None:
        self.literals: dict[str, _Node[T]] = {}
        #: Of the types of variables that may come, by the order of `CONVERTERS`.
        self.followers: list[tuple[Callable[[str], Any], _Node[T]]] = []
        #: By method: of rules that end here, and of those that end in a path variable here.
        self.here: dict[str, T] = {}
        self.rest: dict[str, T] = {}

    def follower(self, kind: str) -> _Node[T]:
        """The node behind a variable of ``kind``."""
        convert = CONVERTERS[kind]
        for known, node in self.followers:
            if known is convert:
                return node
        node = _Node()
        self.followers.append((convert, node))
        order = list(CONVERTERS.values())
        self.followers.sort(key=lambda follower: order.index(follower[0]))
        return node


class Rules(Generic[T]):
    """All rules of one application; what stands at them is of type ``T``."""

    def __init__(self) -> None:
        self._exact: dict[str, dict[str, T]] = {}
        self._root: _Node[T] = _Node()

    def add(self, rule: str, methods: Iterable[str], target: T) -> None:
        """Have ``target`` answer ``methods`` at ``rule``.

        Raises:
            ValueError: the rule is malformed, or taken for one of the methods.
        """
        targets = self._place(rule)
        for method in methods:
            if targets.setdefault(method, target) is not target:
                raise ValueError(f"the rule {rule!r} is there twice for {method}")

    def _place(self, rule: str) -> dict[str, T]:
        parts = parse(rule)
        if all(isinstance(part, str) for part in parts):
            return self._exact.setdefault(rule, {})
        node = self._root
        for part in parts:
            if isinstance(part, str):
                node = node.literals.setdefault(part, _Node())
            elif part.kind == "path":
                return node.rest
            else:
                node = node.follower(part.kind)
        return node.here

    def find(self, path: str, method: str) -> tuple[T, tuple[Any, ...]] | None:
        """The target of the best rule for ``path`` that has ``method``, and the values of its variables."""
        targets = self._exact.get(path)
        if targets is not None and method in targets:
            return targets[method], ()
        return _find(self._root, path.split("/"), 1, method, ())

    def methods_at(self, path: str) -> set[str]:
        """Of all rules that match ``path``."""
        methods = set(self._exact.get(path, ()))
        return methods.union(*_walk(self._root, path.split("/"), 1))


def _find(
    node: _Node[T], segments: list[str], index: int, method: str, values: tuple[Any, ...]
) -> tuple[T, tuple[Any, ...]] | None:
    if index == len(segments):
        return (node.here[method], values) if method in node.here else None
    segment = segments[index]
    literal = node.literals.get(segment)
    if literal is not None:
        found = _find(literal, segments, index + 1, method, values)
        if found is not None:
            return found
    for convert, follower in node.followers:
        value = convert(segment)
        if value is not None:
            found = _find(follower, segments, index + 1, method, (*values, value))
            if found is not None:
                return found
    if method in node.rest:
        rest = "/".join(segments[index:])
        if rest:
            return node.rest[method], (*values, rest)
    return None


def _walk(node: _Node[T], segments: list[str], index: int) -> Iterator[Iterable[str]]:
    """The methods of every rule that matches ``segments`` from ``index`` on."""
    if index == len(segments):
        yield node.here
        return
    segment = segments[index]
    if segment in node.literals:
        yield from _walk(node.literals[segment], segments, index + 1)
    for convert, follower in node.followers:
        if convert(segment) is not None:
            yield from _walk(follower, segments, index + 1)
    if node.rest and segments[index:] != [""]:
        yield node.rest
