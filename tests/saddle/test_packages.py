"""Larger applications: packages, prefixes, and what the application lends them."""

from __future__ import annotations

from types import ModuleType

import pytest

from skitai.saddle import Package, Saddle
from tests.saddle.asking import ask


@pytest.fixture
def app() -> Saddle:
    return Saddle(__name__)


def module_with(package: object, attribute: str = "package") -> ModuleType:
    module = ModuleType("sub")
    setattr(module, attribute, package)
    return module


def test_the_sample_of_the_readme(app):
    package = Package(name="sub")
    app.add_package(module_with(package), "package")

    @app.route("/")
    def index(was, num1, num2):
        return was.ab("hello", "Hans Roh")

    @package.route("/hello/<name>")
    def hello(was):
        return was.ab("index", 1, 2)

    assert ask(app, "/?num1=1&num2=2", SCRIPT_NAME="/m").text == "/m/hello/Hans_Roh"
    assert ask(app, "/hello/Hans_Roh").text == "/?num1=1&num2=2"


def test_routes_may_be_defined_before_or_after_the_package_is_added(app):
    package = Package("/p")
    package.route("/before")(lambda was: "before")
    app.add_package(module_with(package, "part"), "part")
    package.route("/after")(lambda was: "after")
    assert ask(app, "/p/before").text == "before"
    assert ask(app, "/p/after").text == "after"
    assert ask(app, "/before").code == 404


def test_the_place_may_be_chosen_where_it_is_added(app):
    package = Package("/p")
    package.route("/<name>")(lambda was, name, shop="": f"{name} of {shop}")
    app.add_package(package, prefix="/q/")
    app.add_package(package, prefix="/shops/<int:shop>")
    assert ask(app, "/q/x").text == "x of "
    assert ask(app, "/shops/7/x").text == "x of 7"
    assert ask(app, "/p/x").code == 404


def test_one_package_may_be_in_two_applications(app):
    package, other = Package(), Saddle("other")
    app.add_package(package)
    other.add_package(package, prefix="/o")
    package.route("/x")(lambda was: was.app.import_name)
    assert ask(app, "/x").text == __name__
    assert ask(other, "/o/x").text == "other"


@pytest.mark.parametrize("module", [module_with(3), module_with(Package(), "part"), module_with(Saddle("x"))])
def test_what_is_no_package_is_refused(app, module):
    with pytest.raises(TypeError, match="has no Package named 'package'"):
        app.add_package(module)


def test_a_package_cannot_hold_itself(app):
    one, two = Package(), Package()
    one.add_package(two)
    with pytest.raises(ValueError, match="added to itself"):
        two.add_package(one)


def test_a_prefix_begins_with_a_slash(app):
    with pytest.raises(ValueError, match="does not begin with a slash"):
        Package("p")
    with pytest.raises(ValueError, match="does not begin with a slash"):
        app.add_package(Package(), prefix="p")


def test_a_rule_of_two_packages_is_refused(app):
    for number in (1, 2):
        package = Package()
        package.route("/x")(lambda was: "")
        if number == 1:
            app.add_package(package)
        else:
            with pytest.raises(ValueError, match="'/x' is there twice for GET"):
                app.add_package(package)


# -- the life of an application ----------------------------------------------------------------


def test_startup_onreload_and_shutdown_of_application_and_packages(app):
    steps: list[str] = []
    package = Package()
    app.add_package(package)
    for scope, name in ((app, "app"), (package, "package")):
        for kind in ("startup", "onreload", "shutdown"):

            def both(wasc, app, step=f"{name} {kind}"):
                steps.append(f"{step} {app.import_name == __name__}")

            def one(wasc):
                steps.append("wasc only")

            assert getattr(scope, kind)(both) is both
            assert getattr(scope, kind)(one) is one
    app.skitai_started()
    app.skitai_reloaded(object())
    app.skitai_stopped()
    assert [step for step in steps if step != "wasc only"] == [
        "app startup True",
        "package startup True",
        "app onreload True",
        "package onreload True",
        "package shutdown True",
        "app shutdown True",
    ]
    assert steps.count("wasc only") == 6


def test_one_that_fails_does_not_stop_the_others(app):
    steps: list[str] = []
    app.startup(lambda wasc, app: 1 / 0)
    app.startup(lambda wasc, app: steps.append("second"))
    with pytest.raises(ZeroDivisionError):
        app.skitai_started()
    assert steps == ["second"]


def test_what_cannot_be_called_so_is_refused(app):
    with pytest.raises(TypeError):
        app.startup(lambda: None)
    with pytest.raises(TypeError, match="is async"):

        @app.startup
        async def startup(wasc, app):
            pass
