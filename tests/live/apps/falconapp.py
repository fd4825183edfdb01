"""A Falcon application: a resource with media in and out, and a streamed body."""

from __future__ import annotations

import io

import falcon


class Notes:
    """A collection that keeps what is posted."""

    def __init__(self) -> None:
        self.notes: list[object] = []

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        resp.media = self.notes

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        self.notes.append(req.get_media())
        resp.status = falcon.HTTP_201
        resp.location = f"{req.path}/{len(self.notes)}"

    def on_delete(self, req: falcon.Request, resp: falcon.Response) -> None:
        self.notes.clear()
        resp.status = falcon.HTTP_204


class Echo:
    def on_put(self, req: falcon.Request, resp: falcon.Response) -> None:
        resp.content_type = falcon.MEDIA_TEXT
        resp.stream = io.BytesIO(req.bounded_stream.read())


app = falcon.App()
app.add_route("/notes", Notes())
app.add_route("/echo", Echo())
