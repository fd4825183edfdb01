"""`was.email`: what is composed is what a reader gets, and no value becomes a field or a recipient of its
own."""

from __future__ import annotations

import email.policy
import re
from collections.abc import Callable
from email.message import EmailMessage
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skitai import was
from skitai.core.config.smtpservers import SmtpServer
from skitai.core.mail.letter import Letter
from skitai.core.mail.spool import MailSpool
from skitai.errors import MailNotAccepted
from skitai.limits import Limits
from skitai.was import _addresses, _composing, _postbox

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40

Sent = Callable[[Any], Letter]


@pytest.fixture(autouse=True)
def spool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MailSpool:
    monkeypatch.setattr(_postbox, "_current", _postbox._Current())
    was.provide_spool(tmp_path / "mail", Limits())
    return MailSpool(tmp_path / "mail")


@pytest.fixture
def sent(spool: MailSpool) -> Sent:
    def send(mail: Any) -> Letter:
        return spool.letter(spool.waiting, mail.send())

    return send


def read(letter: Letter) -> EmailMessage:
    """As a reader of e-mail does, who was not told anything by us."""
    message = email.message_from_bytes(letter.message(), policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    assert not [part.defects for part in message.walk() if part.defects]
    return message


def body(message: EmailMessage, kind: str) -> Any:
    part = message.get_body((kind,))
    assert part is not None
    return with_newlines(part.get_content())


def with_newlines(text: str) -> str:
    """A text of an e-mail always ends with a line end."""
    return re.sub(r"\r\n|\r", "\n", text).removesuffix("\n")


# --- as README has it


def test_the_sample_of_the_readme(sent: Sent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("001.png").write_bytes(PNG)
    e = was.email("subject", "snd@example.com", "rcpt@example.com")
    e.set_smtp("127.0.0.1:465", "username", "password", ssl=True)
    e.add_text("Hello World<div><img src='cid:ID_A'></div>", "text/html")
    e.add_attachment(r"001.png", cid="ID_A")
    letter = sent(e)
    assert letter.envelope.server == SmtpServer("127.0.0.1", 465, "username", "password", ssl=True)
    assert (letter.envelope.sender, letter.envelope.recipients) == ("snd@example.com", ("rcpt@example.com",))
    message = read(letter)
    assert (message["Subject"], message["From"], message["To"]) == (
        "subject",
        "snd@example.com",
        "rcpt@example.com",
    )
    assert message.get_content_type() == "multipart/related"
    html, image = message.iter_parts()
    assert with_newlines(html.get_content()) == "Hello World<div><img src='cid:ID_A'></div>"
    assert (image.get_content_type(), image["Content-ID"], image.get_content()) == (
        "image/png",
        "<ID_A>",
        PNG,
    )


def test_it_is_a_service_of_a_request_and_outside() -> None:
    assert was.Services({}).email is was.email


def test_the_id_is_the_one_of_the_spool(spool: MailSpool) -> None:
    e = was.email("s", "a@b.c", "d@e.f")
    assert [e.send(), e.send()] == spool.names(spool.waiting)
    one, other = (spool.letter(spool.waiting, name) for name in spool.names(spool.waiting))
    assert one.envelope.message_id != other.envelope.message_id


# --- structure


def test_all_there_can_be(sent: Sent, tmp_path: Path) -> None:
    files = {"ü 1.png": PNG, "report.pdf": b"%PDF", "a.txt": "grüße\n".encode(), "x.unknown": b"\0"}
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    e = was.email("Grüße 한국 🎉", '"Roh, Hans" <hans@example.com>', ["a@example.com", "Bö <b@example.com>"])
    e.add_text("<p>Grüße <img src='cid:logo'></p>", "text/html")
    e.add_text("Grüße\n.\n..\nFrom here\n", "text/plain")
    e.add_attachment(tmp_path / "ü 1.png", cid="logo")
    e.add_attachment(tmp_path / "report.pdf", "Bericht „März“.pdf")
    e.add_attachment(tmp_path / "a.txt")
    e.add_attachment(tmp_path / "x.unknown")
    message = read(sent(e))
    assert message["Subject"] == "Grüße 한국 🎉"
    assert [(one.display_name, one.addr_spec) for one in message["From"].addresses] == [
        ("Roh, Hans", "hans@example.com")
    ]
    assert [(one.display_name, one.addr_spec) for one in message["To"].addresses] == [
        ("", "a@example.com"),
        ("Bö", "b@example.com"),
    ]
    kinds = [part.get_content_type() for part in message.walk()]
    assert kinds == [
        "multipart/mixed",
        "multipart/alternative",
        "text/plain",
        "multipart/related",
        "text/html",
        "image/png",
        "application/pdf",
        "text/plain",
        "application/octet-stream",
    ]
    assert body(message, "plain") == "Grüße\n.\n..\nFrom here"
    assert body(message, "html") == "<p>Grüße <img src='cid:logo'></p>"
    image = [part for part in message.walk() if part["Content-ID"]]
    assert [(part.get_filename(), part.get_content()) for part in image] == [("ü 1.png", PNG)]
    attached = [(part.get_filename(), part.get_payload(decode=True)) for part in message.iter_attachments()]
    assert attached == [
        ("Bericht „März“.pdf", b"%PDF"),
        ("a.txt", "grüße\n".encode()),
        ("x.unknown", b"\0"),
    ]


@pytest.mark.parametrize(
    "text", [None, "", "plain", "grüße", "x" * 5000, "line\r\nline\rline\n\n", "\0\x1b[2J"]
)
def test_a_text(sent: Sent, text: str | None) -> None:
    e = was.email("s", "a@b.c", "d@e.f")
    if text is not None:
        e.add_text(text)
    message = read(sent(e))
    assert message.get_content_type() == "text/plain"
    assert body(message, "plain") == with_newlines(text or "")


def test_people_and_fields(sent: Sent) -> None:
    e = was.email(
        "s",
        "a@b.c",
        "d@e.f, g@h.i",
        cc=["C <c@c.c>"],
        bcc=("secret@b.b", "d@e.f"),
        reply_to="r@r.r",
    )
    e.set_header("X-Order", "17")
    e.set_header("List-Unsubscribe", "<https://example.com/ü>")
    e.set_header("x-order", "18")
    letter = sent(e)
    assert letter.envelope.recipients == ("d@e.f", "g@h.i", "c@c.c", "secret@b.b")
    assert b"secret" not in letter.message()
    message = read(letter)
    assert (message["To"], message["Cc"], message["Reply-To"]) == ("d@e.f, g@h.i", "C <c@c.c>", "r@r.r")
    assert message.get_all("X-Order") == ["18"]
    assert message["List-Unsubscribe"] == "<https://example.com/ü>"
    assert message["Message-ID"] == letter.envelope.message_id
    assert abs(parsedate_to_datetime(message["Date"]).timestamp() - letter.queued) < 2


def test_names_of_hosts_leave_as_ascii(sent: Sent) -> None:
    letter = sent(was.email("s", "a@müller.de", "b@例え.jp"))
    assert (letter.envelope.sender, letter.envelope.recipients) == (
        "a@xn--mller-kva.de",
        ("b@xn--r8jz45g.jp",),
    )
    assert letter.message().isascii()
    assert not letter.envelope.utf8


def test_addresses_outside_of_ascii_ask_for_smtputf8(sent: Sent) -> None:
    letter = sent(was.email("s", "a@b.c", "Bö <bö@example.com>"))
    assert (letter.envelope.utf8, letter.envelope.recipients) == (True, ("bö@example.com",))
    assert "\r\nTo: Bö <bö@example.com>\r\n".encode() in letter.message()


def test_files_are_read_when_it_is_sent(sent: Sent, tmp_path: Path) -> None:
    file = tmp_path / "a.bin"
    e = was.email("s", "a@b.c", "d@e.f")
    e.add_attachment(file)
    with pytest.raises(FileNotFoundError):
        e.send()
    file.write_bytes(b"then")
    letter = sent(e)
    file.unlink()
    assert [part.get_content() for part in read(letter).iter_attachments()] == [b"then"]


# --- what is refused

ENDS_OF_LINES = ["\r\n", "\n", "\r", "\0", "\x0b", "\x0c", "\x85", "\u2028"]


@pytest.mark.parametrize("end", ENDS_OF_LINES)
@pytest.mark.parametrize(
    "write",
    [
        lambda evil: was.email(evil, "a@b.c", "d@e.f"),
        lambda evil: was.email("s", f"a@b.c{evil}", "d@e.f"),
        lambda evil: was.email("s", f"{evil} <a@b.c>", "d@e.f"),
        lambda evil: was.email("s", "a@b.c", [f"d@e.f{evil}"]),
        lambda evil: was.email("s", "a@b.c", "d@e.f", cc=f'"{evil}" <d@e.f>'),
        lambda evil: was.email("s", "a@b.c", "d@e.f", bcc=f"d{evil}@e.f"),
        lambda evil: was.email("s", "a@b.c", "d@e.f", reply_to=evil),
        lambda evil: was.email("s", "a@b.c", "d@e.f").set_header("X-A", evil),
        lambda evil: was.email("s", "a@b.c", "d@e.f").set_header(f"X-A{evil}", "b"),
        lambda evil: was.email("s", "a@b.c", "d@e.f").add_text("t", f"text/html{evil}"),
        lambda evil: was.email("s", "a@b.c", "d@e.f").add_attachment("a.png", evil),
        lambda evil: was.email("s", "a@b.c", "d@e.f").add_attachment("a.png", cid=evil),
        lambda evil: was.email("s", "a@b.c", "d@e.f").set_smtp(f"localhost:25{evil}"),
    ],
)
def test_no_value_has_an_end_of_line(write: Callable[[str], Any], end: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011, the words are each place's own
        write(f"x{end}Bcc: all@example.com")


def test_an_encoded_end_of_line(sent: Sent) -> None:
    """The standard library decodes what it is given, and writes it as it is."""
    evil = "=?utf-8?q?a=0d=0aBcc:_x@y?="
    with pytest.raises(ValueError, match=r"snd .* has an encoded word"):
        was.email("s", f"{evil} <a@b.c>", "d@e.f")
    with pytest.raises(ValueError, match=r"subject .* has an encoded word"):
        was.email(evil, "a@b.c", "d@e.f")
    with pytest.raises(ValueError, match=r"X-A .* has an encoded word"):
        was.email("s", "a@b.c", "d@e.f").set_header("X-A", evil)
    assert read(sent(was.email("what =? and", "a@b.c", "d@e.f")))["Subject"] == "what =? and"


def test_the_head_is_looked_at_as_it_leaves() -> None:
    """Not all that the library has let through was given as an end of a line."""
    message = was.email("s", "a@b.c", "d@e.f")._message("<1@b.c>")
    data = message.as_bytes()
    _composing._look_again(message, data)
    with pytest.raises(ValueError, match="began another field: Date, Message-ID, Subject, Bcc, From"):
        _composing._look_again(message, data.replace(b"\r\nFrom", b"\r\nBcc: x@y\r\nFrom"))


@pytest.mark.parametrize(
    ("write", "words"),
    [
        (lambda: was.email("s", "a@b.c", ""), "rcpt '' is no address"),
        (lambda: was.email("s", "a@b.c", []), "goes to nobody"),
        (lambda: was.email("s", "a@b.c, d@e.f", "d@e.f"), "snd .* are 2 addresses: one is wanted"),
        (lambda: was.email("s", "hans", "d@e.f"), "snd 'hans' is no address; write hans@example.com"),
        (lambda: was.email("s", "hans@", "d@e.f"), "is no address"),
        (lambda: was.email("s", "a@b.c", "d@e.f g@h.i"), "is no address"),
        (lambda: was.email("s", "a@b.c", "d e@f.g"), "is no address"),
        (lambda: was.email("s", "a@b.c", "d@e.f> <g@h.i"), "is no address"),
        (lambda: was.email("s", "a@b.c", "a@" + "x" * 70 + ".de"), "is no address"),
        (lambda: was.email("\ud800", "a@b.c", "d@e.f"), "surrogates"),
        (lambda: was.email("s", "a@b.c", "d@e.f").add_text("\ud800"), "surrogates"),
        (lambda: was.email("s", "a@b.c", "d@e.f").add_text("t", "image/png"), "no type of a text"),
        (lambda: was.email("s", "a@b.c", "d@e.f").set_header("To", "x@y.z"), "comes by the argument rcpt"),
        (lambda: was.email("s", "a@b.c", "d@e.f").set_header("Content-Type", "x"), "comes by add_text"),
        (lambda: was.email("s", "a@b.c", "d@e.f").set_header("X:Y", "x"), "no name of a field"),
        (lambda: was.email("s", "a@b.c", "d@e.f").add_attachment("a", cid="<a>"), "without spaces"),
        (lambda: was.email("s", "a@b.c", "d@e.f").set_smtp("host:99999"), "not a number from 1 to 65535"),
        (lambda: was.email("s", "a@b.c", "d@e.f").set_smtp("host", "user"), "both or neither"),
        (lambda: was.email("s", "a@b.c", "d@e.f").set_smtp("host", "u", "pässword"), "have to be ASCII"),
        (lambda: was.email("s", "a@b.c", "d@e.f").set_smtp("host", starttls="maybe"), "auto, yes, no"),
        (lambda: was.email("s", "a@b.c", "d@e.f").set_smtp("h", ssl=True, starttls="yes"), "keep one"),
    ],
)
def test_mistakes_are_told_where_they_are_made(write: Callable[[], Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        write()


@pytest.mark.parametrize(
    "write", [lambda: was.email(1, "a@b.c", "d@e.f"), lambda: was.email("s", "a@b.c", [1])]
)
def test_what_is_no_text(write: Callable[[], Any]) -> None:
    with pytest.raises(TypeError, match="is no text"):
        write()


def test_a_second_text_of_a_type(sent: Sent) -> None:
    e = was.email("s", "a@b.c", "d@e.f")
    e.add_text("one")
    with pytest.raises(ValueError, match="has a text/plain already"):
        e.add_text("two")


def test_what_html_shows_needs_html(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(PNG)
    e = was.email("s", "a@b.c", "d@e.f")
    e.add_text("plain")
    e.add_attachment(tmp_path / "a.png", cid="a")
    with pytest.raises(ValueError, match="cid 'a' stands for another"):
        e.add_attachment(tmp_path / "a.png", cid="a")
    with pytest.raises(ValueError, match="no text/html that could show it"):
        e.send()


def test_limits(tmp_path: Path) -> None:
    was.provide_spool(tmp_path / "mail", Limits(mail_size_max=5000, mail_recipients_max=2, mail_queue_max=1))
    crowd = was.email("s", "a@b.c", ["d@e.f", "g@h.i", "j@k.l"])
    with pytest.raises(ValueError, match="goes to 3 addresses; mail_recipients_max is 2"):
        crowd.send()
    (tmp_path / "a.bin").write_bytes(b"x" * 4500)
    heavy = was.email("s", "a@b.c", "d@e.f")
    heavy.add_attachment(tmp_path / "a.bin")
    with pytest.raises(ValueError, match=r"has 6\d{3} bytes; mail_size_max is 5000"):
        heavy.send()
    was.email("s", "a@b.c", "d@e.f").send()
    with pytest.raises(MailNotAccepted, match="mail_queue_max"):
        was.email("s", "a@b.c", "d@e.f").send()


def test_a_word_that_fits_no_line() -> None:
    e = was.email("s", f"{'x' * 1200} <a@b.c>", "d@e.f")
    with pytest.raises(ValueError, match="longer than a line may be"):
        e.send()


# --- where it goes without a server


def test_the_spool_that_the_environment_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_postbox, "_current", _postbox._Current())
    monkeypatch.setenv("SKITAI_MAIL_SPOOL", str(tmp_path / "named"))
    name = was.email("s", "a@b.c", "d@e.f").send()
    assert (tmp_path / "named" / "spool" / f"{name}.mail").exists()
    assert was.status("MAIL", fancy=False) == {"MAIL": {"spool": str(tmp_path / "named"), "waiting": 1}}


# --- any text at all

TEXTS = st.text(st.characters(codec="utf-8"), max_size=300)
LINES = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Zl", "Zp", "Cs"]), max_size=300
).filter(lambda text: not _addresses.ENCODED_WORD.search(text))
BARE = re.compile(rb"(?<!\r)\n|\r(?!\n)")


@given(subject=LINES, name=LINES, text=TEXTS, html=TEXTS)
def test_what_leaves_is_what_was_given(subject: str, name: str, text: str, html: str) -> None:
    e = was.email(subject, "a@b.c", "d@e.f")
    e.add_text(text)
    e.add_text(html, "text/html")
    e.set_header("X-Name", name)
    data = e._message("<1@b.c>").as_bytes()
    assert data.isascii()
    assert not BARE.search(data)
    message = email.message_from_bytes(data, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    assert words(message["Subject"]) == words(subject)
    assert words(message["X-Name"]) == words(name)
    assert body(message, "plain") == with_newlines(text)
    assert body(message, "html") == with_newlines(html)
    assert message.keys() == e._message("<1@b.c>").keys()


def words(text: str) -> list[str]:
    """Folding may change how much white space there is."""
    return text.split()
