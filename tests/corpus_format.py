"""The file format of tests/corpus: HTTP messages as bytes, and what they must mean.

A file holds the cases of one theme; good and bad neighbours stand together, so that a reviewer
sees where the line is drawn.  Files are ASCII.  A case:

    --- chunk-size-with-plus
    RFC 9112 section 7.1: a size is hexadecimal digits only; int("+5", 16) would take it
    > POST / HTTP/1.1\\r\\nHost: example.com\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n
    > +5\\r\\nhello\\r\\n0\\r\\n\\r\\n
    ! 400

    --- NAME          starts a case; names are unique in the whole corpus
    RULE: WHY         the sentence of a standard that decides, and what is tried
    @ KEY VALUE       an option of the case, see ``OPTIONS``
    > BYTES           what goes over the wire; the ends of these lines are NOT sent
    = METHOD TARGET   a request that must come out (= STATUS REASON in responses)
      KEY: VALUE      a detail of that message, see ``RequestExpected``, ``ResponseExpected``
    ! STATUS          then the peer must be refused with this status
    # TEXT            a remark; empty lines are free

Escapes in BYTES and VALUE: ``\\r \\n \\t \\0 \\s`` (a space that would be lost to the eye), ``\\xNN``,
``\\\\``, ``\\{``, ``\\}``; ``{TEXT*COUNT}`` repeats TEXT (escapes and all) COUNT times.

What a case does not say of a message is not left open, it has the commonest value: version 1.1,
host example.com, no body, no trailers, the connection persists.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

__all__ = [
    "CORPUS",
    "SENTINEL",
    "Case",
    "CorpusError",
    "RequestExpected",
    "ResponseExpected",
    "decode",
    "parse",
    "read_folder",
]

CORPUS = Path(__file__).parent / "corpus"

#: The request that is pipelined behind every message: whoever answers it has found the end of that
#: message where its sender meant it to be.
SENTINEL = b"GET /sentinel HTTP/1.1\r\nHost: sentinel.example\r\nConnection: close\r\n\r\n"

#: eof               the peer closes its side after BYTES
#: waits TEXT        not refused by BYTES alone but by what follows, because TEXT
#: live STATUS TEXT  (requests) the server answers with STATUS without asking the app, because TEXT
#: method NAME       (responses) the method of the request that is being answered, else GET
#: upgrade PROTOCOL  (responses) what that request asks to upgrade to
OPTIONS = frozenset({"eof", "waits", "live", "method", "upgrade"})

_ESCAPE = re.compile(
    r"\\x(?P<hex>[0-9A-Fa-f]{2})"
    r"|\\(?P<letter>[rnt0s\\{}])"
    r"|\{(?P<text>(?:[^{}\\]|\\.)*)\*(?P<count>[1-9][0-9]*)\}"
    r"|(?P<plain>[^\\{}])"
)
_LETTERS = {"r": "\r", "n": "\n", "t": "\t", "0": "\0", "s": " "}


class CorpusError(Exception):
    """A corpus file that breaks the format; the text begins with file and line."""


@dataclass(slots=True)
class RequestExpected:
    """One request that must come out.  ``fields`` must all be there, in this order."""

    method: str
    target: str
    path: str = ""
    query: str = ""
    form: str = "origin"
    scheme: str = ""
    host: str = "example.com"
    version: str = "1.1"
    keep_alive: bool = True
    expect_continue: bool = False
    fields: list[tuple[str, str]] = field(default_factory=list)
    joined: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    trailers: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.path, _, self.query = self.target.partition("?")


@dataclass(slots=True)
class ResponseExpected:
    """One response that must come out; ``tunnel`` is what follows where it ends the use of HTTP."""

    status: int
    reason: str
    version: str = "1.1"
    keep_alive: bool = True
    fields: list[tuple[str, str]] = field(default_factory=list)
    joined: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    trailers: list[tuple[str, str]] = field(default_factory=list)
    tunnel: bytes | None = None


@dataclass(slots=True)
class Case:
    """One case; ``where`` is its file and line, ``refusal`` a status, None for a good case."""

    name: str
    where: str
    rule: str = ""
    why: str = ""
    raw: bytes = b""
    options: dict[str, str] = field(default_factory=dict)
    requests: list[RequestExpected] = field(default_factory=list)
    responses: list[ResponseExpected] = field(default_factory=list)
    refusal: int | None = None

    @property
    def eof(self) -> bool:
        return "eof" in self.options


def decode(text: str) -> bytes:
    """The bytes that ``text`` with its escapes stands for.  Raises ValueError."""
    out: list[bytes] = []
    position = 0
    while position < len(text):
        match = _ESCAPE.match(text, position)
        if match is None:
            raise ValueError(f"no such escape or repetition at {text[position : position + 12]!r}")
        if match["hex"]:
            out.append(bytes.fromhex(match["hex"]))
        elif match["letter"]:
            out.append(_LETTERS.get(match["letter"], match["letter"]).encode("ascii"))
        elif match["count"]:
            out.append(decode(match["text"]) * int(match["count"]))
        else:
            out.append(match["plain"].encode("ascii"))
        position = match.end()
    return b"".join(out)


def parse(text: str, source: str) -> Iterator[Case]:
    """The cases of one file's ``text``.  Raises CorpusError with ``source`` and line number."""
    case: Case | None = None
    for number, line in enumerate(text.split("\n"), 1):
        if not line or line.startswith("#"):
            continue
        where = f"{source}:{number}"
        try:
            if not line.isascii() or not line.isprintable() or line != line.rstrip():
                raise ValueError(r"only printable ASCII, no space at the end; write \s or \xNN")
            if line.startswith("--- "):
                if case is not None:
                    yield _complete(case)
                case = Case(line[4:], where)
            elif case is None:
                raise ValueError("a case begins with --- NAME")
            else:
                _take(case, line)
        except ValueError as error:
            raise CorpusError(f"{where}: {error}") from None
    if case is not None:
        yield _complete(case)


