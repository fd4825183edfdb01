"""Requests that an application answers: how each becomes a `Run`, and who runs it; files that are coded too.

`HttpService` decides that it is one of these; from here on it has an environ, a context, and a thread
or a task of asyncio.  A request that left its lane (`Runs.go_on`) has the first two already.

Loop thread, but for `Runs._application`, which is called where the run is.
"""

from __future__ import annotations

import contextvars
import functools
from collections.abc import Callable, Mapping
from typing import Any

from skitai._kernels import engine, http1
from skitai.core.answer import Answer, send
from skitai.core.apps import MountedApp, WSGIApplication
from skitai.core.binding import Binding
from skitai.core.bodies import RequestBody
from skitai.core.codedfiles import CodedFile
from skitai.core.compression import Coding
from skitai.core.coroutines import Coroutines
from skitai.core.environ import build_environ, wsgi_string
from skitai.core.errorpages import accept_of, busy_answer, error_answer
from skitai.core.gateway import Run
from skitai.core.limitlog import LimitLog
from skitai.core.logs.facade import Logs
from skitai.core.plans import ListenerInfo, Plan
from skitai.core.routes import Mount
from skitai.core.runreports import RunReports
from skitai.core.sendfile import SendfileRoots
from skitai.core.tls import connection_fields
from skitai.errors import AppLoadError

__all__ = ["Runs"]


class Runs:
    def __init__(
        self,
        apps: Mapping[Mount, MountedApp],
        template: dict[str, Any],
        dressed: Callable[[engine.Exchange, Answer], Answer],
        *,
        executor: engine.Executor,
        coroutines: Coroutines,
        logs: Logs,
        limit_log: LimitLog,
        debug: bool,
        ranges_max: int,
        binding: Binding,
    ) -> None:
        """``template``: what is the same in every environ; ``dressed`` gives an error page its look."""
        self._template = template
        self._dressed = dressed
        self._executor = executor
        self._coroutines = coroutines
        self._logs = logs
        self._limit_log = limit_log
        self._debug = debug
        self._binding = binding
        #: Whether clients may see tracebacks.  Made here once: thousands of runs may wait at once.
        self._debugs = {app: functools.partial(self._may_show, app) for app in apps.values()}
        self._roots = {
            mount: SendfileRoots(mount.options.sendfile_roots, ranges_max)
            for mount in apps
            if mount.options.sendfile_roots
        }
        self._watching_queue = False
        self.reports = RunReports(
            failure=functools.partial(logs.app, kind="expt"),
            warn=logs.app_warning,
            error_page=self._error_page,
        )

    def environ(self, exchange: engine.Exchange, plan: Plan, mount: Mount) -> dict[str, Any]:
        listener: ListenerInfo = exchange.listener
        client = plan.client
        plan.environ = environ = build_environ(
            self._template,
            exchange.head,
            script_name=wsgi_string(mount.path),
            # "/" where PEP 3333 would also allow "": frameworks would redirect that to a slash,
            # which the mount would take away again.
            path_info=wsgi_string(plan.path[len(mount.path) :]) or "/",
            client=(client.address, client.port),
            scheme=client.scheme,
            host=client.host,
            server=listener.server,
            withheld=client.withheld,
        )
        if listener.verifies and exchange.tls is not None:
            environ.update(connection_fields(exchange.tls))
        return environ

    def start(self, exchange: engine.Exchange, plan: Plan, mount: Mount, mounted: MountedApp) -> None:
        environ = plan.environ or self.environ(exchange, plan, mount)
        body = plan.body
        if body is not None:
            environ["wsgi.input"] = body.input
            environ["CONTENT_LENGTH"] = str(body.size)
        application = functools.partial(self._application, mounted, environ)
        context = contextvars.copy_context()
        plan.run = self._new_run(exchange, application, environ, context, mount, mounted, body)
        if plan.chain.is_coroutine:
            plan.run.submit_awaited()
            return
        self._submit(plan.run, exchange)

    def send_coded(self, exchange: engine.Exchange, answer: Answer, coding: Coding) -> None:
        """A file that is compressed on its way."""
        self._submit(CodedFile(exchange, answer, coding, self._executor, self._shed), exchange)

    def go_on(
        self,
        exchange: engine.Exchange,
        begun: engine.Begun,
        context: contextvars.Context,
        mount: Mount,
        mounted: MountedApp,
    ) -> Run:
        """The run of a call that began in a lane, which has left it."""
        run = self._new_run(exchange, begun.application, begun.environ, context, mount, mounted, None)
        run.is_inside = True
        return run

    def _submit(self, job: engine.Job, exchange: engine.Exchange) -> None:
        self._executor.submit(job)
        if not self._watching_queue:
            self._watch_queue(exchange.call_later)

    def _new_run(
        self,
        exchange: engine.Exchange,
        application: Callable[[], WSGIApplication],
        environ: dict[str, Any],
        context: contextvars.Context,
        mount: Mount,
        mounted: MountedApp,
        body: RequestBody | None,
    ) -> Run:
        return Run(
            exchange,
            application,
            environ,
            context,
            self._executor,
            self._coroutines,
            self.reports,
            body=body,
            compression=mount.compression,
            roots=self._roots.get(mount),
            burns=exchange.burns or mount.options.lane == "burns",
            lasts=exchange.lasts or mount.options.lane in ("waits", "burns"),
            parks=mount.options.park,
            debug=self._debugs[mounted],
            on_overload=self._shed,
        )

    def _application(self, mounted: MountedApp, environ: dict[str, Any]) -> Any:
        """In the run's thread and context."""
        if mounted.refresh() and mounted.error is not None:
            self._logs.app(mounted.error.report, "expt")
        application = mounted.application
        self._binding.activate(environ, application)
        return application

    def _may_show(self, mounted: MountedApp) -> bool:
        return self._debug or _in_debug(mounted)

    def _watch_queue(self, call_later: Callable[[float, Callable[[], None]], object]) -> None:
        """Have the loop look again when the oldest waiting run will have waited too long.  The timer
        outlives the request that set it, and must not keep it."""
        delay = self._executor.shed_late()
        self._watching_queue = delay is not None
        if delay is not None:
            call_later(delay, functools.partial(self._watch_queue, call_later))

    def _shed(self, exchange: engine.Exchange, limit: str, why: str) -> None:
        head = exchange.head
        self._limit_log.note(limit, f"{head.method} {head.target} was not let in; the client got 503")
        send(exchange, self._dressed(exchange, busy_answer(why, accept_of(head))))

    def _error_page(
        self, exchange: engine.Exchange, status: int, why: str, detail: str
    ) -> tuple[http1.Headers, bytes]:
        answer = error_answer(status, why, accept=accept_of(exchange.head), detail=detail)
        answer = self._dressed(exchange, answer)
        return answer.headers, answer.body


def _in_debug(mounted: MountedApp) -> bool:
    try:
        return bool(getattr(mounted.application, "debug", False))
    except AppLoadError:
        return mounted.reloads  # somebody is working on it
