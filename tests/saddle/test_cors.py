"""Which pages of other origins may ask, and the fields that guard an application's own pages."""

from __future__ import annotations

import pytest

from skitai.saddle import CORS, Package, Saddle, SecurityHeaders
from tests.saddle.asking import ask

SITE = "https://www.example.com"


@pytest.fixture
def app() -> Saddle:
    app = Saddle(__name__)
    app.route("/x")(lambda was: "x")
    return app


def preflight(app: Saddle, path: str = "/x", origin: str = SITE, method: str = "PUT", headers: str = ""):
    return ask(
        app,
        path,
        "OPTIONS",
        HTTP_ORIGIN=origin,
        HTTP_ACCESS_CONTROL_REQUEST_METHOD=method,
        HTTP_ACCESS_CONTROL_REQUEST_HEADERS=headers,
    )


def varying(reply):
    return [value for name, value in reply.all_headers if name == "vary"]


def test_without_it_nobody_is_told_anything(app):
    assert not {name for name in ask(app, "/x", HTTP_ORIGIN=SITE).headers if name.startswith("access-")}
    reply = preflight(app)
    assert reply.code == 204
    assert "access-control-allow-origin" not in reply.headers


def test_named_origins_are_answered_and_others_are_not(app):
    app.cors = CORS([SITE], credentials=True, expose=["X-Total"])
    reply = ask(app, "/x", HTTP_ORIGIN=SITE)
    assert reply.text == "x"
    assert reply.headers["access-control-allow-origin"] == SITE
    assert reply.headers["access-control-allow-credentials"] == "true"
    assert reply.headers["access-control-expose-headers"] == "X-Total"
    assert reply.headers["vary"] == "Origin"
    for other in ({}, {"HTTP_ORIGIN": "https://evil.example"}, {"HTTP_ORIGIN": f"{SITE}.evil.example"}):
        reply = ask(app, "/x", **other)
        assert reply.code == 200
        assert "access-control-allow-origin" not in reply.headers
        assert reply.headers["vary"] == "Origin"


def test_all_origins(app):
    app.cors = CORS("*")
    reply = ask(app, "/x")
    assert reply.headers["access-control-allow-origin"] == "*"
    assert "vary" not in reply.headers


def test_errors_can_be_read_too(app):
    app.cors = CORS("*")
    reply = ask(app, "/nothing")
    assert (reply.code, reply.headers["access-control-allow-origin"]) == (404, "*")
    assert ask(app, "/x", "PATCH").code == 200


def test_a_preflight_says_what_is_possible(app):
    app.cors = CORS([SITE], headers=["X-Token"], max_age=60)
    reply = preflight(app)
    assert (reply.status, reply.body) == ("204 No Content", b"")
    assert reply.headers["access-control-allow-origin"] == SITE
    assert reply.headers["access-control-allow-methods"] == "DELETE, GET, PATCH, POST, PUT"
    assert reply.headers["access-control-allow-headers"] == "X-Token"
    assert reply.headers["access-control-max-age"] == "60"
    asked = "Access-Control-Request-Method, Access-Control-Request-Headers"
    assert varying(reply) == [asked, "Origin"]
    reply = preflight(app, origin="https://evil.example")
    assert not {name for name in reply.headers if name.startswith("access-")}


def test_a_preflight_may_take_any_field_and_fewer_methods(app):
    app.cors = CORS("*", methods=["put"], headers="*")
    reply = preflight(app, headers="x-a, x-b")
    assert reply.headers["access-control-allow-methods"] == "PUT"
    assert reply.headers["access-control-allow-headers"] == "x-a, x-b"


def test_a_preflight_needs_no_before_request(app):
    app.cors = CORS("*")
    app.before_request(lambda was: "Not Authorized")
    assert preflight(app).headers["access-control-allow-origin"] == "*"
    assert ask(app, "/x").text == "Not Authorized"


def test_a_preflight_needs_no_password_and_what_it_asks_for_does(app):
    app.user, app.password = "app", "secret"
    assert preflight(app).code == 401
    app.cors = CORS([SITE], credentials=True)
    assert preflight(app).code == 204
    assert preflight(app, "/nothing").code == 401
    assert ask(app, "/x", HTTP_ORIGIN=SITE).code == 401
    assert ask(app, "/x", "OPTIONS").code == 401
    app.route("/own", methods=["OPTIONS", "PUT"])(lambda was: "secret")
    assert preflight(app, "/own").code == 401


def test_the_nearest_one_holds(app):
    package = Package("/p")
    app.add_package(package)
    app.cors = CORS([SITE])
    package.cors = CORS(["https://package.example"])
    package.route("/x")(lambda was: "")
    app.route("/fonts/<path>", cors=CORS("*"))(lambda was, path: "")
    assert (
        ask(app, "/fonts/a", HTTP_ORIGIN="https://any.example").headers["access-control-allow-origin"] == "*"
    )
    assert preflight(app, "/fonts/a", "https://any.example").headers["access-control-allow-origin"] == "*"
    for origin, is_allowed in ((SITE, False), ("https://package.example", True)):
        reply = ask(app, "/p/x", HTTP_ORIGIN=origin)
        assert ("access-control-allow-origin" in reply.headers) is is_allowed


def test_a_vary_of_the_function_stays(app):
    app.cors = CORS([SITE])

    @app.route("/v")
    def v(was):
        was.response.add("Vary", "Accept")
        was.response.add("Vary", "Cookie")
        return ""

    assert varying(ask(app, "/v")) == ["Accept", "Cookie", "Origin"]


@pytest.mark.parametrize("origins", ["www.example.com", "https://a.example/", "https://*.example.com", ["x"]])
def test_what_is_no_origin_is_refused(origins):
    with pytest.raises(ValueError, match="is no origin"):
        CORS(origins)


def test_credentials_are_not_for_everybody():
    with pytest.raises(ValueError, match="credentials for the origin"):
        CORS("*", credentials=True)


# -- security fields ---------------------------------------------------------------------------


def test_security_fields(app):
    policy = "default-src 'self'"
    app.security = SecurityHeaders(content_security_policy=policy, hsts=60, hsts_subdomains=True)
    headers = ask(app, "/x").headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"] == policy
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "strict-origin-when-cross-origin"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert "strict-transport-security" not in headers
    headers = ask(app, "/x", **{"wsgi.url_scheme": "https"}).headers
    assert headers["strict-transport-security"] == "max-age=60; includeSubDomains"


def test_the_route_and_the_function_have_the_last_word(app):
    app.security = SecurityHeaders()

    @app.route("/frame", security=SecurityHeaders(frame_options=None, referrer_policy="no-referrer"))
    def frame(was):
        was.response["Referrer-Policy"] = "origin"
        return ""

    headers = ask(app, "/frame").headers
    assert "x-frame-options" not in headers
    assert headers["referrer-policy"] == "origin"
