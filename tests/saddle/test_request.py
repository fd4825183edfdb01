"""was.request: every attribute and call that README and 0.11 name, and those of today."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skitai.saddle import Saddle
from skitai.saddle.request import Request
from tests.saddle.asking import Reply, ask
from tests.saddle.multipartbody import CONTENT_TYPE, body, file, text

HEADERS = {
    "HTTP_USER_AGENT": "curl/8",
    "HTTP_X_TWO_WORDS": "x",
    "CONTENT_TYPE": "Text/Plain; charset=utf-8",
    "REMOTE_ADDR": "192.0.2.1",
    "wsgi.url_scheme": "https",
    "SCRIPT_NAME": "/m",
}


def see(
    look: Callable[[Request], Any], target: str = "/a%20b", data: bytes = b"", **environ: Any
) -> tuple[Any, Reply]:
    """What ``look`` says of a request that is posted."""
    app, seen = Saddle(__name__), []

    @app.route("/<path:rest>")
    def index(was, **arguments):
        seen.append(look(was.request))
        return "seen"

    target, _, query = target.partition("?")
    reply = ask(app, "/a b", "POST", data, QUERY_STRING=query, **environ)
    return (seen[0] if seen else None), reply


@pytest.mark.parametrize(
    ("look", "seen"),
    [
        (lambda request: request.command, "post"),
        (lambda request: request.method, "POST"),
        (lambda request: request.version, "1.1"),
        (lambda request: request.uri, "/m/a%20b?q=1&q=%EA%B0%80"),
        (lambda request: request.split_uri(), ("/m/a%20b", "", "q=1&q=%EA%B0%80", "")),
        (lambda request: request.get_header("content-type"), "Text/Plain; charset=utf-8"),
        (lambda request: request.get_header("X-Two-words"), "x"),
        (lambda request: request.get_header("x-none"), None),
        (lambda request: request.get_header("x-none", "-"), "-"),
        (lambda request: "X-Two-Words: x" in request.get_header(), True),
        (lambda request: request.get_content_type(), "text/plain"),
        (lambda request: request.get_body(), b"the body"),
        (lambda request: request.get_remote_addr(), "192.0.2.1"),
        (lambda request: request.get_real_ip(), "192.0.2.1"),
        (lambda request: request.get_user_agent(), "curl/8"),
        (lambda request: request.get_scheme(), "https"),
        (lambda request: request.args, {"q": ["1", "가"]}),
        (lambda request: request.form(), {}),
        (lambda request: request.files, {}),
    ],
)
def test_what_a_request_says(look, seen):
    said, reply = see(look, "/a%20b?q=1&q=%EA%B0%80", b"the body", **HEADERS)
    assert (said, reply.code) == (seen, 200)


def test_parts_of_a_uri_that_clients_seldom_send():
    said, _ = see(lambda request: request.split_uri(), REQUEST_URI="/a;p?q;r#f")
    assert said == ("/a", "p", "q;r", "f")


def test_files_are_those_of_the_form():
    def names(request: Request) -> Any:
        files = request.files
        assert files["one"] is request.form()["one"]
        return files["one"].name, [held.name for held in files["two"]], "three" in files

    data = body(file("one", "a", b""), file("two", "b", b""), file("two", "c", b""), text("three", "d"))
    assert see(names, data=data, CONTENT_TYPE=CONTENT_TYPE)[0] == ("a", ["b", "c"], False)


def test_args_are_query_and_form():
    data, content_type = b"a=2&b=3", "application/x-www-form-urlencoded"
    said, _ = see(lambda request: request.args, "/?a=1&c=4", data, CONTENT_TYPE=content_type)
    assert said == {"a": ["1", "2"], "b": "3", "c": "4"}


# -- JSON --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content_type", ["application/json", "Application/JSON; charset=utf-8", "application/merge-patch+json"]
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-8-sig"])
def test_json(content_type, encoding):
    value = {"가": [1, 2.5, None, True, {"a": "b"}]}
    data = json.dumps(value, ensure_ascii=False).encode(encoding)
    assert see(lambda request: request.json(), data=data, CONTENT_TYPE=content_type)[0] == value


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"{'a': 1}",
        b"nan",
        b"NaN",
        b"[Infinity]",
        b"1e999",
        b"\xff",
        b"[" * 100_000,
        b"1" * 5000,
        b"1 2",
    ],
)
def test_a_body_that_is_no_json_is_400(data):
    said, reply = see(lambda request: request.json(), data=data, CONTENT_TYPE="application/json")
    assert (said, reply.code) == (None, 400)
    assert "no JSON" in reply.text


@pytest.mark.parametrize("content_type", ["", "text/plain", "application/x-www-form-urlencoded", "json"])
def test_json_of_another_type_is_415(content_type):
    assert see(lambda request: request.json(), data=b"{}", CONTENT_TYPE=content_type)[1].code == 415


def test_json_has_a_limit():
    app = Saddle(__name__)
    app.limits.json_max = 10
    app.route("/")(lambda was: was.request.json())
    environ = {"CONTENT_TYPE": "application/json"}
    assert ask(app, "/", "POST", b"[12345678]", **environ).body == b"[12345678]"
    reply = ask(app, "/", "POST", b"[123456789]", **environ)
    assert reply.code == 413
    assert "json_max allows (10 bytes)" in reply.text


@given(st.binary(max_size=40) | st.text(alphabet='[]{}",:0e1-+.tnNI\\u ', max_size=40).map(str.encode))
def test_no_json_is_a_failure_of_the_server(data):
    assert see(lambda request: request.json(), data=data, CONTENT_TYPE="application/json")[1].code in (
        200,
        400,
    )


# -- before the body has come ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content_type", "length", "limit"),
    [
        ("application/x-www-form-urlencoded", 5 << 20, "form_max"),
        (CONTENT_TYPE, 100 << 20, "upload_max"),
    ],
)
def test_a_form_that_is_too_long_is_refused_before_it_comes(content_type, length, limit):
    app = Saddle(__name__)
    environ = {"REQUEST_METHOD": "POST", "CONTENT_TYPE": content_type}
    assert app.skitai_admit_body(environ) is None
    assert app.skitai_admit_body({**environ, "CONTENT_LENGTH": str(length)}) is None
    refusal = app.skitai_admit_body({**environ, "CONTENT_LENGTH": str(length + 1)})
    assert refusal is not None
    assert refusal[0] == "413 Content Too Large"
    assert limit.encode() in refusal[2]


def test_other_bodies_have_the_limit_of_the_server():
    environ = {"REQUEST_METHOD": "PUT", "CONTENT_TYPE": "video/mp4", "CONTENT_LENGTH": str(1 << 29)}
    assert Saddle(__name__).skitai_admit_body(environ) is None


def test_a_request_outside_an_application_has_a_head_only():
    request = Request({"REQUEST_METHOD": "GET", "PATH_INFO": "/a"})
    assert (request.command, request.uri) == ("get", "/a")
    with pytest.raises(RuntimeError, match="outside an application"):
        request.form()
