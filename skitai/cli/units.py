"""What starts skitaid at boot: a unit of systemd, or a script of System V's init.

The unit of root takes away what a server never needs and leaves what it does: binding ports below 1024,
becoming `user`, and ending processes of that user.  Files of the system and of homes can be read and not
written; what a site writes belongs to /var or /srv.  A unit of an ordinary user has only what such a user may
ask for.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence

__all__ = ["system_unit", "sysv_script", "user_unit"]

#: Seconds that a stop may take beyond ``stop_timeout``, in which skitaid itself rids us of what does not end.
_GRACE = 10
_WATCHDOG = 60

_UNIT = """\
# Written by `skitai install-service`; change it by `systemctl edit skitaid`, not here.

[Unit]
Description=Skitai, servers of servers-enabled
After=network-online.target
Wants=network-online.target

[Service]
Type=notify
NotifyAccess=main
ExecStart={command}
ExecReload=/bin/kill -HUP $MAINPID
# Servers are ended by skitaid, which knows how; what is left after that by systemd.
KillMode=mixed
TimeoutStartSec=infinity
TimeoutStopSec={stop}
WatchdogSec={watchdog}
Restart=on-failure
RestartSec=1
# A mistake in the configuration, or in this file, does not go away by itself.
RestartPreventExitStatus=2 78
LimitNOFILE=524288
{more}
[Install]
WantedBy={target}
"""

_OF_ALL = """\
NoNewPrivileges=yes
LockPersonality=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RestrictNamespaces=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM
"""

_OF_ROOT = """\
RuntimeDirectory=skitaid
LogsDirectory=skitaid

CapabilityBoundingSet=CAP_NET_BIND_SERVICE CAP_SETUID CAP_SETGID CAP_KILL
CapabilityBoundingSet=CAP_CHOWN CAP_DAC_OVERRIDE CAP_FOWNER
ProtectSystem=full
ProtectHome=read-only
PrivateTmp=yes
PrivateDevices=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
"""

_SCRIPT = """\
#!/bin/sh
# Written by `skitai install-service`.
### BEGIN INIT INFO
# Provides:          skitaid
# Required-Start:    $local_fs $remote_fs $network $syslog
# Required-Stop:     $local_fs $remote_fs $network $syslog
# Default-Start:     2 3 4 5
# Default-Stop:      0 1 6
# Short-Description: Skitai, servers of servers-enabled
### END INIT INFO
# chkconfig: 2345 90 10
# description: Skitai, servers of servers-enabled

skitaid() {{
    {command} "$@"
}}

case "$1" in
    start | stop | reload | status)
        skitaid "$1"
        ;;
    force-reload)
        skitaid reload
        ;;
    restart)
        skitaid stop 2>/dev/null
        skitaid start
        ;;
    *)
        echo "Usage: $0 {{start|stop|restart|reload|force-reload|status}}" >&2
        exit 2
        ;;
esac
"""


def system_unit(command: Sequence[str], stop_timeout: float, home: str) -> str:
    """``home``: the folder of ``--home``, which may be where nothing can be written otherwise; or nothing."""
    writable = f"ReadWritePaths={_quoted(home)}\n" if home else ""
    return _unit(command, stop_timeout, f"{_OF_ROOT}{writable}{_OF_ALL}", "multi-user.target")


def user_unit(command: Sequence[str], stop_timeout: float) -> str:
    return _unit(command, stop_timeout, _OF_ALL, "default.target")


def sysv_script(command: Sequence[str]) -> str:
    return _SCRIPT.format(command=shlex.join(command))


def _unit(command: Sequence[str], stop_timeout: float, more: str, target: str) -> str:
    return _UNIT.format(
        command=" ".join(map(_quoted, command)),
        stop=int(stop_timeout) + _GRACE,
        watchdog=_WATCHDOG,
        more=more,
        target=target,
    )


def _quoted(word: str) -> str:
    """As systemd.service(5) reads a command line: % and $ have a meaning there, and blanks part words."""
    word = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{word}"' if set(word) & set(" \t'\"\\;") else word
