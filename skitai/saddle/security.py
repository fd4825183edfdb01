"""Fields that have browsers guard an application's pages.

    app.security = SecurityHeaders(content_security_policy="default-src 'self'", hsts=31536000)

What the function has set itself stays.
"""

from __future__ import annotations

from typing import Any

from skitai.saddle.response import Response

__all__ = ["SecurityHeaders"]


class SecurityHeaders:
    """Immutable; for any number of applications and routes.  None leaves a field out.

    Args:
        content_security_policy: what a page may load and run (CSP 3).
        frame_options: who may show the page in a frame: ``DENY``, ``SAMEORIGIN``.
        referrer_policy: what other sites learn of where a visitor came from.
        opener_policy: whether a page of another origin that opened this one keeps hold of it.
        permissions_policy: camera, microphone, place...
        hsts: seconds for which browsers ask this host by https only; sent by https (RFC 6797).
        hsts_subdomains: and all hosts below it.
    """

    def __init__(
        self,
        *,
        content_security_policy: str | None = None,
        frame_options: str | None = "DENY",
        referrer_policy: str | None = "strict-origin-when-cross-origin",
        opener_policy: str | None = "same-origin",
        permissions_policy: str | None = None,
        hsts: int | None = None,
        hsts_subdomains: bool = False,
    ) -> None:
        fields = {
            "X-Content-Type-Options": "nosniff",
            "Content-Security-Policy": content_security_policy,
            "X-Frame-Options": frame_options,
            "Referrer-Policy": referrer_policy,
            "Cross-Origin-Opener-Policy": opener_policy,
            "Permissions-Policy": permissions_policy,
        }
        self._fields = [(name, value) for name, value in fields.items() if value is not None]
        self._hsts = (
            None if hsts is None else f"max-age={hsts}{'; includeSubDomains' if hsts_subdomains else ''}"
        )

    def apply(self, environ: dict[str, Any], response: Response) -> None:
        """Add the fields that ``response`` has not yet."""
        for name, value in self._fields:
            if name not in response:
                response.add(name, value)
        if self._hsts is not None and environ["wsgi.url_scheme"] == "https":
            response["Strict-Transport-Security"] = self._hsts
