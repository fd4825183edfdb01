"""Saddle's ways to know a client: digest and basic authorization, sessions, CSRF tokens, messages."""

from __future__ import annotations

from typing import Any

from skitai.saddle import Saddle, authorized

app = Saddle(__name__)
app.securekey = "ds8fdsflksdjf9879dsf;?<>Asda"


@app.route(
    "/digest",
    authorization=authorized(realm="Partner App Area of mysite.com", users={"app": "iamyourpartnerapp"}),
)
def by_digest(was: Any, **query: str) -> str:
    return f"{was.env['REMOTE_USER']} by {was.env['AUTH_TYPE']}, {len(was.request.get_body())} bytes"


@app.route(
    "/basic",
    authorization=authorized("basic", realm="Staff", users={"app": "iamyourpartnerapp", "가": "나:다"}),
)
def by_basic(was: Any) -> str:
    return f"{was.env['REMOTE_USER'].encode('latin-1').decode()} by {was.env['AUTH_TYPE']}"


@app.route("/form", methods=["GET", "POST"])
@app.csrf_protect
def form(was: Any) -> Any:
    if was.request.command == "get":
        return (
            f"<form method='post'>{was.csrf_token_input}<input name='name' value='Hans &amp; 가'></form>"
            f"<script>if (!location.hash) document.forms[0].submit()</script>"
        )
    was.session.set("name", was.request.form()["name"])
    was.flash("Saved.")
    return was.redirect("/me#done", 303)


@app.route("/me")
def me(was: Any) -> str:
    visits = int(was.cookie.get("visits", "0")) + 1
    was.cookie.set("visits", str(visits), expires=60)
    messages = [message.text for message in was.mbox.get()]
    return f"{was.session.get('name')}, {visits}, {messages}"
