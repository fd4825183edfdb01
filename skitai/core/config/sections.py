"""The sections with an argument: ``[listen name]``, ``[mount host/path]``, ``[host name]``; and ``[bus]``.

Each stands for something that must exist: an option of a mount that no route leads to would
guard nothing, so it is an error and not a shrug.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from urllib.parse import urlsplit

from skitai.core.config.address import Address
from skitai.core.config.problems import Mistake, did_you_mean
from skitai.core.config.routelines import (
    DEFAULT_HOST,
    RouteLines,
    find_rule,
    read_host_rule,
    read_path,
    unknown_host,
)
from skitai.core.config.serverkeys import ServerSettings
from skitai.core.config.settings import (
    TABLES,
    BusSettings,
    HostSettings,
    ListenSettings,
    MountSection,
)
from skitai.core.config.sources import Given, Reader, Source
from skitai.core.config.syntax import Section
from skitai.limits import Limits

__all__ = ["read_bus", "read_hosts", "read_listeners", "read_mounts"]


def read_listeners(
    sections: Sequence[Section], server: ServerSettings, given: Mapping[str, Given], reader: Reader
) -> tuple[ListenSettings, ...]:
    """Where to listen: ``bind``, or the ``[listen]`` sections, or ``ip`` and ``port``.

    ``bind`` of the command line or the environment replaces what a file says; otherwise two of
    the three contradict each other.
    """
    from_sections = [_listener(section, server, reader) for section in sections]
    bind = given.get("bind")
    stated = [name for name in ("ip", "port") if _is_stated(name, given)]
    if bind is not None and server.bind:
        for name in stated:
            if given[name].source.rank >= bind.source.rank:
                _contradict(given[name], f"{name} stands beside bind ({bind.origin})", reader)
        if sections and bind.source is Source.FILE:
            _contradict(bind, f"bind stands beside [{sections[0].title}]", reader)
        return tuple(_inherited(str(address), address, server) for address in server.bind)
    if sections:
        for name in stated:
            _contradict(given[name], f"{name} stands beside [{sections[0].title}]", reader)
        _refuse_same_address(sections, from_sections, reader)
        return tuple(listener for listener in from_sections if listener is not None)
    return (_inherited("default", Address(server.ip, server.port), server),)


def _is_stated(name: str, given: Mapping[str, Given]) -> bool:
    return name in given and given[name].value != TABLES["server"][name].default


def _contradict(value: Given, message: str, reader: Reader) -> None:
    source = "" if value.source is Source.FILE else value.origin
    reader.problems.add(message, line=value.line, hint="keep one of them", source=source)


def _inherited(name: str, address: Address, server: ServerSettings) -> ListenSettings:
    keys = (key.name for key in TABLES["listen"].values() if key.inherits)
    return ListenSettings(name, address, **{key: getattr(server, key) for key in keys})


def _listener(section: Section, server: ServerSettings, reader: Reader) -> ListenSettings | None:
    given = reader.read(section, TABLES["listen"])
    if "address" not in given:
        return None
    reader.remember(section.title, given)
    listener = _inherited(section.argument, given["address"].value, server)
    if "certfile" in given:  # the key of [server] is that of another certificate
        listener = replace(listener, keyfile=None)
    if {"certfile", "keyfile", "passphrase", "passphrase_file"} & given.keys():
        listener = replace(listener, passphrase="", passphrase_file=None)
    return replace(listener, **{name: value.value for name, value in given.items()})


def _is_any_port(address: Address) -> bool:
    """Two ports that the system chooses are two ports."""
    return address.path is None and address.handed is None and address.port == 0


def _refuse_same_address(
    sections: Sequence[Section], listeners: Sequence[ListenSettings | None], reader: Reader
) -> None:
    first: dict[Address, Section] = {}
    for section, listener in zip(sections, listeners, strict=True):
        if listener is None or _is_any_port(listener.address):
            continue
        earlier = first.setdefault(listener.address, section)
        if earlier is not section:
            reader.problems.add(
                f"[{section.title}] has the address of [{earlier.title}] in line {earlier.line}",
                line=section.line,
                hint="keep one",
            )


def read_mounts(
    sections: Sequence[Section], routes: RouteLines, limits: Limits, reader: Reader
) -> tuple[MountSection, ...]:
    """The ``[mount …]`` sections; one that no route matches is a problem."""
    mounts: list[MountSection] = []
    first: dict[tuple[str, str], Section] = {}
    for section in sections:
        given = reader.read(section, TABLES["mount"])
        try:
            host, path = _mount_place(section.argument, routes)
        except Mistake as mistake:
            reader.problems.take(mistake, line=section.line, about=f"[{section.title}]")
            continue
        earlier = first.setdefault((host, path), section)
        if earlier is not section:
            reader.problems.add(
                f"[{section.title}] says the same as [{earlier.title}] in line {earlier.line}",
                line=section.line,
                hint="keep one",
            )
        body_max = given.get("body_max")
        if body_max is not None and body_max.value > limits.body_max:
            reader.problems.add(
                f"body_max of [{section.title}] is above that of [server], {limits.body_max} bytes",
                line=body_max.line,
                hint="raise the one of [server], which holds for all",
            )
        mount = MountSection(host, path, {name: value.value for name, value in given.items()})
        reader.remember(mount.title, given)
        mounts.append(mount)
    return tuple(mounts)


def _mount_place(argument: str, routes: RouteLines) -> tuple[str, str]:
    before, slash, after = argument.partition("/")
    if not slash:
        raise Mistake(
            f"{argument!r} has no path", f"write [mount /{argument}], or [mount {argument}/] for a host"
        )
    host = read_host_rule(before) if before else ""
    path, _ = read_path(slash + after)
    if not routes.whole:
        return host, path
    if host and host not in routes.hosts:
        raise unknown_host(host, routes.hosts)
    paths = {route.path or "/" for route in routes.routes if not host or host in route.hosts}
    if (path or "/") not in paths:
        raise Mistake(f"no route begins with {path or '/'}", did_you_mean(path or "/", sorted(paths)))
    return host, path


def read_bus(sections: Sequence[Section], stronger: Mapping[str, Given], reader: Reader) -> BusSettings:
    """The section ``[bus]``, of which there is one at most; ``stronger`` are values of the environment."""
    given: dict[str, Given] = {}
    for section in sections:
        given |= reader.read(section, TABLES["bus"])
    given |= stronger
    reader.remember("bus", given)
    return BusSettings(**{name: value.value for name, value in given.items()})


def read_hosts(sections: Sequence[Section], routes: RouteLines, reader: Reader) -> tuple[HostSettings, ...]:
    """The ``[host name]`` sections.  A host that is named in the routes needs routes or a section."""
    hosts: dict[str, HostSettings] = {}
    named: set[str] = set()
    redirected: set[str] = set()
    rules = routes.hosts
    for section in sections:
        given = reader.read(section, TABLES["host"])
        try:
            name = read_host_rule(section.argument)
            if name not in rules and routes.whole:
                raise unknown_host(name, rules)
            if name in named:
                raise Mistake(f"{name} has a section already", "keep one")
            named.add(name)
        except Mistake as mistake:
            reader.problems.take(mistake, line=section.line, about=f"[{section.title}]")
            continue
        host = hosts[name] = HostSettings(name, **{key: value.value for key, value in given.items()})
        reader.remember(host.title, given)
        target = urlsplit(host.redirect_to).hostname
        if target and name != DEFAULT_HOST and find_rule(target, rules) == name:
            reader.problems.add(
                f"[{section.title}] sends its requests back to itself", line=given["redirect_to"].line
            )
        if host.redirect_to:
            redirected.add(name)
    routed = {host for route in routes.routes for host in route.hosts}
    for rule, line in rules.items():
        if rule not in routed and rule not in redirected and routes.whole:
            reader.problems.add(f"host {rule} has no routes", line=line, hint="write some below its header")
    return tuple(hosts.values())
