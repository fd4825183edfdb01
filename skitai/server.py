"""One instance: settings made into a running server, from start to exit code.

Threads of an instance:

    main      loads applications, then waits here for signals; decides when it is over
    loop      sockets, HTTP, files (`skitai._kernels.engine`)
    workers   applications, at most ``threads`` of them (`engine.Executor`)
    async     applications written with ``async def`` (`skitai.core.coroutines`)
    log       writes what the others queue (`skitai.core.logs`)

Python runs signal handlers in the main thread only, between two of its instructions.
That thread never runs an application, so a signal is always heard at once.
"""

from __future__ import annotations

import enum
import os
import queue
import signal
import socket
import sys
import threading
from pathlib import Path
from time import monotonic

from skitai import was
from skitai._constants import VERSION
from skitai._kernels import engine, implementation
from skitai.core.apps import MountedApp
from skitai.core.bodies import Spool
from skitai.core.config import AppTarget, ListenSettings, Settings, StaticTarget
from skitai.core.coroutines import Coroutines
from skitai.core.forwarded import TrustedProxies
from skitai.core.listeners import bind_tcp, bind_unix, describe
from skitai.core.logs.facade import Logs
from skitai.core.processlimits import raise_descriptor_limit
from skitai.core.routes import Mount, RouteTable
from skitai.core.service import HttpService, ListenerInfo
from skitai.core.static import StaticFolder
from skitai.errors import AppLoadError, SkitaiError
from skitai.limits import Limits
from skitai.signals import Inbox

__all__ = ["EXIT_APP", "EXIT_CLEAN", "EXIT_FAILURE", "EXIT_INTERRUPTED", "Instance", "start_failed"]

EXIT_CLEAN = 0
EXIT_FAILURE = 1
EXIT_APP = 4
#: As the shell reports a program that SIGINT ended.
EXIT_INTERRUPTED = 128 + signal.SIGINT


class _Event(enum.Enum):
    """What the main thread waits for."""

    TERMINATE = "stop, requests under way may finish"
    INTERRUPT = "stop now"
    REOPEN = "reopen the logs"
    RELOAD = "start anew with what the files say by now"
    DRAINED = "the last connection is closed"
    LOOP_FAILED = "nobody is served any more"


_SIGNALS = {
    "SIGTERM": _Event.TERMINATE,
    "SIGINT": _Event.INTERRUPT,
    "SIGQUIT": _Event.INTERRUPT,
    "SIGUSR1": _Event.REOPEN,
    "SIGHUP": _Event.RELOAD,
}

#: Seconds for requests under way when a person pressed Ctrl-C.
_INTERRUPT_PATIENCE = 0.5
#: Seconds for the loop thread to close its sockets.
_LOOP_PATIENCE = 0.2
#: Seconds for an application's own threads and atexit functions after that.
_EXIT_PATIENCE = 0.3


