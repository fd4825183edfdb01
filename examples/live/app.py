"""The live examples of the sample site: one page for each feature, and on each the code that makes it.

``sample.conf`` mounts this file at ``/live``.  A page is a module of this folder: it does its work, and hands
what is to be seen to `page.page`, which shows the module's own file below.
"""

import secrets

from skitai.saddle import Saddle, SecurityHeaders

from . import databases, fanout, files, forms, page, proxied, sessions, shops, sockets, streams, uploads

app = Saddle(__name__)
app.use_reloader = True  # change a file of this folder, and ask for its page again

# Nothing from elsewhere, no script or style inside a page, and nobody may frame it.
app.security = SecurityHeaders(
    content_security_policy="default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    referrer_policy="same-origin",
)

if page.has("cryptography"):
    # New at each start, so sessions end with it.  A real site has a key of its own, outside of its code.
    app.securekey = secrets.token_urlsafe(32)

for module in (forms, uploads, sessions, fanout, shops, sockets, streams, files, proxied, databases):
    app.add_package(module)


@app.route("/")
def index(was):
    """The index is a static file, in front of all applications."""
    return was.redirect("/")
