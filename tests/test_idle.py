"""What a server that has nothing to do with it does not load: memory of small machines."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import sys
import skitai.server, skitai.cli.serving
print(*sys.modules)
"""
#: The loaded module takes MiB, or brings all that calls, databases, e-mail or WebSockets are made with.
UNWANTED = {
    *(
        "asyncio",
        "difflib",
        "email",
        "hashlib",
        "html",
        "importlib.resources",
        "psycopg2",
        "ssl",
        "subprocess",
    ),
    *(
        "skitai._pure.websocket",
        "skitai._speedups.outbound",
        "skitai.core.outbound.client",
        "skitai.core.resolver",
        "skitai.mail.agent",
    ),
    *("skitai.proxy", "skitai.saddle", "skitai.was._postgres", "skitai.websocket.upgrades"),
}


def test_a_server_loads_what_it_serves_with() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    assert UNWANTED.isdisjoint(done.stdout.split())
