"""A Python that has no more than that of Windows: a stand-in where there is no Windows.

With this folder on PYTHONPATH, every interpreter of a test begins here.  The standard library is loaded
first, as POSIX has it, and then loses what Windows lacks: modules, names of `os`, `signal` and `socket`,
epoll and poll.  ``sys.platform`` says win32 from then on.  Some manners of Windows replace those of POSIX:
select() is for sockets alone, no open file can be removed, and none is renamed to a name that is taken.

Not shown by this: paths with backslashes, how sockets of Windows fail, its consoles and services.
"""

from __future__ import annotations

# All of these look at sys.platform when they are loaded, or use what is taken away below.
import asyncio
import concurrent.futures
import ctypes
import logging.handlers
import multiprocessing
import os
import select
import selectors
import shutil
import signal
import socket
import socketserver
import ssl
import stat
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from typing import Any

LOADED = (asyncio, concurrent.futures, ctypes, logging.handlers, multiprocessing, shutil, socketserver)
LOADED += (subprocess, tempfile, threading, uuid)

MODULES = ("fcntl", "grp", "pwd", "resource", "syslog", "termios", "tty", "greenlet", "uvloop")
LACKING = {
    os: """
        fork forkpty register_at_fork geteuid getuid getegid getgid getgroups initgroups setuid setgid seteuid
        setsid getpgid killpg chown lchown fchown mkfifo mknod openpty memfd_create sendfile pread preadv
        pwrite posix_fadvise eventfd pidfd_open sched_getaffinity getloadavg statvfs nice set_blocking
        get_blocking O_NOFOLLOW O_NONBLOCK O_DIRECTORY O_PATH O_CLOEXEC O_NOCTTY O_TMPFILE
        """,
    signal: """
        SIGHUP SIGQUIT SIGUSR1 SIGUSR2 SIGCHLD SIGTTIN SIGTTOU SIGPIPE SIGALRM SIGTSTP SIGCONT SIGWINCH
        pthread_kill pthread_sigmask setitimer getitimer alarm sigwait sigpending siginterrupt
        """,
    socket: "AF_UNIX AF_NETLINK SO_REUSEPORT SOCK_NONBLOCK SOCK_CLOEXEC MSG_DONTWAIT MSG_NOSIGNAL SCM_RIGHTS",
    select: "epoll poll EPOLLIN EPOLLOUT POLLIN POLLOUT",
    selectors: "EpollSelector PollSelector",
    time: "clock_gettime clock_gettime_ns tzset",
}

select_of_posix = select.select
rename_of_posix, unlink_of_posix = os.rename, os.unlink


def select_sockets(reading: Any, writing: Any, broken: Any, timeout: float | None = None) -> Any:
    for each in {*reading, *writing, *broken}:
        number = each if isinstance(each, int) else each.fileno()
        if not stat.S_ISSOCK(os.fstat(number).st_mode):
            raise OSError(10038, "An operation was attempted on something that is not a socket")
    if not (reading or writing or broken):
        raise OSError(10022, "An invalid argument was supplied")
    return select_of_posix(reading, writing, broken, timeout)


def socketpair(family: int = socket.AF_INET, type: int = socket.SOCK_STREAM, proto: int = 0) -> Any:
    """As the standard library makes them there: over the network."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        one = socket.create_connection(listening.getsockname())
        other, _ = listening.accept()
    return one, other


def unlink(path: Any, **named: Any) -> None:
    real = os.path.realpath(path)
    opened = (os.path.realpath(f"/proc/self/fd/{name}") for name in os.listdir("/proc/self/fd"))
    if os.fsdecode(real) in opened:
        raise PermissionError(13, "The process cannot access the file because it is being used", path)
    unlink_of_posix(path, **named)


def rename(source: Any, target: Any, **named: Any) -> None:
    if os.path.lexists(target):
        raise FileExistsError(17, "Cannot create a file when that file already exists", target)
    rename_of_posix(source, target, **named)


for module, names in LACKING.items():
    for name in names.split():
        if hasattr(module, name):
            delattr(module, name)
for name in MODULES:
    sys.modules[name] = None  # type: ignore[assignment]
select.select = select_sockets
socket.socketpair = socketpair
tempfile.TemporaryFile = tempfile.NamedTemporaryFile  # type: ignore
os.unlink = os.remove = unlink
os.rename = rename
os.supports_dir_fd = os.supports_fd = os.supports_follow_symlinks = set()
selectors.DefaultSelector = selectors.SelectSelector
selectors.SelectSelector._select = lambda self, r, w, _, timeout=None: _selected(r, w, timeout)  # type: ignore
# The certificates of the system are asked for by these.
ssl.enum_certificates = ssl.enum_crls = lambda store_name: []
# The compiled build is not for Windows, and lies about in checkouts.
os.environ["SKITAI_PURE"] = "1"
sys.platform = "win32"


def _selected(reading: Any, writing: Any, timeout: float | None) -> Any:
    if not (reading or writing):
        # As selectors of Windows does: its select() wants at least one socket.
        time.sleep(timeout or 0)
        return [], [], []
    # Sockets that connect and fail are told as broken there.
    reading, writing, broken = select_sockets(reading, writing, writing, timeout)
    return reading, writing + broken, []
