"""``skitai run`` for those whose fingers know gunicorn: its options, where they mean the same.

`SAME` are more names of keys of ours.  An option that would mean something else is refused, with what does
here what it does there (`ELSEWHERE`): who has a command line of gunicorn's sees what becomes of each word.
Both tables are in docs/running.md.
"""

from __future__ import annotations

import argparse
from typing import Any

__all__ = ["ELSEWHERE", "SAME", "add_options"]

#: The key, and what gunicorn calls it where that is not our name for it, too.
SAME = {
    "bind": ("-b",),
    "processes": ("-w", "--workers"),
    "response_timeout": ("-t", "--timeout"),
    "shutdown_timeout": ("--graceful-timeout",),
    "connections_max": ("--worker-connections",),
    "python_path": ("--pythonpath",),
    "user": ("-u",),
    "group": ("-g",),
    "name": ("-n",),
    "request_line_max": ("--limit-request-line",),
    "header_fields_max": ("--limit-request-fields",),
    "trusted_proxies": ("--forwarded-allow-ips",),
}

#: What is not taken, and what to use for it.
ELSEWHERE: dict[tuple[str, ...], str] = {
    ("-k", "--worker-class"): "leave it out: each worker runs plain functions in threads, and coroutines",
    ("-c", "--config"): "write a configuration file of Skitai's, and: skitaid-instance -f FILE",
    ("-D", "--daemon"): "skitai install-service, or skitaid start",
    ("-p", "--pid"): "skitaid and systemd know the process; by hand: pgrep -f skitai",
    ("-e", "--env"): "write it in front: NAME=VALUE skitai run ...",
    ("-m", "--umask"): "--socket-mode for unix sockets, umask of the shell for the rest",
    ("--preload",): "each worker loads the application for itself; leave it out",
    ("--check-config",): "--print-config shows what would be done",
    ("--max-requests-jitter",): "--max-requests has one of its own, up to a tenth",
    ("--limit-request-field_size",): "--header-block-max bounds all fields together",
    ("--log-level",): "skitai log-level, while it runs; --debug shows tracebacks to clients",
    ("--access-logformat",): "--log-format text or json",
    ("--capture-output",): "leave it out: what applications print goes where the logs go",
    ("--logger-class", "--log-config", "--log-syslog", "--statsd-host"): (
        "--log-format json for collectors, --admin ADDRESS for Prometheus"
    ),
    ("--reuse-port",): "leave it out: all workers accept from the same sockets",
    ("--worker-tmp-dir",): "leave it out: workers show signs of life without files; bodies go to --spool-dir",
    ("--ssl-version",): "--tls-min 1.2 or 1.3",
    ("--cert-reqs",): "--verify no, optional or required",
    ("--proxy-allow-from",): "--trusted-proxies",
    ("--initgroups",): "leave it out: --user has all groups of the user",
}

_CONSOLE = "-"


class _Elsewhere(argparse.Action):
    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        parser.error(f"{option_string} is an option of gunicorn's; here: {self.metavar}")


def _console(text: str) -> str:
    if text != _CONSOLE:
        raise argparse.ArgumentTypeError("logs are files of a folder: --log-path DIR; - is the console")
    return text


def add_options(parser: argparse.ArgumentParser) -> None:
    """All but those of `SAME`, which `add_flags` takes."""
    for name, stream in (("--access-logfile", "stdout"), ("--error-logfile", "stderr")):
        names = [name, "--log-file"] if stream == "stderr" else [name]
        parser.add_argument(
            *names, type=_console, metavar="-", help=f"to {stream}, as it is without; --log-path for files"
        )
    for refused, instead in ELSEWHERE.items():
        # Whether a value follows is no matter: nothing is read behind it.
        parser.add_argument(
            *refused, action=_Elsewhere, nargs="?", metavar=instead, help=argparse.SUPPRESS, dest="elsewhere"
        )
