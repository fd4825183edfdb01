"""Chromium, driven by its DevTools protocol: one browser for many pages, and every word of its console.

A page is opened, waited for by conditions that its own scripts can see, clicked by its own elements, and may
be kept as a picture.  What the browser complains of (exceptions, failed requests, what a
Content-Security-Policy forbids) is kept in `Page.complaints`.
"""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from websockets.sync.client import connect

from tests.live.test_readme_samples import CHROMIUM
from tests.waiting import wait_until

__all__ = ["Browser", "Page", "browser"]

#: Seconds: of one answer of the browser, and of a condition in a page.
PATIENCE = 20.0


class Page:
    """One tab.  All methods are of the thread that opened it."""

    def __init__(self, address: str) -> None:
        self._stack = ExitStack()
        # No proxy: the browser is here, whatever the environment of the tests says.
        way = connect(address, max_size=None, open_timeout=PATIENCE, close_timeout=1, proxy=None)
        self._socket = self._stack.enter_context(way)
        self._number = 0
        self.complaints: list[str] = []
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def __enter__(self) -> Page:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.call("Page.close")
        self._stack.close()

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """What the browser answers; AssertionError where it refuses."""
        self._number += 1
        self._socket.send(json.dumps({"id": self._number, "method": method, "params": params}))
        while True:
            said = json.loads(self._socket.recv(PATIENCE))
            if said.get("id") == self._number:
                assert "error" not in said, f"{method}: {said['error']}"
                result = said["result"]
                assert isinstance(result, dict)
                return result
            self._hear(said)

    def _hear(self, said: dict[str, Any]) -> None:
        params = said.get("params", {})
        if said["method"] == "Runtime.exceptionThrown":
            self.complaints.append(str(params["exceptionDetails"]["exception"].get("description")))
        elif said["method"] == "Log.entryAdded" and params["entry"]["level"] in ("warning", "error"):
            self.complaints.append(f"{params['entry']['text']} {params['entry'].get('url', '')}")

    def open(self, url: str) -> None:
        """Returns when the page and all that it names are loaded."""
        answer = self.call("Page.navigate", url=url)
        assert "errorText" not in answer, f"{url}: {answer}"
        self.wait(f"document.readyState === 'complete' && location.href.startsWith({json.dumps(url)})")

    def ask(self, script: str) -> Any:
        """The value of an expression in the page; None while one page gives way to the next."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        return answer["result"].get("value")

    def wait(self, script: str) -> None:
        """Until the expression is true."""
        deadline = time.monotonic() + PATIENCE
        while not self.ask(f"Boolean({script})"):
            assert time.monotonic() < deadline, f"never so: {script}\n{self.text()}\n{self.complaints}"
            time.sleep(0.01)

    def text(self) -> str:
        return str(self.ask("document.body.innerText"))

    def send(self, form: str = "main > form", button: str = "button") -> None:
        """Click the button of a form, and return when the next page is there."""
        self.ask("window.left = false")
        self.ask(f"document.querySelector({json.dumps(f'{form} {button}')}).click()")
        self.wait("window.left === undefined && document.readyState === 'complete'")

    def choose_files(self, selector: str, *files: Path) -> None:
        """As by the dialog of an ``<input type="file">``."""
        found = self.call("Runtime.evaluate", expression=f"document.querySelector({json.dumps(selector)})")
        self.call(
            "DOM.setFileInputFiles",
            files=[str(file) for file in files],
            objectId=found["result"]["objectId"],
        )

    def looks(self, *, dark: bool = False, width: int = 1100, height: int = 800) -> None:
        """What the page is told of its reader's wishes and window."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    def picture(self, file: Path) -> None:
        """The window as a PNG."""
        file.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))


class Browser:
    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint  # ws://127.0.0.1:PORT/devtools/browser/ID

    def page(self) -> Page:
        """A new tab, with cookies that are shared with the others."""
        with connect(self._endpoint, open_timeout=PATIENCE, proxy=None) as socket:
            asked = {"id": 1, "method": "Target.createTarget", "params": {"url": "about:blank"}}
            socket.send(json.dumps(asked))
            while "result" not in (said := json.loads(socket.recv(PATIENCE))):
                assert "error" not in said, said
        address = self._endpoint.partition("/devtools/")[0]
        return Page(f"{address}/devtools/page/{said['result']['targetId']}")


@contextmanager
def browser(program: str, profile: Path) -> Iterator[Browser]:
    """Chromium without a window; its whole process group ends with the block."""
    nowhere = subprocess.DEVNULL
    process = subprocess.Popen(
        [program, *CHROMIUM, f"--user-data-dir={profile}", "--remote-debugging-port=0", "about:blank"],
        stdin=nowhere,
        stdout=nowhere,
        stderr=nowhere,
        start_new_session=True,
    )
    port = profile / "DevToolsActivePort"  # two lines: the port, and the path of the browser's own socket

    def told() -> bool:
        assert process.poll() is None, "Chromium ended at once"
        return port.exists() and port.read_text().count("\n") == 1 and bool(port.read_text().split("\n")[1])

    try:
        wait_until(told, PATIENCE, "the port of Chromium's DevTools")
        number, path = port.read_text().split("\n")
        yield Browser(f"ws://127.0.0.1:{number}{path}")
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
