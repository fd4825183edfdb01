"""Settings from all their sources: command line over environment over file over default.

`load` reads a configuration file, `for_app` makes do without one (``skitai run module:app``).
Both collect every problem before they raise.  Values of the command line and of the environment stand for
keys of ``[server]``, those of the environment for keys of ``[bus]`` too; relative paths in them are below the
working directory, those of the file below the file's folder.

Called at the start, by checks and by reloads, in the main thread; touches the disk, imports
no application.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from skitai._lazy import LazyModule
from skitai.core.config.clusters import ClusterSettings, read_clusters
from skitai.core.config.daemon import DAEMON_TABLES
from skitai.core.config.keys import ENVIRONMENT_PREFIX, Key
from skitai.core.config.problems import Mistake, Problems, did_you_mean
from skitai.core.config.routelines import DEFAULT_HOST, Route, RouteLines, read_routes
from skitai.core.config.sections import read_bus, read_hosts, read_listeners, read_mounts
from skitai.core.config.serverkeys import ServerSettings
from skitai.core.config.settings import TABLES, Settings
from skitai.core.config.sources import Given, Reader, Source
from skitai.core.config.syntax import Section, Style, parse, read_text
from skitai.core.config.targets import ClusterTarget, Finder
from skitai.core.config.tlschecks import check_tls
from skitai.limits import Limits

if TYPE_CHECKING:
    import difflib
else:
    difflib = LazyModule("difflib")

__all__ = ["for_app", "load", "text_of"]

_POSIX = sys.platform != "win32"
_NOTHING: Mapping[str, str] = MappingProxyType({})
#: How much of a variable's name must be a key's for it to be taken for a slip of the pen.
_NEARLY = 0.85
#: Sections whose keys have variables.
_IN_ENVIRONMENT = ("server", "bus")


def load(
    file: Path | None,
    *,
    text: str | None = None,
    environ: Mapping[str, str] = _NOTHING,
    overrides: Mapping[str, str] = _NOTHING,
    base: Path | None = None,
) -> Settings:
    """The settings of ``file``.

    ``text`` is read in its place where given; ``file`` then only names it.  ``overrides`` are
    the values of the command line by key.  Of ``environ`` only the variables of known keys
    are looked at.  ``base`` (default: the folder of ``file``, else the working directory) is
    what relative paths of the file are below.

    Raises ConfigErrors with every problem of the text; a route whose target is missing is
    kept with its ``problem``.
    """
    if text is None and file is not None:
        text = text_of(file)
    problems = Problems(str(file) if file is not None else "configuration")
    folder = Path.cwd() / (base or (file.parent if file is not None else Path()))
    sections = _by_kind(parse(text or "", problems), problems)
    given = _server_values(sections.get("server", []), environ, overrides, folder, problems)
    server, _ = _server(given)
    import_path = (*server.python_path, *([server.chdir] if server.chdir else []))
    finder = Finder(folder, import_path)
    importlib.invalidate_caches()
    lines = [line for section in sections.get("routes", []) for line in section.lines]
    routes = read_routes(lines, finder, problems)
    return _finish(file, folder, given, routes, sections, environ, import_path, problems)


def text_of(file: Path) -> str:
    """What ``file`` says, for `load`.  Raises ConfigErrors."""
    problems = Problems(str(file))
    try:
        return read_text(file)
    except Mistake as mistake:
        problems.take(mistake)
    raise problems.all()


def for_app(
    target: str,
    *,
    base: Path | None = None,
    environ: Mapping[str, str] = _NOTHING,
    overrides: Mapping[str, str] = _NOTHING,
) -> Settings:
    """The settings of ``skitai run TARGET``: one route from ``/`` to an application or a folder.

    ``base`` (default: the key ``chdir``, else the working directory) is the folder of relative
    targets, and applications can import from it.  Raises ConfigErrors as `load` does; whether
    the target was found is said by ``settings.problems``.
    """
    problems = Problems("command line")
    given = _server_values([], environ, overrides, Path.cwd(), problems)
    server, _ = _server(given)
    folder = Path.cwd() / (base or server.chdir or Path())
    import_path = tuple(dict.fromkeys((*server.python_path, folder)))
    importlib.invalidate_caches()
    routes: tuple[Route, ...] = ()
    try:
        found, missing = Finder(folder, import_path).find(target)
        problem = missing.at(problems.file) if missing else None
        routes = (Route((DEFAULT_HOST,), "", False, found, problem=problem),)
    except Mistake as mistake:
        problems.take(mistake)
    lines = RouteLines(routes, {DEFAULT_HOST: 0}, whole=bool(routes))
    return _finish(None, folder, given, lines, {}, environ, import_path, problems)


def _finish(
    file: Path | None,
    base: Path,
    given: Mapping[str, Given],
    routes: RouteLines,
    sections: Mapping[str, list[Section]],
    environ: Mapping[str, str],
    import_path: tuple[Path, ...],
    problems: Problems,
) -> Settings:
    server, limits = _server(given)
    reader = Reader(base, problems)
    listeners = read_listeners(sections.get("listen", []), server, given, reader)
    mounts = read_mounts(sections.get("mount", []), routes, limits, reader)
    hosts = read_hosts(sections.get("host", []), routes, reader)
    clusters = read_clusters(sections.get("@", []), reader)
    bus = read_bus(sections.get("bus", []), _environment_values("bus", environ, problems), reader)
    reader.remember("server", given)
    check_tls(listeners, hosts, reader)
    if server.chdir is not None and not server.chdir.is_dir():
        chdir = given["chdir"]
        source = "" if chdir.source is Source.FILE else chdir.origin
        problems.add(f"chdir: there is no folder {server.chdir}", line=chdir.line, source=source)
    _check_processes(server, given, problems)
    _check_dns(server, given, problems)
    problems.raise_if_any()
    return Settings(
        file=file,
        base=base,
        server=server,
        limits=limits,
        listeners=listeners,
        routes=tuple(_led(route, clusters, problems.file) for route in routes.routes),
        mounts=mounts,
        hosts=hosts,
        clusters=clusters,
        bus=bus,
        import_path=import_path,
        origins=MappingProxyType(reader.origins),
    )


def _led(route: Route, clusters: Sequence[ClusterSettings], file: str) -> Route:
    """With its problem, where it leads to a cluster that cannot be asked."""
    if not isinstance(route.target, ClusterTarget):
        return route
    name = str(route.target)
    cluster = next((cluster for cluster in clusters if cluster.title == name), None)
    if cluster is None:
        known = [cluster.title for cluster in clusters]
        mistake = Mistake(
            f"there is no cluster {name}", did_you_mean(name, known) or f"write a section [{name}]"
        )
    elif cluster.type != "http":
        mistake = Mistake(
            f"{name} is a cluster of type {cluster.type}", "requests are for members that speak HTTP"
        )
    else:
        return route
    return replace(route, problem=mistake.at(file, route.line))


def _check_processes(server: ServerSettings, given: Mapping[str, Given], problems: Problems) -> None:
    if server.processes > 1 and server.master == "no":
        _add_about(given["master"], "master = no", "more than one process needs it: write auto", problems)
    if server.needs_master and (server.master == "no" or not _POSIX):
        remedy = "write master = auto" if _POSIX else "Windows has none"
        name = server.needs_master
        _add_about(given[name], name, f"this needs a master: {remedy}", problems)
    if not _POSIX:
        if server.processes > 1:
            _add_about(given["processes"], "processes", "Windows has one only: write 1", problems)
        if server.master == "yes":
            _add_about(given["master"], "master = yes", "there is none on Windows: write auto", problems)


def _check_dns(server: ServerSettings, given: Mapping[str, Given], problems: Problems) -> None:
    if server.dns not in ((), ("system",)) and importlib.util.find_spec("pycares") is None:
        _add_about(
            given["dns"],
            "dns",
            "who asks name servers needs pycares: pip install skitai[dns], or write system",
            problems,
        )


def _add_about(value: Given, what: str, why: str, problems: Problems) -> None:
    source = "" if value.source is Source.FILE else value.origin
    problems.add(f"{what}: {why}", line=value.line, source=source)


# The sections there are: how they are written, how their lines are read, whether they have an argument.
_SECTIONS = {
    "server": ("[server]", Style.PAIR, False),
    "routes": ("[routes:line]", Style.LINE, False),
    "mount": ("[mount /path]", Style.PAIR, True),
    "host": ("[host name]", Style.PAIR, True),
    "listen": ("[listen name]", Style.PAIR, True),
    "bus": ("[bus]", Style.PAIR, False),
    "@": ("[@name]", Style.PAIR, False),
}


def _by_kind(sections: list[Section], problems: Problems) -> dict[str, list[Section]]:
    kinds: dict[str, list[Section]] = {}
    for section in sections:
        kind = "@" if section.name.startswith("@") else section.name
        known = _SECTIONS.get(kind)
        if known is None:
            hint = did_you_mean(section.name, _SECTIONS)
            hint = hint or "there are " + ", ".join(form for form, _, _ in _SECTIONS.values())
            problems.add(f"there is no section [{section.title}]", line=section.line, hint=hint)
        elif (section.style, bool(section.argument)) != known[1:]:
            problems.add(
                f"[{section.title}] is not how this section is written",
                line=section.line,
                hint=f"write {known[0]}",
            )
        else:
            kinds.setdefault(kind, []).append(section)
    return kinds


def _server_values(
    sections: list[Section],
    environ: Mapping[str, str],
    overrides: Mapping[str, str],
    base: Path,
    problems: Problems,
) -> dict[str, Given]:
    """The keys of ``[server]`` that something sets, each from its strongest source.

    All sources are read, so that a bad value is told even where a stronger one hides it.
    """
    keys = TABLES["server"]
    here = Path.cwd()
    given: dict[str, Given] = {}
    for section in sections:
        given |= Reader(base, problems).read(section, keys)
    given |= _environment_values("server", environ, problems)
    known = [key.environment for section in _IN_ENVIRONMENT for key in TABLES[section].values()]
    _refuse_misspelt(environ, known, problems)
    for name, text in overrides.items():
        if name not in keys:
            hint = did_you_mean(name, keys)
            problems.add(f"there is no setting {name!r}", hint=hint, source=Source.COMMAND_LINE.value)
            continue
        _read_loose(keys[name], text, Source.COMMAND_LINE, here, given, problems)
    return given


def _environment_values(section: str, environ: Mapping[str, str], problems: Problems) -> dict[str, Given]:
    given: dict[str, Given] = {}
    for key in TABLES[section].values():
        if key.environment in environ:
            _read_loose(key, environ[key.environment], Source.ENVIRONMENT, Path.cwd(), given, problems)
    return given


def _refuse_misspelt(environ: Mapping[str, str], known: list[str], problems: Problems) -> None:
    """Only what is nearly a key: others may have variables of that prefix too (Kubernetes has)."""
    others = {key.environment for key in DAEMON_TABLES["smtpda"].values()}
    for name in sorted(environ):
        if name.startswith(ENVIRONMENT_PREFIX) and name not in known and name not in others:
            for nearest in difflib.get_close_matches(name, known, n=1, cutoff=_NEARLY):
                problems.add(
                    f"{name} is no setting", hint=f"did you mean {nearest}?", source=Source.ENVIRONMENT.value
                )


def _read_loose(
    key: Key, text: str, source: Source, base: Path, given: dict[str, Given], problems: Problems
) -> None:
    name = key.flag if source is Source.COMMAND_LINE else key.environment
    origin = f"{source.value} {name}"
    reader = Reader(base, problems)
    value = reader.value(key, text, source=origin)
    if value is not reader.REFUSED:
        given[key.name] = Given(value, source, origin)


def _server(given: Mapping[str, Given]) -> tuple[ServerSettings, Limits]:
    def chosen(cls: type[Any]) -> dict[str, Any]:
        return {item.name: given[item.name].value for item in fields(cls) if item.name in given}

    return ServerSettings(**chosen(ServerSettings)), Limits(**chosen(Limits))
