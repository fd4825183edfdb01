"""Handlers that have other processes compute for them: whatever the way in which these begin."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.live.program import Serve

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


@pytest.mark.parametrize("method", ["spawn", "forkserver", "fork"])
@pytest.mark.parametrize("master", ["no", "yes"])
@pytest.mark.parametrize("folder", [".", "apps"])
@pytest.mark.skipif(sys.platform == "win32", reason="there is spawn alone on Windows")
def test_a_pool(serve_conf: Serve, tmp_path: Path, folder: str, master: str, method: str) -> None:
    (tmp_path / folder).mkdir(exist_ok=True)
    (tmp_path / folder / "site_app.py").write_text(SITE)
    (tmp_path / folder / "helper.py").write_text("def double(n):\n    return 2 * n\n")
    target = "site_app:app" if folder == "." else f"{folder}/site_app:app"
    server = serve_conf(
        f"[server]\nmaster = {master}\nresponse_timeout = 30\n[routes:line]\n/ = {target}\n",
    )
    with server.connect(timeout=30) as wire:
        reply = wire.get(f"/{method}")
    # Those that are other interpreters have not loaded the server.
    expected = ("__main__", True) if method == "fork" else ("__mp_main__", False)
    assert reply.text == f"42 {expected}", server.console_text()
    assert server.stop() == 0
