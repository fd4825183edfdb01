"""How the members of a cluster of databases are asked, and what their outcomes say about them.

Whether a statement may be asked of another member has one answer here: only if it has certainly not run.  No
connection came about, or it was broken before the statement had left.

Functions without state; any thread.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from skitai._kernels import engine
from skitai.errors import CallCancelled, CallsQueueFull, NetworkTimeout, ResponseTooLarge, SkitaiError
from skitai.was._membership import Peer
from skitai.was._postgres.driver import psycopg2
from skitai.was._postgres.naming import database_of_member
from skitai.was._postgres.statement import Rows, Statement
from skitai.was._ways import Ways

__all__ = ["POSTGRESQL"]

#: SQLSTATE: what a server answers that is going, is not ready, or is full (classes of the appendix
#: "PostgreSQL Error Codes": operator intervention, insufficient resources).
_UNWELL = ("57P01", "57P02", "57P03", "53")


def ending_of(rows: Rows) -> engine.Ending:
    error = rows.error
    if error is None or isinstance(error, ResponseTooLarge):
        return engine.Ending.OK
    if isinstance(error, NetworkTimeout):
        return engine.Ending.TIMEOUT
    if isinstance(error, (CallCancelled, CallsQueueFull)):
        return engine.Ending.CANCELLED
    if isinstance(error, SkitaiError):
        return engine.Ending.FAILED
    state = getattr(error, "pgcode", None)
    if state:  # the server has answered, and it was the statement that was wrong
        return engine.Ending.FAILED if state.startswith(_UNWELL) else engine.Ending.OK
    is_of_connection = isinstance(error, (psycopg2.OperationalError, psycopg2.InterfaceError))
    return engine.Ending.FAILED if is_of_connection else engine.Ending.CANCELLED


def failure_of(rows: Rows) -> str:
    """What was wrong, in words."""
    return str(rows.error).strip()


def may_be_repeated(statement: Statement, rows: Rows) -> bool:
    return rows.has_not_run


def may_be_hedged(statement: Statement) -> bool:
    """It would run twice."""
    return False


def request_for(peer: Peer, statement: Statement) -> Statement:
    database: Any = peer.origin
    return replace(statement, origin=database)


def _latency_of(outcome: Any) -> float:
    """Rows are kept in memory: who reads them slows nobody."""
    return 0.0


POSTGRESQL = Ways(
    "postgresql",
    "was.db",
    database_of_member,
    request_for,
    ending_of,
    failure_of,
    _latency_of,
    may_be_repeated,
    may_be_hedged,
)
