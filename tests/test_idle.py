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
        "platform",
        "psycopg2",
        "shutil",
        "ssl",
        "subprocess",
        "tempfile",
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
#: What a site has: TLS, an application of Saddle's, calls that were not made yet.
SITE = """
import sys
import skitai.server, skitai.cli.serving, skitai.core.tls
from skitai import was
from skitai.saddle import Saddle
app = Saddle(__name__)
app.route("/")(lambda was: "")
assert app.test_client
was.get.__call__
import skitai.was._call, skitai.was._results, skitai.core.outbound.client
print(*sys.modules)
"""
UNWANTED_OF_A_SITE = {
    *("asyncio", "concurrent.futures", "cryptography", "difflib", "email", "http.client", "http.cookiejar"),
    # Charsets of forms, of which most sites never see one.
    *("encodings.gb18030", "encodings.cp1252"),
    *("jinja2", "multipart", "psycopg2", "skitai.core.awaiting", "skitai.saddle.testclient", "subprocess"),
    *("urllib.request", "wsgiref.validate", "xml", "xmlrpc"),
}


def loaded(script: str) -> set[str]:
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_a_server_loads_what_it_serves_with() -> None:
    assert not UNWANTED & loaded(SCRIPT)


def test_a_site_loads_what_it_answers_with() -> None:
    assert not UNWANTED_OF_A_SITE & loaded(SITE)
