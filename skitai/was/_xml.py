"""``was.tojson``, ``was.fromjson``, ``was.toxml``, ``was.fromxml``: values as texts, and back.

Pure functions, for any thread.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from skitai._lazy import LazyModule

if TYPE_CHECKING:
    from skitai import _xmlrpc
else:
    _xmlrpc = LazyModule("skitai._xmlrpc")

__all__ = ["fromjson", "fromxml", "tojson", "toxml"]


def tojson(value: Any) -> str:
    """``value`` as JSON.

    Raises:
        TypeError: something in it has no form in JSON.
        ValueError: it has an infinite number or NaN, or itself in it.
    """
    return json.dumps(value, allow_nan=False)


def fromjson(text: str | bytes) -> Any:
    """The value of a JSON text, of which bytes are UTF-8, UTF-16 or UTF-32.

    Raises:
        ValueError: it is no JSON, or nested too deeply.
    """
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError(str(error)) from None


def toxml(parameters: Sequence[Any]) -> str:
    """``parameters`` as they stand in an XML-RPC call.

    Raises:
        TypeError: one is of a kind that XML-RPC cannot carry, or ``parameters`` is a text.
    """
    if isinstance(parameters, (str, bytes)):
        raise TypeError(f"toxml takes a tuple of values: ({parameters!r},) is one with this text alone")
    try:
        return _xmlrpc.write_parameters(parameters)
    except _xmlrpc.NotCarried as what:
        raise TypeError(f"toxml was given {what}, which XML-RPC cannot carry") from None


def fromxml(text: str | bytes) -> tuple[tuple[Any, ...], str | None]:
    """The parameters in an XML-RPC call, an answer or what `toxml` gives; the name of the method or None.

    Raises:
        ValueError: it is no XML, no XML-RPC, or has a document type.
        xmlrpc.client.Fault: it is a fault.
    """
    try:
        return _xmlrpc.read(text)
    except (_xmlrpc.NotXML, _xmlrpc.NotXMLRPC) as error:
        raise ValueError(f"the text {error}") from None
