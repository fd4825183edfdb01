"""Handlers that wait on us keep no thread where they are parked, and are served alike everywhere.

The tests of what only parking gives ask for the compiled build; all others are for both.
"""

from __future__ import annotations

import functools
import importlib.util
import select
import signal
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from skitai._kernels import implementation
from tests.live.crowd import Crowd
from tests.live.program import LiveServer, Serve
from tests.live.wire import Reply
from tests.waiting import wait_until

PARKS = implementation() == "compiled" and importlib.util.find_spec("greenlet") is not None
only_parked = pytest.mark.skipif(not PARKS, reason="a wait blocks its thread here")
linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

Site = Callable[..., LiveServer]

REPO = Path(__file__).resolve().parents[2]


def conf_of(threads: int, park: str, server: str) -> str:
    """The application at /, which parks, at /no, which does not, and at /slow, which is known to last."""
    app = "tests.live.apps.parking:app"
    return (
        f"[server]\nthreads = {threads}\naccess_log = no\npython_path = {REPO}\n{server}\n"
        f"[routes:line]\n/ = {app}\n/no = {app}\n/slow = {app}\n"
        f"[mount /]\npark = {park}\n[mount /slow]\nlane = waits\n"
    )


@pytest.fixture
def site(serve_conf: Serve) -> Site:
    """``site(threads, park=, server=)``: one for this test."""

    def start(threads: int, *, park: str = "yes", server: str = "") -> LiveServer:
        return serve_conf(conf_of(threads, park, server))

    return start


@pytest.fixture(scope="module")
def shared_site(serve_conf_module: Serve) -> Site:
    """As ``site``: one for all tests that ask for the same one.  What it has learnt of routes is known to the
    next: who is to be a surprise asks for a path of its own."""

    @functools.cache
    def start(threads: int, *, park: str = "yes", server: str = "") -> LiveServer:
        return serve_conf_module(conf_of(threads, park, server))

    return start


def get(server: LiveServer, target: str, *, version: str = "1.1") -> Reply:
    with server.connect() as wire:
        wire.request("GET", target, version=version)
        return wire.read_reply()


def get_all(server: LiveServer, targets: list[str], *, version: str = "1.1") -> tuple[list[str], float]:
    """The bodies of answers to requests that are asked at once, and the seconds until the last."""
    began = time.monotonic()
    with ThreadPoolExecutor(len(targets)) as pool:
        replies = list(pool.map(lambda target: get(server, target, version=version), targets))
    assert [reply.status for reply in replies] == [200] * len(targets)
    return [reply.text for reply in replies], time.monotonic() - began


# -- what parking gives ---------------------------------------------------------------------------


@only_parked
@pytest.mark.parametrize("version", ["1.1", "1.0"])
@pytest.mark.parametrize("kind", ["plain", "begun", "writes", "stream", "state"])
@pytest.mark.parametrize("threads", [0, 1, 4])
def test_waits_keep_no_thread(shared_site: Site, threads: int, kind: str, version: str) -> None:
    """Also those of HTTP/1.0, which have no lane and are jobs of the executor."""
    server = shared_site(threads)
    tokens = [f"t{number}" for number in range(30)]
    route = "lane" if version == "1.1" else "job"
    targets = [f"/{kind}/{route}?token={token}&for=300" for token in tokens]
    bodies, seconds = get_all(server, targets, version=version)
    times = 3 if kind in ("writes", "stream") else 1
    assert bodies == [token * times for token in tokens]
    assert seconds < 0.3 * 4 + 2


@only_parked
@pytest.mark.parametrize("threads", [0, 1, 4])
def test_waits_with_a_chunked_body_keep_no_thread(shared_site: Site, threads: int) -> None:
    server = shared_site(threads)
    began = time.monotonic()
    wires = [server.connect() for _ in range(20)]
    for number, wire in enumerate(wires):
        wire.send(
            "POST /body?for=300 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
            f"4\r\n{number:04d}\r\n0\r\n\r\n"
        )
    assert [wire.read_reply().text for wire in wires] == [f"{number:04d}" for number in range(20)]
    assert time.monotonic() - began < 3
    for wire in wires:
        wire.close()


