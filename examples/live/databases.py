"""PostgreSQL by `was.db`: three statements at once, if a database is configured."""

from html import escape

from skitai.saddle import Package

from .page import has, needs, page, table

package = Package()

LEAD = """Statements leave at once, share connections with those of other handlers, and are waited for
together. The results are lists of rows, and failures are results, too."""

HOW = """<p class="note">No database is configured. Write where one is into <code>sample.conf</code>, and
start anew or reload:</p>
<pre>[@sampledb]
type = postgresql
members = 127.0.0.1:5432/mydb/user/password</pre>"""

STATEMENTS = (
    "SELECT version() AS version",
    "SELECT current_database() AS database, current_user AS user, now()::text AS now",
    "SELECT n, n * n AS square FROM generate_series(1, 5) AS n",
)


@package.route("/database")
def database(was):
    if not has("psycopg2"):
        return page(was, __file__, "Database", LEAD, needs("psycopg2", "pg"), HOW)
    try:
        calls = [was.db("@sampledb").execute(statement) for statement in STATEMENTS]
    except ValueError:  # there is no such cluster
        return page(was, __file__, "Database", LEAD, HOW)
    parts = []
    for statement, call in zip(STATEMENTS, calls, strict=True):
        result = call.getwait(5)
        parts.append(f"<h3><code>{escape(statement)}</code></h3>")
        if result.status == 3:
            parts.append(table(list(result.data[0]), [row.values() for row in result.data]))
            parts.append(f"<p>{result.elapsed * 1000:.1f} ms</p>")
        else:
            parts.append(f'<p class="note">{escape(result.msg)}</p>')
    return page(was, __file__, "Database", LEAD, *parts)
