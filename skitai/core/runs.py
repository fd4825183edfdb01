"""Requests that an application answers: how each becomes a `Run`, and who runs it; files that are coded too.

`HttpService` decides that it is one of these; from here on it has an environ, a context, and a thread
or a task of asyncio.  A request that left its lane (`Runs.go_on`) has the first two already.

Loop thread, but for `Runs._application`, which is called where the run is.
"""

from __future__ import annotations

import contextvars
import functools
from collections.abc import Callable, Mapping
from dataclasses import replace
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
from skitai.core.requestnotes import ID_FIELD, RequestNotes
from skitai.core.routes import Mount
from skitai.core.runreports import RunReports
from skitai.core.runterms import RunTerms
from skitai.core.sendfile import SendfileRoots
from skitai.core.tls import connection_fields
from skitai.core.upgrades import Caller, Upgrades
from skitai.errors import AppLoadError

__all__ = ["Runs"]


class Runs:
    def __init__(
        self,
        apps: Mapping[Mount, MountedApp],
        template: dict[str, Any],
        notes: RequestNotes,
        dressed: Callable[[engine.Exchange, Answer], Answer],
        *,
        executor: engine.Executor,
        coroutines: Coroutines,
        logs: Logs,
        limit_log: LimitLog,
        debug: bool,
        ranges_max: int,
        binding: Binding,
        upgrades: Upgrades | None,
        is_ending: Callable[[], bool],
    ) -> None:
        """``template``: what is the same in every environ; ``dressed`` gives an error page its look;
        ``is_ending``: see `RunTerms`."""
        self._is_ending = is_ending
        self._upgrades = upgrades
        self._template = template
        self._notes = notes
        self._dressed = dressed
        self._executor = executor
        self._coroutines = coroutines
        self._logs = logs
        self._limit_log = limit_log
        self._debug = debug
        self._binding = binding
        # Made here once, as the terms are: thousands of runs may wait at once.
        self._on_overload = self._shed
        self._watching_queue = False
        #: Runs that are inside applications, or awaited.  Each step with it is one of C: any thread.
        self.present: set[Run] = set()
        self.reports = RunReports(
            failure=functools.partial(logs.app, kind="expt"),
            warn=logs.app_warning,
            error_page=self._error_page,
        )
        if any(mount.options.park in app.parks_with for mount, app in apps.items()):
            executor.prepare_parking()
        self._terms = {mount: self._terms_of(mount, app, ranges_max) for mount, app in apps.items()}

    def _terms_of(self, mount: Mount, app: MountedApp, ranges_max: int) -> RunTerms:
        options = mount.options
        return RunTerms(
            self._executor,
            self._coroutines,
            self.reports,
            mount.compression,
            SendfileRoots(options.sendfile_roots, ranges_max) if options.sendfile_roots else None,
            burns=options.lane == "burns",
            lasts=options.lane in ("waits", "burns"),
            debug=functools.partial(self._may_show, app),
            on_overload=self._on_overload,
            give_up=self._binding.give_up,
            is_ending=self._is_ending,
            present=self.present,
        )

    def environ(self, exchange: engine.Exchange, plan: Plan, mount: Mount) -> dict[str, Any]:
        listener: ListenerInfo = exchange.listener
        client = plan.client
        withheld = client.withheld | ID_FIELD if plan.request_id else client.withheld
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
            withheld=withheld,
        )
        if plan.request_id:
            environ["skitai.request_id"] = environ["HTTP_X_REQUEST_ID"] = plan.request_id
        environ["skitai.response_timeout"] = mount.options.response_timeout
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
        if self._notes.are_timed:
            application = functools.partial(self._timed, plan, mounted, environ)
        context = contextvars.copy_context()
        upgrade = None
        if plan.upgrades and self._upgrades is not None:
            self._upgrades.offer(environ)
            caller = self.caller(mount, mounted)
            upgrade = functools.partial(self._upgrades.take, exchange, environ, caller)
        self._notes.waits(plan)
        plan.run = self._new_run(exchange, application, environ, context, mount, mounted, body, upgrade)
        if plan.chain.is_coroutine:
            plan.run.submit_awaited()
            return
        self._submit(plan.run, exchange)

    def caller(self, mount: Mount, mounted: MountedApp) -> Caller:
        """Of an application whose answers are no bodies of HTTP: neither coded, nor files by name."""
        terms = replace(self._terms[mount], compression=None, roots=None)
        return _Caller(self._application, terms, mount, mounted, self._binding)

    def send_coded(self, exchange: engine.Exchange, answer: Answer, coding: Coding) -> None:
        """A file that is compressed on its way."""
        self._submit(CodedFile(exchange, answer, coding, self._executor, self._on_overload), exchange)

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
        run.request_id = begun.request_id  # the environ is the application's by now
        run.enter(begun.thread)
        run.made_at = run.began_at = exchange.received_at
        return run

    def _submit(self, job: engine.Job, exchange: engine.Exchange) -> None:
        self._executor.submit(job)
        if not (self._watching_queue or self._executor.inline):
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
        upgrade: Callable[[], bool] | None = None,
    ) -> Run:
        return Run(
            exchange,
            application,
            environ,
            context,
            self._terms[mount],
            body,
            mount.options.park in mounted.parks_with,
            upgrade,
        )

    def _application(self, mounted: MountedApp, environ: dict[str, Any]) -> Any:
        """In the run's thread and context."""
        if mounted.refresh() and mounted.error is not None:
            self._logs.app(mounted.error.report, "expt")
        application = mounted.application
        self._binding.activate(environ, application)
        return application

    def _timed(self, plan: Plan, mounted: MountedApp, environ: dict[str, Any]) -> Any:
        """The same where somebody wants to know how long the request has waited for this thread."""
        self._notes.called(plan)
        return self._application(mounted, environ)

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


