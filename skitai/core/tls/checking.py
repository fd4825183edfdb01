"""Every certificate that the settings name, looked at before clients do.

What cannot be served is a problem and stops a start.  What clients will complain about (a date, a name)
is a warning: a server that had been started in time would go on serving it, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from time import gmtime, strftime, time
from typing import NamedTuple

from skitai.core.config import ListenSettings, Settings
from skitai.core.config.routelines import find_rule, write_host_rule
from skitai.core.tls.contexts import make_context
from skitai.core.tls.looking import Certificate, look_at
from skitai.core.tls.pairs import Pair
from skitai.errors import ConfigError

__all__ = ["Findings", "check"]


class Findings(NamedTuple):
    problems: tuple[ConfigError, ...]
    warnings: tuple[ConfigError, ...]


def check(settings: Settings) -> Findings:
    """Reads the files of all listeners that serve TLS, and of all hosts if there are such listeners."""
    listeners = [listener for listener in settings.listeners if listener.ssl]
    problems: dict[str, ConfigError] = {}
    warnings: list[ConfigError] = []
    for pair, hosts in _pairs(listeners, settings).items():
        try:
            warnings += _concerns(pair, look_at(pair), hosts)
        except ConfigError as error:
            problems[str(error)] = error
    for listener in listeners:
        own = Pair.of(listener, settings)
        try:
            if own is not None:
                make_context(own, listener, settings)
        except ConfigError as error:
            problems[str(error)] = error
    return Findings(tuple(problems.values()), tuple(warnings))


def _pairs(listeners: Iterable[ListenSettings], settings: Settings) -> dict[Pair, list[str]]:
    """Each with the hosts, by their rules, whose clients get it."""
    own = {pair: list[str]() for listener in listeners if (pair := Pair.of(listener, settings)) is not None}
    if not own:
        return {}
    of_rules = {host.name: pair for host in settings.hosts if (pair := Pair.of(host, settings)) is not None}
    pairs = own | {pair: list[str]() for pair in of_rules.values()}
    names = [name for route in settings.routes for name in route.hosts]
    for name in dict.fromkeys([*names, *(host.name for host in settings.hosts)]):
        rule = find_rule(name, of_rules)
        for pair in own if rule is None else (of_rules[rule],):
            pairs[pair].append(name)
    return pairs


def _concerns(pair: Pair, certificate: Certificate, hosts: Iterable[str]) -> Iterator[ConfigError]:
    now = time()
    if now > certificate.ends:
        yield _warning(pair, f"has expired, on {_date(certificate.ends)}", "renew it")
    elif now < certificate.begins:
        yield _warning(pair, f"is not good before {_date(certificate.begins)}", "look at the clock")
    strange = [write_host_rule(host) for host in hosts if not certificate.covers(host)]
    if strange:
        told = ", ".join((*certificate.names, *certificate.addresses)) or "nobody (it has no subjectAltName)"
        hint = "get one for these names, or give [host NAME] a certfile of its own"
        yield _warning(pair, f"is for {told} and not for {', '.join(strange)}: browsers will refuse it", hint)


def _warning(pair: Pair, message: str, hint: str) -> ConfigError:
    return ConfigError(f"the certificate in {pair.certfile} {message}", file=pair.where, hint=hint)


def _date(seconds: float) -> str:
    return strftime("%Y-%m-%d %H:%M UTC", gmtime(seconds))
