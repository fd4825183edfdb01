"""``was.get`` and the like: what a handler writes to ask others.

    was.get(url)                one server; of a cluster, ``@name/path``, one member
    was.get.lb("@name/path")    the member that is likely to answer first
    was.get.map("@name/path")   all of them
    was.db("@name")             a database, likewise
    was.ws(url, message)        a WebSocket, likewise

Here are the names; what they do is `skitai.was._asking`, loaded with the first call: a server whose
applications ask nobody has none of it.  Any thread, in a request or outside of one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from skitai._lazy import LazyModule

if TYPE_CHECKING:
    from skitai.was import _asking, _db, _ws
    from skitai.was._call import Call, MapCall
    from skitai.was._db import DbCall
    from skitai.was._rpc import RpcCall
    from skitai.was._wsconversation import Connection
else:
    _asking = LazyModule("skitai.was._asking")
    _db = LazyModule("skitai.was._db")
    _ws = LazyModule("skitai.was._ws")

__all__ = ["DB", "RPC", "VERBS", "WS", "DbVerb", "RpcVerb", "Verb", "WsVerb", "prepare"]


class Verb:
    """One method of HTTP: `get`, `post`, `put`, `delete`, `patch`, `head`, `options`, and `upload`, which
    posts a form with files.  The request leaves at once; any thread, in a request or outside of one.

    Raises ValueError, TypeError: it cannot be sent (a URL without ``http://``, an unknown argument).
    What goes wrong later is in the result.
    """

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    def __call__(self, uri: str, *arguments: Any, **options: Any) -> Call:
        if not arguments and not options:
            return _asking.ask_plainly(self._name, uri)
        return _asking.ask(self._name, uri, arguments, options)

    def lb(self, uri: str, *arguments: Any, **options: Any) -> Call:
        """The member of a cluster, ``@name/path``, that is likely to answer first."""
        return _asking.ask(self._name, _asking.of_cluster(uri), arguments, options)

    def map(self, uri: str, *arguments: Any, **options: Any) -> MapCall:
        """All members of a cluster; `MapCall.getswait` gives their results."""
        return _asking.ask_all(self._name, _asking.of_cluster(uri), arguments, options)


class RpcVerb:
    """XML-RPC: ``was.rpc(url).method(arguments)``."""

    __slots__ = ()

    def __call__(self, uri: str, *arguments: Any, **options: Any) -> RpcCall:
        return _asking.rpc(uri, arguments, options, to_all=False)

    def lb(self, uri: str, *arguments: Any, **options: Any) -> RpcCall:
        """The procedure of one member of a cluster."""
        return _asking.rpc(_asking.of_cluster(uri), arguments, options, to_all=False)

    def map(self, uri: str, *arguments: Any, **options: Any) -> RpcCall:
        """That of all of them."""
        return _asking.rpc(_asking.of_cluster(uri), arguments, options, to_all=True)


class DbVerb:
    """PostgreSQL: ``was.db(address, database, user, password).execute(sql)``.

    Raises ImportError: psycopg2 is not installed.  ValueError: there is no such cluster.
    """

    __slots__ = ()

    def __call__(self, server: str, *arguments: Any, **options: Any) -> DbCall:
        return _db.ask(server, arguments, options)

    def lb(self, server: str, *arguments: Any, **options: Any) -> DbCall:
        """One member of a cluster of databases."""
        return _db.ask(_db.of_cluster(server), arguments, options)

    def map(self, server: str, *arguments: Any, **options: Any) -> DbCall:
        """All of them: shards."""
        return _db.ask_all(_db.of_cluster(server), arguments, options)


class WsVerb:
    """WebSockets: ``was.ws(address, message)``; the next message from there is the answer."""

    __slots__ = ()

    def __call__(self, uri: str, message: str | bytes, **options: Any) -> Call:
        return _ws.ask(uri, message, options)

    def lb(self, uri: str, message: str | bytes, **options: Any) -> Call:
        """One member of a cluster."""
        return _ws.ask(_ws.of_cluster(uri), message, options)

    def map(self, uri: str, message: str | bytes, **options: Any) -> MapCall:
        """All of them."""
        return _ws.ask_all(_ws.of_cluster(uri), message, options)

    def connect(self, uri: str, **options: Any) -> Connection:
        """A connection of your own, for longer; it is being opened when this returns."""
        return _ws.connect(uri, options)


def prepare() -> None:
    """Load now what the first call would load: it takes a tenth of a second, in which a handler that is known
    for that is taken for one that blocks."""
    _asking.prepare()


#: ``upload`` is POST with a body of kind multipart, whatever its data is.
VERBS = {name: Verb(name) for name in ("get", "post", "put", "delete", "patch", "head", "options", "upload")}
RPC = RpcVerb()
DB = DbVerb()
WS = WsVerb()
