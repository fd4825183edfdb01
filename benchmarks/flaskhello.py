"""Flask's own hello: what a user of a framework gets from a faster server."""

from __future__ import annotations

from flask import Flask

app = Flask(__name__)


@app.route("/")
def hello() -> str:
    return "Hello World\n"
