"""Start a server without a command line that serves: ``python -m benchmarks.launch NAME APP PORT [THREADS]``.

A child process of the harness runs this, never the harness itself.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import logging
import sys
import types
from typing import Any


def bjoern(app: Any, port: int) -> None:
    importlib.import_module("bjoern").run(app, "127.0.0.1", port)


def fastwsgi(app: Any, port: int) -> None:
    # fastwsgi 0.0.9 asks pkg_resources for its own version when it is imported, and
    # setuptools no longer has pkg_resources.
    stand_in = types.ModuleType("pkg_resources")
    stand_in.__dict__["get_distribution"] = importlib.metadata.distribution
    sys.modules.setdefault("pkg_resources", stand_in)
    importlib.import_module("fastwsgi").run(app, "127.0.0.1", port)


def waitress(app: Any, port: int, threads: str = "4") -> None:
    # It warns of each request that finds no thread free: under full load a line for each
    # request, and here no server writes those.  Its own command line cannot say so.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    importlib.import_module("waitress").serve(app, host="127.0.0.1", port=port, threads=int(threads))


def main(name: str, target: str, port: str, *more: str) -> None:
    module, _, attribute = target.partition(":")
    app = getattr(importlib.import_module(module), attribute)
    {"bjoern": bjoern, "fastwsgi": fastwsgi, "waitress": waitress}[name](app, int(port), *more)


if __name__ == "__main__":
    main(*sys.argv[1:])
