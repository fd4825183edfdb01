"""The servers: how each is started with one worker and no access log, and whether it is there.

Each has what its makers recommend or set by default, except for what would compare unlike
things.  Those that answer from threads only have four; granian has one,
so that it hands nothing over that it need not, and four where ours has four.
"""

from __future__ import annotations

import importlib.metadata
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.certificates import certificate
from benchmarks.programs import of_system

__all__ = ["REPO", "SERVERS", "Spec", "argv", "environment", "version"]

_NUMBER = re.compile(r"\d+\.\d+\.\d+")

REPO = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Spec:
    """``command``: words after the interpreter's (or nginx's) name, with {app}, {port}, {folder}."""

    command: str
    package: str | None = "skitai"
    """the distribution that it comes with; None: a program of the system"""
    get: str = "pip install 'skitai[bench]'"
    variables: Mapping[str, str] = field(default_factory=dict)
    """of the environment"""
    conf: str = ""
    """its file of settings, written to {folder}/{name}-{port}.conf, with the same words in it"""
    program: str = "nginx"
    """of the system"""
    key: str = ""
    """it speaks TLS, with a key of this kind: ``ECDSA`` or ``RSA``; the certificate is {folder}/{key}.pem"""


_SKITAI = "-m skitai run {app} --bind 127.0.0.1:{port} --threads"
_GRANIAN = (
    "-m granian --interface wsgi --http 1 --host 127.0.0.1 --port {port} --workers 1 "
    "--no-access-log --log-level warning {app} --blocking-threads"
)

_TLS = "--ssl --certfile {folder}/{key}.pem"
_TLS_OF_GUNICORN = "--certfile {folder}/{key}.pem --keyfile {folder}/{key}.pem"

_GUNICORN = (
    "-m gunicorn --bind 127.0.0.1:{port} --worker-class gthread --keep-alive 10 --log-level warning --threads"
)

# Debian's own settings for plain files, but for the log, for connections that are kept as
# long as the others keep them, for one worker (of the user who may read our folder), and for
# open files, which it keeps as we do.
_NGINX = """\
user root;
daemon off;
worker_processes 1;
error_log stderr;
pid {folder}/nginx.pid;
events {{ worker_connections 768; }}
http {{
    sendfile on;
    tcp_nopush on;
    open_file_cache max=1000;
    access_log off;
    keepalive_requests 1000000000;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{ listen 127.0.0.1:{port}; root {app}; }}
}}
"""

# What compresses for most sites: nginx in front, here at our level.  It keeps its connections to gunicorn.
_NGINX_GZIP = """\
user root;
daemon off;
worker_processes 1;
error_log stderr crit;
pid {folder}/nginx-gzip.pid;
events {{ worker_connections 768; }}
http {{
    tcp_nopush on;
    access_log off;
    keepalive_requests 1000000000;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    gzip on;
    gzip_comp_level 4;
    gzip_min_length 1024;
    gzip_types application/json;
    gzip_proxied any;
    upstream application {{ server unix:{folder}/gunicorn-{port}.sock; keepalive 64; }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://application;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
        }}
    }}
}}
"""

# The same over TLS; `location` stands for an application that says hello.
_NGINX_TLS = _NGINX.replace(
    "server {{ listen 127.0.0.1:{port}; root {app}; }}",
    """server {{
        listen 127.0.0.1:{port} ssl;
        ssl_certificate {folder}/{key}.pem;
        ssl_certificate_key {folder}/{key}.pem;
        ssl_protocols TLSv1.2 TLSv1.3;
        location / {{ return 200 "Hello World\n"; }}
    }}""",
)

# Two members in one process: loopback has many addresses.
_NGINX_MEMBERS = _NGINX.replace(
    "listen 127.0.0.1:{port};", "listen 127.0.0.1:{port}; listen 127.0.0.2:{port};"
)
_NGINX_MEMBERS = _NGINX_MEMBERS.replace("nginx.pid", "nginx-members.pid")

# `app` is the members' port.
_NGINX_PROXY = _NGINX.replace(
    "server {{ listen 127.0.0.1:{port}; root {app}; }}",
    """upstream members {{
        server 127.0.0.1:{app};
        server 127.0.0.2:{app};
        keepalive 64;
        keepalive_requests 1000000000;
    }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://members;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header X-Forwarded-Proto $scheme;
            proxy_set_header X-Forwarded-Host $http_host;
        }}
    }}""",
).replace("nginx.pid", "nginx-proxy.pid")

# As it comes, but for one thread, as all others have one process; it keeps connections to members by itself.
_HAPROXY = """\
global
    nbthread 1
    maxconn 4000
defaults
    mode http
    option forwardfor
    timeout connect 5s
    timeout client 60s
    timeout server 60s
frontend front
    bind 127.0.0.1:{port}
    default_backend members
backend members
    http-reuse always
    balance roundrobin
    server one 127.0.0.1:{app}
    server two 127.0.0.2:{app}
"""

