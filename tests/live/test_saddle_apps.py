"""Saddle applications through the running server: a larger one from its folder, its life, its reloads."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
import requests

from tests.live.program import LiveServer, Serve
from tests.waiting import wait_until

#: README's larger application.
APP = """
from skitai.saddle import Saddle
from . import sub

app = Saddle (__name__)
app.debug = True
app.use_reloader = True

app.add_package (sub, "package")

@app.route ("/")
def index (was, num1, num2):
  return was.ab ("hello", "Hans Roh") # url building
"""

SUB = """
from skitai.saddle import Package
package = Package ()

@package.route ("/hello/<name>")
def hello (was):
  # can build other module's method url
  return was.ab ("index", 1, 2)
"""

#: README's life of an application, with an object that tells what is done to it.
LIFE = """
from skitai.saddle import Saddle

app = Saddle (__name__)
app.use_reloader = True

class SomeClass:
  resets = 0
  def reset (self):
    self.resets += 1
  def close (self):
    print ("myobject was closed after %d resets" % self.resets)

@app.startup
def startup (wasc, app):
  object = SomeClass ()
  wasc.registerObject ("myobject", object)

@app.onreload
def onreload (wasc, app):
  wasc.myobject.reset ()

@app.shutdown
def shutdown (wasc, app):
  wasc.myobject.close ()

@app.route ("/")
def index (was):
  return "%s resets, one" % was.myobject.resets
"""

OTHER = """
from skitai import was

def app (environ, start_response):
  start_response ("200 OK", [("Content-Type", "text/plain")])
  return [b"%d resets, seen from elsewhere" % was.myobject.resets]
