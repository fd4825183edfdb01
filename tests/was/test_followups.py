"""What is done about an answer before its caller sees it, with a client that sends nothing."""

from __future__ import annotations

import gc
import http.cookiejar
import threading
import weakref
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skitai._pure.http1.grammar import NOT_TARGET
from skitai.core.outbound.request import Origin, Outcome, Request, TLSOptions
from skitai.errors import CallCancelled, NetworkTimeout, ReadError, RemoteProtocolError, SkitaiError
from skitai.saddle.digest import DigestRealm
from skitai.was._credentials import basic
from skitai.was._encoding import build
from skitai.was._followups import FollowUps
from skitai.was._results import Result
from tests.was.fakes import Sent, Upstream, answered, response

REALM = DigestRealm("r", b"key", ["SHA-256", "MD5"])


class Call:
    """One call, and what has come of it."""

    def __init__(self, request: Request, follow_ups: FollowUps | None = None, **more: Any) -> None:
        self.upstream = Upstream()
        if follow_ups is None:
            follow_ups = FollowUps(self.upstream.begin, **more)
        else:
            follow_ups._begin = self.upstream.begin
        self.outcomes: list[Outcome] = []
        self.handle = follow_ups.begin(request, self.outcomes.append)

    @property
    def sent(self) -> list[Sent]:
        return self.upstream.sent

    @property
    def last(self) -> Sent:
        return self.upstream.last

    @property
    def result(self) -> Result:
        assert len(self.outcomes) == 1
        return Result(self.outcomes[0])

    def redirect(self, status: int, location: str | None) -> None:
        fields = [] if location is None else [("Location", location)]
        self.last.answer(status, b"see there", *fields)

    def url(self) -> str:
        request = self.last.request
        return f"{request.origin.scheme}://{request.origin.authority}{request.target}"


def call(verb: str, url: str, data: Any = None, **arguments: Any) -> Call:
    return Call(build(verb, url, data, **arguments))


def test_a_request_that_wants_nothing_passes_through() -> None:
    request = build("get", "http://h/")
    asked = Call(request)
    assert asked.last.request is request
    assert asked.handle is asked.last
    asked.redirect(302, "/x")
    assert asked.result.code == 302


# --- redirects


@pytest.mark.parametrize(
    ("url", "location", "there"),
    [
        ("http://h/a/b?c=d", "/x", "http://h/x"),
        ("http://h/a/b?c=d", "x?y=z#top", "http://h/a/x?y=z"),
        ("http://h/a/b", "../x", "http://h/x"),
        ("http://h/a/b", "?q=1", "http://h/a/b?q=1"),
        ("http://h:8080/a", "x", "http://h:8080/x"),
        ("http://h/a", "//other/x", "http://other/x"),
        ("http://h/a", "https://h/x", "https://h/x"),
        ("http://h/a", "HTTP://Other:80", "http://other/"),
        ("http://[::1]:8080/a", "x", "http://[::1]:8080/x"),
        ("http://h/a", "/two words", "http://h/two%20words"),
        ("http://h/a", "/%20", "http://h/%20"),
        # Bytes of UTF-8, as browsers read them.
        ("http://h/a", "/ü".encode().decode("latin-1"), "http://h/%C3%BC"),
        ("http://h/a", "/\xfc", "http://h/%C3%BC"),
        ("http://h/a", "@search/x", "http://h/@search/x"),
        ("http://h/a", "//@other/", "http://other/"),
    ],
)
def test_where_a_redirect_leads(url: str, location: str, there: str) -> None:
    asked = call("get", url, redirects=True)
    asked.redirect(302, location)
    assert asked.url() == there
    asked.last.answer(200, b"found")
    assert (asked.result.code, asked.result.data) == (200, b"found")
    assert asked.result.node == (asked.last.request.origin.host, asked.last.request.origin.port)


