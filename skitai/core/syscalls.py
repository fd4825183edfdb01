"""What a thread of this process waits for, as the system sees it (proc(5), ``/proc/PID/task/TID/syscall``).

Linux only, and there where the numbers of its calls are known; elsewhere there is nothing to say.
"""

from __future__ import annotations

import os
import socket
import sys

__all__ = ["wait_of"]

_PEER = "the peer of"
_READS, _WRITES = "bytes from", "room to write to"
_LOCK, _TIME, _EVENTS = "a lock, or its turn at Python", "time to pass", "one of several descriptors"
_CHILD, _DISK = "a child process", "the disk, for"
#: By number; what ends with a preposition is followed by the descriptor, which is the first argument.
_CALLS = {
    "x86_64": {
        **dict.fromkeys((0, 17, 19, 45, 47), _READS),
        **dict.fromkeys((1, 18, 20, 44, 46, 40), _WRITES),
        **dict.fromkeys((7, 23, 232, 270, 271, 281), _EVENTS),
        **dict.fromkeys((35, 230), _TIME),
        **dict.fromkeys((61, 247), _CHILD),
        **dict.fromkeys((72, 73), "a lock of the file"),
        **dict.fromkeys((74, 75), _DISK),
        **dict.fromkeys((43, 288), "somebody to connect to"),
        42: _PEER,
        202: _LOCK,
    },
    "aarch64": {
        **dict.fromkeys((63, 65, 67, 207, 212), _READS),
        **dict.fromkeys((64, 66, 68, 71, 206, 211), _WRITES),
        **dict.fromkeys((22, 72, 73), _EVENTS),
        **dict.fromkeys((101, 115), _TIME),
        **dict.fromkeys((95, 260), _CHILD),
        **dict.fromkeys((25, 32), "a lock of the file"),
        **dict.fromkeys((82, 83), _DISK),
        **dict.fromkeys((202, 242), "somebody to connect to"),
        203: _PEER,
        98: _LOCK,
    },
}.get(os.uname().machine if sys.platform != "win32" else "", {})
_WITHOUT_DESCRIPTOR = (_LOCK, _TIME, _EVENTS, _CHILD)


def wait_of(native_id: int) -> str:
    """In words, for people; empty where nothing is known.  ``native_id``: as of `threading.Thread`."""
    try:
        with open(f"/proc/self/task/{native_id}/syscall") as file:
            number, *arguments = file.read().split()
    except (OSError, ValueError):
        return ""
    if number == "running":
        return "nothing: it computes"
    if number == "-1" or not _CALLS:
        return ""
    what = _CALLS.get(int(number), f"the system (call {number})")
    if what not in _CALLS.values() or what in _WITHOUT_DESCRIPTOR or not arguments:
        return what
    return f"{what} {_described(int(arguments[0], 16))}"


def _described(descriptor: int) -> str:
    try:
        name = os.readlink(f"/proc/self/fd/{descriptor}")
        if not name.startswith("socket:"):
            return name
        with socket.socket(fileno=os.dup(descriptor)) as sock:
            peer = sock.getpeername()
    except OSError:
        return f"descriptor {descriptor}"
    return f"{peer[0]}:{peer[1]}" if isinstance(peer, tuple) else f"unix:{peer or 'a pair'}"
