"""What clients make of parts and forms of files: curl, and a browser that looks for its place in a sound."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import struct
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.live.program import LiveServer, Serve
from tests.live.static_site import BIG, gzipped, serve_site
from tests.live.test_readme_samples import CHROMIUM

#: A sound of 8 000 bytes a second, an hour long; most of it a hole in the file.
RATE, SECONDS = 8000, 3600
WAV = b"RIFF%sWAVEfmt %sdata%s" % (
    struct.pack("<I", 36 + RATE * SECONDS),
    struct.pack("<IHHIIHH", 16, 1, 1, RATE, RATE, 1, 8),
    struct.pack("<I", RATE * SECONDS),
)
#: It goes to 50 minutes and tells so by a request of its own.
PAGE = b"""<!doctype html>
<title>seek</title>
<audio src="/sound.wav" preload="metadata"></audio>
<script>
const sound = document.querySelector("audio");
const tell = what => fetch(`/told/${what}`);
sound.onloadedmetadata = () => { sound.currentTime = 3000; };
sound.onseeked = () => tell(`${sound.duration}/${sound.currentTime}`);
sound.onerror = () => tell(`error/${sound.error.code}`);
</script>
"""
FILES = {
    "www/big.bin": BIG,
    "www/page.js": BIG,
    "www/page.js.gz": gzipped(BIG),
    "www/seek.html": PAGE,
    "www/sound.wav": WAV,
}
CONF = "[routes:line]\n/ = www\n"

Curl = Callable[..., bytes]


@pytest.fixture(scope="module")
def server(serve_conf_module: Serve, module_path: Path) -> LiveServer:
    server = serve_site(serve_conf_module, module_path, "", CONF, FILES)
    os.truncate(module_path / "www" / "sound.wav", len(WAV) + RATE * SECONDS)
    return server


@pytest.fixture
def curl(server: LiveServer, require_program: Callable[[str], str]) -> Curl:
    program = require_program("curl")

    def run(path: str, *options: str) -> bytes:
        command = [
            program,
            "-sS",
            "--fail",
            "--noproxy",
            "*",
            "--max-time",
            "20",
            *options,
            server.url + path,
        ]
        return subprocess.run(command, capture_output=True, timeout=30, check=True).stdout

    return run


@pytest.mark.parametrize(
    ("option", "part"), [("0-9", BIG[:10]), ("100-", BIG[100:]), ("-8", BIG[-8:]), ("7-7", BIG[7:8])]
)
def test_curl_range(curl: Curl, option: str, part: bytes) -> None:
    assert curl("/big.bin", "--range", option) == part


def test_curl_several_ranges(curl: Curl) -> None:
    body = curl("/big.bin", "--range", "0-7,80-87")
    assert re.findall(rb"Content-Range: (.*)\r\n\r\n([0-9]{7}\n)\r\n", body) == [
        (b"bytes 0-7/320000", BIG[:8]),
        (b"bytes 80-87/320000", BIG[80:88]),
    ]


def test_curl_goes_on_with_a_download(curl: Curl, tmp_path: Path) -> None:
    (tmp_path / "big.bin").write_bytes(BIG[:123_456])
    curl("/big.bin", "--continue-at", "-", "--output", str(tmp_path / "big.bin"))
    assert (tmp_path / "big.bin").read_bytes() == BIG


def test_curl_compressed(curl: Curl) -> None:
    assert curl("/page.js", "--compressed") == BIG
    assert curl("/page.js", "-H", "Accept-Encoding: gzip") == FILES["www/page.js.gz"]
    assert curl("/page.js") == BIG


@contextlib.contextmanager
def shown_in(program: str, url: str, profile: Path) -> Iterator[None]:
    """Chromium with ``url`` open."""
    # A port of the debugger keeps it from ending with the page's load.
    options = [*CHROMIUM, f"--user-data-dir={profile}", "--remote-debugging-port=0"]
    nowhere = subprocess.DEVNULL
    process = subprocess.Popen(
        [program, *options, url], stdin=nowhere, stdout=nowhere, stderr=nowhere, start_new_session=True
    )
    try:
        yield
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def test_a_browser_finds_its_place_in_a_sound(
    server: LiveServer, tmp_path: Path, require_program: Callable[[str], str]
) -> None:
    with shown_in(require_program("chromium"), f"{server.url}/seek.html", tmp_path / "profile"):
        told = server.wait_for_text(r"GET /told/(\S+)", timeout=60.0)
    assert told[1] == "3600/3000"
    # It did not read 24 MB to get there: it asked again, for the part.
    line = r"GET /sound\.wav HTTP/1\.1 206 ([0-9]+) "
    server.wait_for_text(rf"{line}(?:.|\n)*{line}")
    said = server.console_text()
    sent = [int(size) for size in re.findall(line, said)]
    assert sum(sent) < 3000 * RATE / 2
    assert len(sent) == len(re.findall(r"GET /sound\.wav", said))
