"""What an installation can do, asked of it by nothing but the standard library.

Run by the interpreter that Skitai is installed for, in any folder, without the tests' packages:

    python tests/smoke.py [compiled|pure]

A server of its own is started on free ports of 127.0.0.1: a WSGI application, one of Saddle's that asks
the first by `was`, files, and the same over TLS.  The first thing that is wrong is an AssertionError.  The
certificate is for localhost, made by ``skitai cert``'s module for a hundred years; its key is no secret.
"""

from __future__ import annotations

import os
import re
import ssl
import subprocess
import sys
import tempfile
import threading
import urllib.request
from pathlib import Path

CERTIFICATE = Path(__file__).resolve().with_name("smoke.pem")
#: Beyond `body_memory_max`: it goes through the spool.
LARGE = bytes(range(256)) * 2000
#: Seconds for all of it; whatever hangs is ended then.
PATIENCE = 60.0

APPLICATION = """
import asyncio

from skitai import was
from skitai.saddle import Saddle


def plain(environ, start_response):
    body = environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Type", "application/octet-stream")])
    return [environ["wsgi.url_scheme"].encode(), b" ", body]


app = Saddle(__name__)


@app.route("/ask/<int:port>")
def ask(was, port):
    result = was.get(f"http://127.0.0.1:{port}/plain").getwait(10)
    return {"status": result.code, "text": result.text}


@app.route("/later")
async def later(was):
    await asyncio.sleep(0.001)
    return "later"
"""

CONFIGURATION = """
[server]
threads = 2
[listen plain]
address = 127.0.0.1:0
[listen secure]
address = 127.0.0.1:0
ssl = yes
certfile = {certificate}
[routes:line]
/plain = smoke_application:plain
/saddle = smoke_application:app
/files = files
"""


def main(expected: str = "") -> None:
    """Raises AssertionError: something is not as it should be."""
    version = said("-m", "skitai", "--version")
    assert expected in version, f"{version.strip()}, not {expected}"
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        (folder / "smoke_application.py").write_text(APPLICATION, "utf-8")
        (folder / "files").mkdir()
        (folder / "files" / "large.bin").write_bytes(LARGE)
        conf = folder / "smoke.conf"
        conf.write_text(CONFIGURATION.format(certificate=CERTIFICATE.as_posix()), "utf-8")
        command = [sys.executable, "-m", "skitai.cli.instance", "-v", "-f", str(conf), "--home", name]
        with subprocess.Popen(command, cwd=name, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL) as server:
            ender = threading.Timer(PATIENCE, server.kill)
            ender.start()
            try:
                ask(*addresses(server))
            except BaseException:
                server.terminate()
                print(server.stderr.read().decode() if server.stderr else "", end="", file=sys.stderr)
                raise
            finally:
                server.terminate()
                code = server.wait()
                ender.cancel()
            # Windows has no way to ask a process to end.
            assert os.name != "posix" or code == 0, f"it ended with {code}"
    print(f"{version.strip()}, Python {sys.version.split()[0]}: good")


def said(*arguments: str) -> str:
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, check=True, timeout=PATIENCE
    ).stdout


def addresses(server: subprocess.Popen[bytes]) -> tuple[str, str]:
    """Where it listens, in clear text and over TLS, as it tells itself."""
    told = b""
    assert server.stderr is not None
    for line in server.stderr:
        told += line
        found = re.findall(r"https?://127\.0\.0\.1:\d+", told.decode())
        if len(found) == 2:
            plain, secure = sorted(found)
            return plain, secure
    raise AssertionError(f"it ended before it listened: {told.decode()}")


def ask(plain: str, secure: str) -> None:
    assert fetched(f"{plain}/plain") == b"http "
    assert fetched(f"{plain}/plain", LARGE) == b"http " + LARGE, "a long body"
    assert fetched(f"{plain}/files/large.bin") == LARGE, "a file"
    port = plain.rpartition(":")[2]
    assert b'"http "' in fetched(f"{plain}/saddle/ask/{port}"), "a call by was"
    assert fetched(f"{plain}/saddle/later") == b"later", "a coroutine"
    assert fetched(f"{secure}/plain") == b"https ", "TLS"
    assert fetched(f"{secure}/files/large.bin") == LARGE, "a file over TLS"


def fetched(url: str, body: bytes | None = None) -> bytes:
    context = ssl.create_default_context(cafile=CERTIFICATE)
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
    )
    with opener.open(url, data=body, timeout=20) as response:
        data: bytes = response.read()
    return data


if __name__ == "__main__":
    main(*sys.argv[1:])
