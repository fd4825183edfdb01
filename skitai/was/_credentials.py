"""Who we are to those we ask: basic and digest authorization, the client's half (RFC 7617, RFC 7616).

Basic is sent at once: it costs a header, and its challenge would cost a request.  Who answers 401 with a
challenge of digest gets digest, and from then on at once, as long as the nonce is good: `Challenges`
remembers it for the origin and the user.  ``(user, password, "digest")`` never sends the password itself;
``"basic"`` answers no challenge.

SHA-256 is taken before MD5, with ``qop=auth``; a challenge that wants anything else is not answered, and the
401 is what the caller gets.  It is for the whole origin: `domain` of a challenge is not looked at.

Any thread; `Challenges` has the only state, under its lock.
"""

from __future__ import annotations

import base64
import re
import secrets
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple, TypeAlias
from urllib.parse import quote

from skitai.core.digest import ALGORITHMS, digest_response, parameters_of, quoted
from skitai.core.outbound.request import Origin
from skitai.was._urls import as_utf8

__all__ = ["Auth", "Challenges", "Credentials", "Scheme", "basic", "challenges_in", "credentials_of"]

Scheme: TypeAlias = Literal["", "basic", "digest"]

#: Challenges that are remembered; the one that was longest not used makes room.
_REMEMBERED_MAX: Final = 1000
#: Bytes of WWW-Authenticate that are looked at.
_FIELD_MAX: Final = 16384

#: Control characters, and halves of surrogate pairs, which UTF-8 has no bytes for.
_UNSENDABLE: Final = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
# A quoted string, to be stepped over, or a scheme: a token behind a comma that is no parameter's name
# (several challenges may stand in one field, RFC 9110 section 11.6.1).
_SCHEME: Final = re.compile(
    r'"(?:[^"\\]|\\.)*(?:"|\\?$)|'
    r"(?:^|,)[ \t]*([!#$%&\'*+.^_`|~0-9A-Za-z-]+)(?=[ \t]+[^ \t=,]|[ \t]*(?:,|$))",
    re.DOTALL,
)


class Credentials(NamedTuple):
    """``scheme``: the only one to be used; empty: the best that is wanted."""

    user: str
    password: str
    scheme: Scheme = ""

    def __repr__(self) -> str:
        return f"<Credentials of {self.user!r}>"


#: ``(user, password)``, with the scheme behind it if only one may be used, or ``"user:password"``.
Auth: TypeAlias = Credentials | tuple[str, str] | tuple[str, str, Scheme] | str


def credentials_of(auth: Any) -> Credentials:
    """Those of ``auth`` (`Auth`).

    Raises:
        TypeError, ValueError: it is something else.
    """
    if isinstance(auth, str):
        user, colon, password = auth.partition(":")
        if not colon:
            raise ValueError(
                "auth is 'user:password' or (user, password); for a token: headers={'Authorization': …}"
            )
        credentials = Credentials(user, password)
    elif (
        isinstance(auth, (tuple, list))
        and len(auth) in (2, 3)
        and all(isinstance(part, str) for part in auth)
    ):
        credentials = Credentials(*auth)
    else:
        raise TypeError(f"auth is (user, password) or 'user:password', not {type(auth).__name__}")
    if credentials.scheme not in ("", "basic", "digest"):
        raise ValueError(f"auth has the scheme {credentials.scheme!r}: there are 'basic' and 'digest'")
    if _UNSENDABLE.search(f"{credentials.user}{credentials.password}"):
        raise ValueError("auth has a control character, or half a surrogate pair: no field can carry it")
    if ":" in credentials.user and credentials.scheme != "digest":
        raise ValueError(
            f"the user {credentials.user!r} has a colon, which basic authorization has no way to say"
        )
    return credentials


