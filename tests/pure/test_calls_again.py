"""A call of the lane is used for the next request if its application has kept nothing of it; whatever it
may have kept stays what it was.

Each test asks twice or more on one connection of a server in this process, and looks at what the first
request left behind while and after the others run.
"""

from __future__ import annotations

import contextvars
import socket
import threading
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

import pytest

from skitai import _kernels, was
from skitai.errors import OutsideRequest
from tests.live.apps import lanes as kinds
from tests.pure.test_lane_ends import Ends
from tests.pure.test_lanes import request

SETTING: ContextVar[str] = ContextVar("setting")

kept: list[Any] = []
seen: list[Any] = []


def target_of_was() -> str:
    return str(was.env["REQUEST_URI"])


def answer(environ: dict[str, Any], start: kinds.Start) -> list[bytes]:
    start("200 OK", [])
    return [environ["QUERY_STRING"].encode()]


def looks(environ: dict[str, Any], start: kinds.Start) -> Any:
    seen.append((SETTING.get("unset"), target_of_was()))
    return answer(environ, start)


def sets(environ: dict[str, Any], start: kinds.Start) -> Any:
    SETTING.set(environ["QUERY_STRING"])
    return answer(environ, start)


def sets_and_resets(environ: dict[str, Any], start: kinds.Start) -> Any:
    SETTING.reset(SETTING.set(environ["QUERY_STRING"]))
    return answer(environ, start)


def keeps_token(environ: dict[str, Any], start: kinds.Start) -> Any:
    kept.append(SETTING.set("kept"))
    return answer(environ, start)


def keeps_context(environ: dict[str, Any], start: kinds.Start) -> Any:
    kept.append(contextvars.copy_context())
    return answer(environ, start)


def keeps_start(environ: dict[str, Any], start: kinds.Start) -> Any:
    kept.append(start)
    return answer(environ, start)


def keeps_write(environ: dict[str, Any], start: kinds.Start) -> Any:
    kept.append(start("200 OK", []))
    return [environ["QUERY_STRING"].encode()]


def keeps_services(environ: dict[str, Any], start: kinds.Start) -> Any:
    kept.append(was.current())
    return answer(environ, start)


def keeps_environ(environ: dict[str, Any], start: kinds.Start) -> Any:
    kept.append(environ)
    return answer(environ, start)


def leaves_thread(environ: dict[str, Any], start: kinds.Start) -> Any:
    go_on = threading.Event()

    def look() -> None:
        assert go_on.wait(10)
        seen.append(target_of_was())

    thread = threading.Thread(target=contextvars.copy_context().run, args=(look,))
    thread.start()
    kept.append((go_on, thread))
    return answer(environ, start)


KINDS = (
    looks,
    sets,
    sets_and_resets,
    keeps_token,
    keeps_context,
    keeps_start,
    keeps_write,
    keeps_services,
    keeps_environ,
    leaves_thread,
)


@pytest.fixture(params=[0, 2])
def server(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ends]:
    kept.clear()
    seen.clear()
    for function in (*KINDS, answer):
        monkeypatch.setitem(kinds.KINDS, function.__name__, function)
    made = Ends(request.param)
    yield made
    made.stop()


def ask(server: Ends, *paths: str) -> None:
    """One after the other, each with its number as query, in which the answer consists."""
    with socket.create_connection(server.address, timeout=5) as client:
        for number, path in enumerate(paths):
            client.sendall(request(f"{path}?{number}"))
            assert client.recv(1 << 16).endswith(b"\r\n\r\n%d" % number)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_the_next_request_sees_nothing_of_the_one_before(server: Ends, kind: Any) -> None:
    ask(server, "/looks", f"/{kind.__name__}", "/looks", f"/{kind.__name__}", "/looks")
    looked = [entry for entry in seen if isinstance(entry, tuple)]
    assert looked[0] == ("unset", "/looks?0")
    assert looked[-1] == ("unset", "/looks?4")
    for go_on, thread in (entry for entry in kept if isinstance(entry, tuple)):
        go_on.set()
        thread.join(5)


def test_a_copy_of_the_context_stays_that_requests(server: Ends) -> None:
    ask(server, "/keeps_context", "/keeps_context", "/looks", "/looks")
    assert [context.run(target_of_was) for context in kept] == ["/keeps_context?0", "/keeps_context?1"]


def test_a_thread_that_outlives_its_request_still_has_its_services(server: Ends) -> None:
    ask(server, "/leaves_thread", "/answer", "/leaves_thread", "/answer")
    for go_on, thread in kept:
        go_on.set()
        thread.join(5)
    assert seen == ["/leaves_thread?0", "/leaves_thread?2"]


def test_services_and_environ_that_were_kept_stay_that_requests(server: Ends) -> None:
    ask(server, "/keeps_services", "/keeps_environ", "/looks", "/looks")
    services, environ = kept
    assert services.env["REQUEST_URI"] == "/keeps_services?0"
    assert environ["REQUEST_URI"] == "/keeps_environ?1"


def test_start_response_and_write_of_an_earlier_request_do_nothing_to_a_later_one(
    server: Ends, monkeypatch: pytest.MonkeyPatch
) -> None:
    def uses(environ: dict[str, Any], start: kinds.Start) -> Any:
        old_start, old_write = kept
        with pytest.raises(AssertionError):
            old_start("500 Not Mine", [])
        with pytest.raises(Exception, match="client has gone"):
            old_write(b"not mine")
        return answer(environ, start)

    monkeypatch.setitem(kinds.KINDS, "uses", uses)
    ask(server, "/keeps_start", "/keeps_write", "/uses", "/looks", "/uses", "/looks")


def test_nobody_is_asked_for_behind_the_last_request(server: Ends) -> None:
    ask(server, "/looks", "/looks")
    with pytest.raises(OutsideRequest):
        was.current()


def test_calls_are_used_again_where_nothing_is_kept(server: Ends, monkeypatch: pytest.MonkeyPatch) -> None:
    """What this file is about does happen: otherwise it would test nothing."""
    if _kernels.implementation() == "pure":
        pytest.skip("the pure build has no lanes")
    started: list[int] = []

    def notes(environ: dict[str, Any], start: kinds.Start) -> Any:
        started.append(id(start))
        return answer(environ, start)

    monkeypatch.setitem(kinds.KINDS, "notes", notes)
    ask(server, *["/notes", "/answer"] * 10)
    assert len(set(started)) == 1
    started.clear()
    kept_ones: list[Any] = []

    def keeps_all(environ: dict[str, Any], start: kinds.Start) -> Any:
        kept_ones.append(start)
        return answer(environ, start)

    monkeypatch.setitem(kinds.KINDS, "keeps_all", keeps_all)
    ask(server, *["/keeps_all"] * 10)
    assert len({id(start) for start in kept_ones}) == 10
