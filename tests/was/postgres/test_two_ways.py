"""What a statement gives does not depend on the connection that it ran on: for itself, or shared with others.

psycopg2 itself, with a connection that waits, says what is right.
"""

from __future__ import annotations

import datetime
import decimal
from collections.abc import Iterator
from typing import Any

import psycopg2
import psycopg2.extensions
import pytest
from psycopg2.extras import Json, Range

from skitai.was._postgres.classify import shape_of
from skitai.was._postgres.libpq import libpq
from skitai.was._postgres.statement import Rows
from tests.postgres import Postgres
from tests.was.postgres.asking import Asking, asking
from tests.was.postgres.sharing import SharesAllThatMay


@pytest.fixture(params=["exclusive", "pipelined"])
def db(request: pytest.FixtureRequest, postgres: Postgres) -> Iterator[Asking]:
    with asking(postgres, db_connections_max=2) as world:
        if request.param == "pipelined":
            world.client.sharing = SharesAllThatMay()
        yield world


@pytest.fixture
def plain(postgres: Postgres) -> Iterator[Any]:
    connection = psycopg2.connect(postgres.dsn)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE cities (id int PRIMARY KEY, name varchar(9) UNIQUE, area numeric(8, 2),"
            " state int REFERENCES cities DEFERRABLE INITIALLY DEFERRED, CHECK (id > 0))"
        )
        cursor.execute("INSERT INTO cities SELECT i, 'city ' || i, i * 1.5 FROM generate_series(1, 9) i")
    yield connection
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE cities")
    connection.close()


def shared(db: Asking) -> bool:
    return db.client.sharing is not None


def may_share(text: Any, params: Any) -> bool:
    return libpq().keeps_step or shape_of(text, params is not None).reads_only


def by_psycopg2(plain: Any, text: Any, params: Any) -> Any:
    """What a cursor gives, and the table is as before."""
    plain.autocommit = False
    try:
        with plain.cursor() as cursor:
            cursor.execute(text, params)
            found = [] if cursor.description is None else cursor.fetchall()
            plain.commit()
            return cursor.description, found, cursor.rowcount
    except Exception as error:
        return error
    finally:
        plain.rollback()
        plain.autocommit = True


def shown(error: BaseException) -> dict[str, Any]:
    """All that can be seen of an exception of psycopg2's."""
    found: dict[str, Any] = {"type": type(error), "text": str(error), "arguments": error.args}
    if isinstance(error, psycopg2.Error):
        found |= {"pgcode": error.pgcode, "pgerror": error.pgerror}
        # Lines of the server's own source, which differ with the way that a statement comes.
        hidden = ("source_file", "source_function", "source_line")
        names = [name for name in dir(error.diag) if not name.startswith("_") and name not in hidden]
        assert "message_primary" in names
        found |= {name: getattr(error.diag, name) for name in names}
    return found


def seen(value: Any) -> Any:
    """A value with its type; not-a-number equals itself."""
    return type(value), bytes(value) if isinstance(value, memoryview) else repr(value)


def is_as_psycopg2_has_it(rows: Rows, right: Any) -> None:
    if isinstance(right, Exception):
        assert rows.error is not None, rows.rows
        assert shown(rows.error) == shown(right)
        return
    description, found, count = right
    assert rows.error is None
    assert [list(map(seen, row)) for row in rows.rows] == [list(map(seen, row)) for row in found]
    assert rows.rowcount == count
    assert (rows.description is None) == (description is None)
    if description is not None:
        assert tuple(rows.description) == tuple(description)
        for ours, theirs in zip(rows.description, description, strict=True):
            for name in ("name", "type_code", "display_size", "internal_size", "precision", "scale"):
                assert getattr(ours, name) == getattr(theirs, name)
            assert (ours.table_oid, ours.table_column) == (theirs.table_oid, theirs.table_column)


