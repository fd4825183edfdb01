"""From what people write to a `Database`: the four arguments of README, URIs and DSNs of libpq, members of a
cluster.

Any thread.
"""

from __future__ import annotations

import functools
from urllib.parse import urlsplit

from skitai.core.config import ClusterSettings, Member
from skitai.was._postgres.driver import extensions, psycopg2
from skitai.was._postgres.statement import Database

__all__ = ["database_at", "database_of", "database_of_member"]

_PORT = 5432
#: Remembered as they are written in handlers, who say it with every statement.
_DATABASES = 256


@functools.lru_cache(maxsize=_DATABASES)
def database_at(address: str, dbname: str, user: str, password: str) -> Database:
    """``address``: host, host:port, or the folder of a Unix socket.

    Raises ValueError: it is none of them."""
    host, port = address, _PORT
    if not address.startswith("/"):
        try:
            parts = urlsplit(f"//{address}")
            host, port = parts.hostname or "", parts.port or _PORT
        except ValueError:
            host = ""
        if not host or parts.path or parts.username is not None:
            raise ValueError(f"{address!r} is no address of a database: write host:5432 or @name")
    return _database(host=host, port=str(port), dbname=dbname, user=user, password=password)


@functools.lru_cache(maxsize=_DATABASES)
def database_of(dsn: str) -> Database:
    """A URI or keywords of libpq's; what it does not say is as libpq has it.

    Raises ValueError: it is none."""
    try:
        parameters = extensions.parse_dsn(dsn)
    except psycopg2.ProgrammingError as error:
        raise ValueError(
            "this is no database: was.db takes host:port with database, user and password, or a URI "
            "(postgresql://user:password@host/database), a DSN (host=... dbname=...) or @name of a cluster: "
            f"{type(error).__name__} of psycopg2"  # whose text may have the password
        ) from None
    return _database(**parameters)


def database_of_member(settings: ClusterSettings, member: Member) -> Database:
    """Raises ValueError: it is written as no URI and no DSN can be."""
    if member.is_dsn:
        return database_of(member.database)
    name, user, password = member.database.split("/", 2)
    port = str(member.port or _PORT)
    return _database(host=member.host, port=port, dbname=name, user=user, password=password)


def _database(**parameters: str) -> Database:
    host = parameters.get("host") or parameters.get("hostaddr") or "localhost"
    port = parameters.get("port", "")
    given = {name: value for name, value in parameters.items() if value}
    return Database(host, int(port) if port.isdigit() else _PORT, extensions.make_dsn(**given))
