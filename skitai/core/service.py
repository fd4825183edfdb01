"""What a request means: the service that the engine calls back.

    admit      loop thread   who asks, which host, which mount; refusals before the body
    execute    loop thread   a file, a redirect, a `Run` for the executor, or another server's answer
    finished   loop thread   the access line

The decision about one request is its `Plan`, kept in ``exchange.context``.
"""

from __future__ import annotations

import contextvars
import functools
import time
from collections.abc import Callable, Collection, Mapping
from typing import Any

from skitai._kernels import AccessRecord, engine, http1, percent_decode
from skitai.core.admission import AdmissionHook, LimitedSink, admission_hook, body_hook, early_refusal
from skitai.core.answer import Answer, send
from skitai.core.apps import MountedApp
from skitai.core.binding import Binding
from skitai.core.bodies import RequestBody, Spool
from skitai.core.codedfiles import negotiate
from skitai.core.coroutines import Coroutines
from skitai.core.environ import make_template
from skitai.core.errorfolders import ErrorFolders
from skitai.core.errorpages import accept_of, busy_answer, error_answer
from skitai.core.forwarded import ClientView, TrustedProxies
from skitai.core.gateway import Run
from skitai.core.grounds import grounds_of
from skitai.core.habitlog import HabitLog
from skitai.core.lanes import LaneCallbacks, make_lane, make_relay_lane
from skitai.core.limitlog import LimitLog
from skitai.core.logs.facade import Logs
from skitai.core.overdue import OverdueRuns
from skitai.core.plans import NOBODY, Chain, Chains, ListenerInfo, Plan
from skitai.core.redirects import quote_path, redirect
from skitai.core.relays import Asked, Begun, PlainWay, Relay
from skitai.core.requestnotes import RequestNotes
from skitai.core.routes import Mount, RouteTable
from skitai.core.runs import Runs
from skitai.core.static import StaticFolder, error_pages, not_there
from skitai.core.transport import further_fields, is_exempt, needs_https, to_https
from skitai.core.upgrades import Upgrades
from skitai.counters import NO_MOUNT, Latency, MountSlots, Row, count_status, observe
from skitai.errors import HTTPError, RemoteProtocolError
from skitai.limits import Limits

__all__ = ["HttpService"]

_FOREVER = float("inf")
#: RFC 7617.
_PROXY_AUTHENTICATE = ("Proxy-Authenticate", 'Basic realm="proxy", charset="UTF-8"')
_FILE_METHODS = frozenset({"GET", "HEAD"})
_ALLOW = ("Allow", "GET, HEAD, OPTIONS")  # where there are only files

