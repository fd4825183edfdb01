"""From settings to an exit code: what every command that serves has in common."""

from __future__ import annotations

import sys
from pathlib import Path

from skitai.core.config import Settings
from skitai.core.logs.facade import Logs
from skitai.errors import SkitaiError
from skitai.server import Instance, start_failed

__all__ = ["EXIT_CONFIG", "complain", "serve"]

#: EX_CONFIG of sysexits.h.
EXIT_CONFIG = 78


def complain(error: object) -> None:
    """A line, or several, for the person at the console."""
    for line in str(error).splitlines():
        print(f"skitai: {line}", file=sys.stderr)


def serve(
    settings: Settings, *, name: str, log_path: Path | None, verbose: bool, sole_app: bool = False
) -> int:
    """Serve until the end.  ``log_path`` None logs to stderr, the access lines to stdout."""
    try:
        logs = Logs(settings.server.log_path or log_path, console=verbose)
    except SkitaiError as error:
        complain(error)
        return EXIT_CONFIG
    logs.capture_logging()
    if sys.stdout is not None and hasattr(sys.stdout, "reconfigure"):
        # What applications print shall not wait for the end of the process in a pipe or file.
        sys.stdout.reconfigure(line_buffering=True)
    instance = Instance(settings, logs, name=name, sole_app=sole_app)
    try:
        instance.start()
    except SkitaiError as error:
        logs.server(str(error), "error")
        logs.close()
        if not verbose and log_path is not None:
            complain(error)
        return start_failed(error)
    return instance.run()
