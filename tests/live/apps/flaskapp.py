"""A Flask application as its documentation teaches: url_for, forms, JSON, sessions, streaming."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

from flask import Flask, Response, abort, redirect, request, session, stream_with_context, url_for

app = Flask(__name__)
app.secret_key = "tests only"


@app.route("/")
def index() -> str:
    return url_for("greet", name="Hans Roh")


@app.route("/greet/<name>")
def greet(name: str) -> str:
    return f"Hello, {name}"


@app.post("/form")
def form() -> dict[str, Any]:
    upload = request.files["file"]
    digest = hashlib.sha256(upload.read()).hexdigest()
    return {"name": request.form["name"], "filename": upload.filename, "sha256": digest}


@app.post("/json")
def json() -> Any:
    return request.get_json()


@app.route("/login/<name>")
def login(name: str) -> Response:
    session["name"] = name
    return redirect(url_for("whoami"))  # type: ignore[return-value]  # werkzeug's own class


@app.route("/whoami")
def whoami() -> str:
    return session.get("name") or abort(401)


@app.route("/stream")
def stream() -> Response:
    def lines() -> Iterator[str]:
        for number in range(3):
            yield f"{request.args['word']} {number}\n"

    return Response(stream_with_context(lines()), mimetype="text/plain")


@app.route("/fail")
def fail() -> str:
    raise LookupError("in a view")
