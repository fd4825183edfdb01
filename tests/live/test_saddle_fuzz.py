"""Whatever a client sends, Saddle has an answer that is not 500, and the server goes on with the connection.

Requests are drawn whole, target, cookies and body, and go over one connection; the application gives all back
that it was sent, as text or as JSON, so that what could be read but not written again would be seen.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.live.program import LiveServer, Serve
from tests.saddle.multipartbody import BOUNDARY, CONTENT_TYPE
from tests.waiting import wait_until

URLENCODED = "application/x-www-form-urlencoded"


class Sent(NamedTuple):
    """A request as it is drawn."""

    method: str
    target: str
    fields: list[str]
    body: bytes


def joined(separator: str, items: st.SearchStrategy[str], most: int) -> st.SearchStrategy[str]:
    return st.lists(items, max_size=most).map(separator.join)


#: What a target may be made of without being refused by the server before Saddle sees it.
QUOTED = st.binary(max_size=6).map(lambda data: "".join(f"%{byte:02x}" for byte in data if byte))
WORDS = st.sampled_from(
    [
        *(
            "",
            ".",
            "..",
            "a",
            "_",
            "a_b",
            "0",
            "7",
            "-7",
            "+7",
            "7.5",
            "7.",
            "1e999",
            "nan",
            "true",
            "9" * 400,
        ),
        *(
            "%",
            "%2",
            "%2F",
            "%2f%2f",
            "%5c",
            "%252f",
            "%c3%a9",
            "%ed%a0%80",
            "%ff",
            "<int:n>",
            ";x=1",
            "x" * 500,
        ),
    ]
)
#: Where the functions stand, and behind them whatever comes.
PLACES = st.sampled_from(
    ["/text", "/json", "/typed", "/file", "/clear", "/session", "/rest", "/slash", "/typed/7/7", "/"]
)
SEGMENTS = joined("", (WORDS | QUOTED).map("/{}".format), 4)
JSON = st.sampled_from(
    ["NaN", "1e999", "[" * 1500, '"%5Cud800"', '{"a":[null,"%5Cu0000"]}', "1" * 5000, "{}", '"', "-0", "[1,]"]
)
NAMES = st.sampled_from(["a", "n", "x", "flag", "items", "was", "self", "", "_csrf_token"]) | WORDS | QUOTED
TYPED = st.sampled_from(["int:", "float:", "bit:", "list:", "json:", "", "", "no:"])
ARGUMENTS = st.tuples(TYPED, NAMES, st.sampled_from(["=", "=", "=", "", "=="]), WORDS | QUOTED | JSON).map(
    "".join
)
QUERIES = joined("&", ARGUMENTS, 5)
TARGETS = st.tuples(
    PLACES, st.just("") | st.just("") | SEGMENTS, st.just("") | QUERIES.map("?{}".format)
).map(lambda parts: re.sub(r'[<> "{}|^`\\]', lambda found: f"%{ord(found[0]):02x}", "".join(parts)))

#: Characters of a field that the server lets in, and the signs of a cookie more often.
FIELD_TEXT = st.text(
    st.sampled_from('=;",% \\')
    | st.characters(min_codepoint=33, max_codepoint=255, exclude_characters="\x7f"),
    max_size=40,
)
COOKIES = joined(
    "; ",
    st.tuples(
        st.sampled_from(
            ["SESSION", "__Host-a", "__Secure-b", "a", "$Version", "é".encode().decode("latin-1")]
        )
        | FIELD_TEXT,
        st.sampled_from(["=", "", "=="]),
        FIELD_TEXT | QUOTED | st.just("A" * 500),
    ).map("".join),
    5,
)

HEADS = joined(
    "\r\n",
    st.sampled_from(
        [
            *(
                'Content-Disposition: form-data; name="a"',
                "Content-Disposition: form-data; name=a; filename=b",
            ),
            *(
                'Content-Disposition: form-data; name="int:n"',
                "Content-Disposition: form-data",
                "Content-Length: 3",
            ),
            *('Content-Disposition: form-data; name="x"; filename="../é%00"', "Content-Type: text/plain"),
            *("Content-Type: text/plain; charset=utf-16", "Content-Transfer-Encoding: base64", "X", ": x"),
        ]
    ),
    4,
)
PARTS = st.lists(st.tuples(HEADS, st.binary(max_size=20)), max_size=5)


def multipart(parts: list[tuple[str, bytes]], end: bytes) -> bytes:
    start = f"--{BOUNDARY}\r\n".encode()
    return b"".join(start + head.encode() + b"\r\n\r\n" + data + b"\r\n" for head, data in parts) + end


BODIES = st.one_of(
    st.tuples(st.just("text/plain"), st.binary(max_size=20)),
    st.tuples(st.sampled_from([URLENCODED, f"{URLENCODED}; charset=iso-2022-jp"]), QUERIES.map(str.encode)),
    st.tuples(st.just(URLENCODED), st.binary(max_size=60)),
    st.tuples(
        st.just(CONTENT_TYPE),
        st.builds(multipart, PARTS, st.sampled_from([f"--{BOUNDARY}--\r\n".encode(), b"", b"--"])),
    ),
    st.tuples(FIELD_TEXT, st.binary(max_size=60)),
    st.tuples(
        st.just("application/json"),
        JSON.map(lambda text: text.replace("%5C", "\\").encode()) | st.binary(max_size=20),
    ),
)


def drawn(method: str, target: str, cookies: str, body: tuple[str, bytes]) -> Sent:
    fields = [f"Cookie: {cookies}", f"Content-Type: {body[0]}"]
    return Sent(method, target, fields, b"" if method == "HEAD" else body[1])


METHODS = st.sampled_from(["GET", "POST", "POST", "PUT", "HEAD", "OPTIONS", "DELETE", "BREW"])
REQUESTS = st.builds(drawn, METHODS, TARGETS, COOKIES, BODIES)


@pytest.fixture(scope="module", params=["1", "0"], ids=["threads=1", "threads=0"])
def server(request: pytest.FixtureRequest, serve_module: Serve, module_path: Path) -> Iterator[LiveServer]:
    spool = module_path / f"spool{request.param}"
    spool.mkdir()
    options = ("--threads", request.param)
    server = serve_module("tests.live.apps.givingback:app", *options, env={"SKITAI_SPOOL_DIR": str(spool)})
    yield server
    wait_until(lambda: not list(spool.iterdir()), 5.0, "an empty spool")


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(REQUESTS, min_size=1, max_size=4))
def test_nothing_a_client_sends_is_a_failure(server: LiveServer, requests: list[Sent]) -> None:
    with server.connect() as wire:
        for sent in requests:
            wire.request(sent.method, sent.target, *sent.fields, body=sent.body)
            reply = wire.read_reply(sent.method)
            assert reply.status < 500, (sent, reply)
            if reply.status == 414:
                return  # nobody knows then where the next request begins
        assert wire.get("/text/still").text == "still"
