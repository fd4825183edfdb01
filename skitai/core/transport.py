"""What a site wants of the way that its requests come: https and nothing else, and browsers told so.

``https_only`` and ``hsts`` of the host, else those of the listener.  Which way a request came is what
`ClientView.scheme` says: that of the connection, or of a trusted proxy's word.

Loop thread.
"""

from __future__ import annotations

import re

from skitai._kernels import http1
from skitai.core.answer import Answer
from skitai.core.forwarded import ClientView
from skitai.core.plans import ListenerInfo
from skitai.core.redirects import redirect
from skitai.core.routes import VirtualHost
from skitai.errors import HTTPError

__all__ = ["further_fields", "is_exempt", "needs_https", "to_https"]

#: Whoever issues certificates looks for its proof by clear text: there may be no certificate yet
#: (RFC 8555 section 8.3, with what a token is made of).
_ACME = re.compile(r"/\.well-known/acme-challenge/[A-Za-z0-9_-]+")
_SAFE = frozenset({"GET", "HEAD"})


def further_fields(site: VirtualHost | None, listener: ListenerInfo, scheme: str) -> http1.Headers:
    """Fields that belong to every answer of ``site``.  By clear text browsers must not be told (RFC 6797
    section 7.2): anybody on the way could have done so."""
    if scheme != "https":
        return []
    hsts = listener.hsts if site is None or site.hsts is None else site.hsts
    return [("Strict-Transport-Security", hsts)] if hsts else []


def needs_https(site: VirtualHost, listener: ListenerInfo) -> bool:
    """Whether a request that came by http is sent to https."""
    return listener.https_only if site.https_only is None else site.https_only


def is_exempt(path: str) -> bool:
    """Whether ``path`` is answered by clear text all the same."""
    return _ACME.fullmatch(path) is not None


def to_https(head: http1.RequestHead, client: ClientView, port: int) -> Answer:
    """The same address by https.  Raises HTTPError where the client has not named a host."""
    if not client.host:
        raise HTTPError(400, "This site is served by https only, and the request names no host.")
    host, colon, last = client.host.rpartition(":")
    if not colon or last.endswith("]"):  # no port, or the inside of an IPv6 literal
        host = client.host
    authority = host if port == 443 else f"{host}:{port}"
    # 308 keeps the method: a form must not become a GET.
    return redirect(301 if head.method in _SAFE else 308, f"https://{authority}{head.path}", head.query)
