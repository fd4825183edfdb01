"""Basic and digest authorization, asked as clients ask, and as they should not."""

from __future__ import annotations

import base64
import hashlib
import re
import xmlrpc.client
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skitai.core.digest import parameters_of
from skitai.saddle import Saddle, authorized
from skitai.saddle import nonces as nonces_module
from skitai.saddle.digest import DigestRealm
from skitai.saddle.nonces import NONCE_LIFETIME, Nonces
from skitai.saddle.testclient import TestResponse

USER, PASSWORD, REALM = "app", "iamyourpartnerapp", "Partner App Area of mysite.com"


def make_app(scheme: str = "digest") -> Saddle:
    """As the README has it."""
    app = Saddle(__name__)
    app.authorization = scheme
    app.realm = REALM
    app.user = USER
    app.password = PASSWORD

    @app.route("/hello/<name>")
    def hello(was, name="Hans Roh"):
        return f"Hello, {name} from {was.env['REMOTE_USER']} by {was.env['AUTH_TYPE']}"

    return app


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def challenges(response: TestResponse) -> list[dict[str, str]]:
    found = []
    for value in response.headers.get_all("WWW-Authenticate"):
        scheme, _, rest = value.partition(" ")
        assert scheme == "Digest"
        parameters = parameters_of(rest)
        assert parameters is not None
        found.append(parameters)
    return found


def answer(
    challenge: dict[str, str], uri: str = "/hello/x", method: str = "GET", **changes: str
) -> dict[str, str]:
    """RFC 7616 by its letters, written apart from what is tested."""
    hash_of = {"SHA-256": hashlib.sha256, "MD5": hashlib.md5}[challenge["algorithm"]]

    def h(text: str) -> str:
        return hash_of(text.encode()).hexdigest()

    user, password = changes.pop("user", USER), changes.pop("password", PASSWORD)
    given = {
        "realm": f'"{challenge["realm"]}"',
        "username": f'"{user}"',
        "uri": f'"{uri}"',
        "nonce": f'"{challenge["nonce"]}"',
        "nc": "00000001",
        "cnonce": '"abc"',
        "qop": "auth",
        "algorithm": challenge["algorithm"],
        "opaque": f'"{challenge["opaque"]}"',
    }
    given.update({name: value for name, value in changes.items() if name in ("nc", "nonce", "uri")})
    first = h(f"{user}:{challenge['realm']}:{password}")
    nonce, count = given["nonce"].strip('"'), given["nc"]
    second = h(f"{method}:{uri}")
    given["response"] = '"' + h(f"{first}:{nonce}:{count}:abc:auth:{second}") + '"'
    given.update({name.replace("_star", "*"): value for name, value in changes.items()})
    fields = ", ".join(f"{name}={value}" for name, value in given.items() if value)
    return {"Authorization": f"Digest {fields}".encode().decode("latin-1")}


def test_the_sample_of_the_readme():
    client = make_app().test_client()
    assert client.get("/hello/x").status_code == 401
    assert client.get("/hello/x", auth=(USER, PASSWORD)).text == "Hello, x from app by Digest"
    assert client.get("/hello/x", auth=(USER, "wrong")).status_code == 401
    assert make_app("basic").test_client().get("/hello/x", auth=(USER, PASSWORD)).text.endswith("by Basic")


def test_digest_is_what_a_user_and_a_password_mean():
    app = make_app()
    app.authorization = ""
    assert len(challenges(app.test_client().get("/hello/x"))) == 2


def test_what_is_offered():
    response = make_app().test_client().get("/hello/x")
    first, second = challenges(response)
    assert (first["algorithm"], second["algorithm"]) == ("SHA-256", "MD5")
    for challenge in (first, second):
        assert challenge["realm"] == REALM
        assert challenge["qop"] == "auth"
        assert challenge["charset"] == "UTF-8"
        assert "stale" not in challenge
        assert {"nonce", "opaque"} <= challenge.keys()
    assert response.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("place", [0, 1])
def test_both_algorithms_by_the_letter(place):
    client = make_app().test_client()
    challenge = challenges(client.get("/hello/x"))[place]
    assert client.get("/hello/x", headers=answer(challenge)).status_code == 200


@pytest.mark.parametrize(
    "changes",
    [
        {"password": "x"},
        {"user": "ap"},
        {"qop": "auth-int"},
        {"qop": ""},
        {"algorithm": "SHA-256-sess"},
        {"algorithm": "MD5"},
        {"algorithm": ""},
        {"nc": "1"},
        {"nc": "0000000g"},
        {"nc": ""},
        {"cnonce": ""},
        {"cnonce": '"other"'},
        {"nonce": ""},
        {"uri": '"/hello/y"'},
        {"uri": ""},
        {"opaque": '"other"'},
        {"response": '"0"'},
        {"response": '"가"'},
        {"response": ""},
        {"username": ""},
        {"userhash": "true"},
        {"username_star": "UTF-8''app"},
        {"Nonce": '"again"'},
    ],
)
def test_wrong_answers_are_refused(changes):
    client = make_app().test_client()
    challenge = challenges(client.get("/hello/x"))[0]
    response = client.get("/hello/x", headers=answer(challenge, **changes))
    assert response.status_code == 401
    assert "stale" not in challenges(response)[0]
    assert client.get("/hello/x", headers=answer(challenge)).status_code == 200


