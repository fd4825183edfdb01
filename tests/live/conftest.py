"""Fixtures of the acceptance tests: the real program over real sockets.

``serve`` and ``serve_conf`` start a server for one test; ``serve_module`` starts one that
the tests of a file share, where they do not disturb each other.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import requests

from tests.live.program import REPO, LiveServer, Serve, skitai_run, skitaid_instance


class _Servers:
    """Starts servers and remembers them, so that none outlives its test."""

    def __init__(self) -> None:
        self._stack = contextlib.ExitStack()

    def start(
        self,
        command: list[str],
        *,
        cwd: Path = REPO,
        env: Mapping[str, str] | None = None,
        ready: bool = True,
    ) -> LiveServer:
        server = LiveServer(command, cwd=cwd, env=env)
        self._stack.callback(server.kill)
        return server.wait_ready() if ready else server

    def run(
        self,
        target: str,
        *args: str,
        cwd: Path = REPO,
        env: Mapping[str, str] | None = None,
        ready: bool = True,
        prefix: tuple[str, ...] = (),
    ) -> LiveServer:
        """``skitai run TARGET ARGS`` under ``prefix`` (such as setpriv), waited for when ``ready``."""
        return self.start([*prefix, *skitai_run(target, *args)], cwd=cwd, env=env, ready=ready)

    def close(self) -> None:
        self._stack.close()


def _servers() -> Iterator[_Servers]:
    servers = _Servers()
    yield servers
    servers.close()


_test_servers = pytest.fixture(_servers, name="_test_servers")
_module_servers = pytest.fixture(_servers, scope="module", name="_module_servers")


@pytest.fixture
def serve(_test_servers: _Servers) -> Serve:
    """``serve("module:app", "--threads", "4", ..., cwd=, env=, ready=, prefix=) -> LiveServer``."""
    return _test_servers.run


@pytest.fixture(scope="module")
def serve_module(_module_servers: _Servers) -> Serve:
    """As ``serve``, ended after the last test of the file."""
    return _module_servers.run


@pytest.fixture
def serve_conf(_test_servers: _Servers, tmp_path: Path) -> Serve:
    """``serve_conf(text_or_path, *args, env=, ready=)``: a text is written to tmp_path/test.conf."""

    def start(
        conf: str | Path,
        *args: str,
        env: Mapping[str, str] | None = None,
        ready: bool = True,
    ) -> LiveServer:
        if isinstance(conf, str):
            path = tmp_path / "test.conf"
            path.write_text(conf, encoding="utf-8")
        else:
            path = conf
        # Without --home its logs would go to /var/log or to the home of whoever runs the tests.
        command = skitaid_instance(path, "--home", str(tmp_path / "home"), *args)
        return _test_servers.start(command, cwd=tmp_path, env=env, ready=ready)

    return start


@pytest.fixture
def session() -> Iterator[requests.Session]:
    """A requests session that ignores proxies and .netrc of the machine."""
    with requests.Session() as made:
        made.trust_env = False
        yield made
