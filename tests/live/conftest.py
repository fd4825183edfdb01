"""Fixtures of the acceptance tests: the real program over real sockets.

``serve`` and ``serve_conf`` start a server for one test; ``serve_module`` and
``serve_conf_module`` start one that the tests of a file share, where they do not disturb each other.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NoReturn, Protocol, TypeVar

import pytest
import requests

from tests.live.badpeers import BadPeer
from tests.live.program import REPO, LiveServer, Serve, skitai_run, skitaid_instance
from tests.live.upstreams import Authority, ManyServers, Upstream, find_nginx, httpbin, nginx


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


def _from_conf(servers: _Servers, folder: Path) -> Serve:
    def start(
        conf: str | Path,
        *args: str,
        env: Mapping[str, str] | None = None,
        ready: bool = True,
    ) -> LiveServer:
        if isinstance(conf, str):
            path = folder / "test.conf"
            path.write_text(conf, encoding="utf-8")
        else:
            path = conf
        # Without --home its logs would go to /var/log or to the home of whoever runs the tests.
        command = skitaid_instance(path, "--home", str(folder / "home"), *args)
        return servers.start(command, cwd=folder, env=env, ready=ready)

    return start


@pytest.fixture
def serve_conf(_test_servers: _Servers, tmp_path: Path) -> Serve:
    """``serve_conf(text_or_path, *args, env=, ready=)``: a text is written to tmp_path/test.conf."""
    return _from_conf(_test_servers, tmp_path)


@pytest.fixture(scope="module")
def module_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As ``tmp_path``, for all tests of the file."""
    return tmp_path_factory.mktemp("module")


@pytest.fixture(scope="module")
def serve_conf_module(_module_servers: _Servers, module_path: Path) -> Serve:
    """As ``serve_conf``, in module_path, ended after the last test of the file."""
    return _from_conf(_module_servers, module_path)


@pytest.fixture
def session() -> Iterator[requests.Session]:
    """A requests session that ignores proxies and .netrc of the machine."""
    with requests.Session() as made:
        made.trust_env = False
        yield made


class _Closeable(Protocol):
    def close(self) -> None: ...


T = TypeVar("T", bound=_Closeable)


class _Closing(contextlib.ExitStack):
    """What a test has made and what is to be closed behind it."""

    def __call__(self, made: T) -> T:
        self.callback(made.close)
        return made


@pytest.fixture
def closing() -> Iterator[_Closing]:
    with _Closing() as stack:
        yield stack


@pytest.fixture
def bad_peer(closing: _Closing) -> Callable[..., BadPeer]:
    """``bad_peer(behave, context=None) -> BadPeer``."""
    return lambda *args, **options: closing(BadPeer(*args, **options))


@pytest.fixture
def serve_nginx(
    closing: _Closing, tmp_path: Path, missing: Callable[[str], NoReturn]
) -> Callable[..., Upstream]:
    """``serve_nginx(files, certificate=, clients=, more=) -> Upstream``."""
    program = find_nginx() or missing("nginx, which .ci/run installs")
    return lambda *args, **options: closing(nginx(program, tmp_path, *args, **options))


@pytest.fixture(scope="module")
def httpbin_url() -> Iterator[str]:
    """Of httpbin on waitress."""
    with httpbin() as upstream:
        yield upstream.url


@pytest.fixture
def many_servers(closing: _Closing) -> Callable[[int], ManyServers]:
    """``many_servers(count) -> ManyServers``."""
    return lambda count: closing(ManyServers(count))


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)
