"""The WSGI ``environ`` of a request (PEP 3333), from a template and the request's head.

Called by the service for each request to an application, in the loop thread or a worker.
"""

from __future__ import annotations

from typing import Any

from skitai._constants import SERVER_SOFTWARE, VERSION
from skitai._kernels import add_fields, http1
from skitai.core.bodies import EMPTY_INPUT, Spool
from skitai.core.filewrapper import FileWrapper

__all__ = ["build_environ", "make_template", "wsgi_string"]


#: What each request says for itself.  They stand in the template too: its copies have room for them, and
#: no dictionary is made larger for each request.
_OF_EACH = (
    *("REQUEST_METHOD", "SCRIPT_NAME", "PATH_INFO", "QUERY_STRING", "REQUEST_URI", "RAW_URI"),
    *("SERVER_PROTOCOL", "SERVER_NAME", "SERVER_PORT", "REMOTE_ADDR", "REMOTE_PORT", "wsgi.url_scheme"),
)


def make_template(
    *, threads: int, processes: int, errors: Any, was: object, spool: Spool | None = None
) -> dict[str, Any]:
    """What is the same in every request to one instance; ``spool`` is where its uploads go too."""
    return {
        **dict.fromkeys(_OF_EACH, ""),
        "SERVER_SOFTWARE": SERVER_SOFTWARE,
        "wsgi.version": (1, 0),
        "wsgi.input": EMPTY_INPUT,  # where there is no body
        "wsgi.errors": errors,
        "wsgi.multithread": threads > 1,
        "wsgi.multiprocess": processes > 1,
        "wsgi.run_once": False,
        "wsgi.input_terminated": True,
        "wsgi.file_wrapper": FileWrapper,
        "skitai.version": VERSION,
        "skitai.threads": threads,
        "skitai.was": was,
        "skitai.spool": spool,
    }


def wsgi_string(path: str) -> str:
    """A decoded path, or a part of one between slashes, as PEP 3333 wants it: bytes as latin-1."""
    return path if path.isascii() else path.encode("utf-8", "surrogateescape").decode("latin-1")


def build_environ(
    template: dict[str, Any],
    head: http1.RequestHead,
    *,
    script_name: str,
    path_info: str,
    client: tuple[str, int],
    scheme: str,
    host: str,
    server: tuple[str, int],
    withheld: frozenset[str] = frozenset(),
) -> dict[str, Any]:
    """``script_name`` and ``path_info`` are `wsgi_string`; ``host`` the authority as the client named it;
    ``server`` what SERVER_NAME and SERVER_PORT fall back to when the client named none;
    ``withheld`` lower-case names of further fields that the application must not see."""
    environ = template.copy()
    name, port = _split_host(host, scheme) if host else (server[0], str(server[1]))
    environ["REQUEST_METHOD"] = head.method
    environ["SCRIPT_NAME"] = script_name
    environ["PATH_INFO"] = path_info
    environ["QUERY_STRING"] = head.query
    environ["REQUEST_URI"] = environ["RAW_URI"] = head.target
    environ["SERVER_PROTOCOL"] = f"HTTP/{head.http_version}"
    environ["SERVER_NAME"] = name
    environ["SERVER_PORT"] = port
    environ["REMOTE_ADDR"] = client[0]
    environ["REMOTE_PORT"] = str(client[1])
    environ["wsgi.url_scheme"] = scheme
    if scheme == "https":
        environ["HTTPS"] = "on"
    add_fields(environ, head.headers, withheld)
    if host:
        environ["HTTP_HOST"] = host
    return environ


def _split_host(host: str, scheme: str) -> tuple[str, str]:
    name, colon, port = host.rpartition(":")
    if not colon or port.endswith("]"):  # no port, or the inside of an IPv6 literal
        return host, "443" if scheme == "https" else "80"
    return name, port or ("443" if scheme == "https" else "80")
