"""What operators do with an agent: status, lists, signals, a second one; and what it does to their
machine."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from aiosmtpd.smtp import SMTP
from aiosmtpd.smtp import Envelope as Arriving

from skitai.core.config.smtpservers import SmtpServer as Server
from skitai.core.mail.letter import Envelope
from tests.mail.home import Home
from tests.mail.smtpserver import SmtpServer
from tests.waiting import wait_until

Smtp = Callable[..., SmtpServer]


def test_status_and_lists(home: Home, smtp: Smtp) -> None:
    server = smtp()
    agent = home.start("--retry-delay", "60s", "--retry-delay-max", "60s", server=server)
    refused = home.put("550@example.com", subject="refused")
    own = Server("127.0.0.1", server.port, "hans", "top-secret")
    waits = home.put(envelope=Envelope("a@b.c", ("451@example.com",), own, subject="waits"))
    wait_until(lambda: "deferred" in home.logged() and home.undelivered())
    told = json.loads(home.run("skitaid-smtpda", "--status", "--json").stdout)
    assert told["agent"] == agent.pid
    assert (told["waiting"], told["deferred"], told["undelivered"]) == (1, 1, 1)
    assert list(told["servers"]) == [server.address]
    text = home.run("skitaid-smtpda", "--status").stdout
    assert f"agent         process {agent.pid}\n" in text
    listed = home.run("skitai", "mail", "list")
    assert [line.split()[0] for line in listed.stdout.splitlines()[::2]] == [waits, refused]
    as_json = [json.loads(line) for line in home.run("skitai", "mail", "list", "--json").stdout.splitlines()]
    assert [(one["id"], one["undelivered"]) for one in as_json] == [(waits, False), (refused, True)]
    assert "top-secret" not in listed.stdout + text + str(as_json) + home.logged()
    agent.terminate()
    assert agent.wait(10) == 0
    assert json.loads(home.run("skitaid-smtpda", "--status", "--json").stdout)["agent"] == 0


def test_retry_and_drop(home: Home, smtp: Smtp) -> None:
    async def busy(server: SmtpServer, protocol: SMTP, envelope: Arriving) -> str:
        return "450 busy"

    server = smtp(on_mail=busy)
    home.start("--retry-delay", "1h", "--retry-delay-max", "1h", server=server)
    one, two, three = (home.put("a@example.com", subject=word) for word in ("one", "two", "three"))
    wait_until(lambda: home.logged().count("deferred") == 3)
    home.spool.give_up(two)
    server.on_mail = None
    assert home.run("skitai", "mail", "retry", one, two).returncode == 0
    wait_until(lambda: sorted(server.subjects()) == ["one", "two"])
    assert home.run("skitai", "mail", "drop", "--all").returncode == 0
    assert home.waiting() == []
    gone = home.run("skitai", "mail", "drop", three)
    assert (gone.returncode, gone.stderr) == (1, f"skitai: there is no e-mail {three} (any more)\n")
    assert home.run("skitai", "mail", "retry").returncode == 1


def test_what_is_no_letter_is_put_aside(home: Home, smtp: Smtp) -> None:
    server = smtp()
    home.spool.prepare()
    broken = home.spool.waiting / f"{'0' * 14}-{'0' * 8}.mail"
    broken.write_bytes(b"broken")
    damaged = home.put("a@example.com", subject="damaged")
    file = home.spool.waiting / f"{damaged}.mail"
    file.write_bytes(file.read_bytes().replace(b"text", b"TEXT"))
    home.put("a@example.com", subject="good")
    home.start(server=server)
    wait_until(lambda: server.subjects() == ["good"] and len(home.undelivered()) == 2)
    home.wait_for("is put aside")


def test_old_undelivered_letters_go(home: Home, smtp: Smtp) -> None:
    name = home.put("a@example.com")
    home.spool.give_up(name)
    old = time.time() - 3 * 86400
    os.utime(home.spool.undelivered / f"{name}.mail", (old, old))
    home.start("--undelivers-keep-max-days", "2", server=smtp())
    wait_until(lambda: home.undelivered() == [])
    home.wait_for(f"{name} was undeliverable for 2 days and is removed")


def test_one_agent_for_a_spool(home: Home, smtp: Smtp) -> None:
    server = smtp()
    first = home.start(server=server)
    second = home.start(server=server, ready=False)
    assert second.wait(10) == 1
    assert second.stderr is not None
    assert f"has an agent already (process {first.pid})".encode() in second.stderr.read()
    first.kill()
    first.wait()
    home.start(server=server)  # the lock of who was killed is nobody's


def test_term_lets_finish_what_is_being_sent(home: Home, smtp: Smtp) -> None:
    taking = []

    async def slow(server: SmtpServer, protocol: SMTP, envelope: Arriving) -> None:
        taking.append(1)
        await asyncio.sleep(0.5)

    server = smtp(on_data=slow)
    home.put("a@example.com")
    agent = home.start(server=server)
    wait_until(lambda: taking)
    agent.terminate()
    assert agent.wait(10) == 0
    assert (home.waiting(), len(server.received)) == ([], 1)
    assert home.logged().endswith("stopped\n")


def test_ctrl_c_does_not_wait(home: Home, smtp: Smtp) -> None:
    taking = []

    async def slow(server: SmtpServer, protocol: SMTP, envelope: Arriving) -> None:
        taking.append(1)
        await asyncio.sleep(20)

    server = smtp(on_data=slow)
    name = home.put("a@example.com")
    agent = home.start(server=server)
    wait_until(lambda: taking)
    agent.terminate()
    home.wait_for("stopping")
    agent.send_signal(signal.SIGINT)
    assert agent.wait(5) == 130
    assert home.waiting() == [name]
    home.wait_for("were cut; they may arrive twice")


def test_logs_are_opened_again(home: Home, smtp: Smtp) -> None:
    server = smtp()
    agent = home.start(server=server)
    home.log.rename(home.log.with_suffix(".1"))
    agent.send_signal(signal.SIGUSR1)
    wait_until(home.log.exists)
    home.put("a@example.com")
    home.wait_for("delivered")


def test_a_reload_that_cannot_be_followed(home: Home, smtp: Smtp) -> None:
    server = smtp()
    file = home.configure("[smtpda]\n")
    agent = home.start(server=server)
    file.write_text("[smtpda]\nuser = hans\n")
    agent.send_signal(signal.SIGHUP)
    home.wait_for("the former settings stay")
    home.put("a@example.com")
    wait_until(lambda: server.received)


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (["-t"], 0, ""),
        (["-t", "--max-retry", "x"], 78, "command line --max-retry: max_retry = x: not a whole number"),
        (["-t", "-f", "/nowhere.conf"], 78, "/nowhere.conf: there is no such file"),
    ],
)
def test_checking(home: Home, args: list[str], code: int, words: str) -> None:
    ended = home.run("skitaid-smtpda", *args)
    assert (ended.returncode, words in ended.stderr) == (code, True)


def test_files_of_the_spool_are_the_owners(home: Home, smtp: Smtp) -> None:
    former = os.umask(0)
    try:
        home.start(server=smtp())
    finally:
        os.umask(former)
    modes = {path.name: stat.S_IMODE(path.lstat().st_mode) for path in home.spool.folder.iterdir()}
    assert modes == {"spool": 0o700, "undelivered": 0o700, "lock": 0o600, "wake": 0o600}


def test_an_idle_agent_sleeps(home: Home, smtp: Smtp) -> None:
    agent = home.start(server=smtp())
    time.sleep(0.3)

    def ticks() -> int:
        return sum(map(int, Path(f"/proc/{agent.pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13]))

    begin = ticks()
    time.sleep(1)
    assert ticks() - begin <= 1


def test_a_command_that_serves_carries_none_of_it() -> None:
    heavy = "('ssl', 'smtplib', 'email', 'skitai._kernels', 'skitai.was')"
    code = f"import sys, skitai.cli.main; print([name for name in {heavy} if name in sys.modules])"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert told.stdout == "[]\n", told.stderr
