"""Sessions: kept by the client, who can neither read nor change them."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skitai.saddle import Saddle
from skitai.saddle import sessions as sessions_module
from skitai.saddle.cookies import COOKIE_MAX
from skitai.saddle.response import Response
from skitai.saddle.sealing import Sealer, as_secrets, sealed_size
from skitai.saddle.sessions import Session
from skitai.saddle.testclient import TestClient
from skitai.was import Services

KEY = "ds8fdsflksdjf9879dsf;?<>Asda"  # as the README has it
OTHER = "another key that is long enough"


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def time(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(sessions_module, "time", clock)
    return clock


def make_app(key: Any = KEY) -> Saddle:
    app = Saddle(__name__)
    app.securekey = key

    @app.route("/set")
    def set_value(was, name, value):
        was.session.set(name, value)
        return "ok"

    @app.route("/all")
    def everything(was):
        return json.dumps(dict(was.session))

    @app.route("/clear")
    def clear(was):
        was.session.clear()
        return "ok"

    @app.route("/commit")
    def commit(was, expires):
        was.session.commit(int(expires) if expires.isdigit() else expires)
        return "ok"

    @app.route("/other")
    def other(was):
        return "nothing of the session"

    return app


def content(client: TestClient) -> Any:
    return client.get("/all").json()


def sent(response: Any) -> list[str]:
    return response.headers.get_all("Set-Cookie")


def test_the_sample_of_the_readme():
    app = Saddle(__name__)
    app.securekey = KEY
    app.session_timeout = 1200

    @app.route("/session")
    def hello_world(was, **form):
        if was.session.get("login") is None:
            was.session.set("user_id", form.get("hansroh"))
        return str(was.session.get("user_id"))

    with app.test_client() as client:
        assert client.get("/session?hansroh=Hans").text == "Hans"
        assert client.cookie("SESSION")


def test_without_a_key_there_is_none():
    app = Saddle(__name__)
    app.route("/")(lambda was: str(was.session))
    assert app.test_client().get("/").text == "None"


def new_session(sealed: str | None = None, key: Any = KEY) -> tuple[Session, Response]:
    cookie = {} if sealed is None else {"HTTP_COOKIE": f"SESSION={sealed}"}
    services = Services({"wsgi.url_scheme": "http", **cookie})
    vars(services)["response"] = response = Response()
    session = Session(Sealer(as_secrets(key), "test"), 1200, services)
    session.changed()
    return session, response


def cookie_of(response: Response) -> str:
    (line,) = [value for name, value in response.decide_head() if name == "Set-Cookie"]
    return line.partition(";")[0].partition("=")[2]


def test_every_call_of_the_readme():
    session, response = new_session()
    session.set("a", 1)
    session.set("b", [1, {"c": None}])
    assert session.get("a") == 1
    assert session.get("x") is None
    assert session.get("x", 5) == 5
    assert (list(session.keys()), list(session.values())) == (["a", "b"], [1, [1, {"c": None}]])
    assert dict(session.items()) == dict(session)
    session.remove("a")
    session.remove("never was there")
    assert not session.has_key("a")
    assert "b" in session
    session["d"] = "x"
    assert session.pop("d") == "x"
    again, response = new_session(cookie_of(response))
    assert dict(again) == {"b": [1, {"c": None}]}
    again.clear()
    assert len(again) == 0
    assert cookie_of(response) == ""


def test_it_comes_back_and_is_safe():
    client = make_app().test_client("https://localhost")
    (line,) = sent(client.get("/set?name=a&value=1"))
    assert line.startswith("SESSION=")
    assert line.endswith("; Path=/; Secure; HttpOnly; SameSite=Lax")
    assert content(client) == {"a": "1"}
    assert client.get("/all").headers["Vary"] == "Cookie"
    assert "Secure" not in sent(make_app().test_client().get("/set?name=a&value=1"))[0]


def test_nobody_reads_it():
    client = make_app().test_client()
    client.get("/set?name=visible&value=secret")
    sealed = client.cookie("SESSION")
    assert "secret" not in sealed
    client.get("/set?name=visible&value=secret2")
    client.get("/set?name=visible&value=secret")
    assert client.cookie("SESSION") != sealed


def test_it_is_sent_when_changed_or_a_tenth_old_and_not_else(clock):
    client = make_app().test_client()
    client.get("/set?name=a&value=1")
    assert sent(client.get("/all")) == []
    assert sent(client.get("/set?name=a&value=1")) == []
    clock.now += 119
    assert sent(client.get("/other")) == []
    clock.now += 2
    response = client.get("/other")
    assert len(sent(response)) == 1
    assert response.headers["Vary"] == "Cookie"
    assert sent(client.get("/other")) == []
    assert client.get("/other").headers["Vary"] is None
    assert content(client) == {"a": "1"}


def test_it_slides(clock):
    client = make_app().test_client()
    client.get("/set?name=a&value=1")
    for _ in range(5):
        clock.now += 1000
        assert content(client) == {"a": "1"}
    clock.now += 1201
    assert content(client) == {}


def test_a_long_timeout_works(clock):
    app = make_app()
    app.session_timeout = 86400
    client = app.test_client()
    client.get("/set?name=a&value=1")
    clock.now += 86000
    assert content(client) == {"a": "1"}


def test_each_application_has_its_own_patience(clock):
    patient, other = make_app(), make_app()
    patient.session_timeout = 7200
    client = other.test_client()
    client.get("/set?name=a&value=1")
    guest = TestClient(patient)
    guest.cookies = client.cookies
    clock.now += 1300
    assert content(client) == {}
    assert content(guest) == {"a": "1"}


def test_what_comes_from_the_future_is_empty(clock):
    client = make_app().test_client()
    client.get("/set?name=a&value=1")
    clock.now -= 59
    assert content(client) == {"a": "1"}
    clock.now -= 3
    assert content(client) == {}


def test_commit_decides_how_long_it_lives(clock):
    client = make_app().test_client()
    client.get("/set?name=a&value=1")
    (line,) = sent(client.get("/commit?expires=864000"))
    assert "Max-Age=864000" in line
    clock.now += 800000
    (line,) = sent(client.get("/all"))
    assert "Max-Age=864000" in line
    assert content(client) == {"a": "1"}
    (line,) = sent(client.get("/commit?expires=now"))
    assert "Max-Age=0" in line
    assert client.cookie("SESSION") is None
    with pytest.raises(ValueError, match="'soon' is no lifetime"):
        client.get("/commit?expires=soon")


def test_it_is_removed_when_it_becomes_empty():
    client = make_app().test_client()
    assert sent(client.get("/clear")) == []
    client.get("/set?name=a&value=1")
    assert "Max-Age=0" in sent(client.get("/clear"))[0]
    assert client.cookie("SESSION") is None


def test_a_change_inside_a_value_is_kept():
    app = make_app()

    @app.route("/push")
    def push(was):
        was.session.setdefault("list", []).append(1)
        return "ok"

    client = app.test_client()
    client.get("/push")
    client.get("/push")
    assert content(client) == {"list": [1, 1]}


def test_secrets_may_be_changed_without_loss():
    client = make_app(OTHER).test_client()
    client.get("/set?name=a&value=1")
    both = TestClient(make_app([KEY, OTHER]))
    both.cookies = client.cookies
    assert content(both) == {"a": "1"}
    both.get("/set?name=b&value=2")
    new = TestClient(make_app(KEY))
    new.cookies = client.cookies
    assert content(new) == {"a": "1", "b": "2"}
    assert content(client) == {}


def test_applications_of_one_host_share_it():
    first = TestClient(make_app(), mount="/first")
    first.get("/first/set?name=a&value=1")
    second = TestClient(make_app(), mount="/second")
    second.cookies = first.cookies
    assert second.get("/second/all").json() == {"a": "1"}


@pytest.mark.parametrize("key", ["short", b"x" * 15, ["long enough for anybody", "short"]])
def test_weak_keys_are_refused(key):
    with pytest.raises(ValueError, match="which can be guessed"):
        make_app(key)


def test_keys_are_text_or_bytes():
    with pytest.raises(TypeError, match="not int"):
        make_app([5])
    app = make_app(b"bytes are as good as text")
    assert app.securekey == b"bytes are as good as text"
    app.securekey = None
    app.route("/none")(lambda was: str(was.session))
    assert app.test_client().get("/none").text == "None"


@pytest.mark.parametrize("value", [object(), b"x", {1, 2}, float("nan"), [object()], {("a",): 1}, 1j])
def test_values_are_what_json_holds(value):
    session, _ = new_session()
    with pytest.raises(TypeError, match=r"'mine' cannot be kept: .*what JSON can"):
        session.set("mine", value)
    assert dict(session) == {}
    with pytest.raises(TypeError, match="name of a session value"):
        session.set(1, "x")


def test_what_is_seen_is_what_comes_back():
    session, response = new_session()
    session.set("a", (1, {2: "x"}))
    assert session["a"] == [1, {"2": "x"}]
    again, _ = new_session(cookie_of(response))
    assert again["a"] == session["a"]


def test_it_never_outgrows_a_cookie():
    session, response = new_session()
    session.set("a", "before")
    with pytest.raises(ValueError, match=r"'a' the session would make a cookie of 4[0-9]{3} bytes"):
        session.set("a", "x" * 3100)
    with pytest.raises(ValueError, match="'b' the session"):
        session.set("b", "가" * 1100)
    assert dict(session) == {"a": "before"}
    low, high = 2000, 3100
    while low < high:
        middle = (low + high + 1) // 2
        try:
            session.set("a", "x" * middle)
            low = middle
        except ValueError:
            high = middle - 1
    session.commit("never")
    (line,) = [value for name, value in response.decide_head() if name == "Set-Cookie"]
    assert COOKIE_MAX - 16 <= len(line) + len("; Secure") <= COOKIE_MAX


@given(st.binary(max_size=100))
def test_sealed_size(plain):
    sealer = Sealer([b"k" * 16], "test")
    sealed = sealer.seal(plain)
    assert len(sealed) == sealed_size(len(plain))
    assert sealer.open(sealed) == plain
    assert Sealer([b"k" * 16], "another purpose").open(sealed) is None


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
any_text = st.text(alphabet=st.characters(), max_size=200)  # half surrogates too


@given(st.dictionaries(any_text, json_values | any_text, max_size=3))
def test_any_value_survives_the_round_trip(values):
    session, response = new_session()
    kept = {}
    for name, value in values.items():
        with contextlib.suppress(ValueError):  # no room
            session.set(name, value)
            kept[name] = value
    sealed = cookie_of(response) if kept else None
    assert dict(new_session(sealed)[0]) == kept


@pytest.fixture(scope="module")
def sealed():
    session, response = new_session()
    session.set("a", "1")
    return cookie_of(response)


@given(place=st.integers(0, 10**6), step=st.integers(1, 63), cut=st.integers(0, 10**6))
def test_what_was_tampered_with_is_empty(sealed, place, step, cut):
    place %= len(sealed) - 1  # the last character has bits that stand for nothing
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    letter = letters[(letters.index(sealed[place]) + step) % 64]
    assert dict(new_session(sealed[:place] + letter + sealed[place + 1 :])[0]) == {}
    assert dict(new_session(sealed[: cut % len(sealed)])[0]) == {}
    assert dict(new_session(sealed)[0]) == {"a": "1"}


@given(st.text(max_size=200) | st.binary(max_size=100).map(lambda data: data.decode("latin-1")))
def test_no_cookie_raises(sealed):
    assert dict(new_session(sealed)[0]) == {}


def test_time_is_real():
    session, response = new_session()
    session.set("a", 1)
    again, _ = new_session(cookie_of(response))
    assert abs(again._issued - time.time()) < 5


def test_without_cryptography_one_line_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.ciphers.aead", None)
    with pytest.raises(
        ImportError, match=r"app.securekey needs the package cryptography.*skitai\[sessions\]"
    ):
        make_app()
