"""What docs/behind-a-proxy.md prints for nginx and Squid, as it stands there but for its places: a server of
ours behind the real program, and a client that lies about who it is."""

from __future__ import annotations

import http.client
import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest
import requests

from tests.live.program import REPO, LiveServer, Serve
from tests.live.upstreams import Authority, Upstream, find_nginx, free_port

PAGE = (REPO / "docs" / "behind-a-proxy.md").read_text("utf-8")

APP = """
import json

def app(environ, start_response):
    body = environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Type", "application/json")])
    seen = {name: value for name, value in environ.items() if isinstance(value, str)}
    return [json.dumps({**seen, "body": len(body)}).encode()]
"""

LIES = {
    "X-Forwarded-For": "192.0.2.1",
    "X-Forwarded-Host": "evil.example.com",
    "X-Forwarded-Proto": "ftp",
    "X-Forwarded-Port": "1",
    "X-Forwarded-Prefix": "/evil",
    "X-Real-IP": "192.0.2.1",
    "Forwarded": "for=192.0.2.1;host=evil.example.com",
}


def printed(heading: str, language: str) -> str:
    """The first block of a language below a heading."""
    part = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    found = re.search(rf"^```{language}\n(.*?)^```$", part, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


def serve_behind(serve_conf: Serve, conf: str, folder: Path, *args: str) -> LiveServer:
    (folder / "site.py").write_text(APP)  # beside the file, where `site:app` is looked for
    return serve_conf(conf, *args)


@pytest.fixture
def nginx(missing: Callable[[str], NoReturn]) -> str:
    return find_nginx() or missing("nginx, which .ci/run installs")


def test_nginx(
    serve_conf: Serve,
    nginx: str,
    tmp_path: Path,
    authority: Authority,
    closing: Callable[[Upstream], Upstream],
) -> None:
    socket = tmp_path / "skitai.sock"
    conf = printed("nginx", "ini").replace("/run/site/skitai.sock", str(socket))
    serve_behind(serve_conf, conf, tmp_path)
    port = free_port()
    certificate = authority.certificate("127.0.0.1")
    site = printed("nginx", "nginx").replace("/run/site/skitai.sock", str(socket))
    site = site.replace("listen 443 ssl;", f"listen 127.0.0.1:{port} ssl;")
    site = re.sub(r"/etc/ssl/site\.(pem|key)", str(certificate), site)
    whole = tmp_path / "nginx.conf"
    user = "user root;" if os.geteuid() == 0 else ""
    temporary = "\n".join(
        f"{kind}_temp_path {tmp_path}/{kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    whole.write_text(
        f"daemon off; pid {tmp_path}/nginx.pid; {user} error_log {tmp_path}/error.log;\n"
        f"events {{}}\nhttp {{ access_log off;\n{temporary}\n{site}}}\n"
    )
    command = [nginx, "-p", str(tmp_path), "-c", str(whole)]
    tested = subprocess.run([*command, "-t"], capture_output=True, text=True, timeout=20)
    assert tested.returncode == 0, tested.stderr
    assert "warn" not in tested.stderr
    upstream = closing(Upstream(command, port, "https").wait_ready())
    trust = str(authority.cafile)
    lies = {**LIES, "Host": "www.example.com"}
    seen = requests.get(f"{upstream.url}/a?b=c", headers=lies, timeout=10, verify=trust).json()
    assert (seen["REMOTE_ADDR"], seen["wsgi.url_scheme"]) == ("127.0.0.1", "https")
    assert (seen["HTTP_HOST"], seen["REQUEST_URI"]) == ("www.example.com", "/a?b=c")
    # nginx leaves its own word, and nobody else's.
    told = {name: value for name, value in seen.items() if "FORWARDED" in name or "REAL_IP" in name}
    assert told == {"HTTP_X_FORWARDED_FOR": "192.0.2.1, 127.0.0.1", "HTTP_X_FORWARDED_PROTO": "https"}
    large = requests.post(f"{upstream.url}/", data=b"x" * 3_000_000, timeout=20, verify=trust)
    assert large.json()["body"] == 3_000_000


def test_squid(
    serve_conf: Serve,
    tmp_path: Path,
    closing: Callable[[Upstream], Upstream],
    require_program: Callable[[str], str],
) -> None:
    program = require_program("squid")
    server = serve_behind(
        serve_conf,
        printed("Squid", "ini").replace("bind = 127.0.0.1:5000\n", ""),
        tmp_path,
    )
    port = free_port()
    site = printed("Squid", "squid").replace("http_port 80 ", f"http_port 127.0.0.1:{port} ")
    site = site.replace("127.0.0.1 parent 5000", f"127.0.0.1 parent {server.port}")
    whole = tmp_path / "squid.conf"
    user = "cache_effective_user nobody" if os.geteuid() == 0 else ""  # it does not run as root
    whole.write_text(
        f"{site}\n{user}\npid_filename {tmp_path}/squid.pid\ncache_log /dev/null\n"
        "access_log none\ncoredump_dir /\npinger_enable off\nnetdb_filename none\n"
        "shutdown_lifetime 0 seconds\n"
    )
    tested = subprocess.run(
        [program, "-k", "parse", "-f", str(whole)], capture_output=True, text=True, timeout=20
    )
    assert tested.returncode == 0, tested.stderr
    upstream = closing(Upstream([program, "-N", "-n", f"skitai{port}", "-f", str(whole)], port).wait_ready())
    # From another address than Squid's own, which is trusted.
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=10, source_address=("127.0.0.2", 0))
    client.request("GET", "/a?b=c", headers={**LIES, "Host": "www.example.com"})
    seen = json.loads(client.getresponse().read())
    client.close()
    assert (seen["REMOTE_ADDR"], seen["wsgi.url_scheme"]) == ("127.0.0.2", "http")
    assert (seen["HTTP_HOST"], seen["REQUEST_URI"]) == ("www.example.com", "/a?b=c")
    told = {name: value for name, value in seen.items() if "FORWARDED" in name or "REAL_IP" in name}
    assert told == {"HTTP_X_FORWARDED_FOR": "192.0.2.1, 127.0.0.2"}
    upstream.process.terminate()  # killed, it would leave its shared memory
    upstream.process.wait(10)
