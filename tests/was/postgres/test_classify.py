"""Which statements may share a connection, as their text says."""

from __future__ import annotations

import time

import pytest

from skitai.was._postgres.classify import shape_of

#: With what is left of them as a key.
SHARED = {
    "SELECT 1": "select ?",
    "  select  'a' , E'it\\'s;' -- and that;\n ;": "select ? , ?",
    "/* before; */ VALUES (1, -2.5e3, .5)": "values ( ? , - ? , ? )",
    'SELECT "a;b", U&"x" FROM t': 'select "a;b" , U&"x" from t',
    "SELECT $$;'$$, $x$ $$; $x$, b'01', x'ff', N'n'": "select ? , ? , ? , ? , ?",
    "SELECT 'it''s; -- no comment', '/* nor this'": "select ? , ?",
    "INSERT INTO t (a) VALUES (1) ON CONFLICT DO NOTHING": (
        "insert into t ( a ) values ( ? ) on conflict do nothing"
    ),
    "UPDATE t SET a = a + 1": "update t set a = a + ?",
    "DELETE FROM t RETURNING *": "delete from t returning *",
    "WITH gone AS (DELETE FROM t RETURNING a) INSERT INTO u SELECT a FROM gone": (
        "with gone as ( delete from t returning a ) insert into u select a from gone"
    ),
    "SELECT a FROM t FOR UPDATE": "select a from t for update",
    "SELECT pg_advisory_xact_lock(1)": "select pg_advisory_xact_lock ( ? )",
    "SELECT a ->> 'b' FROM t WHERE c ? 'd'": "select a - > > ? from t where c ? ?",
    "SELECT größe FROM t": "select größe from t",
}


@pytest.mark.parametrize("text", SHARED)
def test_one_that_leaves_nothing_shares(text: str) -> None:
    shape = shape_of(text, False)
    assert (shape.is_shareable, shape.key) == (True, SHARED[text])
    assert shape_of(text.encode(), False) == shape


@pytest.mark.parametrize(
    "text",
    [
        "",
        ";",
        "-- nothing",
        "SET x = 1",
        "BEGIN",
        "LISTEN here",
        "CREATE TEMPORARY TABLE t (i int)",
        "PREPARE p AS SELECT 1",
        "DECLARE c CURSOR FOR SELECT 1",
        "COPY t TO STDOUT",
        "EXPLAIN SELECT 1",
        "(SELECT 1)",
        "SELECT 1; SELECT 2",
        "SELECT 1; SET x = 1",
        "SELECT $$a$$; SET x = 1 --$$",
        "SELECT * INTO TEMPORARY t FROM u",
        "WITH a AS (SELECT 1) SELECT * INTO t FROM a",
        "SELECT set_config('x.y', '1', false)",
        "SELECT pg_catalog . set_config('x.y', '1', false)",
        "SELECT \"set_config\"('x.y', '1', false)",
        "UPDATE pg_settings SET setting = 'x' WHERE name = 'y'",
        "SELECT pg_advisory_lock(1)",
        "SELECT pg_try_advisory_lock_shared(1)",
        "SELECT pg_advisory_unlock_all()",
        "SELECT currval('s')",
        "SELECT lastval()",
        # The extended protocol would ask for a value.
        "SELECT $1",
        # Read in two ways, or deeper than it is looked.
        "SELECT 'a\\'; SET x = 1; --'",
        "SELECT U&\"\\0073et_config\"('x.y', '1', false)",
        "SELECT 1 /* a /* b */ ; SET x = 1 */",
        "SELECT 'no end",
        'SELECT "no end',
        "SELECT $$no end",
        "SELECT 1 /* no end",
        f"SELECT '{'x' * 9000}'",
    ],
)
def test_all_others_do_not(text: str) -> None:
    assert not shape_of(text, False).is_shareable


def test_placeholders() -> None:
    shape = shape_of("SELECT %s, %(name)s, a %% 2, 'like%%' FROM t", True)
    assert shape.key == "select ? , ? , a % % ? , ? from t"
    assert shape_of("SELECT a % s FROM t WHERE b LIKE 'x%s'", False).is_shareable
    # What psycopg2 writes into a string or a comment may end it.
    for text in ("SELECT '%s'", 'SELECT "%s"', "SELECT 1 -- %s", "SELECT $$%(a)s$$"):
        assert not shape_of(text, True).is_shareable
        assert shape_of(text, False).is_shareable


def test_what_is_no_text_does_not_share() -> None:
    assert not shape_of(7, False).is_shareable
    assert not shape_of(b"SELECT '\xff'", False).is_shareable


@pytest.mark.parametrize(
    ("text", "reads_only"),
    [
        ("SELECT count(*), lower(name) FROM t WHERE a IN (1, 2) GROUP BY 2", True),
        ("SELECT a::varchar(5) FROM t JOIN u USING (a) WHERE EXISTS (SELECT 1)", True),
        ("VALUES (1)", True),
        ("SELECT a FROM t FOR SHARE", False),
        ("SELECT nextval('s')", False),
        ("SELECT mine(1)", False),
        ('SELECT "mine"(1)', False),
        ("WITH a AS (UPDATE t SET b = 1 RETURNING b) SELECT * FROM a", False),
        ("DELETE FROM t", False),
    ],
)
def test_what_may_be_run_twice(text: str, reads_only: bool) -> None:
    assert shape_of(text, False).reads_only is reads_only


def test_nothing_takes_long_to_be_read() -> None:
    for text in ("'", '"', "/*", "$a$", "e'\\", "((((", "1.", "%("):
        began = time.thread_time()
        shape_of("SELECT " + text * (8000 // len(text)), True)
        assert time.thread_time() - began < 0.5