@pytest.mark.parametrize(
    ("status", "method", "becomes"),
    [
        (301, "GET", "GET"),
        (301, "POST", "GET"),
        (301, "PUT", "PUT"),
        (302, "POST", "GET"),
        (302, "HEAD", "HEAD"),
        (302, "DELETE", "DELETE"),
        (303, "POST", "GET"),
        (303, "PUT", "GET"),
        (303, "HEAD", "HEAD"),
        (307, "POST", "POST"),
        (307, "GET", "GET"),
        (308, "POST", "POST"),
        (308, "PUT", "PUT"),
    ],
)
def test_what_becomes_of_the_method(status: int, method: str, becomes: str) -> None:
    body = b"" if method in ("GET", "HEAD") else b"body"
    asked = call(method, "http://h/", body, redirects=True, headers={"Content-Type": "text/x", "X": "1"})
    asked.redirect(status, "/x")
    request = asked.last.request
    assert request.method == becomes
    keeps = method == becomes
    assert (request.body, asked.last.field("Content-Type")) == ((body, "text/x") if keeps else (b"", None))
    assert asked.last.field("X") == "1"
    assert request.repeatable is (becomes not in ("POST", "PATCH"))


@pytest.mark.parametrize("status", [300, 304, 305, 306, 200, 404])
def test_what_is_no_redirect(status: int) -> None:
    asked = call("get", "http://h/", redirects=True)
    asked.redirect(status, "/x")
    assert asked.result.code == status


@pytest.mark.parametrize(
    "location", [None, "", "ftp://h/x", "javascript:x", "http://[::1", "http://h:99999/"]
)
def test_a_redirect_that_cannot_be_followed_is_an_answer(location: str | None) -> None:
    asked = call("get", "http://h/", redirects=True)
    asked.redirect(302, location)
    assert (asked.result.status, asked.result.code, asked.result.data) == (3, 302, b"see there")


@given(
    st.text(st.characters(max_codepoint=255), max_size=30),
    st.sampled_from(["", "http://", "//", "/", "https://[", "?"]),
)
def test_whatever_stands_in_location_is_followed_or_an_answer(location: str, start: str) -> None:
    asked = call("get", "http://h/a/b?c", redirects=True)
    asked.redirect(302, start + location)
    if asked.outcomes:
        assert asked.result.code == 302
    else:
        assert not NOT_TARGET.search(asked.last.request.target)
        assert asked.last.request.origin.host


def test_too_many_redirects() -> None:
    asked = call("get", "http://h/", redirects=2)
    for number in range(2):
        asked.redirect(302, f"/{number}")
    assert not asked.outcomes
    asked.redirect(302, "/again")
    assert (asked.result.status, asked.result.code) == (2, 707)
    assert isinstance(asked.result.error, RemoteProtocolError)
    assert "more than 2 redirects, the last one to /again" in asked.result.msg


def test_times_and_limits_are_those_of_the_call() -> None:
    request = build("get", "http://h/", redirects=True)
    request.deadline, request.response_max, request.connect_timeout = 17.0, 5, 3.0
    asked = Call(request)
    asked.redirect(302, "//other/")
    following = asked.last.request
    assert (following.deadline, following.response_max, following.connect_timeout) == (17.0, 5, 3.0)


def test_a_body_in_a_file_is_sent_again(tmp_path: Any) -> None:
    path = tmp_path / "body"
    path.write_bytes(b"content")
    asked = call("put", "http://h/", path, redirects=True)
    body = asked.last.request.body
    assert body.read(100) == b"content"
    # As the client does, when it has no more use for it.
    body.close()
    asked.redirect(307, "/x")
    assert asked.last.request.body.read(100) == b"content"
    asked.last.request.body.close()
    asked.last.answer(200)
    with pytest.raises(OSError, match="descriptor"):
        asked.last.request.body.rewind() and asked.last.request.body.read(1)


