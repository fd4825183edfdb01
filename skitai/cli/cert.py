"""``skitai cert``: a certificate for one's own machine, and what to do with it."""

from __future__ import annotations

import argparse
import importlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from skitai.errors import ConfigError

if TYPE_CHECKING:
    from skitai.cli.certmaking import Made

__all__ = ["add_command"]

_NAMES = ("localhost", "127.0.0.1", "::1")


def add_command(commands: argparse._SubParsersAction[Any]) -> None:
    parser = commands.add_parser("cert", help="make a certificate for developing", description=_cert.__doc__)
    parser.add_argument(
        "--ca", action="store_true", help="sign it by an authority of your own, made where there is none yet"
    )
    parser.add_argument(
        "--name",
        action="append",
        metavar="HOST|ADDRESS",
        help=f"whom it is for; may be repeated; otherwise {', '.join(_NAMES)}",
    )
    parser.add_argument("--client", metavar="NAME", help="one for a client of this name instead; needs --ca")
    parser.add_argument("--out", metavar="DIR", type=Path, default=Path(), help="where the files go")
    parser.add_argument("--days", type=int, default=365, help="that it is good for")
    parser.add_argument("--force", action="store_true", help="replace an earlier one")
    parser.set_defaults(function=_cert)


def _cert(options: argparse.Namespace) -> int:
    """Make a key (P-256) and a certificate for your own machine, not for the public; say how to use them."""
    try:
        making = importlib.import_module("skitai.cli.certmaking")
    except ImportError as error:
        raise ConfigError(
            f"skitai cert needs the library cryptography ({error})", hint="pip install 'skitai[tls]'"
        ) from error
    if options.client and (options.name or not options.ca):
        raise ConfigError("--client makes a client's certificate", hint="write --ca --client NAME, no --name")
    if not 0 < options.days <= 36500:
        raise ConfigError(f"--days {options.days}: from 1 to 36500")
    folder: Path = options.out.absolute()
    stem = "client" if options.client else "server"
    certfile, keyfile = folder / f"{stem}.pem", folder / f"{stem}.key"
    for file in (certfile, keyfile):
        if file.exists() and not options.force:
            raise ConfigError(
                f"{file} is there already", hint="--force replaces it, --out DIR is another place"
            )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        authority = _authority(making, folder) if options.ca else None
        if options.client:
            made = making.for_client(options.client, options.days, authority)
        else:
            made = making.for_server(options.name or _NAMES, options.days, authority)
        _write(certfile, keyfile, made)
    except (OSError, ValueError) as error:
        raise ConfigError(f"no certificate was made: {error}") from error
    if options.client:
        print(_client_words(folder))
    else:
        print(_server_words(certfile, keyfile, folder / "ca.pem" if options.ca else certfile))
    return 0


def _authority(making: Any, folder: Path) -> Made:
    """The one in ``folder``, made if there is none: who trusts it already shall not have to do it again."""
    certfile, keyfile = folder / "ca.pem", folder / "ca.key"
    if certfile.exists() and keyfile.exists():
        found: Made = making.read(certfile.read_bytes(), keyfile.read_bytes())
        return found
    for file in (certfile, keyfile):
        if file.exists():
            raise ValueError(f"{file} is there without its counterpart; both are needed, or none")
    made: Made = making.authority()
    _write(certfile, keyfile, made)
    return made


def _write(certfile: Path, keyfile: Path, made: Made) -> None:
    for file, data, mode in ((keyfile, made.key_pem, 0o600), (certfile, made.pem, 0o644)):
        file.unlink(missing_ok=True)
        # Never there with another mode, not even for a moment.
        with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as opened:
            opened.write(data)


def _server_words(certfile: Path, keyfile: Path, trusted: Path) -> str:
    return f"""\
{certfile}: the certificate
{keyfile}: its key, for the user who runs the server and nobody else

In the configuration:

    [server]
    ssl = yes
    certfile = {certfile}
    keyfile = {keyfile}

Whoever trusts {trusted} trusts this server:

    curl --cacert {trusted} https://localhost:5000/
    sudo cp {trusted} /usr/local/share/ca-certificates/skitai-dev.crt && sudo update-ca-certificates
    Firefox, Chrome: Settings, Certificates, Authorities, Import"""


def _client_words(folder: Path) -> str:
    return f"""\
{folder / "client.pem"}: the client's certificate
{folder / "client.key"}: its key

In the configuration of the server that is to know the client:

    ca_certs = {folder / "ca.pem"}
    verify = required

As this client:

    curl --cert {folder / "client.pem"} --key {folder / "client.key"} --cacert {folder / "ca.pem"} https://localhost:5000/"""
