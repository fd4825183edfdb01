"""The form in a request's body: which kind it is, and its fields as a dict.

The values are str and, of a multipart form, `UploadedFile`; of a name that came several times, the
list of them in their order.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping
from typing import Any

from skitai.core.bodies import Spool
from skitai.core.contenttype import known_charset, parse_content_type
from skitai.errors import HTTPError
from skitai.limits import FormLimits
from skitai.saddle.body import Body
from skitai.saddle.multiparts import parse_multipart
from skitai.saddle.urlencoded import parse_urlencoded

__all__ = ["early_refusal", "gather", "has_form", "merged", "read_form"]

_URLENCODED = "application/x-www-form-urlencoded"
_MULTIPART = "multipart/form-data"
_FORMS = frozenset({_URLENCODED, _MULTIPART})
#: RFC 9110 section 9.3.1: a body of these has no meaning.
_WITHOUT_FORMS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})


def has_form(environ: Mapping[str, Any]) -> bool:
    """Whether the body is a form, by its type and the method.  Only forms become arguments; JSON does not."""
    content_type: str = environ.get("CONTENT_TYPE", "")
    return (
        content_type != ""
        and environ["REQUEST_METHOD"] not in _WITHOUT_FORMS
        and parse_content_type(content_type)[0] in _FORMS
    )


def read_form(
    content_type: str,
    body: Body,
    limits: FormLimits,
    spool: Spool | None,
    at_close: Callable[[Callable[[], None]], None],
) -> Generator[None, None, dict[str, Any]]:
    """Gives the form in ``body``, pausing as it reads; empty if it is none by its ``content_type``.

    Raises:
        HTTPError: 400, the body is not the form that it says; 413, a limit is passed, which is named;
            415, the charset is none that forms have; 507, there is no room for files.
    """
    media_type, parameters = parse_content_type(content_type)
    if media_type not in _FORMS:
        return {}
    charset = known_charset(parameters.get("charset", "utf-8"))
    if charset is None:
        raise HTTPError(415, f"The charset {parameters['charset']!r} is none that forms have.")
    if media_type == _URLENCODED:
        data = body.read_all(limits.form_max, "form_max")
        return gather(parse_urlencoded(data, limits.form_fields_max, charset))
    boundary = parameters.get("boundary", "")
    # RFC 2046 section 5.1.1.
    if not (1 <= len(boundary) <= 70 and boundary.isascii() and boundary.isprintable()):
        raise HTTPError(400, "The Content-Type of the form has no boundary of 1 to 70 characters.")
    read = body.reader(limits.upload_max, "upload_max")
    return gather((yield from parse_multipart(read, boundary, charset, limits, spool, at_close)))


def early_refusal(environ: dict[str, Any], limits: FormLimits) -> HTTPError | None:
    """What can be said against a form before its body has come: that it is too long."""
    length = environ.get("CONTENT_LENGTH") or ""
    if not (length.isascii() and length.isdigit()):
        return None  # who reads the body says it
    media_type = parse_content_type(environ.get("CONTENT_TYPE", ""))[0]
    name = {_URLENCODED: "form_max", _MULTIPART: "upload_max"}.get(media_type)
    if name is None:
        return None
    limit: int = getattr(limits, name)
    # By its digits first: Python refuses to convert thousands of them.
    if len(length) <= 18 and int(length) <= limit:
        return None
    return HTTPError(413, f"The form is longer than {name} allows ({limit} bytes).")


def gather(fields: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """A dict of ``fields``, in which a name that came several times has the list of its values."""
    gathered: dict[str, Any] = {}
    for name, value in fields:
        if name not in gathered:
            gathered[name] = value
        elif isinstance(gathered[name], list):
            gathered[name].append(value)
        else:
            gathered[name] = [gathered[name], value]
    return gathered


def merged(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Both; what is in both is the list of all values, those of ``first`` in front."""
    both = {**first, **second}
    for name in first.keys() & second.keys():
        both[name] = [*_values(first[name]), *_values(second[name])]
    return both


def _values(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
