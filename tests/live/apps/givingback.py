"""Saddle: functions of all kinds that give back what they were given."""

from __future__ import annotations

from typing import Any, Literal

from skitai.saddle import Saddle, UploadedFile
from skitai.was import Services

app = Saddle(__name__)
app.securekey = "ds8fdsflksdjf9879dsf;?<>Asda"


def told(value: Any) -> Any:
    """Of a file its name and its content."""
    if isinstance(value, list):
        return [told(item) for item in value]
    return [value.name, value.mimetype, str(value.read())] if isinstance(value, UploadedFile) else value


@app.route("/text")
def text(was: Services, a: Any = "", x: Any = "", **rest: Any) -> str:
    return f"{told(a)}{told(x)}" + "".join(f"{name}{told(value)}" for name, value in rest.items())


@app.route("/text/<name>")
def named(was: Services, name: str) -> str:
    return name


@app.route("/json")
def as_json(was: Services, **form: Any) -> dict[str, Any]:
    body = was.request.json() if was.request.get_content_type() == "application/json" else None
    form = {name: told(value) for name, value in form.items()}
    return {"form": form, "body": body, "cookies": dict(was.cookie), "uri": was.request.uri}


@app.route("/typed")
@app.route("/typed/<int:n>/<float:x>")
def typed(
    was: Services,
    n: int = 0,
    x: float | None = None,
    flag: bool = False,
    items: list[int] = [],  # noqa: B006
    a: Literal["a", "7"] = "a",
) -> list[Any]:
    return [n, x, flag, items, a, was.ab("typed", n, x, flag=flag)]


@app.route("/file")
def file(was: Services, a: UploadedFile) -> list[str]:
    return [a.name, str(a.read())]


@app.route("/clear")
def clear(was: Services) -> list[str]:
    names = list(was.cookie)
    was.cookie.clear()
    was.session.clear()
    return names


@app.route("/session")
def session(was: Services, a: str = "") -> dict[str, Any]:
    kept = dict(was.session)
    was.session.set("a", a)
    was.cookie.set("a", a)
    return kept


@app.route("/rest/<path>")
def rest(was: Services, path: str) -> str:
    return was.redirect(was.ab("rest", path))


@app.route("/slash/<name>/")
def slash(was: Services, name: str) -> str:
    return was.ab("slash", name)
