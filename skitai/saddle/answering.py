"""From what a function gave to what the server is given: the body, the head, the error page.

Functions of one request's environ and `Response`; what else has a word about the answer stands in
`skitai.saddle.route.Around`.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterable
from typing import Any

from skitai._constants import reason_phrase
from skitai.core.coroutines import is_async_iterable
from skitai.core.errorpages import error_answer
from skitai.saddle.coroutines import AwaitedClosing, Pulled
from skitai.saddle.response import Closing, Response
from skitai.saddle.returns import body_of, encode_json
from skitai.saddle.route import Around

__all__ = ["HTML", "Body", "apply_page", "begin", "body_from", "error_page", "finish", "log", "quick_answer"]

Body = Any  # bytes, an iterable of bytes, or an asynchronous one

HTML = "text/html; charset=utf-8"


def quick_answer(content: Any) -> tuple[list[tuple[str, str]], bytes] | None:
    """The fields and the body of what most functions give and need nothing else for; None for the rest."""
    kind = type(content)
    try:
        if kind is str:
            body, media_type = content.encode(), HTML
        elif kind is dict:
            body, media_type = encode_json(content), "application/json"
        else:
            return None
    except (TypeError, ValueError, RecursionError):
        return None  # who words the error knows the function
    return [("Content-Type", media_type), ("Content-Length", str(len(body)))], body


def body_from(content: Any, response: Response, environ: dict[str, Any], name: str) -> Body:
    if is_async_iterable(content):
        return content if "skitai.was" in environ else Pulled(content)
    return body_of(content, response, environ, name)


def finish(response: Response, body: Body) -> Any:
    """What the server is given behind the head."""
    if isinstance(body, bytes):
        body = [body]
    if not response.is_awaited:
        return body
    if isinstance(body, list):
        response.close()
        return body
    return AwaitedClosing(body, response) if is_async_iterable(body) else Closing(body, response)


def begin(
    response: Response, environ: dict[str, Any], start_response: Any, around: Around, body: Body
) -> bool:
    """The head; whether ``body`` follows it."""
    if not response.has_body:
        for name in ("Content-Type", "Content-Length"):
            if name in response:
                del response[name]
    else:
        if "Content-Type" not in response:
            response.add("Content-Type", HTML)
        if isinstance(body, bytes) and "Content-Length" not in response:
            response.add("Content-Length", str(len(body)))
    if around.cors is not None:
        around.cors.apply(environ, response)
    if around.security is not None:
        around.security.apply(environ, response)
    start_response(response.status, response.decide_head())
    return response.has_body and environ["REQUEST_METHOD"] != "HEAD"


def log(environ: dict[str, Any], error: BaseException) -> None:
    """For an exception that the server does not get to see."""
    report = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    environ["wsgi.errors"].write(f"{environ['REQUEST_METHOD']} {environ.get('PATH_INFO', '')}\n{report}")


def apply_page(response: Response, environ: dict[str, Any], status: int, why: str, detail: str = "") -> bytes:
    line, headers, page = error_page(environ, status, why, (), detail)
    if not response.status.startswith(line[:3]):  # a phrase of the application's own stays
        response.set_status(line)
    for name, value in headers:
        response[name] = value
    return page


def error_page(
    environ: dict[str, Any], status: int, why: str, extra: Iterable[tuple[str, str]], detail: str = ""
) -> tuple[str, list[tuple[str, str]], bytes]:
    accept = environ.get("HTTP_ACCEPT", "")
    answer = error_answer(status, why, accept=accept, detail=detail, extra_headers=list(extra))
    return f"{status} {reason_phrase(status)}", answer.headers, answer.body
