"""Who we are: basic and digest, as the RFCs print them and as Saddle, a server, checks them."""

from __future__ import annotations

import base64
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skitai._pure.http1.grammar import BAD_VALUE
from skitai.core.digest import ALGORITHMS, digest_response, parameters_of
from skitai.core.outbound.request import Origin
from skitai.saddle.digest import DigestRealm
from skitai.was import _credentials
from skitai.was._credentials import Challenges, Credentials, basic, challenges_in, credentials_of
from tests.was.fakes import HERE

ANN = Credentials("ann", "secret")
CHALLENGE = 'Digest realm="r", qop="auth", nonce="n1", opaque="o"'


@pytest.mark.parametrize(
    ("auth", "credentials"),
    [
        (("ann", "secret"), ANN),
        (["ann", "secret"], ANN),
        ("ann:secret", ANN),
        ("ann:se:cret", Credentials("ann", "se:cret")),
        ("ann:", Credentials("ann", "")),
        (("ann", "secret", "digest"), Credentials("ann", "secret", "digest")),
        (("ann", "secret", "basic"), Credentials("ann", "secret", "basic")),
        (("a:b", "secret", "digest"), Credentials("a:b", "secret", "digest")),
        (ANN, ANN),
    ],
)
def test_ways_to_say_them(auth: object, credentials: Credentials) -> None:
    assert credentials_of(auth) == credentials


@pytest.mark.parametrize(
    ("auth", "error", "fault"),
    [
        ("token", ValueError, "for a token: headers="),
        (5, TypeError, "not int"),
        (("ann",), TypeError, "not tuple"),
        (("ann", b"secret"), TypeError, "not tuple"),
        (("ann", "secret", "ntlm"), ValueError, "the scheme 'ntlm': there are 'basic' and 'digest'"),
        (("a:b", "secret"), ValueError, "the user 'a:b' has a colon"),
        (("ann\n", "secret"), ValueError, "a control character"),
        (("ann", "sec\ud800ret"), ValueError, "half a surrogate pair"),
    ],
)
def test_what_is_none(auth: object, error: type[Exception], fault: str) -> None:
    with pytest.raises(error, match=fault) as caught:
        credentials_of(auth)
    assert "secret" not in str(caught.value)


def test_a_password_is_not_shown() -> None:
    assert repr(ANN) == "<Credentials of 'ann'>"
    assert "secret" not in f"{ANN} {[ANN]}"


def test_basic() -> None:
    assert basic("Aladdin", "open sesame") == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
    assert basic("test", "123£") == "Basic dGVzdDoxMjPCow=="  # RFC 7617 section 2.1


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        (['Basic realm="a"'], [("basic", {"realm": "a"})]),
        (["Negotiate"], [("negotiate", {})]),
        (["Negotiate abc==", "Basic realm=a"], [("negotiate", {"abc": "="}), ("basic", {"realm": "a"})]),
        (
            ['Digest realm="a, Basic b", nonce="x\\"y", qop="auth,auth-int", Basic realm="c"'],
            [
                ("digest", {"realm": "a, Basic b", "nonce": 'x"y', "qop": "auth,auth-int"}),
                ("basic", {"realm": "c"}),
            ],
        ),
        # RFC 9110 section 11.6.1
        (
            ['Basic realm="simple", Newauth realm="apps", type=1, title="Login to \\"apps\\""'],
            [
                ("basic", {"realm": "simple"}),
                ("newauth", {"realm": "apps", "type": "1", "title": 'Login to "apps"'}),
            ],
        ),
        (["NTLM, Negotiate , Basic realm=x"], [("ntlm", {}), ("negotiate", {}), ("basic", {"realm": "x"})]),
        (['Basic realm = "x" , charset = "UTF-8"'], [("basic", {"realm": "x", "charset": "UTF-8"})]),
        ([""], []),
        ([', , Basic realm="x"'], [("basic", {"realm": "x"})]),
    ],
)
def test_challenges(fields: list[str], found: list[tuple[str, dict[str, str]]]) -> None:
    assert challenges_in(fields) == found


_PIECES = [
    "Digest ",
    "Basic ",
    "realm=",
    "nonce=",
    "qop=auth",
    "algorithm=SHA-256",
    '"',
    "\\",
    ",",
    " ",
    "=",
    "x",
    "\xfc",
]


@given(st.lists(st.sampled_from(_PIECES), max_size=25).map("".join))
def test_whatever_a_server_asks_the_answer_can_be_sent(field: str) -> None:
    challenges = Challenges()
    challenges.learn(ANN, HERE, [field])
    assert not BAD_VALUE.search(said(challenges))