def test_a_body_that_cannot_be_read_again_ends_at_the_redirect() -> None:
    class Once:
        size = 3
        closed = 0

        def read(self, size: int) -> bytes:
            return b""

        def rewind(self) -> bool:
            return False

        def close(self) -> None:
            self.closed += 1

    body = Once()
    asked = Call(replace(build("put", "http://h/", redirects=True), body=body))
    asked.redirect(307, "/x")
    assert (asked.result.code, body.closed) == (307, 1)
    # Where the body is not wanted any more, nothing has to be read again.
    asked = Call(replace(build("post", "http://h/", redirects=True), body=Once()))
    asked.redirect(303, "/x")
    assert asked.last.request.body == b""


def test_a_failure_on_the_way_is_the_result() -> None:
    asked = call("get", "http://h/", redirects=True)
    asked.redirect(302, "/x")
    asked.last.fail(NetworkTimeout("too long", limit="timeout"))
    assert asked.result.status == 1


# --- what another origin does not get


SECRETS = {
    "Authorization": "Bearer t",
    "Cookie": "a=1",
    "Proxy-Authorization": "p",
    "X": "1",
    "Host": "virtual",
}


@pytest.mark.parametrize(
    ("url", "location", "is_home"),
    [
        ("http://h/", "/x", True),
        ("http://h/", "http://h:80/x", True),
        ("http://h/", "https://h/x", True),
        ("https://h/", "http://h/x", False),
        ("http://h:8080/", "https://h/x", False),
        ("http://h/", "http://h:8080/x", False),
        ("http://h/", "//other/x", False),
        ("http://h/", "//sub.h/x", False),
    ],
)
def test_secrets_stay_at_home(url: str, location: str, is_home: bool) -> None:
    asked = call("get", url, redirects=True, headers=SECRETS)
    asked.redirect(302, location)
    assert (asked.last.field("Authorization"), asked.last.field("Cookie")) == (
        ("Bearer t", "a=1") if is_home else (None, None)
    )
    assert asked.last.field("X") == "1"
    assert asked.last.field("Host") is None
    asked = call("get", url, redirects=True, auth=("ann", "secret"))
    assert asked.last.field("Authorization") == basic("ann", "secret")
    asked.redirect(302, location)
    assert asked.last.field("Authorization") == (basic("ann", "secret") if is_home else None)
    # Nor when it asks for them.
    asked.last.answer(401, b"", ("WWW-Authenticate", REALM.challenges()[0]))
    assert (not asked.outcomes) is is_home


def test_what_was_said_of_tls_goes_along_but_for_who_we_are() -> None:
    said = {"verify": False, "cafile": "ca", "certfile": "c", "keyfile": "k", "server_name": "n"}
    asked = call("get", "https://h/", redirects=True, **said)
    asked.redirect(302, "/x")
    assert asked.last.request.origin.tls == TLSOptions(False, "ca", "c", "k", "n")
    asked.redirect(302, "//other/")
    assert asked.last.request.origin.tls == TLSOptions(False, "ca")
    asked.redirect(302, "http://other/")
    assert asked.last.request.origin.tls is None


def test_a_proxy_goes_along() -> None:
    asked = call("get", "http://h/", redirects=True, proxy="http://p:3128")
    asked.redirect(302, "//other/")
    assert asked.last.request.origin == Origin("http", "other", 80, None, Origin("http", "p", 3128))


# --- challenges


def check(sent: Sent, user: str = "ann") -> str | None:
    value = sent.field("Authorization") or ""
    request = sent.request
    verdict = REALM.verdict(
        value.removeprefix("Digest "), request.method, request.target, {user: "secret"}.get
    )
    return verdict.user


def challenge(sent: Sent, **how: Any) -> None:
    sent.answer(401, b"who?", *(("WWW-Authenticate", value) for value in REALM.challenges(**how)))


def test_a_challenge_is_answered_once() -> None:
    asked = call("post", "http://h/a?b", b"body", auth=("ann", "secret"))
    assert asked.last.field("Authorization") == basic("ann", "secret")
    challenge(asked.last)
    assert check(asked.last) == "ann"
    assert asked.last.request.body == b"body"
    asked.last.answer(200, b"welcome")
    assert (asked.result.data, len(asked.sent)) == (b"welcome", 2)


