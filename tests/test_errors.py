"""What the errors say, and what they refuse to say."""

from __future__ import annotations

import pytest

from skitai.errors import ConfigError, HTTPError, RemoteProtocolError


@pytest.mark.parametrize("status", [400, 404, 599])
def test_an_http_error_is_the_status_to_answer_with(status: int) -> None:
    error = HTTPError(status, "why")
    assert (error.status, error.why, str(error)) == (status, "why", f"{status} why")


@pytest.mark.parametrize("status", [0, 99, 200, 302, 399, 600])
def test_a_status_that_is_no_error_is_refused_where_it_is_raised(status: int) -> None:
    """Later, the server could only cut the connection."""
    with pytest.raises(ValueError, match=f"{status} is no status of an error"):
        HTTPError(status)


def test_a_protocol_error_names_the_rule() -> None:
    error = RemoteProtocolError("two Hosts", rule="RFC 9112 section 3.2")
    assert (str(error), error.status) == ("two Hosts (RFC 9112 section 3.2)", 400)


@pytest.mark.parametrize(
    ("file", "line", "hint", "text"),
    [
        ("a.conf", 3, "keep one", "a.conf:3: wrong; keep one"),
        ("a.conf", 0, "", "a.conf: wrong"),
        ("", 0, "keep one", "wrong; keep one"),
    ],
)
def test_a_config_error_is_one_line(file: str, line: int, hint: str, text: str) -> None:
    assert str(ConfigError("wrong", file=file, line=line, hint=hint)) == text
