"""Messages to the user that outlive a redirect: ``was.flash("Saved.")``, shown by the next page.

They are in the session until a page takes them, so they need ``app.securekey``, and are short.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from skitai.saddle.sessions import Session

__all__ = ["Message", "MessageBox"]

_PRIVATE: Final = "messages"


class Message(NamedTuple):
    """One message: ``for category, text in was.mbox.get()``."""

    category: str
    text: str


class MessageBox:
    """``was.flash`` and ``was.mbox``: the messages of one client.  One request, one thread."""

    __slots__ = ("_session",)

    def __init__(self, session: Session | None) -> None:
        """Raises RuntimeError: the application has no sessions."""
        if session is None:
            raise RuntimeError("messages are kept in the session, and there is none: set app.securekey")
        self._session = session

    def send(self, text: str, category: str = "info") -> None:
        """Keep ``text`` until a page takes it.

        Raises:
            ValueError: there is no room for it in the session.
        """
        kept = self._session.private.get(_PRIVATE, [])
        self._session.keep(_PRIVATE, [*kept, [category, str(text)]])

    __call__ = send

    def get(self, category: str | None = None) -> list[Message]:
        """Take the messages, all or those of a category; they are gone then."""
        kept = [Message(*pair) for pair in self._session.private.get(_PRIVATE, [])]
        taken = [message for message in kept if category in (None, message.category)]
        left = [list(message) for message in kept if message not in taken]
        if left:
            self._session.keep(_PRIVATE, left)
        elif kept:
            del self._session.private[_PRIVATE]
            self._session.changed()
        return taken
