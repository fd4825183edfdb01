"""``was.db`` in the running server: README's sample, handlers that wait, clients and servers that go."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from skitai._kernels import implementation
from tests.live.program import PACKAGE_HOME, REPO, LiveServer, Serve
from tests.postgres import Postgres, postgres, postgres_binaries, postgres_shards
from tests.waiting import wait_until

__all__ = ["postgres", "postgres_binaries", "postgres_shards"]

EXAMPLES = REPO / "examples" / "was"
PARKS = implementation() == "compiled" and importlib.util.find_spec("greenlet") is not None


def site(serve_conf: Serve, server: Postgres, threads: int, park: str = "no", more: str = "") -> LiveServer:
    return serve_conf(
        f"[server]\nthreads = {threads}\naccess_log = no\npython_path = {REPO}\n{more}"
        "db_connections_max = 20\n[routes:line]\n"
        f"/ = tests.live.apps.databases:app\n[mount /]\npark = {park}\n"
        f"[@mydb]\ntype = postresql\nmembers = {server.member}\n"
    )


def test_the_samples_of_the_readme(
    serve_conf: Serve, postgres_shards: list[Postgres], session: requests.Session
) -> None:
    members = ", ".join(shard.member for shard in postgres_shards)
    first = postgres_shards[0]
    server = serve_conf(
        f"[routes:line]\n/ = {EXAMPLES}/databases:app\n[@mydb]\ntype = postresql\nmembers = {members}\n"
        f"[@single]\ntype = postgresql\nmembers = {first.member}\n"
    )
    shards = session.get(f"{server.url}/query", params={"keyword": "x"}).json()
    assert [[city["name"] for city in shard] for shard in shards] == [
        ["Aachen", "Bonn"],
        ["Celle", "Dachau"],
        ["Emden", "Fulda"],
    ]
    where = {"server": first.address, "database": "mydb", "user": "postgres", "password": "password"}
    assert session.get(f"{server.url}/one", params=where).json() == [{"name": "Aachen"}]
    assert session.get(f"{server.url}/lb").json() == [{"cities": 2}]
    assert session.post(f"{server.url}/move", data={"name": "Aachen", "shard": "0"}).text == "moved"
    assert sorted(first.execute("SELECT * FROM cities")) == [("Aachen", 0), ("Bonn", 0)]


def test_the_page_of_the_sample_site(
    serve_conf: Serve, postgres: Postgres, session: requests.Session
) -> None:
    server = serve_conf(
        f"[routes:line]\n/live = {REPO}/examples/live/app:app\n"
        f"[@sampledb]\ntype = postgresql\nmembers = {postgres.member}\n"
    )
    shown = session.get(f"{server.url}/live/database").text
    assert "<td>PostgreSQL " in shown
    assert "<td>5</td><td>25</td>" in shown
    assert 'class="note"' not in shown.partition("The code of this page")[0]


only_parked = pytest.mark.skipif(not PARKS, reason="a wait blocks its thread here")


@pytest.mark.parametrize("park", [pytest.param("yes", marks=only_parked), "no"])
def test_handlers_wait_beside_each_other(serve_conf: Serve, postgres: Postgres, park: str) -> None:
    server = site(serve_conf, postgres, threads=1 if park == "yes" else 16, park=park)
    requests.get(f"{server.url}/sleep?0.1", timeout=10)  # what is loaded with it, and that it is slow
    began = time.monotonic()
    with ThreadPoolExecutor(16) as pool:
        asked = [pool.submit(requests.get, f"{server.url}/sleep?0.5", timeout=10) for _ in range(16)]
        assert [reply.result().text for reply in asked] == ["3 OK"] * 16
    assert time.monotonic() - began < 4  # one after the other it would be 8


def test_a_client_that_goes_ends_its_statement(serve_conf: Serve, postgres: Postgres) -> None:
    server = site(serve_conf, postgres, threads=2)
    with server.connect() as wire:
        wire.request("GET", "/sleep?30")
        wait_until(lambda: postgres.running("'asleep'") == 1)
        wire.reset()
    wait_until(lambda: postgres.running("'asleep'") == 0, timeout=15)


def test_a_client_that_goes_rolls_its_transaction_back(serve_conf: Serve, postgres: Postgres) -> None:
    server = site(serve_conf, postgres, threads=2)
    with server.connect() as wire:
        wire.request("GET", "/hold")
        wait_until(lambda: postgres.running("'held'") == 1)
        wire.reset()
    wait_until(lambda: postgres.running("'held'") == 0, timeout=15)
    wait_until(lambda: "idle in transaction" not in postgres.sessions(), timeout=15)
    assert postgres.execute("SELECT to_regclass('held')") == [(None,)]


def test_a_server_that_stops_ends_what_it_has_asked(serve_conf: Serve, postgres: Postgres) -> None:
    server = site(serve_conf, postgres, threads=2, more="master = no\nshutdown_timeout = 0.3\n")
    with server.connect() as wire:
        wire.request("GET", "/hold")
        wait_until(lambda: postgres.running("'held'") == 1)
        server.stop()
    wait_until(lambda: postgres.running("'held'") == 0, timeout=15)
    assert postgres.execute("SELECT to_regclass('held')") == [(None,)]


@pytest.mark.parametrize("is_shared", [False, True])
def test_a_script_that_ends_ends_what_it_has_asked(postgres: Postgres, is_shared: bool) -> None:
    """``is_shared``: over a connection of several, to which one that has been quick is let."""
    text = "SELECT 'asked', count(*) FROM generate_series(1, %s) AS a, generate_series(1, 1000) AS b"
    script = (
        "import sys\n"
        "from skitai import was\n"
        f"for _ in range({20 if is_shared else 0}):\n"
        f"    was.db(sys.argv[1]).execute({text!r}, (1,)).getwait(9)\n"
        f"was.db(sys.argv[1]).execute({text!r}, (1_000_000,)).wait(0.5)\n"
        "from skitai.was._provider import reach\n"
        "print(reach().databases.client.snapshot()['databases'][0]['on shared'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, postgres.dsn],
        env={**os.environ, "PYTHONPATH": str(PACKAGE_HOME)},
        capture_output=True,
        timeout=30,
        check=False,
    )
    wait_until(lambda: postgres.running("'asked'") == 0, timeout=15)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"%d\n" % is_shared, b"")


def test_the_database_is_killed_and_comes_back_in_mid_load(serve_conf: Serve, postgres: Postgres) -> None:
    server = site(serve_conf, postgres, threads=4)
    told: list[str] = []
    is_over = threading.Event()

    def load() -> None:
        with requests.Session() as session:
            while not is_over.is_set():
                number = str(len(told))
                text = session.get(f"{server.url}/one?{number}", timeout=10).text
                told.append("good" if text == number or text.isdigit() else text)

    threads = [threading.Thread(target=load) for _ in range(4)]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(told) > 100)
    postgres.kill()
    wait_until(lambda: told[-1] != "good")
    postgres.start()
    back = len(told)
    wait_until(lambda: told[-20:] == ["good"] * 20 and len(told) > back + 20)
    is_over.set()
    for thread in threads:
        thread.join(20)
    assert all(text == "good" or text.startswith("2 ") for text in told)
    assert len(postgres.sessions()) <= 20