VALUES = [
    "1, -1, 0, 32767::int2, 2147483647, 9223372036854775807, -9223372036854775808, 7::oid",
    "1.5::float8, 'NaN'::float8, '-Infinity'::float4, 1e300, 0.1::float4, -0.0::float8",
    "true, false, NULL::bool, NULL::int, NULL, NULL::float8, NULL::text, NULL::json, NULL::int[]",
    "1.10::numeric(6, 3), 'NaN'::numeric, 12345678901234567890.5, 0::numeric(3)",
    "'', 'x', 'é€\U0001f600'::varchar(20), 'fixed'::char(9), 'n'::name, '1'::\"char\"",
    "'2026-11-23'::date, '2026-11-23 12:30:01.5'::timestamp, '12:30'::time, '1 day 2 hours'::interval",
    "'2026-11-23 12:30:01.5+03'::timestamptz, '12:30+02'::timetz",
    "E'\\\\x00ff'::bytea, '{\"a\": [1, null]}'::json, '{\"a\": 1}'::jsonb, '[1,5)'::int4range",
    "'{1,NULL,3}'::int[], '{{a,b},{c,NULL}}'::text[], '{}'::bool[], '{1.5}'::float8[], '{1.1}'::numeric[]",
    "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid, '127.0.0.1'::inet, '1'::xid, '(1,2)'::point, ROW(1, 'a')",
]

STATEMENTS: list[tuple[Any, Any]] = [
    *((f"SELECT {values}", None) for values in VALUES),
    ("SELECT * FROM cities ORDER BY id", None),
    ("SELECT name, area FROM cities WHERE id = %s", (3,)),
    ("SELECT name FROM cities WHERE id = %(id)s AND name LIKE 'city%%'", {"id": 4}),
    ("SELECT name FROM cities WHERE name LIKE 'city 1%'", None),
    ("SELECT * FROM cities WHERE id = -1", None),
    ("SELECT FROM cities", None),
    ("SELECT 1 AS \"é\", 2 AS \"é\", 3 AS \"?column?\"", None),
    (b"SELECT 'by bytes'", None),
    ("SELECT %s, %s", (Json({"a": "é"}), [1, 2])),
    ("SELECT %s", (Range(1, 5),)),
    ("SELECT %s", (datetime.datetime(2026, 11, 23, tzinfo=datetime.timezone.utc),)),
    ("SELECT %s, %s, %s", (decimal.Decimal("1.5"), "a'b\\c", b"\x00\xff")),
    ("VALUES (1, 'a'), (2, 'b');", None),
    ("WITH a AS (SELECT 1 AS i) SELECT i + 1 FROM a -- that is all", None),
    ("INSERT INTO cities VALUES (10, 'ten', NULL) RETURNING id, name", None),
    ("INSERT INTO cities VALUES (11, 'a', NULL), (12, 'b', NULL)", None),
    ("UPDATE cities SET area = area + %s WHERE id < %s", (1, 4)),
    ("UPDATE cities SET area = area WHERE id < 0", None),
    ("DELETE FROM cities WHERE id = 2", None),
    ("DELETE FROM cities WHERE id > 2 RETURNING *", None),
    ("SELECT generate_series(1, 3000), repeat('x', 100)", None),
    # Refused by the server,
    ("SELECT 1/0", None),
    ("SELECT nothing FROM cities", None),
    ("SELECT name FROM cities WHERE\n  nme = 'é' AND id = 1", None),
    ("SELECT * FROM nowhere", None),
    ("SELECT FORM cities", None),
    ("SELECT 'a'::int", None),
    ("INSERT INTO cities VALUES (1, 'again', NULL)", None),
    ("INSERT INTO cities VALUES (-1, 'below', NULL)", None),
    ("INSERT INTO cities VALUES (20, 'much too long', NULL)", None),
    ("INSERT INTO cities VALUES (NULL, 'none', NULL)", None),
    ("INSERT INTO cities VALUES (20, 'x', 1e9)", None),
    ("SELECT id, 1 / (id - 5) FROM cities ORDER BY id", None),
    # at the end of its transaction,
    ("INSERT INTO cities VALUES (21, 'y', 1, 99)", None),
    ("INSERT INTO cities VALUES (21, 'y', 1, 99) RETURNING id", None),
    # or by psycopg2.
    ("SELECT %s, %s", (1,)),
    ("SELECT %s", (1, 2)),
    ("SELECT %(a)s", {"b": 1}),
    ("SELECT %s", (object(),)),
    ("SELECT %s", ("a\0b",)),
]  # fmt: skip


