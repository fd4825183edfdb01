"""What stands behind ``was.db``, loaded when it is first used: statements on their way to PostgreSQL.

Databases            of a process, and clusters of them              reaching.py, naming.py, ways.py
PostgresClient       pools by database, clocks                       client.py
  Query              one statement: waits, runs, is given up         query.py
  Session            a connection that one has for himself           session.py
  Listening          LISTEN and NOTIFY                               listening.py
  Job                what blocks, in a thread                        threaded.py, helpers.py
  Pool               connections to one database, who waits          pool.py
    Connecting       from a DSN to a connection                      connecting.py
    Exclusive        a connection, one statement at a time           exclusive.py
    Pipelined        a connection, many statements at once           pipelined.py
      Pipeline       the bytes of that                               skitai/_pure/pipeline.py
      Casts          what psycopg2's cursors make of results         casting.py
      Refusals       and of errors                                   refusals.py
    Meter            how long a result is before it is there         metering.py
    Canceller        ends statements on the server                   cancelling.py
  Sharing            which statements are pipelined                  sharing.py
    Shape            what its text says of a statement               classify.py
    Paces            how long statements take                        paces.py
Statement, Rows      what is asked and what came of it               statement.py
psycopg2, libpq      what all of this stands on                      driver.py, libpq.py
"""