def basic(user: str, password: str) -> str:
    """The value of Authorization, in UTF-8 (RFC 7617 section 2.1)."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode("ascii")


def challenges_in(values: Sequence[str]) -> list[tuple[str, dict[str, str]]]:
    """The schemes that fields WWW-Authenticate name, in lower case, with their parameters.

    Without those of a scheme that has none, or whose parameters cannot be read.
    """
    found = []
    for value in values:
        text = value[:_FIELD_MAX]
        schemes = [match for match in _SCHEME.finditer(text) if match[1]]
        edges = [*(match.start() for match in schemes), len(text)]
        for match, end in zip(schemes, edges[1:], strict=True):
            found.append((match[1].lower(), parameters_of(text[match.end() : end].strip(" \t,")) or {}))
    return found


@dataclass(slots=True)
class _Challenge:
    """One of digest, and how often it was answered."""

    realm: str
    nonce: str
    algorithm: str
    #: What the server wants back as it wrote it, if it wrote it.
    opaque: str | None
    said_algorithm: str | None
    count: int = 0


class Challenges:
    """The challenges of digest that servers have given, and answers to them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: OrderedDict[tuple[Origin, str], _Challenge] = OrderedDict()

    def authorization(self, credentials: Credentials, origin: Origin, method: str, target: str) -> str | None:
        """What to say at once; None: nothing before there is a challenge."""
        key = origin, credentials.user
        if credentials.scheme != "basic":
            with self._lock:
                known = self._known.get(key)
                if known is not None:
                    self._known.move_to_end(key)
                    known.count += 1
                    return _answer(known, credentials, method, target)
        return None if credentials.scheme == "digest" else basic(credentials.user, credentials.password)

    def learn(self, credentials: Credentials, origin: Origin, fields: Sequence[str]) -> bool:
        """``origin`` answered 401 with these ``fields`` (WWW-Authenticate): is there a better answer now?

        Whoever asks says it once for each request; then the password is wrong.
        """
        challenge = None if credentials.scheme == "basic" else _best(challenges_in(fields))
        if challenge is None:
            return False
        with self._lock:
            self._known[origin, credentials.user] = challenge
            self._known.move_to_end((origin, credentials.user))
            if len(self._known) > _REMEMBERED_MAX:
                self._known.popitem(last=False)
        return True


def _best(challenges: list[tuple[str, dict[str, str]]]) -> _Challenge | None:
    """The first of the best algorithm that can be answered."""
    usable = []
    for scheme, given in challenges:
        algorithm = given.get("algorithm", "MD5").upper()
        options = [option.strip().lower() for option in given.get("qop", "").split(",")]
        echoed = given.get("nonce", ""), given.get("opaque", "")
        if (
            scheme == "digest"
            and algorithm in ALGORITHMS
            and "auth" in options
            and {"realm", "nonce"} <= given.keys()
            and all(text.isascii() and text.isprintable() for text in echoed)
            and "\t" not in given["realm"]
        ):
            usable.append(
                _Challenge(
                    as_utf8(given["realm"]),
                    given["nonce"],
                    algorithm,
                    given.get("opaque"),
                    given.get("algorithm"),
                )
            )
    return min(usable, key=lambda challenge: list(ALGORITHMS).index(challenge.algorithm), default=None)


def _answer(challenge: _Challenge, credentials: Credentials, method: str, target: str) -> str:
    """The value of Authorization (RFC 7616 section 3.4)."""
    cnonce = secrets.token_hex(8)
    count = f"{challenge.count:08x}"
    response = digest_response(
        challenge.algorithm,
        credentials.user,
        challenge.realm,
        credentials.password,
        method=method,
        uri=target,
        nonce=challenge.nonce,
        count=count,
        cnonce=cnonce,
    )
    user = credentials.user
    said = [
        f"username={quoted(user)}" if user.isascii() else f"username*=UTF-8''{quote(user, safe='')}",
        f"realm={quoted(challenge.realm)}",
        f"nonce={quoted(challenge.nonce)}",
        f'uri="{target}"',
        f"nc={count}",
        f'cnonce="{cnonce}"',
        "qop=auth",
        f'response="{response}"',
    ]
    if challenge.said_algorithm is not None:
        said.append(f"algorithm={challenge.said_algorithm}")
    if challenge.opaque is not None:
        said.append(f"opaque={quoted(challenge.opaque)}")
    return "Digest " + ", ".join(said)
