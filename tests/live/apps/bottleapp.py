"""A Bottle application: routes, forms, a file upload, a static file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bottle

app = bottle.Bottle()


@app.get("/greet/<name>")
def greet(name: str) -> str:
    return f"Hello, {name}"


@app.post("/form")
def form() -> dict[str, Any]:
    upload = bottle.request.files.get("file")
    return {"name": bottle.request.forms.get("name"), "size": len(upload.file.read())}


@app.get("/source")
def source() -> Any:
    """Bottle's own conditional file answer, which uses wsgi.file_wrapper where there is one."""
    here = Path(__file__)
    return bottle.static_file(here.name, root=str(here.parent), mimetype="text/plain")


@app.get("/fail")
def fail() -> str:
    raise LookupError("in a view")
