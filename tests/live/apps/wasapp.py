"""Handlers that ask others by `was`: README's samples, and what tests need."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

from flask import Flask, request

from skitai import sleep
from skitai import was as services
from skitai.saddle import Saddle

app = Saddle(__name__)
flask_app = Flask(__name__)


@flask_app.route("/get")
def flask_get() -> Any:
    url = request.args.get("url", "http://www.python.org")
    s = services.get(url)
    result = s.getwait(5)
    return result.data


@app.route("/get")
def get(was: Any, url: str = "http://www.python.org") -> Any:
    s = was.get(url)
    result = s.getwait(5)
    return result.data


@app.route("/post")
def post(was: Any, url: str) -> Any:
    s1 = was.post(url, {"user": "Hans Roh", "comment": "Hello"})
    with open(__file__, "rb") as file:
        s2 = was.upload(url, {"user": "Hans Roh", "file": file})
    return {"post": s1.getwait(5).json(), "upload": s2.getwait(5).json()}


@app.route("/rpc")
def rpc(was: Any, url: str) -> Any:
    s = was.rpc(url)
    s.math.sum(10000, 7)
    result = s.getwait(5)
    return {"data": result.data}


@app.route("/search")
def search(was: Any, kind: str = "lb") -> Any:
    if kind == "lb":
        s = was.rpc.lb("@mysearch/RPC2")
        s.math.sum(1, 2)
        return {"data": s.getwait(5).data}
    s = was.rpc.map("@mysearch/RPC2")
    s.math.sum(1, 2)
    results = s.getswait(2)
    return {"data": [result.data for result in results], "nodes": [result.node[1] for result in results]}


@app.route("/wait")
def wait(was: Any, url: str, timeout: float = 5, cached: bool = False) -> Any:
    result = was.get(url).getwait(timeout)
    if cached:
        result.cache(60)
    return {"status": result.status, "code": result.code, "msg": result.msg, "text": result.text}


@app.route("/insists")
def insists(was: Any, url: str) -> str:
    """Asks again where a call has come to nothing, and is never done by itself."""
    for _ in range(2):
        was.get(url).getwait(20)
    sleep(30)
    return "done"


@app.route("/many")
def many(was: Any, url: str, count: int) -> Any:
    calls = [was.get(url) for _ in range(count)]
    return {"codes": [call.getwait(10).code for call in calls]}


@app.route("/detached")
def detached(was: Any, url: str) -> str:
    was.get(url, detach=True).getwait(30)
    return "done"


@app.route("/all-awaited")
async def all_awaited(was: Any, url: str) -> Any:
    """Waits for the first of three."""
    calls = [was.get(url) for _ in range(3)]
    return (await calls[0]).data


@app.route("/elsewhere")
def elsewhere(was: Any, url: str) -> str:
    """Waits for something else while it is asked for."""
    was.get(url)
    sleep(30)
    return "done"


@app.route("/elsewhere-awaited")
async def elsewhere_awaited(was: Any, url: str) -> str:
    was.get(url)
    await asyncio.sleep(30)
    return "done"


@app.route("/pieces")
def pieces(was: Any, url: str) -> Any:
    was.get(url)
    for _ in range(300):
        yield "piece"
        sleep(0.1)


@app.route("/echo")
def echo(was: Any, url: str) -> Any:
    """What was sent to ``url``, which tells it."""
    return was.get(url).getwait(5).json()


@app.route("/awaited")
async def awaited(was: Any, url: str) -> Any:
    first, second = was.get(url), was.get(url)
    return {"codes": [(await first).code, (await second).code]}


@app.route("/thread")
def thread(was: Any, url: str) -> Any:
    """From a thread of the application's own."""
    found = []
    worker = threading.Thread(target=lambda: found.append(services.get(url).getwait(5).code))
    worker.start()
    worker.join()
    return {"codes": found}


@app.route("/stream")
def stream(was: Any, url: str) -> Any:
    return iter(was.get(url, stream=True).getwait(5))


@app.route("/status")
def status(was: Any, fancy: bool = True) -> Any:
    return was.status(None, fancy)


@app.route("/trickle")
def trickle(was: Any, url: str) -> Any:
    """A body that takes longer than a response may take to begin, with a call at its end."""
    yield from was.get(url, stream=True).getwait(5)
    yield was.get(url).getwait(5).data
