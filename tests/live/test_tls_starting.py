"""Certificates that cannot serve: told by a check and by a start, alone and under a master."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests import certificates
from tests.live.program import Serve, skitaid_instance

CONF = """[server]
ssl = yes
certfile = server.pem
keyfile = server.key
[routes:line]
/ = .
"""


@pytest.mark.parametrize("master", ["--master=no", "--master=yes"])
def test_a_missing_passphrase_ends_the_start(serve_conf: Serve, tmp_path: Path, master: str) -> None:
    certificates.server(tmp_path, passphrase=b"open sesame")
    server = serve_conf(CONF, master, ready=False)
    assert server.wait() == 78
    said = server.console_text()
    assert f"test.conf:3: the key in {tmp_path}/server.key is encrypted, and no passphrase is given" in said
    assert "listening on" not in said


def test_a_check_has_problems_and_warnings(tmp_path: Path) -> None:
    conf = tmp_path / "site.conf"
    conf.write_text(CONF)

    def check() -> tuple[int, str]:
        done = subprocess.run(skitaid_instance(conf, "-t"), capture_output=True, text=True, timeout=20)
        return done.returncode, done.stderr

    assert check() == (
        78,
        f"skitai: {conf}:3: certfile: there is no file {tmp_path}/server.pem; "
        "a name alone is looked for beside the configuration and in ../cert\n",
    )
    certificates.server(tmp_path, days=-0.01)
    code, said = check()
    assert code == 0
    assert said.startswith(f"skitai: warning: {conf}:3: the certificate in {tmp_path}/server.pem has expired")
