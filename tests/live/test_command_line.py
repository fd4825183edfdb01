"""The command line: what it says and with which exit status it ends (DESIGN section 6)."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from skitai._constants import VERSION
from skitai.core.places import Places
from tests.live.program import LiveServer, Serve

CLEAN, FAILURE, USAGE, NO_APP, BAD_CONFIG = 0, 1, 2, 4, 78

HELLO = "tests.live.apps.hello:app"
GREEN = """import threading
real = threading.get_ident
threading.get_ident = lambda: real()
"""
GOOD = "[server]\nthreads = 3\n[routes:line]\n/ = www\n"
BAD = """[server]
thread = 3
keep_alive = soon
[routes:line]
/ = www
"""


def ended(server: LiveServer) -> tuple[int, str]:
    return server.wait(), server.console_text()


@pytest.fixture(autouse=True)
def www(tmp_path: Path) -> None:
    (tmp_path / "www").mkdir()


def test_version_says_which_build_runs() -> None:
    code, text = ended(LiveServer([sys.executable, "-m", "skitai", "--version"]))
    assert code == CLEAN
    assert VERSION in text
    assert "pure" in text or "compiled" in text


def test_an_unknown_option_is_a_usage_error(serve: Serve) -> None:
    code, text = ended(serve(HELLO, "--no-such-option", ready=False))
    assert code == USAGE
    assert "--no-such-option" in text


# --- applications


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("typo:ap", ["'ap'", "app"]),
        ("broken:app", ["ZeroDivisionError", "broken.py", "line 2"]),
        ("leaver:app", ["SystemExit"]),
    ],
)
def test_an_application_that_does_not_load_ends_the_run(
    serve: Serve, tmp_path: Path, target: str, words: list[str]
) -> None:
    (tmp_path / "typo.py").write_text("def app(environ, start_response): ...\n")
    (tmp_path / "broken.py").write_text("x = 1\n1 / 0\n")
    (tmp_path / "leaver.py").write_text("raise SystemExit(0)\n")
    code, text = ended(serve(target, cwd=tmp_path, ready=False))
    assert code == NO_APP
    for word in words:
        assert word in text
    assert "skitai/core" not in text, "our own frames are no help to the application's author"
    assert text.count("[error]") == 1, "told once"


@pytest.mark.parametrize("options", [(), ("--processes", "2")])
def test_an_application_that_replaces_threads_is_refused(
    serve: Serve, tmp_path: Path, options: tuple[str, ...]
) -> None:
    """As gevent and eventlet do."""
    (tmp_path / "green.py").write_text(GREEN)
    code, text = ended(serve("green:app", *options, cwd=tmp_path, ready=False))
    assert code == FAILURE
    assert "green:app puts something else in the place of Python's threads" in text
    assert "thread=False" in text


def test_a_target_that_is_nothing_says_what_was_looked_for(serve: Serve, tmp_path: Path) -> None:
    code, text = ended(serve("no_such_module:app", cwd=tmp_path, ready=False))
    assert code == BAD_CONFIG
    assert str(tmp_path / "no_such_module.py") in text
    assert "Traceback" not in text


def test_the_working_directory_is_on_the_import_path(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").touch()
    (tmp_path / "package" / "site.py").write_text(
        "import beside\n"
        "def make_app(word):\n"
        "    def app(environ, start_response):\n"
        "        start_response('200 OK', [('Content-Type', 'text/plain')])\n"
        "        return [word.encode() + beside.WORD]\n"
        "    return app\n"
    )
    (tmp_path / "beside.py").write_text("WORD = b' beside'\n")
    server = serve("package.site:make_app('made')", cwd=tmp_path)
    with server.connect() as wire:
        assert wire.get("/").text == "made beside"


# --- configuration


def test_each_mistake_is_named_with_its_line_and_the_nearest_key(serve_conf: Serve, tmp_path: Path) -> None:
    code, text = ended(serve_conf(BAD, ready=False))
    assert code == BAD_CONFIG
    assert f"{tmp_path / 'test.conf'}:2" in text
    assert "threads" in text
    assert f"{tmp_path / 'test.conf'}:3" in text
    assert "soon" in text
    assert "Traceback" not in text


def test_a_missing_file_is_named(serve_conf: Serve, tmp_path: Path) -> None:
    conf = tmp_path / "test.conf"
    conf.write_text(GOOD)
    code, text = ended(serve_conf(conf, "-f", str(tmp_path / "other.conf"), ready=False))
    assert code in (FAILURE, BAD_CONFIG)
    assert "other.conf" in text
    assert "Traceback" not in text


def test_a_name_that_is_no_configuration_says_where_it_was_looked_for(
    serve_conf: Serve, tmp_path: Path
) -> None:
    conf = tmp_path / "test.conf"
    conf.write_text(GOOD)
    code, text = ended(serve_conf(conf, "-f", "test", ready=False))
    assert code == BAD_CONFIG
    assert f"looked for {tmp_path / 'test'} and " in text
    assert "did you mean test.conf?" in text


def test_a_user_without_a_home_gets_a_place_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """A container's uid without a name: Path.home() raises RuntimeError there."""
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    assert Places.find(None).logs == Path("/.skitai/log")


def test_every_line_of_a_complaint_says_who_complains(serve_conf: Serve) -> None:
    _, text = ended(serve_conf(BAD, ready=False))
    assert len(text.splitlines()) == 2
    assert all(line.startswith("skitai: ") for line in text.splitlines())


def test_options_are_not_abbreviated(serve: Serve) -> None:
    code, text = ended(serve(HELLO, "--thread", "3", ready=False))
    assert code == USAGE
    assert "--thread" in text


@pytest.mark.parametrize(("conf", "status"), [(GOOD, CLEAN), (BAD, BAD_CONFIG)])
def test_the_test_option_only_checks(serve_conf: Serve, conf: str, status: int) -> None:
    code, text = ended(serve_conf(conf, "-t", ready=False))
    assert code == status
    assert "listening on" not in text


def test_print_config_shows_values_and_where_they_come_from(serve_conf: Serve) -> None:
    server = serve_conf(
        GOOD, "--print-config", "--keep-alive", "7", env={"SKITAI_QUEUE_MAX": "9"}, ready=False
    )
    assert server.wait() == CLEAN
    lines = [line.strip() for line in server.stdout_text().splitlines()]

    def line_of(key: str) -> str:
        [line] = [line for line in lines if line.split("=")[0].strip() == key]
        return line

    assert "3" in line_of("threads")
    assert "7" in line_of("keep_alive")
    assert "--keep-alive" in line_of("keep_alive")
    assert "9" in line_of("queue_max")
    assert "SKITAI_QUEUE_MAX" in line_of("queue_max")


def test_the_command_line_wins_over_the_environment(serve: Serve) -> None:
    env = {"SKITAI_BODY_MAX": "5"}
    server = serve(HELLO, env=env)
    with server.connect() as wire:
        assert wire.post("/", b"123456").status == 413
    server = serve(HELLO, "--body-max", "6", env=env)
    with server.connect() as wire:
        assert wire.post("/", b"123456").status == 200
