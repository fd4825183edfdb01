"""The grammar of ``[routes:line]``.

    / = static                     lines before any header belong to the default host
    : www.my.com my.com            the lines below belong to these hosts
    : .my.com                      to my.com and every host below it
    : default                      to every other host; ``*`` says the same
    /blog = /var/wsgi/blog:app     a path, and where it leads

One path of one host leads to one folder, to one application or cluster, or to both (the file first).
Called once for a file, by `loading`; a `Route` is immutable.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Container, Iterable
from dataclasses import dataclass

from skitai.core.config.problems import Mistake, Problems, did_you_mean
from skitai.core.config.syntax import Entry
from skitai.core.config.targets import Finder, Target
from skitai.errors import ConfigError

__all__ = [
    "DEFAULT_HOST",
    "Route",
    "RouteLines",
    "find_rule",
    "read_host_rule",
    "read_path",
    "read_routes",
    "unknown_host",
    "write_host_rule",
]

#: The name of the host that takes every request that no other host takes.
DEFAULT_HOST = "default"

_LONGEST_HOST = 253  # RFC 1035 section 2.3.4; what is longer is no name, however many dots it has
_HOST_RULE = re.compile(r"\.?[a-z0-9_-]+(?:\.[a-z0-9_-]+)*")


@dataclass(frozen=True, slots=True)
class Route:
    """One line.  ``path`` is decoded and without a slash at its end, "" for the root;
    ``problem`` says why it cannot be served, ``line`` is 0 where it came from no file."""

    hosts: tuple[str, ...]
    path: str
    had_trailing_slash: bool
    target: Target
    line: int = 0
    problem: ConfigError | None = None


@dataclass(frozen=True, slots=True)
class RouteLines:
    """``hosts``: every host that was named, with the line of its header.  ``whole``: no line was
    refused, so that what is not here is not in the file either."""

    routes: tuple[Route, ...]
    hosts: dict[str, int]
    whole: bool = True


def read_host_rule(text: str) -> str:
    """``WWW.My.com.`` to ``www.my.com``; ``*`` is ``default``; IPv6 loses its brackets.  Raises Mistake."""
    if text == "*":
        return DEFAULT_HOST
    if text.startswith("*."):
        raise Mistake(f"{text!r} is not a host", f"write {text[1:]} for a domain and all hosts below it")
    if text.startswith("["):
        try:
            return str(ipaddress.IPv6Address(text[1:].removesuffix("]")))
        except ValueError:
            raise Mistake(f"{text!r} is not an IPv6 address") from None
    if ":" in text:
        raise Mistake(f"{text!r} is not a host", "write it without a port, and IPv6 in brackets")
    dot, name = ("." if text.startswith(".") else ""), text.removeprefix(".")
    try:  # browsers send names outside ASCII in this form
        name = name if name.isascii() else name.encode("idna").decode("ascii")
    except UnicodeError:
        raise Mistake(f"{text!r} is not a host") from None
    rule = dot + name.removesuffix(".").lower()
    if not _HOST_RULE.fullmatch(rule):
        raise Mistake(f"{text!r} is not a host")
    return rule


def read_path(text: str) -> tuple[str, bool]:
    """``/a/b/`` to ``("/a/b", True)``, ``/`` to ``("", False)``.  Raises Mistake."""
    if not text.startswith("/"):
        raise Mistake(f"{text!r} is not a path", f"write /{text}")
    path = text.removesuffix("/")
    if path and any(segment in ("", ".", "..") for segment in path[1:].split("/")):
        raise Mistake(f"{text!r} has an empty or dotted segment, which no request can reach")
    if re.search(r"%[0-9A-Fa-f]{2}|[?#]", text):
        raise Mistake(f"{text!r} is not a path", "write it decoded and without a query")
    return path, path != "" and text.endswith("/")


def read_routes(lines: Iterable[Entry], finder: Finder, problems: Problems) -> RouteLines:
    """All routes in order; lines that cannot be read go to ``problems``."""
    routes: list[Route] = []
    headers: dict[str, tuple[tuple[str, ...], int]] = {}  # host: the hosts of its header, its line
    hosts: tuple[str, ...] = (DEFAULT_HOST,)
    whole = True
    for entry in lines:
        try:
            if entry.text.startswith(":"):
                hosts = ()  # the lines below a header that cannot be read belong to nobody
                hosts = _read_header(entry, headers)
            else:
                if not headers:
                    headers[DEFAULT_HOST] = (hosts, entry.line)
                routes.append(_read_route(entry, hosts, finder, problems.file))
        except Mistake as mistake:
            problems.take(mistake, line=entry.line)
            whole = False
    _refuse_twice(routes, problems)
    return RouteLines(tuple(routes), {host: line for host, (_, line) in headers.items()}, whole)


def _read_header(entry: Entry, headers: dict[str, tuple[tuple[str, ...], int]]) -> tuple[str, ...]:
    hosts = tuple(dict.fromkeys(read_host_rule(word) for word in entry.text[1:].split()))
    if not hosts:
        raise Mistake("a header without a host", "write ': www.example.com' or ': default'")
    for host in hosts:
        earlier, line = headers.setdefault(host, (hosts, entry.line))
        if set(earlier) != set(hosts):
            raise Mistake(
                f"{host} stands already in line {line} beside other hosts",
                "name a host in one header, or repeat the whole header",
            )
    return hosts


def _read_route(entry: Entry, hosts: tuple[str, ...], finder: Finder, file: str) -> Route:
    left, equals, right = entry.text.partition("=")
    if not equals:
        raise Mistake(f"{entry.text!r} is not 'path = target'", "hosts stand behind a colon: ': host'")
    path, had_trailing_slash = read_path(left.strip())
    target_text = right.strip()
    if not target_text:
        raise Mistake(f"{left.strip()} leads nowhere", "write a folder, path/module:callable or @cluster")
    target, missing = finder.find(target_text)
    problem = missing.at(file, entry.line) if missing else None
    return Route(hosts, path, had_trailing_slash, target, entry.line, problem)


def _refuse_twice(routes: Iterable[Route], problems: Problems) -> None:
    """A route that cannot be served is told for itself and collides with nothing."""
    first: dict[tuple[str, str, bool], Route] = {}
    for route in routes:
        if route.problem is not None:
            continue
        is_static = route.target.kind == "static"
        what = {"static": "folder", "app": "application", "cluster": "cluster"}[route.target.kind]
        for host in route.hosts:
            earlier = first.setdefault((host, route.path, is_static), route)
            if earlier is not route:
                problems.add(
                    f"{route.path or '/'} of host {host} leads to a second {what},"
                    f" the first is in line {earlier.line}",
                    line=route.line,
                    hint="keep one",
                )
                break


def write_host_rule(rule: str) -> str:
    """``rule`` as `read_host_rule` reads it."""
    return f"[{rule}]" if ":" in rule else rule


def find_rule(host: str, rules: Container[str]) -> str | None:
    """The rule of ``rules`` that takes ``host`` (lower case, no port): the host itself, else the
    longest ``.domain`` around it, else the default where there is one."""
    if host in rules:
        return host
    if len(host) <= _LONGEST_HOST:
        rest = "." + host
        while rest:
            if rest in rules:
                return rest
            dot = rest.find(".", 1)
            rest = rest[dot:] if dot > 0 else ""
    return DEFAULT_HOST if DEFAULT_HOST in rules else None


def unknown_host(name: str, known: Iterable[str]) -> Mistake:
    """The mistake of a section that names a host of no header."""
    hint = did_you_mean(name, known) or f"name it in [routes:line]: ': {name}'"
    return Mistake(f"no routes are for host {name}", hint)
