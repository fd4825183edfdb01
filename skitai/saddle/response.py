"""``was.response``: status and fields of the answer, and who wants to know when it is over.

The head is decided when the handler has returned; a generator runs later and cannot change it.
The body is what the handler returns: `skitai.saddle.returns`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from skitai._constants import reason_phrase

__all__ = ["Closing", "Response"]


class Response:
    """Status and fields of one response; names in any case.  One request, one thread."""

    __slots__ = ("_at_close", "_at_head", "_fields", "error", "status")

    def __init__(self) -> None:
        self.status = "200 OK"
        #: Status and explanation of the error page that `send_error` asked for.
        self.error: tuple[int, str] | None = None
        self._fields: list[tuple[str, str]] = []
        self._at_head: list[Callable[[], None]] = []
        self._at_close: list[Callable[[], None]] = []

    def at_head(self, call: Callable[[], None]) -> None:
        """``call()``, once, when the handler is done and the head about to be decided: it may add fields."""
        if call not in self._at_head:
            self._at_head.append(call)

    def at_close(self, call: Callable[[], None]) -> None:
        """``call()`` once, when nothing of the request is needed any more: all was sent, the client left, or
        the handler failed.  The last given is called first."""
        self._at_close.append(call)

    def decide_head(self) -> list[tuple[str, str]]:
        """The fields, once everybody has had a word."""
        for call in self._at_head:
            call()
        self._at_head = []
        return self._fields

    @property
    def is_awaited(self) -> bool:
        """Somebody wants to know when the request is over."""
        return bool(self._at_close)

    def close(self) -> None:
        """The request is over.  Raises the first error of those who were told, when all were."""
        first: BaseException | None = None
        while self._at_close:
            try:
                self._at_close.pop()()
            except BaseException as error:
                first = first or error
        if first is not None:
            raise first

    def __setitem__(self, name: str, value: str) -> None:
        """The field has this one value."""
        if name in self:
            del self[name]
        self._fields.append((name, str(value)))

    def __getitem__(self, name: str) -> str:
        for key, value in self._fields:
            if key.lower() == name.lower():
                return value
        raise KeyError(name)

    def __delitem__(self, name: str) -> None:
        kept = [field for field in self._fields if field[0].lower() != name.lower()]
        if len(kept) == len(self._fields):
            raise KeyError(name)
        self._fields = kept

    def __contains__(self, name: str) -> bool:
        # Of a few fields a list is made more quickly than any() asks a generator.
        return name.lower() in [key.lower() for key, _ in self._fields]

    def has_key(self, name: str) -> bool:
        """Whether the field is there."""
        return name in self

    def get_header(self, name: str, default: str | None = None) -> str | None:
        """The first field of this name, or ``default``."""
        return next((value for key, value in self._fields if key.lower() == name.lower()), default)

    def set_header(self, name: str, value: str) -> None:
        """As ``response[name] = value``: the field has this one value."""
        self[name] = value

    #: The same, under its name of 0.11.
    update = set_header

    def clear(self) -> None:
        """As new, but that who waits for the end still does."""
        self.status = "200 OK"
        self.error = None
        self._fields = []
        self._at_head = []

    def add(self, name: str, value: str) -> None:
        """One more field of this name (Set-Cookie, Vary)."""
        self._fields.append((name, str(value)))

    def set_status(self, status: int | str) -> None:
        """``404``, ``"404"`` or ``"404 Not Found"``.

        Raises:
            ValueError: it does not begin with a number from 200 to 599.
        """
        code, _, phrase = str(status).partition(" ")
        if not (len(code) == 3 and code.isascii() and code.isdigit() and "200" <= code < "600"):
            raise ValueError(f"{status!r} is no status: '404' or '404 Not Found' is")
        self.status = f"{code} {phrase or reason_phrase(int(code))}"

    def get_status(self) -> str:
        """Such as ``200 OK``."""
        return self.status

    def send_error(self, status: int | str, why: str = "") -> None:
        """Answer with the server's error page instead of what the handler returns.

        Raises:
            ValueError: as `set_status`.
        """
        self.set_status(status)
        self.error = (int(self.status[:3]), why)

    @property
    def has_body(self) -> bool:
        """Whether the status allows one (RFC 9110 section 6.4.1)."""
        return self.status[:3] not in ("204", "304")


class Closing:
    """``body``, and behind it the end of the request.  (PEP 3333: the server calls close once.)"""

    def __init__(self, body: Iterable[bytes], response: Response) -> None:
        self._body = body
        self._iterator = iter(body)
        self._response = response

    def __iter__(self) -> Iterator[bytes]:
        return self._iterator

    def close(self) -> None:
        try:
            close = getattr(self._body, "close", None)
            if close is not None:
                close()
        finally:
            self._response.close()
