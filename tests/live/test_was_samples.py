"""README's samples of `was`, as files of ``examples/was``, through the running server.

What they ask is served by this project; `test_upstreams` asks servers that we did not write."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import pytest
import requests

from tests.live.program import REPO, LiveServer, Serve
from tests.live.upstreams import Authority

EXAMPLES = REPO / "examples" / "was"
NAMES = ("flaskstyle", "saddlestyle", "methods", "loadbalancing", "mapreducing", "utilities", "messaging")

HANS = {"username": "hans", "password": "secret"}
AUTHORIZED = "Basic " + base64.b64encode(b"hans:secret").decode()
FORM = "application/x-www-form-urlencoded"
#: What `member.py` says of the five methods.
SHOWN = [
    f"get - - {AUTHORIZED}",
    f"post {FORM} user {AUTHORIZED}",
    f"put {FORM} user {AUTHORIZED}",
    "delete - - nobody",
    f"post multipart/form-data user {AUTHORIZED}",
]


@pytest.fixture(scope="module")
def members(serve_conf_module: Serve, tmp_path_factory: pytest.TempPathFactory) -> tuple[LiveServer, Path]:
    """A server that is both members of the cluster, and the authority of its certificate."""
    authority = Authority(tmp_path_factory.mktemp("authority"))
    server = serve_conf_module(
        f"[server]\nip = 127.0.0.1\nssl = yes\ncertfile = {authority.certificate()}\n"
        f"[routes:line]\n/ = {EXAMPLES}/member:app\n/rpc2 = {EXAMPLES}/member:app\n"
    )
    return server, authority.cafile


@pytest.fixture(scope="module")
def server(serve_conf_module: Serve, members: tuple[LiveServer, Path]) -> LiveServer:
    member, cafile = members
    routes = "".join(f"/{name} = {EXAMPLES}/{name}:app\n" for name in NAMES)
    one, other = f"localhost:{member.port}", f"127.0.0.1:{member.port}"
    return serve_conf_module(
        f"[routes:line]\n/ = {EXAMPLES}/member:app\n/rpc2 = {EXAMPLES}/member:app\n{routes}"
        f"[@mysearch]\nssl = yes\ncafile = {cafile}\nmembers = {one}, {other}\n"
        f"[@single]\nssl = yes\ncafile = {cafile}\nmembers = {other}\n"
    )


@pytest.fixture
def ask(server: LiveServer, session: requests.Session):
    def ask(path: str, **query: str) -> str:
        reply = session.get(server.url + path, params=query)
        assert reply.status_code == 200, reply.text
        return reply.text

    return ask


@pytest.mark.parametrize("style", ["flaskstyle", "saddlestyle"])
def test_simple_http_request(ask, server: LiveServer, session: requests.Session, style: str) -> None:
    assert ask(f"/{style}/get", url=f"{server.url}/show") == "get - - nobody"
    # As README writes the address: the colon encoded, and the slashes not.
    target = f"/{style}/get?url={quote(f'{server.url}/show')}"
    assert session.get(server.url + target).text == "get - - nobody"


def test_post_and_upload(ask, server: LiveServer) -> None:
    told = ask("/saddlestyle/post", url=f"{server.url}/show")
    assert told == f"post {FORM} comment,user nobodypost multipart/form-data file,user nobody"


def test_xmlrpc(ask, server: LiveServer) -> None:
    assert ask("/saddlestyle/prime", url=f"{server.url}/rpc2") == "10007"
    assert ask("/methods/rpc", url=f"{server.url}/rpc2", **HANS) == AUTHORIZED


def test_available_methods(ask, server: LiveServer) -> None:
    assert ask("/methods/one", url=f"{server.url}/show", **HANS).splitlines() == SHOWN
    assert ask("/methods/lb", **HANS).splitlines() == SHOWN
    twice = [line for line in SHOWN for _ in range(2)]
    assert ask("/methods/map", **HANS).splitlines() == twice
    assert ask("/methods/single").splitlines() == ["get - - nobody"] * 2


def test_load_balancing(ask) -> None:
    assert ask("/loadbalancing/search") == "RequiemDon Giovanni"
    assert ask("/loadbalancing/search", keyword="Bach") == "Chaconne"


def test_map_reducing(ask) -> None:
    assert ask("/mapreducing/search") == "RequiemDon Giovanni" * 2
    assert ask("/mapreducing/search", keyword="Bach") == "Chaconne" * 2


def test_websockets(ask, server: LiveServer, members: tuple[LiveServer, Path]) -> None:
    asked = {"keyword": "snowboard binding"}
    address = f"ws://{server.host}:{server.port}/websocket/echo"
    assert json.loads(ask("/messaging/query", url=address)) == asked
    assert ask("/messaging/say", url=address, message="Grüße & more") == "Grüße & more"
    assert json.loads(ask("/messaging/lb")) == asked
    assert json.loads(ask("/messaging/map")) == [asked, asked]


def test_other_utility_services(ask) -> None:
    page = ask("/utilities/status")
    for section in ("SERVER", "CALLS", "CLUSTER:mysearch"):
        assert section in page
    assert ask("/utilities/json") == '{"keyword": "Mozart"}'
    assert ask("/utilities/xml") == "Mozart 10"


def test_a_program_without_a_server(server: LiveServer) -> None:
    run = subprocess.run(
        [sys.executable, EXAMPLES / "client.py", f"{server.url}/show", "http://127.0.0.1:1/"],
        capture_output=True,
        text=True,
        timeout=20,
        cwd=REPO,
    )
    assert run.stdout == "3 200 14\n2 700 b''\n", run.stderr
