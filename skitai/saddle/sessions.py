"""``was.session``: what is kept about a client from one request to the next, by the client.

    cookie SESSION = sealed( issued, 8 bytes | lifetime, 4 bytes | JSON: [values, private] )

There is no store: the whole session is one cookie, encrypted and authenticated (`sealing`), which
applications with the same secret share.  It lives for ``session_timeout`` seconds after it was
issued, and is issued again when it was changed, or when a tenth of its time has passed and the
client comes.  What was tampered with, has expired, comes from the future or was sealed by another
secret is an empty session, without further ado.

Values are what JSON can hold and nothing else: to unpickle what a client sends is to run it, should
the secret ever be known.  ``private`` is for the framework's own (CSRF, messages).
"""

from __future__ import annotations

import json
import struct
import time
from collections.abc import Iterator, MutableMapping, Sequence
from typing import Any, Final

from skitai.saddle.cookies import COOKIE_MAX, Lifetime, cookie_line, is_secure, read_cookies
from skitai.saddle.sealing import Sealer, as_secrets, sealed_size
from skitai.was import Services

__all__ = ["COOKIE", "Session", "SessionSettings"]

COOKIE: Final = "SESSION"

#: A session that nobody has asked for yet stands in the services under this name.
_OPENED: Final = "opened session"

#: Clocks of two hosts with one secret may differ by so many seconds.
_SKEW: Final = 60

#: Issued, and the lifetime that `commit` asked for; 0 is the application's session_timeout.
_STAMP: Final = struct.Struct(">QI")

#: The longest cookie line but for the name, the sealed value and a lifetime that `commit` adds.
_ATTRIBUTES: Final = len(cookie_line(COOKIE, "", lifetime="never", secure=True))


class SessionSettings:
    """What an application says about its sessions."""

    #: Seconds that a session lives after the client's last visit.
    session_timeout: float = 1200

    _securekey: str | bytes | Sequence[str | bytes] | None = None
    _secrets: tuple[bytes, ...] = ()
    _sealer: Sealer | None = None

    @property
    def securekey(self) -> str | bytes | Sequence[str | bytes] | None:
        """The secret of the sessions, or several: the first seals, all open.  Without it there are none."""
        return self._securekey

    @securekey.setter
    def securekey(self, value: str | bytes | Sequence[str | bytes] | None) -> None:
        """Raises ValueError (too short), TypeError, ImportError (cryptography is missing)."""
        secrets = as_secrets(value)
        self._sealer = Sealer(secrets, "saddle session") if secrets else None
        self._secrets = secrets
        self._securekey = value

    def session_of(self, services: Services) -> Session | None:
        """``was.session`` of one request; None without a securekey."""
        session: Session | None = vars(services).pop(_OPENED, None) or self._open(services)
        if session is not None:
            session.changed()
        return session

    def renew_session(self, services: Services) -> None:
        """Have the session of the client live on, whether or not its request will ask for it."""
        if f"{COOKIE}=" not in services.env.get("HTTP_COOKIE", ""):
            return
        session = self._open(services)
        if session is not None and session.is_due:
            vars(services)["session"] = session
            session.changed()
        else:
            vars(services)[_OPENED] = session

    def _open(self, services: Services) -> Session | None:
        return None if self._sealer is None else Session(self._sealer, self.session_timeout, services)


