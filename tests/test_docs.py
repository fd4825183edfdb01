"""The documentation is true: its code runs, its files load, its commands parse, its links lead somewhere.

A fenced block says by its first words what it is: ``ini`` is a configuration file (``ini skitaid`` that of
the daemon), ``python`` compiles, ``python app`` answers a request, ``python saddle`` those of its comments,
``sh`` has commands; so have units (``systemd``), images (``dockerfile``) and manifests (``yaml``)."""

from __future__ import annotations

import asyncio
import importlib.util
import io
import json
import re
import shlex
import sys
import textwrap
from argparse import ArgumentParser
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any
from wsgiref.util import setup_testing_defaults

import pytest

from skitai.cli import instance, main, skitaid, smtpda
from skitai.core.config import load
from skitai.core.config.daemon import load_daemon
from skitai.core.config.settings import TABLES
from skitai.core.coroutines import is_async_iterable, is_asynchronous
from skitai.core.filewrapper import FileWrapper
from skitai.core.places import Places
from skitai.launch import ExitCode
from skitai.limits import FormLimits, Limits
from tests.saddle.asking import ask

REPO = Path(__file__).resolve().parent.parent
DOCS = sorted((REPO / "docs").rglob("*.md"))
PAGES = [
    *DOCS,
    *(
        REPO / name
        for name in ("README.md", "ARCHITECTURE.md", "CHANGES.md", "CONTRIBUTING.md", "SECURITY.md")
    ),
]

FENCE = re.compile(r"^```(?P<info>.*)\n(?P<text>(?:.*\n)*?)^```$", re.MULTILINE)
LINK = re.compile(r"(?<!!)\[[^\]]*\]\((?P<target>[^)\s]+)\)")
HEADING = re.compile(r"^#{1,6} (?P<text>.+)$", re.MULTILINE)
#: ``# GET /hello?name=Hans -> 200 Hello Hans``, or behind the target a body, which is a form or JSON.
REQUEST = re.compile(
    r"^# (?P<method>[A-Z]+) (?P<target>\S+)(?: (?P<body>\S+))? -> (?P<code>\d{3}) ?(?P<text>.*)$",
    re.MULTILINE,
)
CODE = re.compile(r"`[^`\n]*`")


@dataclass(frozen=True)
class Block:
    page: Path
    line: int
    info: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"


def blocks(*infos: str) -> list[Block]:
    """The fenced blocks of all pages that are marked so."""
    return [
        Block(page, text.count("\n", 0, match.start()) + 1, match["info"], match["text"])
        for page in PAGES
        for text in [page.read_text("utf-8")]
        for match in FENCE.finditer(text)
        if match["info"] in infos
    ]


def prose(page: Path) -> str:
    """A page without its fenced blocks: what Markdown sees."""
    return FENCE.sub("", page.read_text("utf-8"))


