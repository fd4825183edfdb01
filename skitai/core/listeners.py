"""Binding the listening sockets, and saying clearly why one could not be bound.

Called once at start, in the main thread, before any privilege is given up.
"""

from __future__ import annotations

import errno
import os
import socket
import stat
import sys
from pathlib import Path

from skitai.core.activation import NothingHanded, handed_socket
from skitai.core.config import ListenSettings
from skitai.errors import SkitaiError

__all__ = ["BindError", "bind", "bind_tcp", "bind_unix", "describe"]


class BindError(SkitaiError):
    """An address cannot be listened on; the text says why and what to do."""


def bind(listener: ListenSettings) -> socket.socket:
    """The listening socket that ``listener`` asks for.  Raises BindError."""
    address = listener.address
    if address.path is not None:
        return bind_unix(address.path, listener.socket_mode, listener.backlog)
    if address.handed is not None:
        try:
            return handed_socket(address.handed)
        except NothingHanded as error:
            raise BindError(f"cannot listen on {address}: {error}") from error
    return bind_tcp(address.host, address.port, listener.backlog)


def bind_tcp(host: str, port: int, backlog: int) -> socket.socket:
    """Listen on ``host`` ("" is every address, IPv4 and IPv6 by one socket) and ``port``."""
    where = _show(host, port)
    try:
        if not host:
            sock = _listen_everywhere(port, backlog)
        else:
            # As text it would be written in Punycode, with tables of 0.3 MiB that ASCII has no need of.
            name = host.encode() if host.isascii() else host
            family, _, _, _, address = socket.getaddrinfo(
                name, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )[0]
            sock = _listen(family, address, backlog)
    except socket.gaierror as error:
        raise BindError(
            f"cannot listen on {where}: {host!r} is no address of this machine ({error.strerror})"
        ) from None
    except OSError as error:
        raise BindError(f"cannot listen on {where}: {_why(error, host, port)}") from error
    return sock


def bind_unix(path: Path, mode: int, backlog: int) -> socket.socket:
    """Listen on a unix socket; a dead one of an earlier run is replaced, a live one is not."""
    _clear_stale(path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    # The mode must be right from the first moment: bind() honours the umask.
    old_mask = os.umask(0o777 & ~mode)
    try:
        sock.bind(str(path))
        sock.listen(backlog)
    except OSError as error:
        sock.close()
        raise BindError(f"cannot listen on unix:{path}: {error.strerror}") from error
    finally:
        os.umask(old_mask)
    return sock


def describe(sock: socket.socket, scheme: str) -> str:
    """The address as a person would type it: ``https://127.0.0.1:5000``, ``unix:/run/x.sock``."""
    address = sock.getsockname()
    if sock.family == getattr(socket, "AF_UNIX", None):
        return f"unix:{address}"
    return f"{scheme}://{_show(address[0], address[1])}"


def _listen(
    family: int, address: tuple[object, ...], backlog: int, *, dual_stack: bool = False
) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        if sys.platform != "win32":
            # On Windows this option would let two servers share a port.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if dual_stack else 1)
        sock.bind(address)
        # Linux tells here, and not in bind, of another that began to listen in between.
        sock.listen(backlog)
    except OSError:
        sock.close()
        raise
    return sock


def _listen_everywhere(port: int, backlog: int) -> socket.socket:
    if socket.has_dualstack_ipv6():
        try:
            return _listen(socket.AF_INET6, ("::", port), backlog, dual_stack=True)
        except OSError as error:
            # IPv6 compiled in but switched off on this machine.
            if error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                raise
    return _listen(socket.AF_INET, ("0.0.0.0", port), backlog)


def _clear_stale(path: Path) -> None:
    try:
        info = path.lstat()
    except OSError:
        return  # nothing there, or bind() will say what is wrong with the folder
    if not stat.S_ISSOCK(info.st_mode):
        raise BindError(f"cannot listen on unix:{path}: the path is taken by something that is no socket")
    probe = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    probe.settimeout(1)
    try:
        probe.connect(str(path))
    except ConnectionRefusedError:
        path.unlink()
    except OSError as error:
        raise BindError(f"cannot listen on unix:{path}: {error.strerror}") from error
    else:
        raise BindError(f"cannot listen on unix:{path}: another server is listening there")
    finally:
        probe.close()


def _why(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        holder = _port_holder(port)
        return f"the port is taken by {holder or 'another program'}; end that, or choose another port"
    if error.errno == errno.EACCES:
        return (
            f"ports below 1024 need a privilege; start as root, allow it with "
            f"`sysctl net.ipv4.ip_unprivileged_port_start={port}` or give a port from 1024 on"
        )
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{host!r} is no address of this machine"
    return error.strerror or str(error)


def _show(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host or '*'}:{port}"


def _port_holder(port: int) -> str:
    """ "NAME (pid N)" of the program that listens on ``port``; "" where that can't be seen
    (another user's program, or no /proc)."""
    inodes = _listening_inodes(port)
    if not inodes:
        return ""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            for descriptor in (process / "fd").iterdir():
                if os.readlink(descriptor) in inodes:
                    name = (process / "comm").read_text().strip()
                    return f"{name} (pid {process.name})"
        except OSError:
            continue  # ended meanwhile, or not ours to look into
    return ""


def _listening_inodes(port: int) -> set[str]:
    """``socket:[INODE]`` of the listening TCP sockets on ``port`` (proc(5), /proc/net/tcp)."""
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            lines = Path(table).read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            columns = line.split()
            if columns[3] == "0A" and int(columns[1].rpartition(":")[2], 16) == port:
                found.add(f"socket:[{columns[9]}]")
    return found
