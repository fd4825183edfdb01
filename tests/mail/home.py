"""What ``--home`` names for one test: its configuration, its spool, its log, and the agents that were
started."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
from pathlib import Path

from skitai.core.mail.letter import Envelope
from skitai.core.mail.spool import MailSpool
from tests.mail.smtpserver import SmtpServer
from tests.waiting import wait_until


class Home:
    """What ``--home`` names."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.spool = MailSpool(folder / "var" / "mail")
        self.log = folder / "log" / "daemons" / "smtpda" / "smtpda.log"
        self._agents = contextlib.ExitStack()

    def configure(self, text: str) -> Path:
        file = self.folder / "etc" / "skitaid" / "skitaid.conf"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        return file

    def put(self, *recipients: str, envelope: Envelope | None = None, subject: str = "hello") -> str:
        message = f"Subject: {subject}\r\nMessage-ID: <{subject}@test>\r\n\r\ntext\r\n".encode()
        return self.spool.put(envelope or Envelope("hans@example.com", recipients), message)

    def start(
        self, *args: str, server: SmtpServer | None = None, ready: bool = True
    ) -> subprocess.Popen[bytes]:
        """An agent, by ``server``, which tries again at once."""
        given = (
            ["--smtpserver", server.address, "--retry-delay", "50ms", "--retry-delay-max", "1s"]
            if server
            else []
        )
        agent = subprocess.Popen(
            [sys.executable, "-m", "skitai.cli.smtpda", "--home", self.folder, *given, *args],
            stderr=subprocess.PIPE,
        )
        self._agents.callback(self._end, agent)
        if ready:
            wait_until(lambda: f"pid {agent.pid}," in self.logged())
        return agent

    @staticmethod
    def _end(agent: subprocess.Popen[bytes]) -> None:
        if agent.poll() is None:
            agent.send_signal(signal.SIGKILL)
        agent.wait()
        if agent.stderr is not None:
            agent.stderr.close()

    def run(self, *args: str) -> subprocess.CompletedProcess[str]:
        """``run("skitai", "mail", "list")``, with ``--home``."""
        module = "skitai.cli.smtpda" if args[0] == "skitaid-smtpda" else args[0]
        return subprocess.run(
            [sys.executable, "-m", module, *args[1:], "--home", self.folder],
            capture_output=True,
            text=True,
            timeout=20,
        )

    def logged(self) -> str:
        return self.log.read_text("utf-8") if self.log.exists() else ""

    def wait_for(self, words: str) -> None:
        """In the log, which is written behind what it tells."""
        wait_until(lambda: words in self.logged(), what=words)

    def waiting(self) -> list[str]:
        return self.spool.names(self.spool.waiting)

    def undelivered(self) -> list[str]:
        return self.spool.names(self.spool.undelivered)

    def close(self) -> None:
        self._agents.close()
