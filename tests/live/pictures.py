"""The pictures of the documentation: ``python -m tests.live.pictures docs/pictures`` takes them anew.

The sample site has to run on its port (`make run`), and Chromium to be installed.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from tests.live.browser import browser

SITE = "http://127.0.0.1:5000"

#: Name of the picture: path, dark or not, height, and what is done and waited for before it is taken.
PICTURES = {
    "index": ("/", False, 760, "", "true"),
    "fanout": ("/live/fanout", True, 740, "", "document.querySelector('.total')"),
    "sockets": (
        "/live/sockets",
        False,
        640,
        "document.querySelectorAll('.panel button').forEach(button => button.click())",
        "document.querySelectorAll('.theirs').length === 4",
    ),
}


def main(folder: Path) -> int:
    """Take all of them; returns the exit code."""
    program = shutil.which("chromium")
    if program is None:
        print("Chromium is not installed", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as profile, browser(program, Path(profile)) as chromium:
        for name, (path, dark, height, done, shown) in PICTURES.items():
            with chromium.page() as page:
                page.looks(dark=dark, height=height)
                page.call("Emulation.setScrollbarsHidden", hidden=True)
                page.open(SITE + path)
                page.wait("[...document.querySelectorAll('[data-socket]')].every(one => one.dataset.state)")
                page.ask(done)
                page.wait(shown)
                page.picture(folder / f"{name}.png")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