def test_a_wrong_password_is_an_answer() -> None:
    asked = call("get", "http://h/", auth=("ann", "wrong"))
    challenge(asked.last)
    assert check(asked.last) is None
    challenge(asked.last)
    assert (asked.result.status, asked.result.code, asked.result.data) == (3, 401, b"who?")


def test_who_wants_digest_alone_sends_no_password() -> None:
    asked = call("get", "http://h/", auth=("ann", "secret", "digest"))
    assert asked.last.field("Authorization") is None
    asked.last.answer(401, b"", ("WWW-Authenticate", 'Basic realm="r"'))
    assert (asked.result.code, len(asked.sent)) == (401, 1)


@pytest.mark.parametrize("field", ['Basic realm="r"', "Negotiate", "Digest nonsense", ""])
def test_a_challenge_that_nobody_can_answer_is_an_answer(field: str) -> None:
    asked = call("get", "http://h/", auth=("ann", "secret"))
    asked.last.answer(401, b"who?", ("WWW-Authenticate", field))
    assert (asked.result.code, len(asked.sent)) == (401, 1)


def test_without_credentials_it_is_an_answer_too() -> None:
    asked = call("get", "http://h/", redirects=True)
    challenge(asked.last)
    assert (asked.result.code, len(asked.sent)) == (401, 1)


def test_what_the_caller_says_himself_is_what_is_sent() -> None:
    asked = call("get", "http://h/", auth=("ann", "secret"), headers={"authorization": "Bearer t"})
    assert asked.last.field("Authorization") == "Bearer t"
    challenge(asked.last)
    assert (asked.result.code, len(asked.sent)) == (401, 1)


def test_the_next_call_says_it_at_once() -> None:
    follow_ups = FollowUps(Upstream().begin)
    asked = Call(build("get", "http://h/", auth=("ann", "secret")), follow_ups)
    challenge(asked.last)
    asked.last.answer(200)
    asked = Call(build("get", "http://h/other", auth=("ann", "secret")), follow_ups)
    assert check(asked.last) == "ann"
    asked.last.answer(200)
    assert len(asked.sent) == 1
    # The nonce has become too old.
    asked = Call(build("get", "http://h/other", auth=("ann", "secret")), follow_ups)
    challenge(asked.last, is_stale=True)
    assert check(asked.last) == "ann"


def test_a_redirect_to_a_challenge_to_a_redirect() -> None:
    asked = call("get", "http://h/", auth=("ann", "secret"), redirects=5)
    asked.redirect(302, "/one")
    challenge(asked.last)
    assert (check(asked.last), asked.url()) == ("ann", "http://h/one")
    asked.redirect(302, "/two")
    assert (check(asked.last), asked.url()) == ("ann", "http://h/two")
    challenge(asked.last, is_stale=True)
    assert check(asked.last) == "ann"
    asked.last.answer(200)
    assert asked.result.code == 200


# --- cookies


def test_a_jar_is_kept_up_to_date() -> None:
    jar = http.cookiejar.CookieJar()
    asked = call("get", "http://www.h.example/in", cookies=jar, redirects=True)
    assert asked.last.field("Cookie") is None
    asked.last.answer(
        302,
        b"",
        ("Location", "/home"),
        ("Set-Cookie", "id=7; Path=/; HttpOnly"),
        ("Set-Cookie", "b=2; Path=/other"),
        ("Set-Cookie", "c=3; Path=/; Secure"),
    )
    assert asked.last.field("Cookie") == "id=7"
    asked.last.answer(200, b"", ("Set-Cookie", "id=8; Path=/"))
    assert {cookie.name: cookie.value for cookie in jar} == {"id": "8", "b": "2", "c": "3"}
    assert sorted(
        (call("get", "https://www.h.example/other/x", cookies=jar).last.field("Cookie") or "").split("; ")
    ) == [
        "b=2",
        "c=3",
        "id=8",
    ]
    assert call("get", "http://evil.example/", cookies=jar).last.field("Cookie") is None
    said = call("get", "http://www.h.example/", cookies=jar, headers={"Cookie": "mine=1"})
    assert said.last.field("Cookie") == "mine=1"