@only_parked
@pytest.mark.parametrize("threads", [0, 4])
def test_a_parked_handler_does_not_use_up_the_recursion_of_the_next(shared_site: Site, threads: int) -> None:
    server = shared_site(threads)
    alone = int(get(server, "/depth").text)
    depths, _ = get_all(server, ["/depth?for=300"] * 20)
    assert min(map(int, depths)) > alone - 50


@pytest.mark.parametrize("version", ["1.1", "1.0"])
@pytest.mark.parametrize("threads", [0, 4])
def test_a_wait_that_fails_for_its_depth_disturbs_no_other(site: Site, threads: int, version: str) -> None:
    """One that failed when it had begun left the clock, which is everybody's, as if it were set."""
    server = site(threads)
    assert int(get(server, "/brink?for=1", version=version).text) > 0
    bodies, seconds = get_all(server, ["/plain?token=a&for=100"] * 5, version=version)
    assert bodies == ["a"] * 5
    assert seconds < 1.5


@only_parked
@pytest.mark.parametrize("version", ["1.1", "1.0"])
def test_an_exception_that_comes_to_the_wrong_thread_ends_no_thread(site: Site, version: str) -> None:
    server = site(4)
    with ThreadPoolExecutor(1) as pool:
        for _ in range(10):
            pool.submit(get, server, "/stings?for=40", version=version).exception()
            assert get(server, "/plain?token=a&for=10").text == "a"
    bodies, seconds = get_all(server, ["/no/blocks?token=a&for=300"] * 8)
    assert bodies == ["a"] * 8
    assert seconds < 1.5


@only_parked
@pytest.mark.parametrize("end", ["/ends", "/no/ends", "/parent", "/throws"])
@pytest.mark.parametrize("begin", ["/begins", "/begins?fails"])
@pytest.mark.parametrize("version", ["1.1", "1.0"])
def test_a_greenlet_of_the_application_that_goes_astray_harms_no_other_request(
    serve_conf: Serve, version: str, begin: str, end: str
) -> None:
    """It ends in a stack that waits (the first time), or that has no handler; or in the thread's own one."""
    app = "tests.live.apps.greenlets:app"
    server = serve_conf(
        f"[server]\nthreads = 0\npython_path = {REPO}\n[routes:line]\n/ = {app}\n/no = {app}\n"
        "[mount /]\npark = yes\n"
    )
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(get, server, begin, version=version)
        wait_until(lambda: get(server, "/any").status == 200)
        time.sleep(0.05)
        if end != "/no/ends":
            assert get(server, end, version=version).status == 500
        assert waiting.result().text == "/begins"
    if end == "/no/ends":
        assert get(server, end, version=version).status == 200
    assert [get(server, "/any", version=version).text for _ in range(3)] == ["/any"] * 3


@only_parked
def test_work_that_lasts_finds_a_thread_where_all_hold_parked_handlers(site: Site) -> None:
    """HTTP/1.0 has no lane, so these are parked in all threads that take jobs."""
    server = site(2)
    with ThreadPoolExecutor(20) as pool:
        parked = [pool.submit(get, server, "/plain?for=2000", version="1.0") for _ in range(20)]
        time.sleep(0.3)
        bodies, seconds = get_all(server, ["/slow/blocks?token=a&for=100"] * 3)
        assert bodies == ["a"] * 3
        assert not any(waited.done() for waited in parked), f"it took {seconds:.1f} s"
        assert [waited.result().status for waited in parked] == [200] * 20


@only_parked
def test_a_handler_that_blocks_gives_the_lead_away_and_delays_its_own_thread_only(site: Site) -> None:
    server = site(4)
    with server.connect() as parked, server.connect() as blocking, server.connect() as quick:
        asked = time.monotonic()
        parked.request("GET", "/thread?for=700")
        time.sleep(0.05)
        blocking.request("GET", "/blocks?token=b&for=1200")
        time.sleep(0.05)
        assert quick.get("/plain?token=q").text == "q"
        assert not select.select([parked.sock, blocking.sock], [], [], 0)[0], "it has waited for one of these"
        assert parked.read_reply().status == 200
        assert 0.8 < time.monotonic() - asked < 5  # its thread came back then
        assert blocking.read_reply().text == "b"


