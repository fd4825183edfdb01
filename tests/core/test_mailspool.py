"""The spool of e-mail: what is accepted is on the disk, readable by its owner only, and is one file."""

from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from skitai.core.config.smtpservers import SmtpServer
from skitai.core.mail import spool as module
from skitai.core.mail.bell import Bell, ring
from skitai.core.mail.letter import BadLetter, Envelope, Event, Letter, is_address
from skitai.core.mail.spool import MailSpool, is_name
from skitai.errors import MailNotAccepted
from skitai.limits import Limits
from tests.waiting import wait_until

ENVELOPE = Envelope("hans@example.com", ("a@example.com", "b@example.com"))
MESSAGE = b"Subject: hello\r\n\r\ntext\r\n.\r\n"


@pytest.fixture
def spool(tmp_path: Path) -> MailSpool:
    return MailSpool(tmp_path / "mail")


def put(spool: MailSpool, envelope: Envelope = ENVELOPE, message: bytes = MESSAGE) -> Letter:
    return spool.letter(spool.waiting, spool.put(envelope, message))


# --- what is put there


@pytest.mark.parametrize("message", [b"", MESSAGE, b"\n{}\n" * 3, bytes(range(256)) * 5000])
def test_a_letter_is_what_was_put(spool: MailSpool, message: bytes) -> None:
    server = SmtpServer("mail.example.com", 587, "hans", "secret", starttls="yes")
    envelope = Envelope("", ("ü@example.com",), server, True, "<1@example.com>", "Grüße")
    letter = put(spool, envelope, message)
    assert (letter.envelope, letter.message()) == (envelope, message)
    assert (letter.state.waiting, letter.state.attempts, letter.state.due) == (["ü@example.com"], 0, 0.0)


def test_letters_are_in_the_order_in_which_they_came(spool: MailSpool) -> None:
    names = [spool.put(ENVELOPE, MESSAGE) for _ in range(20)]
    assert spool.names(spool.waiting) == names
    assert all(map(is_name, names))


def test_only_the_owner_may_read(spool: MailSpool) -> None:
    former = os.umask(0)
    try:
        letter = put(spool)
    finally:
        os.umask(former)
    assert stat.S_IMODE(letter.path.stat().st_mode) == 0o600
    for folder in (spool.folder, spool.waiting, spool.undelivered):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_the_disk_has_the_bytes_before_the_name_and_the_name_before_the_caller(
    spool: MailSpool, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool.prepare()
    done: list[str] = []

    def fsync(descriptor: int) -> None:
        kind = "folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file"
        assert kind == "folder" or os.fstat(descriptor).st_size > len(MESSAGE)
        done.append(f"{kind}, {len(spool.names(spool.waiting))} named")

    monkeypatch.setattr(module.os, "fsync", fsync)
    spool.put(ENVELOPE, MESSAGE)
    assert done == ["file, 0 named", "folder, 1 named"]


def test_what_cannot_be_written_is_refused_and_leaves_nothing(
    spool: MailSpool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module.os, "fsync", full)
    with pytest.raises(MailNotAccepted, match=r"No space left on device; let .* or name another folder"):
        spool.put(ENVELOPE, MESSAGE)
    assert os.listdir(spool.waiting) == []


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(MailNotAccepted, match="Not a directory"):
        MailSpool(tmp_path / "file" / "mail").put(ENVELOPE, MESSAGE)


# --- how much


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        (Limits(mail_queue_max=3), "mail_queue_max allows 3 messages"),
        (Limits(mail_spool_total_max=25000), "mail_spool_total_max allows 25000 bytes"),
    ],
)
def test_a_full_spool_takes_no_more(tmp_path: Path, limits: Limits, words: str) -> None:
    """Counted by each process for itself, and again after what others did."""
    mine, others = MailSpool(tmp_path, limits), MailSpool(tmp_path)
    message = b"x" * 8000
    names = [others.put(ENVELOPE, message) for _ in range(2)]
    mine.put(ENVELOPE, message)
    with pytest.raises(MailNotAccepted, match=words):
        mine.put(ENVELOPE, message)
    assert others.remove(others.waiting, names[0])
    again = MailSpool(tmp_path, limits)
    again.put(ENVELOPE, message)


