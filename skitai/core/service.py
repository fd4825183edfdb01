"""What a request means: the service that the engine calls back.

    admit      loop thread   who asks, which host, which mount; refusals before the body
    execute    loop thread   a file, a redirect, or a `Run` for the executor
    finished   loop thread   the access line

The decision about one request is its `Plan`, kept in ``exchange.context``.
"""

from __future__ import annotations

import contextvars
import functools
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from skitai._kernels import AccessRecord, engine, http1, percent_decode
from skitai.core.admission import LimitedSink, admission_hook, early_refusal
from skitai.core.answer import Answer
from skitai.core.apps import MountedApp, WSGIApplication
from skitai.core.binding import Binding
from skitai.core.bodies import RequestBody, Spool
from skitai.core.coroutines import Coroutines, is_coroutine_function
from skitai.core.environ import build_environ, make_template, wsgi_string
from skitai.core.errorpages import error_answer
from skitai.core.forwarded import ClientView, TrustedProxies
from skitai.core.gateway import Run, RunReports
from skitai.core.habitlog import HabitLog
from skitai.core.lanes import LaneCallbacks, make_lane
from skitai.core.limitlog import LimitLog
from skitai.core.logs.facade import Logs
from skitai.core.overdue import OverdueRuns
from skitai.core.redirects import quote_path, redirect
from skitai.core.routes import Mount, RouteTable
from skitai.core.static import StaticFolder
from skitai.counters import Row
from skitai.errors import AppLoadError, ClientDisconnected, HTTPError, RemoteProtocolError
from skitai.limits import Limits

__all__ = ["HttpService", "ListenerInfo"]

_FILE_METHODS = frozenset({"GET", "HEAD"})

#: Whether the server is alive, for whoever watches it; in front of everything, as in Skitai 0.11.
_PONG = engine.StandingAnswer("/ping", [("Content-Type", "text/plain"), ("Content-Length", "4")], b"pong")


@dataclass(frozen=True, slots=True)
class ListenerInfo:
    """``server`` is the address for SERVER_NAME and SERVER_PORT when a client names no host."""

    scheme: str
    server: tuple[str, int]


@dataclass(frozen=True, slots=True)
class Chain:
    """Who is asked for a path, in order: the folders, then the application.

    A folder above the application's own path is not among them: the application is nearer.
    ``is_broken``: what is mounted at the nearest path cannot be served, and nothing further up
    makes up for it.  ``is_coroutine``: calling the application makes a coroutine, and no more.
    """

    folders: tuple[tuple[Mount, StaticFolder], ...]
    mount: Mount | None
    app: MountedApp | None
    is_broken: bool
    is_coroutine: bool


_NOBODY = Chain((), None, None, False, False)


@dataclass(slots=True)
class Plan:
    """What was decided about one request.  ``answer`` is set where it needs nobody else;
    otherwise `HttpService.execute` asks the ``chain``."""

    client: ClientView
    path: str = ""
    chain: Chain = _NOBODY
    slash_redirect: str | None = None
    answer: Answer | None = None
    body: RequestBody | None = None
    environ: dict[str, Any] | None = None
    run: Run | None = None