def test_no_count_is_used_twice() -> None:
    challenges = Challenges()
    challenges.learn(ANN, HERE, [CHALLENGE])
    values: list[str] = []
    threads = [
        threading.Thread(target=lambda: values.extend(said(challenges) for _ in range(500))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    counts = {(parameters_of(value.removeprefix("Digest ")) or {})["nc"] for value in values}
    assert counts == {f"{number:08x}" for number in range(1, 2001)}


@pytest.mark.parametrize("piece", ['"', '\\"', '"\\', ",", ", ", "a ", "a=", 'a="', "a,", "\t", "Digest "])
def test_a_challenge_that_is_made_to_take_long_does_not(piece: str) -> None:
    began = time.thread_time()
    challenges_in([piece * 30_000])
    challenges_in(['Digest a="' + piece * 30_000])
    assert time.thread_time() - began < 0.5


# --- what is sent


def said(
    challenges: Challenges, credentials: Credentials = ANN, target: str = "/x", origin: Origin = HERE
) -> str:
    return challenges.authorization(credentials, origin, "GET", target) or ""


def test_basic_is_sent_at_once() -> None:
    assert said(Challenges()) == basic("ann", "secret")
    assert said(Challenges(), Credentials("ann", "secret", "digest")) == ""


def test_a_challenge_is_answered_and_remembered() -> None:
    challenges = Challenges()
    assert challenges.learn(ANN, HERE, [CHALLENGE])
    for count in ("00000001", "00000002"):
        value = said(challenges)
        given = parameters_of(value.removeprefix("Digest ")) or {}
        assert value.startswith("Digest ")
        assert given["nc"] == count
        assert (
            given["username"],
            given["realm"],
            given["nonce"],
            given["opaque"],
            given["uri"],
            given["qop"],
        ) == (
            "ann",
            "r",
            "n1",
            "o",
            "/x",
            "auth",
        )
        assert "algorithm" not in given
        assert given["response"] == digest_response(
            "MD5",
            "ann",
            "r",
            "secret",
            method="GET",
            uri="/x",
            nonce="n1",
            count=count,
            cnonce=given["cnonce"],
        )
    # A new nonce is counted anew.
    assert challenges.learn(ANN, HERE, [CHALLENGE.replace("n1", "n2")])
    assert 'nonce="n2"' in said(challenges)
    assert "nc=00000002" in said(challenges)


def test_it_is_remembered_for_the_origin_and_the_user() -> None:
    challenges = Challenges()
    challenges.learn(ANN, HERE, [CHALLENGE])
    assert said(challenges, Credentials("bob", "secret")).startswith("Basic ")
    assert said(challenges, origin=HERE._replace(port=81)).startswith("Basic ")
    assert said(challenges, Credentials("ann", "secret", "basic")).startswith("Basic ")


def test_the_rfc_7616_example() -> None:
    expected = {
        "MD5": "8ca523f5e9506fed4657c9700eebdbec",
        "SHA-256": "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
    }
    for algorithm in ALGORITHMS:
        assert expected[algorithm] == digest_response(
            algorithm,
            "Mufasa",
            "http-auth@example.org",
            "Circle of Life",
            method="GET",
            uri="/dir/index.html",
            nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
            count="00000001",
            cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
        )


def test_the_better_algorithm_is_taken() -> None:
    challenges = Challenges()
    md5, sha256 = f"{CHALLENGE}, algorithm=MD5", f"{CHALLENGE}, algorithm=SHA-256"
    for fields in ([md5, sha256], [sha256, md5], [f"{md5}, {sha256}"]):
        assert challenges.learn(ANN, HERE, fields)
        assert "algorithm=SHA-256" in said(challenges)


@pytest.mark.parametrize(
    "field",
    [
        "",
        'Basic realm="r"',
        "Negotiate",
        'Digest realm="r", qop="auth"',
        'Digest nonce="n", qop="auth"',
        'Digest realm="r", nonce="n"',
        'Digest realm="r", nonce="n", qop="auth-int"',
        'Digest realm="r", nonce="n", qop="auth", algorithm=MD5-sess',
        'Digest realm="r", nonce="n", qop="auth", algorithm=SHA-512-256',
        'Digest realm="r", nonce="n\t", qop="auth"',
        'Digest realm="r\t", nonce="n", qop="auth"',
        'Digest realm="r", nonce="\xfc", qop="auth"',
        "Digest realm=r, nonce=n, nonce=m, qop=auth",
    ],
)
def test_a_challenge_that_cannot_be_answered(field: str) -> None:
    challenges = Challenges()
    assert not challenges.learn(ANN, HERE, [field])
    assert said(challenges).startswith("Basic ")


def test_whoever_wants_basic_alone_answers_no_challenge() -> None:
    assert not Challenges().learn(Credentials("ann", "secret", "basic"), HERE, [CHALLENGE])


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
@pytest.mark.parametrize(
    ("user", "password", "realm"), [("ann", "secret", "r"), ('a"b\\', "ü:€", "Grüße"), ("ü", "", "")]
)
def test_a_server_takes_it(algorithm: str, user: str, password: str, realm: str) -> None:
    server = DigestRealm(realm, b"key", [algorithm])
    credentials = Credentials(user, password)
    challenges = Challenges()
    assert challenges.learn(credentials, HERE, server.challenges())
    for _ in range(3):
        value = said(challenges, credentials, "/a?b=c")
        verdict = server.verdict(value.removeprefix("Digest "), "GET", "/a?b=c", {user: password}.get)
        assert verdict.user == user
        verdict = server.verdict(value.removeprefix("Digest "), "GET", "/a?b=d", {user: password}.get)
        assert verdict.user is None


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_credentials, "_REMEMBERED_MAX", 3)
    challenges = Challenges()
    origins = [HERE._replace(port=port) for port in range(1, 6)]
    for origin in origins[:3]:
        challenges.learn(ANN, origin, [CHALLENGE])
    assert said(challenges, origin=origins[0]).startswith("Digest ")
    for origin in origins[3:]:
        challenges.learn(ANN, origin, [CHALLENGE])
    kept = [said(challenges, origin=origin).startswith("Digest ") for origin in origins]
    assert kept == [True, False, False, True, True]


def test_it_is_latin_1_on_the_wire() -> None:
    challenges = Challenges()
    challenges.learn(
        Credentials("ü", "x"), HERE, [CHALLENGE.replace('"r"', '"Grüße"'.encode().decode("latin-1"))]
    )
    value = said(challenges, Credentials("ü", "x"))
    assert "username*=UTF-8''%C3%BC" in value
    assert '"Grüße"'.encode() in value.encode("latin-1")
    assert base64.b64decode(basic("ü", "€")[6:]).decode() == "ü:€"
