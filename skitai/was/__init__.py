"""``from skitai import was``: the services of the request that is being answered.

This module is a package and the service object at once: an attribute that the package does not
have is looked up in the `Services` of the current request, which a context variable holds (so
threads, greenlets and asyncio tasks each see their own).  Hence no file in this folder may bear
the name of a service: importing it would hide the service.

Whoever runs an application calls `activate` in the context of the request, in the thread that
runs it: the gateway for every application, Saddle under a foreign server.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

from skitai.core.binding import Binding
from skitai.was._current import VARIABLE, activate, current, deactivate, give_up
from skitai.was._mailing import email
from skitai.was._postbox import provide_spool
from skitai.was._provider import configure, provide, reach, withdraw
from skitai.was._publishing import provide_rooms, publish
from skitai.was._services import Services
from skitai.was._shared import SHARED, Shared
from skitai.was._status import STATUS
from skitai.was._verbs import DB, RPC, VERBS, WS, prepare
from skitai.was._xml import fromjson, fromxml, tojson, toxml

__all__ = [
    "BINDING",
    "SHARED",
    "STATUS",
    "Services",
    "Shared",
    "activate",
    "configure",
    "current",
    "db",
    "deactivate",
    "delete",
    "email",
    "fromjson",
    "fromxml",
    "get",
    "head",
    "options",
    "patch",
    "post",
    "prepare",
    "provide",
    "provide_rooms",
    "provide_spool",
    "publish",
    "put",
    "reach",
    "rpc",
    "status",
    "tojson",
    "toxml",
    "upload",
    "withdraw",
    "ws",
]

status = STATUS
# In a request and outside of one.  What a module does not have costs an exception each time.
get, post, put, delete = VERBS["get"], VERBS["post"], VERBS["put"], VERBS["delete"]
patch, head, options = VERBS["patch"], VERBS["head"], VERBS["options"]
upload, rpc, db, ws = VERBS["upload"], RPC, DB, WS

if TYPE_CHECKING:

    def __getattr__(name: str) -> Any: ...


class _Was(ModuleType):
    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            # No service is called so.  inspect, copy and test tools look for dunders in every module, and
            # the import system for submodules, outside requests too.
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        return getattr(current(name), name)

    def __setattr__(self, name: str, value: Any) -> None:
        # The import system binds submodules and the dunder names; nobody else may write here.
        if not isinstance(value, ModuleType) and not name.startswith("__"):
            raise AttributeError(
                f"was.{name} cannot be set: skitai.was is shared by all requests; "
                f"keep what belongs to a request in was.env or in a variable of your own, and in tests "
                f"replace your module's name was"
            )
        super().__setattr__(name, value)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *Services.__slots__})


sys.modules[__name__].__class__ = _Was

#: For the server, which binds services to each request.
BINDING = Binding(VARIABLE, Services, sys.modules[__name__], give_up)
