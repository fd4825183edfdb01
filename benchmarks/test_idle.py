"""What an idle server may hold: MiB of PSS (proc(5)), on the compiled build."""

from __future__ import annotations

import re
import sys

import pytest

from benchmarks import idle
from skitai import _kernels

#: With TLS, files, an application of Saddle's and `was`; and with ten thousand connections more.
IDLE_MAX = 30.0
CONNECTIONS_MAX = 30.0

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="asks /proc"),
    pytest.mark.skipif(
        _kernels.implementation() != "compiled", reason="the bounds are of the compiled build"
    ),
]


def test_a_site_that_has_nothing_to_do_is_small() -> None:
    figures = idle.measured("skitai-site", 10)
    assert figures.idle <= IDLE_MAX
    assert figures.held == 10


@pytest.mark.soak
def test_ten_thousand_idle_connections_are_held_in_little_memory() -> None:
    figures = idle.measured("skitai-site", 10_000)
    assert figures.busy - figures.idle <= CONNECTIONS_MAX
    assert figures.held == 10_000


def test_the_table_has_a_row_for_each_server(capsys: pytest.CaptureFixture[str]) -> None:
    assert idle.main(["--servers", "skitai", "--connections", "5", "--rounds", "1"]) == 0
    assert re.search(
        r"^\| skitai \| \d+ ms \| [\d.]+ MiB \| -?[\d.]+ MiB \| 5 \|$", capsys.readouterr().out, re.M
    )
