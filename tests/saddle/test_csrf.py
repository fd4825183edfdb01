"""Forged requests are told from those of our own pages; messages outlive a redirect."""

from __future__ import annotations

import base64
import re
import xmlrpc.client

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skitai.saddle import Package, Saddle
from skitai.saddle.csrf import check_csrf
from skitai.saddle.messages import Message
from skitai.was import Services

KEY = "a key that is long enough"


def make_app() -> Saddle:
    app = Saddle(__name__)
    app.securekey = KEY
    app.csrf = True

    @app.route("/form")
    def form(was):
        return f"<form method=post>{was.csrf_token_input}</form>"

    @app.route("/token")
    def token(was):
        return was.csrf_token

    @app.route("/change")
    def change(was, **form):
        assert "_csrf_token" not in form, "it is no argument of the function"
        return f"changed {was.request.args.get('name', '')}"

    @app.route("/hook")
    @app.csrf_exempt
    def hook(was):
        return "called"

    return app


@pytest.fixture
def client():
    return make_app().test_client("https://localhost")


def test_a_form_of_ours_may_change_things(client):
    page = client.get("/form").text
    token = re.search(r'<input type="hidden" name="_csrf_token" value="([\w-]+)">', page)[1]
    assert client.post("/change", data={"_csrf_token": token, "name": "x"}).text == "changed x"
    assert client.post("/change", files={"file": b""}, data={"_csrf_token": token}).status_code == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_so_may_a_script_that_sends_the_token(client, method):
    token = client.get("/token").text
    assert client.request(method, "/change?name=x", headers={"X-CSRF-Token": token}).text == "changed x"
    refused = client.request(method, "/change?name=x")
    assert refused.status_code == 403
    assert "form has expired" in refused.text


def test_reading_needs_no_token(client):
    assert client.get("/change").text == "changed "
    assert client.head("/change").status_code == 200
    assert client.options("/change").status_code == 204


def test_a_token_in_the_url_is_none(client):
    token = client.get("/token").text
    assert client.post(f"/change?_csrf_token={token}").status_code == 403


def test_tokens_differ_and_all_of_a_session_are_good(client):
    tokens = {client.get("/token").text for _ in range(5)}
    assert len(tokens) == 5
    for token in tokens:
        assert client.post("/change", headers={"X-CSRF-Token": token}).status_code == 200


def test_a_token_of_somebody_else_is_none(client):
    client.get("/token")
    stranger = make_app().test_client("https://localhost")
    token = stranger.get("/token").text
    assert client.post("/change", headers={"X-CSRF-Token": token}).status_code == 403
    assert make_app().test_client().post("/change", headers={"X-CSRF-Token": token}).status_code == 403


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "same-origin", "Origin": "https://localhost"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "https://localhost:8443"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://["}, 403),
        ({"Origin": "http://localhost"}, 200),
    ],
)
def test_whence_a_request_came(client, headers, status):
    token = client.get("/token").text
    assert client.post("/change", headers={"X-CSRF-Token": token, **headers}).status_code == status


def test_some_handlers_need_none(client):
    assert client.post("/hook").text == "called"


def test_handlers_and_packages_may_be_guarded_one_by_one():
    app = Saddle(__name__)
    app.securekey = KEY
    package = Package("/guarded")
    package.csrf = True
    app.add_package(package)
    package.route("/")(lambda was: "in")

    @app.route("/one")
    @app.csrf_protect
    def one(was):
        return "one"

    app.route("/open")(lambda was: "open")
    client = app.test_client()
    assert [client.post(path).status_code for path in ("/guarded/", "/one", "/open")] == [403, 403, 200]
    package.csrf = None
    assert client.post("/guarded/").status_code == 200


def test_templates_take_the_field_as_it_is():
    app = make_app()
    source = app.jinja_env.from_string("{{ was.csrf_token_input }}")
    app.route("/page")(lambda was: source.render())
    assert app.test_client().get("/page").text.startswith('<input type="hidden" name="_csrf_token"')


def test_a_secret_is_no_value_of_the_session():
    app = make_app()

    @app.route("/keys")
    def keys(was):
        assert was.csrf_token
        return str(list(was.session))

    @app.route("/logout")
    def logout(was):
        was.session.clear()
        return ""

    client = app.test_client()
    assert client.get("/keys").text == "[]"
    token = client.get("/token").text
    client.get("/logout")
    assert client.post("/change", headers={"X-CSRF-Token": token}).status_code == 403


def test_without_sessions_an_error_says_so():
    app = make_app()
    app.securekey = None
    for path in ("/token", "/change"):
        with pytest.raises(RuntimeError, match=r"set app\.securekey"):
            app.test_client().post(path)


@given(st.text(st.characters(max_codepoint=255), max_size=100) | st.binary(min_size=64, max_size=64))
def test_no_token_raises(token):
    client = make_app().test_client()
    client.get("/token")
    if isinstance(token, bytes):
        token = base64.urlsafe_b64encode(token).decode()
    assert client.post("/change", headers={"X-CSRF-Token": token or "x"}).status_code == 403


def test_safe_methods_do_not_even_look():
    assert check_csrf(Services({"REQUEST_METHOD": "GET"})) is None


# -- messages ------------------------------------------------------------------------------------


@pytest.fixture
def messages():
    app = Saddle(__name__)
    app.securekey = KEY

    @app.route("/save")
    def save(was):
        was.flash("Saved.")
        was.mbox.send("Careful!", "alert")
        return was.redirect("/show")

    @app.route("/show")
    def show(was, category=None):
        taken = was.mbox.get(category)
        assert all(isinstance(message, Message) for message in taken)
        return "".join(f"{category}: {text} " for category, text in taken)

    return app.test_client()


def test_a_message_outlives_a_redirect_and_is_shown_once(messages):
    assert messages.get("/save", follow_redirects=True).text == "info: Saved. alert: Careful! "
    assert messages.cookie("SESSION") is None
    assert messages.get("/show").text == ""


def test_messages_are_taken_by_category(messages):
    messages.get("/save")
    messages.get("/save")
    assert messages.get("/show?category=alert").text == "alert: Careful! alert: Careful! "
    assert messages.get("/show?category=alert").text == ""
    assert messages.get("/show").text == "info: Saved. info: Saved. "


def test_messages_need_a_session():
    app = Saddle(__name__)
    app.route("/")(lambda was: was.flash("x"))
    with pytest.raises(RuntimeError, match=r"set app\.securekey"):
        app.test_client().get("/")


def test_a_procedure_needs_the_token_too(client):
    body = xmlrpc.client.dumps((), "change")
    headers = {"Content-Type": "text/xml"}
    with pytest.raises(xmlrpc.client.Fault, match="form has expired"):
        xmlrpc.client.loads(client.post("/", data=body, headers=headers).data)
    body = xmlrpc.client.dumps((), "hook")
    assert xmlrpc.client.loads(client.post("/", data=body, headers=headers).data)[0] == ("called",)
