"""Two rows for each request of Django's, within one transaction that waits: ``/?token=T&keep=0``.

The database is the file that ATOMIC_DATABASE names.
"""

from __future__ import annotations

import os
from typing import Any

import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse
from django.urls import path

import skitai

settings.configure(
    ALLOWED_HOSTS=["*"],
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": os.environ["ATOMIC_DATABASE"],
            "OPTIONS": {"timeout": 20},
        }
    },
    ROOT_URLCONF=__name__,
    SECRET_KEY="no secret",
)
django.setup()

with connection.cursor() as made:
    made.execute("CREATE TABLE tokens (token TEXT)")
connection.close()


class TakenBack(Exception):
    """The end of a transaction that shall not be kept."""


def insert(token: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO tokens VALUES (%s)", [token])


def rows() -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT token FROM tokens ORDER BY token")
        return [token for (token,) in cursor.fetchall()]


def wait(request: HttpRequest) -> HttpResponse:
    token = request.GET["token"]
    try:
        with transaction.atomic():
            own = not connection.savepoint_ids
            insert(token)
            skitai.sleep(0.2)
            insert(token)
            if request.GET["keep"] == "0":
                raise TakenBack
    except TakenBack:
        return HttpResponse(f"taken back {own}")
    return HttpResponse(f"kept {own}")


def show(request: HttpRequest) -> HttpResponse:
    return HttpResponse(" ".join(rows()))


urlpatterns = [path("", wait), path("rows", show)]
app = get_wsgi_application()
