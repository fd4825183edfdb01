"""Builds the extensions; all that is not code to run stands in ``pyproject.toml``.

The environment variable ``SKITAI_EXTENSIONS`` says what may happen:

    auto      (default) compile; where that cannot be done, install the pure-Python
              twins and say so in one line.  pip hides that line unless called with -v;
              ``skitai --version`` tells at any time which build runs.
    require   compile or fail: for wheels and CI.
    off       do not compile.

All or nothing: a half-compiled Skitai is a third configuration that nobody tests, so one
extension that fails takes the others with it.  The list of extensions is the list of
``skitai/_speedups/*.pyx``; they want epoll or kqueue, so on Windows the pure build serves.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import zlib
from pathlib import Path
from typing import Any

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.command.build_py import build_py
from setuptools.errors import CCompilerError, CompileError, ExecError, LinkError, PlatformError

MODES = ("auto", "require", "off")
MODE = os.environ.get("SKITAI_EXTENSIONS") or "auto"
SOURCES = sorted(Path("skitai/_speedups").glob("*.pyx"))
#: Plain C, of which each kernel includes what it needs.
HEADERS = sorted(Path("skitai/_speedups").glob("*.h"))

#: Those that call zlib, where it is.
ZLIB_USERS = {"skitai._speedups.fetching"}

#: Checks that C code gets from Python code, switched off: each kernel bounds its own walk.
DIRECTIVES = {"language_level": 3, "boundscheck": False, "wraparound": False, "warn.unused": True}


#: What `skitai.core.layout` lays out at a first start; an editable install reads it where it stands.
SHIPPED = (
    "etc/skitaid",
    "examples/static",
    "examples/live",
    *(f"examples/{name}app.py" for name in ("wsgi", "flask", "skitai")),
)


class BuildModules(build_py):
    """The configuration and the sample site too: within the package, for a wheel has no other place."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        for name in SHIPPED:
            target = Path(self.build_lib, "skitai", "shipped", name)
            target.parent.mkdir(parents=True, exist_ok=True)
            if Path(name).is_dir():
                shutil.copytree(
                    name, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__")
                )
            else:
                shutil.copy2(name, target)


class BuildExtensions(build_ext):
    """Cython, then the C compiler, then ``MODE`` decides what a failure means."""

    def finalize_options(self) -> None:
        super().finalize_options()
        if self.parallel is None:
            self.parallel = True  # one run of the C compiler for each processor

    def build_extensions(self) -> None:
        try:
            self._try_compiler()
            self._cythonize()
            self._look_for_zlib()
            super().build_extensions()
        except (ImportError, CCompilerError, ExecError, PlatformError) as error:
            if MODE == "require":
                raise
            self._remove_built()
            # An empty list: nothing is looked for in the build folder afterwards.
            self.extensions = []
            what = "Cython is missing" if isinstance(error, ImportError) else "the C compiler does not work"
            print(
                f"skitai: {what}: installing the pure-Python build, which gives the same answers, but plain "
                "requests and files more slowly, about as gunicorn does, and whose handlers keep a thread "
                "while they wait (SKITAI_EXTENSIONS=require shows the compiler's words)",
                file=sys.stderr,
            )

    def _try_compiler(self) -> None:
        """Before Cython takes half a minute: whether there is one, and Python's headers."""
        source = Path(self.build_temp, "skitai_try.c")
        source.parent.mkdir(parents=True, exist_ok=True)
        source.write_text("#include <Python.h>\n", "utf-8")
        self.compiler.compile([str(source)], output_dir=self.build_temp)

    def _cythonize(self) -> None:
        # Imported here: a build without Cython is one of the cases that "auto" is for.
        from Cython.Build import cythonize
        from Cython.Compiler import Options

        # A misspelt local says nothing by default; with warn.unused it stops the build.
        Options.warning_errors = True
        translated = cythonize(
            self.extensions, build_dir=self.build_temp, compiler_directives=DIRECTIVES, quiet=True
        )
        # Only the sources: setuptools has put marks of its own on the objects that it knows.
        for mine, its in zip(self.extensions, translated, strict=True):
            mine.sources = its.sources

    def _look_for_zlib(self) -> None:
        """Without it the engine leaves to Python what it would code itself: deflating.h."""
        if self._has_zlib():
            for extension in self.extensions:
                if extension.name in ZLIB_USERS:
                    extension.define_macros.append(("SKITAI_ZLIB", "1"))
                    extension.libraries.append("z")

    def _has_zlib(self) -> bool:
        """Asked by a library, as an extension is one: `has_function` links a program, with other flags,
        which fails where the extensions are built for a sanitizer."""
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder, "asks.c")
            source.write_text("#include <zlib.h>\nconst char *asks(void) { return zlibVersion(); }\n")
            try:
                objects = self.compiler.compile([str(source)], output_dir=folder)
                self.compiler.link_shared_object(objects, str(Path(folder, "asks.so")), libraries=["z"])
            except (CompileError, LinkError):
                return False
        return True

    def _remove_built(self) -> None:
        for extension in self.extensions:
            Path(self.get_ext_fullpath(extension.name)).unlink(missing_ok=True)


def extension(source: Path) -> Extension:
    # The checksum lets a test find a module that is older than its source.
    declarations = source.with_suffix(".pxd")
    crc32 = zlib.crc32(source.read_bytes())
    for further in [declarations, *HEADERS]:
        if further.exists():
            crc32 = zlib.crc32(further.read_bytes(), crc32)
    return Extension(
        ".".join(source.with_suffix("").parts),
        [str(source)],
        define_macros=[("SKITAI_SOURCE_CRC32", f"{crc32}u")],
        include_dirs=["skitai/_speedups"],
        libraries=["m"],
        depends=[str(header) for header in HEADERS],
    )


def arguments() -> dict[str, Any]:
    if MODE not in MODES:
        raise SystemExit(f"skitai: SKITAI_EXTENSIONS is {MODE!r}; it may be {', '.join(MODES)}")
    if sys.platform == "win32" and MODE == "require":
        raise SystemExit("skitai: SKITAI_EXTENSIONS=require: the compiled build wants epoll or kqueue")
    if sys.platform == "win32" or MODE == "off":
        return {"cmdclass": {"build_py": BuildModules}}
    return {
        "ext_modules": [extension(source) for source in SOURCES],
        "cmdclass": {"build_ext": BuildExtensions, "build_py": BuildModules},
    }


setup(**arguments())
