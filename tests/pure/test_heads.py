"""The recognisers of simple heads: what they accept is what the strict reader reads, to the byte.

There are two, the pure kernel's and the compiled one's.  They may decline whatever they like, so
there are two things to show: that neither ever accepts what the strict reader reads in another way
or not at all, and that both do accept what browsers and load generators send.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from skitai._pure import http1 as pure
from skitai._pure.http1.simple import read_simple_head
from skitai.errors import RemoteProtocolError
from skitai.limits import Limits

try:
    from skitai._speedups import heads
except ModuleNotFoundError:  # no extensions are built here
    heads = None

compiled = pytest.mark.skipif(heads is None, reason="no extensions are built here")

#: ``(data, start, limits)`` to a head and its length, or None.
Recogniser = Callable[[bytes, int, Limits], "tuple[pure.RequestHead, int] | None"]
RECOGNISERS: list[Recogniser] = [read_simple_head, *([heads.read_request_head] if heads else [])]

SIMPLE, INCOMPLETE, NOT_SIMPLE = 1, 0, -1

#: 500 examples in `make test`, 20,000 in `make soak`.
thorough = settings(max_examples=max(500, 2 * settings().max_examples), deadline=None)

PLAIN = (
    b"POST /a/b%20c?q=1&r=?/ HTTP/1.1\r\nHost: Example.com:8080\r\nConnection: Keep-Alive\r\n"
    b"Content-Length: 12\r\nX-Text: \tcaf\xe9 \r\n\r\n"
)


class Strict(pure.ServerConnection):
    """Reads every head by the rules."""

    _read_simple_head = staticmethod(lambda data, start, limits: None)


def check(data: bytes, limits: Limits) -> int:
    """Judge ``data`` by all; returns the recognisers' verdict."""
    simple = read_simple_head(data, 0, limits) is not None
    verdict: int = heads.verdict(data, limits) if heads else SIMPLE if simple else NOT_SIMPLE
    connection = Strict(limits)
    connection.receive_data(data)
    refused = False
    try:
        event = connection.next_event() if data else pure.NEED_DATA
    except RemoteProtocolError as error:
        # A length beyond body_max is the connection's to refuse, in both builds; its head was read.
        refused = error.status != 413
    for prefix in (b"", b"GET / HTTP/1.1\r\n"):
        for recognise in RECOGNISERS:
            found = recognise(prefix + data, len(prefix), limits)
            assert (found is None) is (verdict != SIMPLE)
            if found is None:
                continue
            assert not refused
            head, count = found
            assert head == connection.request
            # 1 == True, but not here.
            assert repr(head) == repr(connection.request)
            assert type(head) is pure.RequestHead
            assert count == len(data) - connection.buffered
    if verdict == INCOMPLETE:
        assert not refused
        assert event is pure.NEED_DATA
    return verdict


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\nHost: h\r\n\r\n",
        b"GET / HTTP/1.0\r\nHost: h\r\n\r\n",
        b"GET / HTTP/1.0\r\nConnection: keep-alive\r\nHost: h\r\n\r\n",
        b"HEAD //x//y?? HTTP/1.1\r\nhost:127.0.0.1:5000\r\nconnection:CLOSE\r\n\r\n",
        b"x!#$%&'*+-.^_`|~ /[]{}\"<>\\^`| HTTP/1.1\r\nHOST: a-._~!$&'()*+,;=:\r\nx!#$%&'*+-.^_`|~:\r\n\r\n",
        b"connect / HTTP/1.1\r\nHost: h\r\n\r\n",  # a method's case counts: this is not CONNECT
        b"GET / HTTP/1.1\r\nHost:\t h \t\r\nX:\r\nX: \t \r\nX: a \t b\r\n\r\n",
        b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n",
        b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 000000000000000012\r\n\r\n",
        b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 999999999999999999\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\nTE: trailers\r\nUpgrade-Insecure-Requests: 1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\nCookie: a=\x80\xff\r\ncookie: b\r\n\r\nbody or the next head",
        PLAIN,
    ],
)
def test_simple_heads_are_recognised(data: bytes) -> None:
    assert check(data, Limits()) == SIMPLE


