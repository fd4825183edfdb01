"""What entries look like: `LineFormat`, words for people, or `JsonLines`, for programs (``log_format``)."""

from __future__ import annotations

from typing import TypeAlias

from skitai.core.logs.jsonlines import JsonLines
from skitai.core.logs.lines import LineFormat
from skitai.core.logs.options import LogOptions

__all__ = ["Form", "form_of"]

Form: TypeAlias = LineFormat | JsonLines


def form_of(options: LogOptions) -> Form:
    return JsonLines() if options.json else LineFormat()
