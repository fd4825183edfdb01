"""What ``was.email`` gives: an e-mail in the making, built by the standard library's ``email`` package.

    multipart/mixed                   where there are attachments
        multipart/alternative         where there are several texts: plain first, the best one last
            text/plain
            multipart/related         where the HTML shows what is sent along (``cid:``)
                text/html
                image/png

What is seven bits wide passes every server, so texts are encoded where they are not.  Each value is looked at
for ends of lines where it is given, which would let a visitor who writes the subject write recipients, too.

`send` asks nobody: it writes to the spool (`skitai.core.mail.spool`) and is done when the disk has it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timezone
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from pathlib import Path
from typing import NamedTuple

from skitai.core.config.problems import Mistake
from skitai.core.config.smtpservers import STARTTLS, SmtpServer, read_smtp_server
from skitai.core.mail.letter import Envelope
from skitai.core.mediatypes import media_type
from skitai.was._addresses import one_line, read_address, read_addresses
from skitai.was._mailfields import SEVEN_BITS, SEVEN_BITS_UTF8, people
from skitai.was._postbox import postbox

__all__ = ["Email"]

_NAME = re.compile(r"[!-9;-~]+")
_TEXT_TYPE = re.compile(r"text/[\w.+-]+", re.ASCII)
_CID = re.compile(r"[!-;=?-~]+")
_FIELD = re.compile(rb"^([^ \t\r\n][^:\r\n]*)", re.MULTILINE)
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
#: RFC 5322 section 2.1.1.
_TOO_LONG = re.compile(rb"[^\r\n]{999}")
#: Fields that have a place of their own, and where.
_SPOKEN_FOR = {
    "bcc": "the argument bcc of was.email",
    "cc": "the argument cc of was.email",
    "from": "the argument snd of was.email",
    "reply-to": "the argument reply_to of was.email",
    "subject": "the argument subject of was.email",
    "to": "the argument rcpt of was.email",
    "date": "no argument: it is the time of send()",
    "message-id": "no argument: each e-mail has one of its own",
    "mime-version": "add_text and add_attachment",
}


class _Attachment(NamedTuple):
    path: Path
    name: str
    cid: str


@dataclass(frozen=True, slots=True)
class _People:
    sender: Address
    to: list[Address]
    cc: list[Address]
    bcc: list[Address]
    reply_to: list[Address]

    def recipients(self) -> tuple[str, ...]:
        """Each of them once."""
        everybody = (*self.to, *self.cc, *self.bcc)
        return tuple(dict.fromkeys(address.addr_spec for address in everybody))

    def need_utf8(self) -> bool:
        everybody = (self.sender, *self.to, *self.cc, *self.bcc, *self.reply_to)
        return not all(address.username.isascii() for address in everybody)


class Email:
    """Made, filled and sent by one thread.  Files are read when it is sent."""

    def __init__(
        self,
        subject: str,
        snd: str,
        rcpt: str | Iterable[str],
        *,
        cc: str | Iterable[str],
        bcc: str | Iterable[str],
        reply_to: str | Iterable[str],
    ) -> None:
        self._subject = one_line("subject", subject)
        self._people = _People(
            read_address("snd", snd),
            read_addresses("rcpt", rcpt),
            read_addresses("cc", cc),
            read_addresses("bcc", bcc),
            read_addresses("reply_to", reply_to),
        )
        if not self._people.recipients():
            raise ValueError("the e-mail goes to nobody: give rcpt, cc or bcc")
        self._server: SmtpServer | None = None
        self._headers: dict[str, tuple[str, str]] = {}
        self._texts: dict[str, str] = {}
        self._attachments: list[_Attachment] = []

    def set_smtp(
        self,
        server: str,
        user: str = "",
        password: str = "",
        ssl: bool = False,
        *,
        starttls: str = "auto",
        verify: bool = True,
    ) -> None:
        """Have it delivered by ``server`` (``mail.example.com:587``) and not by that of ``[smtpda]``; the
        arguments are as the keys there.  Raises ValueError."""
        try:
            host, port = read_smtp_server(server)
        except Mistake as mistake:
            raise ValueError(f"set_smtp: {server!r}: {mistake.message}; {mistake.hint}") from None
        made = SmtpServer(host, port, user or "", password or "", ssl, starttls, verify)
        complaint = made.complaint() or (starttls not in STARTTLS and f"starttls is {', '.join(STARTTLS)}")
        if complaint:
            raise ValueError(f"set_smtp: {complaint}")
        self._server = made

    def set_header(self, name: str, value: str) -> None:
        """A further field of the head, in the place of an earlier one of this name.  Raises ValueError."""
        known = name.lower()
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no name of a field")
        if known in _SPOKEN_FOR or known.startswith("content-"):
            place = _SPOKEN_FOR.get(known, "add_text and add_attachment")
            raise ValueError(f"the field {name} comes by {place}")
        self._headers[known] = (name, one_line(name, value))

    def add_text(self, text: str, mimetype: str = "text/plain") -> None:
        """One text of each type: readers choose the best one that they can show.  Raises ValueError."""
        if not _TEXT_TYPE.fullmatch(mimetype):
            raise ValueError(f"{mimetype!r} is no type of a text; write text/plain or text/html")
        if mimetype.lower() in self._texts:
            raise ValueError(f"the e-mail has a {mimetype} already")
        text.encode()  # half of a surrogate pair is told here, and not behind the last line of the handler
        self._texts[mimetype.lower()] = text

    def add_attachment(
        self, path: str | os.PathLike[str], name: str | None = None, cid: str | None = None
    ) -> None:
        """A file, under ``name``; with ``cid`` it is part of the HTML, which shows it by ``cid:`` and this
        name.  Raises ValueError."""
        file = Path(path).absolute()
        if cid is not None and not _CID.fullmatch(cid):
            raise ValueError(f"cid {cid!r}: letters, digits and marks without spaces, < and >")
        if cid is not None and any(cid == other.cid for other in self._attachments):
            raise ValueError(f"cid {cid!r} stands for another attachment")
        self._attachments.append(_Attachment(file, one_line("name", name or file.name), cid or ""))

    def send(self) -> str:
        """Have it delivered.  The id is that of ``skitai mail list``: from now on it is the delivery agent's,
        which may be ended or not have been started yet.

        Raises:
            MailNotAccepted: the spool is full or cannot be written; nobody will get it.
            OSError: an attachment cannot be read.
            ValueError: it is longer than a limit, or has nothing to show its ``cid`` attachments in.
        """
        box = postbox()
        recipients = self._people.recipients()
        limits = box.limits
        if len(recipients) > limits.mail_recipients_max:
            raise ValueError(
                f"the e-mail goes to {len(recipients)} addresses; "
                f"mail_recipients_max is {limits.mail_recipients_max}"
            )
        self._refuse_long(sum(item.path.stat().st_size for item in self._attachments), limits.mail_size_max)
        message_id = make_msgid(domain=self._people.sender.domain)
        message = self._message(message_id)
        data = message.as_bytes()
        self._refuse_long(len(data), limits.mail_size_max)
        _look_again(message, data)
        if _TOO_LONG.search(data):
            raise ValueError(
                "the e-mail has a word in its head that is longer than a line may be (998 bytes)"
            )
        envelope = Envelope(
            self._people.sender.addr_spec,
            recipients,
            self._server,
            self._people.need_utf8(),
            message_id,
            self._subject[:200],
        )
        return box.spool.put(envelope, data)

    @staticmethod
    def _refuse_long(size: int, most: int) -> None:
        if size > most:
            raise ValueError(f"the e-mail has {size} bytes; mail_size_max is {most}")

    # -- from what was given to a message ---------------------------------------------------------

    def _message(self, message_id: str) -> EmailMessage:
        message = EmailMessage(SEVEN_BITS_UTF8 if self._people.need_utf8() else SEVEN_BITS)
        message["Date"] = format_datetime(datetime.now(timezone.utc))
        message["Message-ID"] = message_id
        message["Subject"] = self._subject
        message["From"] = people([self._people.sender])
        fields = {"To": self._people.to, "Cc": self._people.cc, "Reply-To": self._people.reply_to}
        for name, addresses in fields.items():
            if addresses:
                message[name] = people(addresses)
        for name, value in self._headers.values():
            message[name] = value
        self._add_texts(message)
        for item in self._attachments:
            if not item.cid:
                maintype, _, subtype = media_type(item.name).partition(";")[0].partition("/")
                message.add_attachment(
                    item.path.read_bytes(), maintype=maintype, subtype=subtype, filename=item.name
                )
        return message

    def _add_texts(self, message: EmailMessage) -> None:
        texts = self._texts or {"text/plain": ""}
        for place, mimetype in enumerate(sorted(texts, key=lambda name: name != "text/plain")):
            text, subtype = texts[mimetype], mimetype.removeprefix("text/")
            if place == 0:
                message.set_content(text, subtype=subtype, cte=_encoding(text))
            else:
                message.add_alternative(text, subtype=subtype, cte=_encoding(text))
        shown = [item for item in self._attachments if item.cid]
        if not shown:
            return
        html = message.get_body(("html",))
        if not isinstance(html, EmailMessage):
            raise ValueError(f"cid {shown[0].cid!r} has no text/html that could show it")
        for item in shown:
            maintype, _, subtype = media_type(item.name).partition(";")[0].partition("/")
            html.add_related(
                item.path.read_bytes(),
                maintype=maintype,
                subtype=subtype,
                cid=f"<{item.cid}>",
                filename=item.name,
                disposition="inline",
            )


def _look_again(message: EmailMessage, data: bytes) -> None:
    """The head as it leaves has the fields that were meant: the library has let ends of lines through before
    (CVE-2024-6923)."""
    head = data.partition(b"\r\n\r\n")[0]
    fields = [name.decode() for name in _FIELD.findall(head)]
    if fields != message.keys():
        raise ValueError(f"a value of the head began another field: {', '.join(fields)} are there")


def _encoding(text: str) -> str | None:
    """Lines with other controls than tabs are no text for servers; else the library chooses."""
    return "base64" if _UNPRINTABLE.search(text) else None
