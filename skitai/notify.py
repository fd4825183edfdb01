"""Telling whoever has started us how we stand: the protocol of sd_notify(3).

One datagram for each state, to the socket that ``NOTIFY_SOCKET`` names.  systemd speaks it to us, and
`skitaid` speaks it to the servers that it starts, so a server need not know which of the two it has.  Without
the variable there is nobody to tell, and all of this does nothing.

skitaid gives one thing more, the *lifeline* (``SKITAID_LIFELINE``, a descriptor): the end of a pipe whose
other end only skitaid has.  When it can be read, skitaid is no more, however it ended, and its programs end
too: those that a new skitaid starts want the same ports.

The variable goes from the environment with `ServiceManager.find`: a program that an application starts must
not speak for us.  The socket is connected there and then, before a process gives up its rights, for it may
lie where only root gets.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, MutableMapping
from time import monotonic

__all__ = ["ServiceManager"]


class ServiceManager:
    """Who has started us, if they want to hear of it.  Any thread may speak."""

    def __init__(
        self,
        sock: socket.socket | None = None,
        pulse: float | None = None,
        lifeline: int | None = None,
    ) -> None:
        """``pulse``: seconds within which they want a sign of life, None if they want none."""
        self._socket = sock
        self.pulse = pulse
        #: Readable when they have ended; None where that is no end for us.
        self.lifeline = lifeline

    @property
    def descriptor(self) -> int | None:
        """Of the socket to them."""
        return None if self._socket is None else self._socket.fileno()

    @classmethod
    def find(cls, environ: MutableMapping[str, str] = os.environ) -> ServiceManager:
        address = environ.pop("NOTIFY_SOCKET", "")
        pulse = _pulse(environ)
        lifeline = _lifeline(environ)
        if not address or not hasattr(socket, "AF_UNIX"):
            return cls(lifeline=lifeline)
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        sock.setblocking(False)
        try:
            # The abstract name space of Linux is written with an @ there, and with a NUL for the system.
            sock.connect(f"\0{address[1:]}" if address.startswith("@") else address)
        except OSError:
            sock.close()
            return cls(lifeline=lifeline)
        return cls(sock, pulse, lifeline)

    def ready(self, status: str) -> None:
        self._tell(f"READY=1\nSTATUS={status}")

    def reloading(self) -> None:
        # systemd 253 and later wants the moment, to tell this reload from an earlier one.
        self._tell(f"RELOADING=1\nMONOTONIC_USEC={int(monotonic() * 1e6)}")

    def stopping(self) -> None:
        self._tell("STOPPING=1")

    def status(self, text: str) -> None:
        self._tell(f"STATUS={text}")

    def live(self) -> None:
        """A sign of life, where they want one."""
        if self.pulse is not None:
            self._tell("WATCHDOG=1")

    def when_it_ends(self, callback: Callable[[], None]) -> None:
        """Call ``callback`` then, from another thread: for who has no loop that could wait for `lifeline`."""
        if self.lifeline is None:
            return
        lifeline = self.lifeline

        def wait() -> None:
            os.read(lifeline, 1)
            callback()

        threading.Thread(target=wait, name="skitai-lifeline", daemon=True).start()

    def _tell(self, text: str) -> None:
        """Lost where the other side is gone or does not read: it is no reason for us to wait or to end."""
        if self._socket is None:
            return
        try:
            self._socket.send(text.encode())
        except OSError:
            return


def _lifeline(environ: MutableMapping[str, str]) -> int | None:
    number = environ.pop("SKITAID_LIFELINE", "")
    if not number.isdecimal():
        return None
    try:
        # Ours alone: a program that an application starts has its own life.
        os.set_inheritable(int(number), False)
    except OSError:
        return None  # of somebody above skitaid, whose descriptors we were not given
    return int(number)


def _pulse(environ: MutableMapping[str, str]) -> float | None:
    """Taken out of the environment too.  ``WATCHDOG_PID`` names the process that it is for, where given."""
    microseconds = environ.pop("WATCHDOG_USEC", "")
    process = environ.pop("WATCHDOG_PID", "") or str(os.getpid())
    if process != str(os.getpid()) or not microseconds.isdecimal() or int(microseconds) == 0:
        return None
    return int(microseconds) / 1e6
