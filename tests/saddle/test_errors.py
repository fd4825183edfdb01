"""Error handlers, and what a developer sees of an exception."""

from __future__ import annotations

import gc
import io
import json
from wsgiref.util import setup_testing_defaults

import pytest

from skitai.errors import HTTPError
from skitai.saddle import Package, Saddle
from tests.saddle.asking import ask


@pytest.fixture
def app() -> Saddle:
    return Saddle(__name__)


def test_a_status_has_a_page_of_the_applications_own(app):
    @app.errorhandler(404)
    def not_found(was, error):
        return f"There is no {was.env['PATH_INFO']}: {error.status} {error.why}"

    @app.errorhandler(405)
    def not_allowed(was, error):
        return "no"

    app.route("/x", methods=["GET"])(lambda was: "")
    reply = ask(app, "/nothing")
    assert (reply.code, reply.text) == (404, "There is no /nothing: 404 Nothing is routed to this path.")
    assert ask(app, "/x/y", "HEAD").body == b""
    reply = ask(app, "/x", "POST")
    assert (reply.code, reply.text, reply.headers["allow"]) == (405, "no", "GET, HEAD, OPTIONS")


def test_send_error_and_http_error_lead_to_it(app):
    @app.errorhandler(409)
    def conflict(was, error):
        was.response["X-Own"] = "1"
        return {"why": error.why}

    @app.route("/raised")
    def raised(was):
        was.response["X-Kept"] = "1"
        raise HTTPError(409, "taken")

    @app.route("/sent")
    def sent(was):
        was.response["X-Kept"] = "1"
        was.response.send_error("409 Conflict", why="taken")
        return ""

    for path, is_kept in (("/raised", False), ("/sent", True)):
        reply = ask(app, path)
        assert (reply.code, json.loads(reply.text)) == (409, {"why": "taken"})
        assert reply.headers["x-own"] == "1"
        assert ("x-kept" in reply.headers) is is_kept


def test_exceptions_by_class_and_the_nearest_one(app):
    app.errorhandler(LookupError)(lambda was, error: f"lookup {error}")
    app.errorhandler(KeyError)(lambda was, error: f"key {error}")

    @app.errorhandler(ValueError)
    def value(was, error):
        was.response.set_status(422)
        return "value"

    @app.route("/<kind>")
    def fail(was, kind):
        raise {"key": KeyError("k"), "index": IndexError("i"), "value": UnicodeError("u")}[kind]

    errors = io.StringIO()
    assert ask(app, "/key", **{"wsgi.errors": errors}).text == "key 'k'"
    assert ask(app, "/index", **{"wsgi.errors": errors}).code == 500
    assert "IndexError: i" in errors.getvalue()  # the server does not get to see it
    errors = io.StringIO()
    reply = ask(app, "/value", **{"wsgi.errors": errors})
    assert (reply.code, reply.text, errors.getvalue()) == (422, "value", "")


def test_500_is_for_whatever_nobody_else_handles_and_is_logged(app):
    app.errorhandler(500)(lambda was, error: f"sorry: {type(error).__name__}")
    app.route("/")(lambda was: object())
    errors = io.StringIO()
    reply = ask(app, "/", **{"wsgi.errors": errors})
    assert (reply.code, reply.text) == (500, "sorry: TypeError")
    assert "returned object" in errors.getvalue()


def test_a_package_is_asked_first(app):
    package = Package("/p")
    app.add_package(package)
    app.errorhandler(ValueError)(lambda was, error: "app")
    package.errorhandler(ValueError)(lambda was, error: "package")

    def fail(was):
        raise ValueError

    app.route("/")(fail)
    package.route("/")(fail)
    assert ask(app, "/").text == "app"
    assert ask(app, "/p/").text == "package"


