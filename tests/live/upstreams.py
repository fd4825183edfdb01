"""Servers that we did not write, for tests of what asks them: nginx, httpbin, `xmlrpc.server`, TLS.

Each is a process of its own session, or a thread of the test, on a port of 127.0.0.1, from its making until
`close`; a test ends only what it has started, by its id.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any
from xmlrpc.server import SimpleXMLRPCRequestHandler, SimpleXMLRPCServer

import trustme

from tests.live.program import REPO
from tests.waiting import wait_until

__all__ = [
    "Authority",
    "ManyServers",
    "Upstream",
    "deaf_name_server",
    "find_nginx",
    "httpbin",
    "nginx",
    "xmlrpc_server",
]

START_TIMEOUT = 10.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Upstream:
    """A program that answers at ``url``."""

    def __init__(self, command: Sequence[str], port: int, scheme: str = "http") -> None:
        self.port = port
        self.url = f"{scheme}://127.0.0.1:{port}"
        self.process = subprocess.Popen(
            command,
            cwd=REPO,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def wait_ready(self) -> Upstream:
        def listens() -> bool:
            assert self.process.poll() is None, f"{self.process.args!r} ended before it listened"
            address = ("127.0.0.1", self.port)
            with contextlib.suppress(ConnectionRefusedError), socket.create_connection(address):
                return True
            return False

        try:
            wait_until(listens, START_TIMEOUT)
        except AssertionError:
            self.close()
            raise
        return self

    def kill(self) -> None:
        """As kill -9 does, all its processes at once: the system resets its connections."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(5)

    def freeze(self) -> None:
        """Its sockets go on taking connections and bytes, and nothing answers."""
        os.killpg(self.process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.killpg(self.process.pid, signal.SIGCONT)

    def close(self) -> None:
        if self.process.poll() is None:
            self.kill()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()

    def __enter__(self) -> Upstream:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


# --- nginx

_NGINX = """\
{user}
daemon off;
worker_processes 1;
error_log stderr crit;
pid {folder}/nginx.pid;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    keepalive_requests 1000000000;
    client_max_body_size 0;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    default_type text/plain;
    gzip on;
    gzip_min_length 1000;
    gzip_types text/plain;
    server {{
        listen 127.0.0.1:{port}{ssl};
        {tls}
        root {files};
        location = /hello {{ return 200 "hello\\n"; }}
        location = /moved {{ return 302 /hello; }}
        location = /missing {{ return 404; }}
        location = /closes {{ keepalive_timeout 0; return 200 "closes\\n"; }}
        {more}
    }}
}}
"""

_NGINX_TLS = """\
        ssl_certificate {certificate};
        ssl_certificate_key {certificate};
        ssl_session_cache shared:tests:1m;
"""
_NGINX_CLIENTS = """\
        ssl_client_certificate {cafile};
        ssl_verify_client on;
"""


def find_nginx() -> str | None:
    """It is not on the path of everybody."""
    return shutil.which("nginx", path=os.environ.get("PATH", os.defpath) + ":/usr/sbin")


def nginx(
    program: str,
    folder: Path,
    files: Path | None = None,
    *,
    certificate: Path | None = None,
    clients: Path | None = None,
    more: str = "",
) -> Upstream:
    """Serves ``files``, and what ``more`` says in nginx's own language; keeps its own files in ``folder``.

    ``certificate``: over TLS, with this chain and key; ``clients``: to those only who show a certificate of
    this authority.
    """
    port = free_port()
    tls = ""
    if certificate:
        tls = _NGINX_TLS.format(certificate=certificate)
        if clients:
            tls += _NGINX_CLIENTS.format(cafile=clients)
    conf = folder / f"nginx-{port}.conf"
    conf.write_text(
        _NGINX.format(
            user="user root;" if os.geteuid() == 0 else "",  # who alone may read our folders
            folder=folder,
            port=port,
            ssl=" ssl" if certificate else "",
            tls=tls,
            files=files or folder,
            more=more,
        )
    )
    scheme = "https" if certificate else "http"
    return Upstream([program, "-p", str(folder), "-c", str(conf)], port, scheme).wait_ready()


# --- servers in Python


def httpbin(threads: int = 8) -> Upstream:
    """On waitress."""
    port = free_port()
    command = f"-m waitress --listen=127.0.0.1:{port} --threads={threads} httpbin:app"
    return Upstream([sys.executable, *command.split()], port).wait_ready()


class ManyServers(Upstream):
    """``count`` servers of one process (`tests.live.delaying`), each of which says its number."""

    def __init__(self, count: int, *place: str) -> None:
        """``place``: host, port and, where TLS is spoken, files of a certificate and its key."""
        super().__init__([sys.executable, "-m", "tests.live.delaying", str(count), *place], 0)
        self.ports: list[int] = self._read()

    def delay(self, number: int, seconds: float) -> None:
        """What ``number`` is asked from now on, it answers after so long."""
        self._say(f"{number} {seconds}")

    def delay_all(self, seconds: float) -> None:
        self._say(f"* {seconds}")

    def refuse(self, number: int) -> None:
        """``number`` listens no more; its connections are reset."""
        self._say(f"{number} refuse")

    def seen(self) -> dict[str, list[int]]:
        """Of each: ``requests`` that came, ``connections`` that were made, and those that are ``open``."""
        return dict(self._say("seen"))

    def _say(self, line: str) -> Any:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n".encode())
        self.process.stdin.flush()
        return self._read()

    def _read(self) -> Any:
        assert self.process.stdout is not None
        return json.loads(self.process.stdout.readline())


class _Quiet(SimpleXMLRPCRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """The test's console is not for this."""


class _Threading(ThreadingMixIn, SimpleXMLRPCServer):
    daemon_threads = True


class _Library:
    """Its attributes are procedures with dots in their names."""

    class math:
        @staticmethod
        def sum(*numbers: int) -> int:
            return sum(numbers)


@contextlib.contextmanager
def xmlrpc_server() -> Iterator[int]:
    """The port of one that has ``echo(value)``, ``divide(a, b)``, ``math.sum(...)`` and ``getwait()``."""
    with _Threading(
        ("127.0.0.1", 0), _Quiet, allow_none=True, use_builtin_types=True, logRequests=False
    ) as server:
        server.register_introspection_functions()
        server.register_multicall_functions()
        server.register_instance(_Library(), allow_dotted_names=True)
        server.register_function(lambda value: value, "echo")
        server.register_function(lambda a, b: a // b, "divide")
        server.register_function(lambda: "a procedure", "getwait")
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join(5)


@contextlib.contextmanager
def deaf_name_server() -> Iterator[str]:
    """The address of one that takes questions and answers none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{sock.getsockname()[1]}"


# --- certificates


class Authority:
    """An authority that nobody trusts unless told: ``cafile``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made = trustme.CA()
        self.cafile = folder / f"ca-{id(self)}.pem"
        self._made.cert_pem.write_to_path(str(self.cafile))

    def certificate(self, *names: str, days: float = 30.0) -> Path:
        """Chain and key in one file; ``days`` below zero: it has expired so long ago."""
        now = datetime.datetime.now(datetime.timezone.utc)
        made = self._made.issue_cert(
            *(names or ("localhost", "127.0.0.1")),
            not_before=now - datetime.timedelta(days=365),
            not_after=now + datetime.timedelta(days=days),
        )
        path = self._folder / f"certificate-{id(self)}-{len(list(self._folder.iterdir()))}.pem"
        made.private_key_and_cert_chain_pem.write_to_path(str(path))
        return path

    def server_context(self, *names: str) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate(*names))
        return context
