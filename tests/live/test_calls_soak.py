"""How many handlers may wait for others at once, of one server on a quiet machine (`make soak`)."""

from __future__ import annotations

import re
import resource
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.live.crowd import Crowd
from tests.live.program import LiveServer, Serve
from tests.live.test_parking_live import only_parked
from tests.live.upstreams import ManyServers

pytestmark = [
    pytest.mark.soak,
    only_parked,
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc"),
]

HANDLER = """
from skitai.saddle import Saddle

app = Saddle(__name__)


@app.route("/wait")
def wait(was, port):
    return was.get(f"http://127.0.0.1:{port}/", timeout=20).getwait().data
"""

#: A client's connection and the handler's own, of each; and some more.
MOST = min(10_000, (resource.getrlimit(resource.RLIMIT_NOFILE)[1] - 200) // 2)


@pytest.fixture
def server(serve_conf: Serve, tmp_path: Path) -> LiveServer:
    (tmp_path / "waiting_app.py").write_text(HANDLER)
    return serve_conf(
        "[server]\nmaster = no\nthreads = 4\naccess_log = no\nresponse_timeout = 30\n"
        "connections_max = 20000\ncall_connections_max = 20000\ncall_connections_per_host_max = 20000\n"
        f"[routes:line]\n/ = {tmp_path}/waiting_app:app\n"
    )


@pytest.mark.parametrize(("count", "seconds", "mebibytes"), [(2000, 2.5, 150), (MOST, 8.0, 300)])
def test_handlers_that_wait_for_a_slow_server(
    server: LiveServer,
    many_servers: Callable[[int], ManyServers],
    count: int,
    seconds: float,
    mebibytes: int,
) -> None:
    """Each waits for a second, by a plain `getwait`, on a connection of its own."""
    slow = many_servers(1)
    slow.delay(0, 1.0)
    crowd = Crowd(server, count)
    waited = crowd.ask(f"/wait?port={slow.ports[0]}")
    crowd.close()
    assert slow.seen()["connections"] == [count]
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    found = re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
    assert found
    most = int(found[1]) // 1024
    print(
        f"{count}: half waited {waited[count // 2]:.2f} s, none over {waited[-1]:.2f} s; {most} MiB at most"
    )
    assert waited[-1] < seconds
    assert most < mebibytes