_PROXY = """\
[server]
bind = 127.0.0.1:{port}
threads = 0
access_log = no
[@members]
members = 127.0.0.1:{app}, 127.0.0.2:{app}
[routes:line]
/ = @members
"""

# As `skitai-default`, but for what only a section of a mount can say.
_PARKS = """\
[server]
bind = 127.0.0.1:{port}
threads = 8
access_log = no
chdir = .
[routes:line]
/ = {app}
[mount /]
park = yes
"""

# A folder of files and, beside it, an application that never rests.
_BUSY = """\
[server]
bind = 127.0.0.1:{port}
threads = 16
access_log = no
chdir = .
[routes:line]
/ = {app}
/busy = benchmarks.apps:busy
"""

# Handlers that ask a database over at most so many connections.
_ASKS = _PARKS.replace("threads = 8", "threads = 8\ndb_connections_max = {connections}")

SERVERS: dict[str, Spec] = {
    "skitai": Spec(f"{_SKITAI} 0 --no-access-log"),
    "skitai-log": Spec(f"{_SKITAI} 0 --access-log"),
    "skitai-threads": Spec(f"{_SKITAI} 4 --no-access-log"),
    "skitai-16": Spec(f"{_SKITAI} 16 --no-access-log"),
    "skitai-alone": Spec(f"{_SKITAI} 16 --no-access-log"),
    "skitai-default": Spec(f"{_SKITAI} 8 --no-access-log"),
    # In place of the scenario's application.
    "skitai-flask": Spec(f"{_SKITAI} 8 --no-access-log".replace("{app}", "benchmarks.flaskhello:app")),
    "skitai-pure": Spec(f"{_SKITAI} 0 --no-access-log", variables={"SKITAI_PURE": "1"}),
    "skitai-parks": Spec(
        "-m skitai.cli.instance -v -f {folder}/skitai-parks-{port}.conf --home {folder}", conf=_PARKS
    ),
    "skitai-busy": Spec(
        "-m skitai.cli.instance -v -f {folder}/skitai-busy-{port}.conf --home {folder}", conf=_BUSY
    ),
    "skitai-idle": Spec(
        "-m skitai.cli.instance -v -f {folder}/skitai-idle-{port}.conf --home {folder}", conf=_BUSY
    ),
    "skitai-proxy": Spec(
        "-m skitai.cli.instance -v -f {folder}/skitai-proxy-{port}.conf --home {folder}", conf=_PROXY
    ),
    "skitai-unpipelined": Spec(f"{_SKITAI} 0 --no-access-log"),
    "skitai-tls": Spec(f"{_SKITAI} 0 --no-access-log {_TLS}", key="ECDSA"),
    "skitai-tls-rsa": Spec(f"{_SKITAI} 0 --no-access-log {_TLS}", key="RSA"),
    "gunicorn-tls": Spec(f"{_GUNICORN} 4 {_TLS_OF_GUNICORN} {{app}}", "gunicorn", key="ECDSA"),
    "bjoern": Spec(
        "-m benchmarks.launch bjoern {app} {port}",
        "bjoern",
        "apt-get install libev-dev; pip install 'skitai[bench-bjoern]'",
    ),
    "fastwsgi": Spec("-m benchmarks.launch fastwsgi {app} {port}", "fastwsgi"),
    "granian": Spec(f"{_GRANIAN} 1", "granian"),
    "granian-threads": Spec(f"{_GRANIAN} 4", "granian"),
    "granian-16": Spec(f"{_GRANIAN} 16", "granian"),
    "granian-async": Spec(
        "-m granian --interface asgi --http 1 --host 127.0.0.1 --port {port} --workers 1 --loop uvloop "
        "--no-ws --no-access-log --log-level warning {app}",
        "granian",
    ),
    "uvicorn": Spec(
        "-m uvicorn --interface asgi3 --host 127.0.0.1 --port {port} --loop uvloop --http httptools "
        "--ws none --lifespan off --no-access-log --log-level warning {app}",
        "uvicorn",
    ),
    "hypercorn": Spec(
        "-m hypercorn --bind 127.0.0.1:{port} --worker-class uvloop --workers 1 --log-level warning {app}",
        "hypercorn",
    ),
    "gunicorn-16": Spec(f"{_GUNICORN} 16 {{app}}", "gunicorn"),
    "waitress-16": Spec("-m benchmarks.launch waitress {app} {port} 16", "waitress"),
    "gunicorn": Spec(
        f"{_GUNICORN} 4 {{app}}",
        "gunicorn",
    ),
    "gunicorn-gzip": Spec(
        "-m benchmarks.launch gunicorn-behind-nginx {app} {port} {folder}",
        "gunicorn",
        "pip install 'skitai[bench]'; apt-get install nginx-light",
        conf=_NGINX_GZIP,
    ),
    "waitress": Spec("-m benchmarks.launch waitress {app} {port}", "waitress"),
    "cheroot": Spec("-m cheroot --bind 127.0.0.1:{port} --threads 4 {app}", "cheroot"),
    "skitai-db-2": Spec(
        "-m skitai.cli.instance -v -f {folder}/skitai-db-2-{port}.conf --home {folder}",
        conf=_ASKS.replace("{connections}", "2"),
    ),
    "skitai-db-4": Spec(
        "-m skitai.cli.instance -v -f {folder}/skitai-db-4-{port}.conf --home {folder}",
        conf=_ASKS.replace("{connections}", "4"),
    ),
    # What does not serve, but asks: benchmarks/clients.py.
    "asyncpg-4": Spec("-m benchmarks.clients asyncpg-4 {port}", "asyncpg"),
    "asyncpg-10": Spec("-m benchmarks.clients asyncpg-10 {port}", "asyncpg"),
    "psycopg2-2": Spec("-m benchmarks.clients psycopg2-2 {port}", "psycopg2-binary"),
    "psycopg2-4": Spec("-m benchmarks.clients psycopg2-4 {port}", "psycopg2-binary"),
    "websockets": Spec("-m benchmarks.echoing websockets {port}", "websockets"),
    "websockets-uvloop": Spec("-m benchmarks.echoing websockets-uvloop {port}", "websockets"),
    "aiohttp-echo": Spec("-m benchmarks.echoing aiohttp {port}", "aiohttp"),
    "picows": Spec("-m benchmarks.echoing picows {port}", "picows"),
    "skitai-script": Spec("-m benchmarks.clients was {port}"),
    "aiohttp": Spec("-m benchmarks.clients aiohttp {port}", "aiohttp"),
    "pycurl": Spec("-m benchmarks.clients pycurl {port}", "pycurl"),
    "nginx": Spec(
        "-p {folder} -c {folder}/nginx-{port}.conf", None, "apt-get install nginx-light", conf=_NGINX
    ),
    "nginx-members": Spec(
        "-p {folder} -c {folder}/nginx-members-{port}.conf",
        None,
        "apt-get install nginx-light",
        conf=_NGINX_MEMBERS,
    ),
    "nginx-proxy": Spec(
        "-p {folder} -c {folder}/nginx-proxy-{port}.conf",
        None,
        "apt-get install nginx-light",
        conf=_NGINX_PROXY,
    ),
    "haproxy-proxy": Spec(
        "-db -q -f {folder}/haproxy-proxy-{port}.conf",
        None,
        "apt-get install haproxy",
        conf=_HAPROXY,
        program="haproxy",
    ),
    "aiohttp-proxy": Spec("-m benchmarks.aioproxy {app} {port}", "aiohttp"),
    "nginx-tls": Spec(
        "-p {folder} -c {folder}/nginx-tls-{port}.conf",
        None,
        "apt-get install nginx-light",
        conf=_NGINX_TLS,
        key="ECDSA",
    ),
    "nginx-tls-rsa": Spec(
        "-p {folder} -c {folder}/nginx-tls-rsa-{port}.conf",
        None,
        "apt-get install nginx-light",
        conf=_NGINX_TLS,
        key="RSA",
    ),
}


