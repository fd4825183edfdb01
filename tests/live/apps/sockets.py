"""Applications with WebSockets, plain WSGI: what each path does with messages is its name."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextvars import ContextVar
from typing import Any
from urllib.parse import parse_qs

import skitai
from skitai.saddle import Saddle

Environ = dict[str, Any]
Start = Callable[..., Any]

TEXT = ("Content-Type", "text/plain; charset=utf-8")
SEEN: list[str] = []
MARK: ContextVar[str] = ContextVar("mark", default="unmarked")


def _message(environ: Environ) -> str:
    return parse_qs(environ["QUERY_STRING"], keep_blank_values=True)["m"][0]


def _answer(
    start: Start, body: str | bytes, status: str = "200 OK", kind: tuple[str, str] = TEXT
) -> list[bytes]:
    start(status, [kind])
    return [body.encode() if isinstance(body, str) else body]


def _wants(environ: Environ, design: tuple[Any, ...], start: Start) -> list[bytes] | None:
    if "websocket_init" in environ:
        environ["websocket_init"] = design
        return _answer(start, "this is not read")
    return None


def reqdata(
    answer: Callable[[Environ, Start], Iterable[bytes]], **options: Any
) -> Callable[..., Iterable[bytes]]:
    def app(environ: Environ, start: Start) -> Iterable[bytes]:
        return _wants(environ, (skitai.WEBSOCKET_REQDATA, 60, "m", options), start) or answer(environ, start)

    return app


def echo(environ: Environ, start: Start) -> Iterable[bytes]:
    return _answer(start, _message(environ))


def raw(environ: Environ, start: Start) -> Iterable[bytes]:
    message = environ["skitai.websocket.message"]
    kind = ("Content-Type", "application/octet-stream") if isinstance(message, bytes) else TEXT
    return _answer(start, message, kind=kind)


def pieces(environ: Environ, start: Start) -> Iterable[bytes]:
    start("200 OK", [TEXT])
    yield b"one "
    yield b"two "
    yield _message(environ).encode()


def slow(environ: Environ, start: Start) -> Iterable[bytes]:
    """The first of them last, if two could run at once."""
    message = _message(environ)
    SEEN.append(f"+{message}")
    time.sleep(0.05 if message == "0" else 0)
    SEEN.append(f"-{message}")
    return _answer(start, " ".join(SEEN) if message == "?" else message)


def marked(environ: Environ, start: Start) -> Iterable[bytes]:
    """What the call before has left in its context."""
    before = MARK.get()
    MARK.set(_message(environ))
    time.sleep(0.01)  # the next ones wait meanwhile
    return _answer(start, before)


def lasting(environ: Environ, start: Start) -> Iterable[bytes]:
    time.sleep(0.5)
    return _answer(start, _message(environ))


def fails(environ: Environ, start: Start) -> Iterable[bytes]:
    message = _message(environ)
    if message == "raise":
        raise LookupError("a secret of the application")
    if message == "nothing":
        start("204 No Content", [])
        return []
    return _answer(start, f"status {message}", f"{message} Whatever")


def first(environ: Environ, start: Start) -> Iterable[bytes]:
    """Says what it was given for the handshake."""
    return _answer(start, f"{environ['PATH_INFO']} {environ.get('HTTP_X_NAME')} {sorted(_strange(environ))}")


def _strange(environ: Environ) -> list[str]:
    return [
        name
        for name in environ
        if name.startswith("websocket") or name in ("HTTP_UPGRADE", "HTTP_CONNECTION")
    ]


HELD: list[Any] = []


def crossed(environ: Environ, start: Start) -> Iterable[bytes]:
    """Each of two connections writes to the first one."""
    wanted = _wants(environ, (skitai.WEBSOCKET_DEDICATE, 60, None), start)
    if wanted:
        return wanted
    ws = environ["websocket"]
    HELD.append(ws)
    for message in ws:
        HELD[0].send(message)
    return _answer(start, "over")


def dedicated(environ: Environ, start: Start) -> Iterable[bytes]:
    wanted = _wants(environ, (skitai.WEBSOCKET_DEDICATE, 60, None, {"subprotocols": ["v2", "v1"]}), start)
    if wanted:
        return wanted
    ws = environ["websocket"]
    for message in ws:
        if message == "fail":
            raise LookupError("a secret of the application")
        if message == "return":
            break
        if message == "idle":
            ws.send(repr(ws.getswait(0.05)))
        elif message == "close":
            ws.close(4001, "as you say")
        elif message == "protocol":
            ws.send(str(ws.subprotocol))
        elif message == "number":
            try:
                ws.send(5)
            except TypeError as error:
                ws.send(str(error))
        else:
            ws.send(message)
    return _answer(start, "over")


def room(environ: Environ, start: Start) -> Iterable[bytes]:
    options = {"notices": True, "on_slow_client": parse_qs(environ["QUERY_STRING"]).get("slow", ["close"])[0]}
    wanted = _wants(environ, (skitai.WEBSOCKET_MULTICAST, 60, "id", options), start)
    if wanted:
        return wanted
    ws = environ["websocket"]
    while (messages := ws.getswait(10)) is not None:
        for client_id, message in messages:
            if message == "end":
                return _answer(start, "over")
            if message == "fail":
                raise LookupError("a secret of the application")
            if message == "me":
                ws.sendto(client_id, f"you are {client_id}")
            elif message == "who":
                ws.sendall(f"{len(ws.clients)} here")
            elif message == "send":
                try:
                    ws.send("to whom?")
                except TypeError as error:
                    ws.sendall(str(error))
            elif message == "flood":
                for number in range(1500):
                    ws.sendall(f"{number:06d}" + "x" * 20_000)
                    if number % 10 == 0:  # who reads at all keeps up
                        skitai.sleep(0.01)
            elif isinstance(message, int):
                ws.sendall(f"{client_id} {message:+d}")
            else:
                ws.sendto(999_999, "nobody")
                ws.sendall(message)
    return _answer(start, "over")


def plain(environ: Environ, start: Start) -> Iterable[bytes]:
    """Knows nothing of WebSockets."""
    return _answer(start, "plain")


def broken(environ: Environ, start: Start) -> Iterable[bytes]:
    return _wants(environ, (17, 60, "m"), start) or []


ROUTES: dict[str, Callable[[Environ, Start], Iterable[bytes]]] = {
    "/echo": reqdata(echo),
    "/anywhere": reqdata(echo, origins=["https://friend.example"]),
    "/raw": reqdata(raw),
    "/pieces": reqdata(pieces),
    "/slow": reqdata(slow),
    "/marked": reqdata(marked),
    "/lasting": reqdata(lasting),
    "/fails": reqdata(fails),
    "/first": reqdata(first),
    "/dedicated": dedicated,
    "/crossed": crossed,
    "/room": room,
    "/plain": plain,
    "/broken": broken,
}


def app(environ: Environ, start: Start) -> Iterable[bytes]:
    return ROUTES[environ["PATH_INFO"]](environ, start)


saddle = Saddle(__name__)


@saddle.route("/awaited")
async def awaited(was: Any, m: str = "") -> Any:
    """Each call ends in asyncio's thread."""
    if "websocket_init" in was.env:
        was.env["websocket_init"] = (skitai.WEBSOCKET_REQDATA, 60, "m")
        return ""

    async def pieces() -> AsyncIterator[str]:
        await asyncio.sleep(0.005)
        yield m

    return pieces()