class Instance:
    """Main thread only.  ``start`` raises SkitaiError when the instance cannot serve."""

    def __init__(self, settings: Settings, logs: Logs, *, name: str, sole_app: bool = False) -> None:
        """``sole_app``: without its (one) application there is nothing to serve."""
        self._settings = settings
        self._logs = logs
        self._name = name
        self._sole_app = sole_app
        self._events: Inbox[_Event] = Inbox()
        self._unix_paths: list[Path] = []
        #: When what is under way is cut, as monotonic seconds.
        self._cut_at = 0.0

    # -- start ------------------------------------------------------------------------------

    def start(self) -> None:
        """Bind, load, serve; returns once connections are accepted and signals are heard."""
        settings = self._settings
        if settings.server.chdir is not None:
            os.chdir(settings.server.chdir)
        sys.path[:0] = [str(path) for path in settings.import_path if str(path) not in sys.path]
        # For the process of a server, and here only: importing skitai changes nothing.
        sys.setswitchinterval(settings.server.switch_interval)
        limits = raise_descriptor_limit(settings.limits)
        sockets = [self._bind(listener) for listener in settings.listeners]
        try:
            self._executor = engine.make_executor(settings.server.threads, limits, self._logs.trace)
            self._coroutines = Coroutines(limits.coroutines_max, self._logs.trace)
            self._engine = engine.Engine(self._make_service(limits), limits, self._logs.trace)
        except BaseException:
            self._remove_unix_sockets()
            raise
        for sock in sockets:
            sockname = sock.getsockname()
            server = (sockname[0], sockname[1]) if isinstance(sockname, tuple) else ("localhost", 80)
            self._engine.listen(sock, ListenerInfo("http", server))
        # Before the first answer: process 1 of a container would not get a signal without a handler.
        self._events.catch(_SIGNALS)
        self._loop_thread = threading.Thread(target=self._serve, name="skitai-loop", daemon=True)
        self._loop_thread.start()
        self._logs.server(
            f"Skitai {VERSION} ({implementation()}), Python {sys.version.split()[0]}, instance {self._name}, "
            f"pid {os.getpid()}, threads {settings.server.threads}"
        )
        for sock in sockets:
            self._logs.server(f"listening on {describe(sock, 'http')}")

    def _make_service(self, limits: Limits) -> HttpService:
        settings, logs = self._settings, self._logs
        for problem in settings.problems:
            logs.server(str(problem), "error")
        table = RouteTable.of(settings)
        mounts = [mount for mount in table.mounts if mount.problem is None]
        folders = {
            mount: StaticFolder(
                mount.target.folder, max_age=mount.options.static_max_age, index=mount.options.index
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
            executor=self._executor,
            coroutines=self._coroutines,
            spool=Spool(settings.server.spool_dir, limits.spool_total_max),
            proxies=TrustedProxies(settings.server.trusted_proxies),
            logs=logs,
            access_log=settings.server.access_log,
            debug=settings.server.debug,
            binding=was.BINDING,
        )

    def _bind(self, listener: ListenSettings) -> socket.socket:
        address = listener.address
        if address.path is not None:
            sock = bind_unix(address.path, listener.socket_mode, listener.backlog)
            self._unix_paths.append(address.path)
            return sock
        return bind_tcp(address.host, address.port, listener.backlog)

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
        app = MountedApp(target, use_reloader=self._settings.server.use_reloader)
        try:
            app.load()
        except AppLoadError as error:
            self._logs.app(error.report, "expt")
            if self._sole_app and not app.reloads:
                raise
            self._logs.server(f"{target} is not served at {path or '/'}: {error}", "error")
        return app

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
            return self._drain(self._settings.limits.shutdown_timeout, EXIT_CLEAN)
        if event is _Event.INTERRUPT:
            self._logs.server("interrupted: stopping now")
            return self._drain(_INTERRUPT_PATIENCE, EXIT_INTERRUPTED)
        if event is _Event.LOOP_FAILED:
            return EXIT_FAILURE
        if event is _Event.REOPEN:
            self._logs.reopen()
        elif event is _Event.RELOAD:
            self._logs.server("SIGHUP ignored: reload comes with the process master", "warn")
        return None

    def _drain(self, patience: float, code: int) -> int:
        self._engine.drain(lambda: self._events.put(_Event.DRAINED))
        self._cut_at = monotonic() + patience
        while True:
            try:
                event = self._events.get(timeout=max(0.0, self._cut_at - monotonic()))
            except queue.Empty:
                self._logs.server("requests still under way were cut", "warn")
                return code
            if event is _Event.INTERRUPT and code == EXIT_INTERRUPTED:
                os._exit(code)  # the second Ctrl-C: nothing may delay it
            if event is _Event.INTERRUPT:
                return self._drain(_INTERRUPT_PATIENCE, EXIT_INTERRUPTED)
            if event is _Event.REOPEN:
                self._logs.reopen()
            elif event in (_Event.DRAINED, _Event.LOOP_FAILED):
                return code

    def _clean_up(self, code: int) -> None:
        # Before the engine: what is cancelled may still say so to its client.
        self._coroutines.stop(self._cut_at - monotonic())
        self._engine.stop()
        self._executor.stop()
        # Not for long: with threads = 0 a handler that never returns is in it.
        self._loop_thread.join(_LOOP_PATIENCE)
        self._remove_unix_sockets()
        self._logs.server("stopped")
        self._logs.close()
        if code == EXIT_INTERRUPTED:
            # An application's own threads or atexit functions may hang; Ctrl-C has promised to end.
            watchdog = threading.Timer(_EXIT_PATIENCE, os._exit, (code,))
            watchdog.daemon = True
            watchdog.start()
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # from here on the system's own, deadly one


def start_failed(error: SkitaiError) -> int:
    """The exit code for an instance that could not start."""
    return EXIT_APP if isinstance(error, AppLoadError) else EXIT_FAILURE
