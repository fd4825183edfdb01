"""``was.email(subject, snd, rcpt)``: an e-mail, which goes to the spool by its ``send()``.

Here is the name; what it does is `skitai.was._composing`, loaded with the first e-mail: the standard
library's ``email`` takes 3 MiB, of which a server that sends none has nothing.  Any thread, in a request or
outside of one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from skitai._lazy import LazyModule

if TYPE_CHECKING:
    from skitai.was import _composing
else:
    _composing = LazyModule("skitai.was._composing")

__all__ = ["email"]


def email(
    subject: str,
    snd: str,
    rcpt: str | Iterable[str],
    *,
    cc: str | Iterable[str] = (),
    bcc: str | Iterable[str] = (),
    reply_to: str | Iterable[str] = (),
) -> _composing.Email:
    """An e-mail without a text as yet; for addresses see `skitai.was._addresses`.

    Raises ValueError: something of it cannot stand in a header.
    """
    return _composing.Email(subject, snd, rcpt, cc=cc, bcc=bcc, reply_to=reply_to)
