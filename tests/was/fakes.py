"""Outcomes, and a `Begin`, that no connection is needed for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from skitai._constants import reason_phrase
from skitai._kernels import http1
from skitai.core.outbound.request import Origin, Outcome, Request, Response
from skitai.errors import CallCancelled, SkitaiError

__all__ = ["HERE", "FakeOutcome", "FullDisk", "Sent", "Upstream", "answered", "failed", "response"]

HERE = Origin("http", "here.example", 80)


@dataclass
class FakeOutcome:
    request: Request
    response: Response | None = None
    error: SkitaiError | None = None
    elapsed: float = 0.25


def response(status: int = 200, body: bytes = b"", *fields: tuple[str, str]) -> Response:
    head = http1.ResponseHead(status, reason_phrase(status), "1.1", list(fields), len(body), False, True)
    return Response(head, body, [])


def answered(
    status: int = 200, body: bytes = b"", *fields: tuple[str, str], request: Request | None = None
) -> FakeOutcome:
    return FakeOutcome(request or Request("GET", HERE), response(status, body, *fields))


def failed(error: SkitaiError, request: Request | None = None) -> FakeOutcome:
    return FakeOutcome(request or Request("GET", HERE), error=error)


@dataclass
class Sent:
    """One request that an `Upstream` was asked for."""

    request: Request
    on_done: Callable[[Outcome], None]
    cancelled: list[SkitaiError | None] = field(default_factory=list)
    extended: list[float] = field(default_factory=list)

    def cancel(self, error: SkitaiError | None = None) -> None:
        self.cancelled.append(error)
        self.on_done(failed(error or CallCancelled("nobody wants it"), self.request))

    def extend(self, deadline: float) -> None:
        self.extended.append(deadline)

    def answer(self, status: int = 200, body: bytes = b"", *fields: tuple[str, str]) -> None:
        self.on_done(answered(status, body, *fields, request=self.request))

    def fail(self, error: SkitaiError) -> None:
        self.on_done(failed(error, self.request))

    def field(self, name: str) -> str | None:
        """What the request says of ``name``; at most once."""
        values = [value for key, value in self.request.headers if key.lower() == name.lower()]
        assert len(values) < 2, values
        return values[0] if values else None


class Upstream:
    """Records what is asked; answers when it is told to (`Sent.answer`)."""

    def __init__(self) -> None:
        self.sent: list[Sent] = []

    def begin(self, request: Request, on_done: Callable[[Outcome], None]) -> Sent:
        self.sent.append(Sent(request, on_done))
        return self.sent[-1]

    @property
    def last(self) -> Sent:
        return self.sent[-1]


class FullDisk:
    """A file on it: what is buffered cannot be written."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def flush(self) -> None:
        raise OSError(28, "No space left on device")

    def close(self) -> None:
        self._file.close()
        self.flush()
