"""One instance: settings made into a running server, from start to exit code.

Threads of an instance:

    main      loads applications and tells them of start and stop; waits here for signals; decides
              when it is over
    loop      sockets, HTTP, files (`skitai._kernels.engine`)
    workers   applications, at most ``threads`` of them (`engine.Executor`)
    async     applications written with ``async def`` (`skitai.core.coroutines`)
    log       writes what the others queue (`skitai.core.logs`)
    pulse     where somebody wants signs of life (`skitai.pulse`)
    control   under a master only: what the master says (`skitai.worker`)

Python runs signal handlers in the main thread only, between two of its instructions.
That thread never runs an application, so a signal is always heard at once.

An instance binds its own sockets and is its own master, unless it is handed a `Link` to one.
"""

from __future__ import annotations

import enum
import functools
import os
import queue
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, Protocol

from skitai import _forks, pulse, spawned, was
from skitai._constants import VERSION
from skitai._kernels import engine, implementation
from skitai._lazy import LazyModule
from skitai.core import tls
from skitai.core.apps import MountedApp, refusing_green_threads
from skitai.core.bodies import Spool
from skitai.core.caching import CachePolicy
from skitai.core.config import AppTarget, ClusterTarget, ConfigErrors, ListenSettings, Settings, StaticTarget
from skitai.core.coroutines import Coroutines
from skitai.core.forwarded import TrustedProxies
from skitai.core.listeners import bind, describe
from skitai.core.logs.facade import Logs
from skitai.core.logs.options import LogOptions
from skitai.core.plans import ListenerInfo
from skitai.core.processlimits import process_limits
from skitai.core.requestnotes import RequestNotes
from skitai.core.routes import Mount, RouteTable
from skitai.core.runreports import report_of
from skitai.core.service import HttpService
from skitai.core.static import StaticFolder
from skitai.counters import Count, Latency, MountSlots, Row, observe, private_row
from skitai.errors import AppLoadError, ConfigError, SkitaiError
from skitai.figures import Figures
from skitai.launch import ExitCode, Launch, complain
from skitai.limits import Limits
from skitai.notify import ServiceManager
from skitai.orders import Order
from skitai.signals import Inbox
from skitai.websocket import WebSocketDoor

if TYPE_CHECKING:
    from skitai import proxy
    from skitai.core.bus import carriers, line, local, remote
    from skitai.core.bus.frames import Bus, Listener
    from skitai.core.websockets import clientids
else:
    carriers = LazyModule("skitai.core.bus.carriers")
    clientids = LazyModule("skitai.core.websockets.clientids")
    line = LazyModule("skitai.core.bus.line")
    local = LazyModule("skitai.core.bus.local")
    proxy = LazyModule("skitai.proxy")  # it brings all that calls are made with
    remote = LazyModule("skitai.core.bus.remote")

__all__ = ["Instance", "Link", "serve"]


class _Event(enum.Enum):
    """What the main thread waits for."""

    TERMINATE = "stop, requests under way may finish"
    INTERRUPT = "stop now"
    REOPEN = "reopen the logs"
    RELOAD = "start anew with what the files say by now"
    UPGRADE = "go over to the program that is installed by now"
    ADMITTED = "the master lets us serve"
    RETIRE = "a successor serves: end as soon as nobody would notice"
    ORPHANED = "the master has ended, or skitaid"
    WORN = "half of the threads are in handlers that do not return"
    DRAINED = "the last connection is closed"
    LOOP_FAILED = "nobody is served any more"


_SIGNALS = {
    "SIGTERM": _Event.TERMINATE,
    "SIGINT": _Event.INTERRUPT,
    "SIGQUIT": _Event.INTERRUPT,
    "SIGUSR1": _Event.REOPEN,
    "SIGHUP": _Event.RELOAD,
    "SIGUSR2": _Event.UPGRADE,
}
#: Under a master: a terminal sends the others to all processes, and the master passes them on.
_SIGNALS_OF_A_WORKER = {"SIGTERM": _Event.TERMINATE}

_ORDERS = {
    Order.SERVE: _Event.ADMITTED,
    Order.RETIRE: _Event.RETIRE,
    Order.STOP: _Event.TERMINATE,
    Order.INTERRUPT: _Event.INTERRUPT,
    Order.REOPEN: _Event.REOPEN,
    None: _Event.ORPHANED,
}

