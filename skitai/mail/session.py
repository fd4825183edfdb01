"""One connection to an SMTP server (RFC 5321), by the standard library's smtplib.

What a server says is told apart by whom it is about: a recipient, the message, or nobody but itself and us
(`ServerFailed`: no connection, no TLS, a password that it does not take, "I am closing").  5xx is for good,
4xx for now.

A connection that ends before the last byte of a message has left is a failure like any other.  Behind that
byte it is not: the server may have taken the message.  That is the one place where a letter may arrive twice,
and why we wait there for as long as servers want to think (RFC 5321 section 4.5.3.2.6).

One thread at a time.
"""

from __future__ import annotations

import re
import smtplib
import ssl
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from skitai.core.config.smtpservers import SmtpServer
from skitai.core.mail.letter import Envelope

__all__ = ["Outcome", "ServerFailed", "Session", "SessionOptions"]

_LINE_BEGINS_WITH_DOT = re.compile(rb"^\.", re.MULTILINE)
#: Bytes that `timeout` is for: a long message may take as long as it needs.
_PIECE = 65536
#: How many times longer the server may think about a whole message than about a command.
_PATIENCE_AT_END = 10
_REPLY_MAX = 500
#: RFC 5321 section 4.5.3.1.10: so many recipients every server takes; and more than one of them may be 552.
_TOO_MANY_RECIPIENTS = 552
#: What is about us and the server, whatever it is said to: closing, and everything about logging in.
_NOT_ABOUT_MAIL = frozenset({421, 454, 530, 534, 535, 538})


class ServerFailed(Exception):
    """The server could not be spoken to; ``str()`` says how that went."""


@dataclass(frozen=True, slots=True)
class SessionOptions:
    """``timeout``: seconds for each answer.  ``helo_name``: of this machine."""

    timeout: float
    helo_name: str
    cafile: Path | None = None


@dataclass(slots=True)
class Outcome:
    """Of each recipient one thing.  ``unconfirmed``: the deferred ones may have it nevertheless."""

    delivered: list[str] = field(default_factory=list)
    deferred: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    reply: str = ""
    unconfirmed: bool = False

    def fail(self, recipients: Sequence[str], code: int, reason: str) -> None:
        """What a reply means for all of these."""
        told = self.refused if code >= 500 else self.deferred
        told.update(dict.fromkeys(recipients, reason))


