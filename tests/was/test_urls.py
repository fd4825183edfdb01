"""URLs as people write them, and those that can only be mistakes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skitai._pure.http1.grammar import NOT_TARGET
from skitai.core.outbound.request import Origin, TLSOptions
from skitai.was._urls import form_text, split_url, with_query


def http(host: str, port: int = 80) -> Origin:
    return Origin("http", host, port)


@pytest.mark.parametrize(
    ("url", "origin", "target"),
    [
        ("http://www.python.org", http("www.python.org"), "/"),
        ("http://h/", http("h"), "/"),
        ("http://h?q=1", http("h"), "/?q=1"),
        ("http://h#top", http("h"), "/"),
        ("http://h/a/b?c=d&e=f#g?h", http("h"), "/a/b?c=d&e=f"),
        ("http://h/?", http("h"), "/?"),
        ("http://h:8080/a", http("h", 8080), "/a"),
        ("http://h:/a", http("h"), "/a"),
        ("HTTP://Some.HOST/Path", http("some.host"), "/Path"),
        ("  http://h/a \n", http("h"), "/a"),
        ("http://h./", http("h."), "/"),
        ("http://my_service-1/", http("my_service-1"), "/"),
        ("http://127.0.0.1:5000/x", http("127.0.0.1", 5000), "/x"),
        ("http://[::1]:5000/x", http("::1", 5000), "/x"),
        ("http://[2001:DB8::1]", http("2001:db8::1"), "/"),
        ("http://[fe80::1%25eth0]/", http("fe80::1%eth0"), "/"),
        ("http://[fe80::1%eth0]/", http("fe80::1%eth0"), "/"),
        ("http://bücher.example/", http("xn--bcher-kva.example"), "/"),
        ("http://BÜCHER.example/", http("xn--bcher-kva.example"), "/"),
        # encoded once
        ("http://h/find me?q=ü x", http("h"), "/find%20me?q=%C3%BC%20x"),
        ("http://h/find%20me?q=%C3%BC", http("h"), "/find%20me?q=%C3%BC"),
        ("http://h/100%/50%2", http("h"), "/100%25/50%252"),
        ("http://h/100%?r=5%", http("h"), "/100%25?r=5%25"),
        ('http://h/a"b<c>d\\e^f`g{h|i}', http("h"), "/a%22b%3Cc%3Ed%5Ce%5Ef%60g%7Bh%7Ci%7D"),
        ("http://h/a?b[]=1", http("h"), "/a?b%5B%5D=1"),
        ("http://h/a;b=1,2/@x:y/(z)*!$&'+~", http("h"), "/a;b=1,2/@x:y/(z)*!$&'+~"),
        ("http://h/a?b=c/d?e", http("h"), "/a?b=c/d?e"),
        ("http://h/%e4", http("h"), "/%e4"),
        # clusters
        ("@search/rpc2", http("@search"), "/rpc2"),
        ("@search", http("@search"), "/"),
        ("@search?q=1", http("@search"), "/?q=1"),
        ("@my.search-2/find me#x", http("@my.search-2"), "/find%20me"),
    ],
)
def test_whom_to_ask_and_what_for(url: str, origin: Origin, target: str) -> None:
    assert split_url(url) == ((origin, None, ""), target)


def test_https_is_verified() -> None:
    site, target = split_url("https://h/a")
    assert (site.origin, target) == (Origin("https", "h", 443, TLSOptions()), "/a")
    assert split_url("https://h:8443")[0].origin.port == 8443


@pytest.mark.parametrize(
    ("url", "user", "password"),
    [
        ("http://ann:secret@h/", "ann", "secret"),
        ("http://ann@h/", "ann", ""),
        ("http://:secret@h/", "", "secret"),
        ("http://a%40b:p%3Aq@h/", "a@b", "p:q"),
        ("http://a@b:p:q@h/", "a@b", "p:q"),
        ("http://ü:ä@h/", "ü", "ä"),
    ],
)
def test_credentials_are_no_part_of_the_address(url: str, user: str, password: str) -> None:
    assert split_url(url) == ((http("h"), user, password), "/")


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("", "does not say whom to ask: write http://"),
        ("www.python.org", "does not say whom to ask"),
        ("localhost:5000/x", "does not say whom to ask"),
        ("/path", "does not say whom to ask"),
        ("http:/h/x", "does not say whom to ask"),
        ("http:h", "does not say whom to ask"),
        ("@", "does not say whom to ask"),
        ("http://h\\@evil/", "does not say whom to ask"),
        ("ftp://h/x", "another scheme than http and https"),
        ("ws://h/x", "another scheme than http and https"),
        ("http://", "has no host"),
        ("http:///x", "has no host"),
        ("http://:80/", "has no host"),
        ("http://user@/", "has no host"),
        ("http://a b/", "a host that is none: 'a b' is no name"),
        ("http://a%62/", "'%' cannot stand there"),
        ("http://a..b/", "a host that is none"),
        ("http://./", "a host that is none"),
        ("http://-a/", "a host that is none"),
        (f"http://{'a' * 64}/", "a host that is none"),
        (f"http://{'.'.join(['a' * 49] * 6)}/", "a host that is none"),
        ("http://h:0/", "a port that is none: '0'"),
        ("http://h:65536/", "a port that is none"),
        ("http://h:80a/", "a port that is none"),
        ("http://h:-1/", "a port that is none"),
        ("http://h:8\u0660/", "a port that is none"),
        ("http://h:80:90/", "a port that is none"),
        ("http://[::1/", "no IPv6 address in brackets"),
        ("http://[::1]80/", "no IPv6 address in brackets"),
        ("http://[1:2]/", "no IPv6 address"),
        ("http://[v1.x]/", "no IPv6 address in brackets"),
        ("http://h/a\nb", "a control character"),
        ("http://h/a\x00", "a control character"),
        ("http://h/\ud800", "half a surrogate pair"),
        ("http://\u2024\u2024/", "a host that is none"),
    ],
)
def test_a_mistake_says_how_to_mend_it(url: str, fault: str) -> None:
    with pytest.raises(ValueError, match=fault.replace("[", r"\[")):
        split_url(url)


@pytest.mark.parametrize("url", [None, b"http://h/", 5])
def test_a_url_is_text(url: object) -> None:
    with pytest.raises(TypeError, match="a URL is a str"):
        split_url(url)  # type: ignore[arg-type]


def test_nobodys_password_is_in_an_error() -> None:
    for url in ("http://ann:secret@h:0/", "ftp://ann:secret@h/", "http://ann:secret@h/\x00"):
        with pytest.raises(ValueError, match="//…@h") as caught:
            split_url(url)
        assert "secret" not in str(caught.value)


@given(st.text(), st.text())
def test_whatever_is_written_can_be_sent_or_is_refused(path: str, query: str) -> None:
    try:
        _, target = split_url(f"http://h/{path}?{query}")
    except ValueError:
        return
    assert target.startswith("/")
    assert not NOT_TARGET.search(target)
    # Encoded once: it is the same when it is read again.
    assert split_url(f"http://h{target}")[1] == target


@given(st.text())
def test_any_text_is_a_url_or_a_mistake(url: str) -> None:
    try:
        site, target = split_url(url)
    except ValueError:
        return
    assert site.origin.host
    assert not NOT_TARGET.search(target)


@pytest.mark.parametrize(
    ("target", "params", "result"),
    [
        ("/", {"q": "Mozart & Co"}, "/?q=Mozart+%26+Co"),
        ("/?a=1", {"b": 2}, "/?a=1&b=2"),
        ("/", [("a", 1), ("a", "ü")], "/?a=1&a=%C3%BC"),
        ("/", {"a": [1, 2], "b": None, "c": (3,), "d": [None, 4]}, "/?a=1&a=2&c=3&d=4"),
        ("/", {"a": b"\xff"}, "/?a=%FF"),
        ("/", {}, "/"),
        ("/", {"a": None}, "/"),
        ("/", "a=b c&d=%20", "/?a=b%20c&d=%20"),
        ("/", "", "/"),
    ],
)
def test_params_are_put_behind_the_query(target: str, params: object, result: str) -> None:
    assert with_query(target, params) == result  # type: ignore[arg-type]


@pytest.mark.parametrize("fields", [5, b"a=1", ["ab"], [("a",)], [("a", 1, 2)], {1: 2}, [(b"a", 1)]])
def test_fields_that_are_none(fields: object) -> None:
    with pytest.raises(TypeError, match="fields are a dict, or pairs of a name and a value"):
        form_text(fields)  # type: ignore[arg-type]
