"""Saddle: the small framework of Skitai.

    from skitai.saddle import Saddle

    app = Saddle(__name__)

    @app.route("/hello/<name>")
    def hello(was, name):
        return f"Hello {name}"

It is a plain WSGI callable; the services of ``was`` that need Skitai's engine come with it.
"""

from __future__ import annotations

from skitai.saddle.app import Saddle
from skitai.saddle.authorization import authorized
from skitai.saddle.cors import CORS
from skitai.saddle.package import Package
from skitai.saddle.security import SecurityHeaders
from skitai.saddle.temp import EVEXCEPT, EVOK, EVREQEND
from skitai.saddle.typed import Was
from skitai.saddle.uploads import UploadedFile

__all__ = [
    "CORS",
    "EVEXCEPT",
    "EVOK",
    "EVREQEND",
    "Package",
    "Saddle",
    "SecurityHeaders",
    "UploadedFile",
    "Was",
    "authorized",
]
