"""The files of the README, laid out where there are none: a first start finds something to serve.

    ETC/skitaid.conf, ETC/servers-enabled/sample.conf, ETC/servers-available/, ETC/cert/README.txt
    PUBLIC/sample/    the pages and applications of the sample site

An administrator's word counts: where ``ETC`` holds anything, nothing is laid out, so what was removed on
purpose does not come back; and no file that is there is written to, whatever it says.

They ship within the package (``setup.py`` puts them there); a checkout has them in ``etc`` and ``examples``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from skitai.core.places import Places
from skitai.errors import ConfigError

__all__ = ["lay_out"]

_PACKAGE = Path(__file__).resolve().parent.parent
#: Relative to the folder of sample.conf in a checkout.
_SAMPLE_IN_CHECKOUT = "../../../examples"
_SAMPLE_FILES = ("static/*", "wsgiapp.py", "flaskapp.py", "skitaiapp.py", "live/*.py")


def lay_out(places: Places) -> list[Path]:
    """What was written, nothing where there is a configuration already.  Raises ConfigError."""
    try:
        if places.etc.is_dir() and any(places.etc.iterdir()):
            return []
        written = [path for path, data in _files(places) if _write(path, data)]
        (places.etc / "servers-available").mkdir(exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"the configuration cannot be laid out in {places.etc}: {error.strerror} ({error.filename})",
            hint="make the folder, run this as its owner, or choose another place with --home DIR",
        ) from error
    return written


def _files(places: Places) -> Iterator[tuple[Path, bytes]]:
    etc, examples = _shipped()
    sample = places.public / "sample"
    for name in ("skitaid.conf", "servers-enabled/sample.conf", "cert/README.txt"):
        data = (etc / name).read_bytes()
        yield places.etc / name, data.replace(_SAMPLE_IN_CHECKOUT.encode(), os.fsencode(sample))
    for pattern in _SAMPLE_FILES:
        for file in sorted(examples.glob(pattern)):
            yield sample / file.relative_to(examples), file.read_bytes()


def _shipped() -> tuple[Path, Path]:
    """The folders of configuration and sample site."""
    shipped = _PACKAGE / "shipped"
    if shipped.is_dir():
        return shipped / "etc" / "skitaid", shipped / "examples"
    checkout = _PACKAGE.parent
    return checkout / "etc" / "skitaid", checkout / "examples"


def _write(path: Path, data: bytes) -> bool:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with open(path, "xb") as file:
            file.write(data)
    except FileExistsError:
        return False
    return True
