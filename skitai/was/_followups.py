"""What is done about an answer before its caller sees it: challenges of digest, redirects, cookies.

    begin = FollowUps(client.begin).begin        as `client.begin`, for requests with a `FollowUp` too

A request that has none (``request.after``) passes through and costs one comparison.  For one that has, a
`_Following` sends one request after the other, each when the last one is over:

    401 with a challenge, and credentials     the same again, with the right Authorization; once per address
    301, 302, 303, 307, 308, and wanted       the next address, at most as many as are wanted; then an error
    anything else                             is the outcome

A redirect that cannot be followed (no Location, another scheme, a body that cannot be read again) is an
answer like any other.  To another origin no Authorization, Cookie or client certificate goes along, and none
of the credentials: they were given for the first one (its https, if that was http, included).  POST becomes
GET where browsers do so: 301, 302, 303.

The deadline is that of the first request: it is a time, and no span.  With a sink, only the body of the final
answer gets there.

`begin` is for any thread; answers come in the loop thread, which begins what follows.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final
from urllib.parse import urljoin

from skitai._kernels import http1
from skitai.core.outbound.request import (
    IDEMPOTENT,
    Begin,
    Body,
    Cancelable,
    Origin,
    Outcome,
    Request,
    Response,
    Sink,
)
from skitai.errors import CallCancelled, RemoteProtocolError, SkitaiError
from skitai.was._bodies import KeptBody
from skitai.was._cookies import cookies_for, keep_cookies
from skitai.was._credentials import Challenges, Credentials
from skitai.was._proxies import Proxy, proxy_of
from skitai.was._urls import as_utf8, split_url

if TYPE_CHECKING:
    from http.cookiejar import CookieJar

__all__ = ["REDIRECTS_MAX", "FollowUp", "FollowUps"]

#: What ``redirects=True`` means.
REDIRECTS_MAX: Final = 10

_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_POST_BECOMES_GET: Final = frozenset({301, 302})
#: Fields that are for one origin alone, and those that describe a body.
_OF_ORIGIN: Final = frozenset({"authorization", "cookie", "proxy-authorization"})
_OF_BODY: Final = frozenset(
    {"content-type", "content-encoding", "content-language", "content-location", "digest", "content-digest"}
)


@dataclass(frozen=True, slots=True)
class FollowUp:
    """What is wanted of the answers to one call."""

    credentials: Credentials | None = None
    redirects: int = 0
    jar: CookieJar | None = None
    #: For the addresses that redirects lead to.
    proxy: Proxy = None


class FollowUps:
    """Around a `Begin` that knows of none; one for a client."""

    def __init__(self, begin: Begin, clock: Callable[[], float] = time.monotonic) -> None:
        self._begin = begin
        self._clock = clock
        self._challenges = Challenges()

    def begin(self, request: Request, on_done: Callable[[Outcome], None]) -> Cancelable:
        if request.after is None:
            return self._begin(request, on_done)
        following = _Following(self._begin, self._challenges, self._clock, request, on_done)
        following.send()
        return following


class _Following:
    """One call with its follow-ups: the `Cancelable` of it, and its `Outcome`."""

    def __init__(
        self,
        begin: Begin,
        challenges: Challenges,
        clock: Callable[[], float],
        request: Request,
        on_done: Callable[[Outcome], None],
    ) -> None:
        assert isinstance(request.after, FollowUp)
        self.request = request
        self.response: Response | None = None
        self.error: SkitaiError | None = None
        self.elapsed = 0.0
        self._after = request.after
        self._begin = begin
        self._challenges = challenges
        self._clock = clock
        self._on_done: Callable[[Outcome], None] | None = on_done
        self._began = clock()
        self._lock = threading.Lock()
        self._deadline = request.deadline
        self._home = request.origin
        self._body = request.body
        self._redirects_left = self._after.redirects
        self._is_challenged = False
        self._cancelled: tuple[SkitaiError | None] | None = None
        #: The request under way, and the same without what is said about us.
        self._current: Cancelable | None = None
        self._final = None if request.sink is None else _FinalOnly(request.sink, self._decide)
        self._plain = replace(
            request,
            after=None,
            body=request.body if isinstance(request.body, bytes) else KeptBody(request.body),
            sink=self._final,
        )
        #: What follows the answer whose head has come.
        self._next: Request | SkitaiError | None = None

    def send(self) -> None:
        # The lock: who begins the first request is not the thread that it is over in.
        with self._lock:
            self.request = self._dressed(self._plain)
            self._current = current = self._begin(self.request, self._arrived)
            cancelled = self._cancelled
        if cancelled is not None:
            current.cancel(*cancelled)

    def cancel(self, error: SkitaiError | None = None) -> None:
        # Where the present request is over and another one is about to be begun, `send` sees it.
        with self._lock:
            self._cancelled = (error,)
            current = self._current
        if current is not None:
            current.cancel(error)

    def extend(self, deadline: float) -> None:
        with self._lock:
            self._deadline = deadline
            current = self._current
        if current is not None:
            current.extend(deadline)

    def _dressed(self, request: Request) -> Request:
        """``request`` with what its origin shall know about us."""
        said = {name.lower() for name, _ in request.headers}
        added = []
        credentials = self._credentials()
        if credentials is not None:
            value = self._challenges.authorization(
                credentials, request.origin, request.method, request.target
            )
            if value is not None:
                added.append(("Authorization", value))
        if self._after.jar is not None and "cookie" not in said:
            cookie = cookies_for(self._after.jar, request)
            if cookie is not None:
                added.append(("Cookie", cookie))
        return replace(request, headers=[*request.headers, *added], deadline=self._deadline)

    def _credentials(self) -> Credentials | None:
        """Those for the present origin; none where the caller has said Authorization himself."""
        request = self._plain
        if not _is_home(self._home, request.origin):
            return None
        if any(name.lower() == "authorization" for name, _ in request.headers):
            return None
        return self._after.credentials

    def _arrived(self, outcome: Outcome) -> None:
        try:
            over = self._follow(outcome)
        except Exception as error:  # a jar may be of a class of the application's
            over = None, SkitaiError(f"what follows an answer has failed: {error!r}")
            over[1].__cause__ = error
        if over is not None:
            self._finish(*over)

    def _follow(self, outcome: Outcome) -> tuple[Response | None, SkitaiError | None] | None:
        """Send what follows; or, where nothing does, how it all ends."""
        response = outcome.response
        if response is None:
            return None, outcome.error
        if self._plain.sink is None:
            self._decide(response.head)
        following, self._next = self._next, None
        if isinstance(following, SkitaiError):
            return None, following
        if following is None or not _is_rewound(following.body):
            return response, None
        if self._cancelled is not None:
            # The cancelling came when the request was over, and another one was not begun.
            return None, self._cancelled[0] or CallCancelled("given up between two requests")
        self._is_challenged = following is self._plain
        self._redirects_left -= following is not self._plain
        self._plain = following
        self.send()
        return None

    def _finish(self, response: Response | None, error: SkitaiError | None) -> None:
        if not isinstance(self._body, bytes):
            self._body.close()
        with self._lock:
            self._current = None  # which knows this one: nobody should have to look for a circle
        self.response, self.error = response, error
        self.elapsed = self._clock() - self._began
        # Whoever is told may hold us, and would wait for the collector; so would a sink of its own.
        on_done, self._on_done = self._on_done, None
        if self._final is not None:
            self._final.is_over()
        assert on_done is not None
        on_done(self)

    def _decide(self, head: http1.ResponseHead) -> bool:
        """Whether something follows the answer with this head; also asked twice, when it came twice."""
        self._next = None
        if self._after.jar is not None:
            keep_cookies(self._after.jar, self.request, head)
        if head.status == 401:
            credentials = self._credentials()
            if (
                credentials is not None
                and not self._is_challenged
                and self._challenges.learn(credentials, self._plain.origin, head.get_all("www-authenticate"))
            ):
                self._next = self._plain
        elif head.status in _REDIRECTS and self._after.redirects:
            self._next = self._redirected(head)
        return self._next is not None

    def _redirected(self, head: http1.ResponseHead) -> Request | SkitaiError | None:
        before = self._plain
        location = as_utf8(head.get("location") or "")
        here = f"{before.origin.scheme}://{before.origin.authority}{before.target}"
        if not location:
            return None
        try:
            site, target = split_url(urljoin(here, location))
        except ValueError:
            return None
        if not self._redirects_left:
            return RemoteProtocolError(
                f"more than {self._after.redirects} redirects, the last one to {location:.200}", status=502
            )
        is_home = _is_home(self._home, site.origin)
        dropped = {"host"} if is_home else {"host", *_OF_ORIGIN}
        method, body = before.method, before.body
        if (head.status == 303 and method != "HEAD") or (
            head.status in _POST_BECOMES_GET and method == "POST"
        ):
            method, body = "GET", b""
            dropped |= _OF_BODY
        return replace(
            before,
            method=method,
            origin=self._origin(site.origin, is_home=is_home),
            target=target,
            headers=[(name, value) for name, value in before.headers if name.lower() not in dropped],
            body=body,
            repeatable=method in IDEMPOTENT,
        )

    def _origin(self, origin: Origin, *, is_home: bool) -> Origin:
        """With what the call has said about certificates and proxies."""
        tls, said = origin.tls, self._home.tls
        if tls is not None and said is not None:
            tls = said if is_home else tls._replace(verify=said.verify, cafile=said.cafile)
        return origin._replace(tls=tls, proxy=proxy_of(origin, self._after.proxy))


class _FinalOnly:
    """Lets a sink see only the answer that nothing follows."""

    def __init__(self, sink: Sink, has_next: Callable[[http1.ResponseHead], bool]) -> None:
        self._sink = sink
        self._has_next = has_next
        self._is_open = False

    @property
    def may_begin(self) -> bool:
        return not self._is_open or self._sink.may_begin

    def begin(self, head: http1.ResponseHead, resume: Callable[[], None]) -> None:
        self._is_open = not self._has_next(head)
        if self._is_open:
            self._sink.begin(head, resume)

    def write(self, data: bytes) -> bool:
        return self._sink.write(data) if self._is_open else True

    def is_over(self) -> None:
        """There is no answer any more."""
        self._has_next = _nothing_follows


def _nothing_follows(head: http1.ResponseHead) -> bool:
    return False


def _is_home(home: Origin, origin: Origin) -> bool:
    """The origin that a call was for, or the same by https."""
    if origin.host != home.host:
        return False
    ports = (home.scheme, home.port), (origin.scheme, origin.port)
    return ports[0] == ports[1] or ports == (("http", 80), ("https", 443))


def _is_rewound(body: bytes | Body) -> bool:
    return isinstance(body, bytes) or body.rewind()
