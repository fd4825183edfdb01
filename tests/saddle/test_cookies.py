"""Cookies: what the README shows, what RFC 6265bis asks for, and what clients invent."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skitai.errors import HTTPError
from skitai.saddle import Saddle
from skitai.saddle.cookies import Cookies, read_cookies
from skitai.saddle.response import Response


def cookies(field: str = "", scheme: str = "http") -> tuple[Cookies, Response]:
    response = Response()
    return Cookies({"HTTP_COOKIE": field, "wsgi.url_scheme": scheme}, response), response


def lines(response: Response) -> list[str]:
    return [value for name, value in response.decide_head() if name == "Set-Cookie"]


def set_line(*args: Any, scheme: str = "http", **options: Any) -> str:
    jar, response = cookies(scheme=scheme)
    jar.set(*args, **options)
    (line,) = lines(response)
    return line


def test_the_sample_of_the_readme():
    app = Saddle(__name__)

    @app.route("/")
    def index(was):
        if was.cookie.get("user_id") is None:
            was.cookie.set("user_id", "hansroh")
            return "set"
        return was.cookie.get("user_id")

    with app.test_client() as client:
        assert client.get("/").text == "set"
        assert client.get("/").text == "hansroh"


def test_every_call_of_the_readme():
    jar, response = cookies("a=1; b=2")
    assert jar.get("a") == "1"
    assert jar.get("c") is None
    jar.set("c", "3")
    assert jar.get("c") == "3"
    jar.remove("a")
    assert (list(jar.keys()), list(jar.values()), list(jar.items())) == (
        ["b", "c"],
        ["2", "3"],
        [("b", "2"), ("c", "3")],
    )
    assert jar.has_key("b")
    assert "a" not in jar
    jar.clear()
    assert dict(jar) == {}
    assert sorted(line.partition(";")[0] for line in lines(response)) == ["a=", "b=", "c="]


def test_a_cookie_is_also_an_item():
    jar, response = cookies("a=1")
    jar["b"] = "2"
    assert jar["b"] == "2"
    del jar["a"]
    assert len(jar) == 1
    with pytest.raises(KeyError):
        jar["a"]
    with pytest.raises(KeyError):
        del jar["a"]
    assert [line[:2] for line in lines(response)] == ["b=", "a="]


def test_safe_unless_said_otherwise():
    assert set_line("a", "1") == "a=1; Path=/; HttpOnly; SameSite=Lax"
    assert set_line("a", "1", scheme="https") == "a=1; Path=/; Secure; HttpOnly; SameSite=Lax"
    assert set_line("a", "1", scheme="https", secure=False, httponly=False, samesite=None) == "a=1; Path=/"
    assert set_line("a", 7, path="/x", domain=".example.com").startswith("a=7; Path=/x; Domain=example.com;")


@pytest.mark.parametrize(
    ("expires", "age"),
    [(60, 60), (1.5, 1), ("now", 0), (0, 0), (-5, 0), ("never", 630720000)],
)
def test_lifetimes(expires, age):
    for option in ("expires", "max_age"):
        line = set_line("a", "1", **{option: expires})
        assert f"; Max-Age={age};" in line
        assert ("Thu, 01 Jan 1970" in line) == (age == 0)


def test_one_cookie_is_sent_once_and_as_it_was_set_last():
    jar, response = cookies()
    jar.set("a", "1")
    jar.set("a", "2")
    jar.set("a", "3", path="/x")
    assert [line.partition(";")[0] for line in lines(response)] == ["a=2", "a=3"]


@pytest.mark.parametrize("name", ["", "a b", "a=b", "a;b", "가", "a\r\n", '"a"', "a,b"])
def test_names_that_no_cookie_has(name):
    with pytest.raises(ValueError, match="cannot name a cookie"):
        set_line(name, "1")


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"path": "x"}, "begins with /"),
        ({"path": "/;Secure"}, "has no ; or control"),
        ({"path": "/\r\nX: y"}, "has no ; or control"),
        ({"domain": "a;b"}, "not the name of a host"),
        ({"domain": ""}, "not the name of a host"),
        ({"samesite": "lax"}, "there are 'Lax', 'Strict', 'None'"),
        ({"samesite": "None"}, "needs secure=True"),
        ({"expires": "soon"}, "no lifetime"),
        ({"expires": True}, "no lifetime"),
        ({"expires": 10**10}, "20 years"),
        ({"expires": float("nan")}, "no lifetime"),
        ({"expires": 1, "max_age": 1}, "give one"),
    ],
)
def test_attributes_that_browsers_would_mistake(options, text):
    with pytest.raises(ValueError, match=text):
        set_line("a", "1", **options)


def test_prefixes_are_kept():
    assert "Secure" in set_line("__Host-a", "1")
    assert "Secure" in set_line("__secure-a", "1", path="/x")
    for options in ({"path": "/x"}, {"domain": "example.com"}, {"secure": False}):
        with pytest.raises(ValueError, match="browsers drop the cookie '__Host-a'"):
            set_line("__Host-a", "1", **options)


def test_values_are_text_of_a_size():
    with pytest.raises(TypeError, match="'a' is text or a number, not bytes"):
        set_line("a", b"1")
    with pytest.raises(ValueError, match="surrogate"):
        set_line("a", "\ud800")
    with pytest.raises(ValueError, match="browsers drop those of more than 4096"):
        set_line("a", "x" * 4096)


def test_a_refused_cookie_changes_nothing():
    jar, response = cookies("a=1")
    with pytest.raises(ValueError, match="path"):
        jar.set("a", "2", path="x")
    assert jar["a"] == "1"
    assert lines(response) == []


def test_an_error_page_takes_no_cookies_with_it_but_may_have_its_own():
    jar, response = cookies()
    jar.set("lost", "1")
    response.clear()
    jar.set("kept", "2")
    assert [line.partition("=")[0] for line in lines(response)] == ["kept"]

    app = Saddle(__name__)

    @app.route("/")
    def index(was):
        was.cookie.set("a", "1")
        raise HTTPError(403, "no")

    assert app.test_client().get("/").headers.get_all("Set-Cookie") == []


@pytest.mark.parametrize(
    ("field", "found"),
    [
        ("a=1; b=2", {"a": "1", "b": "2"}),
        ("a=1;b=2 ;;; c = 3", {"a": "1", "b": "2", "c": "3"}),
        ("a=1; a=2", {"a": "1"}),
        ('a="1 2"; b="', {"a": "1 2", "b": '"'}),
        ("a=x=y", {"a": "x=y"}),
        ("a=%EA%B0%80; b=100%; c=%zz", {"a": "가", "b": "100%", "c": "%zz"}),
        ("a=%FF; b=\xff", {"a": "\ufffd", "b": "\ufffd"}),
        ("a=\xea\xb0\x80", {"a": "가"}),
        ("nameless; =x; a=", {"a": ""}),
    ],
)
def test_reading(field, found):
    assert read_cookies(field) == found


def test_many_cookies_are_not_all_read():
    assert len(read_cookies("; ".join(f"a{n}=1" for n in range(100_000)))) == 300


def test_names_for_which_there_is_no_line_are_cleared_too():
    jar, response = cookies(f"{'n' * 4100}=1; a=2")
    jar.clear()
    assert len(jar) == 0
    assert [line.partition("=")[0] for line in lines(response)] == ["a"]
    for length in range(3950, 4100):
        jar, response = cookies(f"{'n' * length}=1", "https")
        jar.clear()
        assert all(len(line) <= 4096 for line in lines(response))


@given(st.text(max_size=300))
def test_any_text_survives_the_round_trip(value):
    pair = set_line("a", value).partition(";")[0]
    assert pair.isascii()
    assert not set(pair) & set('\r\n\t ,;\\"')
    assert read_cookies(f"x=y; {pair}; z=1") == {"x": "y", "a": value, "z": "1"}


@given(st.binary(max_size=300) | st.text(alphabet='a=;"% \t\x00', max_size=60).map(str.encode))
def test_no_field_raises(data):
    jar, response = cookies(data.decode("latin-1"))
    assert len(list(jar.items())) <= len(data)
    jar.clear()
    assert len(jar) == 0
    lines(response)
