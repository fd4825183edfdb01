"""Fields that are written without the library's parsers leave as these would have written them."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from email import policy
from email.headerregistry import Address
from typing import Any
from unittest import mock

from hypothesis import given, settings
from hypothesis import strategies as st

from skitai.was import _addresses, _composing, _mailfields, email

NOW = datetime(2026, 11, 23, 16, 0, 7, tzinfo=timezone.utc)
#: Plain words mostly, and what is none: letters, marks of the syntax, lines that are too long.
WORDS = st.lists(
    st.sampled_from(
        ["Hello", "x", "re:", "a@b", "<", ">", "=", "?", '"', "(", ")", ",", ";", "ö", "日本", "%", "=5?"]
    )
    | st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=30),
    max_size=12,
).map(" ".join)
TEXTS = WORDS | st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=200) | st.just("a\nb\n\nö")
PEOPLE = st.sampled_from(
    [
        "hans@example.com",
        "Hans Roh <hans.roh+x@example.com>",
        '"Roh, Hans" <hans@example.com>',
        "Jörg <joerg@example.com>",
        "jörg@example.com",
        "hans@bücher.example",
        "A very long name that is of many words and then some <hans@a.very.long.name.example.com>",
        '"quoted"@example.com',
        "o'neil@example.com",
    ]
)


@contextmanager
def straightforward() -> Iterator[None]:
    """By the library's policy, which is given what it knows."""
    plain = policy.SMTP.clone(cte_type="7bit")
    with (
        mock.patch.multiple(
            _composing, SEVEN_BITS=plain, SEVEN_BITS_UTF8=plain.clone(utf8=True), people=list
        ),
        mock.patch.object(_composing, "format_datetime", lambda moment: moment),
    ):
        yield


def composed(one: Any) -> bytes:
    random.seed(5)  # boundaries are drawn
    with mock.patch.object(_composing, "datetime", mock.Mock(now=lambda zone: NOW)):
        data: bytes = one._message("<123.456.789@example.com>").as_bytes()
    return data


@settings(deadline=None)
@given(
    subject=WORDS,
    sender=PEOPLE,
    rcpt=st.lists(PEOPLE, min_size=1, max_size=4),
    cc=st.lists(PEOPLE, max_size=2),
    text=TEXTS,
    html=st.none() | TEXTS,
    header=st.none() | WORDS,
)
def test_byte_by_byte(
    subject: str, sender: str, rcpt: list[str], cc: list[str], text: str, html: str | None, header: str | None
) -> None:
    if "=?" in subject or "=?" in (header or ""):
        return  # refused
    one = email(subject, sender, rcpt, cc=cc)
    one.add_text(text)
    if html is not None:
        one.add_text(html, "text/html")
    if header is not None:
        one.set_header("X-About", header)
    with straightforward():
        wanted = composed(one)
    for _ in range(2):  # made, and used again
        assert composed(one) == wanted


def test_attachments_byte_by_byte(tmp_path: Any) -> None:
    for name, cid in itertools.product(
        ["x.png", "Übersicht über alles.pdf", f"{'long' * 30}.txt"], ["", "ID"]
    ):
        (tmp_path / name).write_bytes(bytes(range(256)) * 30)
        one = email("Hello", "a@example.com", "b@example.com")
        one.add_text("<p>Hello", "text/html")
        one.add_attachment(tmp_path / name, cid=cid or None)
        with straightforward():
            wanted = composed(one)
        assert composed(one) == composed(one) == wanted


@settings(deadline=None)
@given(st.text(st.sampled_from("abZ09.@+-_' <>\","), max_size=20) | st.emails() | PEOPLE)
def test_plain_addresses_are_what_the_parser_says(text: str) -> None:
    plain = _mailfields.address_of(text)
    if plain is not None:
        with mock.patch.object(_addresses, "address_of", return_value=None):
            assert _addresses.read_addresses("rcpt", text) == [plain]


def test_what_is_plain() -> None:
    assert _mailfields.people([Address("Hans Roh", "hans", "example.com")]) == "Hans Roh <hans@example.com>"
    assert not isinstance(_mailfields.people([Address("Roh, Hans", "hans", "example.com")]), str)
    assert _mailfields.address_of("hans.roh@example.com") == Address("", "hans.roh", "example.com")
    assert _mailfields.address_of("Hans <hans@example.com>") is None
