"""TLS contexts of what we open, and the sessions that are resumed.

One context for each set of `TLSOptions`, kept: reading the system's authorities takes 10 ms and more.  It is
made anew when the files that the options name have changed, and the old one goes on to be used as long as the
new files cannot be: a certificate and its key are two files, and one of them comes first.  Certificates are
checked, and so are names, unless ``verify`` is off.  TLS 1.2 and newer.

A session is what a server lets us come back with, which saves the certificates and their signatures (RFC 8446
section 2.2).  One for each origin, the last one.

`ClientContexts.wrap` is called in the thread of handshakes, `ClientContexts.remember` in the loop's: what
they have in common they look up and change by single operations of a dict.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from skitai._lazy import LazyModule
from skitai.core.outbound.request import Origin, TLSOptions
from skitai.errors import TLSError

if TYPE_CHECKING:
    import ssl
else:
    ssl = LazyModule("ssl")

__all__ = ["ClientContexts"]

_SESSIONS_MAX = 1024
_CONTEXTS_MAX = 256

#: Of each file that options name: when it was changed, its size and number; None where there is none.
_Files: TypeAlias = "tuple[tuple[int, int, int] | None, ...]"


class _Made(NamedTuple):
    context: ssl.SSLContext
    files: _Files


class _Resumable(NamedTuple):
    """OpenSSL takes no session of another context."""

    context: ssl.SSLContext
    session: ssl.SSLSession


class ClientContexts:
    def __init__(self) -> None:
        self._contexts: OrderedDict[TLSOptions, _Made] = OrderedDict()
        self._sessions: OrderedDict[Origin, _Resumable] = OrderedDict()

    def wrap(self, origin: Origin, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO) -> ssl.SSLObject:
        """Raises TLSError: the files of its options cannot be used."""
        options = origin.tls or TLSOptions()
        try:
            context = self._context(options)
            name = options.server_name or origin.host
            kept = self._sessions.get(origin)
            return context.wrap_bio(
                incoming,
                outgoing,
                server_hostname=name.rstrip(".") or None,
                session=kept.session if kept is not None and kept.context is context else None,
            )
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            files = ", ".join(file for file in options[1:4] if file)
            raise TLSError(f"TLS cannot be spoken with {files or 'these settings'}: {error}") from error

    def _context(self, options: TLSOptions) -> ssl.SSLContext:
        made = self._contexts.get(options)
        files = _look_at(options)
        if made is not None and made.files == files:
            return made.context
        try:
            context = self._make(options)
        except (OSError, ValueError):
            if made is None:
                raise
            return made.context
        self._contexts[options] = _Made(context, files)
        if len(self._contexts) > _CONTEXTS_MAX:
            self._contexts.popitem(last=False)
        return context

    @staticmethod
    def _make(options: TLSOptions) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        if not options.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        elif options.cafile:
            context.load_verify_locations(options.cafile)
        else:
            context.load_default_certs()
        if options.certfile:
            context.load_cert_chain(options.certfile, options.keyfile or None)
        return context

    def remember(self, origin: Origin, tls: ssl.SSLObject) -> None:
        """The session of a connection that has been answered: tickets come behind the handshake."""
        session = tls.session
        if session is not None and session.has_ticket:
            self._sessions[origin] = _Resumable(tls.context, session)
            self._sessions.move_to_end(origin)
            if len(self._sessions) > _SESSIONS_MAX:
                self._sessions.popitem(last=False)


def _look_at(options: TLSOptions) -> _Files:
    return tuple(_state(file) for file in options[1:4] if file)


def _state(file: str) -> tuple[int, int, int] | None:
    try:
        found = os.stat(file)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
