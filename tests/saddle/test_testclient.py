"""The client that calls an application without a server."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from skitai.saddle import Saddle
from skitai.saddle.testclient import TestClient


@pytest.fixture
def app():
    app = Saddle(__name__)

    @app.route("/echo")
    def echo(was, **form):
        body = was.request.get_body()
        return {
            "method": was.request.method,
            "uri": was.request.uri,
            "mount": was.env["SCRIPT_NAME"],
            "path": was.env["PATH_INFO"],
            "scheme": was.env["wsgi.url_scheme"],
            "type": was.env.get("CONTENT_TYPE"),
            "length": was.env.get("CONTENT_LENGTH"),
            "body": body.decode("latin-1"),
            "cookie": dict(was.cookie),
            "x": was.request.get_header("x-test"),
        }

    return app


@pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete"])
def test_every_method(app, method):
    with app.test_client() as client:
        response = getattr(client, method)("/echo", headers={"X-Test": "y"})
        assert (response.status_code, response.status) == (200, "200 OK")
        assert response.json()["method"] == method.upper()
        assert response.json()["x"] == "y"
        assert response.headers["content-TYPE"].startswith("application/json")
        assert json.loads(response.data) == json.loads(response.text) == response.json()


def test_head_has_no_body(app):
    response = app.test_client().head("/echo")
    assert response.data == b""
    assert int(response.headers["Content-Length"]) > 0
    assert "DELETE" in app.test_client().options("/echo").headers["Allow"]


def test_params_are_added_to_the_query(app):
    client = app.test_client()
    assert (
        client.get("/echo", params={"a": [1, 2], "b": "가 &"}).json()["uri"]
        == "/echo?a=1&a=2&b=%EA%B0%80+%26"
    )
    assert client.get("/echo?a=1", params=[("b", 2)]).json()["uri"] == "/echo?a=1&b=2"


@pytest.mark.parametrize(
    ("options", "kind", "body"),
    [
        ({"data": "가"}, None, "가".encode()),
        ({"data": b"\x00\xff"}, None, b"\x00\xff"),
        ({"data": io.BytesIO(b"file")}, None, b"file"),
        ({"json": {"a": [1, None]}}, "application/json", b'{"a": [1, null]}'),
        ({"json": [], "headers": {"content-type": "application/x"}}, "application/x", b"[]"),
    ],
)
def test_bodies(app, options, kind, body):
    seen = app.test_client().put("/echo", **options).json()
    assert (seen["type"], seen["body"], seen["length"]) == (kind, body.decode("latin-1"), str(len(body)))


def test_json_is_a_whole_body(app):
    with pytest.raises(ValueError, match="json= is a whole body"):
        app.test_client().post("/echo", json=1, data="x")


def test_forms_and_uploads_arrive():
    app = Saddle(__name__)

    @app.route("/upload")
    def upload(was, **form):
        form = was.request.form()
        file = form.pop("file")
        with open(file.file, "rb") as stored:
            return {**form, "name": file.name, "type": file.mimetype, "text": stored.read().decode()}

    form = {"title": "가 & b", "tags": ["1", "2"]}
    for given, name, kind in (
        (("a.csv", "x,y", "text/csv"), "a.csv", "text/csv"),
        (("a.txt", io.BytesIO(b"x,y")), "a.txt", "text/plain"),
        (b"x,y", "file", "application/octet-stream"),
    ):
        response = app.test_client().post("/upload", data=form, files={"file": given})
        assert response.json() == {
            "title": "가 & b",
            "tags": ["1", "2"],
            "name": name,
            "type": kind,
            "text": "x,y",
        }


def test_cookies_are_kept_as_a_browser_keeps_them():
    app = Saddle(__name__)

    @app.route("/set")
    def set_cookies(was):
        was.cookie.set("text", "가;")
        was.cookie.set("path", "1", path="/other")
        was.cookie.set("secure", "1", secure=True)
        was.cookie.set("foreign", "1", domain="example.com")
        return ""

    @app.route("/remove")
    def remove(was):
        was.cookie.remove("text")
        return ""

    app.route("/get")(lambda was: dict(was.cookie))
    app.route("/other/get")(lambda was: dict(was.cookie))
    client = app.test_client()
    client.get("/set")
    assert client.get("/get").json() == {"text": "가;"}
    assert client.cookie("text") == "가;"
    assert client.get("/other/get").json() == {"path": "1", "text": "가;"}
    assert client.get("/get", cookies={"once": "é"}).json() == {"text": "가;", "once": "é"}
    client.get("/remove")
    assert client.cookie("text") is None
    client.set_cookie("mine", "가")
    assert client.get("/get").json() == {"mine": "가"}
    assert app.test_client().get("/get").json() == {}
    over_tls = app.test_client("https://www.example.com")
    over_tls.set_cookie("mine", "1")
    over_tls.get("/set")
    assert set(over_tls.get("/get").json()) == {"text", "secure", "foreign", "mine"}


@pytest.mark.parametrize(
    ("status", "method", "body"),
    [(301, "GET", ""), (302, "GET", ""), (303, "GET", ""), (307, "POST", "x"), (308, "POST", "x")],
)
def test_redirects_on_demand(app, status, method, body):
    app.route("/from")(lambda was: was.redirect("/echo?a=1", status))
    client = app.test_client()
    assert client.post("/from", data="x").status_code == status
    response = client.post("/from", data="x", headers={"Content-Type": "text/plain"}, follow_redirects=True)
    seen = response.json()
    assert (seen["method"], seen["body"], seen["uri"]) == (method, body, "/echo?a=1")
    assert seen["type"] == ("text/plain" if body else None)
    assert [before.status_code for before in response.history] == [status]
    assert response.url == "http://localhost/echo?a=1"
    assert client.head("/from", follow_redirects=True).status_code == 200


def test_redirects_that_lead_nowhere():
    app = Saddle(__name__)
    app.route("/round")(lambda was: was.redirect("/round"))
    app.route("/away")(lambda was: was.redirect("https://example.com/"))
    with pytest.raises(AssertionError, match="more than 20 redirects"):
        app.test_client().get("/round", follow_redirects=True)
    with pytest.raises(AssertionError, match="redirects to another host"):
        app.test_client().get("/away", follow_redirects=True)


def test_a_mount(app):
    client = app.test_client("https://example.com:8443", "/my/app")
    seen = client.get("/my/app/echo").json()
    assert (seen["mount"], seen["path"], seen["scheme"]) == ("/my/app", "/echo", "https")
    with pytest.raises(ValueError, match="/echo is not below /my/app"):
        client.get("/echo")


def test_a_stream_is_read_as_it_comes_and_ends_with_the_client():
    app = Saddle(__name__)
    steps: list[Any] = []

    @app.route("/")
    def index(was):
        try:
            for number in range(3):
                steps.append(number)
                yield str(number)
        finally:
            steps.append("closed")

    with app.test_client() as client:
        response = client.get("/", stream=True)
        assert steps == [0]
        assert next(iter(response)) == b"0"
        assert next(iter(response)) == b"1"
        assert steps == [0, 1]
    assert steps == [0, 1, "closed"]
    assert client.get("/").text == "012"
    assert client.get("/", stream=True).data == b"012"


def test_exceptions_come_out_or_are_a_500():
    app = Saddle(__name__)

    @app.route("/")
    def index(was):
        raise ZeroDivisionError("of the handler")

    @app.route("/later")
    def later(was):
        yield "x"
        raise ZeroDivisionError("of the stream")

    with pytest.raises(ZeroDivisionError, match="of the handler"):
        app.test_client().get("/")
    with pytest.raises(ZeroDivisionError, match="of the stream"):
        app.test_client().get("/later")
    response = app.test_client(raise_exceptions=False).get("/")
    assert (response.status_code, response.data) == (500, b"")
    with pytest.raises(ValueError, match="Expecting value"):
        response.json()


def test_hooks_run_and_async_functions_answer(app):
    steps: list[str] = []
    app.before_request(lambda was: steps.append("before"))
    app.teardown_request(lambda was: steps.append("teardown"))

    @app.route("/async")
    async def answer(was):
        return "from a coroutine"

    assert app.test_client().get("/async").text == "from a coroutine"
    assert steps == ["before", "teardown"]


@pytest.mark.parametrize(
    ("application", "text"),
    [
        (lambda environ, start: [b"text"], "start_response"),
        (lambda environ, start: start("200 OK", []) and [], "Content-Type"),
        (
            lambda environ, start: start("20 OK", [("Content-Type", "text/plain")]) and [],
            "Status codes must be three",
        ),
        (
            lambda environ, start: start("200 OK", [("Content-Type", "text/plain")]) and ["text"],
            "non-bytestring",
        ),
        (
            lambda environ, start: start("200 OK", [("Content-Type", "text/plain")])(b"x"),
            "older than PEP 3333",
        ),
        (lambda environ, start: start("200 OK", [("Content-Type", "text/plain")]) and [b"x"], "has a body"),
    ],
)
def test_what_breaks_the_rules_of_wsgi_breaks_the_test(application, text):
    with pytest.raises(AssertionError, match=text):
        TestClient(application).head("/")


def test_text_by_its_charset():
    app = Saddle(__name__)

    @app.route("/")
    def index(was):
        was.response["Content-Type"] = "text/plain; charset=euc-kr"
        return "가".encode("euc-kr")

    response = app.test_client().get("/")
    assert response.text == "가"
    assert repr(response) == "<200 OK of http://localhost/>"