def test_an_answer_is_for_one_target_and_one_method():
    client = make_app().test_client()
    challenge = challenges(client.get("/hello/x"))[0]
    assert client.get("/hello/y", headers=answer(challenge)).status_code == 401
    assert client.post("/hello/x", headers=answer(challenge)).status_code == 401
    assert client.head("/hello/x", headers=answer(challenge)).status_code == 401
    assert client.head("/hello/x", headers=answer(challenge, method="HEAD")).status_code == 200
    assert client.head("/hello/x").data == b""


def test_no_answer_serves_twice():
    client = make_app().test_client()
    challenge = challenges(client.get("/hello/x"))[0]
    for count in ("00000001", "00000003", "00000002", "000000ff", "00000100"):
        assert client.get("/hello/x", headers=answer(challenge, nc=count)).status_code == 200
        again = client.get("/hello/x", headers=answer(challenge, nc=count))
        assert again.status_code == 401
        assert challenges(again)[0]["stale"] == "true"


def test_other_nonces_are_stale_for_who_knows_the_password():
    client = make_app().test_client()
    challenge = challenges(client.get("/hello/x"))[0]
    for nonce in ('"x"', f'"{Nonces(b"other").make()}"', '"\xff"'):
        response = client.get("/hello/x", headers=answer(challenge, nonce=nonce))
        stale = [given.get("stale") for given in challenges(response)]
        assert stale == ["true", "true"]
    wrong = answer(challenge, nonce='"x"', password="wrong")
    assert "stale" not in challenges(client.get("/hello/x", headers=wrong))[0]


def test_processes_with_one_securekey_take_each_others_nonces():
    one, other = make_app(), make_app()
    one.securekey = other.securekey = "a key of two processes"
    challenge = challenges(one.test_client().get("/hello/x"))[0]
    assert other.test_client().get("/hello/x", headers=answer(challenge)).status_code == 200


def test_users_beyond_ascii():
    app = make_app()
    app.realm = 'Büro "가"'
    app.users = {"Jäsøn Doe": "Secret, or not?"}
    client = app.test_client()
    assert client.get("/hello/x", auth=("Jäsøn Doe", "Secret, or not?")).status_code == 200
    app.realm = REALM
    challenge = challenges(client.get("/hello/x"))[0]
    who = {"user": "Jäsøn Doe", "password": "Secret, or not?"}
    assert client.get("/hello/x", headers=answer(challenge, **who)).status_code == 200
    extended = {"username": "", "username_star": "UTF-8''J%C3%A4s%C3%B8n%20Doe", "nc": "00000002"}
    assert client.get("/hello/x", headers=answer(challenge, **who, **extended)).status_code == 200
    for value in ("UTF-8''%ff", "latin-1''app", "UTF-8'app", "app"):
        headers = answer(challenge, username="", username_star=value, nc="00000003")
        assert client.get("/hello/x", headers=headers).status_code == 401


@pytest.mark.parametrize("scheme", ["digest", "basic"])
def test_several_users(scheme):
    app = make_app(scheme)
    client = app.test_client()
    app.users = {"hans": "one"}
    assert client.get("/hello/x", auth=("hans", "one")).text.startswith("Hello, x from hans")
    app.users["jane"] = "two"
    assert client.get("/hello/x", auth=("jane", "two")).status_code == 200
    assert client.get("/hello/x", auth=(USER, PASSWORD)).status_code == 200
    assert client.get("/hello/x", auth=("hans", "two")).status_code == 401
    app.users = {"fromfunction": "three"}.get
    assert client.get("/hello/x", auth=("fromfunction", "three")).status_code == 200
    assert client.get("/hello/x", auth=("nobody", "three")).status_code == 401


@pytest.mark.parametrize("scheme", ["digest", "basic"])
def test_half_a_setting_lets_nobody_in(scheme):
    app = make_app(scheme)
    app.password = ""
    client = app.test_client()
    assert client.get("/hello/x", auth=(USER, "")).status_code == 401
    app.user = ""
    assert client.get("/hello/x", auth=("", "")).status_code == 401
    app.users = {}
    app.authorization = ""
    assert client.get("/hello/x", auth=("", "")).status_code == 401


