"""The real program as a child process: start it, talk to it, end it.

Each server runs in a process group of its own, as under a terminal, on a port that the
system chose; it tells that port itself on stderr.  Two threads of the test process read
its stdout and stderr, so that a talkative server never blocks on a full pipe.  A test
ends only what it has started, by process id.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

import skitai
from tests.live.wire import Wire
from tests.waiting import wait_until

REPO = Path(__file__).resolve().parents[2]

#: Where the ``skitai`` under test was imported from; the child must run the same build.
PACKAGE_HOME = Path(skitai.__file__).resolve().parents[1]

#: How the server says that it is ready; the scheme is absent for unix sockets.
LISTENING = re.compile(r"listening on (?:https?://)?(\S+)")

START_TIMEOUT = 30.0

#: The type of the fixtures that start a server.
Serve = Callable[..., "LiveServer"]


def shell_status(returncode: int) -> int:
    """The exit status as a shell shows it: 130 for a process that SIGINT killed."""
    return 128 - returncode if returncode < 0 else returncode


class _Tail:
    """The text that a pipe has given so far, read by a thread of its own."""

    def __init__(self, pipe: IO[bytes]) -> None:
        self._pipe = pipe
        self._data = bytearray()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        while data := os.read(self._pipe.fileno(), 65536):
            self._data += data

    def text(self) -> str:
        return bytes(self._data).decode("utf-8", "replace")

    def finish(self) -> None:
        """After the process has ended: take what is left in the pipe."""
        self._thread.join(2.0)
        if not self._thread.is_alive():
            self._pipe.close()


class LiveServer:
    """One running server.  ``host`` and ``port`` are of its first TCP listener."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        cwd: Path = REPO,
        env: Mapping[str, str] | None = None,
    ) -> None:
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("SKITAI_")}
        if "SKITAI_PURE" in os.environ:
            inherited["SKITAI_PURE"] = os.environ["SKITAI_PURE"]
        self.process = subprocess.Popen(
            command,
            cwd=cwd,
            env={**inherited, "PYTHONPATH": str(PACKAGE_HOME), **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        self._stdout = _Tail(self.process.stdout)
        self._stderr = _Tail(self.process.stderr)
        self.host = ""
        self.port = 0

    def wait_ready(self) -> LiveServer:
        """Wait for the line with the address; AssertionError with all it said if it ends first."""

        def ready() -> bool:
            # The newline: a line that has come only in part would give a part of the port.
            found = re.search(LISTENING.pattern + r".*\n", self.stderr_text())
            if found:
                host, colon, port = found[1].rstrip("/,;").rpartition(":")
                if colon and port.isdigit():
                    self.host, self.port = host.strip("[]"), int(port)
                return True
            assert self.process.poll() is None, "it ended before it listened"
            return False

        try:
            wait_until(ready, START_TIMEOUT)
        except AssertionError as error:
            self.kill()
            raise AssertionError(self._said(str(error))) from None
        return self

    def _said(self, why: str) -> str:
        stderr, stdout = self.stderr_text()[-4000:], self.stdout_text()[-1000:]
        return f"{why}\n--- stderr\n{stderr}\n--- stdout\n{stdout}"

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    def stdout_text(self) -> str:
        return self._stdout.text()

    def stderr_text(self) -> str:
        return self._stderr.text()

    def console_text(self) -> str:
        return self.stderr_text() + self.stdout_text()

    def wait_for_text(self, pattern: str, timeout: float = 30.0) -> re.Match[str]:
        """Wait until ``pattern`` (multi-line regex) is found in stdout or stderr."""
        found: list[re.Match[str]] = []

        def look() -> bool:
            match = re.search(pattern, self.console_text(), re.MULTILINE)
            found[:] = [match] if match else []
            return bool(found)

        try:
            wait_until(look, timeout, pattern)
        except AssertionError as error:
            raise AssertionError(self._said(str(error))) from None
        return found[0]

    def connect(self, host: str | None = None, timeout: float = 30.0) -> Wire:
        """A new raw connection; ``timeout`` seconds bound every read on it."""
        return Wire(socket.create_connection((host or self.host, self.port), timeout=timeout))

    def refuses_connections(self) -> bool:
        try:
            self.connect(timeout=1.0).close()
        except OSError:
            return True
        return False

    def send_signal(self, number: int) -> None:
        self.process.send_signal(number)

    def press_ctrl_c(self) -> None:
        """SIGINT to the whole group, as a terminal does."""
        os.killpg(self.process.pid, signal.SIGINT)

    def wait(self, timeout: float = 30.0) -> int:
        """The exit status as a shell shows it; subprocess.TimeoutExpired if it goes on running."""
        code = self.process.wait(timeout)
        self._stdout.finish()
        self._stderr.finish()
        return shell_status(code)

    def stop(self, number: int = signal.SIGTERM, timeout: float = 30.0) -> int:
        if self.process.poll() is None:
            self.send_signal(number)
        return self.wait(timeout)

    def kill(self) -> None:
        """The end of every test: the group that was started, by id, and without asking."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.wait()


def skitai_run(target: str, *args: str) -> list[str]:
    """The command line of ``skitai run``; on a free port of 127.0.0.1 unless ``args`` say else."""
    bind = [] if "--bind" in args else ["--bind", "127.0.0.1:0"]
    return [sys.executable, "-m", "skitai", "run", target, *bind, *args]


def skitaid_instance(conf: Path, *args: str) -> list[str]:
    """The command line of ``skitaid-instance -v``; likewise unless the file has [listen] sections."""
    own = re.search(r"^\s*\[listen\b", conf.read_text(encoding="utf-8"), re.MULTILINE)
    bind = [] if own else ["--ip", "127.0.0.1", "--port", "0"]
    return [sys.executable, "-m", "skitai.cli.instance", "-v", "-f", str(conf), *bind, *args]
