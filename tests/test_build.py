"""The build: which implementation is loaded, and what installing does without a compiler.

Two things go wrong unseen: CI testing the pure build twice while users run the compiled
one, and a compiled module that is older than its source.  Both fail here.
"""

from __future__ import annotations

import ast
import importlib
import os
import shutil
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

from skitai import _kernels
from skitai._constants import VERSION

REPO = Path(__file__).resolve().parent.parent
SPEEDUPS = REPO / "skitai" / "_speedups"
KERNELS = sorted(source.stem for source in SPEEDUPS.glob("*.pyx"))
#: What `_kernels` takes from either package; other modules of `_speedups` serve these.
TWINS = ["accessline", "engine", "environ", "http1", "percent", "pipeline", "websocket", "wsframes"]

pure_is_forced = os.environ.get("SKITAI_PURE") == "1"
must_be_compiled = os.environ.get("SKITAI_EXTENSIONS") == "require"


#: Seconds.
BUILD_TIMEOUT = 600


def python(*arguments: str, cwd: Path = REPO, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env={**os.environ, **environment},
        text=True,
        capture_output=True,
        # All kernels: a minute and more of a processor that has others to serve.
        timeout=BUILD_TIMEOUT,
        check=False,
    )


@pytest.mark.skipif(pure_is_forced, reason="SKITAI_PURE=1 asks for the pure build")
@pytest.mark.skipif(
    not must_be_compiled, reason="the pure build is allowed without SKITAI_EXTENSIONS=require"
)
def test_where_extensions_are_required_the_compiled_build_runs() -> None:
    assert _kernels.implementation() == "compiled"
    assert _kernels.percent_decode.__module__ == "skitai._speedups.percent"
    assert _kernels.add_fields.__module__ == "skitai._speedups.environ"
    assert _kernels.http1.ServerConnection.__module__ == "skitai._speedups.http1"
    assert _kernels.engine.Engine.http_connection is _kernels.http1.ServerConnection


@pytest.mark.skipif(os.environ.get("CI") != "true", reason="only CI promises a compiler")
def test_ci_requires_extensions() -> None:
    assert must_be_compiled, "a CI that may fall back tests the pure build twice"


def test_skitai_pure_forces_the_pure_build() -> None:
    script = (
        "import sys; from skitai import _kernels as k;"
        "print(k.implementation(), k.percent_decode.__module__, k.add_fields.__module__,"
        " k.http1.__name__, k.engine.Engine.http_connection.__module__,"
        " any(name.startswith('skitai._speedups.') for name in sys.modules))"
    )
    done = python("-c", script, SKITAI_PURE="1")
    pure = ["percent", "environ", "http1", "http1.server"]
    assert done.stdout.split() == ["pure", *(f"skitai._pure.{name}" for name in pure), "False"], done.stderr


@pytest.mark.parametrize("missing", KERNELS)
def test_one_missing_kernel_makes_the_whole_build_pure(missing: str) -> None:
    script = (
        f"import sys; sys.modules['skitai._speedups.{missing}'] = None; from skitai import _kernels as k;"
        "print(k.implementation(), k.percent_decode.__module__, k.http1.__name__)"
    )
    done = python("-c", script, SKITAI_PURE="")
    assert done.stdout.split() == ["pure", "skitai._pure.percent", "skitai._pure.http1"], done.stderr


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_compiled_module_is_as_new_as_its_source(kernel: str) -> None:
    try:
        module = importlib.import_module(f"skitai._speedups.{kernel}")
    except ImportError:
        if must_be_compiled:
            raise
        pytest.skip("no extensions are built here")
    sources = [path for suffix in ("pyx", "pxd") if (path := SPEEDUPS / f"{kernel}.{suffix}").exists()]
    sources += sorted(SPEEDUPS.glob("*.h"))
    assert zlib.crc32(b"".join(path.read_bytes() for path in sources)) == module.SOURCE_CRC32, (
        f"{kernel} was edited after the build; pip install -e ."
    )


