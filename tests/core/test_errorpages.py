"""Error pages: the form that the client asked for, and nothing in it that runs."""

from __future__ import annotations

import json
import time
from html.parser import HTMLParser

import pytest

from skitai.core.answer import Answer
from skitai.core.errorpages import error_answer

FIREFOX = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"
TEXT, HTML, JSON = "text/plain; charset=utf-8", "text/html; charset=utf-8", "application/json"


def field(answer: Answer, name: str) -> str | None:
    return dict(answer.headers).get(name)


@pytest.mark.parametrize(
    ("accept", "type_"),
    [
        ("", TEXT),
        ("*/*", TEXT),  # curl, requests
        (FIREFOX, HTML),
        ("text/html", HTML),
        ("TEXT/HTML;charset=utf-8", HTML),
        ("text/*", TEXT),
        ("text/*, text/plain;q=0.5", HTML),
        ("application/json", JSON),
        ("application/*", JSON),
        ("application/json, text/plain, */*", JSON),  # axios
        ("application/json, text/javascript, */*; q=0.01", JSON),  # jQuery
        ("text/html;q=0.5, application/json", JSON),
        ("application/json;q=0.5, text/html", HTML),
        ("text/plain;q=0, */*", HTML),
        ("text/html;level=1;q=0.3, application/json;q=0.4", JSON),
        ("image/png, image/*;q=0.8", TEXT),
        ("text/html;q=nonsense, application/json;q=0.1", JSON),
        ("text/html;q=2, application/json;q=0.1", JSON),
        ("text/html;q=nan, application/json;q=0.1", JSON),
        (",;,;q=;=,/,*", TEXT),
    ],
)
def test_the_form_is_the_clients_choice(accept: str, type_: str) -> None:
    """RFC 9110 section 12.5.1: the most specific range counts, then its quality."""
    answer = error_answer(404, "gone", accept=accept)
    assert field(answer, "Content-Type") == type_
    assert field(answer, "Vary") == "Accept"


def test_the_three_forms() -> None:
    assert error_answer(404, "Nobody is here.").body == b"404 Not Found\n\nNobody is here.\n"
    assert error_answer(404).body == b"404 Not Found\n"
    assert json.loads(error_answer(404, "Nobody.", accept=JSON).body) == {
        "status": 404,
        "error": "Not Found",
        "why": "Nobody.",
    }
    page = error_answer(404, "Nobody.", accept=FIREFOX).body.decode()
    assert "<title>404 Not Found</title>" in page
    assert "<p>Nobody.</p>" in page


@pytest.mark.parametrize("accept", ["", FIREFOX, JSON])
def test_the_length_is_that_of_the_bytes(accept: str) -> None:
    answer = error_answer(500, "süß \u2603 \udce9", accept=accept)
    assert field(answer, "Content-Length") == str(len(answer.body))
    answer.body.decode("utf-8")


class Tags(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href") or name[:2] == "on"]


def test_nothing_of_the_client_becomes_markup() -> None:
    evil = "</p></pre></title><script>alert(1)</script><img src=x onerror='y'>{why}\"&"
    plain = Tags(error_answer(500, "why", accept=FIREFOX, title="title", detail="detail").body.decode())
    attacked = error_answer(500, evil, accept=FIREFOX, title=evil, detail=evil)
    found = Tags(attacked.body.decode())
    assert found.tags == plain.tags
    assert found.links == []
    assert "default-src 'none'" in (field(attacked, "Content-Security-Policy") or "")
    assert field(attacked, "X-Content-Type-Options") == "nosniff"


@pytest.mark.parametrize("accept", ["", FIREFOX, JSON])
def test_a_traceback_is_shown_only_when_it_is_handed_in(accept: str) -> None:
    trace = 'Traceback (most recent call last):\n  File "app.py", line 1\nValueError: <x>\n'
    with_it, without = (error_answer(500, "why", accept=accept, detail=text) for text in (trace, ""))
    assert b"Traceback" in with_it.body
    assert b"ValueError" in with_it.body
    assert b"Traceback" not in without.body
    assert b"detail" not in without.body.replace(b"details", b"")


def test_what_passes_by_is_not_kept() -> None:
    assert field(error_answer(503), "Cache-Control") == "no-store"
    assert field(error_answer(500), "Cache-Control") == "no-store"
    assert field(error_answer(404), "Cache-Control") is None
    assert field(error_answer(404, detail="trace"), "Cache-Control") == "no-store"


def test_further_fields_and_unknown_statuses() -> None:
    answer = error_answer(405, extra_headers=[("Allow", "GET")])
    assert answer.status == 405
    assert field(answer, "Allow") == "GET"
    assert error_answer(599).body == b"599 Unknown\n"
    assert error_answer(413).body == b"413 Content Too Large\n"


def test_a_huge_accept_costs_no_more_than_a_long_one():
    """It is read in the loop thread, for requests that are refused."""
    begun = time.process_time()
    for _ in range(20):
        assert field(error_answer(404, accept="text/html" + ",a/b" * 16_000), "Content-Type") == HTML
    assert time.process_time() - begun < 0.2