"""


def folder_of(path: Path, **files: str) -> Path:
    path.mkdir()
    for name, text in files.items():
        (path / f"{name}.py").write_text(text)
    return path


def answers(session: requests.Session, url: str, text: str, status: int = 200) -> requests.Response:
    """Ask until the answer has ``text`` in it."""
    last: list[requests.Response] = []

    def asked() -> bool:
        last[:] = [session.get(url)]
        return last[0].status_code == status and text in last[0].text

    try:
        wait_until(asked, 5)
    except AssertionError:
        raise AssertionError(f"wanted {text!r}, last was {last[0].status_code} {last[0].text}") from None
    return last[0]


@pytest.fixture
def larger(tmp_path: Path, serve_conf: Serve) -> LiveServer:
    folder_of(tmp_path / "site", app=APP, sub=SUB)
    folder_of(tmp_path / "twin", app=APP.replace('"/"', '"/twin"'), sub=SUB)
    return serve_conf(f"[routes:line]\n/large = {tmp_path}/site/app:app\n/twin = {tmp_path}/twin/app:app\n")


def test_the_larger_application_of_the_readme(larger: LiveServer, session: requests.Session) -> None:
    """Beside another one whose modules have the same names."""
    reply = session.get(f"{larger.url}/large?num1=1&num2=2")
    assert (reply.status_code, reply.text) == (200, "/large/hello/Hans_Roh")
    assert session.get(f"{larger.url}{reply.text}").text == "/large?num1=1&num2=2"
    assert session.get(f"{larger.url}/twin/hello/x").text == "/twin/twin?num1=1&num2=2"


def test_an_annotation_that_cannot_be_read_is_told_in_the_log(tmp_path: Path, serve_conf: Serve) -> None:
    text = APP.replace("(was, num1, num2)", "(was, num1: Imt, num2)")
    folder_of(tmp_path / "site", app=f"from __future__ import annotations\n{text}", sub=SUB)
    server = serve_conf(f"[routes:line]\n/ = {tmp_path}/site/app:app\n")
    server.wait_for_text(r"\[warn:skitai\.saddle.*\] index\(\): the annotation Imt of the argument 'num1'")


def test_a_changed_package_is_there_for_the_next_request(
    larger: LiveServer, session: requests.Session, tmp_path: Path
) -> None:
    source = tmp_path / "site" / "sub.py"
    url = f"{larger.url}/large/hello/x"
    assert session.get(url).text == "/large?num1=1&num2=2"
    source.write_text(SUB.replace("1, 2", "3, 4"))
    answers(session, url, "/large?num1=3&num2=4")
    source.write_text("def hello(:\n")
    reply = answers(session, url, "SyntaxError", 500)
    assert "sub.py" in reply.text
    source.write_text(SUB)
    answers(session, url, "/large?num1=1&num2=2")


def test_a_request_under_way_ends_on_the_code_it_began_with(
    tmp_path: Path, serve_conf: Serve, session: requests.Session
) -> None:
    slow = APP + "\n\n@app.route('/slow')\ndef slow(was):\n  import time\n  print('begun', flush=True)\n"
    slow += "  time.sleep(1)\n  return WORD\n"
    site = folder_of(tmp_path / "site", app=slow + "WORD = 'old'\n", sub=SUB)
    server = serve_conf(f"[routes:line]\n/ = {site}/app:app\n")
    answers(session, f"{server.url}/hello/x", "num1")
    replies: list[str] = []
    thread = threading.Thread(target=lambda: replies.append(requests.get(f"{server.url}/slow").text))
    thread.start()
    server.wait_for_text("begun")
    (site / "app.py").write_text(slow + "WORD = 'new'\n")
    (site / "sub.py").write_text(SUB.replace("1, 2", "5, 6"))
    answers(session, f"{server.url}/hello/x", "num1=5")
    thread.join()
    assert replies == ["old"]
    assert session.get(f"{server.url}/slow").text == "new"


def test_the_debug_page_is_shown_only_with_debug(
    tmp_path: Path, serve_conf: Serve, session: requests.Session
) -> None:
    fail = "\n@app.route('/fail')\ndef fail(was, given='<b>'):\n"
    fail += "  password = 'hunter' + '22'\n  return {}[given]\n"
    folder_of(tmp_path / "open", app=APP + fail, sub=SUB)
    folder_of(tmp_path / "shut", app=APP.replace("debug = True", "debug = False") + fail, sub=SUB)
    server = serve_conf(f"[routes:line]\n/open = {tmp_path}/open/app:app\n/shut = {tmp_path}/shut/app:app\n")
    reply = session.get(f"{server.url}/open/fail", headers={"Accept": "text/html"})
    assert reply.status_code == 500
    assert "KeyError" in reply.text
    assert "return {}[given]" in reply.text
    assert "&lt;b&gt;" in reply.text
    assert "<b>'" not in reply.text
    assert "hunter22" not in reply.text
    server.wait_for_text("KeyError")  # the log has it too
    reply = session.get(f"{server.url}/shut/fail")
    assert reply.status_code == 500
    assert "KeyError" not in reply.text


def test_startup_reload_and_shutdown(tmp_path: Path, serve_conf: Serve, session: requests.Session) -> None:
    site = folder_of(tmp_path / "site", app=LIFE, other=OTHER)
    server = serve_conf(f"[routes:line]\n/ = {site}/app:app\n/other = {site}/other:app\n")
    assert session.get(f"{server.url}/").text == "0 resets, one"
    assert session.get(f"{server.url}/other").text == "0 resets, seen from elsewhere"
    (site / "app.py").write_text(LIFE.replace("one", "another"))
    answers(session, f"{server.url}/", "1 resets, another")
    assert session.get(f"{server.url}/other").text == "1 resets, seen from elsewhere"
    (site / "app.py").write_text("broken(")
    answers(session, f"{server.url}/", "", 500)
    (site / "app.py").write_text(LIFE.replace("one", "third"))
    answers(session, f"{server.url}/", "2 resets, third")
    assert server.stop() == 0
    assert "myobject was closed after 2 resets" in server.console_text()


def test_one_that_fails_is_logged_and_the_server_serves(
    tmp_path: Path, serve_conf: Serve, session: requests.Session
) -> None:
    text = """
from skitai.saddle import Saddle
app = Saddle (__name__)

@app.startup
def startup (wasc, app):
  raise ValueError ("startup went wrong")

@app.shutdown
def shutdown (wasc):
  raise SystemExit ("shutdown went wrong")

@app.route ("/")
def index (was):
  return "serves"
"""
    site = folder_of(tmp_path / "site", app=text)
    server = serve_conf(f"[routes:line]\n/ = {site}/app:app\n")
    assert session.get(f"{server.url}/").text == "serves"
    server.wait_for_text("ValueError: startup went wrong")
    assert server.stop() == 0
    assert "shutdown went wrong" in server.console_text()


def test_an_application_whose_first_load_fails_is_started_when_it_is_mended(
    tmp_path: Path, serve_conf: Serve, session: requests.Session
) -> None:
    site = folder_of(tmp_path / "site", app="broken(")
    server = serve_conf(f"[server]\nuse_reloader = yes\n[routes:line]\n/ = {site}/app:app\n")
    answers(session, f"{server.url}/", "", 500)
    (site / "app.py").write_text(LIFE)
    answers(session, f"{server.url}/", "0 resets, one")


def test_async_functions_wait_beside_each_other(
    tmp_path: Path, serve_conf: Serve, session: requests.Session
) -> None:
    text = """
