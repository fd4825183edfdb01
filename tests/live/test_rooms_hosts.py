"""Rooms over Redis and over PostgreSQL: two servers, as on two hosts, and a bus that is stopped and started
in mid load."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import requests
import trustme
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from tests.live.program import LiveServer, Serve
from tests.postgres import PASSWORD as PASSWORD_OF_POSTGRES
from tests.postgres import USER, Postgres, postgres, postgres_binaries
from tests.waiting import wait_until

# Fixtures: used by name.
__all__ = ["postgres", "postgres_binaries"]

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there are no such servers on Windows")

PASSWORD = "a secret/of:redis"


class Redis:
    def __init__(self, program: str, folder: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.url = f"redis://:a%20secret%2Fof%3Aredis@127.0.0.1:{self.port}/2"
        self._command = [program, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(folder)]
        self._command += ["--requirepass", PASSWORD, "--save", "", "--appendonly", "no"]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        wait_until(self._answers, 10, "Redis")

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True
        return False

    def freeze(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


class SecureRedis(Redis):
    """That speaks TLS alone, with a certificate of an authority of its own (``authority``, a file)."""

    def __init__(self, program: str, folder: Path) -> None:
        super().__init__(program, folder)
        self.url = f"rediss{self.url.removeprefix('redis')}"
        self.authority = folder / "authority.pem"
        made = trustme.CA()
        made.cert_pem.write_to_path(self.authority)
        own = made.issue_cert("127.0.0.1")
        own.private_key_pem.write_to_path(folder / "key.pem")
        own.cert_chain_pems[0].write_to_path(folder / "cert.pem")
        self._command[self._command.index("--port")] = "--tls-port"
        self._command += ["--port", "0", "--tls-auth-clients", "no"]
        for what, name in [("cert", "cert"), ("key", "key"), ("ca-cert", "authority")]:
            self._command += [f"--tls-{what}-file", str(folder / f"{name}.pem")]


class PostgresBus:
    def __init__(self, server: Postgres) -> None:
        self.url = f"postgresql://{USER}:{PASSWORD_OF_POSTGRES}@{server.address}/mydb"
        self._server = server
        self.start, self.kill = server.start, server.kill
        self._frozen: list[int] = []

    def freeze(self) -> None:
        """Those who serve, too: they are processes of their own."""
        sessions = "SELECT pid FROM pg_stat_activity WHERE datname = 'mydb' AND pid <> pg_backend_pid()"
        self._frozen = [pid for (pid,) in self._server.execute(sessions)]
        self._server.freeze()
        for pid in self._frozen:
            os.kill(pid, signal.SIGSTOP)

    def thaw(self) -> None:
        frozen, self._frozen = self._frozen, []
        for pid in frozen:
            os.kill(pid, signal.SIGCONT)
        if frozen:
            self._server.thaw()


@pytest.fixture(params=["redis", "postgresql"])
def bus(
    tmp_path: Path, require_program: Callable[[str], str], request: pytest.FixtureRequest
) -> Iterator[Redis | PostgresBus]:
    if request.param == "redis":
        redis = Redis(require_program("redis-server"), tmp_path)
        redis.start()
        yield redis
        redis.kill()
        return
    server: Postgres = request.getfixturevalue("postgres")
    made = PostgresBus(server)
    yield made
    made.thaw()
    server.kill()
    server.start()


class Client:
    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.send = connection.send

    def hear(self, timeout: float = 15) -> str:
        return str(self.connection.recv(timeout))

    def hear_until(self, last: str) -> list[str]:
        heard = [self.hear()]
        while heard[-1] != last:
            heard.append(self.hear())
        return heard

    def speech(self, timeout: float = 15) -> dict[str, Any]:
        said = self.hear(timeout)
        assert said.startswith("!"), said
        found = json.loads(said[1:])
        assert isinstance(found, dict)
        return found


class Hosts:
    def __init__(self, bus: Redis | PostgresBus | None, serve_conf: Serve, stack: ExitStack) -> None:
        """``bus``: None, the environment says which."""
        prefix = f"t{secrets.token_hex(4)}"  # what other tests have left there is none of ours
        url = f"url = {bus.url}\n" if bus is not None else ""
        conf = f"[bus]\n{url}prefix = {prefix}\n[routes:line]\n/ = tests.live.apps.rooms:app\n"
        self.servers: list[LiveServer] = [serve_conf(conf, "--master", "no") for _ in range(2)]
        self._stack = stack

    def client(self, host: int, query: str = "id=1", *, numbered: bool = False) -> Client:
        server = self.servers[host]
        url = f"ws://{server.host}:{server.port}/room?{query}"
        protocols = [Subprotocol("skitai.room")] if numbered else None
        made = connect(url, subprotocols=protocols, open_timeout=10, close_timeout=2)
        return Client(self._stack.enter_context(made))

    def publish(self, host: int, message: str, times: int = 1) -> None:
        asked = {"room": "/room?1", "m": message, "times": str(times)}
        answer = requests.get(f"{self.servers[host].url}/publish", asked, timeout=30)
        assert answer.status_code == 200


@pytest.fixture
def hosts(bus: Redis | PostgresBus, serve_conf: Serve) -> Iterator[Hosts]:
    with ExitStack() as stack:
        yield Hosts(bus, serve_conf, stack)


def test_hosts_hear_one_order(hosts: Hosts) -> None:
    one, two = hosts.client(0), hosts.client(1)
    two.send("is in")
    two.hear_until("is in")
    one.send("is in")
    one.hear_until("is in")
    one.send("begin")
    one.hear_until("begin")
    two.hear_until("begin")
    one.send("count 300")
    two.send("count 300")
    one.send("end")
    two.send("end")
    heard = [client.hear_until("end") + client.hear_until("end") for client in (one, two)]
    assert heard[0] == heard[1]
    assert len(heard[0]) == 602
    one.send("ä" * 100_000)
    assert one.hear() == two.hear() == "ä" * 100_000


def test_presence_and_messages_for_one(hosts: Hosts) -> None:
    one, two = hosts.client(0), hosts.client(1)
    ids = []
    for client in (one, two):
        client.send("pid")
        ids.append(int(client.hear().split()[1]))
    assert ids[0] != ids[1]

    def present() -> list[int]:
        one.send("present")
        found = json.loads(one.hear())
        assert isinstance(found, list)
        return found

    wait_until(lambda: present() == sorted(ids), 10)
    one.send(f"to {ids[1]} for you")
    assert two.hear() == "for you"
    hosts.servers[1].kill()
    wait_until(lambda: present() == [ids[0]], 30, "who was killed is forgotten")


def test_who_comes_back_to_another_host_gets_what_it_has_missed(hosts: Hosts) -> None:
    one = hosts.client(0, "id=1&history=100", numbered=True)
    epoch = one.speech()["epoch"]
    one.send("a")
    assert one.hear() == "1:a"
    one.connection.close()
    hosts.publish(0, "missed N", times=3)
    two = hosts.client(1, f"id=1&history=100&skitai-last={epoch}-1", numbered=True)
    assert two.speech()["state"] == "resumed"
    assert [two.hear() for _ in range(3)] == ["2:missed 0", "3:missed 1", "4:missed 2"]


def test_a_bus_that_is_stopped_and_started_in_mid_load(hosts: Hosts, bus: Redis | PostgresBus) -> None:
    one, two = (hosts.client(host, "id=1&history=100", numbered=True) for host in (0, 1))
    for client in (one, two):
        assert client.speech()["state"] == "new"
    hosts.publish(0, "before")
    assert one.hear() == two.hear() == "1:before"
    bus.kill()
    assert one.speech()["state"] == two.speech()["state"] == "gone"
    hosts.publish(0, "alone")
    assert one.hear() == ":alone"
    bus.start()
    for client in (one, two):
        assert client.speech(30)["state"] == "back"
        assert client.speech()["state"] == "lost", "it knows nothing of what was said"
    hosts.publish(1, "after")
    assert one.hear() == two.hear() == "1:after"
    hosts.servers[0].wait_for_text(r"the bus \w+://127\.0\.0\.1:\d+ is gone")
    hosts.servers[0].wait_for_text(r"the bus \w+://127\.0\.0\.1:\d+ is back")
    assert "secret" not in hosts.servers[0].console_text()
    assert PASSWORD_OF_POSTGRES not in hosts.servers[0].console_text()


def test_a_bus_that_hangs_is_found_out(hosts: Hosts, bus: Redis | PostgresBus) -> None:
    one = hosts.client(0, "id=1&history=100", numbered=True)
    one.speech()
    bus.freeze()
    began = time.monotonic()
    assert one.speech(30)["state"] == "gone"
    assert time.monotonic() - began < 20
    bus.thaw()
    assert one.speech(30)["state"] == "back"
    hosts.publish(1, "on")
    assert one.hear().endswith(":on")


def test_a_server_starts_without_its_bus(bus: Redis | PostgresBus, serve_conf: Serve) -> None:
    bus.kill()
    with ExitStack() as stack:
        hosts = Hosts(bus, serve_conf, stack)
        one = hosts.client(0)
        hosts.servers[0].wait_for_text("is gone")
        one.send("alone")
        assert one.hear() == "alone"
        bus.start()
        hosts.servers[0].wait_for_text("is back", 20)
        two = hosts.client(1)
        two.send("together")
        assert two.hear() == one.hear() == "together"


# -- what is Redis and no bus


class ClusterNode(Redis):
    def __init__(self, program: str, folder: Path) -> None:
        super().__init__(program, folder)
        self._command += ["--cluster-enabled", "yes"]
        self.url = self.url.removesuffix("/2")


class Sentinel(Redis):
    def __init__(self, program: str, folder: Path) -> None:
        super().__init__(program, folder)
        conf = folder / "sentinel.conf"
        words = f"port {self.port}\nbind 127.0.0.1\ndir {folder}\nrequirepass {json.dumps(PASSWORD)}\n"
        conf.write_text(words)
        self._command = [program, str(conf), "--sentinel"]
        self.url = self.url.removesuffix("/2")


@pytest.mark.parametrize(
    ("kind", "text"), [(ClusterNode, "it is a node of a Redis Cluster"), (Sentinel, "it is a Sentinel")]
)
def test_what_has_not_all_rooms_is_refused(
    kind: type[Redis],
    text: str,
    tmp_path: Path,
    require_program: Callable[[str], str],
    serve_conf: Serve,
    request: pytest.FixtureRequest,
) -> None:
    redis = kind(require_program("redis-server"), tmp_path)
    redis.start()
    request.addfinalizer(redis.kill)
    conf = f"[bus]\nurl = {redis.url}\n[routes:line]\n/ = tests.live.apps.rooms:app\n"
    server = serve_conf(conf, "--master", "no")
    with connect(f"ws://{server.host}:{server.port}/room?id=1", open_timeout=10, close_timeout=2) as client:
        server.wait_for_text(text)
        client.send("alone")
        assert client.recv(15) == "alone"


# -- TLS


@pytest.fixture
def secure_redis(tmp_path: Path, require_program: Callable[[str], str]) -> Iterator[SecureRedis]:
    redis = SecureRedis(require_program("redis-server"), tmp_path)
    redis.start()
    yield redis
    redis.kill()


def test_over_tls_by_the_environment(secure_redis: SecureRedis, serve_conf: Serve) -> None:
    env = {"SSL_CERT_FILE": str(secure_redis.authority), "SKITAI_BUS_URL": secure_redis.url}
    with ExitStack() as stack:
        hosts = Hosts(None, functools.partial(serve_conf, env=env), stack)
        one, two = hosts.client(0), hosts.client(1)
        two.send("is in")
        two.hear_until("is in")
        for message in ("short", "ä" * 200_000, "short again"):  # the second in many records
            one.send(message)
            one.hear_until(message)
            two.hear_until(message)
        secure_redis.kill()
        secure_redis.start()
        hosts.servers[0].wait_for_text(" is back")


def test_over_tls_whose_certificate_nobody_trusts(secure_redis: SecureRedis, serve_conf: Serve) -> None:
    with ExitStack() as stack:
        hosts = Hosts(secure_redis, serve_conf, stack)
        assert hosts.client(0, numbered=True).speech()["state"] == "gone"
        hosts.servers[0].wait_for_text("certificate verify failed")
