"""Django's admin, clicked through by a client as a person would.

The project is what ``django-admin startproject`` makes, unchanged but for STATIC_ROOT;
Skitai serves the admin's collected static files beside it.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
import requests

from tests.live.program import Serve

PASSWORD = "correct-horse-battery"

CONF = """
[server]
python_path = .
[routes:line]
/static = collected
/ = mysite.wsgi:application
"""


class _Form(HTMLParser):
    """The named fields of a page's forms with the values a browser would send."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.fields: dict[str, str] = {}
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        found = dict(attributes)
        name = found.get("name")
        unchecked = found.get("type") in ("checkbox", "radio") and "checked" not in found
        if tag == "input" and name and not unchecked and found.get("type") != "submit":
            self.fields[name] = found.get("value") or ""


class Browser:
    """Follows links and submits forms: hidden fields and the CSRF token go along."""

    def __init__(self, session: requests.Session, url: str) -> None:
        self._session = session
        self._url = url

    def get(self, path: str) -> requests.Response:
        reply = self._session.get(self._url + path)
        assert reply.status_code == 200, reply.text
        return reply

    def submit(self, path: str, **values: str) -> requests.Response:
        fields = {**_Form(self.get(path).text).fields, **values}
        assert fields["csrfmiddlewaretoken"]
        reply = self._session.post(self._url + path, data=fields, headers={"Referer": self._url + path})
        assert reply.status_code == 200, reply.text
        return reply


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A fresh project with its database and one superuser."""

    def run(*command: str) -> None:
        subprocess.run(
            [sys.executable, *command],
            cwd=tmp_path,
            env={**os.environ, "DJANGO_SUPERUSER_PASSWORD": PASSWORD},
            check=True,
            capture_output=True,
        )

    run("-m", "django", "startproject", "mysite", ".")
    with (tmp_path / "mysite" / "settings.py").open("a") as settings:
        settings.write("\nSTATIC_ROOT = BASE_DIR / 'collected'\n")
    run("manage.py", "migrate", "--verbosity", "0")
    run("manage.py", "collectstatic", "--noinput", "--verbosity", "0")
    run(
        *("manage.py", "createsuperuser", "--noinput"),
        *("--username", "root", "--email", "root@example.com"),
    )
    return tmp_path


def test_the_admin_works(project: Path, serve_conf: Serve, session: requests.Session) -> None:
    server = serve_conf(CONF)
    browser = Browser(session, server.url)

    # Not logged in: the admin sends us to its login page, whose style sheets are there.
    login = browser.get("/admin/")
    assert login.url.endswith("/admin/login/?next=/admin/")
    for sheet in re.findall(r'<link rel="stylesheet" href="([^"]+)"', login.text):
        assert session.get(server.url + sheet).headers["Content-Type"].startswith("text/css")

    wrong = browser.submit("/admin/login/?next=/admin/", username="root", password="wrong")
    assert "Please enter the correct username" in wrong.text
    inside = browser.submit("/admin/login/?next=/admin/", username="root", password=PASSWORD)
    assert inside.url.endswith("/admin/")
    assert "Site administration" in inside.text

    # Add a user, change it, find it, delete it.
    users = "/admin/auth/user/"
    added = browser.submit(f"{users}add/", username="hans", password1=PASSWORD, password2=PASSWORD)
    assert "was added successfully" in added.text
    change = added.url.removeprefix(server.url)
    assert re.fullmatch(users + r"\d+/change/", change)
    changed = browser.submit(change, first_name="Hans", last_name="Röh", email="h@example.com")
    assert "was changed successfully" in changed.text
    assert "Röh" in browser.get(f"{users}?q=hans").text
    deleted = browser.submit(change.replace("change", "delete"), post="yes")
    assert "was deleted successfully" in deleted.text
    assert "0 users" in browser.get(f"{users}?q=hans").text

    # A POST without the token is Django's 403, and leaving ends the session.
    assert session.post(f"{server.url}/admin/logout/").status_code == 403
    out = session.post(
        f"{server.url}/admin/logout/",
        data={"csrfmiddlewaretoken": session.cookies["csrftoken"]},
        headers={"Referer": server.url},
    )
    assert "Logged out" in out.text
    assert "/admin/login/" in browser.get(users).url
