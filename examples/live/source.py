"""The source of a module of this folder as HTML, coloured by what Python's own tokenizer says."""

import io
import keyword
import tokenize
from functools import lru_cache
from html import escape
from pathlib import Path

__all__ = ["code", "name"]

#: The pieces of an f-string are tokens of their own from Python 3.12 on.
STRINGS = {
    tokenize.STRING,
    *(getattr(tokenize, f"FSTRING_{part}", tokenize.STRING) for part in ("START", "MIDDLE", "END")),
}


def name(file):
    return Path(file).name


@lru_cache
def code(file):
    text = Path(file).read_text(encoding="utf-8")
    starts = [0]
    for line in text.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    pieces, done = [], 0
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        kind = kind_of(token)
        begin, end = (starts[row - 1] + column for row, column in (token.start, token.end))
        if kind and done <= begin:
            pieces += [escape(text[done:begin]), f'<span class="{kind}">{escape(text[begin:end])}</span>']
            done = end
    return "".join([*pieces, escape(text[done:])])


def kind_of(token):
    if token.type == tokenize.COMMENT:
        return "comment"
    if token.type in STRINGS:
        return "string"
    if token.type == tokenize.NAME and keyword.iskeyword(token.string):
        return "keyword"
    return ""
