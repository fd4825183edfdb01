"""What becomes of the value that a handler returns: every kind of README's list, and when it is closed."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from wsgiref.util import setup_testing_defaults

import pytest

from skitai.lib import producers
from skitai.saddle import EVOK, EVREQEND, Saddle
from tests.saddle.asking import Reply, ask


def answer(value: Any, **environ: Any) -> Reply:
    app = Saddle(__name__)

    @app.route("/")
    def index(was):
        return value() if callable(value) else value

    return ask(app, **environ)


class Closing:
    """Counts how often it is closed."""

    def __init__(self) -> None:
        self.closed = 0

    def close(self) -> None:
        self.closed += 1


class File(Closing):
    def __init__(self, data: str | bytes) -> None:
        super().__init__()
        self._file: Any = io.StringIO(data) if isinstance(data, str) else io.BytesIO(data)
        self.sizes: list[int] = []

    def read(self, size: int) -> Any:
        self.sizes.append(size)
        return self._file.read(size)


class Steps(Closing):
    """An iterator whose step has the name of the day."""

    def __init__(self, name: str, pieces: list[Any]) -> None:
        super().__init__()
        left = iter(pieces)
        setattr(self, name, lambda: next(left))


class More(Closing):
    def __init__(self, *pieces: str | bytes) -> None:
        super().__init__()
        self._pieces = list(pieces)

    def more(self) -> str | bytes:
        return self._pieces.pop(0) if self._pieces else b""


@pytest.mark.parametrize(
    ("value", "body"),
    [
        ("가", "가".encode()),
        ("a\ud800b", "a\ufffdb".encode()),
        (["\ude00", "\ud83d\ude00"], "\ufffd😀".encode()),
        (b"\xff", b"\xff"),
        (8, b"8"),
        (0.5, b"0.5"),
        (["a", b"b"], b"ab"),
        ((), b""),
        (lambda: File(b"read"), b"read"),
        (lambda: File("réad"), "réad".encode()),
        (lambda: io.StringIO("réad"), "réad".encode()),
        (lambda: io.BytesIO(b"bytes"), b"bytes"),
        (lambda: iter(["a", b"b"]), b"ab"),
        (lambda: (str(n) for n in range(3)), b"012"),
        (lambda: Steps("next", ["a", "", "b"]), b"ab"),
        (lambda: Steps("_next", ["a", b"b"]), b"ab"),
        (lambda: More("a", b"b"), b"ab"),
        (lambda: producers.simple_producer(b"x" * 100_000), b"x" * 100_000),
        (lambda: ["<", File(b"file"), (c for c in "gen"), More("more"), ">"], b"<filegenmore>"),
        (lambda: ("a", [More("b"), ["c", File(b"d")], "e"]), b"abcde"),
    ],
)
def test_a_value_is_sent_as_its_body(value, body):
    reply = answer(value)
    assert (reply.code, reply.body) == (200, body)
    assert reply.headers["content-type"] == "text/html; charset=utf-8"


@pytest.mark.parametrize("mode", ["r", "rb"])
def test_a_file_is_sent_as_it_lies_on_the_disk(tmp_path: Path, mode: str):
    path = tmp_path / "latin"
    path.write_bytes(b"\xe9\r\n")
    opened = path.open(mode)
    assert answer(lambda: opened).body == b"\xe9\r\n"


# -- JSON --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [{}, {"a": [1, None, True], "가": "나"}, [], [1, 2], [{"id": 1}], ["a", 1], [["a"], ["b"]], (1, None)],
)
def test_plain_data_is_json(value):
    reply = answer(value)
    assert json.loads(reply.body) == (list(value) if isinstance(value, tuple) else value)
    assert reply.headers["content-type"] == "application/json"
    assert reply.headers["content-length"] == str(len(reply.body))


def test_json_is_short_and_readable():
    assert answer({"a": 1, "b": "가"}).body == '{"a":1,"b":"가"}'.encode()


def test_half_a_surrogate_pair_is_escaped():
    assert answer({"a": "\ud800"}).body == b'{"a":"\\ud800"}'


def test_a_content_type_of_ones_own_stays():
    app = Saddle(__name__)

    @app.route("/")
    def index(was):
        was.response["Content-Type"] = "application/problem+json"
        return {}

    assert ask(app).headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (None, r"index\(\) returned None: a handler returns str, bytes, a number"),
        (True, r"index\(\) returned bool"),
        ({1}, r"index\(\) returned set"),
        (object(), r"index\(\) returned object"),
        ({"a": object()}, r"index\(\) returned a dict that is no JSON: .*object"),
        ({"a": float("nan")}, r"index\(\) returned a dict that is no JSON: .*float"),
        ([1, b"x"], r"index\(\) returned a list that is no JSON: .*bytes"),
    ],
)
def test_what_has_no_body_is_named(value, why):
    with pytest.raises(TypeError, match=why):
        answer(value)


@pytest.mark.parametrize(
    "value", [lambda: iter([3]), lambda: More(3), lambda: ["a", More("b"), 3], lambda: iter([None])]
)
def test_a_piece_that_is_none_is_named(value):
    with pytest.raises(TypeError, match=r"index\(\) gave a p(art|iece) that is neither str"):
        answer(value)


# -- closing -----------------------------------------------------------------------------------


def started(value: Any) -> Any:
    """The iterable of a response that the server has not asked for anything yet."""
    app = Saddle(__name__)
    app.route("/")(lambda was: value)
    environ: dict[str, Any] = {}
    setup_testing_defaults(environ)
    return app(environ, lambda status, headers: None)


MAKERS: list[Callable[[], Any]] = [
    lambda: File(b"abc"),
    lambda: More("abc"),
    lambda: Steps("next", ["abc"]),
    lambda: Steps("_next", ["abc"]),
    lambda: Steps("__iter__", []),
]


@pytest.mark.parametrize("make", MAKERS[:-1])
@pytest.mark.parametrize("in_list", [False, True])
@pytest.mark.parametrize("read", [0, 1, None])
def test_a_stream_is_closed_once_whatever_is_read(make, in_list, read):
    stream = make()
    body = started(["<", stream, ">"] if in_list else stream)
    for _, _piece in zip(range(9 if read is None else read), body, strict=False):
        pass
    body.close()
    assert stream.closed == 1


def test_parts_are_closed_as_they_end_and_the_rest_when_the_client_leaves():
    first, second, third = More("1"), More("2", "2"), More("3")
    body = started([first, [second], third])
    assert next(body) == b"1"
    assert next(body) == b"2"
    assert (first.closed, second.closed, third.closed) == (1, 0, 0)
    body.close()
    body.close()
    assert (first.closed, second.closed, third.closed) == (1, 1, 1)
    assert list(body) == []


@pytest.mark.parametrize("giver", ["function", "before_request"])
@pytest.mark.parametrize("where", ["after_request", "teardown_request", EVOK, EVREQEND])
def test_what_nobody_sends_because_a_hook_raised_is_closed(where, giver):
    app = Saddle(__name__)
    stream = More("abc")

    def fail(was):
        raise KeyError(where)

    @app.before_request
    def before(was):
        if where in (EVOK, EVREQEND):
            was.temp.bind(where, fail)
        return stream if giver == "before_request" else None

    if where not in (EVOK, EVREQEND):
        getattr(app, where)(fail)
    app.route("/")(lambda was: stream)
    if giver == "before_request" and where in ("after_request", EVOK):  # these do not follow it
        assert ask(app).text == "abc"
    else:
        with pytest.raises(KeyError):
            ask(app)
    assert stream.closed == 1


def test_what_is_returned_under_a_head_that_cannot_be_sent_is_closed():
    app = Saddle(__name__)
    stream = More("abc")
    app.route("/")(lambda was: stream)

    def start_response(status, headers):
        raise ValueError("no such field")

    environ: dict[str, Any] = {}
    setup_testing_defaults(environ)
    with pytest.raises(ValueError, match="no such field"):
        app(environ, start_response)
    assert stream.closed == 1


def test_all_parts_are_closed_though_one_of_them_cannot_be():
    class Broken(More):
        def close(self) -> None:
            raise OSError("gone")

    last = More("x")
    body = started([Broken("a"), last])
    with pytest.raises(OSError, match="gone"):
        body.close()
    assert last.closed == 1


def test_what_is_returned_behind_an_error_is_closed_in_lists_too():
    app, file = Saddle(__name__), More("never")

    @app.route("/")
    def index(was):
        was.response.send_error(503, why="later")
        return ["a", [file]]

    assert ask(app).code == 503
    assert file.closed == 1


def test_a_stream_is_asked_only_for_what_is_taken():
    made: list[int] = []

    def numbers() -> Iterator[str]:
        for number in range(1_000_000):
            made.append(number)
            yield str(number)

    body = started(["<", numbers()])
    assert [next(body), next(body), next(body)] == [b"<", b"0", b"1"]
    assert made == [0, 1]
    body.close()


def test_a_file_is_read_in_blocks_of_one_size():
    file = File(b"x" * 200_000)
    assert len(answer(lambda: file).body) == 200_000
    assert set(file.sizes) == {65536}


# -- was.response ------------------------------------------------------------------------------


def test_was_response_as_the_readme_and_0_11_name_it():
    app = Saddle(__name__)

    @app.route("/")
    def index(was):
        response = was.response
        assert response.get_status() == "200 OK"
        response["Content-Type"] = "text/plain"
        assert response.has_key("content-type")
        assert not response.has_key("x-none")
        assert response.get_header("CONTENT-type") == "text/plain"
        assert response.get_header("x-none") is None
        assert response.get_header("x-none", "-") == "-"
        response.set_header("X-One", "1")
        response.update("x-one", "2")
        response["X-Gone"] = "1"
        del response["X-Gone"]
        response.set_status("404 Nowhere")
        assert response.get_status() == "404 Nowhere"
        response.set_status(404)
        return "Hello"

    reply = ask(app)
    assert reply.status == "404 Not Found"
    assert reply.headers == {"content-type": "text/plain", "x-one": "2", "content-length": "5"}


def test_send_error_as_the_readme_prints_it():
    app = Saddle(__name__)

    @app.route("/")
    def index(was):
        was.response.send_error("500 Server Error", why="It's not my fault")
        return ""

    reply = ask(app)
    assert reply.status == "500 Server Error"
    assert "It's not my fault" in reply.text