def test_a_spool_is_counted_again_when_time_has_passed(
    spool: MailSpool, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr(module.time, "monotonic", lambda: now)
    limited = MailSpool(spool.folder, Limits(mail_queue_max=1))
    letter = put(limited)
    with pytest.raises(MailNotAccepted):
        limited.put(ENVELOPE, MESSAGE)
    spool.remove(spool.waiting, letter.name)
    now += 2
    limited.put(ENVELOPE, MESSAGE)


# --- the journal


def test_the_state_is_what_the_journal_says(spool: MailSpool) -> None:
    letter = put(spool)
    letter.note(Event.SENDING, ["a@example.com"])
    assert spool.letter(spool.waiting, letter.name).state.unconfirmed
    letter.note(Event.DELIVERED, ["a@example.com"], durable=True)
    letter.note(Event.DEFERRED, ["b@example.com"], "451 later", attempts=1, due=2000000000.25)
    again = spool.letter(spool.waiting, letter.name).state
    assert again == letter.state
    assert (again.waiting, again.attempts, again.due, again.reason, again.unconfirmed) == (
        ["b@example.com"],
        1,
        2000000000.25,
        "451 later",
        False,
    )
    letter.note(Event.REFUSED, ["b@example.com"], "550 nobody")
    again = spool.letter(spool.waiting, letter.name).state
    assert (again.waiting, again.refused) == ([], {"b@example.com": "550 nobody"})
    letter.note(Event.RETRY)
    again = spool.letter(spool.waiting, letter.name).state
    assert (again.waiting, again.refused, again.attempts, again.due) == (["b@example.com"], {}, 0, 0.0)
    assert letter.message() == MESSAGE


def test_an_attempt_that_was_killed_counts(spool: MailSpool) -> None:
    """A message that ends the agent would end it for ever."""
    letter = put(spool)
    for attempt in (1, 2, 3):
        letter.note(Event.SENDING, ENVELOPE.recipients)
        assert spool.letter(spool.waiting, letter.name).state.attempts == attempt


@pytest.mark.parametrize("cut", range(1, 40, 6))
def test_half_a_line_of_who_was_killed_is_no_line(spool: MailSpool, cut: int) -> None:
    letter = put(spool)
    letter.note(Event.DEFERRED, [], "451 later", attempts=1, due=5)
    whole = letter.path.stat().st_size
    letter.note(Event.REFUSED, ["a@example.com"], "550 nobody")
    os.truncate(letter.path, letter.path.stat().st_size - cut)
    half = spool.letter(spool.waiting, letter.name)
    assert letter.path.stat().st_size > whole
    assert (half.state.waiting, half.state.reason) == (["a@example.com", "b@example.com"], "451 later")
    half.note(Event.DELIVERED, ["b@example.com"])
    assert spool.letter(spool.waiting, letter.name).state.waiting == ["a@example.com"]


def test_a_letter_that_was_taken_away_has_no_journal(spool: MailSpool) -> None:
    letter = put(spool)
    assert spool.remove(spool.waiting, letter.name)
    with pytest.raises(FileNotFoundError):
        letter.note(Event.RETRY)
    assert os.listdir(spool.waiting) == []


# --- files that are no letters


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[:50],
        lambda data: b"no letter\n" + data,
        lambda data: data.replace(b'"skitai-mail": 1', b'"skitai-mail": 2'),
        lambda data: data.replace(b"a@example.com", b"a@x\\r\\nRSET"),
        lambda data: data.replace(b'"a@example.com"', b"[]"),
        lambda data: data.replace(b'"server": null', b'"server": {"shell": "sh"}'),
        lambda data: data.replace(b'"size"', b'"length"'),
    ],
)
def test_a_file_that_is_no_letter(spool: MailSpool, damage: Callable[[bytes], bytes]) -> None:
    letter = put(spool)
    letter.path.write_bytes(damage(letter.path.read_bytes()))
    with pytest.raises(BadLetter, match="the envelope cannot be read"):
        spool.letter(spool.waiting, letter.name)


@pytest.mark.parametrize("damage", [lambda data: data[:-5], lambda data: data.replace(b"hello", b"HELLO")])
def test_a_message_that_is_not_as_it_was_written(spool: MailSpool, damage: Callable[[bytes], bytes]) -> None:
    letter = put(spool)
    letter.path.write_bytes(damage(letter.path.read_bytes()))
    with pytest.raises(BadLetter, match="not as it was written"):
        spool.letter(spool.waiting, letter.name).message()


