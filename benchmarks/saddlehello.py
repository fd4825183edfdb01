"""Saddle's hello, to stand beside Flask's on the same server."""

from __future__ import annotations

from typing import Any

from skitai.saddle import Saddle

app = Saddle(__name__)


@app.route("/")
def hello(was: Any) -> str:
    return "Hello World\n"
