"""Handlers with greenlets of their own: ``/begins`` leaves one behind, ``/ends`` goes on with what was left.

``/begins?fails`` has it end with an error; ``/parent`` and ``/throws`` go where their own greenlet was
started, which is the server's.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import greenlet

import skitai

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

LEFT: list[greenlet.greenlet] = []


def begin(fails: bool) -> None:
    handler = greenlet.getcurrent()

    def rest() -> None:
        handler.switch()
        if fails:
            raise ZeroDivisionError

    started = greenlet.greenlet(rest)
    started.switch()
    LEFT.append(started)


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    path = environ["PATH_INFO"]
    if path == "/begins":
        begin(environ["QUERY_STRING"] == "fails")
        skitai.sleep(0.2)
    elif path == "/ends":
        LEFT.pop().switch()
    elif path == "/parent":
        greenlet.getcurrent().parent.switch()
    elif path == "/throws":
        greenlet.getcurrent().parent.throw(ZeroDivisionError)
    else:
        skitai.sleep(0.01)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [path.encode()]
