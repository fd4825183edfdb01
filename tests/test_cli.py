"""The command line's words: mistakes that say what to type, options of gunicorn's, `skitai new`."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from skitai.cli import gunicorn, main, skitaid
from skitai.cli.piping import ends_with_its_reader
from skitai.cli.projectfiles import FILES
from skitai.core.config import given_flags
from skitai.launch import ExitCode
from tests.test_docs import REPO, table_below

RUNNING = REPO / "docs" / "running.md"


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as ended:
        main.main(arguments)
    assert ended.value.code == 2
    return capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "for example: skitai run module:app"),
        (("rnu",), "did you mean run?"),
        (("run",), "skitai new NAME"),
        (("run", "site:app", "--wokers", "3"), "did you mean --workers?"),
        (("run", "--treads=3", "site:app"), "did you mean --threads?"),
        (("mail", "lst"), "did you mean list?"),
        (("log-level", "warn"), "did you mean warning?"),
        (("new",), "skitai new mysite"),
    ],
)
def test_a_mistake_is_two_lines_with_what_was_meant(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str
) -> None:
    text = refused(capsys, *arguments)
    assert said in text
    assert "--help" in text
    assert len(text.splitlines()) <= 3


def test_nothing_to_serve_says_how_to_get_something(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["run", "certainly_not_here:app"]) == ExitCode.CONFIG
    assert "skitai new NAME" in capsys.readouterr().err


# --- servers that cannot be asked


@pytest.mark.skipif(sys.platform == "win32", reason="servers are asked by unix sockets")
def test_who_cannot_be_asked_is_told_with_a_remedy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    run.mkdir()

    def told(*command: str) -> str:
        assert main.main([*command, "--home", str(tmp_path)]) in (ExitCode.FAILURE, ExitCode.CONFIG)
        text = capsys.readouterr().err
        assert len(text.splitlines()) <= 2
        assert "Errno" not in text
        return text

    assert "skitaid start starts it" in told("threads")
    assert "no server nosuch runs that can be asked" in told("threads", "nosuch")
    assert "skitaid start starts it" in told("reload", "nosuch")
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(run / "dead.control"))
    assert "there are: dead" in told("top", "--once", "nosuch")
    assert f"has ended, and left {run}/dead.control behind; start it: skitaid start dead" in told("drain")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(run / "odd.control"))
        listening.listen()
        talker = threading.Thread(target=_says_nothing_of_http, args=(listening,))
        talker.start()
        assert "asking the server odd" in told("state", "odd")
        talker.join()


def _says_nothing_of_http(listening: socket.socket) -> None:
    sock, _ = listening.accept()
    with sock:
        sock.recv(4096)
        sock.sendall(b"hello\r\n\r\n")


def test_a_skitaid_that_does_not_run_says_how_to_start_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert skitaid.main(["--home", str(tmp_path), "reload"]) == ExitCode.FAILURE
    assert "start it: skitaid start" in capsys.readouterr().err


# --- readers that have had enough


@pytest.mark.skipif(sys.platform == "win32", reason="Windows tells of it otherwise")
@pytest.mark.parametrize("stream", ["stdout", "stderr"])
@pytest.mark.parametrize("ending", ["return 0", "raise SystemExit(0)"])
def test_a_command_ends_without_a_word_when_nobody_reads_it(stream: str, ending: str) -> None:
    program = (
        "import sys\n"
        "from skitai.cli.piping import ends_with_its_reader\n"
        "@ends_with_its_reader\n"
        "def main(arguments):\n"
        f"    print('much', file=sys.{stream})\n"
        f"    {ending}\n"
        "sys.stdin.read()\n"  # until the reader is gone
        "sys.exit(main())\n"
    )
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, **pipes) as process:  # type: ignore[call-overload]
        read, other = process.stdout, process.stderr
        if stream == "stderr":
            read, other = other, read
        read.close()
        process.stdin.close()
        assert other.read() == b""
        assert process.wait(20) == 141


def test_another_pipe_that_broke_is_no_reader_of_ours(capsys: pytest.CaptureFixture[str]) -> None:
    @ends_with_its_reader
    def command(arguments: object) -> int:
        raise BrokenPipeError("of a socket")

    with pytest.raises(BrokenPipeError, match="of a socket"):
        command()


# --- gunicorn's options


def test_options_that_mean_the_same_set_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    line = (
        "-b 127.0.0.1:8000 -b [::1]:8000 -w 4 -t 20 --graceful-timeout 7 --access-logfile - --log-file - a:b"
    )
    options = main.command_parser().parse_args(["run", *line.split()])
    assert given_flags(options) == {
        "bind": "127.0.0.1:8000, [::1]:8000",
        "processes": "4",
        "response_timeout": "20",
        "shutdown_timeout": "7",
    }
    assert options.target == "a:b"


@pytest.mark.parametrize("name", [name for names in gunicorn.ELSEWHERE for name in names])
def test_an_option_that_means_something_else_says_what_to_use(
    capsys: pytest.CaptureFixture[str], name: str
) -> None:
    text = refused(capsys, "run", "site:app", name, "value")
    assert next(instead for names, instead in gunicorn.ELSEWHERE.items() if name in names) in text


def test_what_is_said_to_be_used_instead_is_there() -> None:
    known = main.command_parser().format_help()
    with pytest.raises(SystemExit):
        main.main(["run", "--help"])
    flags = set(re.findall(r"--[a-z][\w-]+", " ".join(gunicorn.ELSEWHERE.values())))
    parser = next(a for a in main.command_parser()._actions if a.dest == "command").choices["run"]
    assert flags <= set(parser._option_string_actions)
    assert "new" in known


def test_logs_to_a_file_are_refused_with_the_folder(capsys: pytest.CaptureFixture[str]) -> None:
    assert "--log-path" in refused(capsys, "run", "site:app", "--access-logfile", "access.log")


def test_the_page_has_both_tables() -> None:
    rows = table_below(RUNNING, "## Coming from gunicorn")
    told = {name for row in rows for name in re.findall(r"`(--?[\w-]+)`", row[0])}
    ours = {name for names in (*gunicorn.SAME.values(), *gunicorn.ELSEWHERE) for name in names}
    assert ours <= told


def test_who_names_a_certificate_serves_tls(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SKITAI_SSL", raising=False)
    for more, is_on in (
        (["--certfile", "a.pem"], True),
        (["--certfile", "a.pem", "--no-ssl"], False),
        ([], False),
    ):
        assert main.main(["run", str(tmp_path), *more, "--print-config"]) == ExitCode.CLEAN
        assert bool(re.search(r"^ssl = yes", capsys.readouterr().out, re.MULTILINE)) is is_on


# --- skitai new


def test_a_new_project_passes_its_tests_and_its_check(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "site"
    assert main.main(["new", str(folder)]) == ExitCode.CLEAN
    said = capsys.readouterr().out
    assert "skitaid-instance -v -f site.conf" in said
    assert "python -m unittest" in said
    assert {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} == set(FILES)
    tests = [sys.executable, "-m", "unittest"]
    done = subprocess.run(
        tests, cwd=folder, env={"PYTHONPATH": str(REPO)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Ran 3 tests" in done.stderr
    assert main.main(["check", str(folder / "site.conf")]) == ExitCode.CLEAN


def test_what_is_there_stays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "app.py").write_text("mine")
    assert main.main(["new", str(tmp_path)]) == ExitCode.CONFIG
    assert "is there already; name another folder" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["app.py"]


def test_a_file_in_the_way_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "site").write_text("")
    assert main.main(["new", str(tmp_path / "site" / "below")]) == ExitCode.CONFIG
    assert "cannot be made" in capsys.readouterr().err
