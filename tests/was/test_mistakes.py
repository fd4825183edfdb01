"""Mistakes in arguments and addresses: refused where the call is made, and nobody else is hurt."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from skitai import was

URL = "http://127.0.0.1:1/"


@pytest.mark.parametrize(
    "name", ["timeout", "connect_timeout", "first_byte_timeout", "between_bytes_timeout"]
)
@pytest.mark.parametrize("value", ["5", -1, float("nan"), (3, 5)])
def test_times_are_numbers(name: str, value: Any) -> None:
    """One that is none would fail in the loop, and with it all other calls to that host."""
    with pytest.raises(ValueError, match=rf"^{name} is a number of seconds, from 0 on, not "):
        was.get(URL, **{name: value})


@pytest.mark.parametrize("value", ["1m", -1, 1.5])
def test_sizes_are_whole_numbers(value: Any) -> None:
    with pytest.raises(ValueError, match="response_max is a number of bytes"):
        was.get(URL, response_max=value)


def test_none_is_the_default() -> None:
    defaults = dict.fromkeys(("timeout", "connect_timeout", "first_byte_timeout", "response_max"))
    assert was.get(URL, **defaults).getwait(5).code == 700


@pytest.mark.parametrize(
    ("ask", "url"), [(was.get, URL), (was.get.map, "@search/"), (lambda *a, **o: was.rpc(*a, **o).f(), URL)]
)
def test_arguments_that_there_are_not_are_named_with_those_that_there_are(ask: Any, url: str) -> None:
    text = r"a call has no argument 'allow_redirects'; it has .*redirects.*timeout"
    with pytest.raises(TypeError, match=text):
        ask(url, allow_redirects=True)


def test_two_arguments_are_given_by_place() -> None:
    with pytest.raises(TypeError, match="takes the address and data; all else is given by name"):
        was.get(URL, None, 5)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (
            {"verify": "/etc/ca.pem"},
            "verify is True or False, not '/etc/ca.pem'; authorities to believe are cafile=",
        ),
        ({"proxy": True}, "proxy is 'environment' or the URL of one, not True"),
        ({"redirects": "yes"}, "redirects is True or how many are followed, not 'yes'"),
    ],
)
def test_arguments_of_another_kind(options: dict[str, Any], text: str) -> None:
    with pytest.raises(TypeError, match=text):
        was.get(URL, **options)


@pytest.mark.parametrize("ask", [was.get.lb, was.get.map, lambda url: was.rpc.map(url).procedure()])
def test_the_address_of_one_server_is_no_cluster(ask: Any) -> None:
    with pytest.raises(
        ValueError, match=r"^\.lb and \.map ask a cluster, as @name/path; one server is asked"
    ):
        ask("http://user:secret@search.example/find")


def test_a_cluster_that_there_is_not() -> None:
    with pytest.raises(ValueError, match=r"^there is no cluster @search: clusters are sections \[@name\]"):
        was.get("@search/find?u=http://x")
    with pytest.raises(ValueError, match="there is no cluster @search:"):
        was.get.lb("search/find?u=http://x")


def test_a_call_that_is_awaited_where_no_asyncio_runs() -> None:
    """So it is if a handler of Saddle returns a call in place of its result."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        call = was.get(f"http://127.0.0.1:{silent.getsockname()[1]}/")
        with pytest.raises(
            RuntimeError, match=r"awaited where asyncio runs.*elsewhere getwait\(\) gives its"
        ):
            call.__await__().send(None)

        async def wait() -> int:
            call.cancel()
            return (await call).status

        assert asyncio.run(wait()) == 0