def test_a_broken_error_handler_is_a_failure(app):
    app.errorhandler(404)(lambda was, error: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        ask(app, "/nothing")


@pytest.mark.parametrize("what", [200, 600, "404", int, None])
def test_what_is_no_error_is_refused(app, what):
    with pytest.raises(ValueError, match="is neither a status"):
        app.errorhandler(what)


# -- the debug page ----------------------------------------------------------------------------


def test_without_debug_the_exception_goes_to_the_server(app):
    app.route("/")(lambda was: {}["the key"])
    with pytest.raises(KeyError):
        ask(app)


@pytest.mark.parametrize("accept", ["text/plain", "text/html", "application/json"])
def test_the_debug_page_shows_source_and_locals_and_no_secrets(app, accept):
    app.debug = True
    app.securekey = "the-key-of-sessions"  # type: ignore[attr-defined]

    @app.route("/")
    def index(was, name="<script>"):
        api_token = "t0p" + "secret"
        settings = {"password": "hunter" + "22", "colour": "green"}
        copied = ["it is", app.securekey]
        return {}["the key"], name, api_token, settings, copied

    errors = io.StringIO()
    reply = ask(app, "/", HTTP_ACCEPT=accept, **{"wsgi.errors": errors})
    assert reply.code == 500
    assert reply.headers["content-type"].startswith(accept)
    assert "KeyError" in reply.text
    assert "test_errors.py" in reply.text
    assert "the key" in reply.text
    assert "green" in reply.text
    for secret in ("t0psecret", "hunter22", "the-key-of-sessions"):
        assert secret not in reply.text
    assert ("<script>" in reply.text) is (accept != "text/html")
    assert "KeyError" in errors.getvalue()


def test_the_debug_page_shows_causes_and_survives_broken_reprs(app):
    app.debug = True

    class Broken:
        def __repr__(self):
            raise ValueError("no")

    class deque:
        """Not the one that reprlib takes it for."""

    @app.route("/")
    def index(was):
        broken, double, long = Broken(), deque(), [10**5000]
        try:
            raise LookupError("the first")
        except LookupError as error:
            raise RuntimeError(f"the second {type(broken)} {double is long}") from error

    def deep(was, depth=0):
        return deep(was, depth + 1)

    app.route("/deep")(deep)
    text = ask(app).text
    assert text.index("LookupError: the first") < text.index("This was the cause of:")
    assert text.index("This was the cause of:") < text.index("RuntimeError: the second")
    assert "<Broken instance at " in text
    assert "double = <deque, whose repr raises TypeError>" in text
    assert "long = [<int, whose repr raises ValueError>]" in text
    text = ask(app, "/deep").text
    assert "RecursionError" in text
    assert len(text) < 100_000


# -- redirects ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "location"),
    [
        ("/login?next=%2Fx&a=b#top", "/login?next=%2Fx&a=b#top"),
        ("https://www.example.com:8443/a/한", "https://www.example.com:8443/a/%ED%95%9C"),
        ("/x\r\nSet-Cookie: a=b", "/x%0D%0ASet-Cookie:%20a=b"),
    ],
)
def test_a_redirect(app, url, location):
    app.route("/")(lambda was: was.redirect(url))
    app.route("/other")(lambda was: was.redirect(url, 303))
    reply = ask(app)
    assert (reply.status, reply.body, reply.headers["location"]) == ("302 Found", b"", location)
    assert ask(app, "/other", "POST").status == "303 See Other"


def test_a_status_that_does_not_redirect_is_refused(app):
    app.route("/")(lambda was: was.redirect("/", 200))
    with pytest.raises(ValueError, match="200 is no redirect"):
        ask(app)


@pytest.mark.parametrize("path", ["/raised", "/http", "/nothing", "/redirect", "/temp", "/ab"])
def test_a_request_leaves_nothing_that_only_the_collector_finds(app, path):
    """Frames that an exception keeps, and that keep it, would hold a request's body until then."""

    @app.errorhandler(KeyError)
    def missing(was, error):
        was.response.set_status(410)
        return "gone"

    @app.route("/raised")
    def raised(was):
        raise KeyError

    @app.route("/http")
    def http(was):
        raise HTTPError(409)

    app.route("/redirect")(lambda was: was.redirect("/"))
    app.route("/temp")(lambda was: str(vars(was.temp)))
    app.route("/ab")(lambda was: was.ab("http"))
    environ = {"PATH_INFO": path}
    setup_testing_defaults(environ)

    def call():
        b"".join(app(dict(environ), lambda status, headers: None))

    call()
    gc.collect()
    gc.disable()
    try:
        call()
        assert gc.collect() == 0
    finally:
        gc.enable()