class HttpService:
    """Made before the loop runs; its methods are the engine's `Service`."""

    def __init__(
        self,
        table: RouteTable,
        apps: Mapping[Mount, MountedApp],
        folders: Mapping[Mount, StaticFolder],
        *,
        limits: Limits,
        threads: int,
        processes: int,
        executor: engine.Executor,
        coroutines: Coroutines,
        spool: Spool,
        proxies: TrustedProxies,
        logs: Logs,
        access_log: bool,
        debug: bool,
        binding: Binding,
        counts: Row,
        on_worn: Callable[[], None],
    ) -> None:
        """``binding`` is applied inside the context of each request: it makes the services of
        `skitai.was` belong to it.  ``on_worn()`` is called, perhaps again and again, once half of the
        threads are in handlers that have not returned though their clients got 503."""
        self._table = table
        self._apps = apps
        self._folders = folders
        self._limits = limits
        self._executor = executor
        self._coroutines = coroutines
        self._spool = spool
        self._proxies = proxies
        self._logs = logs
        self._access_log = access_log
        self._debug = debug
        self._binding = binding
        self._chains: dict[tuple[Mount, ...], Chain] = {}
        #: Whether clients may see tracebacks.  Made here once: thousands of runs may wait at once.
        self._debugs = {app: functools.partial(self._may_show, app) for app in apps.values()}
        self._watching_queue = False
        self._overdue = OverdueRuns(counts, 0 if executor.inline else max(1, threads // 2), on_worn)
        self._template = make_template(
            threads=threads, processes=processes, errors=logs.wsgi_errors, was=binding.face
        )
        self._reports = RunReports(
            failure=functools.partial(logs.app, kind="expt"),
            warn=logs.app_warning,
            error_page=self._error_page,
        )
        self._limit_log = LimitLog(logs.server)
        self._habit_log = HabitLog(logs.server)
        self._lane_callbacks = LaneCallbacks(
            binding,
            logs.request if access_log else None,
            self._reports.warn_about,
            self._reports.failure_in,
        )

    # -- the engine's callbacks -----------------------------------------------------------

    def admit(self, exchange: engine.Exchange) -> None:
        exchange.context = plan = Plan(self._client_of(exchange))
        try:
            self._route(exchange, plan)
            mount, app = plan.chain.mount, plan.chain.app
            if mount is not None and app is not None:
                self._admit_to_app(exchange, plan, mount, app)
            elif exchange.head.has_body:
                self.execute(exchange)  # nobody wants the body: answer before it comes
        except HTTPError as error:
            answer = error_answer(error.status, error.why, accept=_accept(exchange.head))
            if exchange.head.form == "authority":
                # What comes behind CONNECT is meant for a tunnel; it must not be read as requests.
                answer.headers.append(("Connection", "close"))
            _send(exchange, answer)

    def execute(self, exchange: engine.Exchange) -> None:
        plan: Plan = exchange.context
        method = exchange.head.method
        answer = plan.answer
        if answer is None and plan.chain.folders and method in _FILE_METHODS:
            answer = self._find_file(exchange, plan)
        mount, app = plan.chain.mount, plan.chain.app
        if answer is None and mount is not None and app is not None:
            if plan.slash_redirect is None or method not in _FILE_METHODS:
                self._run(exchange, plan, mount, app)
                return
            answer = redirect(301, plan.slash_redirect, exchange.head.query)
        if plan.body is not None:
            plan.body.close()
        _send(exchange, answer or _nothing_here(exchange.head))

    def finished(self, exchange: engine.Exchange) -> None:
        plan: Plan = exchange.context
        plan.run = None  # it leads back here, and would wait for the collector
        if not self._access_log:
            return
        head = exchange.head
        self._logs.request(
            (
                time.time(),
                plan.client.address,
                plan.client.port,
                head.method,
                head.target,
                head.http_version,
                # 499 as nginx has it: the client left before there was a status.
                exchange.status or 499,
                exchange.bytes_sent,
                (exchange.started_at or exchange.delivered_at) - exchange.received_at,
                exchange.delivered_at - (exchange.started_at or exchange.delivered_at),
            )
        )

    def refusal(
        self, error: RemoteProtocolError, peer: tuple[str, int], exchange: engine.Exchange | None
    ) -> engine.Refusal:
        self._limit_log.note(f"refused with {error.status}", f"{peer[0]}:{peer[1]}: {error}")
        if exchange is None and self._access_log:
            self._logs.request((time.time(), *peer, "-", "-", "-", error.status, 0, 0.0, 0.0))
        accept = _accept(exchange.head) if exchange else ""
        answer = error_answer(error.status, str(error), accept=accept)
        return answer.headers, answer.body

    def overdue(self, exchange: engine.Exchange) -> engine.Refusal:
        head = exchange.head
        self._logs.app_warning(
            f"{head.method} {head.target}: no response within response_timeout "
            f"({exchange.response_timeout:g} s); the client got 503"
        )
        plan: Plan = exchange.context
        if plan.run is not None:
            self._overdue.add(plan.run)
        answer = _busy("The application did not answer in time.", head)
        return answer.headers, answer.body

    def limited(self, limit: str, text: str) -> None:
        self._limit_log.note(limit, text)

    @property
    def standing(self) -> tuple[engine.StandingAnswer, ...]:
        # Whom a proxy speaks for stands in the request, and belongs into its access line.
        return () if self._proxies else (_PONG,)

    @property
    def log(self) -> Callable[[AccessRecord], None] | None:
        return self._logs.request if self._access_log else None

    def learned(self, habit: engine.Habit, before: str) -> None:
        self._habit_log.note(habit, before)

    # -- lanes: see `skitai.core.lanes` -----------------------------------------------------

    @property
    def executor(self) -> engine.Executor:
        return self._executor

    @property
    def depth(self) -> int:
        return self._table.depth

    def lane(self, host: str, path: str, info: ListenerInfo) -> engine.Lane | None:
        site = self._table.host(host)
        if self._proxies or site is None or site.redirect_to:
            return None
        mounts = site.match(path)
        chain = (self._chains.get(mounts) or self._chain_of(mounts)) if mounts else _NOBODY
        if chain.mount is None or chain.app is None or chain.folders or chain.is_broken or chain.is_coroutine:
            return None
        if chain.mount.options.lane in ("waits", "burns") and not self._executor.inline:
            return None
        return make_lane(
            chain.mount,
            chain.app,
            self._template,
            host=host,
            scheme=info.scheme,
            server=info.server,
            body_memory_max=self._limits.body_memory_max,
            callbacks=self._lane_callbacks,
        )

    def go_on(self, exchange: engine.Exchange, begun: engine.Begun, context: contextvars.Context) -> Run:
        exchange.context = plan = Plan(self._client_of(exchange))
        self._route(exchange, plan)
        mount, app = plan.chain.mount, plan.chain.app
        if mount is None or app is None:
            raise RuntimeError("a request left a lane where no application is mounted")
        exchange.response_timeout = mount.options.response_timeout
        plan.run = self._new_run(exchange, begun.application, begun.environ, context, mount, app, None)
        plan.run.is_inside = True
        return plan.run

    # -- admission ------------------------------------------------------------------------

    def _client_of(self, exchange: engine.Exchange) -> ClientView:
        listener: ListenerInfo = exchange.listener
        address, port = exchange.peer
        return self._proxies.resolve(address, port, exchange.head, listener.scheme)

    def _route(self, exchange: engine.Exchange, plan: Plan) -> None:
        head = exchange.head
        if head.form == "authority":
            raise HTTPError(405, "CONNECT is for proxies; this server is none.")
        if head.path == "*":  # also ``OPTIONS http://host`` (RFC 9112 section 3.2.4)
            plan.answer = Answer(
                200, [("Allow", "GET, HEAD, POST, PUT, DELETE, OPTIONS"), ("Content-Length", "0")]
            )
            return
        if "%" in head.path:
            raw_path = percent_decode(head.path)
            if b"\0" in raw_path:
                raise HTTPError(400, "The path contains a NUL byte.")
            plan.path = raw_path.decode("utf-8", "surrogateescape")
        else:
            plan.path = head.path  # visible ASCII, as the kernel has it
        if plan.path == _PONG.path:
            plan.answer = Answer(200, _PONG.headers, _PONG.body)
            return
        site = self._table.host(plan.client.host)
        if site is None:
            raise HTTPError(421, f"No site is configured for the host {plan.client.host!r}.")
        if site.redirect_to:
            # 308 keeps the method: a form must not become a GET of the other site.
            status = 301 if head.method in _FILE_METHODS else 308
            plan.answer = redirect(status, site.redirect_to + quote_path(_raw(plan.path)), head.query)
            return
        mounts = site.match(plan.path)
        if not mounts:
            raise HTTPError(404, "Nothing is mounted at this path.")
        plan.chain = self._chains.get(mounts) or self._chain_of(mounts)
        if plan.chain.is_broken:
            raise HTTPError(503, "What is mounted here cannot be served; the server log says why.")
        plan.slash_redirect = site.slash_redirect(plan.path)

    def _chain_of(self, mounts: tuple[Mount, ...]) -> Chain:
        """As many as there are mounted paths: each is worked out once."""
        mount = next((mount for mount in mounts if mount in self._apps), None)
        folders = tuple(
            (other, self._folders[other])
            for other in mounts
            if other in self._folders and (mount is None or len(other.path) >= len(mount.path))
        )
        nearest = mounts[0].path
        served = [other.path for other, _ in folders] + ([mount.path] if mount else [])
        app = self._apps[mount] if mount else None
        chain = self._chains[mounts] = Chain(
            folders, mount, app, nearest not in served, app is not None and _is_coroutine(app)
        )
        return chain

    def _admit_to_app(self, exchange: engine.Exchange, plan: Plan, mount: Mount, app: MountedApp) -> None:
        head = exchange.head
        body_max = mount.options.body_max
        if (head.content_length or 0) > body_max:
            raise HTTPError(413, f"The body is larger than {body_max} bytes, the limit of this mount.")
        exchange.response_timeout = mount.options.response_timeout
        hook = admission_hook(app)
        if hook is not None:
            refusal = early_refusal(hook, self._environ(exchange, plan, mount), self._logs.trace_app)
            if refusal is not None:
                _send(exchange, refusal)
                return
        if head.has_body:
            plan.body = RequestBody(self._spool, self._limits.body_memory_max)
            exchange.sink = LimitedSink(plan.body, body_max, self._limit_log.note)

    # -- answering ------------------------------------------------------------------------

    def _find_file(self, exchange: engine.Exchange, plan: Plan) -> Answer | None:
        chain = plan.chain
        for place, (mount, folder) in enumerate(chain.folders):
            answer = folder.answer(plan.path[len(mount.path) :], exchange.head, plan.path)
            if answer is not None:
                if (
                    place
                    or self._proxies
                    or (chain.app is not None and admission_hook(chain.app) is not None)
                ):
                    answer.lasting = None  # others have a word about it, at each request
                return answer
        return None

    def _run(self, exchange: engine.Exchange, plan: Plan, mount: Mount, mounted: MountedApp) -> None:
        environ = plan.environ or self._environ(exchange, plan, mount)
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
        self._executor.submit(plan.run)
        if not self._watching_queue:
            self._watch_queue(exchange)

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
            self._reports,
            body=body,
            burns=exchange.burns or mount.options.lane == "burns",
            lasts=exchange.lasts or mount.options.lane in ("waits", "burns"),
            parks=mount.options.park,
            debug=self._debugs[mounted],
            on_overload=self._shed,
        )

    def _may_show(self, mounted: MountedApp) -> bool:
        return self._debug or _in_debug(mounted)

    def _watch_queue(self, exchange: engine.Exchange) -> None:
        """Have the loop look again when the oldest waiting run will have waited too long."""
        delay = self._executor.shed_late()
        self._watching_queue = delay is not None
        if delay is not None:
            exchange.call_later(delay, functools.partial(self._watch_queue, exchange))

    def _application(self, mounted: MountedApp, environ: dict[str, Any]) -> Any:
        """In the run's thread and context."""
        if mounted.refresh() and mounted.error is not None:
            self._logs.app(mounted.error.report, "expt")
        application = mounted.application
        self._binding.activate(environ, application)
        return application

    def _environ(self, exchange: engine.Exchange, plan: Plan, mount: Mount) -> dict[str, Any]:
        listener: ListenerInfo = exchange.listener
        client = plan.client
        plan.environ = build_environ(
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
        return plan.environ

    def _shed(self, exchange: engine.Exchange, limit: str, why: str) -> None:
        head = exchange.head
        self._limit_log.note(limit, f"{head.method} {head.target} was not let in; the client got 503")
        _send(exchange, _busy(why, head))

    def _error_page(
        self, exchange: engine.Exchange, status: int, why: str, detail: str
    ) -> tuple[http1.Headers, bytes]:
        answer = error_answer(status, why, accept=_accept(exchange.head), detail=detail)
        return answer.headers, answer.body


def _is_coroutine(app: MountedApp) -> bool:
    # The next version of one that reloads may be something else.
    return not app.reloads and app.error is None and is_coroutine_function(app.application)


def _in_debug(mounted: MountedApp) -> bool:
    try:
        return bool(getattr(mounted.application, "debug", False))
    except AppLoadError:
        return mounted.reloads  # somebody is working on it


def _raw(path: str) -> bytes:
    """A decoded path as the client sent it, but for its percent-escapes."""
    return path.encode("utf-8", "surrogateescape")


def _send(exchange: engine.Exchange, answer: Answer) -> None:
    try:
        if answer.file is not None:
            if answer.lasting is not None:
                exchange.keep(answer.lasting, answer.file.fileno())
            exchange.respond_file(answer.status, answer.headers, answer.file, answer.offset, answer.count)
        else:
            exchange.respond(answer.status, answer.headers, answer.body)
    except ClientDisconnected:
        return  # the access line will say so


def _nothing_here(head: http1.RequestHead) -> Answer:
    if head.method in _FILE_METHODS:
        return error_answer(404, "There is no such file.", accept=_accept(head))
    return error_answer(
        405,
        f"{head.method} is not possible here: there are only files.",
        accept=_accept(head),
        extra_headers=[("Allow", "GET, HEAD")],
    )


def _busy(why: str, head: http1.RequestHead) -> Answer:
    return error_answer(503, why, accept=_accept(head), extra_headers=[("Retry-After", "1")])


def _accept(head: http1.RequestHead) -> str:
    return head.get("accept") or ""
