"""Authorization, sessions and forms of Saddle with curl, requests, urllib and a browser."""

from __future__ import annotations

import re
import subprocess
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
import requests
from requests.auth import HTTPBasicAuth, HTTPDigestAuth

from tests.live.program import LiveServer, Serve
from tests.live.test_readme_samples import CHROMIUM

USER, PASSWORD = "app", "iamyourpartnerapp"

DIGEST_APP = """
from skitai.saddle import Saddle
app = Saddle(__name__)
app.authorization = "digest"
app.realm = "Partner App Area of mysite.com"
app.user = "app"
app.password = "iamyourpartnerapp"
app.digest_algorithms = {algorithms}

@app.route("/hello/<name>")
def hello(was, name="Hans Roh"):
    return "Hello, %s" % name
"""


@pytest.fixture(scope="module")
def server(serve_module: Serve) -> LiveServer:
    return serve_module("tests.live.apps.members:app", "--threads", "4")


@pytest.fixture
def curl(require_program: Callable[[str], str]) -> Callable[..., str]:
    program = require_program("curl")

    def run(*options: str) -> str:
        command = [program, "-sS", "--noproxy", "*", "--max-time", "20", "-w", " %{http_code}", *options]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_curl_by_digest(server, curl):
    account = f"{USER}:{PASSWORD}"
    url = f"{server.url}/digest"
    assert curl("--digest", "-u", account, url, url, url) == "app by Digest, 0 bytes 200" * 3
    assert curl("--anyauth", "-u", account, url).endswith("app by Digest, 0 bytes 200")
    assert curl("--digest", "-u", f"{USER}:x", url).endswith(" 401")
    assert curl("--digest", "-u", account, "-I", url).endswith(" 200")
    assert curl("--digest", "-u", account, "-d", "x" * 5000, f"{url}?a=%20b&c").endswith("5000 bytes 200")


@pytest.mark.parametrize(("algorithms", "named"), [("('SHA-256', 'MD5')", "SHA-256"), ("('MD5',)", "MD5")])
def test_curl_says_which_algorithm(serve, curl, tmp_path: Path, algorithms: str, named: str):
    (tmp_path / "digest_app.py").write_text(DIGEST_APP.format(algorithms=algorithms))
    server = serve("digest_app:app", cwd=tmp_path)
    trace = tmp_path / "trace"
    account = f"{USER}:{PASSWORD}"
    options = ("--digest", "-u", account, "-v", "--stderr", str(trace))
    assert curl(*options, f"{server.url}/hello/x") == "Hello, x 200"
    assert re.search(rf"> Authorization: Digest .*, algorithm={named}\b", trace.read_text())
    if named == "MD5":  # all that urllib can
        passwords = urllib.request.HTTPPasswordMgrWithDefaultRealm()
        passwords.add_password(None, server.url, USER, PASSWORD)
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPDigestAuthHandler(passwords)
        )
        for _ in range(3):
            assert opener.open(f"{server.url}/hello/x", timeout=10).read() == b"Hello, x"


def test_requests_by_digest(server):
    with requests.Session() as session:
        session.auth = HTTPDigestAuth(USER, PASSWORD)
        for _ in range(5):
            assert session.get(f"{server.url}/digest").text == "app by Digest, 0 bytes"
        assert session.post(f"{server.url}/digest", data=b"x" * 100_000).text == "app by Digest, 100000 bytes"
        session.auth = HTTPDigestAuth(USER, "x")
        assert session.get(f"{server.url}/digest").status_code == 401


def test_by_basic(server, curl):
    assert curl("--basic", "-u", "가:나:다", f"{server.url}/basic") == "가 by Basic 200"
    assert requests.get(f"{server.url}/basic", auth=HTTPBasicAuth(USER, PASSWORD)).text == "app by Basic"
    passwords = urllib.request.HTTPPasswordMgrWithDefaultRealm()
    passwords.add_password(None, server.url, USER, PASSWORD)
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPBasicAuthHandler(passwords)
    )
    assert opener.open(f"{server.url}/basic", timeout=10).read() == b"app by Basic"


def test_nobody_sends_a_body_before_he_may_come_in(server):
    with server.connect() as wire:
        wire.send(
            b"POST /digest HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\nExpect: 100-continue\r\n\r\n"
        )
        assert wire.read_head().status == 401


def test_a_browser_by_digest_and_with_a_form(server, require_program, tmp_path):
    program = require_program("chromium")

    def show(url: str) -> str:
        done = subprocess.run(
            [
                program,
                *CHROMIUM,
                "--virtual-time-budget=5000",
                f"--user-data-dir={tmp_path}",
                "--dump-dom",
                url,
            ],
            capture_output=True,
            text=True,
            timeout=60,
        )
        return done.stdout

    account = f"{USER}:{PASSWORD}@"
    assert "app by Digest" in show(server.url.replace("://", f"://{account}") + "/digest")
    assert "app by Digest" not in show(server.url.replace("://", "://app:x@") + "/digest")
    assert "Hans &amp; 가, 1, ['Saved.']" in show(f"{server.url}/form")
    with requests.Session() as session:
        session.get(f"{server.url}/me")
        assert session.get(f"{server.url}/me").text == "None, 2, []"


SHARING_APP = """
from skitai.saddle import Saddle
app = Saddle(__name__)
app.securekey = "ds8fdsflksdjf9879dsf;?<>Asda"

@app.route("/set")
def set_name(was, name):
    was.session.set("name", name)
    return was.render("page.html", title="<set>")

@app.route("/get")
def get(was):
    return was.app.get_template("page.html").render(title="get")
"""


def test_applications_by_path_share_the_session_and_have_templates_of_their_own(serve_conf, tmp_path: Path):
    for name in ("one", "two"):
        (tmp_path / name / "templates").mkdir(parents=True)
        (tmp_path / name / "app.py").write_text(SHARING_APP)
        page = f"{name} {{{{ title }}}}: {{{{ was.session.get('name') }}}} at {{{{ was.request.uri }}}}"
        (tmp_path / name / "templates" / "page.html").write_text(page)
    server = serve_conf(f"[routes:line]\n/one = {tmp_path}/one/app:app\n/two = {tmp_path}/two/app:app\n")
    with requests.Session() as session:
        assert (
            session.get(f"{server.url}/one/set?name=Hans").text
            == "one &lt;set&gt;: Hans at /one/set?name=Hans"
        )
        assert session.get(f"{server.url}/two/get").text == "two get: Hans at /two/get"
        assert session.cookies.get("SESSION")
    assert requests.get(f"{server.url}/two/get").text == "two get: None at /two/get"


@pytest.mark.parametrize("securekey", ["", "app.securekey = 'ds8fdsflksdjf9879dsf;?<>Asda'"])
def test_digest_where_several_processes_serve(serve, curl, tmp_path: Path, securekey: str):
    text = DIGEST_APP.format(algorithms="('SHA-256', 'MD5')") + securekey
    (tmp_path / "several_app.py").write_text(text)
    server = serve("several_app:app", "--processes", "2", cwd=tmp_path)
    auth = HTTPDigestAuth(USER, PASSWORD)
    with requests.Session() as session:
        assert [session.get(f"{server.url}/hello/x", auth=auth).text for _ in range(20)] == ["Hello, x"] * 20
    if securekey:  # each on a connection of its own, which any of the processes takes
        assert [requests.get(f"{server.url}/hello/x", auth=auth).text for _ in range(20)] == ["Hello, x"] * 20
    account = f"{USER}:{PASSWORD}"
    assert curl("--digest", "-u", account, f"{server.url}/hello/x") == "Hello, x 200"
