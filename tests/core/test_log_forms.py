"""JSON in place of words, and requests that have no line."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import pytest

from skitai._kernels import AccessRecord
from skitai.core.logs.facade import Logs
from skitai.core.logs.options import LogOptions
from skitai.core.logs.pathsoff import paths_off


def asked(target: str, status: int = 200, address: str = "127.0.0.1", version: str = "1.1") -> AccessRecord:
    return (time.time(), address, 1234, "GET", target, version, status, 12, 0.0015, 0.25)


def entries(folder: Path, name: str) -> list[dict[str, object]]:
    text = (folder / f"{name}.log").read_bytes()
    assert text.isascii()
    return [json.loads(line) for line in text.splitlines()]


def test_every_log_is_json(tmp_path: Path) -> None:
    logs = Logs(tmp_path, options=LogOptions(json=True))
    logs.request(asked("/a?b=c\n"))
    logs.request(asked("-", 400, "", "-"))
    logs.server("two\nlines", "warn")
    logs.app("ünï\u2028", "error:shop.cart")
    logs.close()
    first, second = entries(tmp_path, "request")
    when = str(first.pop("time"))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d", when)
    assert first == {
        "type": "info",
        "client": "127.0.0.1",
        "port": 1234,
        "method": "GET",
        "target": "/a?b=c\n",
        "protocol": "HTTP/1.1",
        "status": 200,
        "bytes": 12,
        "execution_ms": 1.5,
        "delivery_ms": 250.0,
    }
    assert (second["client"], second["protocol"], second["status"]) == ("unix", "-", 400)
    (server,) = entries(tmp_path, "server")
    assert (server["type"], server["message"]) == ("warn", "two\nlines")
    (app,) = entries(tmp_path, "app")
    assert (app["type"], app["logger"], app["message"]) == ("error", "shop.cart", "ünï\u2028")


def test_requests_without_a_line(tmp_path: Path) -> None:
    logs = Logs(tmp_path, options=LogOptions(off=("/health", "/static/*", "*.png")))
    for target in ("/health", "/health?x", "/static/", "/static/a/b", "/a/b.png?1", "/healthy", "/static"):
        logs.request(asked(target))
    logs.request(asked("/health", 503))
    logs.close()
    text = (tmp_path / "request.log").read_text()
    assert re.findall(r"GET (\S+) HTTP/1.1 (\d+)", text) == [
        ("/healthy", "200"),
        ("/static", "200"),
        ("/health", "503"),
    ]


@pytest.mark.parametrize("pattern", ["/a.b", "/a+b", "/(", "/[x]"])
def test_only_a_star_is_special(pattern: str) -> None:
    is_off = paths_off([pattern])
    assert is_off(asked(pattern))
    assert not is_off(asked("/aab"))