#: Seconds for requests under way when a person pressed Ctrl-C.
_INTERRUPT_PATIENCE = 0.5
#: Seconds for calls to others that are still under way to be given up.
_CALLS_PATIENCE = 1.0
#: Seconds for the loop thread to close its sockets; after Ctrl-C, for those calls too.
_LOOP_PATIENCE = 0.2
#: Seconds for what applications do when they are told to stop, after Ctrl-C.
_SHUTDOWN_PATIENCE = 2.0
#: Seconds for an application's own threads and atexit functions after that.
_EXIT_PATIENCE = 0.3


class Link(Protocol):
    """To the master that has started this process."""

    @property
    def sockets(self) -> Sequence[socket.socket]:
        """Listening, in the order of the settings' listeners."""

    @property
    def counts(self) -> Row: ...

    @property
    def mounts(self) -> MountSlots:
        """Whose columns are whose in it."""

    @property
    def bus(self) -> socket.socket:
        """To the hub of rooms."""

    @property
    def serial(self) -> int:
        """Which of the workers that were started this process is."""

    def follow(self, orders: Callable[[Order | None], None]) -> None:
        """Call ``orders`` for each order from now on, from another thread; None is the master's end."""

    def offer(self, broken: Sequence[str]) -> None:
        """Say that all but the ``broken`` targets could be served; `Order.SERVE` is the answer."""

    def ask_for_successor(self) -> None: ...

    @property
    def pulse(self) -> float | None:
        """Seconds within which `live` is to be called, None if nobody asks."""

    def live(self) -> None:
        """Give a sign of life."""