def read_folder(folder: Path) -> list[Case]:
    """All cases under ``folder``, in order of file name.  Raises CorpusError."""
    cases: list[Case] = []
    for file in sorted(folder.glob("*.http")):
        cases += parse(file.read_text("ascii"), f"{file.parent.name}/{file.name}")
    seen: dict[str, str] = {}
    for case in cases:
        if case.name in seen:
            raise CorpusError(f"{case.where}: {case.name} is already at {seen[case.name]}")
        seen[case.name] = case.where
    return cases


def _take(case: Case, line: str) -> None:
    """One line inside a case, told by its first character."""
    mark, _, rest = line.partition(" ")
    if not case.rule:
        case.rule, separator, case.why = line.partition(": ")
        if not separator:
            raise ValueError("the line after --- NAME is RULE: WHY")
    elif mark == ">":
        case.raw += decode(rest)
    elif mark == "@":
        key, _, value = rest.partition(" ")
        if key not in OPTIONS:
            raise ValueError(f"unknown option {key!r}; known are {', '.join(sorted(OPTIONS))}")
        case.options[key] = value
    elif mark == "=":
        first, _, second = rest.partition(" ")
        if first.isdigit():
            case.responses.append(ResponseExpected(int(first), decode(second).decode("latin-1")))
        else:
            case.requests.append(RequestExpected(first, decode(second).decode("latin-1")))
    elif mark == "!":
        case.refusal = int(rest)
    elif line.startswith("  "):
        key, separator, value = line[2:].partition(":")
        if not separator:
            raise ValueError("a detail is KEY: VALUE")
        messages = case.requests or case.responses
        if not messages:
            raise ValueError("a detail stands below its = line")
        _detail(messages[-1], key, decode(value.removeprefix(" ")))
    else:
        raise ValueError(f"a line cannot begin with {mark!r}")


def _detail(message: RequestExpected | ResponseExpected, key: str, value: bytes) -> None:
    text = value.decode("latin-1")
    kind, _, escaped = key.partition(" ")
    name = decode(escaped).decode("latin-1")
    if kind == "field":
        message.fields.append((name, text))
    elif kind == "joined":
        message.joined[name] = text
    elif kind == "trailer":
        message.trailers.append((name, text))
    elif key in ("body", "tunnel") and hasattr(message, key):
        setattr(message, key, value)
    elif key in ("keep-alive", "expect-continue") and text in ("yes", "no"):
        setattr(message, key.replace("-", "_"), text == "yes")
    elif key in ("path", "query", "form", "scheme", "host", "version") and hasattr(message, key):
        setattr(message, key, text)
    else:
        raise ValueError(f"unknown detail {key!r}")


def _complete(case: Case) -> Case:
    """``case``, after a look at what every case must have."""
    if not case.why or not case.raw:
        raise CorpusError(f"{case.where}: {case.name} lacks its RULE: WHY or its bytes")
    if not (case.requests or case.responses) and case.refusal is None:
        raise CorpusError(f"{case.where}: {case.name} expects nothing")
    return case
