"""From the texts of a request to the types that a function's parameters are annotated with.

`converter_of` reads an annotation once, when the function is given its route; the converter that it
gives raises ValueError with the end of a sentence: ``'x' `` *is no int*.  Text comes as `str`, or as a
list of them if a name was given several times; an uploaded file comes as `UploadedFile`, which fits no
other type; whatever else comes (a path's number, a JSON value) has its type already and is left alone.

Annotations that say nothing about a text (a class of the application's, ``dict``) convert nothing.
"""

from __future__ import annotations

import enum
import math
import re
import types
from collections.abc import Callable
from typing import Any, Literal, Union, get_args, get_origin

from skitai.saddle.jsontext import read_json
from skitai.saddle.uploads import UploadedFile

__all__ = ["TYPED_NAMES", "Converter", "converter_of"]

Converter = Callable[[Any], Any]

_INT = re.compile(r"[+-]?[0-9]{1,4000}")  # Python refuses to convert 4300 digits
_FLOAT = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?")
_TRUE = frozenset({"1", "true", "yes", "on", "t", "y"})
_FALSE = frozenset({"0", "false", "no", "off", "f", "n", ""})


def _to_int(text: str) -> int:
    if not _INT.fullmatch(text.strip()):
        raise ValueError("is no int")
    return int(text)


def _to_float(text: str) -> float:
    number = float(text) if _FLOAT.fullmatch(text.strip()) else math.inf
    if not math.isfinite(number):
        raise ValueError("is no float")
    return number


def _to_bool(text: str) -> bool:
    word = text.strip().lower()
    if word in _TRUE:
        return True
    if word not in _FALSE:
        raise ValueError("is no bool (true, false, 1, 0, yes, no, on, off)")
    return False


def _to_str(text: str) -> str:
    return text


def _to_json(text: str) -> Any:
    try:
        return read_json(text)
    except ValueError:
        raise ValueError("is no JSON") from None


def _to_list(text: str) -> list[str]:
    return [item.strip() for item in text.split(",")] if text else []


_OF_TYPE: dict[Any, Callable[[str], Any]] = {int: _to_int, float: _to_float, bool: _to_bool, str: _to_str}

#: Of ``int:n=3`` in a query or a form: names may carry a type themselves.
TYPED_NAMES: dict[str, Callable[[str], Any]] = {
    "int": _to_int,
    "float": _to_float,
    "bit": _to_bool,
    "list": _to_list,
    "json": _to_json,
}


def converter_of(annotation: Any) -> Converter | None:
    """What makes ``annotation``'s type of a text; None if it converts nothing."""
    if annotation in (list, tuple, set):
        return lambda value: value if not isinstance(value, str) else [value]
    origin = get_origin(annotation)
    if origin is list:
        return _list_of(converter_of(*get_args(annotation)))
    if origin is Literal:
        return _one_of({str(choice): choice for choice in get_args(annotation)})
    if origin in (Union, types.UnionType):
        return _any_of(get_args(annotation))
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return _one_of({str(member.value): member for member in annotation})
    if annotation is UploadedFile:
        return _to_file
    if isinstance(annotation, type) and annotation in _OF_TYPE:
        return _single(_OF_TYPE[annotation])
    return None


def _to_file(value: Any) -> UploadedFile:
    if isinstance(value, UploadedFile):
        return value
    raise ValueError("is given several times" if isinstance(value, list) else "is no file")


def _single(convert: Callable[[str], Any]) -> Converter:
    def one(value: Any) -> Any:
        if isinstance(value, str):
            return convert(value)
        if isinstance(value, list):
            raise ValueError("is given several times")
        if isinstance(value, UploadedFile):
            raise ValueError("is a file")
        return value

    return one


def _list_of(convert: Converter | None) -> Converter:
    def all_of(value: Any) -> list[Any]:
        items = value if isinstance(value, list) else [value]
        return items if convert is None else [convert(item) for item in items]

    return all_of


def _one_of(choices: dict[str, Any]) -> Converter:
    def chosen(text: str) -> Any:
        try:
            return choices[text]
        except KeyError:
            raise ValueError(f"is none of {', '.join(choices)}") from None

    return _single(chosen)


def _any_of(kinds: tuple[Any, ...]) -> Converter | None:
    """The first of ``kinds`` that fits; nothing where the text is empty and None is one of them."""
    converters = [converter_of(kind) for kind in kinds if kind is not type(None)]
    known = [convert for convert in converters if convert is not None]
    if len(known) < len(converters):
        return None
    takes_nothing = type(None) in kinds and str not in kinds

    def any_of(value: Any) -> Any:
        if takes_nothing and value == "":
            return None
        refusals: list[str] = []
        for convert in known:
            try:
                return convert(value)
            except ValueError as refusal:
                refusals.append(str(refusal))
        raise ValueError(" and ".join(refusals))

    return any_of
