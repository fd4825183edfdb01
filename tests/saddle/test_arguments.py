"""Texts of a request become what a function's parameters are annotated with, or 400."""

from __future__ import annotations

import enum
import json
from typing import Any, Literal, Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skitai.saddle import Saddle
from tests.saddle.asking import ask


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


def shown(annotation: Any, default: Any = ...) -> Saddle:
    """An application that shows what it was given as ``x``."""
    app = Saddle(__name__)

    def index(was, x):
        return repr(x)

    index.__annotations__ = {"x": annotation}
    if default is not ...:
        index.__defaults__ = (default,)
    app.route("/")(index)
    return app


@pytest.mark.parametrize(
    ("annotation", "query", "value"),
    [
        (int, "x=7", 7),
        (int, "x=-7", -7),
        (float, "x=1.5e3", 1500.0),
        (bool, "x=on", True),
        (bool, "x=FALSE", False),
        (bool, "x=", False),
        (str, "x=7", "7"),
        (list[int], "x=1&x=2", [1, 2]),
        (list[int], "x=1", [1]),
        (list[str], "x=a", ["a"]),
        (list, "x=a", ["a"]),
        (int | None, "x=", None),
        (int | None, "x=3", 3),
        (Optional[float], "x=3", 3.0),  # noqa: UP045
        (int | str, "x=a", "a"),
        (Literal["a", "b"], "x=b", "b"),
        (Literal[1, 2], "x=2", 2),
        (Colour, "x=red", Colour.RED),
        ("int", "x=7", 7),
        ("Missing", "x=7", "7"),
        (dict, "x=7", "7"),
        (Any, "x=7&x=8", ["7", "8"]),
    ],
)
def test_annotated_parameters_are_converted(annotation, query, value):
    assert ask(shown(annotation), f"/?{query}").text == repr(value)


def test_an_annotation_that_cannot_be_read_is_told_when_the_route_is_made(caplog):
    app = Saddle(__name__)

    def index(was: Missing, a: "int", b: Imt, *rest: Missing, c: "1 +" = 0, **form: Missing):  # noqa: F722, F821, UP037
        return repr((a, b, c))

    app.route("/")(index)
    where = "index(): the annotation"
    told = [record.getMessage().partition(", so ")[0].rpartition("<locals>.")[2] for record in caplog.records]
    assert told == [
        f"{where} Imt of the argument 'b' cannot be read (NameError: name 'Imt' is not defined)",
        f"{where} 1 + of the argument 'c' cannot be read (SyntaxError: invalid syntax (<string>, line 1))",
    ]
    assert {record.levelname for record in caplog.records} == {"WARNING"}
    assert ask(app, "/?a=1&b=2").text == "(1, '2', 0)"


@pytest.mark.parametrize(
    ("annotation", "query", "why"),
    [
        (int, "x=a", "The argument 'x' is no int."),
        (int, "x=", "The argument 'x' is no int."),
        (int, "x=1_000", "is no int"),
        (int, "x=%D9%A3", "is no int"),
        (int, "x=" + "9" * 5000, "is no int"),
        (int, "x=1&x=2", "The argument 'x' is given several times."),
        (float, "x=nan", "is no float"),
        (float, "x=1e999", "is no float"),
        (bool, "x=perhaps", "is no bool"),
        (list[int], "x=1&x=b", "is no int"),
        (int | None, "x=a", "is no int"),
        (Literal["a", "b"], "x=c", "is none of a, b"),
        (Colour, "x=green", "is none of red, blue"),
    ],
)
def test_what_cannot_be_converted_is_400_and_named(annotation, query, why):
    reply = ask(shown(annotation), f"/?{query}", HTTP_ACCEPT="application/json")
    assert reply.code == 400
    assert why in json.loads(reply.text)["why"]
    assert why in ask(shown(annotation), f"/?{query}").text


def test_a_default_is_not_converted():
    assert ask(shown(int, None)).text == "None"
    assert ask(shown(bool, False), "/?x=1").text == "True"


def test_a_path_variable_is_converted_too():
    app = Saddle(__name__)

    @app.route("/<name>/<int:n>")
    def index(was, name: Literal["a b"], n: float):
        return f"{name} {n}"

    assert ask(app, "/a_b/3").text == "a b 3"
    assert ask(app, "/c/3").code == 400


@pytest.mark.parametrize(
    ("query", "value"),
    [
        ("int:x=3", 3),
        ("int:x=3&int:x=4", [3, 4]),
        ("float:x=3", 3.0),
        ("bit:x=1", True),
        ("list:x=a,%20b", ["a", "b"]),
        ("list:x=", []),
        ("json:x=%7B%22a%22:[1]%7D", {"a": [1]}),
    ],
)
def test_names_may_carry_a_type(query, value):
    app = Saddle(__name__)
    app.route("/")(lambda was, **form: repr(form))
    assert ask(app, f"/?{query}").text == repr({"x": value})


def test_a_name_with_a_type_that_is_none_stays():
    app = Saddle(__name__)
    app.route("/")(lambda was, **form: repr(form))
    assert ask(app, "/?xlink:href=3").text == "{'xlink:href': '3'}"
    reply = ask(app, "/?int:x=a")
    assert (reply.code, "The argument 'x' is no int." in reply.text) == (400, True)
    for text in ("[" * 5000, "NaN", "[-Infinity]", "1e999"):  # Python would read the last three
        assert ask(app, f"/?json:x={text}").code == 400, text


def test_arguments_that_are_only_given_by_name():
    app = Saddle(__name__)

    @app.route("/<b>/<a>")
    def index(was, a, *, b):
        return f"{a}{b}"

    assert ask(app, "/1/2").text == "21"


def test_non_ascii_as_it_is_and_quoted():
    app = Saddle(__name__)
    app.route("/")(lambda was, **form: repr(form))
    assert ask(app, "/?" + "가=나".encode().decode("latin-1")).text == "{'가': '나'}"
    assert ask(app, "/?a=%FF&b=x+y").text == "{'a': '\ufffd', 'b': 'x y'}"


@given(st.text(alphabet="ab=&%:+;/é0[", max_size=30), st.sampled_from([int, float, bool, list[int], str]))
def test_no_query_is_a_failure(query, annotation):
    app = shown(annotation, None)
    app.route("/all")(lambda was, **form: "")
    sent = query.encode().decode("latin-1")
    assert ask(app, f"/?{sent}").code in (200, 400)
    assert ask(app, f"/all?{sent}").code in (200, 400)


@given(st.lists(st.sampled_from(["a", "_", "7", "7.5", "", "..", "é", "x y", "<int:n>"]), max_size=6))
def test_no_path_is_a_failure(segments):
    app = Saddle(__name__)
    for rule in ("/a/<x>", "/<int:x>/<float:y>", "/<x>/<int:y>/<path>", "/<float:x>/a/<y>", "/7/7/"):
        app.route(rule)(lambda was, **variables: repr(variables))
    reply = ask(app, "/" + "/".join(segments))
    assert reply.code in (200, 301, 404)


def test_what_a_path_has_converted_is_converted_again_only_where_it_must_be():
    app = Saddle(__name__)

    @app.route("/<int:a>/<float:b>")
    def one(was, a: int, b: float):
        return repr((a, b))

    @app.route("/list/<int:a>/<name>")
    def two(was, a: list[int], name: list[str]):
        return repr((a, name))

    assert ask(app, "/3/4").text == "(3, 4.0)"
    assert ask(app, "/list/3/x").text == "([3], ['x'])"
