"""URLs of functions, as README prints them."""

from __future__ import annotations

from types import ModuleType
from urllib.parse import unquote

import pytest

from skitai.saddle import Package, Saddle
from tests.saddle.asking import ask


@pytest.fixture
def app() -> Saddle:
    app = Saddle(__name__)

    @app.route("/add")
    def add(was, num1, num2):
        return str(int(num1) + int(num2))

    @app.route("/hello/<name>")
    def hello(was, name="Hans Roh"):
        return f"Hello, {name}"

    @app.route("/download/<int:major>/<path>")
    def download(was, major, path, **more):
        return ""

    @app.route("/")
    def index(was, a="", b=""):
        return ""

    return app


@pytest.mark.parametrize(
    ("name", "args", "keywords", "url"),
    [
        ("add", (10, 40), {}, "/add?num1=10&num2=40"),
        ("add", (10,), {"num2": 60}, "/add?num1=10&num2=60"),
        ("add", (), {"num2": 2, "num1": 1}, "/add?num2=2&num1=1"),
        ("add", (), {}, "/add"),
        ("add", (None, ["a", "b"]), {}, "/add?num2=a&num2=b"),
        ("hello", ("Your Name",), {}, "/hello/Your_Name"),
        ("hello", (), {"name": "한"}, "/hello/%ED%95%9C"),
        ("hello", ("100%?#",), {}, "/hello/100%25%3F%23"),
        ("download", (1, "version/1.1/win32"), {}, "/download/1/version/1.1/win32"),
        ("download", (1, "x y"), {"q": "&="}, "/download/1/x%20y?q=%26%3D"),
        ("index", (), {}, "/"),
        ("index", (1, 2), {}, "/?a=1&b=2"),
    ],
)
def test_a_url_leads_to_its_function(app, name, args, keywords, url):
    assert app.build_url(name, *args, **keywords) == url
    if name != "add" or args != () or keywords:
        assert ask(app, url).code == (400 if None in args else 200)


def test_no_value_makes_it_the_url_of_another_host():
    app = Saddle(__name__)

    @app.route("/<path>")
    def page(was, path):
        return was.redirect(was.ab("page", path))

    reply = ask(app, "//example.com/a")
    assert (reply.code, reply.headers["location"]) == (302, "/%2Fexample.com/a")
    # Which leads to the same function with the same value.
    assert ask(app, unquote(reply.headers["location"])).headers["location"] == "/%2Fexample.com/a"


def test_in_a_request_the_mount_is_in_front(app):
    seen = []

    @app.route("/show")
    def show(was):
        seen.append(was.ab("add", 10, 40))
        seen.append(was.app.build_url("hello", "Your Name"))
        seen.append(was.ab("/static/style.css?v=1"))
        seen.append(was.ab("index"))
        seen.append(was.ab("index", 1))
        return ""

    ask(app, "/show", SCRIPT_NAME="/math")
    assert seen == [
        "/math/add?num1=10&num2=40",
        "/math/hello/Your_Name",
        "/math/static/style.css?v=1",
        "/math",
        "/math?a=1",
    ]
    seen.clear()
    ask(app, "/show")
    assert seen[2:4] == ["/static/style.css?v=1", "/"]


@pytest.mark.parametrize(
    ("args", "keywords", "error", "text"),
    [
        (("nothing",), {}, LookupError, "there is no function 'nothing'"),
        (("helo",), {}, LookupError, "did you mean 'hello'"),
        (("hello",), {}, ValueError, "the URL of 'hello' needs 'name': its rule is '/hello/<name>'"),
        (("hello", "a/b"), {}, ValueError, "'a/b' does not fit 'name'"),
        (("hello", ""), {}, ValueError, "'' does not fit 'name'"),
        (("download", "x", "p"), {}, ValueError, "'x' does not fit 'major', int"),
        (("add", 1, 2, 3), {}, TypeError, "'add' takes 2 arguments, and 3 are given"),
        (("add", 1), {"num1": 1}, TypeError, "'add' is given 'num1' twice"),
        (("add",), {"x": 1}, TypeError, "'add' takes no argument 'x'"),
    ],
)
def test_what_cannot_be_built_is_named(app, args, keywords, error, text):
    with pytest.raises(error) as caught:
        app.build_url(*args, **keywords)
    assert text in str(caught.value)


def test_of_several_rules_of_one_name_the_fullest_is_taken():
    app = Saddle(__name__)

    @app.route("/hello")
    def hello_world(was, num=8):
        return num

    @app.route("/hello/<int:num>")
    def hello_world(was, num=8):  # noqa: F811
        return str(num)

    assert app.build_url("hello_world") == "/hello"
    assert app.build_url("hello_world", 100) == "/hello/100"


def test_across_packages_in_both_directions(app):
    package, other = Package(name="sub"), Package("/other")
    module = ModuleType("shop.other")
    module.package = other
    seen: dict[str, str] = {}

    @package.route("/hello2/<name>")
    def hello2(was):
        seen["from the package"] = was.ab("index", 1, 2)
        seen["its own"] = was.ab("item")
        return ""

    @package.route("/item")
    def item(was):
        return ""

    @other.route("/item")
    def item(was):  # noqa: F811
        seen["the other's own"] = was.ab("item")
        return ""

    @app.route("/from-app")
    def from_app(was):
        seen["from the app"] = was.ab("hello2", "Hans Roh")
        seen["named"] = was.ab("other.item")
        with pytest.raises(LookupError, match=r"several packages .* say sub\.item or other\.item"):
            was.ab("item")
        return ""

    app.add_package(package)
    app.add_package(module)
    ask(app, "/hello2/x", SCRIPT_NAME="/m")
    ask(app, "/other/item", SCRIPT_NAME="/m")
    ask(app, "/from-app", SCRIPT_NAME="/m")
    assert seen == {
        "from the package": "/m?a=1&b=2",
        "its own": "/m/item",
        "the other's own": "/m/other/item",
        "from the app": "/m/hello2/Hans_Roh",
        "named": "/m/other/item",
    }
