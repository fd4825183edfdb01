"""Every kind of request and of abuse, without a look at time or memory.

    python -m tests.live.exercise SECONDS

For servers that are watched by other means and slower for it: `tests/sanitize.py` runs this.  The
answers are judged as ever, each abuse lasts SECONDS at most, random bytes as long as all the others
together, and in the end the server must stop as it should.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.live import abusers
from tests.live.exchanges import KINDS
from tests.live.loadsite import write_site
from tests.live.program import LiveServer, skitaid_instance

EXCHANGES = 500
CONNECTIONS = 200


def exercise(server: LiveServer, seconds: float) -> None:
    address = (server.host, server.port)
    for kind in KINDS.values():
        kind(address, EXCHANGES)
    abusers.drip(address, seconds)
    abusers.never_read(address, seconds)
    abusers.rest_idle(address, seconds, CONNECTIONS)
    abusers.storm_of_resets(address, seconds, CONNECTIONS)
    abusers.flood(address, seconds)
    abusers.random_bytes(address, 5 * seconds)
    for kind in KINDS.values():
        kind(address, EXCHANGES)
    assert server.stop() == 0, server.console_text()[-4000:]


def main(seconds: float) -> None:
    for threads in (0, 4):
        with tempfile.TemporaryDirectory() as folder:
            conf = write_site(Path(folder), threads=threads, send_stall_timeout=2, keep_alive=300)
            server = LiveServer(skitaid_instance(conf, "--home", folder))
            try:
                exercise(server.wait_ready(), seconds)
            finally:
                server.kill()
        print(f"threads = {threads}: done", flush=True)


if __name__ == "__main__":
    main(float(sys.argv[1]))
