"""The table of scenarios: that its rows fit together, and that the applications answer as it says."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import io
from pathlib import Path
from typing import Any
from wsgiref.util import setup_testing_defaults

import pytest

from benchmarks.__main__ import arguments, entrants
from benchmarks.results import Outcome
from benchmarks.scenarios import FILES, PEERS, SCENARIOS, lay_out, peer
from benchmarks.servers import SERVERS, argv, environment
from benchmarks.wrk import SCRIPTS

scenarios = pytest.mark.parametrize("name", SCENARIOS)


@scenarios
def test_names_are_known_and_scripts_exist(name: str) -> None:
    scenario = SCENARIOS[name]
    servers = scenario.servers()
    assert set(servers) <= SERVERS.keys()
    assert len(servers) > 1
    assert all(peer(server) in PEERS for server in (*scenario.peers, *scenario.cannot))
    for server in servers:
        load = scenario.load_of(server)
        assert load.script is None or (SCRIPTS / load.script).is_file()
        assert load.batched == (load.script == "pipelined.lua")


@pytest.mark.parametrize(
    "name",
    [
        name
        for name, scenario in SCENARIOS.items()
        if scenario.app != FILES and not scenario.upstream and not scenario.load.echoes
    ],
)
def test_applications_answer_what_the_table_says(name: str) -> None:
    scenario = SCENARIOS[name]
    module, _, attribute = scenario.app.partition(":")
    request = scenario.request()
    environ: dict[str, Any] = {
        "REQUEST_METHOD": request.method,
        "PATH_INFO": request.path,
        "QUERY_STRING": "",
    }
    if request.body is not None:
        environ |= {"CONTENT_LENGTH": str(len(request.body)), "wsgi.input": io.BytesIO(request.body)}
    setup_testing_defaults(environ)
    answers = []

    def start_response(status: str, headers: list[tuple[str, str]]) -> None:
        answers.append((status, headers))

    body = getattr(importlib.import_module(module), attribute)(environ, start_response)
    if inspect.iscoroutine(body):
        body = asyncio.run(body)
    assert len(b"".join(body)) == scenario.length
    ((status, headers),) = answers
    assert status == "200 OK"
    assert ("Content-Length", str(scenario.length)) in headers


def test_peers_can_be_chosen_by_program() -> None:
    assert SCENARIOS["threads"].servers(["granian"]) == ["skitai-threads", "skitai", "granian-threads"]
    assert SCENARIOS["hello"].servers([]) == ["skitai", "skitai-log"]


def test_files_are_as_large_as_the_table_says(tmp_path: Path) -> None:
    folder = Path(lay_out(FILES, tmp_path))
    for name in ("static-1k", "static-64k", "static-10m"):
        scenario = SCENARIOS[name]
        assert (folder / scenario.load.path.lstrip("/")).stat().st_size == scenario.length


def test_every_server_has_a_command(tmp_path: Path) -> None:
    for name in SERVERS:
        words = argv(name, "app:app", 4321, tmp_path)
        assert "4321" in " ".join(words)
        assert "{" not in " ".join(words)
    assert "listen 127.0.0.1:4321; root app:app;" in (tmp_path / "nginx-4321.conf").read_text()


def test_the_shell_does_not_set_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SKITAI_THREADS", "9")
    assert "SKITAI_THREADS" not in environment("skitai")
    assert environment("skitai-pure")["SKITAI_PURE"] == "1"


def test_who_cannot_or_is_not_there_is_left_out_with_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.__main__.version", lambda name: None if name == "granian" else "1.0")
    outcome = Outcome("pipelined", "", "skitai", connections=64, rounds=1, seconds=1)
    there = entrants(outcome, ["bjoern", "granian", "waitress"])
    assert there == ["skitai", "skitai-unpipelined", "waitress"]
    assert outcome.left_out.keys() == {"bjoern", "granian"}
    assert "pip install" in outcome.left_out["granian"]
    assert outcome.versions == {"skitai": "1.0", "skitai-unpipelined": "1.0", "waitress": "1.0"}


@pytest.mark.parametrize(
    "words", ["nonsense", "hello --rounds 0", "hello --seconds 61", "hello --peers apache"]
)
def test_nonsense_is_refused(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        arguments(words.split())
    assert "error" in capsys.readouterr().err


def test_all_scenarios_unless_told() -> None:
    assert arguments([]).scenarios == list(SCENARIOS)
    assert arguments(["hello", "--peers", "nginx"]).scenarios == ["hello"]
