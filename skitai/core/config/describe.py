"""``--print-config``: the settings as a configuration file whose comments say the origins.

What is printed can be loaded again and gives the same settings, with two exceptions that are
commented out: secrets (of a cluster of databases, all of its section), and values that the file syntax
cannot hold (a path with ``" ;"``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from skitai.core.config.clusters import ClusterSettings
from skitai.core.config.keys import Key
from skitai.core.config.routelines import Route, write_host_rule
from skitai.core.config.settings import TABLES, Settings
from skitai.core.config.syntax import COMMENT

__all__ = ["describe"]

_COLUMN = 40  # where the comments begin, if the value leaves room
_NOT_IN_A_FILE = "; cannot stand in a file:"


def describe(settings: Settings) -> str:
    """The whole of ``settings`` as text, a newline at its end."""
    return "\n".join(_lines(settings)) + "\n"


def _lines(settings: Settings) -> Iterator[str]:
    yield f"; relative names of modules are looked for in {settings.base}"
    yield "[server]"
    replaced = ("ip", "port") if settings.server.bind else ()
    for name, key in TABLES["server"].items():
        owner = settings.server if hasattr(settings.server, name) else settings.limits
        origin = settings.origin("server", name)
        if name in replaced:
            yield _note(f"; {name} is replaced by bind", origin)
        else:
            yield _pair(key, getattr(owner, name), origin)
    if not settings.server.bind:
        for listener in settings.listeners:
            if (listener.title, "address") in settings.origins:
                values = {name: getattr(listener, name) for name in TABLES["listen"]}
                yield from _section(settings, listener.title, values)
    yield from _routes(settings)
    for mount in settings.mounts:
        yield from _section(settings, mount.title, mount.values)
    for cluster in settings.clusters:
        yield from _cluster(settings, cluster)
    if settings.bus.url:
        yield from _section(settings, "bus", {name: getattr(settings.bus, name) for name in TABLES["bus"]})
    for host in settings.hosts:
        own = {name: getattr(host, name) for name in TABLES["host"]}
        yield from _section(settings, host.title, {name: own[name] for name in own if own[name] is not None})


def _section(settings: Settings, title: str, values: Mapping[str, Any]) -> Iterator[str]:
    yield ""
    yield f"[{title}]"
    keys = TABLES["cluster" if title.startswith("@") else title.split()[0]]
    for name, value in values.items():
        yield _pair(keys[name], value, settings.origin(title, name))


def _cluster(settings: Settings, cluster: ClusterSettings) -> Iterator[str]:
    values = {name: getattr(cluster, name) for name in TABLES["cluster"]}
    lines = _section(settings, cluster.title, values)
    # Without members, which have passwords, it would be no section.
    hidden = any(member.database for member in cluster.members)
    yield from (f"; {line}" if hidden and line and line[0] != ";" else line for line in lines)


def _pair(key: Key, value: Any, origin: str) -> str:
    written = key.kind.write(value)
    if key.kind.hides(written) or (key.secret and value):
        return _note(f"; {key.name} is set and not shown", origin)
    line = _line(f"{key.name} = {written}")
    # A list of paths one of which has a comma, for example, would be another list.
    same = key.kind.parse(written, Path()) == value
    return _note(line if same or line.startswith(";") else f"{_NOT_IN_A_FILE} {line}", origin)


def _routes(settings: Settings) -> Iterator[str]:
    yield ""
    yield "[routes:line]"
    hosts: tuple[str, ...] = ()
    for route in settings.routes:
        if route.hosts != hosts:
            hosts = route.hosts
            yield _header(hosts)
        origin = f"line {route.line}" if route.line else "command line"
        if route.problem is not None:
            origin += f", cannot be served: {route.problem.message}"
        yield _note(_line(_route(route)), origin)
    routed = {name for route in settings.routes for name in route.hosts}
    for host in settings.hosts:
        if host.name not in routed:
            yield _header((host.name,))


def _header(hosts: tuple[str, ...]) -> str:
    return ": " + " ".join(map(write_host_rule, hosts))


def _route(route: Route) -> str:
    slash = "/" if route.had_trailing_slash or not route.path else ""
    return f"{route.path}{slash} = {route.target}"


def _line(text: str) -> str:
    return f"{_NOT_IN_A_FILE} {text}" if COMMENT.search(text) else text


def _note(text: str, origin: str) -> str:
    return f"{text:<{_COLUMN}} ; {origin}"
