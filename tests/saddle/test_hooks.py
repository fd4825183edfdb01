"""What runs around a function, and in which order."""

from __future__ import annotations

import pytest

from skitai.errors import ClientDisconnected, HTTPError
from skitai.saddle import EVEXCEPT, EVOK, EVREQEND, Package, Saddle
from tests.saddle.asking import ask


@pytest.fixture
def app() -> Saddle:
    return Saddle(__name__)


def trace(scope, steps, name):
    """Hooks of all kinds that note that they were called."""
    for kind in ("before", "after", "failed", "teardown"):

        def hook(was, step=f"{name} {kind}"):
            steps.append(step)

        assert getattr(scope, f"{kind}_request")(hook) is hook


def test_the_order_of_the_readme(app):
    steps: list[str] = []
    trace(app, steps, "app")

    @app.route("/view-account")
    def view_account(was, userid):
        steps.append(userid)
        return "seen"

    assert ask(app, "/view-account?userid=jerry").text == "seen"
    assert steps == ["app before", "jerry", "app after", "app teardown"]


def test_a_failure_is_followed_by_failed_and_teardown(app):
    steps: list[str] = []
    trace(app, steps, "app")
    app.route("/")(lambda was: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        ask(app)
    assert steps == ["app before", "app failed", "app teardown"]


def test_arguments_that_do_not_fit_are_a_failure_behind_before_request(app):
    steps: list[str] = []
    trace(app, steps, "app")
    app.route("/")(lambda was, n: "")
    assert ask(app).code == 400
    assert steps == ["app before", "app failed", "app teardown"]


def test_what_before_request_gives_is_the_answer_and_teardown_runs(app):
    steps: list[str] = []
    trace(app, steps, "app")

    @app.before_request
    def refuse(was):
        was.response.set_status(403)
        return "Not Authorized"

    app.route("/")(lambda was: steps.append("function") or "seen")
    reply = ask(app)
    assert (reply.code, reply.text) == (403, "Not Authorized")
    assert steps == ["app before", "app teardown"]


def test_nothing_runs_where_there_is_no_function(app):
    steps: list[str] = []
    trace(app, steps, "app")
    app.route("/x/")(lambda was: "")
    assert [ask(app, "/nothing").code, ask(app, "/x").code, ask(app, "/x/", "OPTIONS").code] == [
        404,
        301,
        204,
    ]
    assert steps == []


def test_hooks_of_packages_nest_inside_those_of_the_application(app):
    steps: list[str] = []
    inner, package = Package("/inner"), Package("/package")
    package.add_package(inner)
    app.add_package(package)
    inner.route("/")(lambda was: steps.append("function") or "seen")
    app.route("/")(lambda was: "app")
    for scope, name in ((app, "app"), (package, "package"), (inner, "inner")):
        trace(scope, steps, name)
    assert ask(app, "/package/inner/").text == "seen"
    assert steps == [
        "app before",
        "package before",
        "inner before",
        "function",
        "inner after",
        "inner teardown",
        "package after",
        "package teardown",
        "app after",
        "app teardown",
    ]
    steps.clear()
    assert ask(app, "/").text == "app"
    assert steps == ["app before", "app after", "app teardown"]


def test_several_of_a_kind_are_nested_too(app):
    steps: list[str] = []
    trace(app, steps, "first")
    trace(app, steps, "second")
    app.route("/")(lambda was: "")
    ask(app)
    assert steps == [
        "first before",
        "second before",
        "second after",
        "first after",
        "second teardown",
        "first teardown",
    ]


@pytest.mark.parametrize("kind", ["before", "after", "failed", "teardown"])
def test_an_error_of_a_hook_goes_out_and_the_later_hooks_run(app, kind):
    steps: list[str] = []
    trace(app, steps, "app")

    def broken(was):
        raise LookupError(kind)

    getattr(app, f"{kind}_request")(broken)

    @app.route("/")
    def index(was):
        if kind == "failed":
            raise ValueError("the first")
        return "seen"

    with pytest.raises(LookupError, match=kind) as caught:
        ask(app)
    assert steps[-1] == "app teardown"
    if kind == "failed":
        assert isinstance(caught.value.__context__, ValueError)


# -- was.temp ----------------------------------------------------------------------------------


def test_temp_is_shared_in_a_request_and_new_in_the_next(app):
    seen: list[str] = []

    @app.teardown_request
    def teardown(was):
        seen.append(was.temp.user_id)

    @app.route("/")
    def index(was, user_id=""):
        if user_id:
            was.temp.user_id = user_id
        return "seen"

    ask(app, "/?user_id=jerry")
    assert seen == ["jerry"]
    with pytest.raises(AttributeError, match=r"was\.temp\.user_id was not set in this request"):
        ask(app)


@pytest.mark.parametrize("has_hooks", [False, True])
@pytest.mark.parametrize("fails", [False, True])
def test_functions_bound_to_events_are_called_once(app, has_hooks, fails):
    steps: list[str] = []
    if has_hooks:
        trace(app, steps, "app")

    @app.route("/")
    def index(was):
        for event, name in ((EVOK, "ok"), (EVEXCEPT, "except"), (EVREQEND, "end")):
            was.temp.bind(event, lambda was, name=name: steps.append(f"{name} {was.temp.user}"))
        was.temp.user = "jerry"
        if fails:
            raise HTTPError(409)
        return "seen"

    assert ask(app).code == (409 if fails else 200)
    kind, hook = ("except", "failed") if fails else ("ok", "after")
    if has_hooks:
        assert steps == ["app before", f"{kind} jerry", f"app {hook}", "end jerry", "app teardown"]
    else:
        assert steps == [f"{kind} jerry", "end jerry"]


def test_one_function_may_be_bound_to_several_events(app):
    steps: list[int] = []

    @app.before_request
    def before(was):
        was.temp.bind(EVOK | EVREQEND, lambda was: steps.append(1))
        return "answered"

    app.route("/")(lambda was: "never")
    assert ask(app).text == "answered"
    assert steps == [1]  # the function has not run, so it was not OK


@pytest.mark.parametrize("event", [0, 8, 9])
def test_what_is_no_event_is_refused(app, event):
    app.route("/")(lambda was: was.temp.bind(event, print))
    with pytest.raises(ValueError, match="is no"):
        ask(app)


def test_the_end_of_a_request_is_told_whatever_it_ends_with(app):
    steps: list[str] = []

    @app.route("/")
    def index(was):
        was.response.at_close(lambda: steps.append("over"))
        was.temp.bind(EVREQEND, lambda was: steps.append("end"))
        raise SystemExit

    with pytest.raises(SystemExit):
        ask(app)
    assert steps == ["end", "over"]


def test_nobody_is_answered_when_the_client_has_left(app):
    app.debug = True
    app.errorhandler(500)(lambda was, error: "for nobody")

    @app.route("/")
    def index(was):
        raise ClientDisconnected

    with pytest.raises(ClientDisconnected):
        ask(app)
