"""What a statement may do to its session, as its text says: who may share a connection with others.

Only what is certainly one SELECT, INSERT, UPDATE, DELETE or VALUES, also behind WITH, shares.  It is read as
PostgreSQL's scanner reads it ("Lexical Structure" in its documentation), as far as that needs to be known:
comments, strings, quoted names and dollar quotes are passed over, words are looked at.  Whatever is read in
two ways by two settings (a backslash in a plain string), cannot be known (a placeholder inside of a string or
a comment) or is long is not shared; that costs time only.

What words cannot tell: what functions do that somebody has written.  One that changes its session, and does
so beyond its transaction, must not be called outside of ``begin()``.

Any thread.
"""

from __future__ import annotations

import functools
import re
from typing import Any, Final, NamedTuple

__all__ = ["Shape", "shape_of"]

#: Longer texts are not read; they are written once, with all their values in them.
_LENGTH_MAX: Final = 8192

_TOKEN: Final = re.compile(
    r"""
      (?P<space> \s+ | --[^\r\n]* | /\*(?:(?!\*/|/\*).)*\*/ )      # a comment in a comment is not read
    | (?P<escaped> [eE]'(?:[^'\\]|\\.|'')*' )
    | (?P<string> (?:[bBxXnN]|[uU]&)?'(?:[^']|'')*' )
    | (?P<dollar> \$(?P<tag>(?:[^\W\d]\w*)?)\$.*?\$(?P=tag)\$ )
    | (?P<quoted> (?:[uU]&)?"(?:[^"]|"")*" )
    | (?P<placeholder> %(?:s|\([^()]*\)s) )
    | (?P<number> (?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)? )
    | (?P<word> [^\W\d][\w$]* )
    | (?P<other> (?!/\*)[^'"$\\] )                                   # not `$1`, nor what is not closed
    """,
    re.VERBOSE | re.DOTALL,
)

_PLACEHOLDER: Final = re.compile(r"%[s(]")
_READS: Final = frozenset({"select", "values"})
_CHANGES: Final = frozenset({"insert", "update", "delete"})
#: Functions that leave something in the session or take something out of it, and the view through which its
#: settings are changed.  Locks of a transaction are none of them: it ends with the statement.
_OF_THE_SESSION: Final = re.compile(
    r"set_config|setseed|currval|lastval|pg_settings|dblink\w*|lo_\w+|pg_(?:try_)?advisory_(?:un)?lock\w*"
    r"|pg_listening_channels|pg_replication_\w+|pg_logical_\w+|pg_my_temp_schema|pg_export_snapshot"
    r"|pg_stat_clear_snapshot|pg_cursors|pg_prepared_statements"
)
#: Functions that do nothing but compute, and words that may stand before a parenthesis.
_PURE: Final = re.compile(
    r"abs|all|and|any|array|array_agg|as|avg|between|bit_length|by|case|cast|ceil|ceiling|"
    r"char|char_length|coalesce|concat|concat_ws|count|current_date|date_part|date_trunc|"
    r"decode|dense_rank|distinct|else|encode|every|except|exists|extract|filter|first_value|"
    r"floor|format|from|generate_series|greatest|group|grouping|having|ilike|in|initcap|intersect|interval|"
    r"is|join|json_agg|json_build_object|jsonb_agg|jsonb_build_object|lag|last_value|lateral|"
    r"lead|least|left|length|like|limit|lower|lpad|ltrim|materialized|max|md5|min|mod|not|"
    r"now|nullif|numeric|octet_length|offset|on|or|over|overlay|partition|percentile_cont|"
    r"percentile_disc|position|power|random|rank|recursive|regexp_replace|repeat|replace|"
    r"reverse|right|round|row|row_number|row_to_json|rpad|rtrim|select|sign|similar|some|"
    r"split_part|sqrt|starts_with|string_agg|substr|substring|sum|then|time|timestamp|to_char|"
    r"to_date|to_number|to_timestamp|translate|trim|trunc|union|unnest|upper|using|values|"
    r"varchar|when|where|with|within"
)


class Shape(NamedTuple):
    """``key`` is the text without its values, white space and comments.  ``reads_only``: it has no effect at
    all, so it may run twice."""

    is_shareable: bool
    reads_only: bool = False
    key: str = ""


_UNKNOWN: Final = Shape(False)


def shape_of(sql: Any, has_params: bool) -> Shape:
    """``sql`` as psycopg2 takes it.  Placeholders are such only where there are parameters."""
    if isinstance(sql, bytes):
        try:
            sql = sql.decode()
        except UnicodeDecodeError:
            return _UNKNOWN
    if not isinstance(sql, str) or len(sql) > _LENGTH_MAX:
        return _UNKNOWN
    return _shape_of(sql, has_params)


@functools.lru_cache(maxsize=2048)
def _shape_of(sql: str, has_params: bool) -> Shape:
    tokens = _tokens(sql, has_params)
    if tokens is None:
        return _UNKNOWN
    while tokens and tokens[-1] == ";":
        tokens.pop()
    words = set(tokens)
    verb = tokens[0] if tokens else ""
    if ";" in words or not (verb in _READS or verb in _CHANGES or verb == "with"):
        return _UNKNOWN
    if any(_OF_THE_SESSION.fullmatch(word.strip('"')) for word in words) or _makes_table(tokens):
        return _UNKNOWN
    changes = words & _CHANGES
    reads_only = not changes and "merge" not in words and "for" not in words and _calls_pure_ones(tokens)
    return Shape(True, reads_only, " ".join(tokens))


def _tokens(sql: str, has_params: bool) -> list[str] | None:
    """Words in small letters, values as ``?``, quoted names and what else there is as it stands; None: it
    cannot be known how the server reads it."""
    tokens: list[str] = []
    place = 0
    while place < len(sql):
        match = _TOKEN.match(sql, place)
        if match is None:
            return None
        place = match.end()
        kind, text = str(match.lastgroup), match[0]
        if kind == "tag":
            kind = "dollar"
        is_whole = kind not in ("placeholder", "other")
        if has_params and is_whole and _PLACEHOLDER.search(text.replace("%%", "")):
            return None
        if kind == "space":
            continue
        if kind in ("string", "quoted") and "\\" in text:
            return None
        if kind == "word":
            tokens.append(text.lower())
        elif kind in ("quoted", "other") or (kind == "placeholder" and not has_params):
            tokens.append(text)
        else:
            tokens.append("?")
    return tokens


def _makes_table(tokens: list[str]) -> bool:
    """SELECT INTO, which makes a table, a temporary one too."""
    return any(
        token == "into" and before not in ("insert", "merge")
        for before, token in zip(["", *tokens], tokens, strict=False)
    )


def _calls_pure_ones(tokens: list[str]) -> bool:
    """Every name with a parenthesis behind it is known to do nothing; nor does an operator, for those of
    PostgreSQL are such."""
    return all(
        token != "(" or _PURE.fullmatch(before) or not (before[:1].isalpha() or before[:1] in '_"')
        for before, token in zip(["", *tokens], tokens, strict=False)
    )
