"""The reverse proxy: one line of the configuration passes requests on to the members of a cluster."""

from skitai.saddle import Package

from .page import page

package = Package()

LEAD = """Two requests of your browser for the same function: one directly, one through the line
<code>/proxied = @shops</code> of <code>sample.conf</code>, which passes requests on to the members of a
cluster. The member is this very server. No thread and no application is in between."""

PANEL = '<section class="panel"><h3><code>{url}</code></h3><pre data-fetch="{url}">asking…</pre></section>'

NOTE = """<p>A member is told of the client by <code>X-Forwarded-For</code> and its kin. It believes
them, and then shows your address in place of the proxy's, if <code>trusted_proxies</code> lists the
proxy. Here it does not.</p>"""


@package.route("/proxy")
def proxy(was):
    direct = was.ab("seen")
    panels = [PANEL.format(url=url) for url in (direct, f"/proxied{direct}")]
    return page(was, __file__, "Reverse proxy", LEAD, '<div class="panels">', *panels, "</div>", NOTE)


@package.route("/seen")
def seen(was):
    names = ("REQUEST_METHOD", "REQUEST_URI", "HTTP_HOST", "REMOTE_ADDR", "REMOTE_PORT", "SERVER_PROTOCOL")
    was.response["Cache-Control"] = "no-store"
    return {name: was.env[name] for name in names}
