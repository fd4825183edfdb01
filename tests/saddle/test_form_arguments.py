"""README, "Getting Form Parameters" and "File Upload": what a form gives to a function's arguments."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from skitai.saddle import Saddle, UploadedFile
from tests.saddle.asking import Reply, ask
from tests.saddle.multipartbody import CONTENT_TYPE, body, file, text

URLENCODED = "application/x-www-form-urlencoded"


@pytest.fixture
def app() -> Saddle:
    return Saddle(__name__)


def post(
    app: Saddle, target: str, data: bytes, content_type: str = URLENCODED, method: str = "POST"
) -> Reply:
    return ask(app, target, method, data, CONTENT_TYPE=content_type)


def test_the_samples_of_the_readme(app):
    @app.route("/all")
    def hello(was, **form):
        return "Post %s %s" % (form.get("userid", ""), form.get("comment", ""))  # noqa: UP031

    @app.route("/hello")
    def hello_world(was, userid, **form):
        return "Post %s %s" % (userid, form.get("comment", ""))  # noqa: UP031

    data = b"userid=hansroh&comment=Hello+World%21"
    assert post(app, "/all", data).text == "Post hansroh Hello World!"
    assert post(app, "/hello", data).text == "Post hansroh Hello World!"
    assert post(app, "/hello", body(text("userid", "가")), CONTENT_TYPE).text == "Post 가 "
    missing = post(app, "/hello", b"comment=x")
    assert (missing.code, "'userid'" in missing.text) == (400, True)


def test_the_upload_of_the_readme(app, tmp_path: Path):
    @app.route("/upload")
    def upload(was, **form):
        if was.request.command == "get":
            return "FORM"
        uploaded = form.get("file")
        if uploaded:
            uploaded.save(tmp_path, dup="o")
        return form["submit-name"]

    assert ask(app, "/upload").text == "FORM"
    fields = (text("submit-hidden", "Genious"), text("submit-name", "Hans Roh"))
    reply = post(app, "/upload", body(*fields, file("file", "a.txt", b"data")), CONTENT_TYPE)
    assert (reply.code, reply.text) == (200, "Hans Roh")
    assert (tmp_path / "a.txt").read_bytes() == b"data"
    assert post(app, "/upload", body(*fields, file("file", "", b"")), CONTENT_TYPE).text == "Hans Roh"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_path_then_query_then_form(app):
    @app.route("/<int:n>")
    def index(was, n, a=None, b=None):
        return {"n": n, "a": a, "b": b}

    assert post(app, "/7?a=1", b"a=2&a=3&b=4").body == b'{"n":7,"a":["1","2","3"],"b":"4"}'
    overriding = post(app, "/7", b"n=8")
    assert (overriding.code, "'n' is in the path" in overriding.text) == (400, True)
    unknown = post(app, "/7", b"c=1")
    assert (unknown.code, "no argument 'c'" in unknown.text) == (400, True)


def test_annotations_and_typed_names_convert_what_a_form_gives(app):
    @app.route("/")
    def index(was, n: int = 0, tags: list[str] | None = None, **more: Any):
        return repr((n, tags, more))

    assert post(app, "/", b"n=7&tags=a&tags=b&float:x=1.5").text == "(7, ['a', 'b'], {'x': 1.5})"
    assert post(app, "/", b"n=x").code == 400
    typed = post(app, "/", body(file("int:x", "a", b"1")), CONTENT_TYPE)
    assert (typed.code, "'x' is a file" in typed.text) == (400, True)


@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        ([file("one", "a", b"")], "a None []"),
        ([file("one", "a", b""), file("maybe", "", b"")], "a None []"),
        ([file("one", "a", b""), file("maybe", "b", b""), *[file("many", "c", b"")] * 2], "a b ['c', 'c']"),
        ([text("one", "x")], "The argument 'one' is no file."),
        ([file("one", "a", b"")] * 2, "The argument 'one' is given several times."),
        ([file("one", "a", b""), file("word", "b", b"")], "The argument 'word' is a file."),
    ],
)
def test_files_are_converted_to_nothing_else(app, sent, answer):
    @app.route("/")
    def index(
        was,
        one: UploadedFile,
        maybe: UploadedFile | None = None,
        many: list[UploadedFile] | None = None,
        word: str = "",
    ):
        return f"{one.name} {maybe and maybe.name} {[each.name for each in many or ()]}"

    assert answer in post(app, "/", body(*sent), CONTENT_TYPE).text


def test_a_function_without_arguments_reads_the_form_itself(app):
    app.route("/")(lambda was: was.request.form())
    assert post(app, "/", b"a=1").body == b'{"a":"1"}'


@pytest.mark.parametrize(
    ("content_type", "method"),
    [("application/json", "POST"), ("text/plain", "POST"), ("", "POST"), (URLENCODED, "GET")],
)
def test_other_bodies_are_no_arguments(app, content_type, method):
    app.route("/")(lambda was, **form: form)
    assert post(app, "/", b'a={"a":1}', content_type, method).body == b"{}"


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_forms_of_other_methods_are(app, method):
    app.route("/")(lambda was, **form: form)
    assert post(app, "/", b"a=1", method=method).body == b'{"a":"1"}'


def test_a_form_that_is_too_long_does_not_reach_the_function(app):
    called: list[bool] = []

    @app.route("/")
    def index(was, **form):
        called.append(True)
        return ""

    app.limits.form_max = 3
    assert post(app, "/", b"a=12").code == 413
    assert not called


def test_the_form_of_an_async_function_may_be_forged_too(app):
    app.securekey = "a key that is long enough"
    app.csrf = True

    @app.route("/")
    async def index(was, **form):
        return f"changed {form}"

    assert post(app, "/", body(text("a", "1")), CONTENT_TYPE).code == 403
    client = app.test_client("https://localhost")
    app.route("/token")(lambda was: was.csrf_token)
    token = client.get("/token").text
    assert client.post("/", data={"a": "1", "_csrf_token": token}).text == "changed {'a': '1'}"


def test_an_async_function_lets_others_work_while_its_form_is_read(app):
    turns: list[int] = []

    async def other() -> None:
        while True:
            turns.append(1)
            await asyncio.sleep(0)

    @app.before_request
    async def before(was):
        was.temp.other = asyncio.create_task(other())

    @app.route("/")
    async def index(was, file: UploadedFile):
        was.temp.other.cancel()
        return str(file.size)

    reply = post(app, "/", body(file("file", "a", b"x" * 1_000_000)), CONTENT_TYPE)
    assert (reply.text, post(app, "/", b"file=x").code) == ("1000000", 400)
    assert len(turns) >= 10