#: Whether the server is alive, for whoever watches it; in front of everything, as in Skitai 0.11.
_PONG = engine.StandingAnswer("/ping", [("Content-Type", "text/plain"), ("Content-Length", "4")], b"pong")


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
        notes: RequestNotes,
        logs: Logs,
        access_log: bool,
        debug: bool,
        binding: Binding,
        counts: Row,
        mounts: MountSlots,
        on_worn: Callable[[], None],
        upgrades: Upgrades | None = None,
        relays: Mapping[Mount, Relay] | None = None,
        forward: Relay | None = None,
        is_ending: Callable[[], bool] = bool,
    ) -> None:
        """``binding`` is applied inside the context of each request: it makes the services of
        `skitai.was` belong to it.  ``on_worn()`` is called, perhaps again and again, once half of the
        threads are in handlers that have not returned though their clients got 503; ``upgrades``: what else
        than HTTP a connection may become; ``relays``: of mounts that other servers answer for; ``forward``:
        the proxy for what is none of this server's; ``is_ending()``: whether the server lets its connections
        end."""
        self._forward = None if forward is None else Chain((), None, None, False, False, forward)
        self._upgrades = upgrades
        self._table = table
        self._limits = limits
        self._executor = executor
        self._spool = spool
        self._proxies = proxies
        self._notes = notes
        #: What a request says, or is given, belongs into its answer or line: none is answered without us.
        self._is_asked_always = bool(proxies) or notes.are_of_each
        #: What it says: then no application is called without us, either.
        self._has_lanes = not proxies and not notes.are_brought
        self._logs = logs
        self._access_log = access_log
        self._chains = Chains(apps, folders, relays or {})
        self._counts = counts
        #: By host rule and mounted path.
        self._slots = {
            (site.name, mount.path): mounts.of(site.name, mount.path or "/")
            for site in table.sites
            for mount in site.mounts
        }
        self._overdue = OverdueRuns(counts, 0 if executor.inline else max(1, threads // 2), on_worn)
        self._template = make_template(
            threads=threads, processes=processes, errors=logs.wsgi_errors, was=binding.face, spool=spool
        )
        self._limit_log = LimitLog(logs.server)
        self._habit_log = HabitLog(logs.server)
        self._error_folders = ErrorFolders(limits.error_page_max)
        self._runs = Runs(
            apps,
            self._template,
            notes,
            self._dressed,
            executor=executor,
            coroutines=coroutines,
            logs=logs,
            limit_log=self._limit_log,
            debug=debug,
            ranges_max=limits.ranges_max,
            binding=binding,
            upgrades=upgrades,
            is_ending=is_ending,
        )
        self._lane_callbacks = LaneCallbacks(
            binding,
            logs.request if access_log else None,
            self._runs.reports.warn_about,
            self._runs.reports.failure_in,
        )

    # -- the engine's callbacks -----------------------------------------------------------

    def admit(self, exchange: engine.Exchange) -> None:
        listener: ListenerInfo = exchange.listener
        exchange.context = plan = Plan(self._client_of(exchange, listener), self._table.error_pages)
        self._notes.begin(exchange, plan)
        try:
            if self._forward is not None and exchange.head.form in ("absolute", "authority"):
                plan.chain = self._forward
                self._admit_to_relay(exchange, plan, self._limits.body_max, self._forward.relay)
                return
            self._route(exchange, listener, plan)
            mount, app, relay = plan.chain.mount, plan.chain.app, plan.chain.relay
            if mount is not None and app is not None:
                self._admit_to_app(exchange, plan, mount, app)
            elif mount is not None and relay is not None:
                self._admit_to_relay(exchange, plan, mount.options.body_max, relay)
            elif exchange.head.has_body:
                self.execute(exchange)  # nobody wants the body: answer before it comes
        except HTTPError as error:
            self._refuse(exchange, error)

    def _refuse(self, exchange: engine.Exchange, error: HTTPError) -> None:
        answer = error_answer(error.status, error.why, accept=accept_of(exchange.head))
        if error.status == 407:
            answer.headers.append(_PROXY_AUTHENTICATE)
        if exchange.head.form == "authority":
            # What comes behind CONNECT is meant for a tunnel; it must not be read as requests.
            answer.headers.append(("Connection", "close"))
        send(exchange, self._dressed(exchange, answer))

    def execute(self, exchange: engine.Exchange) -> None:
        plan: Plan = exchange.context
        method = exchange.head.method
        answer = plan.answer
        if answer is None and plan.chain.folders and method in _FILE_METHODS:
            answer = self._find_file(exchange, plan)
        mount, app = plan.chain.mount, plan.chain.app
        if answer is None and mount is not None and app is not None:
            if plan.slash_redirect is None or method not in _FILE_METHODS:
                if plan.chain.folders:  # which had nothing to say
                    exchange.slot = self._slots[plan.host, mount.path]
                self._runs.start(exchange, plan, mount, app)
                return
            answer = redirect(301, plan.slash_redirect, exchange.head.query)
        if answer is None and plan.chain.relay is not None:
            self._pass_on(exchange, plan, plan.chain.relay)
            return
        if plan.body is not None:
            plan.body.close()
        if answer is not None and answer.coding is not None:
            self._runs.send_coded(exchange, answer, answer.coding)
            return
        send(exchange, self._dressed(exchange, answer or _nothing_here(exchange.head)))

    def finished(self, exchange: engine.Exchange) -> None:
        plan: Plan = exchange.context
        self._count(exchange, plan)
        plan.run = None  # it leads back here, and would wait for the collector
        if plan.passage is not None:
            plan.passage.over()
            plan.passage = None
        self._log(exchange, plan)

    def _log(self, exchange: engine.Exchange, plan: Plan) -> None:
        head = exchange.head
        if not self._access_log or (head.form == "authority" and exchange.status == 200):
            return  # a tunnel has its line when it is closed
        record = (
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
        notes = self._notes.of(exchange, plan)
        self._logs.request(record if notes is None else (*record, notes))

    @property
    def present(self) -> Collection[Run]:
        """Those that are inside applications, or awaited.  Any thread may make a copy."""
        return self._runs.present

    def _count(self, exchange: engine.Exchange, plan: Plan) -> None:
        counts, run = self._counts, plan.run
        count_status(counts, exchange.slot, exchange.status)
        if run is None or not exchange.started_at:
            return
        # Nobody may have begun: then all that it took is waiting.
        began_at = run.began_at or exchange.started_at
        observe(counts, Latency.QUEUE, began_at - run.made_at)
        observe(counts, Latency.APP, exchange.started_at - began_at)
        if exchange.progress is engine.Progress.DELIVERED:
            observe(counts, Latency.DELIVERY, exchange.delivered_at - exchange.started_at)

    def refusal(
        self, error: RemoteProtocolError, peer: tuple[str, int], exchange: engine.Exchange | None
    ) -> engine.Refusal:
        self._limit_log.note(f"refused with {error.status}", f"{peer[0]}:{peer[1]}: {error}")
        if exchange is None:
            count_status(self._counts, NO_MOUNT, error.status)
        if exchange is None and self._access_log:
            self._logs.request((time.time(), *peer, "-", "-", "-", error.status, 0, 0.0, 0.0))
        accept = accept_of(exchange.head) if exchange else ""
        answer = error_answer(error.status, str(error), accept=accept)
        if exchange is not None:
            answer = self._dressed(exchange, answer)
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
        answer = busy_answer("The application did not answer in time.", accept_of(head))
        answer = self._dressed(exchange, answer)
        return answer.headers, answer.body

    def limited(self, limit: str, text: str) -> None:
        self._limit_log.note(limit, text)

    @property
    def standing(self) -> tuple[engine.StandingAnswer, ...]:
        return () if self._is_asked_always else (_PONG,)

    @property
    def error_pages(self) -> tuple[engine.ErrorPage, ...]:
        return error_pages()

    def grounds(self, info: ListenerInfo) -> tuple[engine.Ground, ...]:
        if self._is_asked_always:
            return ()
        return grounds_of(self._table, self._chains, info, self._slots)

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

    def lane(self, host: str, path: str, info: ListenerInfo) -> engine.Lane | engine.RelayLane | None:
        site = self._table.host(host)
        if not self._has_lanes or site is None or site.redirect_to:
            return None
        # The certificate is of each connection, and the fields are not the application's.
        if (
            info.verifies
            or (info.scheme == "http" and needs_https(site, info))
            or further_fields(site, info, info.scheme)
        ):
            return None
        mounts = site.match(path)
        chain = self._chains.of(mounts) if mounts else NOBODY
        if chain.mount is None or chain.folders or chain.is_broken:
            return None
        if chain.relay is not None:
            slot = self._slots[site.name, mounts[0].path]
            cut, ids = self._answer_was_cut, self._notes.ids
            return make_relay_lane(chain.mount, chain.relay, info.scheme, cut, self.log, slot, ids)
        if chain.app is None or chain.is_coroutine:
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
            slot=self._slots[site.name, mounts[0].path],
            ids=self._notes.ids,
            callbacks=self._lane_callbacks,
        )

    def go_on(self, exchange: engine.Exchange, begun: engine.Begun, context: contextvars.Context) -> Run:
        listener: ListenerInfo = exchange.listener
        exchange.context = plan = Plan(self._client_of(exchange, listener), self._table.error_pages)
        plan.request_id = begun.request_id
        self._route(exchange, listener, plan)
        mount, app = plan.chain.mount, plan.chain.app
        if mount is None or app is None:
            raise RuntimeError("a request left a lane where no application is mounted")
        exchange.response_timeout = mount.options.response_timeout
        plan.run = run = self._runs.go_on(exchange, begun, context, mount, app)
        return run

    def go_on_relaying(
        self,
        exchange: engine.Exchange,
        way: PlainWay,
        peer: Any,
        pool: Any,
        connection: Any,
        began_at: float,
        body: bytes,
        request_id: str,
    ) -> None:
        listener: ListenerInfo = exchange.listener
        exchange.context = plan = Plan(self._client_of(exchange, listener), self._table.error_pages)
        plan.request_id = request_id
        self._route(exchange, listener, plan)
        exchange.response_timeout = _FOREVER
        begun = Begun(peer, began_at, connection, pool, body)
        plan.passage = way.go_on(self._asked(exchange, plan), begun)

    def _answer_was_cut(self, status: int, text: str) -> None:
        self._limit_log.note(f"answered {status}", text)

    # -- admission ------------------------------------------------------------------------

    def _client_of(self, exchange: engine.Exchange, listener: ListenerInfo) -> ClientView:
        address, port = exchange.peer
        return self._proxies.resolve(address, port, exchange.head, listener.scheme)

    def _route(self, exchange: engine.Exchange, listener: ListenerInfo, plan: Plan) -> None:
        head, client = exchange.head, plan.client
        site = self._table.host(client.host)
        if client.scheme == "https" and head.path != _PONG.path:  # which is no site's
            exchange.further_fields = further_fields(site, listener, client.scheme)
        self._notes.tell(exchange, plan)
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
        if site is None:
            raise HTTPError(421, f"No site is configured for the host {client.host!r}.")
        plan.error_pages = site.error_pages
        if client.scheme == "http" and needs_https(site, listener) and not is_exempt(plan.path):
            plan.answer = to_https(head, client, listener.https_port)
            return
        if site.redirect_to:
            # 308 keeps the method: a form must not become a GET of the other site.
            status = 301 if head.method in _FILE_METHODS else 308
            plan.answer = redirect(status, site.redirect_to + quote_path(_raw(plan.path)), head.query)
            return
        mounts = site.match(plan.path)
        if not mounts:
            raise HTTPError(404, "Nothing is mounted at this path.")
        plan.error_pages = mounts[0].options.error_pages
        plan.host = site.name
        exchange.slot = self._slots[site.name, mounts[0].path]
        plan.chain = self._chains.of(mounts)
        if plan.chain.is_broken:
            raise HTTPError(503, "What is mounted here cannot be served; the server log says why.")
        plan.slash_redirect = site.slash_redirect(plan.path)

    def _admit_to_app(self, exchange: engine.Exchange, plan: Plan, mount: Mount, app: MountedApp) -> None:
        head = exchange.head
        body_max = mount.options.body_max
        if (head.content_length or 0) > body_max:
            raise HTTPError(413, f"The body is larger than {body_max} bytes, the limit of this mount.")
        exchange.response_timeout = mount.options.response_timeout
        upgrades = self._upgrades
        if upgrades is not None and upgrades.is_asked_for(head):
            plan.upgrades = True
            refusal = upgrades.refusal(head, plan.client)
            if refusal is not None:
                send(exchange, self._dressed(exchange, refusal))
                return
        hook = admission_hook(app)
        if hook is not None and self._refuses(hook, exchange, plan, mount):
            return
        if head.has_body:
            hook = body_hook(app) if (head.content_length or 0) > self._limits.body_memory_max else None
            if hook is not None and self._refuses(hook, exchange, plan, mount):
                return
            plan.body = RequestBody(self._spool, self._limits.body_memory_max)
            exchange.sink = LimitedSink(plan.body, body_max, self._limit_log.note)

    def _admit_to_relay(
        self, exchange: engine.Exchange, plan: Plan, body_max: int, relay: Relay | None
    ) -> None:
        assert relay is not None
        head = exchange.head
        if (head.content_length or 0) > body_max:
            raise HTTPError(413, f"The body is larger than {body_max} bytes, the limit of this mount.")
        exchange.response_timeout = _FOREVER  # the passage has clocks of its own
        if head.has_body:
            exchange.is_passed_on = True
            self._pass_on(exchange, plan, relay)

    def _pass_on(self, exchange: engine.Exchange, plan: Plan, relay: Relay) -> None:
        try:
            plan.passage = relay.begin(self._asked(exchange, plan))
        except HTTPError as error:
            self._refuse(exchange, error)

    def _asked(self, exchange: engine.Exchange, plan: Plan) -> Asked:
        self._notes.waits(plan)
        answered = functools.partial(self._notes.answered, plan)
        return Asked(exchange, plan.client, plan.path, self._relay_failed, answered, plan.request_id)

    def _relay_failed(self, exchange: engine.Exchange, status: int, why: str, cause: str) -> None:
        head = exchange.head
        self._limit_log.note(f"answered {status}", f"{head.method} {head.path}: {cause}")
        if exchange.progress is engine.Progress.PENDING:
            self._refuse(exchange, HTTPError(status, why))

    def _refuses(self, hook: AdmissionHook, exchange: engine.Exchange, plan: Plan, mount: Mount) -> bool:
        refusal = early_refusal(hook, self._runs.environ(exchange, plan, mount), self._logs.trace_app)
        if refusal is not None:
            send(exchange, refusal)
        return refusal is not None

    # -- answering ------------------------------------------------------------------------

    def _dressed(self, exchange: engine.Exchange, answer: Answer) -> Answer:
        """With the site's page, where it has one for this error of ours.  Any thread."""
        if not answer.is_error_page:
            return answer
        plan: Plan | None = exchange.context
        return self._error_folders.dressed(answer, (plan or self._table).error_pages)

    def _find_file(self, exchange: engine.Exchange, plan: Plan) -> Answer | None:
        chain = plan.chain
        for place, (mount, folder) in enumerate(chain.folders):
            answer = folder.answer(plan.path[len(mount.path) :], exchange.head, plan.path)
            if answer is not None:
                if (
                    place
                    or self._is_asked_always
                    or exchange.further_fields
                    or (chain.app is not None and admission_hook(chain.app) is not None)
                ):
                    answer.lasting = None  # others have a word about it, at each request
                negotiate(answer, exchange.head, mount.compression)
                return answer
        return None


def _raw(path: str) -> bytes:
    """A decoded path as the client sent it, but for its percent-escapes."""
    return path.encode("utf-8", "surrogateescape")


def _nothing_here(head: http1.RequestHead) -> Answer:
    if head.method in _FILE_METHODS:
        return not_there(accept_of(head))
    if head.method == "OPTIONS":
        return Answer(204, [_ALLOW])
    return error_answer(
        405,
        f"{head.method} is not possible here: there are only files.",
        accept=accept_of(head),
        extra_headers=[_ALLOW],
    )
