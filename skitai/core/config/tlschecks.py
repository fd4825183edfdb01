"""What the keys of TLS say together, as far as the text goes.

What stands in the files that they name is for `skitai.core.tls`, once it is known that somebody serves.
Called once for a file, by `loading`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from skitai.core.config.settings import HostSettings, ListenSettings
from skitai.core.config.sources import Reader

__all__ = ["check_tls"]

#: The key that it is about, what is wrong, how to mend it.
_Complaint = tuple[str, str, str]


def check_tls(listeners: Sequence[ListenSettings], hosts: Sequence[HostSettings], reader: Reader) -> None:
    origins = reader.origins
    found: dict[tuple[str, str], str] = {}  # listeners that take it from [server] say it once
    serves_tls = any(listener.ssl for listener in listeners)
    for listener in listeners:
        title = listener.title
        if listener.ssl:
            complaints = _about_tls(listener)
        else:
            complaints = _about_clear_text(listener, (title, "verify") in origins or not serves_tls)
        for key, message, hint in complaints:
            where = origins.get((title, key)) or origins.get(("server", key), "")
            found.setdefault((message, where), hint)
    for host in hosts:
        for key, message, hint in _about_host(host):
            found.setdefault((message, origins.get((host.title, key), "")), hint)
    for (message, where), hint in found.items():
        reader.problems.add(message, hint=hint, source=where)


def _about_clear_text(listener: ListenSettings, is_meant: bool) -> Iterator[_Complaint]:
    """``is_meant``: its ``verify`` is not just that of ``[server]``, which is for others that serve TLS."""
    if listener.verify != "no" and is_meant:
        message = f"verify = {listener.verify} without TLS: nobody would be verified"
        yield "verify", message, "write ssl = yes"


def _about_tls(listener: ListenSettings) -> Iterator[_Complaint]:
    if listener.certfile is None:
        hint = "write certfile = server.pem; `skitai cert` makes one for your own machine"
        yield "ssl", "ssl = yes needs a certificate", hint
    if listener.verify != "no" and listener.ca_certs is None:
        hint = "write ca_certs = the file with the certificates of those who issue your clients'"
        yield "verify", f"verify = {listener.verify} needs ca_certs", hint
    yield from _about_passphrase(listener)


def _about_host(host: HostSettings) -> Iterator[_Complaint]:
    given = {"keyfile": host.keyfile, "passphrase": host.passphrase, "passphrase_file": host.passphrase_file}
    key = next((key for key, value in given.items() if value), None)
    if host.certfile is None and key is not None:
        yield key, f"[{host.title}] has a {key} but no certfile", "name both"
    yield from _about_passphrase(host)


def _about_passphrase(section: ListenSettings | HostSettings) -> Iterator[_Complaint]:
    if section.passphrase and section.passphrase_file is not None:
        yield "passphrase_file", "passphrase_file stands beside passphrase", "keep one of them"