@only_parked
@pytest.mark.parametrize("threads", [0, 4])
def test_a_long_body_is_parked_at_each_of_its_pieces(site: Site, threads: int) -> None:
    """With ``threads = 0`` the others have their turn after some pieces: it goes on on a stack again."""
    server = site(threads)
    with server.connect() as wire:
        wire.request("GET", "/stream?token=a&count=40&for=30")
        assert wire.read_head().status == 200
        waits: list[float] = []
        while not select.select([wire.sock], [], [], 0)[0] or not wire.sock.recv(4096).endswith(b"0\r\n\r\n"):
            began = time.monotonic()
            assert get(server, "/plain?token=b").text == "b"
            waits.append(time.monotonic() - began)
    # Of 1.2 seconds.  What else the machine does may hold up one or another.
    assert sorted(waits)[len(waits) * 9 // 10] < 0.3, sorted(waits)[-5:]


@only_parked
@pytest.mark.parametrize("version", ["1.1", "1.0"])
def test_parked_handlers_that_are_overdue_wear_nobody_out(site: Site, version: str) -> None:
    server = site(2, server="response_timeout = 300ms")
    with ThreadPoolExecutor(6) as pool:
        replies = [pool.submit(get, server, "/plain?for=60000", version=version) for _ in range(6)]
        assert [reply.result().status for reply in replies] == [503] * 6
    wait_until(lambda: "ResponseOverdue" in get(server, "/events").text)
    assert "half of the threads" not in server.console_text()


@only_parked
@pytest.mark.parametrize("threads", [0, 4])
def test_a_known_lasting_route_that_is_parked_is_not_slow(site: Site, threads: int) -> None:
    """The time in which it was parked is not its own: it stays in its lane, in the leader."""
    server = site(threads)
    with server.connect() as wire:
        names = {wire.get("/thread?for=20").text for _ in range(20)}
    assert len(names) <= 2  # a hiccup of the machine may move the lead


#: Of memory; measured.
BLOCKS_OF_A_STACK = 8


@only_parked
@linux
@pytest.mark.parametrize("threads", [0, 4])
def test_thousands_of_waits_leave_nothing_behind(site: Site, threads: int) -> None:
    server = site(threads)
    crowd = Crowd(server, 500)
    sizes = []
    for _ in range(4):
        for _ in range(2):
            crowd.ask("/plain?for=50")
        sizes.append([int(figure) for figure in get(server, "/held").text.split()])
    crowd.close()
    (first, stacks_before, _), (last, stacks, alive) = sizes[1], sizes[3]
    kept = BLOCKS_OF_A_STACK * max(stacks - stacks_before, 0)  # another thread may have been the one to park
    assert last - first - kept < 200, sizes  # of 2,000 waits
    assert stacks <= 64 * (2 * threads + 1)  # those that are kept
    assert alive <= 2 * threads + 4
    assert get(server, "/events").text == ""


@only_parked
@linux
def test_those_who_connect_are_served_while_a_thousand_waits_end(site: Site) -> None:
    server = site(4)
    crowd = Crowd(server, 1500)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(crowd.ask, "/plain?for=1000")
        time.sleep(0.7)  # by now all are parked
        longest = 0.0
        while not asked.done():
            began = time.monotonic()
            assert get(server, "/plain?token=new").text == "new"
            longest = max(longest, time.monotonic() - began)
            time.sleep(0.01)
        assert asked.result()[0] > 0.99
    crowd.close()
    assert longest < 0.25


# -- the same in both builds -------------------------------------------------------------------


@pytest.mark.parametrize("park", ["yes", "no"])
@pytest.mark.parametrize("kind", ["plain", "begun", "writes", "stream", "state"])
@pytest.mark.parametrize("threads", [0, 4])
def test_what_belongs_to_a_request_is_there_behind_its_waits(
    shared_site: Site, threads: int, kind: str, park: str
) -> None:
    server = shared_site(threads, park=park)
    tokens = [f"t{number}" for number in range(8)]
    bodies, _ = get_all(server, [f"/{kind}/own?token={token}&for=20" for token in tokens])
    times = 3 if kind in ("writes", "stream") else 1
    assert bodies == [token * times for token in tokens]


@pytest.mark.parametrize("path", ["", "/no"])
@pytest.mark.parametrize("version", ["1.1", "1.0"])
@pytest.mark.parametrize(
    ("query", "text"),
    [("in=50", "mine"), ("in=50&error=1", "ZeroDivisionError"), ("in=700&for=100", "WaitTimeout")],
)
def test_a_future_is_completed_from_another_thread(
    shared_site: Site, path: str, version: str, query: str, text: str
) -> None:
    server = shared_site(4)
    assert get(server, f"{path}/future?token=mine&{query}", version=version).text == text


@pytest.mark.parametrize("version", ["1.1", "1.0"])
@pytest.mark.parametrize("target", ["/plain?token=a&for=60000", "/never?token=a", "/no/never?token=a"])
def test_a_client_that_hangs_up_ends_the_wait(shared_site: Site, target: str, version: str) -> None:
    if "plain" in target and not PARKS:
        pytest.skip("skitai.sleep is time.sleep here")
    server = shared_site(4, server="response_timeout = 60")
    wire = server.connect()
    wire.request("GET", target, version=version)
    wait_until(lambda: get(server, "/inside").text == "a")
    wire.reset()
    wait_until(lambda: get(server, "/events").text == "a:ClientDisconnected")


@pytest.mark.parametrize("threads", [1, 4])
def test_a_half_close_ends_no_wait(shared_site: Site, threads: int) -> None:
    server = shared_site(threads)
    with server.connect() as wire:
        wire.request("GET", "/plain?token=a&for=300")
        wire.half_close()
        assert wire.read_reply().text == "a"


@pytest.mark.parametrize("version", ["1.1", "1.0"])
@pytest.mark.parametrize("target", ["/plain?token=a&for=60000", "/never?token=a", "/no/never?token=a"])
def test_response_timeout_answers_and_ends_the_wait(shared_site: Site, target: str, version: str) -> None:
    if "plain" in target and not PARKS:
        pytest.skip("skitai.sleep is time.sleep here")
    server = shared_site(4, server="response_timeout = 300ms")
    asked = time.monotonic()
    assert get(server, target, version=version).status == 503
    assert time.monotonic() - asked < 15
    wait_until(lambda: get(server, "/events").text == "a:ResponseOverdue")


def test_without_threads_a_wait_that_would_block_the_loop_says_so(site: Site) -> None:
    server = site(0, server="debug = yes")
    reply = get(server, "/no/never?token=a")
    assert reply.status == 500
    assert "park = yes" in reply.text


@pytest.mark.parametrize("threads", [0, 4])
def test_a_stop_waits_for_parked_handlers(site: Site, threads: int) -> None:
    server = site(threads)
    wires = [server.connect() for _ in range(3)]
    for number, wire in enumerate(wires):
        wire.request("GET", f"/plain?token=t{number}&for=800")
    if threads or PARKS:
        wait_until(lambda: len(get(server, "/inside").text.split()) == 3)
    else:
        time.sleep(0.2)
    server.send_signal(signal.SIGTERM)
    assert [wire.read_reply().text for wire in wires] == ["t0", "t1", "t2"]
    assert server.wait() == 0


@pytest.mark.parametrize("threads", [0, 4])
def test_a_stop_waits_no_longer_than_shutdown_timeout(site: Site, threads: int) -> None:
    if threads == 0 and not PARKS:
        pytest.skip("the loop itself is blocked")
    server = site(threads, server="shutdown_timeout = 500ms")
    wires = [server.connect() for _ in range(3)]
    for wire in wires:
        wire.request("GET", "/plain?token=a&for=60000")
    wait_until(lambda: get(server, "/inside").text.split() == ["a"] * 3)
    began = time.monotonic()
    assert server.stop(signal.SIGTERM) == 0
    assert time.monotonic() - began < 20
    assert "cut" in server.console_text()


@pytest.mark.parametrize("threads", ["2", "8"])
def test_transactions_of_django_that_wait_do_not_mix(serve: Serve, tmp_path: Path, threads: str) -> None:
    """Its connection belongs to the thread: where nothing is parked, each request has one of its own."""
    pytest.importorskip("django")
    database = str(tmp_path / "tokens.sqlite3")
    server = serve("tests.live.apps.atomicapp:app", "--threads", threads, env={"ATOMIC_DATABASE": database})
    targets = [f"/?token=t{number}&keep={number % 2}" for number in range(6)]
    bodies, _ = get_all(server, targets)
    assert bodies == ["taken back True", "kept True"] * 3
    assert get(server, "/rows").text == "t1 t1 t3 t3 t5 t5"
