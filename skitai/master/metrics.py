"""What Prometheus is told.  docs/operating.md has the table; every name in it is made here.

Names that the network could choose (rooms, origins of calls, hosts that nobody has configured) are no labels,
and of those that there may be many of (mounts, members, databases) the number is bounded.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

from skitai.counters import BOUNDS, Count, Latency, histogram
from skitai.master.child import Phase
from skitai.master.exposition import Family, encode
from skitai.master.live import Counted, Live

__all__ = ["metrics"]

_COUNTS = {
    Count.REQUESTS: ("skitai_requests_total", "Requests that were answered."),
    Count.CONNECTIONS: ("skitai_connections_total", "Connections that were accepted."),
    Count.SERVER_ERRORS: ("skitai_server_errors_total", "Answers with a status from 500 on."),
    Count.OVERDUE: ("skitai_overdue_total", "Handlers that were at work when their client got 503."),
    Count.RESTARTS: ("skitai_restarts_total", "Workers that were started again after they had ended."),
}
_LATENCIES = {
    Latency.QUEUE: ("skitai_queue_seconds", "From a whole request to its handler."),
    Latency.APP: ("skitai_app_seconds", "From the handler's begin to the head of its answer."),
    Latency.DELIVERY: ("skitai_delivery_seconds", "From the head of an answer to its last byte."),
    Latency.UPSTREAM: ("skitai_upstream_seconds", "Requests to other servers that were answered."),
    Latency.LOOP_LAG: ("skitai_loop_lag_seconds", "How late event loops came to what was due."),
}
_CLASSES = ("gone", "1xx", "2xx", "3xx", "4xx", "5xx")
#: What a worker says in its section LIVE.
_LIVE = {
    "loop lag": ("skitai_loop_lag_now_seconds", "How late the event loop is at this moment."),
    "threads": ("skitai_threads", "Threads that may be inside applications at once."),
    "threads inside": ("skitai_threads_inside", "Threads that are."),
    "queued": ("skitai_queued_requests", "Requests that wait for a thread."),
    "parked": ("skitai_parked_handlers", "Handlers that wait without a thread."),
    "coroutines": ("skitai_coroutines", "Requests that asyncio answers."),
    "connections": ("skitai_open_connections", "Connections of clients."),
    "websockets": ("skitai_websockets", "Those of them that are WebSockets."),
}
_MEMBERS = {
    "in_flight": ("skitai_member_in_flight", "Requests to a member of a cluster that are under way."),
    "latency": ("skitai_member_latency_seconds", "How quick it is lately, as load balancing sees it (EWMA)."),
    "ejections": ("skitai_member_ejections", "How often it was ejected for failures."),
    "ejected_for": ("skitai_member_ejected_seconds", "For how much longer it is."),
    "healthy": ("skitai_member_healthy", "Whether health checks find it well."),
}
_POOLED = ("idle", "busy", "connecting", "waiting")


def metrics(house: Counted, live: Live) -> str:
    return encode(
        [*_counted(house), *_instance(house, live), *_of_workers(house, live), *_reached(house, live)]
    )


def _counted(house: Counted) -> Iterator[Family]:
    sums = house.sums()
    for count, (name, meaning) in _COUNTS.items():
        yield Family(name, "counter", meaning).add(sums[count])
    responses = Family(
        "skitai_responses_total",
        "counter",
        "Answers by mount and class of status; host and mount are empty where none was asked.",
    )
    for (host, path), statuses in house.mounts.statuses(sums).items():
        for class_, number in zip(_CLASSES, statuses, strict=True):
            responses.add(number, {"host": host, "mount": path, "status": class_})
    yield responses
    for latency, (name, meaning) in _LATENCIES.items():
        yield Family(name, "histogram", meaning).add_histogram(BOUNDS, *histogram(sums, latency))


def _instance(house: Counted, live: Live) -> Iterator[Family]:
    phases = Family("skitai_workers", "gauge", "Worker processes by what they do.")
    workers = house.workers()
    for phase in Phase:
        phases.add(sum(worker.phase is phase for worker in workers), {"phase": phase.name.lower()})
    yield phases
    ready = Family("skitai_ready", "gauge", "Whether requests should be sent here.")
    yield ready.add(int(not house.unreadiness()))
    yield Family("skitai_uptime_seconds", "gauge", "Since the master began.").add(live.uptime)
    rooms = live.rooms()
    yield Family("skitai_rooms", "gauge", "Rooms that somebody is in.").add(len(rooms))
    yield Family("skitai_room_members", "gauge", "Clients in rooms.").add(sum(rooms.values()))
    mail = live.mail()
    if mail is not None:
        yield Family("skitai_mail_waiting", "gauge", "E-mails that wait in the spool.").add(mail)
    yield from _processes([("master", os.getpid()), *(("worker", worker.pid) for worker in workers)], live)


def _processes(pids: list[tuple[str, int]], live: Live) -> Iterator[Family]:
    resident = Family("skitai_resident_memory_bytes", "gauge", "Of each process (RSS).")
    proportional = Family(
        "skitai_proportional_memory_bytes", "gauge", "The same, shared pages shared out (PSS)."
    )
    cpu = Family("skitai_cpu_seconds_total", "counter", "Processor time of each process.")
    threads = Family("skitai_process_threads", "gauge", "Threads of each process, all kinds.")
    for role, pid in pids:
        for family, value in zip(
            (resident, proportional, cpu, threads), live.processes.usage(pid), strict=True
        ):
            if value is not None:
                family.add(value, {"role": role, "pid": str(pid)})
    yield from (resident, proportional, cpu, threads)


def _of_workers(house: Counted, live: Live) -> Iterator[Family]:
    said = Family("skitai_worker_answers", "gauge", "Whether a worker has said lately how it stands.")
    lasting = Family("skitai_lasting_handlers", "gauge", "Handlers that have run for longer than a second.")
    families = {name: Family(metric, "gauge", meaning) for name, (metric, meaning) in _LIVE.items()}
    for worker in house.workers():
        labels = {"pid": str(worker.pid)}
        said.add(int(live.answers(worker.pid)), labels)
        figures = live.figures(worker.pid).get("LIVE")
        if figures is not None:
            for name, family in families.items():
                family.add(figures[name], labels)
            lasting.add(len(figures["handlers"]), labels)
    yield from (said, lasting, *families.values())


def _reached(house: Counted, live: Live) -> Iterator[Family]:
    calls = Family("skitai_calls", "gauge", "Requests to other servers that are under way.")
    pools = Family(
        "skitai_call_connections", "gauge", "Connections for them, and requests that wait for one."
    )
    statements = Family("skitai_db_statements", "gauge", "Statements of PostgreSQL that are under way.")
    databases = Family("skitai_db_connections", "gauge", "Connections to PostgreSQL, and who waits for one.")
    for worker in house.workers():
        pid = str(worker.pid)
        figures = live.figures(worker.pid)
        if "CALLS" in figures:
            calls.add(figures["CALLS"]["calls"], {"pid": pid})
            origins = figures["CALLS"]["origins"].values()
            for state in _POOLED:
                pools.add(sum(origin[state] for origin in origins), {"pid": pid, "state": state})
        if "DB" in figures:
            statements.add(figures["DB"]["statements"], {"pid": pid})
        for database in live.databases(worker.pid):
            for state in (*_POOLED, "shared"):
                labels = {"pid": pid, "database": database["database"], "state": state}
                databases.add(database[state], labels)
    yield from (calls, pools, statements, databases)
    yield from _clusters(live)


def _clusters(live: Live) -> Iterator[Family]:
    families = {name: Family(metric, "gauge", meaning) for name, (metric, meaning) in _MEMBERS.items()}
    for member in live.members():
        labels = _member_labels(member)
        for name, family in families.items():
            value = member[name]
            family.add(int(value) if isinstance(value, bool) else value, labels)
    yield from families.values()


def _member_labels(member: Mapping[str, Any]) -> dict[str, str]:
    return {"pid": str(member["pid"]), "cluster": member["cluster"], "member": member["member"]}