@pytest.mark.parametrize(
    "data",
    [
        b"\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n",
        b"CONNECT / HTTP/1.1\r\nHost: h\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n",
        b"GET http://h/ HTTP/1.1\r\nHost: h\r\n\r\n",
        b"GET / HTTP/1.2\r\nHost: h\r\n\r\n",
        b"GET / HTTP/2.0\r\nHost: h\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.0\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost:\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: :80\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: [::1]\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h%41\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h:8a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: u@h\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nConnection: close\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close, TE\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\nConnection:\r\n\r\n",
        b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
        b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 9999999999999999999\r\n\r\n",
        b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 0x1\r\n\r\n",
        b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n",
        b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length:\r\n\r\n",
        b"PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"PUT / HTTP/1.1\r\nHost: h\r\nEXPECT: 100-continue\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\nuPGRADE: websocket\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\nX: a\r\n b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost : h\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\n: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\nX\r\n\r\n",
        b"GET / HTTP/1.1\nHost: h\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\n\n",
        b"GET / HTTP/1.1\r\nHost: h\r\n\rX",
        b"\x16\x03\x01\x02\x00\x01",
    ],
)
def test_what_is_not_simple_is_left_to_the_pure_kernel(data: bytes) -> None:
    assert check(data, Limits()) == NOT_SIMPLE


def test_every_byte_in_every_place() -> None:
    limits = Limits()
    for place in range(len(PLAIN) + 1):
        for byte in range(256):
            check(PLAIN[:place] + bytes([byte]) + PLAIN[place:], limits)
            check(PLAIN[:place] + bytes([byte]) + PLAIN[place + 1 :], limits)


def test_every_byte_left_out() -> None:
    for place in range(len(PLAIN)):
        check(PLAIN[:place] + PLAIN[place + 1 :], Limits())


def test_every_beginning_of_a_simple_head_is_incomplete() -> None:
    for end in range(len(PLAIN)):
        assert check(PLAIN[:end], Limits()) == (INCOMPLETE if heads else NOT_SIMPLE)


@pytest.mark.parametrize(
    ("limit", "value"),
    [
        ("request_line_max", PLAIN.index(b"\r\n")),
        ("header_block_max", len(PLAIN) - PLAIN.index(b"\n") - 3),
        ("header_fields_max", 4),
    ],
)
def test_the_limits_are_the_pure_kernels(limit: str, value: int) -> None:
    assert check(PLAIN, Limits(**{limit: value})) == SIMPLE
    assert check(PLAIN, Limits(**{limit: value - 1})) == NOT_SIMPLE
    # And in all that comes before the end.
    for less in range(value + 1):
        for end in range(len(PLAIN)):
            check(PLAIN[:end], Limits(**{limit: less}))


@compiled
@pytest.mark.parametrize(("count", "verdict"), [(99, SIMPLE), (100, NOT_SIMPLE)])
def test_no_more_fields_than_there_is_room_for(count: int, verdict: int) -> None:
    data = b"GET / HTTP/1.1\r\nHost: h\r\n" + b"X: y\r\n" * count + b"\r\n"
    assert heads.verdict(data, Limits(header_fields_max=1000)) == verdict


def test_names_are_told_apart_when_their_table_is_full() -> None:
    for number in range(5000):
        data = b"M%d / HTTP/1.1\r\nHost: h\r\nX-%x: 1\r\nx-%x: 2\r\n\r\n" % (number, number, number)
        assert check(data, Limits()) == SIMPLE


@compiled
def test_an_offset_outside_of_the_data_is_refused() -> None:
    for start in (-1, len(PLAIN) + 1):
        with pytest.raises(IndexError):
            heads.read_request_head(PLAIN, start, Limits())
    assert heads.read_request_head(PLAIN, len(PLAIN), Limits()) is None


