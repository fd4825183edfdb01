"""Saddle in process, a WSGI call without a server, beside Falcon, Bottle and Flask; rules by the thousand.

Each application is asked as servers do: a fresh environ, ``start_response``, the iterable to its end and
closed.  Falcon is the wheel of PyPI, where its ``cyutil`` is compiled (reading of queries and streams);
Bottle and Flask are as they are.  Flask's JSON goes through ``jsonify``, Falcon's through ``media``.

`test_ratios` takes turns between all of them in one run, in rounds of some milliseconds of the thread's own
time; the least of the rounds counts, for all else is what the machine did meanwhile.  With ``-s`` it prints
a table, as `python -m pytest benchmarks/test_saddle.py -s -k ratios` does.
"""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable, Iterable
from typing import Any
from wsgiref.util import setup_testing_defaults

import bottle  # type: ignore[import-untyped]
import falcon
import flask
import pytest

from skitai.saddle import Saddle
from skitai.saddle.rules import Rules

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

DATA = {f"key{number}": number if number % 2 else f"value {number}" for number in range(20)}
PATHS = {"hello": "/hello", "json of 20 keys": "/json", "two typed variables": "/add/3/4.5"}

#: Of their time Saddle may take this much.
MOST = {"falcon": 1.0, "bottle": 0.5, "flask": 0.2}
CALLS = 100  # of a round
ROUNDS = 30
#: A machine that is busy with something else is asked again.
ATTEMPTS = 6


def saddle_app() -> Application:
    app = Saddle(__name__)
    app.route("/hello")(lambda was: "Hello World")
    app.route("/json")(lambda was: DATA)
    app.route("/add/<int:a>/<float:b>")(lambda was, a, b: f"{a} {b}")
    return app


def falcon_app() -> Application:
    class Hello:
        def on_get(self, request: Any, response: Any) -> None:
            response.content_type = "text/html; charset=utf-8"
            response.text = "Hello World"

    class Json:
        def on_get(self, request: Any, response: Any) -> None:
            response.media = DATA

    class Add:
        def on_get(self, request: Any, response: Any, a: int, b: float) -> None:
            response.content_type = "text/html; charset=utf-8"
            response.text = f"{a} {b}"

    app = falcon.App()
    app.add_route("/hello", Hello())
    app.add_route("/json", Json())
    app.add_route("/add/{a:int}/{b:float}", Add())
    made: Application = app
    return made


def bottle_app() -> Application:
    app = bottle.Bottle()
    app.route("/hello")(lambda: "Hello World")
    app.route("/json")(lambda: DATA)
    app.route("/add/<a:int>/<b:float>")(lambda a, b: f"{a} {b}")
    made: Application = app
    return made


def flask_app() -> Application:
    app = flask.Flask(__name__)
    app.add_url_rule("/hello", "hello", lambda: "Hello World")
    app.add_url_rule("/json", "json", lambda: DATA)
    app.add_url_rule("/add/<int:a>/<float:b>", "add", lambda a, b: f"{a} {b}")
    return app


MAKERS = {"saddle": saddle_app, "falcon": falcon_app, "bottle": bottle_app, "flask": flask_app}


def environ_of(path: str) -> dict[str, Any]:
    environ: dict[str, Any] = {
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_ACCEPT": "*/*",
        "HTTP_USER_AGENT": "benchmark",
        "wsgi.input": io.BytesIO(),
    }
    setup_testing_defaults(environ)
    return environ


def ask(app: Application, environ: dict[str, Any]) -> bytes:
    body = app(dict(environ), lambda status, headers, exc_info=None: None)
    pieces = b"".join(body)
    close = getattr(body, "close", None)
    if close is not None:
        close()
    return pieces


def least(apps: dict[str, Application], environ: dict[str, Any]) -> dict[str, float]:
    """Microseconds of one call, of each."""
    best = dict.fromkeys(apps, float("inf"))
    for _ in range(ROUNDS):
        for name, app in apps.items():
            began = time.thread_time()
            for _ in range(CALLS):
                ask(app, environ)
            best[name] = min(best[name], (time.thread_time() - began) / CALLS * 1e6)
    return best


@pytest.mark.parametrize("what", PATHS)
def test_ratios(what: str) -> None:
    apps = {name: make() for name, make in MAKERS.items()}
    environ = environ_of(PATHS[what])
    for _ in range(ATTEMPTS):
        times = least(apps, environ)
        ratios = {peer: times["saddle"] / times[peer] for peer in MOST}
        if all(ratios[peer] <= most for peer, most in MOST.items()):
            break
    told = ", ".join(f"{ratios[peer]:.2f} of {peer}'s {times[peer]:.1f} us" for peer in MOST)
    line = f"{what}: saddle {times['saddle']:.1f} us: {told}"
    print(line)
    assert all(ratios[peer] <= most for peer, most in MOST.items()), line


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("what", PATHS)
def test_calls(benchmark: Any, name: str, what: str) -> None:
    app, environ = MAKERS[name](), environ_of(PATHS[what])
    benchmark.group = f"in process: {what}"
    body = benchmark(ask, app, environ)
    if what.startswith("json"):
        assert json.loads(body) == DATA
    else:
        assert body in (b"Hello World", b"3 4.5")


@pytest.mark.parametrize("count", [10, 1000])
@pytest.mark.parametrize("kind", ["exact", "variables", "nothing"])
def test_rules(benchmark: Any, count: int, kind: str) -> None:
    """Many rules are found as quickly as few: sections of a site, with a page and its items."""
    rules: Rules[int] = Rules()
    for number in range(count):
        rules.add(f"/section{number}/page", ["GET"], number)
        rules.add(f"/section{number}/<int:item>/<name>", ["GET"], number)
    path = {"exact": "/section7/page", "variables": "/section7/3/x", "nothing": "/other/3/x"}[kind]
    found = {"exact": (7, ()), "variables": (7, (3, "x")), "nothing": None}[kind]
    benchmark.group = f"rules: {kind}"
    assert benchmark(rules.find, path, "GET") == found


def test_a_thousand_rules_take_at_most_twice_the_time_of_ten() -> None:
    def least_of(count: int) -> float:
        app = Saddle(__name__)
        for number in range(count):
            app.route(f"/section{number}/<int:item>/<name>")(lambda was, item, name: name)
        return least({"saddle": app}, environ_of(f"/section{count - 1}/3/x"))["saddle"]

    ratios = []
    for _ in range(ATTEMPTS):
        ratios.append(least_of(1000) / least_of(10))
        if ratios[-1] <= 2:
            break
    print(f"1000 rules: {ratios[-1]:.2f} of the time of 10")
    assert ratios[-1] <= 2
