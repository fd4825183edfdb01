"""The payload of close frames: a code and a reason (RFC 6455 sections 5.5.1 and 7.4)."""

from __future__ import annotations

import enum

from skitai.errors import FrameError, LocalProtocolError

__all__ = ["CloseCode", "close_payload", "read_close"]

#: A control frame has 125 bytes at most (section 5.5), two of which are the code.
_REASON_MAX = 123


class CloseCode(enum.IntEnum):
    """Section 7.4.1, and what IANA has registered since."""

    NORMAL = 1000
    GOING_AWAY = 1001
    PROTOCOL_ERROR = 1002
    UNSUPPORTED_DATA = 1003
    NO_CODE = 1005
    """Never on the wire: the peer gave none."""
    ABNORMAL = 1006
    """Never on the wire: the connection ended without a close frame."""
    INVALID_DATA = 1007
    POLICY_VIOLATION = 1008
    MESSAGE_TOO_BIG = 1009
    MANDATORY_EXTENSION = 1010
    INTERNAL_ERROR = 1011
    SERVICE_RESTART = 1012
    TRY_AGAIN_LATER = 1013
    BAD_GATEWAY = 1014


_NEVER_SENT = frozenset({CloseCode.NO_CODE, CloseCode.ABNORMAL})
_REGISTERED = frozenset(CloseCode) - _NEVER_SENT


def _may_be_sent(code: int) -> bool:
    return code in _REGISTERED or 3000 <= code <= 4999


def read_close(payload: bytes) -> tuple[int, str]:
    """Code and reason of a peer's close frame; raises FrameError."""
    if not payload:
        return CloseCode.NO_CODE, ""
    if len(payload) == 1:
        raise FrameError("a close frame with half a code", rule="RFC 6455 section 5.5.1")
    code = int.from_bytes(payload[:2], "big")
    if not _may_be_sent(code):
        raise FrameError(f"a close frame with the code {code}", rule="RFC 6455 section 7.4")
    try:
        return code, payload[2:].decode()
    except UnicodeDecodeError:
        raise FrameError(
            "the reason of a close frame is not UTF-8",
            code=CloseCode.INVALID_DATA,
            rule="RFC 6455 section 5.5.1",
        ) from None


def close_payload(code: int, reason: str) -> bytes:
    """The payload of a close frame of ours; raises LocalProtocolError."""
    if code == CloseCode.NO_CODE and not reason:
        return b""
    if not _may_be_sent(code):
        raise LocalProtocolError(
            f"{code} is no code to close with: 1000 to 1014 but 1004 to 1006, or 3000 to 4999",
            rule="RFC 6455 section 7.4",
        )
    text = reason.encode()
    if len(text) > _REASON_MAX:
        raise LocalProtocolError(
            f"the reason has {len(text)} bytes, more than {_REASON_MAX}", rule="RFC 6455 section 5.5"
        )
    return code.to_bytes(2, "big") + text
