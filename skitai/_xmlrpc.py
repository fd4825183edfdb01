"""XML-RPC's documents, read and written: what Saddle answers with, and what `skitai.was` asks with.

The standard library parses and writes; what it would trust, we do not.  A document type is refused
before anything in it is read (there are no entities without one, so none can be expanded or fetched:
what defusedxml does, and XML-RPC has no use for one).  Values are checked before they are written:
the library would write the attributes of any object, and characters that no XML may have.

It brings `xmlrpc.client`, which takes 2 MB and 30 ms: whoever may need it loads it with the first call.
Pure functions, for any thread.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence
from typing import Any, NoReturn
from xml.parsers import expat
from xmlrpc.client import Binary, DateTime, Fault, Unmarshaller, dumps, escape

__all__ = [
    "Fault",
    "NotCarried",
    "NotXML",
    "NotXMLRPC",
    "clean",
    "plain",
    "read",
    "write_answer",
    "write_call",
    "write_parameters",
]

# XML 1.0 section 2.2: what no document may have, written as a reference or not.
_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_INT_MIN, _INT_MAX = -(1 << 31), (1 << 31) - 1


class NotXML(ValueError):
    """What the document is or has, as the end of a sentence that begins with it."""


class NotXMLRPC(ValueError):
    """The same of what is XML."""


class NotCarried(TypeError):
    """A value has no form in XML-RPC; the text names its kind: "an int beyond 32 bits"."""


def read(document: bytes | str) -> tuple[tuple[Any, ...], str | None]:
    """The parameters of a call and the name of its method; the values of an answer, and None.

    Raises:
        NotXML: it is not well-formed, or has a document type.
        NotXMLRPC: it is XML of another kind.
        Fault: it is an answer that is a fault.
    """
    target = Unmarshaller(use_builtin_types=True)
    target.xml("", None)  # what comes from expat is str already
    try:
        parser = expat.ParserCreate()
        parser.StartDoctypeDeclHandler = _refuse_document_type
        parser.StartElementHandler = target.start
        parser.EndElementHandler = target.end
        parser.CharacterDataHandler = target.data
        parser.Parse(document, True)
        values: tuple[Any, ...] = target.close()
        return values, target.getmethodname()
    except (NotXML, Fault):
        raise
    except expat.ExpatError as error:
        raise NotXML(f"is no XML: {error}") from None
    except Exception as error:  # the library meets what is no XML-RPC with whatever error comes first
        raise NotXMLRPC(f"is no XML-RPC: {error}") from None


def _refuse_document_type(*declaration: Any) -> NoReturn:
    raise NotXML("has a document type, which is not taken")


def write_call(name: str, parameters: Sequence[Any]) -> bytes:
    """Raises ValueError for a name that no XML can have, NotCarried for a parameter."""
    if not name or _NOT_IN_XML.search(name):
        raise ValueError(f"{name!r} is no name of a method")
    # The library writes names as they are.
    return _text(dumps(_all_plain(parameters), escape(name), allow_none=True)).encode()


def write_parameters(parameters: Sequence[Any]) -> str:
    """What stands in a call behind the name.  Raises NotCarried."""
    return _text(dumps(_all_plain(parameters), allow_none=True))


def write_answer(answer: tuple[Any] | Fault) -> bytes:
    """A value that is `plain`, alone in a tuple, or a fault."""
    if isinstance(answer, Fault):
        answer = Fault(answer.faultCode, clean(str(answer.faultString)))
    return _text(dumps(answer, methodresponse=True, allow_none=True)).encode()


def _text(document: str) -> str:
    return document.replace("\r", "&#13;")  # else it is read as a line end: XML 1.0 section 2.11


def clean(text: str) -> str:
    """``text`` with U+FFFD for what XML cannot have."""
    return _NOT_IN_XML.sub("\ufffd", text)


def _all_plain(values: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(plain(value) for value in values)


def plain(value: Any) -> Any:
    """``value`` in types that XML-RPC has.  Raises NotCarried."""
    if value is None or isinstance(value, (bool, bytes, DateTime, Binary, datetime.datetime)):
        return value
    if isinstance(value, int):
        if not _INT_MIN <= value <= _INT_MAX:
            raise NotCarried("an int beyond 32 bits")
        return int(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, str):
        found = _NOT_IN_XML.search(value)
        if found is not None:
            raise NotCarried(f"a str with {found[0]!r}")
        return str(value)
    if isinstance(value, (bytearray, memoryview)):
        return bytes(value)
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str):
                raise NotCarried(f"a dict with a key of type {type(key).__name__}")
        return {plain(key): plain(item) for key, item in value.items()}
    raise NotCarried(type(value).__name__)
