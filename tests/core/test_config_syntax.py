"""The file syntax: what is read, what is harmless, what is told with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from skitai.core.config.problems import ConfigErrors, Mistake, Problems
from skitai.core.config.syntax import Section, Style, decode, parse, read_text


def sections(text: str) -> list[Section]:
    problems = Problems("x.conf")
    found = parse(text, problems)
    problems.raise_if_any()
    return found


def pairs(text: str) -> dict[str, str]:
    (section,) = sections("[server]\n" + text)
    return {key: entry.text for key, entry in section.pairs.items()}


def complaints(text: str) -> list[str]:
    with pytest.raises(ConfigErrors) as caught:
        sections(text)
    return [str(error) for error in caught.value.errors]


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("key = value", "value"),
        ("key: value", "value"),
        ("key=value", "value"),
        ("    key =   value   ", "value"),
        ("\tkey\t=\tvalue", "value"),
        ("key = a = b", "a = b"),
        ("key = http://host:80", "http://host:80"),
        ("key : a=b", "a=b"),
        ("key =", ""),
        ('key = ""', ""),
        ('key = "a"', '"a"'),
        ("key = value ; comment", "value"),
        ("key = value\t;comment", "value"),
        ("key = ; nothing", ""),
        ("key = 10;20", "10;20"),
        ("key = a # b", "a # b"),
        ("key = ünï", "ünï"),
    ],
)
def test_a_pair(line: str, value: str) -> None:
    assert pairs(line) == {"key": value}


def test_comments_and_blank_lines_are_nothing() -> None:
    assert pairs("\n; a = 1\n# b = 2\n   ; c = 3\n\t# d = 4\n   \nkey = 5\n") == {"key": "5"}


def test_keys_are_case_sensitive() -> None:
    assert pairs("key = 1\nKey = 2") == {"key": "1", "Key": "2"}


def test_indented_lines_are_lines_of_their_own() -> None:
    (routes,) = sections("[routes:line]\n/ = static\n    /a = b\n\t/c = d ; e\n")
    assert [entry.text for entry in routes.lines] == ["/ = static", "/a = b", "/c = d"]
    assert [entry.line for entry in routes.lines] == [2, 3, 4]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_line_end_counts_as_one_line(end: str) -> None:
    (section,) = sections(end.join(["[server]", "a = 1", "", "b = 2"]))
    assert {key: (entry.text, entry.line) for key, entry in section.pairs.items()} == {
        "a": ("1", 2),
        "b": ("2", 4),
    }


@pytest.mark.parametrize(
    ("header", "title", "style"),
    [
        ("[server]", "server", Style.PAIR),
        ("  [server]  ", "server", Style.PAIR),
        ("[ server ]", "server", Style.PAIR),
        ("[server:pair]", "server", Style.PAIR),
        ("[routes:line] ; where", "routes", Style.LINE),
        ("[routes :line]", "routes", Style.LINE),
        ("[mount /a/b]", "mount /a/b", Style.PAIR),
        ("[mount   www.x.com/a]", "mount www.x.com/a", Style.PAIR),
        ("[mount /a b]", "mount /a b", Style.PAIR),
        ("[mount [::1]/a]", "mount [::1]/a", Style.PAIR),
        ("[host [::a]]", "host [::a]", Style.PAIR),
        ("[@cluster]", "@cluster", Style.PAIR),
    ],
)
def test_a_header(header: str, title: str, style: Style) -> None:
    (section,) = sections(header)
    assert (section.title, section.style, section.line) == (title, style, 1)


@pytest.mark.parametrize("header", ["[server", "[]", "[server] x", "[[]"])
def test_a_broken_header_silences_its_lines(header: str) -> None:
    (text,) = complaints(f"{header}\nwhat is this\nkey = 1\n")
    assert text == f"x.conf:1: {header!r} is no section header; write [name] or [name:line]"


def test_a_section_type_must_be_known() -> None:
    assert complaints("[routes:lines]\n/ = a") == [
        "x.conf:1: section type 'lines' is unknown; did you mean 'line'?"
    ]


def test_a_key_that_comes_twice_names_both_lines() -> None:
    assert complaints("[server]\na = 1\nb = 2\na = 3") == [
        "x.conf:4: a is set twice in [server], first in line 2; keep one"
    ]


def test_a_section_that_comes_twice_names_both_lines() -> None:
    assert complaints("[server]\na = 1\n[mount /]\n[server]\na = 2") == [
        "x.conf:4: [server] stands already in line 1; keep one"
    ]


def test_lines_before_any_section_are_told_once() -> None:
    assert complaints("threads = 4\nport = 1\n[server]\n") == [
        "x.conf:1: 'threads = 4' stands before any section; begin with [server]"
    ]


def test_a_line_that_is_no_pair() -> None:
    assert complaints("[server]\na = 1,\n   2\n= 3") == [
        "x.conf:3: '2' is not 'key = value'; a value stands on one line",
        "x.conf:4: '= 3' is not 'key = value'; a value stands on one line",
    ]


def test_control_characters_are_refused() -> None:
    assert complaints("[server]\na = 1\x002\nb = \x1b[0m") == [
        "x.conf:2: a control character in the line; take it out",
        "x.conf:3: a control character in the line; take it out",
    ]


def test_a_byte_order_mark_is_nothing() -> None:
    assert decode(b"\xef\xbb\xbf[server]\n") == "[server]\n"


def test_what_is_not_utf_8_is_told_with_its_line() -> None:
    with pytest.raises(Mistake, match=r"byte 0xfc in line 2 is not UTF-8") as caught:
        decode("[server]\nname = über".encode("latin-1"))
    assert caught.value.hint == "save the file as UTF-8"


def test_a_missing_file_names_its_nearest_sibling(tmp_path: Path) -> None:
    (tmp_path / "sample.conf").write_text("")
    with pytest.raises(Mistake, match="no such file") as caught:
        read_text(tmp_path / "smaple.conf")
    assert caught.value.hint == "did you mean 'sample.conf'?"


def test_a_folder_is_not_a_file(tmp_path: Path) -> None:
    with pytest.raises(Mistake, match="cannot be read"):
        read_text(tmp_path)
