"""Who stands between us and an origin, when a call says that somebody shall.

    proxy="http://proxy.example:3128"      this one, for the call
    proxy="environment"                    as http_proxy, https_proxy, all_proxy and no_proxy say

Off by default: a server does not follow the variables of whoever has started it.  They are read with each
call.  ``HTTP_PROXY`` in capitals counts for nothing: in a CGI program it is a field of the client's
(httpoxy, CVE-2016-5385).  ``no_proxy``: names, which mean their subdomains too, addresses, networks
(``10.0.0.0/8``), each with a port or without one; ``*`` is everybody.

Pure functions, any thread.
"""

from __future__ import annotations

import ipaddress
import os
from typing import Final, TypeAlias

from skitai.core.outbound.request import Origin
from skitai.was._credentials import basic, credentials_of
from skitai.was._urls import split_url

__all__ = ["ENVIRONMENT", "Proxy", "proxy_of"]

Proxy: TypeAlias = str | None

ENVIRONMENT: Final = "environment"


def proxy_of(origin: Origin, proxy: Proxy) -> Origin | None:
    """The proxy for ``origin``; None: it is asked itself, as members of clusters always are.

    Raises:
        TypeError, ValueError: what is said is no proxy.
    """
    if proxy is not None and not isinstance(proxy, str):
        raise TypeError(f"proxy is 'environment' or the URL of one, not {proxy!r}")
    if not proxy or origin.host.startswith("@"):
        return None
    if proxy != ENVIRONMENT:
        return _origin_of(proxy)
    found = _variable(f"{origin.scheme}_proxy") or _variable("all_proxy")
    if not found or _is_excepted(origin, _variable("no_proxy")):
        return None
    return _origin_of(found)


def _variable(name: str) -> str:
    in_capitals = "" if name == "http_proxy" else os.environ.get(name.upper(), "")
    return os.environ.get(name, in_capitals).strip()


def _origin_of(proxy: str) -> Origin:
    # A proxy is often called by host and port alone.
    url = proxy if "://" in proxy else f"http://{proxy}"
    site, _ = split_url(url)
    if site.user is None:
        return site.origin
    user, password, _ = credentials_of((site.user, site.password))
    return site.origin._replace(authorization=basic(user, password))


def _is_excepted(origin: Origin, no_proxy: str) -> bool:
    try:
        address = ipaddress.ip_address(origin.host)
    except ValueError:
        address = None
    for entry in no_proxy.lower().replace(" ", ",").split(","):
        name, _, port = entry.partition(":") if entry.count(":") == 1 else (entry, "", "")
        if port and port != str(origin.port):
            continue
        if name == "*" or _names(name.removeprefix("*").strip(".[]"), origin.host.rstrip("."), address):
            return True
    return False


def _names(entry: str, host: str, address: ipaddress.IPv4Address | ipaddress.IPv6Address | None) -> bool:
    if not entry:
        return False
    if address is None:
        return host == entry or host.endswith(f".{entry}")
    try:
        network = ipaddress.ip_network(entry, strict=False)
    except ValueError:
        return False
    return address in network