class Instance:
    """Main thread only.  ``start`` raises SkitaiError when the instance cannot serve."""

    def __init__(self, launch: Launch, settings: Settings, logs: Logs, link: Link | None = None) -> None:
        self._settings = settings
        self._logs = logs
        self._name = launch.name
        self._sole_app = launch.sole_app
        self._mail_spool = launch.mail_spool(settings)
        self._link = link
        self._manager = ServiceManager.find()
        self._events: Inbox[_Event] = Inbox()
        self._unix_paths: list[Path] = []
        #: When what is under way is cut, as monotonic seconds.
        self._cut_at = 0.0
        self._broken: list[str] = []
        self._apps: list[MountedApp] = []
        self._is_worn = False

    # -- start ------------------------------------------------------------------------------

    def start(self) -> bool:
        """Bind, load, serve; returns once connections are accepted and signals are heard.  False if
        the master does not want this process to serve."""
        settings = self._settings
        if settings.server.chdir is not None:
            os.chdir(settings.server.chdir)
        sys.path[:0] = [str(path) for path in settings.import_path if str(path) not in sys.path]
        # For the process of a server, and here only: importing skitai changes nothing.
        sys.setswitchinterval(settings.server.switch_interval)
        spawned.stand_in()
        limits = process_limits(settings, self._logs.server)
        secure = self._secure_listeners()
        sockets = self._link.sockets if self._link else [self._bind(item) for item in settings.listeners]
        counts = self._link.counts if self._link else private_row()
        try:
            _forks.tell_by(self._tell_of_child)
            self._executor = engine.make_executor(settings.server.threads, limits, self._logs.trace)
            self._coroutines = Coroutines(limits.coroutines_max, self._logs.trace)
            self._websockets = WebSocketDoor(
                self._executor,
                self._call_soon,
                limits,
                self._logs.trace,
                self._make_bus,
                self._client_ids,
            )
            service = self._make_service(limits, counts)
            self._engine = engine.Engine(service, limits, self._logs.trace, counts)
            was.provide_rooms(self._websockets.publish)
            was.provide_spool(self._mail_spool, limits)
            was.provide(
                self._engine.loop,
                report=self._logs.trace,
                warn=functools.partial(self._logs.server, kind="warn"),
                limits=limits,
                dns=settings.server.dns,
                results_max=settings.server.num_result_cache_max,
                clusters=settings.clusters,
                answered_after=functools.partial(observe, counts, Latency.UPSTREAM),
            )
            if settings.clusters or any(app.hook("skitai_parks") for app in self._apps):
                was.prepare()
        except BaseException:
            self._remove_unix_sockets()
            raise
        for sock, listener, contexts in zip(sockets, settings.listeners, secure, strict=True):
            self._engine.listen(
                sock, ListenerInfo.of(sock, listener), contexts, is_announced=listener.proxy_protocol
            )
        # Before the first answer: process 1 of a container would not get a signal without a handler.
        self._events.catch(_SIGNALS_OF_A_WORKER if self._link else _SIGNALS)
        if self._link and not self._is_admitted(self._link):
            return False
        was.STATUS.register("SERVER", self._status)
        was.STATUS.register("WEBSOCKETS", self._status_of_websockets)
        threads = settings.server.threads
        figures = Figures(self._engine, self._executor, self._coroutines, service.present, threads)
        was.STATUS.register("LIVE", figures)
        for app in self._apps:
            app.begin()
        self._loop_thread = threading.Thread(target=self._serve, name="skitai-loop", daemon=True)
        self._loop_thread.start()
        asking = self._link or self._manager
        pulse.start(asking.pulse, self._call_soon, asking.live)
        self._logs.server(
            f"Skitai {VERSION} ({implementation()}), Python {sys.version.split()[0]}, "
            f"{'worker of ' if self._link else ''}instance {self._name}, "
            f"pid {os.getpid()}, threads {settings.server.threads}"
        )
        if not self._link:
            for sock, listener in zip(sockets, settings.listeners, strict=True):
                self._logs.server(f"listening on {describe(sock, listener.scheme)}")
            self._manager.when_it_ends(lambda: self._events.put(_Event.ORPHANED))
            self._manager.ready(f"threads {settings.server.threads}")
        return True

    def _call_soon(self, callback: Callable[[], None]) -> None:
        self._engine.loop.call_soon(callback)

    def _client_ids(self) -> Iterator[int]:
        """Of WebSockets in rooms."""
        if self._settings.bus.url:
            return clientids.random_client_ids()
        return clientids.client_ids(self._link.serial if self._link else 0)

    def _make_bus(self, listener: Listener) -> Bus:
        limits, bus = self._settings.limits, self._settings.bus
        if bus.url:
            return remote.RemoteBus(
                carriers.carrier_of(bus.url, bus.prefix),
                listener,
                limits.ws_bus_queue_max,
                name=carriers.shown(bus.url),
                log=self._logs.server,
                report=self._logs.trace,
            )
        if self._link is None:
            return local.LocalBus(listener, limits.ws_history_max)
        return line.MasterLine(self._link.bus, self._engine.loop, listener, limits.ws_bus_queue_max)

    def _status(self) -> dict[str, Any]:
        """For `was.status`: of this process, not of all."""
        counts = {
            "requests": Count.REQUESTS,
            "connections": Count.CONNECTIONS,
            "answers from 500 on": Count.SERVER_ERRORS,
            "overdue": Count.OVERDUE,
        }
        return {
            "instance": self._name,
            "worker of a master": self._link is not None,
            "threads": self._settings.server.threads,
            **{name: self._engine.counts[count] for name, count in counts.items()},
        }

    def _status_of_websockets(self) -> dict[str, Any]:
        totals = self._engine.websocket_totals()
        return {
            "open": totals.open,
            "opened": totals.opened,
            "messages received": totals.received,
            "messages sent": totals.sent,
            "messages not taken by slow clients": totals.refused,
            **self._websockets.status(),
        }

    def _secure_listeners(self) -> list[tls.ListenerContext | None]:
        """Who gives contexts to the connections of each listener; None: clear text."""
        settings = self._settings
        found = tls.check(settings)
        for warning in found.warnings:
            self._logs.server(str(warning), "warn")
        if found.problems:
            raise ConfigErrors(found.problems)
        return [
            tls.ListenerContext(listener, settings, self._logs.server) if listener.ssl else None
            for listener in settings.listeners
        ]

    def _is_admitted(self, link: Link) -> bool:
        """What serves so far may be better than what we could."""
        link.follow(lambda order: self._events.put(_ORDERS[order]))
        link.offer(self._broken)
        while (event := self._events.get()) is _Event.REOPEN:
            self._logs.reopen()
        return event is _Event.ADMITTED

    def _make_service(self, limits: Limits, counts: Row) -> HttpService:
        settings, logs = self._settings, self._logs
        server, proxies = settings.server, TrustedProxies(settings.server.trusted_proxies)
        for problem in settings.problems:
            logs.server(str(problem), "error")
        table = RouteTable.of(settings)
        mounts = [mount for mount in table.mounts if mount.problem is None]
        folders = {
            mount: StaticFolder(
                mount.target.folder,
                limits,
                policy=CachePolicy(
                    mount.options.cache_control,
                    max_age=mount.options.static_max_age,
                    immutable=mount.options.immutable,
                ),
                index=mount.options.index,
                precompressed=mount.options.precompressed,
                listing=mount.options.listing,
                dotfiles=mount.options.dotfiles,
                follow_links=mount.options.follow_links == "any",
            )
            for mount in mounts
            if isinstance(mount.target, StaticTarget)
        }
        return HttpService(
            table,
            self._load_all(mounts),
            folders,
            limits=limits,
            threads=settings.server.threads,
            processes=settings.server.processes,
            executor=self._executor,
            coroutines=self._coroutines,
            spool=Spool(settings.server.spool_dir, limits.spool_total_max),
            proxies=proxies,
            notes=RequestNotes(server.request_id, server.log_fields if server.access_log else (), proxies),
            logs=logs,
            access_log=settings.server.access_log,
            debug=settings.server.debug,
            binding=was.BINDING,
            counts=counts,
            mounts=self._link.mounts if self._link else MountSlots(settings.mounted),
            on_worn=lambda: self._events.put(_Event.WORN),
            upgrades=self._websockets,
            relays={
                mount: proxy.ClusterRelay(mount, str(mount.target), limits, was.reach)
                for mount in mounts
                if isinstance(mount.target, ClusterTarget)
            },
            forward=self._forward_proxy(limits),
            is_ending=lambda: self._engine.draining,
        )

    def _forward_proxy(self, limits: Limits) -> proxy.ForwardProxy | None:
        server, logs = self._settings.server, self._logs
        if not server.enable_proxy:
            return None
        whom = ", ".join(server.proxy_clients)
        logs.server(f"a forward proxy for {whom}{' by password' if server.proxy_users_file else ''}", "warn")
        return proxy.ForwardProxy(
            server,
            limits,
            lambda guard: was.reach().another_client(guard),
            logs.tunnel if server.access_log else None,
            functools.partial(logs.server, kind="warn"),
        )

    def _bind(self, listener: ListenSettings) -> socket.socket:
        sock = bind(listener)
        if listener.address.path is not None:
            self._unix_paths.append(listener.address.path)
        return sock

    def _load_all(self, mounts: list[Mount]) -> dict[Mount, MountedApp]:
        """One application for all mounts of one target."""
        loaded: dict[AppTarget, MountedApp] = {}
        apps = {}
        for mount in mounts:
            target = mount.target
            if isinstance(target, AppTarget):
                if target not in loaded:
                    loaded[target] = self._load(target, mount.path)
                apps[mount] = loaded[target]
        return apps

    def _load(self, target: AppTarget, path: str) -> MountedApp:
        app = MountedApp(
            target,
            use_reloader=self._settings.server.use_reloader,
            report=lambda text: self._logs.app(f"{target}: {text}", "expt"),
        )
        self._apps.append(app)
        try:
            with refusing_green_threads(target):
                app.load()
        except AppLoadError as error:
            self._logs.app(error.report, "expt")
            if self._sole_app and not app.reloads:
                raise
            if not app.reloads:
                self._broken.append(str(target))
            self._logs.server(f"{target} is not served at {path or '/'}: {error}", "error")
        return app

    def _tell_of_child(self, text: str, error: BaseException | None) -> None:
        self._logs.server_now(text if error is None else f"{text}\n{report_of(error)}", "error")

    def _remove_unix_sockets(self) -> None:
        for path in self._unix_paths:
            path.unlink(missing_ok=True)

    def _serve(self) -> None:
        try:
            self._engine.run()
        except BaseException:
            self._logs.trace("the event loop")
            self._events.put(_Event.LOOP_FAILED)

    # -- until the end ----------------------------------------------------------------------

    def run(self) -> int:
        """Wait for the end; returns the exit code.  `start` comes before."""
        code: int | None = None
        while code is None:
            code = self._handle(self._events.get())
        self._clean_up(code)
        return code

    def _handle(self, event: _Event) -> int | None:
        """What a signal asks for; the exit code if that was the end."""
        if event is _Event.TERMINATE:
            self._logs.server("stopping: requests under way may finish")
            return self._drain(self._settings.limits.shutdown_timeout, ExitCode.CLEAN)
        if event is _Event.ORPHANED:
            self._logs.server(
                "stopping: who has started us has ended; requests under way may finish", "error"
            )
            return self._drain(self._settings.limits.shutdown_timeout, ExitCode.FAILURE)
        if event is _Event.RETIRE:
            self._logs.server("retiring: a successor serves; open connections may finish")
            return self._drain(self._settings.limits.shutdown_timeout, ExitCode.CLEAN, gently=True)
        if event is _Event.INTERRUPT:
            self._logs.server("interrupted: stopping now")
            return self._drain(_INTERRUPT_PATIENCE, ExitCode.INTERRUPTED)
        if event is _Event.LOOP_FAILED:
            return ExitCode.FAILURE
        if event is _Event.REOPEN:
            self._logs.reopen()
        elif event is _Event.RELOAD:
            self._logs.server("SIGHUP ignored: only a master can reload; start with --master yes", "warn")
            self._manager.ready("not reloaded: only a master can")
        elif event is _Event.UPGRADE:
            self._logs.server(
                "SIGUSR2 ignored: only a master can change its version; start with --master yes", "warn"
            )
        elif event is _Event.WORN:
            self._worn()
        return None

    def _worn(self) -> None:
        if self._is_worn:
            return
        self._is_worn = True
        text = "half of the threads are in handlers that have not returned since their clients got 503"
        if self._link:
            self._logs.server(f"{text}: asking the master for a successor", "warn")
            self._link.ask_for_successor()
        else:
            self._logs.server(f"{text}; a master (--master yes) would replace this process", "warn")

    def _drain(self, patience: float, code: ExitCode, *, gently: bool = False) -> int:
        """``gently``: idle connections are closed by their own clock, as at any time; so nobody who
        sends a request meets a closed one that would have been open without this."""
        self._manager.stopping()
        self._engine.drain(lambda: self._events.put(_Event.DRAINED), gently=gently)
        self._cut_at = monotonic() + patience
        while True:
            try:
                event = self._events.get(timeout=max(0.0, self._cut_at - monotonic()))
            except queue.Empty:
                if gently:  # those whose keep_alive is longer, and what is answered slowly
                    return self._drain(_INTERRUPT_PATIENCE, code)
                self._logs.server("requests still under way were cut", "warn")
                return code
            if event is _Event.INTERRUPT and code == ExitCode.INTERRUPTED:
                os._exit(code)  # the second Ctrl-C: nothing may delay it
            if event is _Event.INTERRUPT:
                return self._drain(_INTERRUPT_PATIENCE, ExitCode.INTERRUPTED)
            if gently and event in (_Event.TERMINATE, _Event.ORPHANED):
                return self._drain(self._settings.limits.shutdown_timeout, code)
            if event is _Event.REOPEN:
                self._logs.reopen()
            elif event in (_Event.DRAINED, _Event.LOOP_FAILED):
                return code

    def _clean_up(self, code: int) -> None:
        # Before the engine: what is cancelled may still say so to its client.
        self._coroutines.stop(self._cut_at - monotonic())
        # While the loop runs, for it is the loop that gives them up.
        was.withdraw(_LOOP_PATIENCE if code == ExitCode.INTERRUPTED else _CALLS_PATIENCE)
        self._engine.stop()
        self._executor.stop()
        # Not for long: with threads = 0 a handler that never returns is in it.
        self._loop_thread.join(_LOOP_PATIENCE)
        if code == ExitCode.INTERRUPTED:
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # from here on the system's own, deadly one
            _exit_within(_SHUTDOWN_PATIENCE, code)
        for app in self._apps:
            app.end()
        self._remove_unix_sockets()
        self._logs.server("stopped")
        self._logs.close()
        if code == ExitCode.INTERRUPTED:
            _exit_within(_EXIT_PATIENCE, code)  # its own threads, and atexit functions


