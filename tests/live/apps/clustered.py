"""Handlers that ask a cluster."""

from __future__ import annotations

from time import monotonic
from typing import Any

from skitai.saddle import Saddle
from skitai.was import Services

app = Saddle(__name__)


@app.route("/one")
def one(was: Services) -> str:
    result = was.get.lb("@search/").getwait(0.5)
    return f"{result.status} {result.code} {result.text}"


@app.route("/all")
def all(was: Services, timeout: float) -> dict[str, Any]:
    began = monotonic()
    results = was.get.map("@search/").getswait(timeout)
    elapsed = monotonic() - began
    return {
        "elapsed": elapsed,
        "statuses": [result.status for result in results],
        "nodes": [result.node for result in results],
    }


@app.route("/first")
def first(was: Services, need: int) -> dict[str, Any]:
    began = monotonic()
    results = was.get.map("@search/").getswait(5, need=need)
    return {"elapsed": monotonic() - began, "statuses": [result.status for result in results]}
