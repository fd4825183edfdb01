"""What all tests share: how something that the machine lacks is treated, and what children inherit.

A newcomer runs `make test` without root and without apt, so a test that needs a Debian
program skips there and says why.  In CI (``CI=true``) the same absence is a failure:
`.ci/run` has installed the program, and a skip would hide that nothing was tested.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from typing import NoReturn

import pytest

# The tests start the program hundreds of times.  On a machine that forbids bytecode (images of
# containers do), each start would compile all of it again: 0.24 s instead of 0.18 where nothing else runs.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


@pytest.fixture(scope="session")
def missing() -> Callable[[str], NoReturn]:
    """``missing("IPv6")`` ends the test: a skip at home, a failure in CI."""

    def end(what: str) -> NoReturn:
        if os.environ.get("CI", "").lower() in ("1", "true", "yes"):
            pytest.fail(f"CI must have {what}")
        pytest.skip(f"this machine lacks {what}")

    return end


@pytest.fixture(scope="session")
def require_program(missing: Callable[[str], NoReturn]) -> Callable[[str], str]:
    """``require_program("litmus")`` gives the program's path, or ends the test by `missing`."""

    def require(name: str) -> str:
        path = shutil.which(name)
        return path if path else missing(f"the program {name!r}, which .ci/run installs")

    return require