class _Caller:
    """A `skitai.core.upgrades.Caller`."""

    __slots__ = ("_application", "_binding", "_context", "_mount", "_mounted", "_terms", "parks")

    def __init__(
        self,
        application: Callable[[MountedApp, dict[str, Any]], Any],
        terms: RunTerms,
        mount: Mount,
        mounted: MountedApp,
        binding: Binding,
    ) -> None:
        self._application = application
        self._terms = terms
        self._mount = mount
        self._mounted = mounted
        self._binding = binding
        #: As it is before the application is called: one call begins at the end of another, and must not
        #: find what that has put into its context.
        self._context = contextvars.copy_context()
        self.parks = mount.options.park in mounted.parks_with

    @property
    def debug(self) -> Callable[[], bool]:
        return self._terms.debug

    def run(self, exchange: Any, environ: dict[str, Any]) -> Run:
        application = functools.partial(self._application, self._mounted, environ)
        return Run(exchange, application, environ, self._context.copy(), self._terms, None, self.parks)

    def terms(
        self, environ: dict[str, Any], variable: str | None, stage: Callable[[Callable[[Any], None]], Any]
    ) -> engine.CallTerms | None:
        if self._mounted.reloads or self._mount.options.lane not in ("auto", "fast"):
            return None
        return engine.CallTerms(
            self._mounted.application,
            environ,
            variable,
            self._context,
            self._binding.variable,
            self._binding.make,
            stage,
            self._go_on,
            self._terms.reports.failure_in,
            environ.get("HTTP_HOST", ""),
            self._mount.path,
            environ["REQUEST_URI"],
            self._mount.options.lane == "auto",
            self.parks,
        )

    def _go_on(self, exchange: Any, begun: engine.Begun, context: contextvars.Context) -> Run:
        run = Run(exchange, begun.application, begun.environ, context, self._terms, None, self.parks)
        run.is_inside = True
        return run


def _in_debug(mounted: MountedApp) -> bool:
    try:
        return bool(getattr(mounted.application, "debug", False))
    except AppLoadError:
        return mounted.reloads  # somebody is working on it
