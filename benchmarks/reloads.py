"""Does anybody notice a reload: ``python -m benchmarks.reloads``.

A million requests over 200 connections that are kept and 200 new ones a second, through a hundred reloads
(HUP): each must be answered, by 200 and with what it has asked for.  A reset, a refused connection, a 5xx, an
answer that does not come or is another's is a failure; one of them makes the exit code 1.

An answer with ``Connection: close`` is the server's good right, which each reload makes use of: the client
connects anew.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import os
import re
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from time import monotonic

from benchmarks.__main__ import whole
from benchmarks.servers import REPO

__all__ = ["Crowd", "Plan", "Seen", "main", "run"]

APP = "benchmarks.apps:echo"
#: Seconds without an answer after which one counts as lost, and without progress of the server as a failure.
PATIENCE = 30.0
_START_TIMEOUT = 20.0
_STOP_TIMEOUT = 60.0
_LISTENING = re.compile(r"listening on http://127\.0\.0\.1:(\d+)")
_HEAD = re.compile(rb"HTTP/1\.1 200 OK\r\n(?:[^\r\n]+\r\n)*?Content-Length: (\d+)\r\n(?:[^\r\n]+\r\n)*\r\n")
_CLOSES = b"\r\nConnection: close\r\n"
#: Failures that are told in words.
_TOLD_MAX = 20


@dataclass(frozen=True)
class Plan:
    """``fresh_rate``: new connections a second, each for one request."""

    requests: int = 1_000_000
    kept: int = 200
    fresh_rate: int = 200
    reloads: int = 100
    processes: int = 2
    threads: int = 8


@dataclass
class Seen:
    answers: Counter[str] = field(default_factory=Counter)
    #: By process.
    workers: Counter[bytes] = field(default_factory=Counter)
    #: Connections that ended behind an answer that said so.
    closed: int = 0
    #: The longest wait for an answer, seconds.
    longest: float = 0.0
    failures: Counter[str] = field(default_factory=Counter)

    @property
    def total(self) -> int:
        return self.answers.total()


class _Client:
    __slots__ = ("asked_at", "is_fresh", "number", "received", "sent", "sock")

    def __init__(self, *, is_fresh: bool) -> None:
        self.is_fresh = is_fresh
        self.sock: socket.socket | None = None
        self.received = b""
        self.number = 0
        self.asked_at = 0.0
        self.sent = False


class Crowd:
    """All clients, in one thread: `turn` asks, and takes what has come."""

    def __init__(self, port: int, plan: Plan) -> None:
        self.seen = Seen()
        self._address = ("127.0.0.1", port)
        self._rate = plan.fresh_rate
        self._number = 0
        self._selector = selectors.DefaultSelector()
        self._busy: set[_Client] = set()
        self._kept = [_Client(is_fresh=False) for _ in range(plan.kept)]
        self._fresh_at = monotonic()
        self._look_at = 0.0
        self._is_ending = False
        for client in self._kept:
            self._ask(client)

    def finish(self) -> None:
        """Ask no more; wait for what was asked."""
        self._is_ending = True
        while self._busy:
            self.turn()
        for client in self._kept:
            self._leave(client)
        self._selector.close()

    def turn(self) -> None:
        now = monotonic()
        # A client that was held up does not ask for a second's worth at once.
        self._fresh_at = max(self._fresh_at, now - 0.1)
        while self._fresh_at <= now and not self._is_ending:
            self._fresh_at += 1 / self._rate
            self._ask(_Client(is_fresh=True))
        for key, events in self._selector.select(0.005):
            client: _Client = key.data
            if events & selectors.EVENT_WRITE and not client.sent:
                self._send(client)
            elif events & selectors.EVENT_READ:
                self._read(client)
        if now >= self._look_at:
            self._look_at = now + 1.0
            for client in [client for client in self._busy if now - client.asked_at > PATIENCE]:
                self._fail(client, f"no answer within {PATIENCE:g} s")

    def _ask(self, client: _Client) -> None:
        self._number += 1
        client.number = self._number
        client.asked_at = monotonic()
        client.sent = False
        self._busy.add(client)
        if client.sock is not None:
            self._send(client)
            return
        client.received = b""
        client.sock = sock = socket.socket()
        sock.setblocking(False)
        code = sock.connect_ex(self._address)
        self._selector.register(sock, selectors.EVENT_READ | selectors.EVENT_WRITE, client)
        if code not in (0, errno.EINPROGRESS):
            self._fail(client, f"connecting: {os.strerror(code)}")

    def _send(self, client: _Client) -> None:
        assert client.sock is not None
        request = b"GET /?%d HTTP/1.1\r\nHost: localhost\r\n\r\n" % client.number
        try:
            taken = client.sock.send(request)
        except OSError as error:
            self._fail(client, f"asking: {error.strerror}")
            return
        if taken < len(request):
            self._fail(client, "asking: the system took a part of a request only")
            return
        client.sent = True
        if self._selector.get_key(client.sock).events != selectors.EVENT_READ:
            self._selector.modify(client.sock, selectors.EVENT_READ, client)

    def _read(self, client: _Client) -> None:
        assert client.sock is not None
        try:
            data = client.sock.recv(65536)
        except OSError as error:
            self._fail(client, f"reading: {error.strerror}")
            return
        if not data:
            self._fail(client, "closed without an answer" if not client.received else "a truncated answer")
            return
        client.received += data
        head = _HEAD.match(client.received)
        if head is None:
            if b"\r\n\r\n" in client.received:
                self._fail(client, f"answered {client.received[:40]!r}")
            return
        end = head.end() + int(head[1])
        if len(client.received) < end:
            return
        number, _, worker = client.received[head.end() : end].partition(b" ")
        if len(client.received) > end or int(number) != client.number:
            self._fail(client, "an answer that was not asked for")
            return
        self._answered(client, worker, closes=_CLOSES in head[0])

    def _answered(self, client: _Client, worker: bytes, *, closes: bool) -> None:
        seen = self.seen
        self._busy.discard(client)
        client.received = b""
        seen.longest = max(seen.longest, monotonic() - client.asked_at)
        seen.answers["fresh" if client.is_fresh else "kept"] += 1
        seen.workers[worker] += 1
        seen.closed += closes
        if closes or client.is_fresh:
            self._leave(client)
        if not (client.is_fresh or self._is_ending):
            self._ask(client)

    def _fail(self, client: _Client, what: str) -> None:
        self.seen.failures[f"{'fresh' if client.is_fresh else 'kept'}: {what}"] += 1
        self._busy.discard(client)
        self._leave(client)
        if not (client.is_fresh or self._is_ending):
            self._ask(client)

    def _leave(self, client: _Client) -> None:
        if client.sock is not None:
            self._selector.unregister(client.sock)
            client.sock.close()
            client.sock = None


class _Server:
    """``skitai run`` with a master; what it says is kept in a file."""

    def __init__(self, plan: Plan) -> None:
        self._output = tempfile.TemporaryFile("a+b")  # noqa: SIM115 (lives as long as the server)
        command = ["run", APP, "--bind", "127.0.0.1:0", "--no-access-log", "--master", "yes"]
        command += ["--processes", str(plan.processes), "--threads", str(plan.threads)]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "skitai", *command],
            cwd=REPO,
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=subprocess.STDOUT,
        )

    def said(self) -> str:
        return os.pread(self._output.fileno(), 1 << 24, 0).decode("utf-8", "replace")

    def port(self) -> int:
        deadline = monotonic() + _START_TIMEOUT
        while monotonic() < deadline and self._process.poll() is None:
            found = _LISTENING.search(self.said())
            if found:
                return int(found[1])
            time.sleep(0.05)
        raise SystemExit(f"the server did not start: {self.said()}")

    def reload(self) -> None:
        self._process.send_signal(signal.SIGHUP)

    @property
    def reloaded(self) -> int:
        said = self.said()
        for trouble in ("reload failed", "reload refused", "Traceback"):
            if trouble in said:
                raise SystemExit(f"{trouble}: {said[-2000:]}")
        return said.count("] reloaded")

    def stop(self) -> int:
        if self._process.poll() is None:
            self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_STOP_TIMEOUT)
        if self._process.poll() is None:
            self._process.kill()
        code = self._process.wait()
        self._output.close()
        return code


def run(plan: Plan, *, say: bool = False) -> tuple[Seen, int]:
    """Carry ``plan`` out: what the clients have seen, and the server's exit code.  The reloads are spread
    evenly over the requests; each begins when the one before is over."""
    server = _Server(plan)
    try:
        crowd = Crowd(server.port(), plan)
        seen = crowd.seen
        begun, done, progress_at, look_at, before = 0, 0, monotonic(), 0.0, (0, 0)
        while seen.total < plan.requests or done < plan.reloads:
            crowd.turn()
            now = monotonic()
            if now < look_at:
                continue
            look_at = now + 0.05
            done = server.reloaded
            is_due = seen.total >= (begun + 1) * plan.requests // (plan.reloads + 1)
            if begun == done and begun < plan.reloads and is_due:
                server.reload()
                begun += 1
                if say and begun % 10 == 0:
                    print(f"{begun} reloads, {seen.total} answers, {seen.failures.total()} failures")
            if (seen.total, done) != before:
                before, progress_at = (seen.total, done), now
            elif now - progress_at > PATIENCE:
                raise SystemExit(f"nothing goes on: {server.said()[-2000:]}")
        crowd.finish()
    finally:
        code = server.stop()
    return seen, code


def main(given: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.reloads", description="Does anybody notice a reload?"
    )
    plan = Plan()
    parser.add_argument("--requests", type=whole(100_000_000), default=plan.requests)
    parser.add_argument("--kept", type=whole(2000), default=plan.kept, help="connections that are kept")
    parser.add_argument(
        "--fresh-rate", type=whole(5000), default=plan.fresh_rate, help="new connections a second"
    )
    parser.add_argument("--reloads", type=whole(10_000), default=plan.reloads)
    parser.add_argument("--processes", type=whole(64), default=plan.processes)
    parser.add_argument("--threads", type=whole(1000), default=plan.threads)
    plan = Plan(**vars(parser.parse_args(given)))
    began = monotonic()
    seen, code = run(plan, say=True)
    seconds = monotonic() - began
    print(
        f"{seen.total} answers in {seconds:.0f} s ({seen.answers['kept']} on kept connections, "
        f"{seen.answers['fresh']} on new ones), {plan.reloads} reloads, {len(seen.workers)} workers"
    )
    print(f"{seen.closed} connections closed behind an answer; the longest wait {seen.longest * 1000:.0f} ms")
    for what, count in seen.failures.most_common(_TOLD_MAX):
        print(f"FAILED {count} times: {what}")
    print(f"{seen.failures.total()} failures, the server's exit code {code}")
    return 1 if seen.failures or code else 0


if __name__ == "__main__":
    sys.exit(main())
