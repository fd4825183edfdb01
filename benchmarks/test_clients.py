"""The clients that stand beside `was.get`, and how the harness asks them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer

import pytest

from benchmarks.clients import CLIENTS, Fetch, serve
from benchmarks.fetching import app
from benchmarks.wrk import Load, drive

FILE = b"x" * 1024


@dataclass
class Files:
    url: str
    connections: int = 0


def running(server: HTTPServer) -> Iterator[str]:
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


@pytest.fixture
def files() -> Iterator[Files]:
    """Of 1 KiB, whatever their names; but there is none of the name missing."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            super().setup()
            found.connections += 1

        def do_GET(self) -> None:
            self.send_response(404 if self.path == "/missing" else 200)
            self.send_header("Content-Length", str(len(FILE)))
            self.end_headers()
            self.wfile.write(FILE)

        def log_message(self, *args: object) -> None:
            """The test's console is not for this."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *args: object) -> None:
            """A client has left in the midst."""

    server = Server(("127.0.0.1", 0), Handler)
    found = Files("")
    for found.url in running(server):
        yield found


@pytest.fixture(params=CLIENTS)
def client(request: pytest.FixtureRequest) -> Fetch:
    if request.param != "was":
        pytest.importorskip(request.param)
    return CLIENTS[request.param]()


def test_all_files_come_over_kept_connections(client: Fetch, files: Files) -> None:
    for _ in range(2):
        assert client(f"{files.url}/1k.bin", 50, 5) == 50 * len(FILE)
    assert 5 <= files.connections <= 6  # one may have been made while another was freed


def test_a_bad_answer_is_no_file(client: Fetch, files: Files) -> None:
    with pytest.raises(RuntimeError, match="404"):
        client(f"{files.url}/missing", 5, 5)


def test_the_handler_says_what_it_has_fetched(files: Files) -> None:
    said = []
    environ = {"QUERY_STRING": f"count=7&at_once=5&url={files.url}/1k.bin"}
    assert app(environ, lambda *head: said.append(head)) == [b"7 7168\n"]
    assert said == [("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "7")])]


def test_a_server_that_asks_another_is_asked_once() -> None:
    asked = []

    def fetch(url: str, count: int, at_once: int) -> int:
        asked.append((url, count, at_once))
        return 3 * count

    for url in running(serve(fetch, 0)):
        load = Load(path="/?count=700&at_once=5&url=http://a/1k.bin", fetches=700)
        report = drive(load, url, 0, 0)
    assert asked == [("http://a/1k.bin", 700, 5)]
    assert (report.requests, report.latency) == (700, {})
    assert report.rate > 0


def test_a_failure_does_not_count() -> None:
    def fetch(url: str, count: int, at_once: int) -> int:
        raise RuntimeError("404 Not Found")

    for url in running(serve(fetch, 0)):
        with pytest.raises(ValueError, match="no answer: RemoteDisconnected"):
            drive(Load(path="/?count=7&at_once=5&url=x", fetches=7), url, 0, 0)
