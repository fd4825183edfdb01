"""Saddle as its users see it, under the validator of the standard library."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import WSGIWarning

import pytest

from skitai import was as current_was
from skitai.errors import HTTPError
from skitai.saddle import Saddle
from skitai.saddle.rules import Rules
from tests.saddle.asking import ask


@pytest.fixture
def app() -> Saddle:
    return Saddle(__name__)


# -- rules -------------------------------------------------------------------------------------


def test_the_sample_of_the_readme(app):
    @app.route("/")
    def index(was):
        return "Hello World"

    reply = ask(app)
    assert (reply.status, reply.body) == ("200 OK", b"Hello World")
    assert reply.headers["content-type"] == "text/html; charset=utf-8"
    assert reply.headers["content-length"] == "11"
    assert index(None) == "Hello World"


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/hello", "exact"),
        ("/hello/Hans_Roh", "name 'Hans Roh'"),
        ("/hello/7", "int 7"),
        ("/hello/7.5", "float 7.5"),
        ("/hello/007", "int 7"),
        ("/hello/-7", "name '-7'"),
        ("/hello/٣", "name '٣'"),
        ("/hello/" + "9" * 5000, f"name '{'9' * 5000}'"),
        ("/hello/x/settings", "settings of x"),
        ("/hello/me/settings", "mine"),
        ("/download/3/a/b/c.txt", "3: a/b/c.txt"),
        ("/files/a/b", "files a/b"),
        ("/files//a", "files /a"),
    ],
)
def test_the_most_specific_rule_wins_in_any_order_of_definition(path, answer):
    def rules(app: Saddle) -> list[tuple[str, Callable[..., Any]]]:
        return [
            ("/hello/<name>", lambda was, name: f"name {name!r}"),
            ("/hello/<float:x>", lambda was, x: f"float {x!r}"),
            ("/hello/<int:n>", lambda was, n: f"int {n!r}"),
            ("/hello", lambda was: "exact"),
            ("/hello/<who>/settings", lambda was, who: f"settings of {who}"),
            ("/hello/me/settings", lambda was: "mine"),
            ("/download/<int:major>/<path>", lambda was, major, path: f"{major}: {path}"),
            ("/files/<path:rest>", lambda was, rest: f"files {rest}"),
        ]

    for order in (1, -1):
        app = Saddle(__name__)
        for rule, function in rules(app)[::order]:
            app.route(rule)(function)
        assert ask(app, path).text == answer


@pytest.mark.parametrize(
    "path", ["/nothing", "/hello/", "/hello//x", "/hello/a/b", "/files/", "//", "/Hello/x"]
)
def test_no_rule_is_404(app, path):
    app.route("/hello/<name>")(lambda was, name: name)
    app.route("/files/<path:p>")(lambda was, p: p)
    assert ask(app, path).code == 404


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("hello", "does not begin with a slash"),
        ("/a<b>", "fills a whole segment"),
        ("/<int:>", "fills a whole segment"),
        ("/<date:d>", "unknown type 'date'.*int, float, string, path"),
        ("/<path:p>/more", "must be the last"),
        ("/<a>/<a>", "two variables 'a'"),
    ],
)
def test_a_malformed_rule_is_refused_where_it_stands(app, rule, message):
    with pytest.raises(ValueError, match=message):
        app.route(rule)(lambda was: "")


def test_a_rule_is_taken_once_for_each_method(app):
    app.route("/x", methods=["get"])(lambda was: "got")
    app.route("/x", methods="POST")(lambda was: "posted")
    assert ask(app, "/x").text == "got"
    assert ask(app, "/x", "POST").text == "posted"
    with pytest.raises(ValueError, match="twice for GET"):
        app.route("/x")(lambda was: "")


def test_many_rules_are_found_as_quickly_as_few():
    class Counting(dict):
        looks = 0

        def get(self, key, default=None):
            Counting.looks += 1
            return super().get(key, default)

    looks = []
    for count in (10, 1000):
        rules: Rules[str] = Rules()
        for number in range(count):
            rules.add(f"/section{number}/<name>/edit", ["GET"], str(number))
        rules._root.literals = Counting(rules._root.literals)
        Counting.looks = 0
        found = rules.find(f"/section{count - 1}/x/edit", "GET")
        assert found == (str(count - 1), ("x",))
        looks.append(Counting.looks)
    assert looks[0] == looks[1]


# -- methods -----------------------------------------------------------------------------------


def test_head_is_the_get_without_its_body_and_closes_it(app):
    closed = []

    @app.route("/")
    def index(was):
        return "Hello"

    class Source:
        def __iter__(self):
            return iter(["x"])

        def close(self):
            closed.append(True)

    app.route("/stream")(lambda was: Source())
    reply = ask(app, "/", "HEAD")
    assert (reply.code, reply.body, reply.headers["content-length"]) == (200, b"", "5")
    assert ask(app, "/stream", "HEAD").body == b""
    assert closed == [True]


def test_other_methods_are_405_and_options_says_which(app):
    app.route("/x", methods=["GET", "PUT"])(lambda was: "")
    app.route("/<name>", methods=["DELETE"])(lambda was, name: f"deleted {name}")
    reply = ask(app, "/x", "POST")
    assert (reply.code, reply.headers["allow"]) == (405, "DELETE, GET, HEAD, OPTIONS, PUT")
    assert ask(app, "/x", "DELETE").text == "deleted x"
    options = ask(app, "/x", "OPTIONS")
    assert (options.status, options.body) == ("204 No Content", b"")
    assert options.headers["allow"] == "DELETE, GET, HEAD, OPTIONS, PUT"
    assert ask(app, "/y/z", "OPTIONS").code == 404


def test_a_route_without_methods_takes_all_that_forms_and_apis_send(app):
    app.route("/")(lambda was: was.request.command)
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
        assert ask(app, "/", method).text == method.lower()
    with pytest.warns(WSGIWarning, match="PROPFIND"):
        assert ask(app, "/", "PROPFIND").code == 405


def test_a_missing_or_added_slash_is_redirected_for_safe_methods(app):
    app.route("/folder/")(lambda was: "")
    app.route("/page")(lambda was: "")
    reply = ask(app, "/folder?a=%20b", SCRIPT_NAME="/mount")
    assert (reply.code, reply.headers["location"]) == (301, "/mount/folder/?a=%20b")
    assert ask(app, "/page/").headers["location"] == "/page"
    assert ask(app, "/page/", "POST").code == 404


def test_a_redirect_never_leaves_the_host(app):
    app.route("//evil.com/")(lambda was: "")
    assert ask(app, "//evil.com").headers["location"] == "/evil.com/"


# -- arguments ---------------------------------------------------------------------------------


def test_the_query_gives_arguments_by_name(app):
    app.route("/add")(lambda was, num1, num2="0": f"{num1}+{num2}")
    app.route("/any")(lambda was, **form: repr(form))
    assert ask(app, "/add?num1=1&num2=2").text == "1+2"
    assert ask(app, "/add?num1=%EA%B0%80").text == "가+0"
    assert ask(app, "/any?a=1&b=&a=2&a=3").text == "{'a': ['1', '2', '3'], 'b': ''}"


@pytest.mark.parametrize(
    ("target", "why"),
    [
        ("/add", "Missing: 'num1'."),
        ("/add?num1=1&x=2", "There is no argument 'x' here."),
        ("/add?num1=1&was=2", "There is no argument 'was' here."),
        ("/any?was=2", "There is no argument 'was' here."),
        ("/hello/x?name=y", "The argument 'name' is in the path already."),
        ("/any?" + "&".join(f"a{n}=1" for n in range(1001)), "more than 1000 arguments"),
    ],
)
def test_arguments_that_do_not_fit_are_400_and_named(app, target, why):
    app.route("/add")(lambda was, num1, num2="0": "")
    app.route("/any")(lambda was, **form: "")
    app.route("/hello/<name>")(lambda was, name: "")
    reply = ask(app, target, HTTP_ACCEPT="application/json")
    assert reply.code == 400
    assert why in reply.text


def test_a_path_variable_may_be_left_out_by_the_function(app):
    app.route("/hello/<name>")(lambda was: "hello")
    assert ask(app, "/hello/x").text == "hello"


def test_a_type_error_inside_the_function_is_the_applications(app):
    app.route("/")(lambda was: len(3))
    with pytest.raises(TypeError, match="len"):
        ask(app)


def test_a_function_that_cannot_be_a_handler_is_refused(app):
    with pytest.raises(TypeError, match="takes no first argument"):
        app.route("/")(lambda: "")
    with pytest.raises(TypeError, match="'b' must be possible to give by its name"):
        app.route("/")(lambda was, b, /: "")


def test_a_path_that_is_not_utf8_is_400(app):
    app.route("/<name>")(lambda was, name: "")
    assert ask(app, PATH_INFO="/\xff").code == 400


# -- what a handler sees -----------------------------------------------------------------------


def test_request_as_the_readme_names_it(app):
    @app.route("/a b")
    def show(was, q=""):
        request = was.request
        assert was.app is app
        assert was.env["REQUEST_METHOD"] == "POST"
        assert (request.command, request.method, request.version) == ("post", "POST", "1.1")
        assert request.uri == "/m/a%20b?q=1"
        assert request.get_header("user-AGENT") == request.get_user_agent() == "curl/8"
        assert request.get_header("content-type") == "text/plain"
        assert request.get_header("x-none") is None
        assert request.get_header("x-none", "default") == "default"
        assert {"User-Agent: curl/8", "Content-Type: text/plain"} <= set(request.get_header())
        assert request.get_remote_addr() == "192.0.2.1"
        assert request.get_body() == request.get_body() == b"the body"
        assert current_was.request is request
        return "seen"

    environ = {"HTTP_USER_AGENT": "curl/8", "CONTENT_TYPE": "text/plain", "REMOTE_ADDR": "192.0.2.1"}
    assert ask(app, "/a b?q=1", "POST", b"the body", SCRIPT_NAME="/m", **environ).text == "seen"
    with pytest.raises(RuntimeError):
        _ = current_was.request


def test_services_of_the_server_are_used(app):
    app.route("/")(lambda was: repr(was is current_was.current()))

    def server(environ, start_response):
        token = current_was.activate(environ)
        try:
            return app(environ, start_response)
        finally:
            current_was.deactivate(token)

    assert ask(server).text == "True"


def test_response_fields_and_status(app):
    @app.route("/")
    def index(was):
        was.response.set_status("201 Made")
        was.response["Content-Type"] = "text/plain"
        was.response["content-type"] = "text/csv"
        was.response.add("X-Two", "1")
        was.response["X-Gone"] = "1"
        del was.response["x-gone"]
        assert was.response["CONTENT-TYPE"] == "text/csv"
        with pytest.raises(KeyError):
            _ = was.response["x-gone"]
        return b"a,b"

    reply = ask(app)
    assert (reply.status, reply.body) == ("201 Made", b"a,b")
    assert reply.headers == {"content-type": "text/csv", "x-two": "1", "content-length": "3"}


@pytest.mark.parametrize("status", ["OK", "20", "99 Low", "600 High", "2000", ""])
def test_a_status_that_is_none_is_refused(app, status):
    app.route("/")(lambda was: was.response.set_status(status))
    with pytest.raises(ValueError, match="is no status"):
        ask(app)


def test_send_error_gives_the_servers_page_and_closes_what_was_returned(app):
    file = io.BytesIO(b"never sent")

    @app.route("/")
    def index(was):
        was.response.send_error("503 Service Unavailable", why="It is not my fault")
        return file

    reply = ask(app, HTTP_ACCEPT="application/json")
    assert reply.status == "503 Service Unavailable"
    assert "It is not my fault" in reply.text
    assert file.closed


def test_an_http_error_is_a_response(app):
    @app.route("/")
    def index(was):
        was.response["X-Secret"] = "1"
        raise HTTPError(403, "Not for you.")

    reply = ask(app)
    assert reply.code == 403
    assert "x-secret" not in reply.headers


@pytest.mark.parametrize("status", [204, 304])
def test_statuses_without_a_body_have_none(app, status):
    @app.route("/")
    def index(was):
        was.response.set_status(status)
        return "ignored"

    reply = ask(app)
    assert (reply.code, reply.body, reply.headers) == (status, b"", {})


@pytest.mark.parametrize(
    ("value", "body"),
    [
        ("가", "가".encode()),
        (b"\xff", b"\xff"),
        (bytearray(b"x"), b"x"),
        (memoryview(b"x"), b"x"),
        (8, b"8"),
        (0.5, b"0.5"),
        ("", b""),
        (["a", b"b"], b"ab"),
        ((), b""),
        (io.BytesIO(b"file"), b"file"),
    ],
)
def test_what_a_handler_may_return(app, value, body):
    app.route("/")(lambda was: value)
    assert ask(app).body == body


def test_a_generator_is_sent_as_it_yields_and_closed(app):
    steps: list[str] = []

    @app.route("/")
    def index(was):
        def generate():
            try:
                for number in range(3):
                    steps.append(f"made {number}")
                    yield str(number)
            finally:
                steps.append("closed")

        return generate()

    environ: dict[str, Any] = {}
    setup_testing_defaults(environ)
    body = app(environ, lambda status, headers: None)
    assert steps == []
    assert next(iter(body)) == b"0"
    assert steps == ["made 0"]
    body.close()
    assert steps == ["made 0", "closed"]


@pytest.mark.parametrize("value", [None, True, {1}, object(), {"a": {1}}])
def test_what_a_handler_may_not_return_is_named(app, value):
    @app.route("/")
    def index(was):
        return value

    with pytest.raises(TypeError, match=r"index\(\) (returned|gave)"):
        ask(app)


def test_attributes_that_servers_look_at(app):
    assert (app.debug, app.use_reloader, app.import_name) == (False, False, __name__)
