"""The fields of a request in its environ (PEP 3333): both builds by the same rules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skitai._pure import environ as pure

try:
    from skitai._speedups import environ as compiled
except ImportError:
    compiled = None

Fields = list[tuple[str, str]]
AddFields = Callable[[dict[str, Any], Fields, frozenset[str]], None]

needs_compiled = pytest.mark.skipif(compiled is None, reason="no extensions are built here")

both = pytest.mark.parametrize(
    "add_fields",
    [
        pytest.param(pure.add_fields, id="pure"),
        pytest.param(compiled and compiled.add_fields, id="compiled", marks=needs_compiled),
    ],
)


def environ_of(add_fields: AddFields, fields: Fields, *withheld: str) -> dict[str, Any]:
    environ: dict[str, Any] = {}
    add_fields(environ, fields, frozenset(withheld))
    return environ


@both
def test_names_become_keys(add_fields: AddFields) -> None:
    fields = [
        ("Host", "h"),
        ("x-forwarded-FOR", "1.2.3.4"),
        ("content-type", "text/plain"),
        ("CONTENT-LENGTH", "5"),
        ("X", "caf\xe9"),
        ("Empty", ""),
    ]
    assert environ_of(add_fields, fields) == {
        "HTTP_HOST": "h",
        "HTTP_X_FORWARDED_FOR": "1.2.3.4",
        "CONTENT_TYPE": "text/plain",
        "CONTENT_LENGTH": "5",
        "HTTP_X": "caf\xe9",
        "HTTP_EMPTY": "",
    }


@both
def test_repeated_fields_are_joined(add_fields: AddFields) -> None:
    fields = [("Accept", "a"), ("cookie", "a=1"), ("ACCEPT", "b"), ("Cookie", "b=2"), ("Accept", "")]
    assert environ_of(add_fields, fields) == {"HTTP_ACCEPT": "a, b, ", "HTTP_COOKIE": "a=1; b=2"}


@both
@pytest.mark.parametrize(
    "name", ["Proxy", "TE", "Trailer", "Transfer-Encoding", "EXPECT", "X_Y", "Content_Length"]
)
def test_some_fields_never_reach_an_application(add_fields: AddFields, name: str) -> None:
    for _ in range(2):  # a name that was seen before is not let through either
        assert environ_of(add_fields, [(name, "x"), ("X-Y", "z")]) == {"HTTP_X_Y": "z"}


@both
def test_further_fields_are_withheld_from_one_request(add_fields: AddFields) -> None:
    fields = [("X-Forwarded-For", "1.2.3.4"), ("Authorization", "secret"), ("X", "y")]
    assert environ_of(add_fields, fields, "x-forwarded-for", "authorization") == {"HTTP_X": "y"}
    assert len(environ_of(add_fields, fields)) == 3


@both
def test_what_the_environ_has_is_kept(add_fields: AddFields) -> None:
    environ = {"SERVER_NAME": "n"}
    add_fields(environ, [("Server-Name", "m")], frozenset())
    assert environ == {"SERVER_NAME": "n", "HTTP_SERVER_NAME": "m"}


@both
def test_a_flood_of_names_is_not_kept(add_fields: AddFields) -> None:
    for number in range(3000):
        assert environ_of(add_fields, [(f"X-Flood-{number}", "v")]) == {f"HTTP_X_FLOOD_{number}": "v"}
    long = "X" * 5000
    assert environ_of(add_fields, [(long, "v")]) == {f"HTTP_{long}": "v"}
    # The compiled build's table cannot be seen from here; tests/core/test_environ.py weighs it.
    assert len(pure._keys) <= pure._KEYS_MAX
    assert max(map(len, pure._keys), default=0) <= pure._KEY_LENGTH_MAX


NAMES = st.sampled_from(["Cookie", "cookie", "Proxy", "X-A", "x-a", "X_A", "Content-Type", "TE"]) | st.text(
    "aZ-_09!~", min_size=1, max_size=5
)
FIELDS = st.lists(st.tuples(NAMES, st.text(st.characters(max_codepoint=0xFF), max_size=5)), max_size=8)


@needs_compiled
@given(fields=FIELDS, withheld=st.sets(NAMES.map(str.lower), max_size=2))
def test_both_builds_make_the_same_environ(fields: Fields, withheld: set[str]) -> None:
    ours = environ_of(compiled.add_fields, fields, *withheld)
    theirs = environ_of(pure.add_fields, fields, *withheld)
    assert list(ours.items()) == list(theirs.items())