def _exit_within(seconds: float, code: int) -> None:
    """What applications do behind the last request may hang; Ctrl-C has promised to end."""
    watchdog = threading.Timer(seconds, os._exit, (code,))
    watchdog.daemon = True
    watchdog.start()


def _exit_code(error: SkitaiError) -> ExitCode:
    """Of an instance that cannot start."""
    if isinstance(error, AppLoadError):
        return ExitCode.APP
    return ExitCode.CONFIG if isinstance(error, ConfigError) else ExitCode.FAILURE


def serve(launch: Launch, settings: Settings, link: Link | None = None) -> int:
    """Serve until the end, in this process; the exit code."""
    folder = launch.log_folder(settings)
    try:
        if launch.rights(settings) is not None:
            raise ConfigError("only a master can give up root", hint="write master = auto, or no user")
        logs = Logs(folder, console=launch.verbose, options=LogOptions.of(settings.server))
    except SkitaiError as error:
        complain(error)
        return ExitCode.CONFIG
    logs.capture_logging()
    if sys.stdout is not None and hasattr(sys.stdout, "reconfigure"):
        # What applications print shall not wait for the end of the process in a pipe or file.
        sys.stdout.reconfigure(line_buffering=True)
    instance = Instance(launch, settings, logs, link)
    try:
        if not instance.start():
            logs.close()
            return ExitCode.CLEAN
    except SkitaiError as error:
        logs.server(str(error), "error")
        logs.close()
        if not launch.verbose and folder is not None:
            complain(error)
        return _exit_code(error)
    return instance.run()
