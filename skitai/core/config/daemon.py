"""``skitaid.conf``: what holds for all servers of a machine, and for the delivery agent of e-mail.

    [global]     where logs and state are, how `skitaid` keeps servers running
    [smtpda]     which server takes our mail, and how often we try

Who sends mail reads it too: the spool has to be the one that the agent looks after.  A machine without the
file has the defaults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from skitai.core.config.keys import Key, key, keys_of
from skitai.core.config.kinds import (
    AUTO_YES_NO,
    HOST,
    INT,
    MODE,
    PATH,
    PEM_FILE,
    SECONDS,
    SMTP_SERVER,
    TEXT,
    YES_NO,
)
from skitai.core.config.problems import Mistake, Problems, did_you_mean
from skitai.core.config.smtpservers import SmtpServer
from skitai.core.config.sources import Given, Reader, Source
from skitai.core.config.syntax import Section, Style, parse, read_text
from skitai.core.places import Places

__all__ = ["DAEMON_TABLES", "DaemonSettings", "GlobalSettings", "SmtpdaSettings", "load_daemon"]

_ENVIRONMENT_PREFIX = "SKITAI_SMTPDA_"
_NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class GlobalSettings:
    """``[global]``."""

    log_path: Path | None = field(
        default=None, metadata=key(PATH, "base of all logs; empty is where the command puts them")
    )
    var_path: Path | None = field(
        default=None,
        metadata=key(PATH, "base of what is kept: the mail that waits; empty is where the command puts it"),
    )
    run_path: Path | None = field(
        default=None,
        metadata=key(PATH, "where skitaid has its sockets; empty is where the command puts them"),
    )
    python: str = field(
        default="", metadata=key(TEXT, "that starts servers, on Windows; empty is that of the service")
    )
    user: str = field(
        default="",
        metadata=key(TEXT, "that servers and mail agent run as when root has started them; empty is root"),
    )
    group: str = field(default="", metadata=key(TEXT, "with it; empty is the user's own"))
    restart_delay_max: float = field(
        default=60.0,
        metadata=key(
            SECONDS,
            "longest rest before a server that ended by itself is started again; the first is 250 ms, each "
            "is twice the one before, until the server has served for 5 s",
            unit="seconds",
        ),
    )
    restart_tries: int = field(
        default=20,
        metadata=key(
            INT,
            "one after the other, then the server is given up until its file changes or an operator starts "
            "it; 0: never",
            unit="ends",
            most=1_000_000,
        ),
    )
    stop_timeout: float = field(
        default=90.0,
        metadata=key(
            SECONDS,
            "until a server that was told to end is killed; longer than its shutdown_timeout",
            unit="seconds",
            least=0.001,
        ),
    )
    watchdog: float = field(
        default=0.0,
        metadata=key(
            SECONDS,
            "without a sign of life of its loops and of Python, then a server is killed and started again; "
            "0: not looked at",
            unit="seconds",
        ),
    )
    control_mode: int = field(
        default=0o600,
        metadata=key(
            MODE, "of the socket that skitaid takes orders by: who may write there may stop servers"
        ),
    )


@dataclass(frozen=True, slots=True)
class SmtpdaSettings:
    """``[smtpda]``."""

    smtpserver: tuple[str, int] = field(
        default=("127.0.0.1", 25),
        metadata=key(
            SMTP_SERVER, "that takes our mail; the port is 25, or 465 with ssl, where it is left out"
        ),
    )
    user: str = field(default="", metadata=key(TEXT, "to log in with; empty: we do not"))
    password: str = field(default="", repr=False, metadata=key(TEXT, "of this user", secret=True))
    password_file: Path | None = field(
        default=None, metadata=key(PATH, "file whose first line is the password")
    )
    ssl: bool = field(default=False, metadata=key(YES_NO, "TLS from the first byte"))
    starttls: str = field(
        default="auto",
        metadata=key(
            AUTO_YES_NO,
            "TLS after the greeting; auto: where the server offers it, but for one of this machine; a "
            "password is sent in clear to this machine only, unless this is no",
        ),
    )
    verify: bool = field(default=True, metadata=key(YES_NO, "the server's certificate is checked"))
    cafile: Path | None = field(
        default=None, metadata=key(PEM_FILE, "authorities in PEM that are trusted instead of the system's")
    )
    helo_name: str = field(
        default="", metadata=key(HOST, "of this machine, as servers are told it; empty: as the system says")
    )
    max_retry: int = field(
        default=10,
        metadata=key(INT, "before an e-mail counts as undeliverable", unit="attempts", least=1, most=1000),
    )
    retry_delay: float = field(
        default=30.0,
        metadata=key(
            SECONDS,
            "before the second attempt; before each further one four times as long, a quarter more or less",
            unit="seconds",
            least=0.001,
        ),
    )
    retry_delay_max: float = field(
        default=21600.0,
        metadata=key(SECONDS, "longest time between two attempts", unit="seconds", least=0.001),
    )
    undelivers_keep_max_days: int = field(
        default=30, metadata=key(INT, "that undeliverable e-mails are kept", unit="days", most=36500)
    )
    connections: int = field(
        default=20, metadata=key(INT, "to all servers at once", unit="connections", least=1, most=1000)
    )
    connections_per_server: int = field(
        default=4, metadata=key(INT, "to one server at once", unit="connections", least=1, most=1000)
    )
    keep_alive: float = field(
        default=5.0,
        metadata=key(SECONDS, "that a connection is kept for the next e-mail", unit="seconds"),
    )
    timeout: float = field(
        default=60.0,
        metadata=key(
            SECONDS,
            "for each answer of a server; behind an e-mail's last byte ten times as long, for who gives up "
            "there sends it twice (RFC 5321 section 4.5.3.2.6)",
            unit="seconds",
            least=0.001,
        ),
    )
    shutdown_timeout: float = field(
        default=30.0,
        metadata=key(SECONDS, "e-mails that are being sent may finish for so long", unit="seconds"),
    )

    @property
    def server(self) -> SmtpServer:
        """For all e-mails that name none of their own."""
        host, port = self.smtpserver
        return SmtpServer(host, port, self.user, self.password, self.ssl, self.starttls, self.verify)


DAEMON_TABLES: Mapping[str, Mapping[str, Key]] = MappingProxyType(
    {
        "global": MappingProxyType(keys_of("global", GlobalSettings)),
        "smtpda": MappingProxyType(keys_of("smtpda", SmtpdaSettings)),
    }
)


@dataclass(frozen=True, slots=True)
class DaemonSettings:
    """``mail_folder``: the spool.  ``logs``: the base of all logs.  ``run``: where skitaid has its
    sockets."""

    file: Path
    common: GlobalSettings
    smtpda: SmtpdaSettings
    mail_folder: Path
    logs: Path
    run: Path

    @property
    def smtpda_logs(self) -> Path:
        return self.logs / "daemons" / "smtpda"

    def instance_logs(self, name: str) -> Path:
        return self.logs / "instances" / name


def load_daemon(
    places: Places,
    file: Path | None = None,
    *,
    environ: Mapping[str, str] = _NOTHING,
    overrides: Mapping[str, str] = _NOTHING,
) -> DaemonSettings:
    """The settings of ``file``, or of skitaid.conf where ``places`` has one.

    ``environ`` (``SKITAI_SMTPDA_USER``) and ``overrides`` (the command line) are about ``[smtpda]``.  Raises
    ConfigErrors with every problem.
    """
    named = file or places.etc / "skitaid.conf"
    problems = Problems(str(named))
    text = ""
    if file is not None or named.exists():
        try:
            text = read_text(named)
        except Mistake as mistake:
            problems.take(mistake)
    reader = Reader(named.parent.absolute(), problems)
    given: dict[str, dict[str, Given]] = {name: {} for name in DAEMON_TABLES}
    for section in parse(text, problems):
        if _is_known(section, problems):
            given[section.name] = reader.read(section, DAEMON_TABLES[section.name])
    _read_others(given["smtpda"], environ, overrides, problems)
    of_all = GlobalSettings(**_values(given["global"]))
    smtpda = _with_password(SmtpdaSettings(**_values(given["smtpda"])), given["smtpda"], problems)
    problems.raise_if_any()
    return DaemonSettings(
        named,
        of_all,
        smtpda,
        (of_all.var_path or places.state) / "mail",
        of_all.log_path or places.logs,
        of_all.run_path or places.run,
    )


def _is_known(section: Section, problems: Problems) -> bool:
    if section.title in DAEMON_TABLES and section.style is Style.PAIR:
        return True
    hint = did_you_mean(section.name, DAEMON_TABLES) or "there are [global] and [smtpda]"
    problems.add(f"there is no section [{section.title}]", line=section.line, hint=hint)
    return False


def _read_others(
    given: dict[str, Given], environ: Mapping[str, str], overrides: Mapping[str, str], problems: Problems
) -> None:
    """Both are stronger than the file, and their paths are below the working directory."""
    reader = Reader(Path.cwd(), problems)
    known = [setting.environment for setting in DAEMON_TABLES["smtpda"].values()]
    for name in sorted(environ):
        if name.startswith(_ENVIRONMENT_PREFIX) and name not in known:
            hint = did_you_mean(name, known)
            problems.add(f"{name} is no setting", hint=hint, source=Source.ENVIRONMENT.value)
    for name, setting in DAEMON_TABLES["smtpda"].items():
        for source, where, text in (
            (Source.ENVIRONMENT, setting.environment, environ.get(setting.environment)),
            (Source.COMMAND_LINE, setting.flag, overrides.get(name)),
        ):
            if text is not None:
                origin = f"{source.value} {where}"
                value = reader.value(setting, text, source=origin)
                if value is not reader.REFUSED:
                    given[name] = Given(value, source, origin)


def _values(given: Mapping[str, Given]) -> dict[str, Any]:
    return {name: value.value for name, value in given.items()}


def _with_password(
    settings: SmtpdaSettings, given: Mapping[str, Given], problems: Problems
) -> SmtpdaSettings:
    """The password from where it is; with complaints about what does not go together."""

    def complain(name: str, message: str, hint: str = "") -> None:
        value = given[name]
        source = "" if value.source is Source.FILE else value.origin
        problems.add(message, line=value.line, hint=hint, source=source)

    if settings.password_file is not None:
        if settings.password:
            complain("password_file", "password_file stands beside password", "keep one of them")
            return settings
        try:
            text = settings.password_file.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            complain("password_file", f"password_file: {settings.password_file} cannot be read ({why})")
            return settings
        settings = replace(settings, password=text.partition("\n")[0].rstrip("\r"))
    complaint = settings.server.complaint()
    if complaint:
        about = next(
            name for name in ("user", "password", "password_file", "ssl", "starttls") if name in given
        )
        complain(about, complaint)
    if settings.cafile is not None and not settings.cafile.is_file():
        complain("cafile", f"cafile: there is no file {settings.cafile}")
    return settings
