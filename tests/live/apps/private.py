"""A Saddle application behind basic authorization; says what it was sent."""

from __future__ import annotations

from typing import Any

from skitai.saddle import Saddle

app = Saddle(__name__)
app.authorization = "basic"
app.realm = "Partners"
app.user = "app"
app.password = "iamyourpartnerapp"


@app.route("/upload", methods=["GET", "POST", "PUT"])
def upload(was: Any) -> str:
    size = 0
    while block := was.env["wsgi.input"].read(65536):
        size += len(block)
    return f"{size} bytes"