def test_settings_that_cannot_be():
    app = Saddle(__name__)
    with pytest.raises(ValueError, match='there are "digest" and "basic"'):
        app.authorization = "ntlm"
    app.user = "a:b"
    app.authorization = "basic"
    with pytest.raises(ValueError, match="has a colon"):
        app.test_client().get("/")
    app.user, app.realm = "a", "a\r\nSet-Cookie: b=c"
    with pytest.raises(ValueError, match="control character"):
        app.test_client().get("/")
    app.realm, app.authorization, app.digest_algorithms = "a", "digest", ["SHA-1"]
    with pytest.raises(ValueError, match="there are SHA-256, MD5"):
        app.test_client().get("/")
    with pytest.raises(ValueError, match="needs users, or both user and password"):
        authorized(realm="x", user="a")


def test_algorithms_may_be_chosen():
    app = make_app()
    app.digest_algorithms = ["MD5"]
    assert [challenge["algorithm"] for challenge in challenges(app.test_client().get("/hello/x"))] == ["MD5"]


def test_a_route_of_its_own():
    app = Saddle(__name__)
    staff = authorized("basic", realm="staff", users={"hans": "one"})

    @app.route("/open")
    def open_route(was):
        return was.env.get("REMOTE_USER", "nobody")

    @app.route("/staff/<name>", methods=["GET", "POST"])
    @staff
    def closed(was, name):
        return was.env["REMOTE_USER"]

    client = app.test_client()
    assert client.get("/open").text == "nobody"
    for method in ("GET", "POST", "HEAD"):
        response = client.request(method, "/staff/x")
        assert response.status_code == 401
        assert response.headers["WWW-Authenticate"] == 'Basic realm="staff", charset="UTF-8"'
    assert client.get("/staff/x", auth=("hans", "one")).text == "hans"
    assert client.get("/nothing").status_code == 404


def test_a_server_asks_before_it_reads_the_body():
    app = make_app()
    environ: dict[str, Any] = {"REQUEST_METHOD": "POST", "REQUEST_URI": "/hello/x", "PATH_INFO": "/hello/x"}
    admit = app.skitai_admit
    assert admit is not None
    status, headers, body = admit(environ)
    assert status == "401 Unauthorized"
    assert dict(headers)["Content-Length"] == str(len(body))
    challenge = challenges(app.test_client().get("/hello/x"))[0]
    environ["HTTP_AUTHORIZATION"] = answer(challenge, method="POST")["Authorization"]
    assert admit(environ) is None
    assert admit(environ) is None, "the application asks again when it is called"
    assert admit({**environ, "skitai.saddle.admitted_by": ()}) is not None


def test_open_applications_are_not_asked():
    app = Saddle(__name__)
    assert app.skitai_admit is None
    app.user = "x"
    assert app.skitai_admit is not None


# -- nonces --------------------------------------------------------------------------------------


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000 * 10**9

    def time_ns(self) -> int:
        self.now += 1
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(nonces_module, "time", clock)
    return clock


def test_a_nonce_has_its_time(clock):
    nonces = Nonces(b"key")
    nonce = nonces.make()
    clock.now += (NONCE_LIFETIME - 1) * 10**9
    assert nonces.use(nonce, 1)
    clock.now += 10**9
    assert not nonces.use(nonce, 2)
    early = nonces.make()
    clock.now -= 10**9
    assert not nonces.use(early, 1)


def test_counts_come_in_any_order_within_a_window(clock):
    nonces = Nonces(b"key")
    nonce = nonces.make()
    assert not nonces.use(nonce, 0)
    assert nonces.use(nonce, 300)
    assert nonces.use(nonce, 300 - 255)
    assert not nonces.use(nonce, 300 - 255)
    assert not nonces.use(nonce, 300 - 256)
    assert nonces.use(nonce, 0xFFFFFFFF)
    assert not nonces.use(nonce, 0xFFFFFFFF)
    assert nonces.use(nonce, 0xFFFFFFFE)


def test_the_table_is_bounded_and_what_it_forgot_is_stale(clock, monkeypatch):
    monkeypatch.setattr(nonces_module, "_TABLE_MAX", 3)
    nonces = Nonces(b"key")
    never_used = nonces.make()
    made = [nonces.make() for _ in range(5)]
    assert all(nonces.use(nonce, 1) for nonce in made)
    assert len(nonces._used) == 3
    assert [nonces.use(nonce, 2) for nonce in made] == [False, False, True, True, True]
    assert not nonces.use(made[0], 1)
    assert not nonces.use(never_used, 1)


@given(st.lists(st.integers(1, 700), max_size=60))
def test_no_count_serves_twice(counts):
    nonces = Nonces(b"key")
    nonce = nonces.make()
    used = [count for count in counts if nonces.use(nonce, count)]
    assert len(used) == len(set(used))
    assert set(range(1, 701)) >= set(used)
    if counts:
        assert counts[0] == used[0]


