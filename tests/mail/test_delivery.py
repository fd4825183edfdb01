"""What is written down about an attempt, and in which order; sessions are scripted."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from skitai.core.config.daemon import SmtpdaSettings
from skitai.core.config.smtpservers import SmtpServer
from skitai.core.mail.letter import Envelope, Event, Letter
from skitai.core.mail.spool import MailSpool
from skitai.mail.delivery import Result, attempt, defer, delay_before
from skitai.mail.session import Outcome, ServerFailed

SETTINGS = SmtpdaSettings(max_retry=3, retry_delay=10, retry_delay_max=100)
MESSAGE = b"Subject: s\r\n\r\ntext\r\n"


class Session:
    """Gives the outcomes of a script, one for each transaction."""

    server = SmtpServer("mail.example.com")

    def __init__(
        self, *script: Outcome | ServerFailed, meanwhile: Callable[[], object] = lambda: None
    ) -> None:
        self.script = [*script]
        self.asked: list[Sequence[str]] = []
        self.meanwhile = meanwhile

    def deliver(
        self, envelope: Envelope, recipients: Sequence[str], message: bytes, sending: Callable[..., None]
    ) -> Outcome:
        self.asked.append(recipients)
        self.meanwhile()
        sending(recipients)
        step = self.script.pop(0)
        if isinstance(step, ServerFailed):
            raise step
        return step


@pytest.fixture
def spool(tmp_path: Path) -> MailSpool:
    return MailSpool(tmp_path)


def put(spool: MailSpool, *recipients: str) -> Letter:
    return spool.letter(spool.waiting, spool.put(Envelope("s@x", recipients or ("a@x", "b@x")), MESSAGE))


def events(letter: Letter, folder: Path) -> list[str]:
    text = (folder / f"{letter.name}.mail").read_text()
    return [word.value for line in text.splitlines() for word in Event if f'"event": "{word.value}"' in line]


def carry(spool: MailSpool, letter: Letter, session: Session) -> tuple[Result, bool]:
    return attempt(letter, letter.state.attempts, session, spool, SETTINGS)  # type: ignore[arg-type]


def test_all_have_it(spool: MailSpool) -> None:
    letter = put(spool)
    result, is_good = carry(spool, letter, Session(Outcome(["a@x", "b@x"], reply="250 ok")))
    assert (result.due, result.removed, is_good) == (None, True, True)
    assert result.text == f"{letter.name} delivered to a@x, b@x by mail.example.com:25: 250 ok"
    assert spool.names(spool.waiting) == []


def test_some_have_it_and_some_are_tried_again(spool: MailSpool) -> None:
    letter = put(spool)
    result, _ = carry(spool, letter, Session(Outcome(["a@x"], {"b@x": "451 later"}, reply="250 ok")))
    assert result.due is not None
    assert 7 <= result.due - time.time() <= 13
    assert events(letter, spool.waiting) == ["sending", "delivered", "deferred"]
    again = spool.letter(spool.waiting, letter.name)
    session = Session(Outcome(["b@x"]))
    assert carry(spool, again, session)[0].removed
    assert session.asked == [("b@x",)]


def test_who_is_refused_keeps_the_letter_for_an_operator(spool: MailSpool) -> None:
    letter = put(spool)
    result, _ = carry(spool, letter, Session(Outcome(["a@x"], refused={"b@x": "550 nobody"})))
    assert (result.due, result.kind) == (None, "error")
    assert result.text == f"{letter.name} could not be delivered to b@x: 550 nobody"
    assert events(letter, spool.undelivered) == ["sending", "delivered", "refused"]


def test_groups_that_were_delivered_before_the_server_failed(spool: MailSpool) -> None:
    people = [f"p{number}@x" for number in range(150)]
    letter = put(spool, *people)
    session = Session(Outcome(people[:100]), ServerFailed("closed"))
    with pytest.raises(ServerFailed):
        carry(spool, letter, session)
    assert spool.letter(spool.waiting, letter.name).state.waiting == people[100:]


def test_groups_behind_one_that_is_unconfirmed_are_not_begun(spool: MailSpool) -> None:
    people = [f"p{number}@x" for number in range(150)]
    letter = put(spool, *people)
    lost = Outcome(deferred=dict.fromkeys(people[:100], "it may have arrived"), unconfirmed=True)
    result, is_good = carry(spool, letter, Session(lost))
    assert result.due is not None
    assert not is_good
    assert spool.letter(spool.waiting, letter.name).state.waiting == people


def test_the_last_attempt(spool: MailSpool) -> None:
    letter = put(spool)
    assert defer(letter, 1, "451 later", spool, SETTINGS).due is not None
    result = defer(letter, 2, "451 later", spool, SETTINGS)
    assert result.due is None
    assert spool.names(spool.undelivered) == [letter.name]
    state = spool.letter(spool.undelivered, letter.name).state
    assert (state.attempts, state.reason) == (3, "451 later")


def test_an_attempt_that_is_repeated_at_once_counts_as_one(spool: MailSpool) -> None:
    """A kept connection had been closed: "sending" stands there twice."""
    letter = put(spool)
    before = letter.state.attempts
    for _ in range(2):
        letter.note(Event.SENDING, ["a@x"])
    defer(letter, before, "451 later", spool, SETTINGS)
    assert spool.letter(spool.waiting, letter.name).state.attempts == 1


def test_a_letter_that_is_dropped_in_the_last_moment_is_not_sent(spool: MailSpool) -> None:
    letter = put(spool)
    session = Session(Outcome(["a@x", "b@x"]), meanwhile=lambda: spool.remove(spool.waiting, letter.name))
    with pytest.raises(FileNotFoundError):
        carry(spool, letter, session)
    assert len(session.script) == 1


def test_a_full_disk_gets_room_by_what_is_delivered(
    spool: MailSpool, monkeypatch: pytest.MonkeyPatch
) -> None:
    letter = put(spool)

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Letter, "note", full)
    assert carry(spool, letter, Session(Outcome(["a@x", "b@x"])))[0].removed
    assert spool.names(spool.waiting) == []


@pytest.mark.parametrize(("attempts", "delay"), [(1, 10), (2, 40), (3, 100), (1000, 100)])
def test_the_time_between_attempts(attempts: int, delay: float) -> None:
    delays = [delay_before(attempts, SETTINGS) for _ in range(200)]
    assert 0.75 * delay <= min(delays) < 0.9 * delay < 1.1 * delay < max(delays) <= 1.25 * delay
