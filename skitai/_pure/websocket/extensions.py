"""What a handshake says about extensions, and what we agree to (RFC 6455 section 9, RFC 7692 section 7.1).

A field that breaks the grammar breaks the handshake.  An offer whose parameters make no sense, or are unknown
to us, is only declined, as RFC 7692 section 5.1 asks; the next one is looked at.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from skitai._pure.http1.grammar import TOKEN
from skitai._pure.websocket.deflate import Agreement
from skitai.errors import RemoteProtocolError

__all__ = ["accept_offers", "offer", "parse_extensions", "read_response"]

_DEFLATE = "permessage-deflate"
#: extension-param = token [ "=" ( token / quoted-string ) ], where what is quoted is a token too; both lists
#: may have spaces around their items.
_TOKEN = TOKEN.pattern
_PARAMETER = re.compile(rf'({_TOKEN})(?:[ \t]*=[ \t]*(?:({_TOKEN})|"({_TOKEN})"))?')
#: A window of 8 to 15 bits, without leading zeros.
_BITS = re.compile("8|9|1[0-5]")
_BITS_MAX = 15

#: A name and its parameters in order; None: a parameter without a value.
Extension = tuple[str, list[tuple[str, str | None]]]


def parse_extensions(values: Iterable[str]) -> list[Extension]:
    """The items of ``Sec-WebSocket-Extensions`` fields; raises RemoteProtocolError (400)."""
    extensions: list[Extension] = []
    for value in values:
        for item in value.split(","):
            name, *rest = (part.strip(" \t") for part in item.split(";"))
            parameters = [_PARAMETER.fullmatch(part) for part in rest]
            if not TOKEN.fullmatch(name) or not all(parameters):
                raise RemoteProtocolError(
                    f"Sec-WebSocket-Extensions cannot be read: {value[:60]!r}", rule="RFC 6455 section 9.1"
                )
            extensions.append((name, [(m[1], m[2] or m[3]) for m in parameters if m is not None]))
    return extensions


def accept_offers(extensions: list[Extension], window_bits: int) -> tuple[Agreement, str] | None:
    """What a server agrees to, and what it answers; None: nothing that we know is offered.

    ``window_bits``: what we like to have, each way."""
    for name, parameters in extensions:
        if name != _DEFLATE:
            continue
        settings = _read(parameters, bare_client_bits=True)
        if settings is None:
            continue
        server_bits = min(settings.get("server_max_window_bits", _BITS_MAX), window_bits)
        client_bits = _BITS_MAX
        answer = [_DEFLATE]
        # Less memory for us, where the client is ready for it.
        for side in ("server", "client"):
            if f"{side}_no_context_takeover" in settings:
                answer.append(f"{side}_no_context_takeover")
        if server_bits < _BITS_MAX:
            answer.append(f"server_max_window_bits={server_bits}")
        if "client_max_window_bits" in settings:
            client_bits = min(settings["client_max_window_bits"], window_bits)
            answer.append(f"client_max_window_bits={client_bits}")
        agreement = Agreement(
            "server_no_context_takeover" not in settings,
            "client_no_context_takeover" not in settings,
            server_bits,
            client_bits,
        )
        return agreement, "; ".join(answer)
    return None


def offer(window_bits: int) -> str:
    """What a client asks for; the second one is for servers that want nothing to be remembered for us, and
    take it only from who has offered it."""
    server = f"; server_max_window_bits={window_bits}" if window_bits < _BITS_MAX else ""
    first = f"{_DEFLATE}{server}; client_max_window_bits={window_bits}"
    return f"{first}, {first}; client_no_context_takeover"


def read_response(extensions: list[Extension], window_bits: int) -> Agreement | None:
    """What a server has made of `offer`; ``window_bits`` 0: nothing was offered.  Raises RemoteProtocolError
    for what it may not answer (RFC 6455 section 4.1, RFC 7692 section 7.1)."""
    if not extensions:
        return None
    name, parameters = extensions[0]
    settings = _read(parameters, bare_client_bits=False)
    if (
        not window_bits
        or len(extensions) > 1
        or name != _DEFLATE
        or settings is None
        or settings.get("server_max_window_bits", 0) > window_bits
    ):
        raise RemoteProtocolError(
            f"the server chose an extension that was not offered: {name}",
            status=502,
            rule="RFC 6455 section 4.1",
        )
    return Agreement(
        "server_no_context_takeover" not in settings,
        "client_no_context_takeover" not in settings,
        settings.get("server_max_window_bits", _BITS_MAX),
        # A bound that servers put on us, often a useless one: we use no more than we said (section 7.1.2.2).
        min(settings.get("client_max_window_bits", window_bits), window_bits),
    )


def _read(parameters: list[tuple[str, str | None]], *, bare_client_bits: bool) -> dict[str, int] | None:
    """The parameters, each once and with a value where it has one; None for any other set.

    ``bare_client_bits``: an offer, in which ``client_max_window_bits`` may stand alone (section 7.1.2.2)."""
    settings: dict[str, int] = {}
    for name, value in parameters:
        if name in settings:
            return None
        if name in ("server_no_context_takeover", "client_no_context_takeover"):
            if value is not None:
                return None
            settings[name] = 1
        elif name == "client_max_window_bits" and value is None and bare_client_bits:
            settings[name] = _BITS_MAX
        elif name in ("server_max_window_bits", "client_max_window_bits"):
            if value is None or not _BITS.fullmatch(value):
                return None
            settings[name] = int(value)
        else:
            return None
    return settings
