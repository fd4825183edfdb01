"""What applications may hand over, and what they are told about the rest."""

from __future__ import annotations

from typing import Any

import pytest

from skitai.core.wsgichecks import as_bytes, check_headers, parse_status


@pytest.mark.parametrize(
    ("piece", "data"),
    [(b"a", b"a"), ("sü", b"s\xc3\xbc"), (bytearray(b"b"), b"b"), (memoryview(b"c"), b"c")],
)
def test_pieces_of_a_body(piece: Any, data: bytes) -> None:
    assert as_bytes(piece) == data
    assert type(as_bytes(piece)) is bytes


@pytest.mark.parametrize("piece", [None, 1, ["a"], object()])
def test_what_is_no_piece(piece: Any) -> None:
    with pytest.raises(TypeError, match=type(piece).__name__):
        as_bytes(piece)


@pytest.mark.parametrize(
    ("status", "parsed"),
    [("200 OK", (200, "OK")), ("404 Not Found", (404, "Not Found")), ("299 ", (299, "")), ("599", (599, ""))],
)
def test_statuses(status: str, parsed: tuple[int, str]) -> None:
    assert parse_status(status) == parsed


@pytest.mark.parametrize(
    "status", ["", "OK", "20 OK", "199 Early", "101 Switching Protocols", "600 x", "\uff1200 OK"]
)
def test_what_is_no_status(status: str) -> None:
    with pytest.raises(ValueError, match="'200 OK'"):
        parse_status(status)


@pytest.mark.parametrize("status", [200, b"200 OK", None])
def test_a_status_is_a_str(status: Any) -> None:
    with pytest.raises(TypeError, match="'200 OK'"):
        parse_status(status)


def test_headers_keep_order_and_repetition() -> None:
    headers = [("Set-Cookie", "a=1"), ("X-B", "2"), ("Set-Cookie", "c=3")]
    assert check_headers(headers, pytest.fail) == (headers, None)


def test_the_connection_is_the_servers() -> None:
    told: list[str] = []
    given = [
        ("Transfer-Encoding", "chunked"),
        ("Connection", "Close"),
        ("Keep-Alive", "5"),
        ("Upgrade", "h2c"),
    ]
    assert check_headers(given, told.append) == ([("Connection", "Close")], None)
    assert [text.split(":")[0] for text in told] == [
        "header Transfer-Encoding",
        "header Keep-Alive",
        "header Upgrade",
    ]


def test_one_length_is_kept_once() -> None:
    given = [("Content-Length", "5"), ("X", "y"), ("content-length", "5")]
    assert check_headers(given, pytest.fail) == (given[:2], 5)


@pytest.mark.parametrize("lengths", [["five"], ["-1"], ["+1"], [""], ["\uff11"], ["1", "2"]])
def test_a_length_is_one_number(lengths: list[str]) -> None:
    with pytest.raises(ValueError, match="Content-Length"):
        check_headers([("Content-Length", length) for length in lengths], pytest.fail)


@pytest.mark.parametrize("field", [("X", 1), (b"X", "1"), ("X", b"1"), ("X", None)])
def test_names_and_values_are_str(field: Any) -> None:
    with pytest.raises(TypeError, match="must be str"):
        check_headers([field], pytest.fail)
