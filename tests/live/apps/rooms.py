"""A room in several processes, plain WSGI: ``/room?id=1`` is a WebSocket, the other paths are for requests.

What is said in the room goes to all, but for these: ``pid``, ``who``, ``present``, ``to ID TEXT``,
``count N`` (so many numbers to all), ``status``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import skitai
from skitai import was
from skitai.lib import roomscript

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

#: Tells what it hears by requests.
PAGE = b"""<!doctype html><title>room</title><script src="/room.js"></script><script>
const told = (what) => fetch("/told/" + encodeURIComponent(what));
const room = new SkitaiRoom("/room?id=1&history=100");
room.onmessage = (data, number) => {
  told(`${number} ${typeof data === "string" ? data : new Uint8Array(data)}`);
  if (data === "answer") room.send("hello from the page");
  if (data === "close") room.close();
};
room.onstate = (state, missed) => told(`${state} ${missed}`);
</script>"""


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    query = {name: values[0] for name, values in parse_qs(environ["QUERY_STRING"]).items()}
    if environ["PATH_INFO"] == "/room.js":
        return roomscript.app(environ, start_response)
    body, kind = b"", "text/plain"
    if "websocket_init" in environ:
        options = {"history": int(query.get("history", 0)), "notices": "notices" in query}
        environ["websocket_init"] = (skitai.WEBSOCKET_MULTICAST, 600, "id", options)
    elif "websocket" in environ:
        loop(environ["websocket"])
    elif environ["PATH_INFO"] == "/publish":
        message = query.get("m") or "x" * int(query["of"])
        for number in range(int(query.get("times", 1))):
            was.publish(query["room"], message.replace("N", str(number)))
        body = str(os.getpid()).encode()
    elif environ["PATH_INFO"] == "/status":
        body = json.dumps(was.status("WEBSOCKETS", fancy=False)["WEBSOCKETS"]).encode()
    elif environ["PATH_INFO"] == "/page":
        body, kind = PAGE, "text/html"
    start_response("200 OK", [("Content-Type", kind), ("Content-Length", str(len(body)))])
    return [body]


def loop(ws: Any) -> None:
    while (messages := ws.getswait(60)) is not None:
        for client, message in messages:
            if isinstance(message, int):
                ws.sendall(f"{client} {message:+d}")
                continue
            if isinstance(message, bytes):
                ws.sendall(message)
                continue
            word, _, rest = message.partition(" ")
            if word == "pid":
                ws.sendto(client, f"{os.getpid()} {client}")
            elif word == "who":
                ws.sendto(client, json.dumps(sorted(ws.clients)))
            elif word == "present":
                ws.sendto(client, json.dumps(sorted(ws.present)))
            elif word == "to":
                number, _, text = rest.partition(" ")
                ws.sendto(int(number), text)
            elif word == "count":
                for number in range(int(rest)):
                    ws.sendall(str(number))
            elif word == "status":
                ws.sendto(client, json.dumps(was.status("WEBSOCKETS", fancy=False)["WEBSOCKETS"]))
            else:
                ws.sendall(message)
