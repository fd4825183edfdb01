"""What somebody types who uses Skitai's public names under ``mypy --strict``: `make lint` checks it.

Every name that is public is here once.  `assert_type` fails where a name has lost its type.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import skitai
from skitai import errors, was
from skitai.lib.producers import simple_producer
from skitai.lib.roomscript import app as room_script
from skitai.saddle import CORS, EVEXCEPT, EVOK, EVREQEND, Package, Saddle, SecurityHeaders, UploadedFile, Was
from skitai.saddle import authorized as authorized
from skitai.was import Services

if TYPE_CHECKING:
    from typing_extensions import assert_type
else:

    def assert_type(value: object, kind: object) -> object:
        return value


app = Saddle(__name__)
shop = Package("/shop")
app.cors = CORS(["https://example.com"])


@app.route("/hello/<name>", methods=["GET", "POST"])
def hello(was: Was, name: str, times: int = 1) -> str:
    assert_type(was.request.method, str)
    assert_type(was.ab("hello", name), str)
    assert_type(was.render("hello.html", name=name), str)
    assert_type(was.app, Saddle)
    assert_type(was.env, dict[str, Any])
    assert_type(was.csrf_token, str)
    assert_type(was.redirect("/"), str)
    assert_type(was.cookie["a"], str)
    was.response["X-Name"] = name
    was.temp.name = name
    if was.session is not None:
        was.session["name"] = name
    return name * times


@app.route("/later")
async def later(was: Services) -> dict[str, int]:
    result = await was.get("@search/find?q=a")
    assert_type(result.code, int)
    return {"code": result.code}


@app.route("/large", cors=CORS("*"), security=SecurityHeaders(frame_options=None))
def large(was: Was) -> simple_producer:
    return simple_producer(b"data")


@shop.route("/upload")
def upload(was: Was, file: UploadedFile) -> str:
    return str(file.save("/srv/files"))


def calls() -> None:
    result = was.get("http://127.0.0.1/").getwait(2)
    assert_type(result.text, str)
    assert_type(result.status, int)
    assert_type(was.publish("room", "message"), None)
    assert_type(was.tojson({}), str)
    assert_type(was.email("subject", "a@example.com", "b@example.com").send(), str)
    for each in was.get.map("@search/find").getswait(2):
        assert_type(each.code, int)
    try:
        skitai.sleep(0.1)
    except (errors.ClientDisconnected, errors.WaitTimeout, errors.HTTPError) as error:
        raise errors.SkitaiError(str(error)) from error


def wsgi(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    return room_script(environ, start_response)


def tested() -> None:
    response = app.test_client().get("/hello/you")
    assert_type(response.status_code, int)
    assert_type(response.text, str)
    with app.test_client().websocket("/echo") as ws:
        ws.send("hello")


assert_type(skitai.__version__, str)
KINDS = (skitai.WEBSOCKET_REQDATA, skitai.WEBSOCKET_DEDICATE, skitai.WEBSOCKET_MULTICAST)
EVENTS = (EVEXCEPT, EVOK, EVREQEND)
