"""`make sanitize`: the compiled build under AddressSanitizer and UndefinedBehaviorSanitizer.

    python -m tests.sanitize                   what stands in SUITES
    python -m tests.sanitize tests/pure -k x   these arguments for pytest instead

The checkout is copied to a scratch folder and its extensions are built there with both
sanitizers; the extensions of the checkout stay as they are.  The suites run in the copy.
Anything that a sanitizer writes is a failure, in whichever process: a live test passes also
when the server that it has started complains and goes on.

Python itself is not instrumented, so three things are asked of the environment:

* ``LD_PRELOAD``: ASan's runtime must be there before anything of libc was called.
* ``PYTHONMALLOC=malloc``: pymalloc's blocks lie in arenas, where ASan sees no borders and no
  use after free.
* ``detect_leaks=0``: Python keeps a great deal for its lifetime, which LeakSanitizer cannot tell
  from a leak.  Leaks are for tests/live/test_leaks.py, which counts.

Before the tests two mistakes are made on purpose, and must be reported: a run without a finding
says something only if there could have been one.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

REPO = Path(__file__).resolve().parents[1]

#: Modules with their arguments, a process each.
SUITES: tuple[tuple[str, ...], ...] = (
    ("pytest", "tests/pure", "tests/live/test_corpus_live.py", "tests/live/test_term_under_load.py"),
    ("pytest", "tests/live/test_kept_files.py", "tests/live/test_gil_held.py"),
    ("pytest", "tests/live/test_message_calls.py", "tests/proxy"),
    ("tests.live.exercise", "10"),
)
#: faulthandler would take SIGSEGV away from ASan; the usual timeouts are for uninstrumented code.
PYTEST_OPTIONS = ("-q", "-p", "no:cacheprovider", "-p", "no:faulthandler", "--timeout=900")

#: UBSan sees overflow of signed numbers, shifts, misaligned and null pointers, and values that a
#: bool or an enum cannot have.  It traps, and ASan reports the trap with its stack: beside ASan,
#: gcc's UBSan runtime does not heed log_path.  Sizes of objects are ASan's affair.
SANITIZERS = "-fsanitize=address,undefined -fsanitize-undefined-trap-on-error -fno-sanitize=object-size"
FLAGS = f"{SANITIZERS} -fno-omit-frame-pointer -g -O1"

NOT_COPIED = shutil.ignore_patterns(
    ".git", ".venv", ".hypothesis", ".*_cache", "__pycache__", "build", "dist", "*.egg-info", "*.so"
)

#: By its argument: nothing wrong, a read behind a block of malloc, a signed overflow.
MISTAKES = """
#include <limits.h>
#include <stdlib.h>
int wrong(int which) {
    volatile char *block = malloc(8);
    volatile int large = INT_MAX;
    volatile int place = 8;
    int result = 0;
    if (which == 1) result = block[place];
    if (which == 2) result = large + 1;
    free((void *)block);
    return result;
}
"""
CALL = "import ctypes, sys; ctypes.CDLL(sys.argv[1]).wrong(int(sys.argv[2]))"


class CannotSanitize(Exception):
    """The machine lacks something, or the sanitizers do not see what they should."""


class Sanitized:
    """A copy of the checkout with instrumented extensions, and runs in it."""

    def __init__(self, scratch: Path) -> None:
        self._tree = scratch / "tree"
        self._reports = scratch / "reports"
        self._reports.mkdir()
        shutil.copytree(REPO, self._tree, ignore=NOT_COPIED)

    def build(self) -> None:
        compiler = {"CFLAGS": FLAGS, "LDFLAGS": SANITIZERS, "SKITAI_EXTENSIONS": "require"}
        self._run(["setup.py", "-q", "build_ext", "--inplace"], compiler, check=True)
        mistakes = self._tree / "mistakes.so"
        source = mistakes.with_suffix(".c")
        source.write_text(MISTAKES)
        command = ["gcc", *FLAGS.split(), "-shared", "-fPIC", "-o", str(mistakes), str(source)]
        subprocess.run(command, check=True)
        for which, expected in enumerate(("", "heap-buffer-overflow", "ILL on unknown address")):
            self._run(["-c", CALL, str(mistakes), str(which)], self._environment())
            said = self.take_reports()
            if expected not in said or bool(expected) is not bool(said):
                raise CannotSanitize(f"mistake {which} should give {expected!r}, and gave {said!r}")

    def run(self, module: str, *arguments: str) -> bool:
        options = PYTEST_OPTIONS if module == "pytest" else ()
        return self._run(["-m", module, *options, *arguments], self._environment()).returncode == 0

    def take_reports(self) -> str:
        """What the sanitizers have written since the last call."""
        said = ""
        for report in sorted(self._reports.iterdir()):
            said += report.read_text("utf-8", "replace")
            report.unlink()
        return said

    def _environment(self) -> dict[str, str]:
        options = {
            "log_path": self._reports / "report",
            "detect_leaks": 0,
            "detect_stack_use_after_return": 1,
            "strict_string_checks": 1,
            "handle_sigill": 1,
        }
        return {
            "LD_PRELOAD": runtime("libasan.so"),
            "PYTHONMALLOC": "malloc",
            "SKITAI_EXTENSIONS": "require",
            "ASAN_OPTIONS": ":".join(f"{key}={value}" for key, value in options.items()),
        }

    def _run(
        self, arguments: Sequence[str], environment: Mapping[str, str], *, check: bool = False
    ) -> subprocess.CompletedProcess[bytes]:
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("SKITAI_")}
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=self._tree,
            env={**inherited, "PYTHONPATH": str(self._tree), **environment},
            check=check,
        )


def runtime(library: str) -> str:
    """The path of one of gcc's runtime libraries."""
    if shutil.which("gcc") is None:
        raise CannotSanitize("there is no gcc (Debian: apt-get install gcc)")
    path = subprocess.run(
        ["gcc", f"-print-file-name={library}"], check=True, capture_output=True, text=True
    ).stdout.strip()
    if not os.path.isabs(path):
        raise CannotSanitize(f"this gcc has no {library}; other compilers bring one, but were not tried")
    return path


def main(arguments: Sequence[str]) -> int:
    failed: list[str] = []
    with tempfile.TemporaryDirectory(prefix="skitai-sanitize-") as scratch:
        tree = Sanitized(Path(scratch))
        try:
            tree.build()
        except (CannotSanitize, subprocess.CalledProcessError) as error:
            print(f"sanitize: nothing was tested: {error}", file=sys.stderr)
            return 2
        for suite in [("pytest", *arguments)] if arguments else SUITES:
            what = " ".join(suite)
            print(f"--- {what}", flush=True)
            passed = tree.run(*suite)
            said = tree.take_reports()
            print(said, end="")
            if said:
                failed.append(f"{what}: the sanitizers' reports above")
            elif not passed:
                failed.append(f"{what}: not by a sanitizer")
    for what in failed:
        print(f"sanitize: FAILED {what}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
