"""What a question over a WebSocket gives: as a `Result`, but that the answer is a message.

``code`` is 200 for an answer, whatever it says; there are no headers.  Any thread.
"""

from __future__ import annotations

from skitai.was._results import Result

__all__ = ["MessageResult"]


class MessageResult(Result):
    """Of `was.ws`: the message that came back."""

    __slots__ = ()

    @property
    def data(self) -> str | bytes:
        """The message: str if it was sent as text, else bytes; ``b""`` where there is none."""
        response = None if self._outcome is None else self._outcome.response
        return b"" if response is None else response.message

    @property
    def _body(self) -> bytes:
        data = self.data
        return data.encode() if isinstance(data, str) else data
