"""Processes without a server that ask by the clusters of a configuration."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from skitai import was
from skitai._kernels import engine
from skitai.core.config import ConfigErrors, load
from skitai.was import _provider
from tests.core.outbound.peers import Client, Peer, answers

REPO = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As in a process that has asked nobody yet."""
    fresh = _provider._Provider()
    monkeypatch.setattr(_provider, "_provider", fresh)
    yield
    for made in fresh.own:
        made.close(5)
        made.loop.stop()


@pytest.fixture
def members() -> Iterator[list[Peer]]:
    peers = [Peer(answers()), Peer(answers())]
    yield peers
    for peer in peers:
        peer.close()


def conf(peers: list[Peer], name: str = "c") -> str:
    return f"[@{name}]\nmembers = {', '.join(f'127.0.0.1:{peer.port}' for peer in peers)}\n"


def test_a_file_a_text_and_settings(members: list[Peer], tmp_path: Path) -> None:
    (tmp_path / "site.conf").write_text(conf(members, "file"))
    was.configure(tmp_path / "site.conf")
    assert [result.text for result in was.get.map("@file/").getswait(5)] == ["hello", "hello"]
    was.configure(str(tmp_path / "site.conf"))
    assert was.get.lb("@file/").getwait(5).text == "hello"
    was.configure(text=conf(members, "text"))
    assert was.get("@text/").getwait(5).text == "hello"
    was.configure(load(None, text=conf(members, "settings")))
    assert was.get("@settings/").getwait(5).text == "hello"
    with pytest.raises(ValueError, match="no cluster @file; those there are: @settings"):
        was.get("@file/")


def test_the_remedy_is_told() -> None:
    with pytest.raises(ValueError, match=r"a script can have them by was\.configure"):
        was.get("@c/")


def test_its_limits_and_variables_count_too(members: list[Peer], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SKITAI_CALL_CONNECT_TIMEOUT", "3")
    was.configure(text="[server]\ncall_timeout = 7\nnum_result_cache_max = 5\n" + conf(members))
    by = _provider.reach()
    assert (by.limits.call_timeout, by.limits.call_connect_timeout) == (7, 3)
    assert was.status("RCACHE", fancy=False)["RCACHE"]["most"] == 5


def test_what_is_wrong_is_told_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "site.conf").write_text("[@c]\nmembers = a:b:c\n")
    with pytest.raises(ConfigErrors, match=r"site\.conf:2"):
        was.configure(tmp_path / "site.conf")
    with pytest.raises(ConfigErrors, match=r"none\.conf"):
        was.configure(tmp_path / "none.conf")
    with pytest.raises(TypeError, match="path of a configuration"):
        was.configure()


def test_calls_under_way_go_on(members: list[Peer]) -> None:
    may_answer = threading.Event()

    def slow(client: Client) -> None:
        client.request()
        may_answer.wait(5)
        client.answer()

    peer = Peer(slow)
    call = was.get(f"http://127.0.0.1:{peer.port}/")
    was.configure(text=conf(members))
    assert was.get("@c/").getwait(5).text == "hello"
    may_answer.set()
    assert call.getwait(5).text == "hello"
    peer.close()


def test_a_server_has_its_own() -> None:
    loop = engine.EventLoop(print)
    was.provide(loop, report=print, warn=print)
    with pytest.raises(RuntimeError, match="clusters of its own configuration"):
        was.configure(text="")
    loop.stop()
    loop.run()


def test_children_have_them_too(members: list[Peer], tmp_path: Path) -> None:
    """As those of gunicorn, which has loaded the application in their parent."""
    script = (
        "import os, sys\n"
        "from skitai import was\n"
        "was.configure(text=sys.argv[1])\n"
        "print(was.get('@c/').getwait(5).text, flush=True)\n"
        "child = os.fork()\n"
        "if not child:\n"
        "    print(was.get('@c/').getwait(5).text, flush=True)\n"
        "    sys.exit(7)\n"
        "assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, conf(members)],
        env={**os.environ, "PYTHONPATH": str(REPO)},
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, b"hello\nhello\n"), done.stderr.decode()