@pytest.mark.parametrize("name", ["../../etc/passwd", "", "x" * 23, "0" * 14 + "-0000000Z"])
def test_only_names_of_letters_are_looked_for(spool: MailSpool, name: str) -> None:
    with pytest.raises(FileNotFoundError, match="no name of a letter"):
        spool.letter(spool.waiting, name)


def test_links_are_not_followed(spool: MailSpool) -> None:
    letter = put(spool)
    other = letter.path.with_name(f"{'0' * 14}-{'0' * 8}.mail")
    other.symlink_to(letter.path)
    with pytest.raises(OSError, match="symbolic links"):
        spool.letter(spool.waiting, other.stem)


@pytest.mark.parametrize(
    "text", ["a", "@", "a@", "@b", "a@b c", "a@b>", "<a@b", "a@b\r\nDATA", "a@b\x7f", ""]
)
def test_what_is_no_address(text: str) -> None:
    assert not is_address(text)


# --- moving and cleaning


def test_given_up_and_taken_back(spool: MailSpool) -> None:
    letter = put(spool)
    assert spool.give_up(letter.name)
    assert not spool.give_up(letter.name)
    assert (spool.names(spool.waiting), spool.names(spool.undelivered)) == ([], [letter.name])
    assert spool.take_back(letter.name)
    assert not spool.take_back(letter.name)
    assert spool.names(spool.waiting) == [letter.name]


def test_cleaning_takes_what_is_old(spool: MailSpool) -> None:
    old, new = put(spool), put(spool)
    for letter, time in ((old, 1000.0), (new, 3000.0)):
        spool.give_up(letter.name)
        os.utime(spool.undelivered / letter.path.name, (time, time))
    waits = put(spool)
    os.utime(waits.path, (1000.0, 1000.0))
    for name, time in (("0" * 14 + "-00000000", 1000.0), ("0" * 14 + "-00000001", 3000.0)):
        half = spool.waiting / f".{name}.mail"
        half.touch()
        os.utime(half, (time, time))
    assert spool.clean(2000.0, 2000.0) == [old.name]
    assert spool.names(spool.undelivered) == [new.name]
    assert sorted(os.listdir(spool.waiting)) == [".00000000000000-00000001.mail", waits.path.name]


# --- the bell


def test_a_bell_tells_names(spool: MailSpool) -> None:
    spool.prepare()
    assert not ring(spool.folder, "nobody listens")
    bell = Bell(spool.folder)
    heard: list[str] = []
    threading.Thread(target=lambda: [heard.extend(names) for names in bell.names()], daemon=True).start()
    names = [spool.put(ENVELOPE, MESSAGE) for _ in range(3)]
    wait_until(lambda: heard == names)


def test_a_bell_that_nobody_answers_makes_nobody_wait(spool: MailSpool) -> None:
    spool.prepare()
    bell = Bell(spool.folder)
    for _ in range(3000):  # 64 KiB are full after a good third of them
        assert ring(spool.folder, "0" * 23)
    assert bell is not None


# --- kill -9

WRITER = """
import sys
from pathlib import Path
from skitai.core.mail.letter import Envelope
from skitai.core.mail.spool import MailSpool

spool = MailSpool(Path(sys.argv[1]))
while True:
    print(spool.put(Envelope("a@b.c", ("d@e.f",)), b"x" * 20000), flush=True)
"""


def test_what_a_killed_writer_was_told_is_there(tmp_path: Path) -> None:
    """And what is there under its name is whole."""
    spool = MailSpool(tmp_path)
    told: list[str] = []
    for lines in range(1, 12):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, tmp_path], stdout=subprocess.PIPE, text=True)
        assert writer.stdout is not None
        told += [writer.stdout.readline().strip() for _ in range(lines)]
        writer.send_signal(signal.SIGKILL)
        told += writer.stdout.read().split()
        writer.wait()
        writer.stdout.close()
    names = spool.names(spool.waiting)
    assert {*told} <= {*names}
    assert {spool.letter(spool.waiting, name).message() for name in names} == {b"x" * 20000}