def anchor(heading: str) -> str:
    """The name that GitHub gives to a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def table_below(page: Path, heading: str) -> list[list[str]]:
    """The cells of the rows of all tables from ``heading`` to the next one of its rank or higher."""
    rank = heading.partition(" ")[0]
    _, found, rest = page.read_text("utf-8").partition(f"\n{heading}\n")
    assert found, f"{page.name} has no heading {heading!r}"
    part = re.split(rf"^#{{1,{len(rank)}}} ", rest, maxsplit=1, flags=re.MULTILINE)[0]
    rows = [line.strip("|").split("|") for line in part.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in rows]


# --- what can be run


def test_every_block_says_what_it_is() -> None:
    assert not blocks("")


@pytest.mark.parametrize("block", blocks("ini"), ids=str)
def test_a_configuration_loads(block: Block, tmp_path: Path) -> None:
    for folder in ("errors", "files", "private"):  # of the examples: some keys want theirs to be there
        (tmp_path / folder).mkdir()
    settings = load(tmp_path / "site.conf", text=block.text)
    assert settings.listeners


@pytest.mark.parametrize("block", blocks("ini skitaid"), ids=str)
def test_a_configuration_of_the_daemon_loads(block: Block, tmp_path: Path) -> None:
    (tmp_path / "smtp-password").write_text("secret")
    file = tmp_path / "skitaid.conf"
    file.write_text(block.text.replace("/etc/skitaid/", ""))
    load_daemon(Places.find(str(tmp_path)), file)


@pytest.mark.parametrize("block", blocks("python"), ids=str)
def test_code_compiles(block: Block) -> None:
    # README's sequence of hooks is the body of a function.
    compile(f"def body():\n{textwrap.indent(block.text, '    ')}", str(block), "exec")


@pytest.mark.parametrize("block", blocks("python saddle"), ids=str)
def test_a_saddle_application_answers_as_it_is_said(block: Block) -> None:
    namespace: dict[str, Any] = {"__name__": "app", "__file__": __file__}
    exec(compile(block.text, str(block), "exec"), namespace)
    requests = list(REQUEST.finditer(block.text))
    assert requests
    for request in requests:
        body = request["body"] or ""
        kind = "application/json" if body.startswith("{") else "application/x-www-form-urlencoded"
        environ = {"CONTENT_TYPE": kind} if body else {}
        reply = ask(namespace["app"], request["target"], request["method"], body.encode(), **environ)
        assert reply.code == int(request["code"]), request[0]
        assert request["text"] in reply.text, request[0]


@pytest.mark.parametrize("block", blocks("json"), ids=str)
def test_json_can_be_read(block: Block) -> None:
    """One value, or one in each line, as logs have them."""
    lines = block.text.splitlines()
    for text in lines if all(line.startswith("{") and line.endswith("}") for line in lines) else [block.text]:
        json.loads(text)


async def awaited(result: Any) -> bytes:
    if is_async_iterable(result):
        return b"".join([piece async for piece in result])
    return b"".join(await result)


@pytest.mark.parametrize("block", blocks("python app"), ids=str)
def test_an_application_answers(block: Block) -> None:
    namespace: dict[str, Any] = {"__name__": "app", "__file__": __file__}
    exec(compile(block.text, str(block), "exec"), namespace)
    environ: dict[str, Any] = {"wsgi.input": io.BytesIO(b"body"), "CONTENT_LENGTH": "4"}
    setup_testing_defaults(environ)
    environ.update({"QUERY_STRING": "", "wsgi.file_wrapper": FileWrapper})
    environ["wsgi.errors"] = io.StringIO()
    statuses: list[str] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        statuses.append(status)
        return lambda data: None

    result = namespace["app"](environ, start_response)
    body = asyncio.run(awaited(result)) if is_asynchronous(result) else b"".join(result)
    if hasattr(result, "close"):
        result.close()
    assert statuses in (["200 OK"], ["204 No Content"])
    assert bool(body) == (statuses == ["200 OK"])


#: The parsers of our commands, which know what can be typed.
PARSERS: dict[str, ArgumentParser] = {
    "skitai": main.command_parser(),
    "skitaid": skitaid.command_parser(),
    "skitaid-instance": instance.command_parser(),
    "skitaid-smtpda": smtpda.command_parser(),
}


#: Where a command of another kind of file stands, as a line of a shell or as a list in JSON.
COMMAND = re.compile(r"^\s*(?:ExecStart=|CMD |args: )(?P<command>.+)$", re.MULTILINE)

#: What else is typed.  A name that is not here is a misspelt one, or has to be added.
PROGRAMS = {
    *(
        "apt-get",
        "bash",
        "brotli",
        "cd",
        "certbot",
        "curl",
        "docker",
        "git",
        "gunicorn",
        "gzip",
        "kill",
        "make",
        "openssl",
    ),
    *("pip", "python", "python3", "systemctl", "zstd"),
}


def lines_to_type() -> Iterator[tuple[str, list[str]]]:
    """Commands of all blocks, without variables and ``sudo`` in front of them."""
    for block in blocks("sh"):
        for line in block.text.splitlines():
            for part in re.split(r" && | \| ", line):
                words = shlex.split(part, comments=True)
                while words and (re.fullmatch(r"[A-Z_]+=.*", words[0]) or words[0] == "sudo"):
                    words.pop(0)
                if words:
                    yield f"{block}: {line}", words
    for block in blocks("systemd", "dockerfile", "yaml"):
        for match in COMMAND.finditer(block.text):
            command = match["command"]
            yield f"{block}: {command}", json.loads(command) if command[0] == "[" else shlex.split(command)


def commands() -> Iterator[tuple[str, list[str]]]:
    for where, words in lines_to_type():
        name = Path(words[0]).name
        if name in PARSERS:
            yield where, [name, *words[1:]]


def test_every_program_has_a_name_that_is_known() -> None:
    names = {Path(words[0]).name for _, words in lines_to_type()}
    assert names <= PROGRAMS | PARSERS.keys()


def test_units_images_and_manifests_start_us() -> None:
    kinds = {where.partition(":")[0] for where, _ in commands()}
    assert {"running.md", "deploying.md"} <= kinds
    infos = [block.info for block in blocks("dockerfile", "yaml") for _ in COMMAND.finditer(block.text)]
    assert sorted(infos) == ["dockerfile", "yaml"]


def test_the_manifest_gives_enough_time_to_end() -> None:
    (manifest,) = (block.text for block in blocks("yaml") if "terminationGracePeriodSeconds" in block.text)
    grace = int(re.findall(r"terminationGracePeriodSeconds: (\d+)", manifest)[0])
    arguments = json.loads(re.findall(r"args: (.+)", manifest)[0])
    drain = int(arguments[arguments.index("--drain-delay") + 1])
    period = int(re.findall(r"periodSeconds: (\d+)", manifest)[0])
    assert period < drain
    assert drain + TABLES["server"]["shutdown_timeout"].default < grace
    for name in ("--bind", "--admin"):
        assert f"containerPort: {arguments[arguments.index(name) + 1].lstrip(':')}}}" in manifest


@pytest.mark.parametrize("words", [words for _, words in commands()], ids=[name for name, _ in commands()])
def test_a_command_can_be_typed(words: list[str]) -> None:
    PARSERS[words[0]].parse_args(words[1:])


# --- what can be compared with the code


def test_the_limits_and_their_defaults() -> None:
    page = REPO / "docs" / "limits-and-security.md"
    rows = [row for row in table_below(page, "## What a client sees") if row[0].startswith("`")]
    shown = {row[0].strip("`"): row[1].strip("`") for row in rows}
    keys = {name: TABLES["server"][name] for name in (field.name for field in Limits.table())}
    assert len(shown) == len(rows), "a limit stands there twice"
    assert shown == {name: key.kind.write(key.default) for name, key in keys.items()}


def test_the_limits_stand_below_the_status_that_their_reason_names() -> None:
    page = REPO / "docs" / "limits-and-security.md"
    for limit in Limits.table():
        status = re.search(r"\b[45][0-9][0-9]\b", limit.metadata["reason"].partition("(")[0])
        if status is not None:
            heading = re.search(rf"^### {status[0]} .+$", page.read_text("utf-8"), re.MULTILINE)
            assert heading is not None, f"no heading for {status[0]}"
            rows = table_below(page, heading[0])
            assert f"`{limit.name}`" in [row[0] for row in rows], limit.name


def test_the_limits_of_forms() -> None:
    rows = table_below(REPO / "docs" / "saddle" / "forms.md", "## Limits")
    shown = [row for row in rows if row[0].startswith("`")]
    assert shown == [
        [f"`{limit.name}`", str(limit.default), f"{limit.metadata['unit']}: {limit.metadata['reason']}"]
        for limit in FormLimits.table()
    ]


def test_the_exit_codes() -> None:
    rows = table_below(REPO / "docs" / "running.md", "## Exit codes")
    usage = 2  # argparse's own
    assert {int(row[0]) for row in rows if row[0].isdigit()} == {*ExitCode, usage}


def test_the_options_of_a_route() -> None:
    rows = table_below(REPO / "docs" / "virtual-hosts.md", "## Options of a route")
    assert {row[0].strip("`") for row in rows if row[0].startswith("`")} == set(TABLES["mount"])


# --- links


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for match in LINK.finditer(CODE.sub("", prose(page))):
        target = match["target"]
        if re.match(r"[a-z]+:", target):
            continue
        name, _, fragment = target.partition("#")
        file = page.parent / name if name else page
        assert file.exists(), f"{page.name}: {target}"
        if fragment:
            anchors = {anchor(heading["text"]) for heading in HEADING.finditer(prose(file))}
            assert fragment in anchors, f"{page.name}: {target}"


PICTURE = re.compile(r"!\[(?P<text>[^\]]*)\]\((?P<target>[^)\s]+)\)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pictures_are_there_small_and_described(page: Path) -> None:
    for match in PICTURE.finditer(prose(page)):
        assert match["text"], match[0]
        assert (page.parent / match["target"]).stat().st_size < 150_000


def test_every_page_is_in_the_index() -> None:
    docs = REPO / "docs"
    indexes = [docs / "index.md", docs / "saddle.md", docs / "api" / "index.md"]
    linked = {
        (index.parent / match["target"].partition("#")[0]).resolve()
        for index in indexes
        for match in LINK.finditer(index.read_text("utf-8"))
    }
    missing = {*DOCS} - linked - {docs / "index.md"}
    assert not missing


# --- what is generated


def generator() -> ModuleType:
    """docs/reference.py, which is no module of a package."""
    spec = importlib.util.spec_from_file_location("docs_reference", REPO / "docs" / "reference.py")
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = made  # where dataclasses look for it
    spec.loader.exec_module(made)
    return made


REFERENCE = generator()


@pytest.mark.parametrize("name", REFERENCE.PAGES)
def test_what_is_public_is_documented(name: str) -> None:
    page = REFERENCE.PAGES[name]
    assert not REFERENCE.undocumented(page)
    shown = (REPO / "docs" / "api" / f"{name}.md").read_text("utf-8")
    assert shown == REFERENCE.rendered(page), "python docs/reference.py makes it anew"


def test_all_pages_of_the_api_are_generated() -> None:
    names = {file.stem for file in (REPO / "docs" / "api").glob("*.md")}
    assert names == {*REFERENCE.PAGES, "index"}


def test_the_readme_leads_to_the_index() -> None:
    assert "(docs/index.md)" in (REPO / "README.md").read_text("utf-8")
