"""A session: one encrypted cookie; and a form that no other site can forge."""

from html import escape

from skitai.saddle import Package

from .page import has, needs, page, table

package = Package()

LEAD = """The client keeps the session, encrypted and authenticated: it can neither read nor change it,
and the server stores nothing. The form carries a token, so that no page of another site can send it."""

FORM = """<form method="post" action="{action}">{token}
<label>What shall we call you? <input name="name" required maxlength="40" value="{name}"></label>
<div class="buttons"><button>Remember me</button>
<button name="forget" value="yes" formnovalidate>Forget me</button></div></form>"""


@package.route("/session")
def session(was):
    if was.session is None:
        return page(was, __file__, "Session", LEAD, needs("cryptography", "sessions"))
    was.session.set("visits", was.session.get("visits", 0) + 1)
    name = was.session.get("name", "")
    messages = "".join(f'<p class="note">{escape(text)}</p>' for _, text in was.mbox.get())
    form = FORM.format(action=was.ab("remember"), token=was.csrf_token_input, name=escape(name))
    kept = table(["key", "value"], sorted(was.session.items()))
    return page(was, __file__, "Session", LEAD, messages, form, "<h2>What the session holds</h2>", kept)


def remember(was, name: str = "", forget: bool = False):
    if forget:
        was.session.clear()
    else:
        was.session.set("name", name)
        was.flash(f"Hello {name}: this message has waited in the session until a page took it.")
    return was.redirect(was.ab("session"), status=303)


if has("cryptography"):
    package.csrf = True
    package.route("/session/remember", methods=["POST"])(remember)
