"""The key table: one `Key` for every setting, made from the fields of the settings classes.

A field is declared with the metadata of `key`; `keys_of` turns the fields of a class into keys.
From the table come reading (`loading`), ``--print-config`` (`describe`), the command line
(`flags`) and the documentation (`reference`): a key that is declared exists everywhere.
"""

from __future__ import annotations

from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any

from skitai.core.config.kinds import BYTES, INT, SECONDS, Kind
from skitai.core.config.problems import Mistake
from skitai.limits import Limits

__all__ = ["ENVIRONMENT_PREFIX", "Key", "key", "keys_of", "limit_keys"]

ENVIRONMENT_PREFIX = "SKITAI_"


@dataclass(frozen=True, slots=True)
class Key:
    """One setting.

    ``default`` is None with ``inherits`` (the value of the key with this name in ``[server]``)
    and with ``required``.  ``least`` and ``most`` bound numbers.  ``secret`` values are never
    shown and have no flag, because command lines can be read by every user of a machine.
    """

    section: str
    name: str
    kind: Kind
    default: Any
    unit: str
    reason: str
    least: float | None = None
    most: float | None = None
    secret: bool = False
    inherits: bool = False
    required: bool = False

    @property
    def environment(self) -> str:
        """The variable that sets it: ``SKITAI_THREADS``, and of ``[smtpda]`` ``SKITAI_SMTPDA_USER``."""
        section = "" if self.section == "server" else f"{self.section}_"
        return f"{ENVIRONMENT_PREFIX}{section}{self.name}".upper()

    @property
    def flag(self) -> str:
        """The option that sets it: ``--keep-alive``."""
        return "--" + self.name.replace("_", "-")

    def read(self, text: str, base: Path) -> Any:
        """The value of ``text``, relative paths below ``base``.  Raises Mistake."""
        if not text and not self.kind.optional:
            raise Mistake("the value is empty", "leave the line out for the default")
        value = self.kind.parse(text, base)
        if self.least is not None and value < self.least:
            raise Mistake(f"less than {self.least:g}")
        if self.most is not None and value > self.most:
            raise Mistake(f"more than {self.most:g}")
        return value


def key(
    kind: Kind,
    reason: str,
    *,
    unit: str = "",
    least: float | None = None,
    most: float | None = None,
    secret: bool = False,
    inherits: bool = False,
) -> dict[str, Any]:
    """The metadata that makes a dataclass field a key; see `Key` for the meaning."""
    return {
        "kind": kind,
        "reason": reason,
        "unit": unit,
        "least": least,
        "most": most,
        "secret": secret,
        "inherits": inherits,
    }


def keys_of(section: str, cls: type) -> dict[str, Key]:
    """The keys that the fields of the dataclass ``cls`` declare; other fields are left out."""
    return {
        item.name: Key(
            section=section,
            name=item.name,
            default=None if item.default is MISSING else item.default,
            required=item.default is MISSING and not item.metadata["inherits"],
            **item.metadata,
        )
        for item in fields(cls)
        if "kind" in item.metadata
    }


_KIND_OF_UNIT = {"bytes": BYTES, "bytes/second": BYTES, "seconds": SECONDS}

# Where zero is no limit but a server that answers nothing.
_LEAST = {
    "request_line_max": 16,
    "header_block_max": 16,
    "header_fields_max": 1,
    "header_timeout": 0.001,
    "handshake_timeout": 0.001,
    "chunk_line_max": 16,
    "read_ahead_max": 1,
    "write_queue_max": 1,
    "relay_buffer_max": 1,
    "send_stall_timeout": 0.001,
    "response_timeout": 0.001,
    "ranges_max": 1,
    "coroutines_max": 1,
    "dns_timeout": 0.001,
    "dns_lookups_max": 1,
    "dns_threads": 1,
    "start_timeout": 0.001,
    "ws_message_max": 1,
    "ws_queue_max": 1,
    "ws_close_timeout": 0.001,
}

# Beyond these there is nothing.
_MOST = {"ws_deflate_window": 15}


def limit_keys() -> dict[str, Key]:
    """Every field of `Limits` as a key of ``[server]``."""
    return {
        item.name: Key(
            section="server",
            name=item.name,
            kind=_KIND_OF_UNIT.get(item.metadata["unit"], INT),
            default=item.default,
            unit=item.metadata["unit"],
            reason=item.metadata["reason"],
            least=_LEAST.get(item.name),
            most=_MOST.get(item.name),
        )
        for item in Limits.table()
    }
