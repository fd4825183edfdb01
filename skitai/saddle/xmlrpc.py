"""XML-RPC on the wire: a call read, the procedures called, the answer written.

The standard library parses and writes; what it would trust, we do not.  A document type is refused
before anything in it is read (there are no entities without one, so none can be expanded or fetched:
what defusedxml does, and XML-RPC has no use for one).  Values are checked before they are written:
the library would write the attributes of any object, and characters that no XML may have.

Faults follow the "Specification for Fault Code Interoperability"; an HTTPError of a function becomes
a fault with its status as the code.  Tracebacks are logged (``wsgi.errors``), and shown to the
client in debug only.
"""

from __future__ import annotations

import datetime
import inspect
import re
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn, get_origin
from xml.parsers import expat
from xmlrpc.client import Binary, DateTime, Fault, Unmarshaller, dumps

from skitai._constants import reason_phrase
from skitai.errors import HTTPError
from skitai.limits import FormLimits
from skitai.saddle.returns import discard
from skitai.saddle.rpc import INVALID_PARAMS, METHOD_NOT_FOUND, Procedures, Refused

__all__ = ["answer"]

_NOT_WELL_FORMED = -32700
_NO_CALL = -32600
_APPLICATION_ERROR = -32500

_SYSTEM = "system."
# XML 1.0 section 2.2: what no document may have, written as a reference or not.
_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_INT_MIN, _INT_MAX = -(1 << 31), (1 << 31) - 1

_TYPE_NAMES = {
    bool: "boolean",
    int: "int",
    float: "double",
    str: "string",
    bytes: "base64",
    list: "array",
    tuple: "array",
    dict: "struct",
    datetime.datetime: "dateTime.iso8601",
    None: "nil",
}


def answer(
    read_all: Callable[[int, str], bytes],
    environ: Mapping[str, Any],
    procedures: Procedures,
    limits: FormLimits,
    debug: bool,
) -> bytes:
    """See `skitai.saddle.rpc.answer_call`."""
    if environ.get("HTTP_CONTENT_ENCODING", "identity").lower() != "identity":
        raise HTTPError(415, "A compressed XML-RPC call is not taken.")
    body = read_all(limits.xmlrpc_max, "xmlrpc_max")
    calls = _Calls(environ, procedures, limits, debug)
    try:
        name, args = _parse(body)
        return _write((calls.value_of(name, args),))
    except Refused as refusal:
        return _write(Fault(refusal.code, refusal.text))


def _refuse_document_type(*declaration: Any) -> NoReturn:
    raise Refused(_NOT_WELL_FORMED, "The call has a document type, which is not taken.")


def _parse(body: bytes) -> tuple[str, tuple[Any, ...]]:
    target = Unmarshaller(use_builtin_types=True)
    target.xml("", None)  # what comes from expat is str already
    try:
        parser = expat.ParserCreate()
        parser.StartDoctypeDeclHandler = _refuse_document_type
        parser.StartElementHandler = target.start
        parser.EndElementHandler = target.end
        parser.CharacterDataHandler = target.data
        parser.Parse(body, True)
        args: tuple[Any, ...] = target.close()
        name = target.getmethodname()
    except Refused:
        raise
    except expat.ExpatError as error:
        raise Refused(_NOT_WELL_FORMED, f"The call is no XML: {error}.") from None
    except Exception as error:  # the library meets what is no XML-RPC with whatever error comes first
        raise Refused(_NO_CALL, f"The call is no XML-RPC: {error}.") from None
    if not isinstance(name, str) or not name:
        raise Refused(_NO_CALL, "The call names no method.")
    return name, args


def _write(answer: tuple[Any] | Fault) -> bytes:
    if isinstance(answer, Fault):
        answer = Fault(answer.faultCode, _NOT_IN_XML.sub("\ufffd", str(answer.faultString)))
    document = dumps(answer, methodresponse=True, allow_none=True)
    return document.replace("\r", "&#13;").encode()  # else it is read as a line end: XML 1.0 section 2.11