def test_proof_is_needed():
    nonces = Nonces(b"key")
    nonce = nonces.make()
    assert not Nonces(b"another").use(nonce, 1)
    for forged in ("", "x", nonce[:-2], nonce + "AAAA", "가", ("A" if nonce[0] != "A" else "B") + nonce[1:]):
        assert not nonces.use(forged, 1)
    assert nonces.use(nonce, 1)


# -- fields of any kind --------------------------------------------------------------------------

parts = st.sampled_from(
    [
        "Digest ",
        "Basic ",
        "username",
        "uri",
        "nc",
        "qop",
        "=",
        '"',
        "\\",
        ",",
        " ",
        "auth",
        "a",
        "00000001",
        "\xff",
        "*",
    ]
)


@pytest.mark.parametrize("scheme", ["digest", "basic"])
@given(
    st.lists(parts, max_size=30).map("".join)
    | st.binary(max_size=80).map(lambda data: data.decode("latin-1"))
)
def test_no_field_raises(scheme, field):
    guard = make_app(scheme).guard
    assert guard is not None
    for value in (field, f"{scheme} {field}"):
        environ = {"REQUEST_METHOD": "GET", "REQUEST_URI": "/", "HTTP_AUTHORIZATION": value}
        assert guard.refusal(environ)[0] == "401 Unauthorized"


@given(
    st.dictionaries(
        st.from_regex(r"[a-z*]{1,8}", fullmatch=True),
        st.text(st.characters(max_codepoint=255), max_size=20),
        max_size=6,
    )
)
def test_parameters_are_read_as_they_were_quoted(values):
    quoted = {name: value.replace("\\", r"\\").replace('"', r"\"") for name, value in values.items()}
    assert parameters_of(" , ".join(f'{name} = "{value}"' for name, value in quoted.items())) == values


@pytest.mark.parametrize("text", ["a", "a=1 b=2", 'a="', 'a="\\"', "a=1, A=2", "=1", 'a=1,,"', "a\xff=1"])
def test_what_are_no_parameters(text):
    assert parameters_of(text) is None


def test_empty_elements_are_passed_over():
    assert parameters_of(" ,, a=1,, b = 2 , ") == {"a": "1", "b": "2"}
    assert parameters_of("") == {}


def test_a_long_field_takes_no_long_time():
    for text in (" " * 60000, 'a="' + "\\" * 60000, "a=1," * 15000, "," * 60000 + "=", 'a="' + "x" * 60000):
        assert parameters_of(text) in (None, {})


def test_a_realm_takes_part_in_the_answer():
    realm = DigestRealm("one", b"key", ["MD5"])
    challenge = parameters_of(realm.challenges()[0].partition(" ")[2])
    credentials = answer({**challenge, "realm": "two"})["Authorization"].partition(" ")[2]
    assert realm.verdict(credentials, "GET", "/hello/x", lambda user: PASSWORD).user is None
    assert re.fullmatch(r"[\w-]{43}", challenge["nonce"])


def test_credentials_are_bounded():
    assert parameters_of(",".join(f"a{number}=1" for number in range(32))) is not None
    assert parameters_of(",".join(f"a{number}=1" for number in range(33))) is None
    assert parameters_of('a="' + "x" * 16384 + '"') is None


# -- XML-RPC comes by another path -----------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["basic", "digest"])
def test_a_guarded_route_is_guarded_as_a_procedure_too(scheme):
    app = Saddle(__name__)
    app.route("/add", authorization=authorized(scheme, users={USER: PASSWORD}))(lambda was, a, b: a + b)
    app.route("/open")(lambda was: 1)
    client = app.test_client()

    def call(name: str, *args: int, **headers: str) -> Any:
        body = xmlrpc.client.dumps(args, name)
        response = client.post("/", data=body, headers={"Content-Type": "text/xml", **headers})
        return xmlrpc.client.loads(response.data)[0][0]

    assert call("open") == 1
    with pytest.raises(xmlrpc.client.Fault, match="User and password"):
        call("add", 1, 2)
    with pytest.raises(xmlrpc.client.Fault, match="User and password"):
        call("add", 1, 2, **basic(USER, "wrong"))
    if scheme == "basic":
        assert (
            call("add", 1, 2, **basic(USER, PASSWORD)) == 3
        )  # ServerProxy("http://user:password@host/") does so


def test_the_debug_page_hides_passwords():
    app = Saddle(__name__)
    app.debug = True
    app.users = {"hans": "a secret of hans"}

    @app.route("/")
    def index(was):
        found = app.users["hans"]
        raise ValueError(f"{found} is shown")

    page = app.test_client().get("/", auth=("hans", "a secret of hans")).text
    assert "is shown" in page
    assert "a secret of hans" not in page