TCHARS = "!#$%&'*+-.^_`|~09azAZ"
METHODS = st.sampled_from(["GET", "POST", "OPTIONS", "CONNECT"]) | st.text(TCHARS, min_size=1, max_size=8)
TARGETS = st.text('/?%aZ0~!"<\\*:@[', max_size=20).map("/".__add__) | st.sampled_from(
    ["*", "http://h/", "h:1"]
)
VERSIONS = st.sampled_from(["HTTP/1.1"] * 5 + ["HTTP/1.0", "HTTP/1.2", "HTTP/2.0", "http/1.1"])
ANY_CASE = st.sampled_from([str, str.lower, str.upper, str.title])
NAMES = st.builds(
    lambda name, case: case(name),
    st.sampled_from(
        # The names that are heeded, and their neighbours.
        [
            "host",
            "hosts",
            "connection",
            "connectiom",
            "content-length",
            "content_length",
            "expect",
            "xpect",
            "upgrade",
            "te",
            "transfer-encoding",
            "cookie",
            "accept",
        ]
    )
    | st.text(TCHARS, min_size=1, max_size=18),
    ANY_CASE,
)
VALUES = st.sampled_from(
    [
        "h",
        "Example.COM:80",
        "10.0.0.1",
        "[::1]",
        "h%20",
        "",
        "keep-alive",
        "Close",
        "close, x",
        "5",
        "007",
        "1" * 18,
        "1" * 19,
        "chunked",
        "100-continue",
        "websocket",
        "trailers",
    ]
) | st.text(st.characters(max_codepoint=0xFF), max_size=12)
SPACE = st.sampled_from([" "] * 5 + ["", "\t", "  \t "])
FIELDS = st.builds("{}:{}{}{}".format, NAMES, SPACE, VALUES, SPACE)
HOSTS = st.sampled_from(["Host: h"] * 5 + ["hOST:EXAMPLE.com:80 ", "X: y"])
HEADS = st.builds(
    lambda method, target, version, before, host, after: "\r\n".join(
        [f"{method} {target} {version}", *before, host, *after, "", ""]
    ).encode("latin-1"),
    METHODS,
    TARGETS,
    VERSIONS,
    st.lists(FIELDS, max_size=3),
    HOSTS,
    st.lists(FIELDS, max_size=3),
)
BYTES = st.sampled_from(
    [b"\r", b"\n", b"\r\n", b" ", b"\t", b":", b"\0", b"\x7f", b"\x80", b"#", b"/", b"?", b"a", b""]
)
MUTATIONS = st.lists(st.tuples(st.integers(0, 400), st.integers(0, 2), BYTES), max_size=3)
LIMITS = st.builds(
    lambda line, block, fields: Limits(
        request_line_max=line, header_block_max=block, header_fields_max=fields
    ),
    st.sampled_from([8192, 8192, 0, 14, 20, 30]),
    st.sampled_from([65536, 65536, 0, 7, 20, 60]),
    st.sampled_from([100, 100, 0, 1, 3]),
)


def mutated(data: bytes, mutations: list[tuple[int, int, bytes]]) -> bytes:
    for place, gone, new in mutations:
        at = place % (len(data) + 1)
        data = data[:at] + new + data[at + gone :]
    return data


@thorough
@given(head=HEADS, mutations=MUTATIONS, behind=st.binary(max_size=8), end=st.integers(0, 400), limits=LIMITS)
@example(PLAIN, [], b"", 0, Limits())
def test_what_is_recognised_is_what_the_pure_kernel_reads(
    head: bytes, mutations: list[tuple[int, int, bytes]], behind: bytes, end: int, limits: Limits
) -> None:
    data = mutated(head, mutations)
    check(data + behind, limits)
    check(data[:end], limits)


LONG = b"GET /%b HTTP/1.1\r\nHost: h\r\n\r\n" % (b"a" * 1000)

#: What is done to the last request before it is sent again: mutations, bytes behind it, bytes cut off.
AGAIN = st.lists(
    st.tuples(st.just([]) | MUTATIONS, st.binary(max_size=8), st.just(0) | st.integers(0, 400)), max_size=8
)


@compiled
@thorough
@given(head=HEADS | st.just(LONG), again=AGAIN, limits=LIMITS)
@example(PLAIN, [([], b"", 0), ([], b"more", 0), ([], b"", 1), ([], b"", 0)], Limits())
@example(PLAIN, [([(0, 1, b"G")], b"", 0), ([], b"", 0)], Limits())
@example(LONG[:1023] + LONG[-30:], [([], b"", 0)] * 3, Limits())
def test_the_same_head_again_is_read_as_the_first(
    head: bytes, again: list[tuple[list[tuple[int, int, bytes]], bytes, int]], limits: Limits
) -> None:
    sent = [head]
    for mutations, behind, cut in again:
        data = mutated(sent[-1], mutations) + behind
        sent += [data[: len(data) - cut] if cut else data, head]
    assert heads.read_in_turn(sent, limits) == [heads.read_request_head(data, 0, limits) for data in sent]


@thorough
@given(data=st.binary(max_size=60), limits=LIMITS)
def test_noise(data: bytes, limits: Limits) -> None:
    check(data, limits)
    check(b"GET / HTTP/1.1\r\nHost: h\r\n" + data + b"\r\n\r\n", limits)


@pytest.mark.parametrize("recognise", RECOGNISERS)
def test_a_head_can_be_used_as_any_other(recognise: Recogniser) -> None:
    found = recognise(PLAIN, 0, Limits())
    assert found is not None
    head, _ = found
    assert head.get("x-text") == "caf\xe9"
    assert head.has_body
    head.path = "/elsewhere"
    assert asdict(head)["path"] == "/elsewhere"