@pytest.mark.parametrize(("text", "params"), STATEMENTS, ids=lambda value: str(value)[:60])
def test_as_psycopg2_has_it(db: Asking, plain: Any, text: Any, params: Any) -> None:
    with plain.cursor() as cursor:
        cursor.execute("CREATE TABLE kept AS TABLE cities")
    right = by_psycopg2(plain, text, params)
    with plain.cursor() as cursor:
        cursor.execute("DELETE FROM cities; INSERT INTO cities TABLE kept; DROP TABLE kept")
    assert shape_of(text, params is not None).is_shareable
    is_as_psycopg2_has_it(db.ask(text, params), right)
    assert db.state()["shared"] == (shared(db) and may_share(text, params))


def test_all_of_them_at_once(db: Asking, plain: Any) -> None:
    """Each gets its own, and what is refused takes no other one with it."""
    reads = [each for each in STATEMENTS if str(each[0]).startswith("SELECT")] * 3
    right = [by_psycopg2(plain, *each) for each in reads]
    asked = [db.begin(*each) for each in reads]
    for one, expected in zip(asked, right, strict=True):
        is_as_psycopg2_has_it(one.rows(), expected)


def test_casters_that_somebody_has_registered(db: Asking) -> None:
    """In place of psycopg2's own as well; they are asked what NULL is."""
    extensions = psycopg2.extensions
    before = {oid: extensions.string_types.get(oid) for oid in (23, 25, 701, 16, 790)}

    def tell(value: Any, cursor: Any) -> Any:
        return value, cursor.connection.encoding

    extensions.register_type(extensions.new_type((23, 25, 701, 16, 790), "TOLD", tell))
    try:
        text = "SELECT 1, 'a'::text, 1.5::float8, true, '2'::money, NULL::int, NULL::money"
        assert db.give(text) == [
            tuple((value, "UTF8") for value in ("1", "a", "1.5", "t", "$2.00", None, None))
        ]
    finally:
        for oid, caster in before.items():
            if caster is None:
                del extensions.string_types[oid]
            else:
                extensions.string_types[oid] = caster
    assert db.give("SELECT 1, NULL::int") == [(1, None)]


def test_a_caster_that_fails(db: Asking) -> None:
    def fail(value: Any, cursor: Any) -> Any:
        raise ArithmeticError(value)

    psycopg2.extensions.register_type(psycopg2.extensions.new_type((790,), "FAILS", fail))
    try:
        asked = [db.begin("SELECT 1"), db.begin("SELECT '2'::money"), db.begin("SELECT 3")]
        assert [one.rows().rows for one in asked] == [[(1,)], (), [(3,)]]
        assert repr(asked[1].rows().error) == "ArithmeticError('$2.00')"
    finally:
        del psycopg2.extensions.string_types[790]


def test_a_connection_that_does_not_speak_utf_8(db: Asking) -> None:
    db.database = db.database._replace(dsn=f"{db.database.dsn} client_encoding=latin1")
    assert db.give("SELECT 'é', %s AS \"ü\"", ("ö",)) == [("é", "ö")]
    rows = db.ask('SELECT 1 AS "ü"')
    assert rows.description is not None
    assert rows.description[0].name == "ü"
    assert 'column "ä"' in str(db.ask('SELECT "ä"').error)


def test_names_that_nobody_can_read(db: Asking, plain: Any) -> None:
    db.database = db.database._replace(dsn=f"{db.database.dsn} client_encoding=sql_ascii")
    plain.set_client_encoding("SQL_ASCII")
    text = 'SELECT 1 AS "é"'.encode()
    is_as_psycopg2_has_it(db.ask(text), by_psycopg2(plain, text, None))


def test_notices_are_not_kept(db: Asking, plain: Any) -> None:
    with plain.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION say() RETURNS int LANGUAGE plpgsql AS $$"
            "BEGIN RAISE NOTICE 'said'; RETURN 1; END $$"
        )
    try:
        assert [one.rows().rows for one in [db.begin("SELECT say()") for _ in range(60)]] == [[(1,)]] * 60
    finally:
        with plain.cursor() as cursor:
            cursor.execute("DROP FUNCTION say()")


def test_an_exception_outlives_its_connection(db: Asking) -> None:
    error = db.ask("INSERT INTO nowhere VALUES ('é')").error
    assert isinstance(error, psycopg2.errors.UndefinedTable)
    db.client.close()
    for _ in range(2):
        assert error.diag.message_primary == 'relation "nowhere" does not exist'
    assert "nowhere" in error.diag.message_primary
