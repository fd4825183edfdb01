"""The WSGI ``environ`` of a request (PEP 3333), from a template and the request's head.

Called by the service for each request to an application, in the loop thread or a worker.
"""

from __future__ import annotations

import sys
from typing import Any
from urllib.parse import quote

from skitai._constants import SERVER_SOFTWARE, VERSION
from skitai._kernels import http1

__all__ = ["FileWrapper", "build_environ", "make_template", "quote_path"]

#: Fields that never reach an application:
#: ``Proxy`` would become HTTP_PROXY, which many clients obey (CVE-2016-5385, "httpoxy");
#: the hop-by-hop framing fields describe bytes that the application never sees.
_WITHHELD = frozenset({"proxy", "transfer-encoding", "expect", "te", "trailer"})
_PLAIN_KEYS = {"content-type": "CONTENT_TYPE", "content-length": "CONTENT_LENGTH"}
#: Field names come from the network: the table of known ones is bounded.
_KEYS_MAX = 1024
_keys: dict[str, str] = {}


class FileWrapper:
    """``wsgi.file_wrapper``: iterates over any file; a real file is sent by the system."""

    __slots__ = ("block_size", "file")

    def __init__(self, file: Any, block_size: int = 65536) -> None:
        self.file = file
        self.block_size = block_size

    def __iter__(self) -> FileWrapper:
        return self

    def __next__(self) -> bytes:
        data: bytes = self.file.read(self.block_size)
        if not data:
            raise StopIteration
        return data

    def close(self) -> None:
        if hasattr(self.file, "close"):
            self.file.close()


def make_template(*, threads: int, processes: int, errors: Any) -> dict[str, Any]:
    """What is the same in every request to one instance."""
    return {
        "SERVER_SOFTWARE": SERVER_SOFTWARE,
        "wsgi.version": (1, 0),
        "wsgi.errors": errors,
        "wsgi.multithread": threads > 1,
        "wsgi.multiprocess": processes > 1,
        "wsgi.run_once": False,
        "wsgi.input_terminated": True,
        "wsgi.file_wrapper": FileWrapper,
        "skitai.version": VERSION,
        "skitai.threads": threads,
    }


def build_environ(
    template: dict[str, Any],
    head: http1.RequestHead,
    *,
    script_name: str,
    path_info: bytes,
    client: tuple[str, int],
    scheme: str,
    host: str,
    server: tuple[str, int],
    withheld: frozenset[str] = frozenset(),
) -> dict[str, Any]:
    """``path_info`` is percent-decoded; ``host`` the authority as the client named it;
    ``server`` what SERVER_NAME and SERVER_PORT fall back to when the client named none;
    ``withheld`` lower-case names of further fields that the application must not see."""
    environ = template.copy()
    name, port = _split_host(host, scheme) if host else (server[0], str(server[1]))
    environ["REQUEST_METHOD"] = head.method
    environ["SCRIPT_NAME"] = script_name
    environ["PATH_INFO"] = path_info.decode("latin-1")
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
    for field, value in head.headers:
        key = _keys.get(field) or _learn(field)
        if not key or (withheld and field.lower() in withheld):
            continue
        known = environ.get(key)
        if known is None:
            environ[key] = value
        else:
            # RFC 9110 section 5.3; Cookie by RFC 6265 section 5.4.
            environ[key] = f"{known}; {value}" if key == "HTTP_COOKIE" else f"{known}, {value}"
    if host:
        environ["HTTP_HOST"] = host
    return environ


def _learn(field: str) -> str:
    """The environ key of a field name, "" if it is withheld."""
    lower = field.lower()
    # ``X_Y`` and ``X-Y`` would share a key: a client could forge what a proxy sets.
    if "_" in field or lower in _WITHHELD:
        return ""
    key = _PLAIN_KEYS.get(lower) or sys.intern("HTTP_" + field.upper().replace("-", "_"))
    if len(_keys) < _KEYS_MAX:
        _keys[field] = key
    return key


def _split_host(host: str, scheme: str) -> tuple[str, str]:
    name, colon, port = host.rpartition(":")
    if not colon or port.endswith("]"):  # no port, or the inside of an IPv6 literal
        return host, "443" if scheme == "https" else "80"
    return name, port or ("443" if scheme == "https" else "80")


def quote_path(path: bytes) -> str:
    """A decoded path as it stands in a Location field."""
    return quote(path, safe="/:@!$&'()*+,;=~")
