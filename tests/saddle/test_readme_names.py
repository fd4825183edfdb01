"""Every call and attribute of README's Saddle that is not a part of the request, the answer or a session."""

from __future__ import annotations

import pytest

from skitai.saddle import EVEXCEPT, EVOK, EVREQEND, Package, Saddle
from tests.saddle.asking import ask


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("'REQUEST_METHOD' in was.env.keys()", True),
        ("was.env.get('CONTENT_TYPE')", "text/plain"),
        ("was.app.debug", False),
        ("was.app.use_reloader", False),
        ("was.app.build_url('add', 10, 40)", "/add?num1=10&num2=40"),
        ("was.ab('add', 10, 40)", "/add?num1=10&num2=40"),
        ("was.ab('add', 10, num2=60)", "/add?num1=10&num2=60"),
        ("was.ab('hello', 'Your Name')", "/hello/Your_Name"),
        ("vars(was.temp).get('user_id')", None),
        ("was.temp.bind(EVOK, print_nothing)", None),
        ("was.temp.bind(EVEXCEPT, print_nothing)", None),
        ("was.temp.bind(EVREQEND, print_nothing)", None),
    ],
)
def test_in_a_request(expression, value):
    app = Saddle(__name__)
    names = {"EVOK": EVOK, "EVEXCEPT": EVEXCEPT, "EVREQEND": EVREQEND, "print_nothing": lambda was: None}

    @app.route("/add")
    def add(was, num1, num2):
        return int(num1) + int(num2)

    @app.route("/hello/<name>")
    def hello(was, name="Hans Roh"):
        return repr(eval(expression, {**names, "was": was}))

    assert ask(app, "/hello/x", CONTENT_TYPE="text/plain").text == repr(value)


@pytest.mark.parametrize("scope", [Saddle("x"), Package()])
@pytest.mark.parametrize(
    "name",
    [
        *("before_request", "after_request", "failed_request", "teardown_request"),
        *("startup", "onreload", "shutdown"),
    ],
)
def test_decorators_give_the_function_back(scope, name):
    def function(was, app=None):
        return None

    assert getattr(scope, name)(function) is function


def test_settings_of_an_application():
    app = Saddle(__name__)
    app.debug = True
    app.use_reloader = True
    app.realm = "Partner App Area of mysite.com"
    app.user = "app"
    app.password = "iamyourpartnerapp"
    assert app.import_name == __name__
