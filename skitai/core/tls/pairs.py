"""A certificate and its key, as two files or one.

OpenSSL's own words for what is wrong with them name an error of its source.  `Pair.load_into` looks
for itself first, so that whoever reads the message knows which file to mend.  It never lets
OpenSSL ask for a passphrase: a server has nobody at its terminal.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from skitai._lazy import LazyModule
from skitai.core.config import HostSettings, ListenSettings, Settings
from skitai.errors import ConfigError

if TYPE_CHECKING:
    import ssl
else:
    ssl = LazyModule("ssl")

__all__ = ["Pair", "read_pem"]

_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)
_KEY = re.compile(rb"-----BEGIN (?:\w+ )*PRIVATE KEY-----")

_FOREIGN_KEY = frozenset({"KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH"})
_WEAK = frozenset({"EE_KEY_TOO_SMALL", "CA_KEY_TOO_SMALL", "CA_MD_TOO_WEAK"})


class _NoPassphrase(Exception):
    """The key is encrypted, and nothing says by what."""


@dataclass(frozen=True, slots=True)
class Pair:
    """``where`` says what names it: ``x.conf:3``."""

    certfile: Path
    keyfile: Path | None
    passphrase: str = field(repr=False)
    passphrase_file: Path | None
    where: str

    @classmethod
    def of(cls, section: ListenSettings | HostSettings, settings: Settings) -> Pair | None:
        """That of a listener or host; None if it names none."""
        if section.certfile is None:
            return None
        where = settings.origins.get((section.title, "certfile")) or settings.origin("server", "certfile")
        return cls(section.certfile, section.keyfile, section.passphrase, section.passphrase_file, where)

    @property
    def files(self) -> tuple[Path, ...]:
        """All that it is read from."""
        return tuple(file for file in (self.certfile, self.keyfile, self.passphrase_file) if file is not None)

    def certificate(self) -> str:
        """The first of the file in PEM, which must be the server's own.  Raises ConfigError."""
        return read_pem(self.certfile, "certfile", self.where)[0]

    def load_into(self, context: ssl.SSLContext) -> None:
        """Raises ConfigError."""
        self.certificate()
        self._look_at_key()
        asked = False

        def passphrase() -> str:
            nonlocal asked
            asked = True
            return self._passphrase()

        try:
            context.load_cert_chain(self.certfile, self.keyfile, passphrase)
        except _NoPassphrase:
            raise self._error(
                f"the key in {self._key} is encrypted, and no passphrase is given",
                "write passphrase_file = a file that only the server can read",
            ) from None
        except (ssl.SSLError, OSError, ValueError) as error:
            raise self._explain(error, asked) from error

    @property
    def _key(self) -> Path:
        return self.keyfile or self.certfile

    def _look_at_key(self) -> None:
        data = _read(self._key, "keyfile", self.where)
        if not _KEY.search(data):
            hint = "name the key's file: keyfile = …" if self.keyfile is None else "it must be PEM"
            raise self._error(f"{self._key} has no private key", hint)

    def _passphrase(self) -> str:
        passphrase = self.passphrase
        if self.passphrase_file is not None:
            text = _read(self.passphrase_file, "passphrase_file", self.where)
            passphrase = text.partition(b"\n")[0].rstrip(b"\r").decode("utf-8", "surrogateescape")
        if not passphrase:
            raise _NoPassphrase
        return passphrase

    def _explain(self, error: Exception, asked: bool) -> ConfigError:
        reason = getattr(error, "reason", None)
        if reason in _FOREIGN_KEY:
            return self._error(
                f"the key in {self._key} is not that of the certificate in {self.certfile}",
                "the server's own certificate comes first, those of its issuers behind it",
            )
        if reason in _WEAK:
            return self._error(
                f"OpenSSL refuses {self.certfile} as too weak ({reason})",
                "make one with an elliptic curve or RSA from 2048 bits on, signed with SHA-256",
            )
        if asked:
            return self._error(f"the passphrase of the key in {self._key} is wrong", "")
        return self._error(f"{self.certfile} and its key cannot be used: {reason or error}", "")

    def _error(self, message: str, hint: str) -> ConfigError:
        return ConfigError(message, file=self.where, hint=hint)


def read_pem(file: Path, key: str, where: str) -> list[str]:
    """The certificates of ``file``, at least one.  ``key`` names it in the settings.  Raises ConfigError."""
    found = _CERTIFICATE.findall(_read(file, key, where))
    if not found:
        raise ConfigError(
            f"{key}: {file} has no certificate in PEM",
            file=where,
            hint="`openssl x509 -inform DER -in FILE -out FILE.pem` makes PEM of the binary form",
        )
    return [pem.decode("latin-1") for pem in found]


def _read(file: Path, key: str, where: str) -> bytes:
    try:
        return file.read_bytes()
    except FileNotFoundError:
        hint = "a name alone is looked for beside the configuration and in ../cert"
        raise ConfigError(f"{key}: there is no file {file}", file=where, hint=hint) from None
    except OSError as error:
        hint = "the user that the server runs as must be able to read it"
        raise ConfigError(
            f"{key}: {file} cannot be read ({error.strerror})", file=where, hint=hint
        ) from error