import asyncio
from skitai import was as current
from skitai.saddle import Saddle

app = Saddle (__name__)
here = 0
most = 0

@app.before_request
def before (was):
  was.temp.user = was.request.get_header ("X-User")

@app.teardown_request
async def teardown (was):
  global here
  await asyncio.sleep (0)
  here -= 1

@app.errorhandler (KeyError)
async def missing (was, error):
  return "missing %s" % error

@app.route ("/wait/<float:seconds>")
async def wait (was, seconds):
  global here, most
  here += 1
  most = max (most, here)
  await asyncio.sleep (seconds)
  assert current.temp is was.temp
  return {"user": was.temp.user, "most": most}

@app.route ("/fail")
async def fail (was):
  global here
  here += 1
  await asyncio.sleep (0.01)
  raise KeyError ("it")

@app.route ("/pieces")
async def pieces (was):
  global here
  here += 1
  async def generate ():
    for number in range (3):
      await asyncio.sleep (0.01)
      yield "%d," % number
  return generate ()
"""
    site = folder_of(tmp_path / "site", app=text)
    server = serve_conf(f"[server]\nthreads = 1\n[routes:line]\n/ = {site}/app:app\n")
    replies: list[dict[str, object]] = []

    def ask(user: int) -> None:
        headers = {"X-User": str(user)}
        replies.append(requests.get(f"{server.url}/wait/0.5", headers=headers, timeout=10).json())

    threads = [threading.Thread(target=ask, args=(user,)) for user in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(str(reply["user"]) for reply in replies) == [str(user) for user in range(8)]
    assert max(int(str(reply["most"])) for reply in replies) > 1
    reply = session.get(f"{server.url}/fail")
    assert (reply.status_code, reply.text) == (500, "missing 'it'")
    assert session.get(f"{server.url}/pieces").text == "0,1,2,"


def test_functions_and_hooks_that_are_parked(
    tmp_path: Path, serve_conf: Serve, session: requests.Session
) -> None:
    """Many stacks are then inside the coroutine that runs the hooks, in one thread."""
    text = """
import skitai
from skitai import was as current
from skitai.saddle import Saddle

app = Saddle (__name__)
here = 0

@app.before_request
def before (was):
  global here
  here += 1
  was.temp.most = 0
  skitai.sleep (0.1)

@app.after_request
def after (was):
  skitai.sleep (0.1)
  was.response ["X-Most"] = str (was.temp.most)

@app.teardown_request
def teardown (was):
  global here
  here -= 1

@app.route ("/<name>")
def index (was, name):
  skitai.sleep (0.3)
  was.temp.most = here
  assert current.temp is was.temp
  if name == "fail":
    raise KeyError (name)
  return name
"""
    site = folder_of(tmp_path / "site", app=text)
    server = serve_conf(f"[server]\nthreads = 1\n[routes:line]\n/ = {site}/app:app\n[mount /]\npark = yes\n")
    replies: list[requests.Response] = []

    def ask(number: int) -> None:
        name = "fail" if number == 5 else f"n{number}"
        replies.append(requests.get(f"{server.url}/{name}", timeout=10))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(reply.status_code for reply in replies) == [200] * 9 + [500]
    texts = sorted(reply.text for reply in replies if reply.status_code == 200)
    assert texts == [f"n{number}" for number in (0, 1, 2, 3, 4, 6, 7, 8, 9)]
    if "compiled" in server.stderr_text():
        assert max(int(reply.headers["X-Most"]) for reply in replies if reply.ok) > 1


def test_ctrl_c_ends_a_server_whose_application_does_not(
    tmp_path: Path, serve_conf: Serve, session: requests.Session
) -> None:
    text = """
import time
from skitai.saddle import Saddle
app = Saddle (__name__)

@app.shutdown
def shutdown (wasc):
  print ("it hangs")
  time.sleep (60)

@app.route ("/")
def index (was):
  return "serves"
"""
    site = folder_of(tmp_path / "site", app=text)
    server = serve_conf(f"[server]\nmaster = no\n[routes:line]\n/ = {site}/app:app\n")
    assert session.get(server.url).text == "serves"
    began = time.monotonic()
    server.press_ctrl_c()
    assert server.wait(10) == 130
    assert time.monotonic() - began < 6
    assert "it hangs" in server.console_text()
