"""Functions that are ``async def``, in process: under Skitai's rules, and under a foreign server."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any
from wsgiref.util import setup_testing_defaults

import pytest

from skitai import was as current_was
from skitai.saddle import CORS, EVOK, Saddle
from tests.saddle.asking import ask


@pytest.fixture
def app() -> Saddle:
    return Saddle(__name__)


def ask_skitai(app: Saddle, path: str = "/", method: str = "GET") -> tuple[Any, Any]:
    """As the engine does it: what is to be awaited is awaited elsewhere, in a copy of the context."""
    environ: dict[str, Any] = {"PATH_INFO": path, "REQUEST_METHOD": method, "skitai.was": current_was}
    setup_testing_defaults(environ)
    head: list[Any] = []
    token = current_was.activate(environ, app)
    try:
        result = app(environ, lambda status, headers: head.extend((status, headers)))
        assert inspect.isawaitable(result)
        return head, asyncio.run(result)
    finally:
        current_was.deactivate(token)


def test_a_coroutine_function_is_a_route_like_any_other(app):
    @app.route("/add/<int:a>")
    async def add(was, a, b: int = 1):
        await asyncio.sleep(0)
        assert current_was.request is was.request
        was.response["X-Own"] = "1"
        return str(a + b)

    head, body = ask_skitai(app, "/add/3")
    assert body == [b"4"]
    assert ("X-Own", "1") in head[1]
    reply = ask(app, "/add/3?b=4")
    assert (reply.text, reply.headers["x-own"]) == ("7", "1")
    assert ask(app, "/add/3?b=x").code == 400


def test_hooks_and_error_handlers_of_both_kinds_stand_around_it(app):
    steps: list[str] = []

    @app.before_request
    async def before(was):
        await asyncio.sleep(0)
        steps.append("before")

    @app.teardown_request
    def teardown(was):
        steps.append("teardown")

    @app.errorhandler(LookupError)
    async def lookup(was, error):
        await asyncio.sleep(0)
        return f"handled {error}"

    @app.route("/")
    async def index(was):
        async def bound(was):
            await asyncio.sleep(0)
            steps.append("ok")

        was.temp.bind(EVOK, bound)
        await asyncio.sleep(0)
        return "seen"

    @app.route("/fail")
    async def fail(was):
        await asyncio.sleep(0)
        raise LookupError("it")

    assert ask(app).text == "seen"
    assert steps == ["before", "ok", "teardown"]
    assert ask_skitai(app, "/fail")[1] == [b"handled it"]
    assert ask(app, "/fail").code == 500


def test_asynchronous_pieces(app):
    steps: list[str] = []

    @app.route("/")
    async def index(was):
        was.response.at_close(lambda: steps.append("over"))

        async def pieces():
            try:
                for number in range(3):
                    await asyncio.sleep(0)
                    yield str(number)
            finally:
                steps.append("closed")

        return pieces()

    @app.route("/function")
    async def function(was):
        yield b"a"
        await asyncio.sleep(0)
        yield "b"

    assert ask(app).text == "012"
    assert steps == ["closed", "over"]
    assert ask(app, "/function").text == "ab"
    steps.clear()

    async def collect(pieces):
        taken = [piece async for piece in pieces]
        await pieces.aclose()
        return taken

    _, pieces = ask_skitai(app)
    assert asyncio.run(collect(pieces)) == ["0", "1", "2"]
    assert steps == ["closed", "over"]


@pytest.mark.parametrize("where", ["HEAD", "204", "send_error", "after_request", "at_head"])
def test_an_asynchronous_stream_that_nobody_sends_is_closed(app, where):
    steps: list[str] = []

    class Stream:
        def __aiter__(self):
            return self

        async def __anext__(self):
            raise AssertionError("nobody asks for it")

        async def aclose(self):
            await asyncio.sleep(0)
            steps.append("closed")

    def fail(*_):
        raise KeyError(where)

    @app.route("/")
    async def index(was):
        was.response.at_close(lambda: steps.append("over"))
        if where == "204":
            was.response.set_status(204)
        if where == "send_error":
            was.response.send_error(404)
        if where == "at_head":
            was.response.at_head(fail)
        return Stream()

    method = "HEAD" if where == "HEAD" else "GET"
    if where == "after_request":
        app.after_request(fail)
    if where in ("after_request", "at_head"):
        with pytest.raises(KeyError, match=where):
            ask_skitai(app, "/", method)
    else:
        ask_skitai(app, "/", method)
    assert steps == ["closed", "over"]
    if where == "HEAD":  # a server that knows nothing of it has a loop of its own for the stream
        assert ask(app, "/", method).body == b""
        assert steps == ["closed", "over"] * 2


def test_an_async_hook_around_a_plain_function_is_refused(app):
    @app.before_request
    async def before(was):
        await asyncio.sleep(0)

    app.route("/")(lambda was: "")
    with pytest.raises(TypeError, match="make the function async"):
        ask(app)


def test_hooks_that_wait_are_told_why_they_cannot_and_the_error_is_answered(app):
    told = []

    @app.before_request
    async def before(was):
        await asyncio.sleep(0)

    @app.teardown_request
    async def teardown(was):
        try:
            await asyncio.sleep(0)
        except TypeError as error:
            told.append(str(error))

    @app.errorhandler(500)
    def failed(was, error):
        return f"{type(error).__name__}: {error}"

    app.route("/")(lambda was: "")
    reply = ask(app)
    assert (reply.code, reply.text.partition(":")[0]) == (500, "TypeError")
    assert len(told) == 1
    assert "make the function async" in told[0]


def test_a_hook_that_does_not_take_it_ends_too(app):
    @app.before_request
    async def before(was):
        while True:
            try:
                await asyncio.sleep(0)
            except TypeError:
                was.temp.refused = True

    app.route("/")(lambda was: "")
    with pytest.raises(TypeError, match="make the function async"):
        ask(app)


def test_an_async_error_handler_is_there_for_paths_without_a_function_too(app):
    @app.errorhandler(404)
    async def not_found(was, error):
        await asyncio.sleep(0)
        return "nothing"

    app.cors = CORS("*")
    reply = ask(app, "/nothing")
    assert (reply.code, reply.text, reply.headers["access-control-allow-origin"]) == (404, "nothing", "*")


def test_a_foreign_server_inside_a_loop_is_told(app):
    @app.route("/")
    async def index(was):
        return "never"

    async def server():
        return ask(app)

    with pytest.raises(RuntimeError, match="inside a running asyncio loop"):
        asyncio.run(server())
