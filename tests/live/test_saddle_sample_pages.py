"""README's samples of Saddle that a browser would use: forms, uploads, cookies, sessions, pages, passwords.

Each is a file of ``examples/saddle``, served as it stands and asked by curl, requests and Chromium.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests
from requests.auth import HTTPDigestAuth

from tests.live.program import LiveServer, Serve
from tests.live.test_readme_samples import CHROMIUM
from tests.live.test_saddle_samples import EXAMPLES
from tests.waiting import wait_until

NAMES = ("authorization", "cookies", "forms", "sessions", "upload")

#: Shows the page that its address names in a frame, does there what a person would, and then shows what came.
DRIVER = """<!doctype html><meta charset="utf-8"><iframe></iframe><pre></pre><script>
const [page, deed] = decodeURIComponent(location.search.slice(1)).split(";")
const frame = document.querySelector("iframe")
let shown = 0
frame.onload = () => {
  const body = frame.contentDocument.body
  if (shown++ === 0 && deed === "again") frame.contentWindow.location.reload()
  else if (shown === 1 && deed === "send") {
    const form = body.querySelector("form")
    const chosen = new DataTransfer()
    chosen.items.add(new File(["of a browser"], "größe.txt", {type: "text/x-test"}))
    if (form.elements.file) form.elements.file.files = chosen.files
    form.querySelector("[type=submit]").click()
  } else document.querySelector("pre").textContent = "shown: " + body.textContent.trim()
}
frame.src = page
</script>"""

#: What README's two samples of form parameters are sent by.
FORM = """<!doctype html><meta charset="utf-8"><form action="%s" method="post">
<input name="userid" value="hansröh"><textarea name="comment">a & b = 100%%+</textarea><input type="submit">
</form>"""


@pytest.fixture
def uploads(tmp_path: Path) -> Path:
    (tmp_path / "uploads").mkdir()
    return tmp_path / "uploads"


@pytest.fixture
def server(serve_conf: Serve, tmp_path: Path, uploads: Path) -> Iterator[LiveServer]:
    spool, pages = tmp_path / "spool", tmp_path / "pages"
    spool.mkdir()
    pages.mkdir()
    (pages / "driver.html").write_text(DRIVER)
    for path in ("hello", "hello-world"):
        (pages / f"{path}.html").write_text(FORM % f"/forms/{path}")
    routes = [f"/{name} = {EXAMPLES}/{name}:app" for name in NAMES]
    conf = "\n".join(["[routes:line]", *routes, f"/pages = {pages}", ""])
    server = serve_conf(conf, env={"UPLOADS": str(uploads), "SKITAI_SPOOL_DIR": str(spool)})
    yield server
    wait_until(lambda: not list(spool.iterdir()), 5.0, "an empty spool")


@pytest.fixture
def browse(server: LiveServer, tmp_path: Path, require_program: Callable[[str], str]) -> Callable[[str], str]:
    program = require_program("chromium")

    def browse(address: str) -> str:
        run = subprocess.run(
            [
                *(program, *CHROMIUM, f"--user-data-dir={tmp_path}/profile"),
                *("--virtual-time-budget=10000", "--dump-dom", address),
            ],
            capture_output=True,
            text=True,
            timeout=60,
        )
        return run.stdout + run.stderr

    return browse


# -- forms -------------------------------------------------------------------------------------


def test_forms(server: LiveServer, session: requests.Session) -> None:
    form = {"userid": "hansroh", "comment": "ä & b"}
    assert session.get(f"{server.url}/forms/hello").text == "Post  "
    for path in ("hello", "hello-world"):
        url = f"{server.url}/forms/{path}"
        assert session.post(url, data=form).text == "Post hansroh ä & b"
        assert session.post(url, files={"x": b""}, data=form).text == "Post hansroh ä & b"
        assert session.get(url, params=form).text == "Post hansroh ä & b"
    missing = session.post(f"{server.url}/forms/hello-world", data={"comment": "x"})
    assert (missing.status_code, "'userid'" in missing.text) == (400, True)


@pytest.mark.parametrize("path", ["hello", "hello-world"])
def test_a_browser_sends_the_form(server: LiveServer, browse: Callable[[str], str], path: str) -> None:
    shown = browse(f"{server.url}/pages/driver.html?/pages/{path}.html;send")
    assert "shown: Post hansröh a &amp; b = 100%+</pre>" in shown


# -- uploads -----------------------------------------------------------------------------------


def test_a_browser_uploads(server: LiveServer, browse: Callable[[str], str], uploads: Path) -> None:
    (uploads / "größe.txt").write_text("to be overwritten")
    shown = browse(f"{server.url}/pages/driver.html?/upload/upload;send")
    assert "shown: Genious Hans Roh</pre>" in shown
    assert [path.name for path in uploads.iterdir()] == ["größe.txt"]
    assert (uploads / "größe.txt").read_text() == "of a browser"


def test_the_attributes_of_a_file(server: LiveServer, session: requests.Session, tmp_path: Path) -> None:
    files = {"file": ("C:\\größe.png", b"12345", "image/png")}
    told = session.post(f"{server.url}/upload/attributes", files=files).json()
    assert Path(told.pop("file")).parent == tmp_path / "spool"
    assert told == {"name": "größe.png", "size": 5, "mimetype": "image/png", "removed": True}


def test_save(server: LiveServer, session: requests.Session, uploads: Path) -> None:
    def save(text: str, status: int = 200, **form: str) -> str:
        files = {"file": ("a.txt", text)}
        reply = session.post(f"{server.url}/upload/save", data=form, files=files)
        assert reply.status_code == status
        return reply.text

    kept = uploads / "kept"
    save("", 500)  # there is no such folder
    assert not kept.exists()
    assert save("1", mkdir="yes") == f"{kept}/a.txt"
    assert save("2") == f"{kept}/a.1.txt"
    assert save("3", dup="u") == f"{kept}/a.2.txt"
    assert save("4", dup="o") == f"{kept}/a.txt"
    assert save("5", name="../../b.txt") == f"{kept}/b.txt"
    told = {path.name: path.read_text() for path in kept.iterdir()}
    assert told == {"a.txt": "4", "a.1.txt": "2", "a.2.txt": "3", "b.txt": "5"}


# -- cookies and sessions ----------------------------------------------------------------------


def test_cookies(server: LiveServer, session: requests.Session) -> None:
    def get(path: str, **arguments: str) -> requests.Response:
        return session.get(f"{server.url}/cookies{path}", params=arguments)

    assert [get("").text for _ in range(2)] == ["nobody yet", "hansroh"]
    assert get("/set", key="b", val="ä; b").text == "ä; b"
    assert get("/show").json() == [
        ["user_id", "b"],
        ["hansroh", "ä; b"],
        [["user_id", "hansroh"], ["b", "ä; b"]],
    ]
    assert get("/remove", key="b").text == "None"
    assert get("/show").json()[0] == ["user_id"]
    assert get("/clear").text == "0 left"
    assert (get("/show").json(), session.cookies.keys()) == ([[], [], []], [])


def test_curl_keeps_cookies_and_sessions(
    server: LiveServer, tmp_path: Path, require_program: Callable[[str], str]
) -> None:
    jar = ("-b", f"{tmp_path}/jar", "-c", f"{tmp_path}/jar", "-w", "\n")
    urls = [f"{server.url}/{path}" for path in ("cookies", "cookies", "sessions/login", "sessions/show")]
    command = [require_program("curl"), "-sS", "--noproxy", "*", *jar, *urls]
    run = subprocess.run(command, capture_output=True, text=True, timeout=20)
    last = '[["login"],[true],[["login",true]]]'
    assert run.stdout.split("\n") == ["nobody yet", "hansroh", "welcome", last, ""], run.stderr


def test_a_browser_keeps_cookies(server: LiveServer, browse: Callable[[str], str]) -> None:
    assert "shown: hansroh</pre>" in browse(f"{server.url}/pages/driver.html?/cookies;again")


def test_sessions(server: LiveServer, session: requests.Session) -> None:
    def get(path: str, **arguments: str) -> requests.Response:
        return session.get(f"{server.url}/sessions{path}", params=arguments)

    assert get("/session", hansroh="jerry").text == "jerry"
    assert get("/login").text == "welcome"
    assert get("/session", hansroh="tom").text == "jerry"
    kept = {"user_id": "jerry", "login": True}
    assert get("/show").json() == [[*kept], [*kept.values()], [[name, value] for name, value in kept.items()]]
    assert "jerry" not in session.cookies["SESSION"]
    assert get("/remove", key="login").text == "None"
    assert get("/show").json()[0] == ["user_id"]
    assert get("/clear").text == "0 left"
    assert (get("/show").json(), session.cookies.keys()) == ([[], [], []], [])


# -- who may come in ---------------------------------------------------------------------------


def test_authorization(server: LiveServer, require_program: Callable[[str], str]) -> None:
    url = f"{server.url}/authorization/hello/Hans_Roh"
    refused = requests.get(url)
    assert refused.status_code == 401
    assert 'Digest realm="Partner App Area of mysite.com"' in refused.headers["WWW-Authenticate"]
    assert requests.get(url, auth=HTTPDigestAuth("app", "iamyourpartnerapp")).text == "Hello, Hans Roh"
    assert requests.get(url, auth=HTTPDigestAuth("app", "another")).status_code == 401
    run = subprocess.run(
        [require_program("curl"), "-sS", "--noproxy", "*", "--digest", "-u", "app:iamyourpartnerapp", url],
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert run.stdout == "Hello, Hans Roh", run.stderr


def test_a_browser_by_digest(server: LiveServer, browse: Callable[[str], str]) -> None:
    url = f"{server.url}/authorization/hello/Hans_Roh"
    assert "Hello, Hans Roh" in browse(url.replace("://", "://app:iamyourpartnerapp@"))
    assert "Hello, Hans Roh" not in browse(url.replace("://", "://app:another@"))