def test_a_cookie_for_another_site_is_not_kept() -> None:
    jar = http.cookiejar.CookieJar()
    asked = call("get", "http://h.example/", cookies=jar)
    asked.last.answer(200, b"", ("Set-Cookie", "a=1; Domain=other.example"))
    assert not list(jar)


def test_a_jar_that_fails_ends_the_call_and_not_the_loop() -> None:
    class Broken(http.cookiejar.CookieJar):
        def extract_cookies(self, response: Any, request: Any) -> None:
            raise LookupError("broken")

    asked = call("get", "http://h.example/", cookies=Broken())
    asked.last.answer(200, b"", ("Set-Cookie", "a=1"))
    assert (asked.result.status, asked.result.code) == (2, 701)
    assert "LookupError('broken')" in asked.result.msg
    assert isinstance(asked.result.error, SkitaiError)
    assert isinstance(asked.result.error.__cause__, LookupError)


def test_of_an_address_and_a_port() -> None:
    jar = http.cookiejar.CookieJar()
    asked = call("get", "http://127.0.0.1:8080/", cookies=jar)
    asked.last.answer(200, b"", ("Set-Cookie", "a=1"))
    assert call("get", "http://127.0.0.1:8080/x", cookies=jar).last.field("Cookie") == "a=1"


# --- sinks


class Sink:
    def __init__(self) -> None:
        self.seen: list[Any] = []

    def begin(self, head: Any, resume: Any) -> None:
        self.seen.append(head.status)

    def write(self, data: bytes) -> bool:
        self.seen.append(data)
        return False


def stream(sent: Sent, status: int, body: bytes, *fields: tuple[str, str]) -> list[bool]:
    """As the client does it, where the request has a sink; whether it wants more."""
    sink = sent.request.sink
    assert sink is not None
    outcome = answered(status, b"", *fields, request=sent.request)
    sink.begin(outcome.response.head, lambda: None)
    wants = [sink.write(body[:1]), sink.write(body[1:])]
    sent.on_done(outcome)
    return wants


def test_a_sink_sees_the_final_answer_only() -> None:
    sink = Sink()
    asked = Call(replace(build("get", "http://h/", redirects=True, auth=("ann", "secret")), sink=sink))
    assert stream(asked.last, 302, b"see there", ("Location", "/x")) == [True, True]
    assert stream(asked.last, 401, b"who?", ("WWW-Authenticate", REALM.challenges()[0])) == [True, True]
    assert sink.seen == []
    assert stream(asked.last, 200, b"found") == [False, False]
    assert sink.seen == [200, b"f", b"ound"]
    assert (asked.result.code, asked.result.data) == (200, None)


def test_a_sink_sees_a_redirect_that_is_not_followed() -> None:
    sink = Sink()
    asked = Call(replace(build("get", "http://h/", redirects=True), sink=sink))
    stream(asked.last, 302, b"see there", ("Location", "ftp://h/"))
    assert sink.seen == [302, b"s", b"ee there"]
    asked = Call(replace(build("get", "http://h/", redirects=1), sink=(sink := Sink())))
    for _ in range(2):
        stream(asked.last, 302, b"see there", ("Location", "/again"))
    assert sink.seen == []
    assert asked.result.code == 707


