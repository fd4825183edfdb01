"""The result of an XML-RPC call: the value, or the fault.

Any thread.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from skitai.core.outbound.request import Outcome
from skitai.was._results import Result

__all__ = ["RpcResult"]


class RpcResult(Result):
    """``data`` is the value.  With a fault, or with what is no answer, ``status`` is 2, ``error`` says why,
    and ``text`` is what came."""

    __slots__ = ("_refused", "_value")

    def __init__(
        self,
        read: Callable[[bytes], Any],
        outcome: Outcome,
        keep: Callable[[Outcome, float], None] | None = None,
    ) -> None:
        """``read(body)`` gives the value, or raises why there is none."""
        super().__init__(outcome, keep)
        self._value: Any = None
        self._refused: Exception | None = None
        response = outcome.response
        if response is not None and response.head.status == 200:
            try:
                self._value = read(response.body)
            except Exception as error:
                self._refused = error

    @property
    def error(self) -> BaseException | None:
        return self._refused or super().error

    @property
    def data(self) -> Any:
        if self._refused is not None:
            return b""  # as of all that has failed: the document of a fault is nothing that was asked for
        return self._value if self.code == 200 else super().data
