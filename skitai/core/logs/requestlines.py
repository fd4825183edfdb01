"""The entries of request.log, in either form.

The thread that writes the logs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from skitai._kernels import AccessRecord, access_lines, notes_of
from skitai.core.logs.forms import Form
from skitai.core.logs.jsonlines import JsonLines, json_line

__all__ = ["request_lines"]


def request_lines(form: Form) -> Callable[[Sequence[AccessRecord]], list[bytes]]:
    """What makes one entry of each record, as ``form`` makes entries."""
    if isinstance(form, JsonLines):
        return partial(_json_lines, form)
    return partial(access_lines, prefix_of=form.prefix)


def _json_lines(form: JsonLines, records: Sequence[AccessRecord]) -> list[bytes]:
    return [json_line(_entry(form, record)) for record in records]


def _entry(form: JsonLines, record: AccessRecord) -> dict[str, object]:
    when, address, port, method, target, version, status, size, execution, delivery = record[:10]
    entry: dict[str, object] = {
        "time": form.time(when),
        "type": "info",
        "client": address or "unix",
        "port": port,
        "method": method,
        "target": target,
        "protocol": f"HTTP/{version}" if version != "-" else "-",
        "status": status,
        "bytes": size,
        "execution_ms": round(execution * 1000, 3),
        "delivery_ms": round(delivery * 1000, 3),
    }
    notes = notes_of(record)
    for name, value in notes._asdict().items() if notes is not None else ():
        if isinstance(value, float):
            entry[f"{name}_ms"] = round(value * 1000, 3)
        elif value:
            entry[name] = value
    return entry
