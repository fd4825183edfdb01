"""A real SMTP server (aiosmtpd) that keeps what it was given, and misbehaves where a test wants it.

What it says to a recipient stands in the name before the ``@``: ``550`` and ``451`` are answered so, ``grey``
is 451 for the first time; ``250`` and everything else are taken."""

from __future__ import annotations

import asyncio
import email.policy
import ssl
import threading
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

#: What a hook gives: a reply, or None for the usual one.
Hook = Callable[["SmtpServer", SMTP, Envelope], Awaitable[str | None]]


@dataclass(frozen=True)
class Received:
    sender: str
    recipients: tuple[str, ...]
    data: bytes
    is_sealed: bool
    user: str
    options: tuple[str, ...]

    @property
    def message(self) -> EmailMessage:
        parsed = email.message_from_bytes(self.data, policy=email.policy.SMTP)
        assert isinstance(parsed, EmailMessage)
        return parsed


@dataclass
class SmtpServer:
    """Any thread may read what it has received; hooks run in its own."""

    tls: ssl.SSLContext | None = None
    starttls: ssl.SSLContext | None = None
    users: dict[str, str] = field(default_factory=dict)
    utf8: bool = True
    size: int = 33554432
    port: int = 0
    on_data: Hook | None = None
    on_mail: Hook | None = None
    #: Connections beyond these are closed with 421.
    connections_max: int = 1000

    def __post_init__(self) -> None:
        self.received: list[Received] = []
        self.connections = 0
        self.most_connections = 0
        self.sessions = 0
        self.said: Counter[str] = Counter()
        self._asked: Counter[str] = Counter()
        self._protocols: set[SMTP] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        started = threading.Event()
        self._loop.call_soon(lambda: started.set())
        self._server = self._loop.run_until_complete(
            self._loop.create_server(self._protocol, "127.0.0.1", self.port, ssl=self.tls)
        )
        self.port = self._server.sockets[0].getsockname()[1]
        self._thread.start()
        started.wait()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def close(self) -> None:
        """Connections too."""

        def end() -> None:
            self._server.close()
            for protocol in self._protocols:
                if protocol.transport is not None:
                    protocol.transport.abort()
            self._loop.call_soon(self._loop.stop)

        self._loop.call_soon_threadsafe(end)
        self._thread.join()
        self._loop.close()

    def drop_connections(self) -> None:
        """As a server does that is started anew."""

        def drop() -> None:
            for protocol in [*self._protocols]:
                if protocol.transport is not None:
                    protocol.transport.abort()

        self._loop.call_soon_threadsafe(drop)

    def subjects(self) -> list[str]:
        return [str(received.message["Subject"]) for received in [*self.received]]

    def _run(self) -> None:
        self._loop.set_exception_handler(lambda loop, context: None)  # connections that we abort
        self._loop.run_forever()
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())

    def _protocol(self) -> SMTP:
        return _Protocol(
            self,
            hostname="test",
            ident="test",
            tls_context=self.starttls,
            authenticator=self._authenticate if self.users else None,
            auth_require_tls=False,
            enable_SMTPUTF8=self.utf8,
            data_size_limit=self.size,
            loop=self._loop,
        )

    def _authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any
    ) -> AuthResult:
        assert isinstance(data, LoginPassword)
        user, password = data.login.decode(), data.password.decode()
        return AuthResult(success=self.users.get(user) == password, handled=False, auth_data=user)

    # -- hooks of aiosmtpd ------------------------------------------------------------------------

    async def handle_MAIL(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.users and not session.authenticated:
            return "530 5.7.0 Authentication required"
        reply = await self.on_mail(self, server, envelope) if self.on_mail else None
        if reply is None:
            envelope.mail_from = address
            envelope.mail_options.extend(options)
        return reply or "250 OK"

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        self._asked[address] += 1
        word = address.partition("@")[0].partition("+")[0]
        if word in ("550", "451") or (word == "grey" and self._asked[address] == 1):
            return f"{word if word.isdigit() else 451} {address}: as its name says"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        reply = await self.on_data(self, server, envelope) if self.on_data else None
        if reply is None:
            assert isinstance(envelope.content, bytes)
            self.received.append(
                Received(
                    envelope.mail_from or "",
                    tuple(envelope.rcpt_tos),
                    envelope.content,
                    session.ssl is not None or self.tls is not None,
                    str(session.auth_data or ""),
                    tuple(envelope.mail_options),
                )
            )
        return reply or f"250 taken as {len(self.received)}"


class _Protocol(SMTP):
    """Counts connections."""

    def __init__(self, owner: SmtpServer, **options: Any) -> None:
        super().__init__(owner, **options)
        self._owner = owner
        self._is_counted = False

    def connection_made(self, transport: Any) -> None:
        owner = self._owner
        if not self._is_counted:
            self._is_counted = True
            if owner.connections >= owner.connections_max:
                transport.write(b"421 too many connections\r\n")
                transport.close()
                self._is_counted = False
                return
            owner._protocols.add(self)
            owner.sessions += 1
            owner.connections += 1
            owner.most_connections = max(owner.most_connections, owner.connections)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        if self._is_counted:
            self._is_counted = False
            self._owner._protocols.discard(self)
            self._owner.connections -= 1
            super().connection_lost(error)


async def drop(server: SmtpServer, protocol: SMTP, envelope: Envelope) -> str | None:
    """A hook: the connection ends behind the message, without a reply."""
    assert protocol.transport is not None
    protocol.transport.abort()
    return "451 nobody hears this"


async def take_and_drop(server: SmtpServer, protocol: SMTP, envelope: Envelope) -> str | None:
    """A hook: the same, but the message is kept."""
    assert protocol.transport is not None
    protocol.transport.abort()
    return None
