"""Calls to servers that misbehave: each ends in its own error, in time, and leaves nothing behind."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable
from typing import Any

import pytest

from skitai import was
from skitai.errors import (
    NetworkTimeout,
    ReadError,
    RemoteProtocolError,
    ResponseTooLarge,
    SkitaiError,
    TLSError,
)
from tests.live.badpeers import BadPeer
from tests.live.misbehaviour import KINDS, STALE, TLS_KINDS
from tests.live.program import REPO, Serve
from tests.live.upstreams import Authority, deaf_name_server
from tests.waiting import wait_until

BadPeers = Callable[..., BadPeer]

#: Of what has no end but this one.
RESPONSE_MAX = 1 << 20
#: Of those who are patient.
PATIENCE = 10.0
QUICK = 0.3

NO_HTTP = (
    *("endless head", "endless field", "endless reason", "endless interim", "cut head"),
    *("another protocol", "no head", "unasked upgrade", "two lengths", "length and chunks"),
    *("length too long", "truncated chunk", "no last chunk", "bad chunk size", "huge chunk size"),
    *("extensions without end", "trailers without end", "truncated gzip", "no gzip"),
)
TOO_LARGE = (
    *("length without end", "body without end", "chunks without end", "small chunks without end"),
    *("gzip bomb", "deflate bomb", "nested bomb"),
)
BROKEN = ("no answer", "reset before the answer", "reset in the head", "reset in the body")
#: Which clock ends it, if all of them run.
TOO_SLOW = {
    "silence": "first_byte_timeout",
    "half a head": "between_bytes_timeout",
    "half a body": "between_bytes_timeout",
    "head by drops": "timeout",
    "body by drops": "timeout",
    "interim by drops": "timeout",
}

ERRORS: dict[str, type[SkitaiError]] = {
    **dict.fromkeys(NO_HTTP, RemoteProtocolError),
    **dict.fromkeys(TOO_LARGE, ResponseTooLarge),
    **dict.fromkeys(BROKEN, ReadError),
}
#: These have tests of their own.
APART = {"reads nothing", "answer before the request", "refused upload"}


def failure(url: str, **options: Any) -> tuple[SkitaiError, float]:
    """The error of a call, and how long it took."""
    begun = time.monotonic()
    result = was.get(url, **{"timeout": PATIENCE, **options}).getwait()
    took = time.monotonic() - begun
    assert result.status in (1, 2), f"{result!r}: {result.data[:80]!r}"
    assert isinstance(result.error, SkitaiError)
    return result.error, took


def test_every_kind_is_tried() -> None:
    kept = {name for name in KINDS if name.startswith("kept")}
    assert {*ERRORS, *TOO_SLOW, *APART, *kept} == {*KINDS}


@pytest.mark.parametrize(("kind", "error"), ERRORS.items(), ids=ERRORS)
def test_no_answer_is_told_as_what_it_is(bad_peer: BadPeers, kind: str, error: type[SkitaiError]) -> None:
    peer = bad_peer(KINDS[kind])
    found, took = failure(peer.url, response_max=RESPONSE_MAX)
    assert type(found) is error
    assert took < PATIENCE / 2
    wait_until(lambda: peer.open == 0, what="the connection is closed")


@pytest.mark.parametrize(("kind", "limit"), TOO_SLOW.items(), ids=TOO_SLOW)
def test_who_is_slow_meets_a_clock(bad_peer: BadPeers, kind: str, limit: str) -> None:
    peer = bad_peer(KINDS[kind])
    options = {"first_byte_timeout": QUICK, "between_bytes_timeout": QUICK, "timeout": 3 * QUICK}
    found, took = failure(peer.url, **options)
    assert isinstance(found, NetworkTimeout)
    assert found.limit == limit
    assert QUICK - 0.05 < took < 3 * QUICK + 2
    wait_until(lambda: peer.open == 0, what="the connection is closed")


def test_who_reads_nothing_meets_a_clock(bad_peer: BadPeers) -> None:
    peer = bad_peer(KINDS["reads nothing"])
    result = was.post(peer.url, bytes(32 << 20), between_bytes_timeout=QUICK).getwait(PATIENCE)
    assert isinstance(result.error, NetworkTimeout)
    assert result.error.limit == "between_bytes_timeout"
    wait_until(lambda: peer.open == 0)


@pytest.mark.parametrize("kind", TLS_KINDS)
def test_hands_that_are_not_shaken(bad_peer: BadPeers, authority: Authority, kind: str) -> None:
    peer = bad_peer(TLS_KINDS[kind](authority.server_context()))
    url = f"https://127.0.0.1:{peer.port}/"
    found, took = failure(url, cafile=str(authority.cafile), connect_timeout=QUICK)
    if kind in ("silence", "half a flight"):
        assert isinstance(found, NetworkTimeout)
        assert found.limit == "connect_timeout"
    else:
        assert type(found) is TLSError
    assert took < QUICK + 2
    wait_until(lambda: peer.open == 0)


@pytest.mark.parametrize("kind", ["truncated chunk", "half a body", "reset in the body", "body without end"])
def test_the_same_over_tls(bad_peer: BadPeers, authority: Authority, kind: str) -> None:
    peer = bad_peer(KINDS[kind], authority.server_context())
    options = {"cafile": str(authority.cafile), "between_bytes_timeout": QUICK, "response_max": RESPONSE_MAX}
    found, _ = failure(peer.url, **options)
    assert type(found) is ERRORS.get(kind, NetworkTimeout)
    wait_until(lambda: peer.open == 0)


def test_an_end_that_tls_did_not_announce_is_none(bad_peer: BadPeers, authority: Authority) -> None:
    """Whoever is between us and the server can send FIN: what ends with its connection may be cut."""

    def cut(client: Any) -> None:
        client.request()
        client.send(b"HTTP/1.1 200 OK\r\n\r\nwhat is left of it")

    peer = bad_peer(cut, authority.server_context())
    found, _ = failure(peer.url, cafile=str(authority.cafile))
    assert type(found) is ReadError
    assert "close_notify" in str(found)


@pytest.mark.skipif(importlib.util.find_spec("pycares") is None, reason="name servers are the system's here")
def test_a_name_server_that_says_nothing(serve_conf: Serve) -> None:
    with deaf_name_server() as address:
        server = serve_conf(
            f"[server]\ndns = {address}\n[routes:line]\n/ = {REPO}/tests/live/apps/calling:app\n"
        )
        begun = time.monotonic()
        with server.connect() as wire:
            reply = wire.get("/?url=http://nowhere.example/&count=20&timeout=0.5")
        assert reply.text == "NetworkTimeout:20"
        assert time.monotonic() - begun < 5


# --- in order


def test_an_upload_that_is_refused_has_its_answer(bad_peer: BadPeers) -> None:
    peer = bad_peer(KINDS["refused upload"])
    result = was.post(peer.url, bytes(32 << 20)).getwait(PATIENCE)
    assert (result.status, result.code, result.data) == (3, 413, b"too long")
    wait_until(lambda: peer.open == 0)


def test_nobody_gets_the_answer_of_another(bad_peer: BadPeers) -> None:
    peer = bad_peer(KINDS["answer before the request"])
    for _ in range(5):
        result = was.get(peer.url).getwait(PATIENCE)
        assert result.data in (b"early", b"")
        time.sleep(0.02)


KEPT = [name for name in KINDS if name.startswith("kept")]
#: What comes unasked while another request is under way cannot be told from its answer.
HASTY = [name for name in KEPT if name not in ("kept, garbage when idle", "kept, an answer when idle")]


@pytest.mark.parametrize("kind", KEPT)
def test_a_kept_connection_harms_nobody(bad_peer: BadPeers, kind: str) -> None:
    """Each of these requests may be repeated, so each has its answer."""
    peer = bad_peer(KINDS[kind])
    for number in range(6):
        ask = was.head if "HEAD" in kind and number % 2 == 0 else was.get
        result = ask(peer.url).getwait(PATIENCE)
        assert (result.status, result.code) == (3, 204 if "204" in kind else 200), repr(result)
        assert result.data == (None if ask is was.head or "204" in kind else b"good")
        if kind not in HASTY:
            wait_until(lambda: peer.open == 0, what="what came unasked has ended the connection")


@pytest.mark.parametrize("kind", ["kept, reset at the next", "kept, closed at the next"])
def test_what_must_not_be_repeated_is_not(bad_peer: BadPeers, kind: str) -> None:
    peer = bad_peer(KINDS[kind])
    assert was.post(peer.url, b"1").getwait(PATIENCE).data == b"good"
    assert type(was.post(peer.url, b"2").getwait(PATIENCE).error) is ReadError
    assert len(peer.requests) == 2


def test_many_at_once_of_every_kind(bad_peer: BadPeers) -> None:
    """None of them holds up another."""
    kinds = [*ERRORS, *TOO_SLOW]
    peers = [bad_peer(KINDS[kind]) for kind in kinds]
    options = {"timeout": 2.0, "response_max": RESPONSE_MAX}
    calls = [was.get(peer.url, **options) for peer in peers for _ in range(4)]
    good = [was.get(bad_peer(KINDS["kept, closed when idle"]).url) for _ in range(20)]
    assert {result.data for result in (call.getwait(PATIENCE) for call in good)} == {b"good"}
    assert {call.getwait(PATIENCE).status for call in calls} == {1, 2}
    for peer in peers:
        wait_until(lambda peer=peer: peer.open == 0)  # type: ignore[misc]


def test_nothing_stale_is_ever_shown(bad_peer: BadPeers) -> None:
    peers = [bad_peer(KINDS[kind]) for kind in HASTY]
    for _ in range(20):
        calls = [was.get(peer.url) for peer in peers for _ in range(3)]
        assert STALE not in {call.getwait(PATIENCE).data for call in calls}
