"""XML-RPC calls answered: read, the procedures called, the value or the fault written.

Faults follow the "Specification for Fault Code Interoperability"; an HTTPError of a function becomes
a fault with its status as the code.  Tracebacks are logged (``wsgi.errors``), and shown to the
client in debug only.
"""

from __future__ import annotations

import datetime
import inspect
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any, get_origin

from skitai._constants import reason_phrase
from skitai._xmlrpc import Fault, NotCarried, NotXML, NotXMLRPC, clean, plain, read, write_answer
from skitai.errors import HTTPError
from skitai.limits import FormLimits
from skitai.saddle.returns import discard
from skitai.saddle.rpc import INVALID_PARAMS, METHOD_NOT_FOUND, Procedures, Refused

__all__ = ["answer"]

_NOT_WELL_FORMED = -32700
_NO_CALL = -32600
_APPLICATION_ERROR = -32500

_SYSTEM = "system."

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
        return write_answer((calls.value_of(name, args),))
    except Refused as refusal:
        return write_answer(Fault(refusal.code, refusal.text))


def _parse(body: bytes) -> tuple[str, tuple[Any, ...]]:
    try:
        args, name = read(body)
    except NotXML as error:
        raise Refused(_NOT_WELL_FORMED, f"The call {error}.") from None
    except NotXMLRPC as error:
        raise Refused(_NO_CALL, f"The call {error}.") from None
    except Fault as fault:
        raise Refused(_NO_CALL, f"The call is no XML-RPC: {fault}.") from None
    if not isinstance(name, str) or not name:
        raise Refused(_NO_CALL, "The call names no method.")
    return name, args


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
                return _carried(value, name)
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
            return {"faultCode": refusal.code, "faultString": clean(refusal.text)}


def _type_name(annotation: Any) -> str:
    """XML-RPC's name of the type.  Raises KeyError."""
    return _TYPE_NAMES[get_origin(annotation) or annotation]


def _carried(value: Any, name: str) -> Any:
    """``value`` in types that XML-RPC has.  Raises Refused, which names the procedure and the type."""
    try:
        return plain(value)
    except NotCarried as what:
        text = f"{name}() returned {what}, which XML-RPC cannot carry."
        raise Refused(_APPLICATION_ERROR, text) from None