def argv(name: str, app: str, port: int, folder: Path) -> list[str]:
    """The command line that serves ``app``, a target or a folder of files; may write to ``folder``."""
    spec = SERVERS[name]
    program = sys.executable
    if spec.package is None:
        program = of_system(spec.program) or spec.program
    if spec.key:
        certificate(spec.key, folder)
    words = {"app": app, "port": port, "folder": folder, "key": spec.key}
    if spec.conf:
        (folder / f"{name}-{port}.conf").write_text(spec.conf.format(**words))
    return [program, *(word.format(**words) for word in spec.command.split())]


def environment(name: str) -> dict[str, str]:
    """Ours, without settings that somebody's shell has for Skitai."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("SKITAI_")}
    return {**inherited, **SERVERS[name].variables}


def version(name: str) -> str | None:
    """What a server says that it is; None if it is not installed."""
    spec = SERVERS[name]
    if spec.package is None:
        program = of_system(spec.program)
        return program and _NUMBER.findall(_says([program, "-v"], name))[0]
    if spec.package == "skitai":
        return _says([sys.executable, "-m", "skitai", "--version"], name).removeprefix("Skitai ")
    try:
        return importlib.metadata.version(spec.package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _says(command: list[str], name: str) -> str:
    answer = subprocess.run(
        command,
        cwd=REPO,
        env=environment(name),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=20,
    )
    return answer.stdout.strip()
