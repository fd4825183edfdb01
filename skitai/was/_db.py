"""``was.db``: from a line of a handler to a statement on its way to PostgreSQL.

    s = was.db("127.0.0.1:5432", "mydb", "postgres", "password")
    s.execute("SELECT * FROM cities WHERE country = %s", ("kr",))
    result = s.getwait(2)
    if result.status == 3: result.data         a list of dicts

``was.db("@mydb")`` and ``.lb`` ask one member of a cluster, ``.map`` all of them.  Nothing is connected
before a statement is there.

The caller's thread; what belongs to the loop, `PostgresClient.begin` hands over.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from time import monotonic
from typing import Any, NoReturn, TypeAlias

from skitai.errors import SkitaiError
from skitai.was._call import Call, CallGroup, MapCall, Timing
from skitai.was._callers import group_of, seconds_of, services_here, size_of
from skitai.was._dbnotices import Notices
from skitai.was._dbresult import DbResult
from skitai.was._dbtransaction import Transaction, opening_words
from skitai.was._postgres.classify import shape_of
from skitai.was._postgres.listening import Notice
from skitai.was._postgres.naming import database_at, database_of
from skitai.was._postgres.session import Holder, Opening
from skitai.was._postgres.statement import Database, Params, Statement
from skitai.was._postgres.threaded import Job
from skitai.was._provider import reach

__all__ = ["DbCall", "ask", "ask_all"]

#: A `Call`, or of several members a `MapCall`, whose results are `DbResult`; both know of `Result` only.
Asked: TypeAlias = Any

_FOREVER = float("inf")
_OPTIONS = ("timeout", "connect_timeout", "rows_max", "response_max", "exclusive", "detach")


def ask(server: str, arguments: tuple[Any, ...], options: dict[str, Any]) -> DbCall:
    """One database: ``server`` is host:port, and ``arguments`` are database, user and password; or a URI or a
    DSN, or ``@name``, which stands for all of them.

    ``options``: ``timeout``, ``connect_timeout``, ``rows_max``, ``response_max``; ``exclusive=True``: the
    statement changes its session, and nobody can see that; ``detach=True``: it goes on when the client of
    this request has gone.

    Raises ValueError for what is no database, or a cluster that there is not; TypeError for other arguments.
    """
    return DbCall(_database(server, arguments), options, to_all=False)


def ask_all(server: str, arguments: tuple[Any, ...], options: dict[str, Any]) -> DbCall:
    """All members of a cluster; else as `ask`."""
    return DbCall(_database(server, arguments), options, to_all=True)


def of_cluster(server: str) -> str:
    """``.lb`` and ``.map`` ask clusters only: the @ may be left out.

    Raises ValueError: it is the address of one server."""
    if server.startswith("@"):
        return server
    if not server.replace("_", "").replace("-", "").replace(".", "").isalnum():
        raise ValueError(".lb and .map ask a cluster, as @name; one server is asked by was.db(...)")
    return f"@{server}"


def _database(server: str, arguments: tuple[Any, ...]) -> Database:
    if not isinstance(server, str):
        raise TypeError(f"was.db takes the address of a database or @name, not {server!r}")
    if server.startswith("@"):
        if arguments:
            raise TypeError(f"the members of {server} say database, user and password: was.db({server!r})")
        reach().databases_of(server)
        return Database(server, 0)
    if "=" in server or "://" in server:
        if arguments:
            raise TypeError("a URI or a DSN says database, user and password, too: nothing stands behind it")
        return database_of(server)
    if len(arguments) > 3 or not all(isinstance(argument, str) for argument in arguments):
        raise TypeError("was.db takes address, database, user and password, or @name alone")
    return database_at(server, *arguments, *[""] * (3 - len(arguments)))


def _has_nul(sql: Any) -> bool:
    return "\0" in sql if isinstance(sql, str) else isinstance(sql, bytes) and b"\0" in sql


class _Terms:
    """What was said of a call, or is so by default."""

    __slots__ = ("connect_timeout", "detach", "exclusive", "is_timed", "response_max", "rows_max", "seconds")

    def __init__(self, options: dict[str, Any]) -> None:
        limits = reach().limits
        self.is_timed = options.get("timeout") is not None
        self.seconds = seconds_of(options, "timeout", limits.call_timeout)
        self.connect_timeout = seconds_of(options, "connect_timeout", limits.db_connect_timeout)
        self.rows_max = size_of(options, "rows_max", limits.db_rows_max, "rows, as 1000")
        self.response_max = size_of(options, "response_max", limits.db_response_max)
        self.exclusive = bool(options.pop("exclusive", False))
        self.detach = bool(options.pop("detach", False))
        if options:
            _refuse(options)

    def timing(self) -> tuple[Timing, float, CallGroup | None]:
        """With the deadline of a statement that leaves now, and what it is given up with."""
        deadline = monotonic() + self.seconds
        # What was said of the whole call is the last word; otherwise whoever waits may wait longer.
        latest = deadline if self.is_timed else _FOREVER
        services = None if self.detach else services_here()
        if services is None:
            return Timing(self.seconds, latest), deadline, None
        latest = min(latest, services.deadline)
        return Timing(self.seconds, latest), min(deadline, services.deadline), group_of(services)

    def end_of_request(self) -> float:
        """By when its response has to begin, as a time of `time.monotonic`."""
        services = None if self.detach else services_here()
        return _FOREVER if services is None else services.deadline


def _refuse(options: dict[str, Any]) -> NoReturn:
    unknown = ", ".join(map(repr, options))
    raise TypeError(f"was.db has no argument {unknown}; it has {', '.join(_OPTIONS)}")


class DbCall:
    """A database, and the statement that it was given last, to wait for."""

    __slots__ = ("_call", "_database", "_terms", "_to_all")

    def __init__(self, database: Database, options: dict[str, Any], *, to_all: bool) -> None:
        self._database = database
        self._terms = _Terms(options)
        self._to_all = to_all
        self._call: Call | MapCall | None = None

    def execute(self, sql: Any, params: Params = None) -> Asked:
        """Send a statement, as ``cursor.execute`` of psycopg2 takes it.  What is given can be waited for, and
        so can this object, until it is given another statement.

        Raises ValueError: ``sql`` has a NUL, at which libpq would take it to end.
        """
        self._call = self._send(*self._state(sql, params))
        return self._call

    def begin(
        self,
        isolation: str | None = None,
        *,
        read_only: bool = False,
        deferrable: bool = False,
        timeout: float | None = None,
    ) -> Transaction:
        """A transaction, which begins and ends with its block: ``with was.db("@mydb").begin() as tx``.

        ``isolation``: as SQL has it (``"serializable"``); else what the database has for a default.
        ``timeout``: seconds from its begin until it is rolled back whatever its handler does; else
        ``db_transaction_max``, and never longer than its request.

        Raises TypeError: all members of a cluster have no transaction in common; ValueError for other words.
        """
        if self._to_all:
            raise TypeError(".map asks several databases, which have no transaction in common")
        words = opening_words(isolation, read_only, deferrable)
        seconds = seconds_of({"timeout": timeout}, "timeout", reach().limits.db_transaction_max)

        def start(holder: Holder) -> Call:
            timing, deadline, group = self._terms.timing()
            until = min(monotonic() + seconds, self._terms.end_of_request())
            opening = Opening(
                words, self._database, None, deadline, self._terms.connect_timeout, holder=holder, until=until
            )
            call = self._send(opening, timing, group)
            assert isinstance(call, Call)
            return call

        return Transaction(start, self._state, self._terms.timing()[2])

    def executemany(self, sql: Any, many: Iterable[Params]) -> Asked:
        """One statement with many sets of values, as ``cursor.executemany``: in a thread, one transaction."""
        if _has_nul(sql):
            raise ValueError("a statement cannot have a NUL in it")
        values = list(many)
        return self._work(sql, lambda cursor: cursor.executemany(sql, values))

    def callproc(self, name: str, arguments: Sequence[Any] | Mapping[str, Any] = ()) -> Asked:
        """A function of the database, as ``cursor.callproc``: in a thread, as one transaction."""
        return self._work(name, lambda cursor: cursor.callproc(name, arguments))

    def copy(self, sql: str, file: Any) -> Asked:
        """``COPY ... FROM STDIN`` reads ``file``, ``COPY ... TO STDOUT`` writes it (``cursor.copy_expert``):
        in a thread, as one transaction.  ``rowcount`` of the result is the number of rows.

        Raises TypeError: several databases cannot read or write one file.
        """
        if self._to_all:
            raise TypeError(".map asks several databases, and there is one file: copy to one of them")
        return self._work(sql, lambda cursor: cursor.copy_expert(sql, file))

    def _work(self, sql: Any, work: Callable[[Any], None]) -> Call | MapCall:
        terms = self._terms
        timing, deadline, group = terms.timing()
        job = Job(
            sql,
            self._database,
            None,
            deadline,
            terms.connect_timeout,
            terms.rows_max,
            terms.response_max,
            work=work,
        )
        self._call = self._send(job, timing, group)
        return self._call

    def listen(
        self,
        channel: str,
        on_notice: Callable[[Notice], None] | None = None,
        *,
        timeout: float | None = None,
    ) -> Notices:
        """Notifications, as long as its block lasts: ``with was.db("@mydb").listen("jobs") as notices``.

        ``on_notice(notice)`` is called for each in the loop thread, which it must not keep, instead of
        ``notices.getwait()`` and ``for notice in notices``.  ``timeout``: seconds until the server listens.

        Raises ValueError: it is no name of a channel; or a cluster of several members, each of which tells
        only those who listen there.
        """
        seconds = seconds_of({"timeout": timeout}, "timeout", reach().limits.call_timeout)
        database = self._database
        if database.host.startswith("@"):
            database = reach().databases_of(database.host).sole_member(database.host)
        return Notices(reach().databases.client, database, channel, on_notice, seconds)

    def _state(self, sql: Any, params: Params) -> tuple[Statement, Timing, CallGroup | None]:
        if _has_nul(sql):
            raise ValueError("a statement cannot have a NUL in it")
        terms = self._terms
        timing, deadline, group = terms.timing()
        shape = shape_of(sql, params is not None)
        statement = Statement(
            sql,
            self._database,
            params,
            deadline,
            terms.connect_timeout,
            terms.rows_max,
            terms.response_max,
            reads_only=shape.reads_only and not terms.exclusive,
            may_change_session=terms.exclusive or not shape.is_shareable,
        )
        return statement, timing, group

    def _send(self, statement: Any, timing: Timing, group: CallGroup | None) -> Call | MapCall:
        # A statement is carried by what carries requests.
        if self._to_all:
            cluster = reach().databases_of(self._database.host).clusters[self._database.host]
            return MapCall(cluster.begin_all, statement, DbResult, timing, group)
        begin: Any = reach().way_to_database(self._database)
        return Call(begin, statement, DbResult, timing, group)

    # -- waiting for it -------------------------------------------------------------------------------

    @property
    def _asked(self) -> Any:
        if self._call is None:
            raise RuntimeError('nothing was asked: s.execute("SELECT ...") comes before s.getwait()')
        return self._call

    @property
    def done(self) -> bool:
        """There is a result: waiting would take no time."""
        return bool(self._asked.done)

    def wait(self, timeout: float | None = None) -> bool:
        """Whether there is a result within ``timeout`` seconds; nothing is given up."""
        return bool(self._asked.wait(timeout))

    def getwait(self, timeout: float | None = None) -> DbResult:
        """The result; at most ``timeout`` seconds after `execute`, which is given up then."""
        result: DbResult = self._asked.getwait(timeout)
        return result

    def getswait(self, timeout: float | None = None, need: int = 0) -> list[DbResult]:
        """``need``: of several members."""
        results: list[DbResult] = (
            self._asked.getswait(timeout, need) if self._to_all else self._asked.getswait(timeout)
        )
        return results

    def cancel(self, error: SkitaiError | None = None) -> None:
        """Give the statement up; the server is told, too."""
        self._asked.cancel(error)

    def __await__(self) -> Generator[Any, None, Any]:
        given: Generator[Any, None, Any] = self._asked.__await__()
        return given

    def __iter__(self) -> Iterator[DbResult]:
        """The results of the members, as they come."""
        return iter(self._asked if self._to_all else self._asked.getswait())