@pytest.mark.parametrize("name", TWINS)
def test_a_twin_has_the_names_of_its_twin(name: str) -> None:
    stub = SPEEDUPS / f"{name}.pyi"
    if stub.exists():
        nodes = ast.parse(stub.read_text()).body
        public = {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    else:
        nodes = ast.parse((SPEEDUPS / f"{name}.py").read_text()).body
        listed = [node.value for node in nodes if isinstance(node, ast.Assign)]
        public = set(ast.literal_eval(listed[0]))
    assert public == set(importlib.import_module(f"skitai._pure.{name}").__all__)


def test_the_version_has_one_source() -> None:
    done = python("setup.py", "--version")
    assert done.stdout.strip() == VERSION, done.stderr


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One kernel and what builds it: what is asked of a build here does not depend on their number."""
    folder = tmp_path_factory.mktemp("checkout")
    speedups = folder / "skitai" / "_speedups"
    speedups.mkdir(parents=True)
    for name in ("setup.py", "pyproject.toml", "README.md"):
        shutil.copy(REPO / name, folder)
    for path in ("__init__.py", "_constants.py"):
        shutil.copy(REPO / "skitai" / path, folder / "skitai")
    for path in (*SPEEDUPS.glob("*.h"), *SPEEDUPS.glob("percent.p*")):
        shutil.copy(path, speedups)
    return folder


def build(checkout: Path, target: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """``setup.py build_ext`` with its results in ``target``; ``checkout`` stays as it is."""
    folders = ["--build-lib", str(target), "--build-temp", str(target / "temporary")]
    return python("setup.py", "-q", "build_ext", *folders, cwd=checkout, **environment)


def extensions(target: Path) -> list[str]:
    return [path.name.partition(".")[0] for path in target.rglob("*.so")]


@pytest.mark.timeout(BUILD_TIMEOUT + 30)
@pytest.mark.skipif(must_be_compiled, reason="what runs here was built so, or nothing would have run")
def test_require_builds_every_kernel(tmp_path: Path) -> None:
    if python("-c", "import Cython").returncode:
        pytest.skip("no Cython here")
    # -O0: whether they can be made is asked, and the compiler takes a third of the time.
    done = build(REPO, tmp_path, SKITAI_EXTENSIONS="require", CFLAGS="-O0")
    if done.returncode:
        pytest.skip("no C compiler here")
    assert sorted(extensions(tmp_path)) == KERNELS


def test_auto_with_a_compiler_builds(checkout: Path, tmp_path: Path) -> None:
    if not must_be_compiled and python("-c", "import Cython").returncode:
        pytest.skip("no Cython here")
    done = build(checkout, tmp_path, SKITAI_EXTENSIONS="auto")
    if not must_be_compiled and "the C compiler does not work" in done.stderr:
        pytest.skip("no C compiler here")
    assert extensions(tmp_path) == ["percent"], done.stderr


def test_auto_without_a_compiler_says_so_in_one_line(checkout: Path, tmp_path: Path) -> None:
    done = build(checkout, tmp_path, SKITAI_EXTENSIONS="auto", CC="/bin/false")
    assert done.returncode == 0, done.stderr
    assert extensions(tmp_path) == []
    ours = [line for line in done.stderr.splitlines() if line.startswith("skitai: ")]
    assert len(ours) == 1
    assert "the C compiler does not work" in ours[0]
    assert "slowly" in ours[0]
    assert "Traceback" not in done.stderr


def test_require_without_a_compiler_fails_with_the_compilers_words(checkout: Path, tmp_path: Path) -> None:
    done = build(checkout, tmp_path, SKITAI_EXTENSIONS="require", CC="/bin/false")
    assert done.returncode != 0
    assert "/bin/false" in done.stderr


def test_off_compiles_nothing(checkout: Path, tmp_path: Path) -> None:
    done = build(checkout, tmp_path, SKITAI_EXTENSIONS="off", CC="/bin/false")
    assert done.returncode == 0, done.stderr
    assert extensions(tmp_path) == []


def test_an_unknown_mode_is_refused(checkout: Path, tmp_path: Path) -> None:
    done = build(checkout, tmp_path, SKITAI_EXTENSIONS="maybe")
    assert done.returncode != 0
    assert "auto, require, off" in done.stderr
