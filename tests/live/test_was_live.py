"""Handlers that ask others: through the running server, in both ways of waiting."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.live.program import LiveServer, Serve
from tests.live.test_parking_live import only_parked
from tests.live.upstreams import ManyServers, xmlrpc_server
from tests.live.wire import Reply
from tests.waiting import wait_until

REPO = Path(__file__).resolve().parents[2]
APP = "tests.live.apps.wasapp"

Site = Callable[..., LiveServer]


@pytest.fixture
def site(serve_conf: Serve) -> Site:
    """Saddle's at /, Flask's at /flask."""

    def start(threads: int = 4, *, server: str = "", rest: str = "") -> LiveServer:
        return serve_conf(
            f"[server]\nthreads = {threads}\npython_path = {REPO}\n{server}\n"
            f"[routes:line]\n/ = {APP}:app\n/flask = {APP}:flask_app\n{rest}"
        )

    return start


@pytest.fixture
def crowd() -> Iterator[ManyServers]:
    with ManyServers(3) as servers:
        yield servers


def get(server: LiveServer, path: str, *fields: str, **query: object) -> Reply:
    target = path + "?" + "&".join(f"{name}={quote(str(value), safe='')}" for name, value in query.items())
    with server.connect() as wire:
        wire.request("GET", target, *fields)
        return wire.read_reply()


def url_of(crowd: ManyServers, number: int = 0) -> str:
    return f"http://127.0.0.1:{crowd.ports[number]}/"


# -- README -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("threads", [pytest.param(0, marks=only_parked), 1, 4])
def test_saddles_sample(site: Site, crowd: ManyServers, threads: int) -> None:
    reply = get(site(threads), "/get", url=url_of(crowd))
    assert (reply.status, reply.text) == (200, "0")


@pytest.mark.parametrize("threads", [1, 4])
def test_flasks_sample(site: Site, crowd: ManyServers, threads: int) -> None:
    reply = get(site(threads), "/flask/get", url=url_of(crowd))
    assert (reply.status, reply.text) == (200, "0")


def test_forms_and_uploads(site: Site, httpbin_url: str) -> None:
    said = json.loads(get(site(), "/post", url=f"{httpbin_url}/post").text)
    assert said["post"]["form"] == {"user": "Hans Roh", "comment": "Hello"}
    assert said["upload"]["form"] == {"user": "Hans Roh"}
    assert "README" in said["upload"]["files"]["file"]


def test_procedures_of_one_server_and_of_a_cluster(site: Site) -> None:
    with xmlrpc_server() as first, xmlrpc_server() as second:
        server = site(rest=f"[@mysearch]\nmembers = 127.0.0.1:{first}, 127.0.0.1:{second}\n")
        assert json.loads(get(server, "/rpc", url=f"http://127.0.0.1:{first}/RPC2").text) == {"data": 10007}
        assert json.loads(get(server, "/search", kind="lb").text) == {"data": 3}
        everybody = json.loads(get(server, "/search", kind="map").text)
        assert everybody == {"data": [3, 3], "nodes": [first, second]}


# -- waiting ----------------------------------------------------------------------------------------


@only_parked
@pytest.mark.parametrize("threads", [0, 1, 4])
def test_waiting_costs_no_thread(site: Site, crowd: ManyServers, threads: int) -> None:
    server = site(threads)
    crowd.delay(0, 1)
    began = time.monotonic()
    with ThreadPoolExecutor(30) as pool:
        replies = list(pool.map(lambda _: get(server, "/get", url=url_of(crowd)), range(30)))
    assert {reply.status for reply in replies} == {200}
    assert time.monotonic() - began < 6  # of the 7.5 that four threads would take


def test_calls_are_under_way_together(site: Site, crowd: ManyServers) -> None:
    server = site()
    crowd.delay(0, 0.3)
    began = time.monotonic()
    reply = get(server, "/many", url=url_of(crowd), count=20)
    assert json.loads(reply.text)["codes"] == [200] * 20
    assert time.monotonic() - began < 4  # one after the other it would be 6


def test_a_wait_has_an_end(site: Site, crowd: ManyServers) -> None:
    server = site()
    crowd.delay(0, 30)
    began = time.monotonic()
    said = json.loads(get(server, "/wait", url=url_of(crowd), timeout=0.3).text)
    assert (said["status"], said["code"]) == (1, 702)
    assert 0.3 <= time.monotonic() - began < 15
    wait_until(lambda: crowd.seen()["open"][0] == 0, 10, "the connection is closed")


def test_who_waits_longer_than_calls_usually_last_gives_more_time(site: Site, crowd: ManyServers) -> None:
    server = site(server="call_timeout = 0.2")
    crowd.delay(0, 0.6)
    assert json.loads(get(server, "/wait", url=url_of(crowd), timeout=3).text)["status"] == 3
    assert get(server, "/get", url=url_of(crowd)).text == "0"


@pytest.mark.parametrize("path", ["/awaited", "/thread"])
def test_coroutines_and_threads_of_the_application(site: Site, crowd: ManyServers, path: str) -> None:
    reply = get(site(), path, url=url_of(crowd))
    assert set(json.loads(reply.text)["codes"]) == {200}


def test_bodies_pass_through_as_they_come(site: Site, httpbin_url: str) -> None:
    reply = get(site(), "/stream", url=f"{httpbin_url}/stream-bytes/300000?seed=7")
    assert (reply.status, len(reply.body)) == (200, 102400)  # httpbin's own bound


# -- the request that a call is made for ------------------------------------------------------------


@pytest.mark.parametrize("threads", [1, 4])
def test_a_client_that_hangs_up_takes_its_calls_along(site: Site, crowd: ManyServers, threads: int) -> None:
    server = site(threads, server="response_timeout = 60")
    crowd.delay(0, 30)
    with server.connect() as wire:
        wire.request("GET", f"/get?url={quote(url_of(crowd), safe='')}")
        wait_until(lambda: crowd.seen()["requests"][0] == 1, what="it is asked")
        wire.reset()
    wait_until(lambda: crowd.seen()["open"][0] == 0, 15, "the call's connection is closed")


@only_parked
@pytest.mark.parametrize("path", ["/all-awaited", "/elsewhere", "/elsewhere-awaited", "/pieces"])
@pytest.mark.parametrize("threads", [0, 4])
def test_and_so_it_does_whatever_its_handler_waits_for(
    site: Site, crowd: ManyServers, threads: int, path: str
) -> None:
    server = site(threads, server="response_timeout = 60\ncall_timeout = 60")
    crowd.delay(0, 60)
    with server.connect() as wire:
        wire.request("GET", f"{path}?url={quote(url_of(crowd), safe='')}")
        wait_until(lambda: crowd.seen()["requests"][0] >= 1, what="it is asked")
        wire.reset()
    wait_until(lambda: crowd.seen()["open"][0] == 0, 15, "the calls' connections are closed")


def test_but_not_those_that_are_detached(site: Site, crowd: ManyServers) -> None:
    server = site(server="response_timeout = 60")
    crowd.delay(0, 10)
    with server.connect() as wire:
        wire.request("GET", f"/detached?url={quote(url_of(crowd), safe='')}")
        wait_until(lambda: crowd.seen()["requests"][0] == 1, what="it is asked")
        wire.reset()
    time.sleep(0.5)
    assert crowd.seen()["open"][0] == 1


def test_no_call_lasts_longer_than_its_request(site: Site, crowd: ManyServers) -> None:
    server = site(server="response_timeout = 0.5")
    crowd.delay(0, 30)
    # A handler whose call was all that it waited for might answer just before the server looks.
    assert get(server, "/insists", url=url_of(crowd)).status == 503
    wait_until(lambda: crowd.seen()["open"][0] == 0, 15, "the calls' connections are closed")


def test_a_response_that_has_begun_may_take_its_time(site: Site, httpbin_url: str) -> None:
    """And so may the calls behind it: response_timeout is for its head."""
    server = site(server="response_timeout = 1")
    reply = get(server, "/trickle", url=f"{httpbin_url}/drip?duration=2&numbytes=8&delay=0")
    assert (reply.status, reply.text) == (200, "*" * 16)


def test_who_is_asked_hears_of_the_deadline_and_the_trace(site: Site, httpbin_url: str) -> None:
    server = site(server="response_timeout = 7")
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    reply = get(server, "/echo", f"traceparent: {parent}", "tracestate: a=1", url=f"{httpbin_url}/headers")
    seen = json.loads(reply.text)["headers"]
    assert 6 < float(seen["X-Request-Deadline"]) - time.time() <= 7
    assert seen["Traceparent"][:36] == parent[:36]
    assert seen["Traceparent"][36:52] != parent[36:52]
    assert seen["Traceparent"][52:] == "-01"
    assert seen["Tracestate"] == "a=1"


TRACED = """
import logging
from skitai import was
from skitai.saddle import Saddle

