"""Saddle: forms, uploads, streams and XML-RPC, as the README has them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from typing import Any

from skitai.lib.producers import file_producer
from skitai.saddle import Saddle, UploadedFile
from skitai.was import Services

app = Saddle(__name__)
app.upload_file_max_size = 8 << 20

#: What streams have said when they were closed.
CLOSED: list[str] = []


@app.route("/upload")
def upload(was: Services, **form: Any) -> dict[str, Any]:
    return {name: told(value) for name, value in form.items()}


def told(value: Any) -> Any:
    if isinstance(value, list):
        return [told(item) for item in value]
    if not isinstance(value, UploadedFile):
        return value
    digest = hashlib.sha256()
    while block := value.read(65536):
        digest.update(block)
    return {
        "name": value.name,
        "size": value.size,
        "mimetype": value.mimetype,
        "folder": os.path.dirname(value.file),
        "sha256": digest.hexdigest(),
    }


#: Sends its form into a frame, and shows what comes back.
PAGE = """<!doctype html><meta charset="euc-kr"><title>Form</title>
<form action="/upload" method="post" enctype="%s" target="frame">
<input type="hidden" name="_charset_"><input name="\uc774\ub984" value="\ud64d\uae38\ub3d9 & 100%%">
<input type="file" name="file"><input type="file" name="none"></form>
<iframe name="frame"></iframe><pre></pre>
<script>
const chosen = new DataTransfer()
chosen.items.add(new File(["data\\r\\n"], "\ud55c\uae00 \\"a\\".txt", {type: "text/x-test"}))
document.querySelector("[name=file]").files = chosen.files
const frame = document.querySelector("iframe")
frame.onload = () => {
  const text = frame.contentDocument.body.textContent
  if (text) document.querySelector("pre").textContent = text
}
document.querySelector("form").submit()
</script>"""


@app.route("/page/<kind>")
def page(was: Services, kind: str) -> bytes:
    was.response["Content-Type"] = "text/html; charset=euc-kr"
    enctype = {"multi": "multipart/form-data", "url": "application/x-www-form-urlencoded"}[kind]
    return (PAGE % enctype).encode("euc-kr")


@app.route("/save")
def save(was: Services, into: str, file: UploadedFile) -> str:
    return file.save(into, mkdir=True)


class Endless:
    """Blocks for as long as somebody takes them."""

    def __init__(self, name: str) -> None:
        self.name = name

    def more(self) -> bytes:
        return b"x" * 65536

    def close(self) -> None:
        CLOSED.append(self.name)


@app.route("/endless/<name>")
def endless(was: Services, name: str) -> list[Any]:
    return ["<", Endless(name), Endless(f"{name} 2")]


@app.route("/closed")
def closed(was: Services) -> dict[str, list[str]]:
    return {"closed": CLOSED}


@app.route("/mixed")
def mixed(was: Services) -> list[Any]:
    def lines() -> Iterator[str]:
        for number in range(3):
            yield f"{number}\n"

    return ["# rows\n", lines(), file_producer(open(__file__, "rb"))]


@app.route("/file")
def file(was: Services) -> Any:
    was.response["Content-Type"] = "video/mp4"
    return open(__file__, "rb")


@app.route("/add")
def index(was: Services, num1: Any, num2: Any) -> Any:
    return num1 + num2
