"""Clients that wear out TLS itself, against the real program; others are served meanwhile."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import certificates
from tests.certificates import client_context
from tests.live.program import LiveServer, Serve
from tests.live.test_tls_live import APP, ROUTES, SERVER, connect
from tests.pure.tls_by_hand import ByHand
from tests.pure.tls_records import Records
from tests.waiting import wait_until

GET = b"GET /environ HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.fixture(params=["0", "4"], ids=["threads 0", "threads 4"])
def server(serve_conf: Serve, tmp_path: Path, request: pytest.FixtureRequest) -> LiveServer:
    (tmp_path / "www").mkdir()
    (tmp_path / "tls_site.py").write_text(APP)
    certificates.server(tmp_path)
    server: LiveServer = serve_conf(SERVER + ROUTES, "--threads", request.param)
    return server


def is_served(server: LiveServer, folder: Path) -> None:
    with connect(server, client_context(folder / "server.pem")) as (wire, _):
        assert wire.get("/environ").status == 200


def test_rubbish_behind_a_goodbye_keeps_nobody_busy(server: LiveServer, tmp_path: Path) -> None:
    client = ByHand((server.host, server.port), context=client_context())
    last = client.shake_hands()
    client.raw.sendall(last + client.seal(GET) + client.seal_goodbye() + b"\x17\x03\x03\x00\x20" + b"?" * 32)
    assert client.rest().startswith(b"HTTP/1.1 200 ")
    is_served(server, tmp_path)


def test_who_breaks_tls_is_told_how(server: LiveServer) -> None:
    client = ByHand((server.host, server.port), context=client_context())
    client.raw.sendall(client.shake_hands())
    request = bytearray(client.seal(GET))
    request[-1] ^= 1
    client.raw.sendall(request)
    with pytest.raises(ssl.SSLError, match=r"(?i)bad.record.mac"):
        client.rest()


FLOODS: dict[str, Callable[[Records], bytes]] = {
    "KeyUpdate": lambda records: records.key_update(requested=False),
    "KeyUpdate with answer": lambda records: records.key_update(requested=True),
}


@pytest.mark.parametrize("record", FLOODS.values(), ids=FLOODS)
def test_records_without_content_are_few(
    server: LiveServer, tmp_path: Path, record: Callable[[Records], bytes]
) -> None:
    records = Records((server.host, server.port), tmp_path / "keys")
    client = records.client
    for _ in range(2):  # as many as that are let pass, and a request makes them forgotten
        few = b"".join([record(records) for _ in range(500)])
        client.raw.sendall(few + records.seal(GET))
        assert client.open().startswith(b"HTTP/1.1 200 ")
    is_cut_for(records, record)
    is_cut_for(Records((server.host, server.port), tmp_path / "other keys"), record)
    is_served(server, tmp_path)


def is_cut_for(records: Records, record: Callable[[Records], bytes]) -> None:
    client = records.client
    client.raw.sendall(b"".join([record(records) for _ in range(1300)]))

    def is_cut() -> bool:
        try:
            return not client.raw.recv(65536)
        except ConnectionResetError:
            return True

    wait_until(is_cut)
