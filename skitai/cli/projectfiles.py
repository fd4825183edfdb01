"""The files of ``skitai new``: an application, files beside it, and its test, as short as they can be."""

from __future__ import annotations

__all__ = ["FILES"]

_CONF = """\
; Serve it:  skitaid-instance -v -f site.conf
; Check it:  skitai check site.conf
; Every key: docs/configuration.md of Skitai

[server]
ip = 127.0.0.1              ; leave the line out to be open to the world
port = 5000
threads = 8
use_reloader = yes          ; loads app.py again when it has changed; no, where others use the site

[routes:line]
/static = static
/ = app:app
"""

_APP = '''\
"""The site: each function answers a path, and gets `was`, the services of the request."""

from html import escape

from skitai.saddle import Saddle

app = Saddle(__name__)

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>{title}</title>
<link rel="stylesheet" href="/static/style.css">
<h1>{title}</h1>
<p>{text}</p>
"""


@app.route("/")
def index(was):
    return PAGE.format(title="It works", text='Now change app.py, or say <a href="/hello/you">hello</a>.')


@app.route("/hello/<name>")
def hello(was, name):
    return PAGE.format(title=f"Hello, {escape(name)}", text="The path said whom to greet.")


@app.route("/status")
def status(was):
    return {"good": True}
'''

_STYLE = """\
body {
    font: 1.1rem/1.5 system-ui, sans-serif;
    max-width: 40rem;
    margin: 4rem auto;
    padding: 0 1rem;
}
"""

_TEST = '''\
"""python -m unittest"""

import unittest

from app import app


class Site(unittest.TestCase):
    def setUp(self):
        self.client = app.test_client()

    def test_the_first_page(self):
        response = self.client.get("/")
        self.assertEqual(response.status_code, 200)
        self.assertIn("It works", response.text)

    def test_a_name_is_no_markup(self):
        self.assertIn("Hello, &lt;b&gt;", self.client.get("/hello/%3Cb%3E").text)

    def test_plain_data_is_json(self):
        self.assertEqual(self.client.get("/status").json(), {"good": True})


if __name__ == "__main__":
    unittest.main()
'''

#: By their paths in the project.
FILES = {
    "site.conf": _CONF,
    "app.py": _APP,
    "static/style.css": _STYLE,
    "test_app.py": _TEST,
}