class Session(MutableMapping[str, Any]):
    """The session of one request.  One request, one thread."""

    __slots__ = (
        "_issued",
        "_lifetime",
        "_plain",
        "_sealer",
        "_services",
        "_timeout",
        "_values",
        "private",
    )

    def __init__(self, sealer: Sealer, timeout: float, services: Services) -> None:
        self._sealer = sealer
        self._timeout = timeout
        #: For its response, which is not made as long as there is nothing to say in it.
        self._services = services
        self._issued = 0.0
        self._lifetime = 0
        self._values: dict[str, Any] = {}
        #: What the framework keeps here for itself, by name.
        self.private: dict[str, Any] = {}
        sealed = read_cookies(services.env.get("HTTP_COOKIE", "")).get(COOKIE)
        if sealed is not None:
            self._open(sealed)
        #: The content as it stands in the client's cookie; with another one at the head, it is sent.
        self._plain = self._content()

    def _open(self, sealed: str) -> None:
        plain = self._sealer.open(sealed)
        if plain is None:
            return
        issued, lifetime = _STAMP.unpack_from(plain)
        now = time.time()
        if not issued - _SKEW <= now < issued + (lifetime or self._timeout):
            return
        self._issued, self._lifetime = issued, lifetime
        self._values, self.private = json.loads(plain[_STAMP.size :].decode("utf-8", "surrogatepass"))

    def _content(self) -> bytes:
        """Empty for an empty session."""
        if not self._values and not self.private:
            return b""
        return _as_json([self._values, self.private])

    @property
    def is_due(self) -> bool:
        """It is not empty, and a tenth of its time has passed since it was issued."""
        age = time.time() - self._issued
        return bool(self._values or self.private) and age >= (self._lifetime or self._timeout) / 10

    def send(self) -> None:
        """At the head: send the cookie if the client's is not as good."""
        response = self._services.response
        response.add("Vary", "Cookie")
        content = self._content()
        if content == self._plain and not self.is_due:
            return
        self._plain, self._issued = content, int(time.time())
        if not content:
            line = cookie_line(COOKIE, "", lifetime="now", secure=is_secure(self._services.env))
        else:
            sealed = self._sealer.seal(_STAMP.pack(int(self._issued), self._lifetime) + content)
            line = cookie_line(
                COOKIE, sealed, lifetime=self._lifetime or None, secure=is_secure(self._services.env)
            )
        response.add("Set-Cookie", line)

    def changed(self) -> None:
        """Have it looked at when the head leaves; again after an error page forgot all who wanted that."""
        self._services.response.at_head(self.send)

    def set(self, name: str, val: Any) -> None:
        """Keep ``val``: text, numbers, booleans, None, and lists and dicts of these.

        Raises:
            TypeError: it is something else, and JSON cannot hold it.
            ValueError: the session would outgrow a cookie.
        """
        if not isinstance(name, str):
            raise TypeError(f"the name of a session value is text, not {type(name).__name__}")
        # What is seen now is what will be seen when it comes back: tuples are lists there.
        self._put(self._values, name, _json_value(name, val))

    def keep(self, name: str, val: Any) -> None:
        """`set`, for the framework's own."""
        self._put(self.private, name, val)

    def _put(self, place: dict[str, Any], name: str, val: Any) -> None:
        absent = object()
        before = place.get(name, absent)
        place[name] = val
        size = _ATTRIBUTES + sealed_size(_STAMP.size + len(self._content()))
        if size > COOKIE_MAX:
            if before is absent:
                del place[name]
            else:
                place[name] = before
            raise ValueError(
                f"with {name!r} the session would make a cookie of {size} bytes, and browsers drop "
                f"those of more than {COOKIE_MAX}: keep large things in a store and their key in the session"
            )
        self.changed()

    def remove(self, name: str) -> None:
        """Forget it; one that is not there is no error."""
        if name in self._values:
            del self[name]

    def clear(self) -> None:
        """Forget all; the client's cookie is removed."""
        self._values.clear()
        self.private.clear()
        self._lifetime = 0
        self.changed()

    def setdefault(self, name: str, default: Any = None) -> Any:
        """The value of ``name`` as it is kept, so that a change inside it is; else ``default``, kept."""
        if name not in self._values:
            self.set(name, default)
        return self._values[name]

    def has_key(self, name: str) -> bool:
        """As ``name in was.session``."""
        return name in self._values

    def commit(self, expires: Lifetime = None) -> None:
        """Decide how long the session lives, each time it is issued, from now on.

        ``expires`` is in seconds, and the browser keeps the cookie when it ends; ``"now"`` removes the
        session; ``"never"`` is 20 years; None is session_timeout again.

        Raises ValueError for another.
        """
        if expires == "now":
            self.clear()
            return
        if expires is None:
            self._lifetime = 0
        else:
            line = cookie_line(COOKIE, "", lifetime=expires)
            self._lifetime = int(line.partition("Max-Age=")[2].partition(";")[0])
        self._issued = 0.0
        self.changed()

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __setitem__(self, name: str, val: Any) -> None:
        self.set(name, val)

    def __delitem__(self, name: str) -> None:
        del self._values[name]
        self.changed()

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"<session {', '.join(self._values) or 'empty'}>"


def _as_json(value: Any) -> bytes:
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode("utf-8", "surrogatepass")


def _json_value(name: str, val: Any) -> Any:
    try:
        return json.loads(_as_json(val).decode("utf-8", "surrogatepass"))
    except (TypeError, ValueError, RecursionError) as error:
        raise TypeError(
            f"the session value {name!r} cannot be kept: {error}; a session holds what JSON can: text, "
            f"numbers, booleans, None, and lists and dicts of these"
        ) from None