app = Saddle(__name__)
logging.getLogger("skitai.was").setLevel(logging.INFO)


@app.route("/")
def fails(was):
    was.get("http://127.0.0.1:1/gone?key=secret").getwait(5).reraise()
"""


def test_the_trace_is_in_the_lines_about_failures(tmp_path: Path, serve_conf: Serve) -> None:
    (tmp_path / "traced.py").write_text(TRACED)
    server = serve_conf("[routes:line]\n/ = traced:app\n")
    trace, span = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    assert get(server, "/", f"traceparent: 00-{trace}-{span}-01").status == 500
    server.wait_for_text(rf"\[expt\] GET /\? trace={trace} span={span}\n")
    server.wait_for_text(
        rf"\[info:skitai\.was\] GET http://127\.0\.0\.1:1/gone \d+ms trace={trace} span=(?!{span})\w{{16}}: "
    )


def test_a_trusted_proxys_deadline_counts(site: Site, crowd: ManyServers) -> None:
    server = site(server="trusted_proxies = 127.0.0.1")
    crowd.delay(0, 30)
    began = time.monotonic()
    soon = f"X-Request-Deadline: {time.time() + 0.5:.3f}"
    said = json.loads(get(server, "/wait", soon, url=url_of(crowd), timeout=20).text)
    assert said["status"] == 1
    assert time.monotonic() - began < 10


def test_anybodys_deadline_does_not(site: Site, crowd: ManyServers) -> None:
    crowd.delay(0, 0.5)
    said = json.loads(get(site(), "/wait", "X-Request-Deadline: 1000000000", url=url_of(crowd)).text)
    assert said["status"] == 3


# -- what there is besides ----------------------------------------------------------------------------


def test_results_that_are_kept(site: Site, crowd: ManyServers) -> None:
    server = site()
    for _ in range(3):
        assert json.loads(get(server, "/wait", url=url_of(crowd), cached="yes").text)["text"] == "0"
    assert crowd.seen()["requests"][0] == 1


def test_status(site: Site, crowd: ManyServers) -> None:
    server = site(rest=f"[@mysearch]\nmembers = 127.0.0.1:{crowd.ports[0]}\n")
    get(server, "/get", url=url_of(crowd))
    said = json.loads(get(server, "/status", fancy="no").text)
    assert said["CALLS"]["connections"] == 1
    assert [member["member"] for member in said["CLUSTER:mysearch"]["members"]] == [
        f"127.0.0.1:{crowd.ports[0]}"
    ]
    assert "<h2" in get(server, "/status").text


def test_a_script_needs_no_server(crowd: ManyServers, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "from skitai import was\n"
        f"calls = [was.get({url_of(crowd)!r}) for _ in range(100)]\n"
        "print({call.getwait(5).text for call in calls})\n"
    )
    done = subprocess.run(
        [sys.executable, script], env={**os.environ, "PYTHONPATH": str(REPO)}, capture_output=True, timeout=30
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"{'0'}\n", b"")


def test_was_works_whatever_was_imported_before(crowd: ManyServers, tmp_path: Path) -> None:
    """Every module of the package, then README's Flask sample: no module's name hides a service."""
    script = tmp_path / "script.py"
    script.write_text(
        "import importlib, pkgutil, skitai\n"
        "for found in pkgutil.walk_packages(skitai.__path__, 'skitai.'):\n"
        "    if not found.name.endswith(('__main__', '.win32')):\n"  # which wants pywin32
        "        importlib.import_module(found.name)\n"
        "from tests.live.apps.wasapp import flask_app\n"
        f"print(flask_app.test_client().get('/get', query_string={{'url': {url_of(crowd)!r}}}).text)\n"
    )
    done = subprocess.run(
        [sys.executable, script], env={**os.environ, "PYTHONPATH": str(REPO)}, capture_output=True, timeout=60
    )
    assert (done.returncode, done.stdout) == (0, b"0\n"), done.stderr.decode()


def test_many_at_once_lose_nothing(site: Site, crowd: ManyServers) -> None:
    """Handlers of several threads ask several servers; each gets the answer to its own question."""
    server = site(4)
    wrong: list[str] = []

    def ask(number: int) -> None:
        for turn in range(30):
            place = (number + turn) % 3
            reply = get(server, "/get", url=url_of(crowd, place))
            if (reply.status, reply.text) != (200, str(place)):
                wrong.append(f"{place}: {reply.status} {reply.text}")

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
