"""What the test client sends: an environ of PEP 3333, bodies of forms and uploads, credentials."""

from __future__ import annotations

import io
import json as json_module
import sys
from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import SplitResult, quote, unquote_to_bytes, urlencode

from skitai.core.outbound.request import Origin
from skitai.was._credentials import Challenges, Credentials
from skitai.was._multipart import multipart

__all__ = ["Fields", "body_of", "credentials_for", "environ_of", "pairs_of", "target_of"]

Fields = Mapping[str, Any] | Iterable[tuple[str, Any]]

_FORM: Final = "application/x-www-form-urlencoded"
_BLOCK: Final = 65536
#: The one that is asked.
_HERE: Final = Origin("http", "localhost", 80)
#: What a browser leaves in a path, and quotes that are there already.
_PATH_SAFE: Final = "/%:@!$&'()*+,;=~-._"


def pairs_of(fields: Fields) -> list[tuple[str, str]]:
    """Names and values as text; a list of values gives its name several times."""
    pairs: list[tuple[str, str]] = []
    for name, value in fields.items() if isinstance(fields, Mapping) else fields:
        values = value if isinstance(value, (list, tuple)) else [value]
        pairs.extend((name, str(item)) for item in values)
    return pairs


def body_of(data: Any, json: Any, files: Mapping[str, Any] | None) -> tuple[bytes, str]:
    """A body and its Content-Type, which is empty where only the caller can know.

    Raises:
        ValueError: json together with another body.
    """
    if json is not None:
        if data is not None or files is not None:
            raise ValueError("json= is a whole body: it cannot go with data= or files=")
        return json_module.dumps(json).encode(), "application/json"
    if files is not None:
        body, kind = multipart(data or (), files)
        return body if isinstance(body, bytes) else b"".join(iter(lambda: body.read(_BLOCK), b"")), kind
    if data is None:
        return b"", ""
    if isinstance(data, str):
        return data.encode(), ""
    if isinstance(data, (bytes, bytearray, memoryview)):
        return bytes(data), ""
    if hasattr(data, "read"):
        content = data.read()
        return content.encode() if isinstance(content, str) else bytes(content), ""
    return urlencode(pairs_of(data)).encode(), _FORM


def target_of(url: SplitResult) -> str:
    """The request target: path and query."""
    path = quote(url.path or "/", safe=_PATH_SAFE)
    return f"{path}?{quote(url.query, safe=_PATH_SAFE + '?/')}" if url.query else path


def environ_of(
    method: str, url: SplitResult, mount: str, headers: Mapping[str, str], body: bytes
) -> dict[str, Any]:
    """The environ of a request; what the application writes to ``wsgi.errors`` goes to stderr.

    Raises:
        ValueError: the path is not below the mount.
    """
    target = target_of(url)
    path, _, query = target.partition("?")
    path = unquote_to_bytes(path).decode("latin-1")
    script = mount.rstrip("/").encode().decode("latin-1")
    if script and path != script and not path.startswith(f"{script}/"):
        raise ValueError(f"{url.path} is not below {mount}, where the application of this client is mounted")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "REQUEST_URI": target,
        "SCRIPT_NAME": script,
        "PATH_INFO": path[len(script) :] or "/",
        "QUERY_STRING": query,
        "SERVER_NAME": url.hostname or "localhost",
        "SERVER_PORT": str(url.port or (443 if url.scheme == "https" else 80)),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": url.netloc,
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": url.scheme,
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    if body or method in ("POST", "PUT", "PATCH"):
        environ["CONTENT_LENGTH"] = str(len(body))
    for name, value in headers.items():
        key = name.upper().replace("-", "_")
        environ[key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"] = value
    return environ


def credentials_for(challenges: list[str], method: str, target: str, user: str, password: str) -> str:
    """The value of Authorization: digest for the best of the challenges that can be met, else basic."""
    known = Challenges()
    credentials = Credentials(user, password)
    known.learn(credentials, _HERE, challenges)
    return known.authorization(credentials, _HERE, method, target) or ""