class Session:
    def __init__(self, server: SmtpServer, options: SessionOptions) -> None:
        """Connects and logs in.  Raises ServerFailed."""
        self.server = server
        self._timeout = options.timeout
        try:
            self._smtp = self._connected(options)
        except (OSError, smtplib.SMTPException) as error:
            raise ServerFailed(f"{server} {_told(error)}") from error
        try:
            self._prepare(options)
        except BaseException:
            self._smtp.close()
            raise

    def _connected(self, options: SessionOptions) -> smtplib.SMTP:
        host, port = self.server.host, self.server.port_number
        if self.server.ssl:
            context = _context(self.server, options)
            return smtplib.SMTP_SSL(host, port, options.helo_name, timeout=self._timeout, context=context)
        return smtplib.SMTP(host, port, options.helo_name, timeout=self._timeout)

    def _prepare(self, options: SessionOptions) -> None:
        server, smtp = self.server, self._smtp
        try:
            smtp.ehlo_or_helo_if_needed()
            is_sealed = server.ssl or self._starts_tls(options)
            if server.user:
                if not (is_sealed or server.is_local or server.starttls == "no"):
                    raise ServerFailed(
                        f"{server} offers no TLS, and the password would go to it in clear; "
                        f"starttls = no sends it"
                    )
                smtp.login(server.user, server.password)
        except (OSError, smtplib.SMTPException) as error:
            raise ServerFailed(f"{server} {_told(error)}") from error

    def _starts_tls(self, options: SessionOptions) -> bool:
        server, smtp = self.server, self._smtp
        if server.starttls == "no" or (server.starttls == "auto" and server.is_local):
            return False
        if not smtp.has_extn("starttls"):
            if server.starttls == "yes":
                raise ServerFailed(f"{server} offers no STARTTLS; starttls = auto does without")
            return False
        code, text = smtp.starttls(context=_context(server, options))
        if code != 220:
            raise ServerFailed(f"{server} refused STARTTLS: {_reply(code, text)}")
        smtp.ehlo_or_helo_if_needed()
        return True

    def deliver(
        self,
        envelope: Envelope,
        recipients: Sequence[str],
        message: bytes,
        sending: Callable[[Sequence[str]], None],
    ) -> Outcome:
        """One transaction.  ``sending`` is called with who was accepted, before the first byte of the
        message.

        Raises ServerFailed: nobody has got it.  Afterwards the session is of no more use; nor is it where the
        outcome is unconfirmed.
        """
        outcome = Outcome()
        try:
            options = self._mail_options(envelope, message)
        except smtplib.SMTPNotSupportedError as error:
            outcome.fail(recipients, 500, str(error))
            return outcome
        try:
            accepted = self._accepted(envelope.sender, options, recipients, outcome)
            if not accepted:
                return outcome
            code, text = self._command(*self._smtp.docmd("DATA"))
            if code != 354:
                outcome.fail(accepted, code, _reply(code, text))
                self._smtp.rset()
                return outcome
            sending(accepted)
            self._send(message)
        except (OSError, smtplib.SMTPException) as error:
            raise ServerFailed(f"{self.server} {_told(error)}") from error
        self._conclude(accepted, outcome)
        return outcome

    def _mail_options(self, envelope: Envelope, message: bytes) -> list[str]:
        """Raises SMTPNotSupportedError: this server can never take this message."""
        smtp = self._smtp
        options = []
        if smtp.has_extn("size"):
            most = smtp.esmtp_features["size"]
            if most.isdigit() and 0 < int(most) < len(message):
                raise smtplib.SMTPNotSupportedError(
                    f"{self.server} takes {most} bytes, and the e-mail has {len(message)}"
                )
            options.append(f"SIZE={len(message)}")
        if envelope.utf8:
            if not smtp.has_extn("smtputf8"):
                raise smtplib.SMTPNotSupportedError(
                    f"{self.server} takes ASCII addresses only (it does not offer SMTPUTF8)"
                )
            options += ["SMTPUTF8", "BODY=8BITMIME"]
        return options

    def _accepted(
        self, sender: str, options: Sequence[str], recipients: Sequence[str], outcome: Outcome
    ) -> list[str]:
        code, text = self._command(*self._smtp.mail(sender, options))
        if code // 100 != 2:
            outcome.fail(recipients, code, _reply(code, text))
            self._smtp.rset()
            return []
        accepted = []
        for recipient in recipients:
            code, text = self._command(*self._smtp.rcpt(recipient))
            if code // 100 == 2:
                accepted.append(recipient)
            else:
                outcome.fail([recipient], 452 if code == _TOO_MANY_RECIPIENTS else code, _reply(code, text))
        if not accepted:
            self._smtp.rset()
        return accepted

    def _command(self, code: int, text: bytes) -> tuple[int, bytes]:
        if code in _NOT_ABOUT_MAIL:
            raise ServerFailed(f"{self.server} said {_reply(code, text)}")
        return code, text

    def _send(self, message: bytes) -> None:
        """All of it, and its end.  Where this raises, the end has not left."""
        body = _LINE_BEGINS_WITH_DOT.sub(b"..", message)
        if not body.endswith(b"\r\n"):
            body += b"\r\n"
        data = memoryview(body + b".\r\n")
        for begin in range(0, len(data), _PIECE):
            self._smtp.send(data[begin : begin + _PIECE])

    def _conclude(self, accepted: Sequence[str], outcome: Outcome) -> None:
        socket = self._smtp.sock
        assert socket is not None
        socket.settimeout(self._timeout * _PATIENCE_AT_END)
        try:
            code, text = self._smtp.getreply()
        except (OSError, smtplib.SMTPException) as error:
            outcome.unconfirmed = True
            outcome.fail(
                accepted, 400, f"{self.server} {_told(error)} behind the message: it may have arrived"
            )
            return
        socket.settimeout(self._timeout)
        outcome.reply = _reply(code, text)
        if code // 100 == 2:
            outcome.delivered += accepted
        else:
            outcome.fail(accepted, code, outcome.reply)
            outcome.unconfirmed = False

    def close(self) -> None:
        """Say good-bye where there is somebody; waits no longer than a second for the answer."""
        smtp = self._smtp
        with suppress(OSError, smtplib.SMTPException):
            if smtp.sock is not None:
                smtp.sock.settimeout(1.0)
                smtp.quit()
        smtp.close()


def _context(server: SmtpServer, options: SessionOptions) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=options.cafile)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if not server.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _reply(code: int, text: bytes | str) -> str:
    words = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    return f"{code} {' '.join(words.split())}"[:_REPLY_MAX]


def _told(error: Exception) -> str:
    """What comes behind the name of the server."""
    if isinstance(error, smtplib.SMTPResponseException):
        return f"said {_reply(error.smtp_code, error.smtp_error)}"
    if isinstance(error, TimeoutError) or isinstance(error.__context__, TimeoutError):
        return "took longer than timeout allows"
    if isinstance(error, smtplib.SMTPServerDisconnected):
        return "closed the connection"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"has a certificate that is not trusted ({error.verify_message}); cafile names who issued it"
    if isinstance(error, OSError) and not isinstance(error, smtplib.SMTPException):
        return f"cannot be reached ({error.strerror or error})"
    return f"cannot be spoken to ({error})"
