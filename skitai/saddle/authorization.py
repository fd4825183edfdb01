"""WWW-Authenticate: who may come in, by basic (RFC 7617) or digest (RFC 7616) authorization.

A `Guard` is asked before the body of a request is read, in the loop thread under Skitai: it does no
I/O and takes microseconds.  Comparisons take the same time whatever was sent, and whether or not
there is such a user; no field, however wrong, makes it raise.

Whom it lets in stands in the environ as ``REMOTE_USER`` and ``AUTH_TYPE``.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Generic, TypeVar

from skitai.core.digest import quoted
from skitai.core.errorpages import error_answer
from skitai.saddle.digest import DigestRealm, Verdict
from skitai.saddle.request import Request

__all__ = ["AuthorizationSettings", "Guard", "Refusal", "Users", "authorized", "guard_of"]

Refusal = tuple[str, list[tuple[str, str]], bytes]
Users = Mapping[str, str] | Callable[[str], "str | None"]
T = TypeVar("T")
Function = TypeVar("Function", bound=Callable[..., Any])

_DIGEST_ALGORITHMS: Final = ("SHA-256", "MD5")
#: The guards that have let a request in: it is not asked again, for its nonce count is used up.
_ADMITTED_BY: Final = "skitai.saddle.admitted_by"
_GUARD: Final = "skitai_guard"

#: Nonces are this process's, unless applications have a secret in common (app.securekey).
_PROCESS_SECRET: Final = secrets.token_bytes(32)


class Guard:
    """One realm with its users.  Any thread.  As a decorator below ``@app.route`` it guards that route."""

    def __init__(
        self,
        scheme: str,
        realm: str,
        users: Users,
        *,
        secret: bytes = b"",
        digest_algorithms: Sequence[str] = _DIGEST_ALGORITHMS,
    ) -> None:
        """Raises ValueError: the scheme is neither basic nor digest, or the realm cannot be sent."""
        if scheme not in ("basic", "digest"):
            raise ValueError(f'authorization {scheme!r}: there are "digest" and "basic"')
        self.scheme = scheme
        self._users = users
        self._basic_challenge = f'Basic realm={quoted(realm)}, charset="UTF-8"'
        key = hmac.digest(secret or _PROCESS_SECRET, b"nonces of " + realm.encode(), "sha256")
        self._digest = DigestRealm(realm, key, digest_algorithms) if scheme == "digest" else None

    def __call__(self, function: Function) -> Function:
        setattr(function, _GUARD, self)
        return function

    def refusal(self, environ: dict[str, Any]) -> Refusal | None:
        """None for a request that may come in; else status line, fields and body of its refusal."""
        admitted_by = environ.get(_ADMITTED_BY, ())
        if self in admitted_by:
            return None
        verdict = self._verdict(environ)
        if verdict.user is not None:
            environ["REMOTE_USER"] = verdict.user.encode().decode("latin-1")
            environ["AUTH_TYPE"] = self.scheme.capitalize()
            environ[_ADMITTED_BY] = (*admitted_by, self)
            return None
        challenges = (
            self._digest.challenges(is_stale=verdict.is_stale) if self._digest else [self._basic_challenge]
        )
        fields = [("WWW-Authenticate", challenge) for challenge in challenges]
        answer = error_answer(
            401,
            "User and password are needed.",
            accept=environ.get("HTTP_ACCEPT", ""),
            extra_headers=[*fields, ("Cache-Control", "no-store")],
        )
        return "401 Unauthorized", answer.headers, answer.body

    def _verdict(self, environ: dict[str, Any]) -> Verdict:
        scheme, _, credentials = environ.get("HTTP_AUTHORIZATION", "").strip().partition(" ")
        if scheme.lower() != self.scheme:
            return Verdict(None)
        if self._digest is None:
            return Verdict(self._basic_user(credentials.strip()))
        target = Request(environ).uri
        return self._digest.verdict(credentials, environ["REQUEST_METHOD"], target, self._password)

    def _basic_user(self, credentials: str) -> str | None:
        try:
            user, colon, given = base64.b64decode(credentials, validate=True).decode("utf-8").partition(":")
        except (binascii.Error, ValueError):
            return None
        if not colon:
            return None
        password = self._password(user)
        # Hashes have one length: how long the password is takes no time either.
        is_same = hmac.compare_digest(
            _hash(given), _hash(_PROCESS_SECRET.hex() if password is None else password)
        )
        return user if is_same and password is not None else None

    def _password(self, user: str) -> str | None:
        users = self._users
        return users(user) if callable(users) else users.get(user)


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def authorized(
    scheme: str = "digest",
    *,
    realm: str = "Saddle",
    user: str = "",
    password: str = "",
    users: Users | None = None,
    secret: str | bytes = b"",
) -> Guard:
    """A guard for routes: ``route(rule, authorization=guard)``, or a decorator below ``@app.route``.

    Args:
        users: passwords by user; or a function that gives a user's password, or None.  It is called in the
            server's loop thread: it answers from memory.
        secret: the same in all processes, where several serve.

    Raises:
        ValueError: the scheme is neither basic nor digest, or there is nobody to let in.
    """
    if users is None:
        if not (user and password):
            raise ValueError("authorized() needs users, or both user and password")
        users = {user: password}
    _refuse_colon(scheme, user)
    return Guard(scheme, realm, users, secret=secret.encode() if isinstance(secret, str) else secret)


def guard_of(function: Callable[..., Any]) -> Guard | None:
    """The guard that a function was decorated with."""
    guard: Guard | None = getattr(function, _GUARD, None)
    return guard


def _refuse_colon(scheme: str, user: str) -> None:
    if scheme == "basic" and ":" in user:
        raise ValueError(f"the user {user!r} has a colon, which basic authorization cannot carry")


class _Setting(Generic[T]):
    """An attribute whose change decides anew whether anybody is asked, so that no request has to."""

    def __init__(self, default: T) -> None:
        self._default = default

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, settings: AuthorizationSettings | None, owner: type) -> T:
        if settings is None:
            return self._default
        value: T = vars(settings).get(self._name, self._default)
        return value

    def __set__(self, settings: AuthorizationSettings, value: T) -> None:
        vars(settings)[self._name] = value
        settings._settle()


class AuthorizationSettings:
    """What an application says about who may come in.

    With a user, a password, users or a scheme set, every request is asked; with only one of user and
    password nobody is let in.
    """

    realm: str = "Saddle"
    user: _Setting[str] = _Setting("")
    password: _Setting[str] = _Setting("")
    #: More users: a dict of passwords, or a function as `authorized` takes it.
    users: _Setting[Users | None] = _Setting(None)
    #: What digest authorization offers, the best first.
    digest_algorithms: Sequence[str] = _DIGEST_ALGORITHMS

    _scheme: str = ""
    _is_guarded: bool = False
    #: Of app.securekey.
    _secrets: tuple[bytes, ...]
    _guard: tuple[tuple[Any, ...], Guard] | None = None

    @property
    def authorization(self) -> str:
        """``"digest"``, ``"basic"``, or empty: digest if there is a user."""
        return self._scheme

    @authorization.setter
    def authorization(self, scheme: str) -> None:
        if scheme not in ("", "basic", "digest"):
            raise ValueError(f'authorization {scheme!r}: there are "digest" and "basic"')
        self._scheme = scheme
        self._settle()

    def _settle(self) -> None:
        self._is_guarded = bool(self._scheme or self.user or self.password or self.users is not None)

    @property
    def guard(self) -> Guard | None:
        """The guard of the whole application by its settings as they are now; None if it is open."""
        if not self._is_guarded:
            return None
        scheme = self._scheme or "digest"
        secret = self._secrets[0] if self._secrets else b""
        # Users and passwords are read when somebody comes; these the guard is made of.
        settings = (scheme, self.realm, self.user, tuple(self.digest_algorithms), secret)
        known = self._guard
        if known is None or known[0] != settings:
            _refuse_colon(scheme, self.user)
            guard = Guard(
                scheme, self.realm, self._password_of, secret=secret, digest_algorithms=self.digest_algorithms
            )
            self._guard = known = settings, guard
        return known[1]

    def _password_of(self, user: str) -> str | None:
        users = self.users
        if users is not None:
            password = users(user) if callable(users) else users.get(user)
            if password is not None:
                return password
        return self.password if self.password and user == self.user else None
