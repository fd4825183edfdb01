"""Servers while they run: a session each, pinned to one core, ended by its id.

All servers of a scenario are up together, because two figures are only comparable when
they are taken within seconds; those that are not loaded are idle.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import ssl
import subprocess
import tempfile
import time
from pathlib import Path

from benchmarks import procfs
from benchmarks.servers import REPO, SERVERS, argv, environment

__all__ = ["Request", "Server", "ServerFailed"]

# The key of RFC 6455's own example.
_HANDSHAKE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version": "13",
}
START_TIMEOUT = 15.0
STOP_TIMEOUT = 5.0


class ServerFailed(Exception):
    """A server that did not do what it is asked, and the reason in one line."""


class Request:
    """One request of a scenario's kind, and how long the body of its answer is; ``opens_websocket``: it is a
    handshake."""

    def __init__(
        self, path: str, length: int, body: bytes | None = None, *, opens_websocket: bool = False
    ) -> None:
        self.method = "GET" if body is None else "POST"
        self.path = path
        self.length = length
        self.body = body
        self.headers = _HANDSHAKE if opens_websocket else {}
        self.status = 101 if opens_websocket else 200


class Server:
    """A server that serves ``app`` on ``core`` from now on until `stop`.

    ``session`` is its process id and the session of all its processes; ``url`` ends with the port.
    """

    def __init__(self, name: str, app: str, core: int, folder: Path) -> None:
        self.name = name
        self._port = _free_port()
        self._scheme = "https" if SERVERS[name].key else "http"
        self.url = f"{self._scheme}://127.0.0.1:{self._port}"
        # Appending, so that `drop_output` can shorten it below a server that goes on writing.
        self._output = tempfile.TemporaryFile("a+b")  # noqa: SIM115 (lives as long as the server)
        self._process = subprocess.Popen(
            ["taskset", "--cpu-list", str(core), *argv(name, app, self._port, folder)],
            cwd=REPO,
            env=environment(name),
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self.session = self._process.pid

    def wait_ready(self, request: Request) -> None:
        """Return when it answers well; ServerFailed with its own last words if it does not."""
        deadline = time.monotonic() + START_TIMEOUT
        while self._process.poll() is None and time.monotonic() < deadline:
            with contextlib.suppress(ConnectionRefusedError):
                self._ask(request)
                return
            time.sleep(0.05)
        raise ServerFailed(f"does not listen: {self.last_words()}")

    def _ask(self, request: Request) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=START_TIMEOUT)
        if self._scheme == "https":
            connection = http.client.HTTPSConnection(
                "127.0.0.1", self._port, timeout=START_TIMEOUT, context=_trusting()
            )
        try:
            connection.request(request.method, request.path, request.body, request.headers)
            answer = connection.getresponse()
            length = 0 if answer.status == 101 else len(answer.read())
        except (http.client.HTTPException, TimeoutError, ConnectionResetError) as error:
            raise ServerFailed(f"{request.method} {request.path}: {error!r}") from error
        finally:
            connection.close()
        if (answer.status, length) != (request.status, request.length):
            raise ServerFailed(
                f"{request.method} {request.path}: {answer.status} with {length} bytes of body, "
                f"not {request.status} with {request.length}"
            )

    def last_words(self) -> str:
        self._output.seek(0)
        lines = self._output.read().decode(errors="replace").split("\n")
        return next((line.strip()[-200:] for line in reversed(lines) if line.strip()), "it says nothing")

    def drop_output(self) -> None:
        """Forget what it has written: an access log of a run would fill the temporary folder."""
        os.ftruncate(self._output.fileno(), 0)

    def stop(self) -> None:
        """End all its processes: politely, then not."""
        if self._process.poll() is None:
            os.kill(self.session, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_TIMEOUT)
        for process, session, _ in procfs.processes():
            if session == self.session:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
        self._process.wait(STOP_TIMEOUT)
        self._output.close()


def _trusting() -> ssl.SSLContext:
    """As wrk, which looks at no certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
