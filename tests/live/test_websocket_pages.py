"""The samples of WebSockets in a browser: echo and talk in one page, the chat in two at once."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote

from tests.live.program import Serve
from tests.live.test_static_clients import shown_in
from tests.live.test_websocket_samples import EXAMPLES
from tests.waiting import wait_until

#: Tells what it hears by requests; who it is stands behind the question mark.
PAGE = """<!doctype html><meta charset="utf-8"><title>chat</title><script>
const me = location.search.slice(1);
const told = (what) => fetch("/told/" + encodeURIComponent(`${me}: ${what}`));
const open = (path, onopen, onmessage) => {
  const socket = new WebSocket(`ws://${location.host}/websocket/${path}`);
  socket.onopen = () => onopen(socket);
  socket.onmessage = (event) => onmessage(socket, event.data);
};
const chat = () => open("chat?roomid=1",
  (socket) => { told("in"); if (me === "two") socket.send("Is anybody here?"); },
  (socket, said) => { told(said); if (me === "one" && said.endsWith("?")) socket.send("I am, Grüße."); });
const talk = () => open("talk?name=Hans",
  (socket) => socket.send("hello"), (socket, said) => { told(said); chat(); });
open("echo", (socket) => socket.send("Hi"), (socket, said) => { told(said); talk(); });
</script>"""


def test_in_two_pages(serve_conf: Serve, require_program: Callable[[str], str], tmp_path: Path) -> None:
    pages = tmp_path / "pages"
    pages.mkdir()
    (pages / "page.html").write_text(PAGE, "utf-8")
    server = serve_conf(
        f"[server]\nip = 127.0.0.1\n[routes:line]\n/ = {pages}\n/ = {EXAMPLES}/saddlestyle:app\n"
    )

    def hears(*what: str) -> None:
        wait_until(lambda: set(what) <= told(), 30, str(what))

    def told() -> set[str]:
        text = server.console_text()
        # Which number a client of the room has is the room's to say.
        return {re.sub(r"\d+", "N", unquote(path)) for path in re.findall(r"GET /told/(\S+)", text)}

    program = require_program("chromium")
    with shown_in(program, f"{server.url}/page.html?one", tmp_path / "one"):
        hears("one: ECHO:Hi", "one: Hello, Hans", "one: in")
        with shown_in(program, f"{server.url}/page.html?two", tmp_path / "two"):
            hears("two: ECHO:Hi", "two: Hello, Hans", "two: in")
            for said in ("Is anybody here?", "I am, Grüße."):
                hears(f"one: Client N Said: {said}", f"two: Client N Said: {said}")