class _Calls:
    """The procedures as one request may call them."""

    def __init__(
        self, environ: Mapping[str, Any], procedures: Procedures, limits: FormLimits, debug: bool
    ) -> None:
        self._environ = environ
        self._procedures = procedures
        self._limits = limits
        self._debug = debug
        self._system: dict[str, Callable[..., Any]] = {
            "listMethods": self._list_methods,
            "methodHelp": self._method_help,
            "methodSignature": self._method_signature,
            "multicall": self._multicall,
        }

    def value_of(self, name: str, args: Sequence[Any]) -> Any:
        """The value of a call, fit to be written.  Raises Refused, also for a Fault of the function."""
        try:
            if name.startswith(_SYSTEM):
                return self._call_system(name, args)
            value = self._procedures.call("/" + name.replace(".", "/"), "POST", args)
            try:
                return _plain(value, f"{name}()")
            except BaseException:
                discard(value)
                raise
        except Refused:
            raise
        except Fault as fault:
            raise Refused(fault.faultCode, fault.faultString) from None
        except HTTPError as error:
            raise Refused(error.status, error.why or reason_phrase(error.status)) from None
        except Exception:
            report = traceback.format_exc()
            self._environ["wsgi.errors"].write(f"XML-RPC call of {name!r}\n{report}")
            text = report if self._debug else "The procedure failed."
            raise Refused(_APPLICATION_ERROR, text) from None

    def _call_system(self, name: str, args: Sequence[Any]) -> Any:
        function = self._system.get(name.removeprefix(_SYSTEM))
        if function is None:
            raise Refused(METHOD_NOT_FOUND, f"There is no method {name!r}.")
        try:
            inspect.signature(function).bind(*args)
        except TypeError as error:
            raise Refused(INVALID_PARAMS, f"{name}: {error}.") from None
        return function(*args)

    def _functions(self) -> dict[str, Callable[..., Any]]:
        named = {
            path[1:].replace("/", "."): function for path, function in self._procedures.functions().items()
        }
        return {name: function for name, function in named.items() if name and not name.endswith(".")}

    def _function(self, name: Any) -> Callable[..., Any]:
        system = {f"{_SYSTEM}{short}": function for short, function in self._system.items()}
        function = (self._functions() | system).get(name) if isinstance(name, str) else None
        if function is None:
            raise Refused(METHOD_NOT_FOUND, f"There is no method {name!r}.")
        return function

    def _list_methods(self) -> list[str]:
        """The names of all methods."""
        return sorted([*self._functions(), *(f"{_SYSTEM}{name}" for name in self._system)])

    def _method_help(self, name: str) -> str:
        """What the method says of itself."""
        return inspect.getdoc(self._function(name)) or ""

    def _method_signature(self, name: str) -> list[list[str]] | str:
        """The ways to call the method, each as the types of its value and of its parameters; "undef" if
        it does not say them all."""
        function = self._function(name)
        try:
            signature = inspect.signature(function, eval_str=True)
            result = _type_name(signature.return_annotation)
            parameters = [
                parameter
                for parameter in signature.parameters.values()
                if parameter.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
            ]
            if not name.startswith(_SYSTEM):
                parameters = parameters[1:]  # was
            types = [_type_name(parameter.annotation) for parameter in parameters]
        except (KeyError, NameError, TypeError):
            return "undef"
        required = sum(parameter.default is inspect.Parameter.empty for parameter in parameters)
        return [[result, *types[:count]] for count in range(required, len(types) + 1)]

    def _multicall(self, calls: list[dict[str, Any]]) -> list[Any]:
        """The values of several calls, each alone in an array, or the fault of it."""
        most = self._limits.xmlrpc_calls_max
        if not isinstance(calls, list):
            raise Refused(INVALID_PARAMS, "system.multicall takes an array of calls.")
        if len(calls) > most:
            raise Refused(INVALID_PARAMS, f"system.multicall takes {most} calls (xmlrpc_calls_max).")
        return [self._one_of_many(call) for call in calls]

    def _one_of_many(self, call: Any) -> Any:
        try:
            name, args = (call["methodName"], call["params"]) if isinstance(call, dict) else (None, None)
            if not isinstance(name, str) or not isinstance(args, list):
                raise Refused(INVALID_PARAMS, "A call is a struct of methodName and an array params.")
            if name == f"{_SYSTEM}multicall":
                raise Refused(INVALID_PARAMS, "system.multicall does not call itself.")
            return [self.value_of(name, args)]
        except KeyError as missing:
            return {"faultCode": INVALID_PARAMS, "faultString": f"A call has no {missing}."}
        except Refused as refusal:
            return {"faultCode": refusal.code, "faultString": _NOT_IN_XML.sub("\ufffd", refusal.text)}


def _type_name(annotation: Any) -> str:
    """XML-RPC's name of the type.  Raises KeyError."""
    return _TYPE_NAMES[get_origin(annotation) or annotation]


def _plain(value: Any, where: str) -> Any:
    """``value`` in types that XML-RPC has.  Raises Refused, which names ``where`` and the type."""
    if value is None or isinstance(value, (bool, bytes, DateTime, Binary, datetime.datetime)):
        return value
    if isinstance(value, int):
        if not _INT_MIN <= value <= _INT_MAX:
            raise _not_carried(where, "an int beyond 32 bits")
        return int(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, str):
        found = _NOT_IN_XML.search(value)
        if found is not None:
            raise _not_carried(where, f"a str with {found[0]!r}")
        return str(value)
    if isinstance(value, (bytearray, memoryview)):
        return bytes(value)
    if isinstance(value, (list, tuple)):
        return [_plain(item, where) for item in value]
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str):
                raise _not_carried(where, f"a dict with a key of type {type(key).__name__}")
        return {_plain(key, where): _plain(item, where) for key, item in value.items()}
    raise _not_carried(where, type(value).__name__)


def _not_carried(where: str, what: str) -> Refused:
    return Refused(_APPLICATION_ERROR, f"{where} returned {what}, which XML-RPC cannot carry.")