def test_a_head_that_comes_twice_counts_once() -> None:
    sink = Sink()
    asked = Call(replace(build("get", "http://h/", redirects=1), sink=sink))
    wrapped = asked.last.request.sink
    assert wrapped is not None
    # The connection broke behind the head, and the client has repeated the request.
    wrapped.begin(response(302, b"", ("Location", "/lost")).head, lambda: None)
    stream(asked.last, 302, b"see there", ("Location", "/x"))
    assert asked.url() == "http://h/x"
    stream(asked.last, 200, b"found")
    assert sink.seen == [200, b"f", b"ound"]


# --- giving up


def test_it_is_cancelled_where_it_is() -> None:
    asked = call("get", "http://h/", redirects=True)
    asked.redirect(302, "/x")
    error = ReadError("nobody waits")
    asked.handle.cancel(error)
    assert asked.sent[0].cancelled == []
    assert asked.sent[1].cancelled == [error]
    assert asked.result.error is error


def test_cancelled_when_one_request_is_over_and_the_next_one_not_begun() -> None:
    for error in (None, ReadError("nobody waits")):
        asked = call("get", "http://h/", redirects=True)
        sent = asked.last
        answer, sent.on_done = sent.on_done, lambda outcome: None
        asked.handle.cancel(error)
        sent.on_done = answer
        asked.redirect(302, "/x")
        assert len(asked.sent) == 1
        assert asked.result.error is error if error else isinstance(asked.result.error, CallCancelled)


def test_cancelled_while_the_next_one_is_begun() -> None:
    asked = call("get", "http://h/", redirects=True)
    begin = asked.upstream.begin

    def and_somebody_cancels(request: Request, on_done: Any) -> Sent:
        sent = begin(request, on_done)
        asked.handle._cancelled = (None,)  # type: ignore[attr-defined]
        return sent

    asked.handle._begin = and_somebody_cancels  # type: ignore[attr-defined]
    asked.redirect(302, "/x")
    assert asked.last.cancelled == [None]
    assert isinstance(asked.result.error, CallCancelled)


def test_what_is_over_is_gone_with_its_caller() -> None:
    asked = call("get", "http://h/", redirects=True)
    asked.redirect(302, "/x")
    asked.last.answer(200)
    gone = weakref.ref(asked.outcomes.pop())
    asked.handle.cancel()
    gc.disable()
    try:
        asked.upstream.sent.clear()
        asked.handle = None  # type: ignore[assignment]
        assert gone() is None
    finally:
        gc.enable()


def test_the_time_is_that_of_all_together() -> None:
    now = iter([100.0, 103.5])
    asked = Call(build("get", "http://h/", redirects=True), clock=lambda: next(now))
    asked.redirect(302, "/x")
    asked.last.answer(200)
    assert asked.result.elapsed == 3.5


def test_time_that_was_given_later_is_for_what_follows_too() -> None:
    asked = call("get", "http://h/", redirects=True)
    asked.handle.extend(1000.0)
    assert asked.last.extended == [1000.0]
    asked.redirect(302, "/x")
    assert asked.last.request.deadline == 1000.0
    asked.handle.extend(2000.0)
    assert asked.last.extended == [2000.0]
    assert asked.sent[0].extended == [1000.0]


def test_answers_that_are_quicker_than_their_caller() -> None:
    """The loop thread may have the first answer, and have begun the next request, before the caller's thread
    has got the handle of the first one."""
    for _ in range(200):
        upstream = Upstream()
        threads: list[threading.Thread] = []

        def begin(
            request: Request, on_done: Any, upstream: Upstream = upstream, threads: Any = threads
        ) -> Sent:
            sent = upstream.begin(request, on_done)
            if len(upstream.sent) == 1:
                threads.append(threading.Thread(target=sent.answer, args=(302, b"", ("Location", "/x"))))
                threads[0].start()
            return sent

        outcomes: list[Outcome] = []
        handle = FollowUps(begin).begin(build("get", "http://h/", redirects=True), outcomes.append)
        threads[0].join()
        error = ReadError("nobody waits")
        handle.cancel(error)
        assert upstream.sent[1].cancelled == [error]
        assert [outcome.error for outcome in outcomes] == [error]
