"""Handlers that have other processes compute for them: whatever the way in which these begin."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.program import LiveServer, Serve

#: Its name in the server is made up; `double` is found by a plain import of the same folder.
SITE = """
import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor

import helper


def main_and_server():
    return sys.modules["__main__"].__name__, "skitai.server" in sys.modules


def app(environ, start_response):
    context = multiprocessing.get_context(environ["PATH_INFO"].strip("/"))
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        body = f"{pool.submit(helper.double, 21).result(20)} {pool.submit(main_and_server).result(20)}"
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body.encode()]
"""


# In this order: what a child imports from the one folder is not in the other one yet.
@pytest.fixture(scope="module", params=["apps", "."])
def folder(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module", params=["no", "yes"])
def master(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def server(serve_conf_module: Serve, module_path: Path, folder: str, master: str) -> Iterator[LiveServer]:
    """At its end nothing of the pools keeps it."""
    assert not (module_path / "helper.py").exists() or folder == "."
    place = module_path / folder
    place.mkdir(exist_ok=True)
    (place / "site_app.py").write_text(SITE)
    (place / "helper.py").write_text("def double(n):\n    return 2 * n\n")
    target = "site_app:app" if folder == "." else f"{folder}/site_app:app"
    server = serve_conf_module(
        f"[server]\nmaster = {master}\nresponse_timeout = 30\n[routes:line]\n/ = {target}\n",
    )
    yield server
    assert server.stop() == 0


@pytest.mark.parametrize("method", ["spawn", "forkserver", "fork"])
@pytest.mark.skipif(sys.platform == "win32", reason="there is spawn alone on Windows")
def test_a_pool(server: LiveServer, method: str) -> None:
    with server.connect(timeout=30) as wire:
        reply = wire.get(f"/{method}")
    # Those that are other interpreters have not loaded the server.
    expected = ("__main__", True) if method == "fork" else ("__mp_main__", False)
    assert reply.text == f"42 {expected}", server.console_text()
