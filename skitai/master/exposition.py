"""Text for Prometheus, version 0.0.4.

https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

__all__ = ["CONTENT_TYPE", "Family", "encode"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_ESCAPED_IN_LABELS = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})
_ESCAPED_IN_HELP = str.maketrans({"\\": "\\\\", "\n": "\\n"})


class Family:
    """A metric with its samples; ``kind`` is ``counter``, ``gauge`` or ``histogram``."""

    def __init__(self, name: str, kind: str, meaning: str) -> None:
        self.name = name
        self.kind = kind
        self.meaning = meaning
        self.lines: list[str] = []

    def add(self, value: float, labels: Mapping[str, str] | None = None, suffix: str = "") -> Family:
        self.lines.append(f"{self.name}{suffix}{_labelled(labels or {})} {_number(value)}")
        return self

    def add_histogram(
        self,
        bounds: Sequence[float],
        counts: Sequence[int],
        total: float,
        labels: Mapping[str, str] | None = None,
    ) -> Family:
        """``counts``: how many were between each bound and the one before, and beyond the last."""
        sofar = 0
        for bound, count in zip((*bounds, float("inf")), counts, strict=True):
            sofar += count
            self.add(sofar, {**(labels or {}), "le": _number(bound)}, "_bucket")
        self.add(total, labels, "_sum")
        return self.add(sofar, labels, "_count")


def encode(families: Sequence[Family]) -> str:
    """Those that have samples."""
    lines = []
    for family in families:
        if family.lines:
            lines.append(f"# HELP {family.name} {family.meaning.translate(_ESCAPED_IN_HELP)}")
            lines.append(f"# TYPE {family.name} {family.kind}")
            lines += family.lines
    return "\n".join(lines) + "\n"


def _labelled(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_value(value)}"' for name, value in labels.items()) + "}"


def _value(text: str) -> str:
    # Paths may hold bytes that are no text.
    return text.encode("utf-8", "backslashreplace").decode().translate(_ESCAPED_IN_LABELS)


def _number(value: float) -> str:
    if value == float("inf"):
        return "+Inf"
    return str(value) if isinstance(value, int) else f"{value:.9g}"
