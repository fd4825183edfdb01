"""skitaid.conf: what it says, from where, and what is wrong with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from skitai.core.config import ConfigErrors
from skitai.core.config import load as load_server
from skitai.core.config.daemon import DAEMON_TABLES, DaemonSettings, SmtpdaSettings, load_daemon
from skitai.core.config.problems import Mistake
from skitai.core.config.smtpservers import SmtpServer, read_smtp_server, write_smtp_server
from skitai.core.places import Places


@pytest.fixture
def places(tmp_path: Path) -> Places:
    (tmp_path / "etc" / "skitaid").mkdir(parents=True)
    return Places.find(str(tmp_path))


def load(places: Places, text: str, **sources: dict[str, str]) -> DaemonSettings:
    (places.etc / "skitaid.conf").write_text(text, encoding="utf-8")
    return load_daemon(places, **sources)


def test_without_a_file(places: Places, tmp_path: Path) -> None:
    settings = load_daemon(places)
    assert settings.smtpda == SmtpdaSettings()
    assert settings.smtpda.server == SmtpServer("127.0.0.1", 25)
    assert settings.mail_folder == tmp_path / "var" / "mail"
    assert settings.smtpda_logs == tmp_path / "log" / "daemons" / "smtpda"


def test_a_file_that_was_named_has_to_be_there(places: Places, tmp_path: Path) -> None:
    with pytest.raises(ConfigErrors, match="there is no such file"):
        load_daemon(places, tmp_path / "other.conf")


def test_the_section_of_the_readme(places: Places) -> None:
    settings = load(
        places,
        "[smtpda]\nsmtpserver = 127.0.0.1:25\nuser = \npassword = \nssl = no\nmax_retry = 10\n"
        "undelivers_keep_max_days = 30\n",
    )
    assert settings.smtpda == SmtpdaSettings()


def test_folders_of_the_file(places: Places, tmp_path: Path) -> None:
    settings = load(places, "[global]\nvar_path = /var/x\nlog_path = logs\n")
    assert settings.mail_folder == Path("/var/x/mail")
    assert settings.smtpda_logs == places.etc / "logs" / "daemons" / "smtpda"


def test_the_command_line_is_over_the_environment_over_the_file(places: Places) -> None:
    settings = load(
        places,
        "[smtpda]\nuser = file\npassword = secret\nmax_retry = 3\ntimeout = 7\n",
        environ={"SKITAI_SMTPDA_USER": "environment", "SKITAI_SMTPDA_MAX_RETRY": "4"},
        overrides={"max_retry": "5"},
    )
    smtpda = settings.smtpda
    assert (smtpda.user, smtpda.max_retry, smtpda.timeout) == ("environment", 5, 7.0)


def test_the_password_may_stand_in_a_file(places: Places) -> None:
    (places.etc / "secret").write_text("pass word\r\nmore\n")
    settings = load(places, "[smtpda]\nuser = hans\npassword_file = secret\n")
    assert settings.smtpda.server.password == "pass word"


def test_passwords_are_not_shown(places: Places) -> None:
    settings = load(places, "[smtpda]\nuser = hans\npassword = tell-nobody\n")
    assert "tell-nobody" not in repr(settings) + repr(settings.smtpda.server) + str(settings.smtpda.server)
    with pytest.raises(ConfigErrors) as caught:
        load(places, "[smtpda]\npassword = tell-nobody\x01\n")
    assert "tell-nobody" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[smtpd]\n", r":1: there is no section \[smtpd\]; did you mean 'smtpda'"),
        ("[server]\n", r"there are \[global\] and \[smtpda\]"),
        ("[smtpda:line]\n", "there is no section"),
        ("[smtpda]\nmax_retries = 3\n", r":2: \[smtpda\] has no key 'max_retries'; did you mean 'max_retry'"),
        ("[smtpda]\nmax_retry = many\n", ":2: max_retry = many: not a whole number"),
        ("[smtpda]\nmax_retry = 0\n", ":2: max_retry = 0: less than 1"),
        ("[smtpda]\nsmtpserver = a:b\n", ":2: smtpserver = a:b: port 'b' is not a number"),
        ("[smtpda]\nuser = hans\n", ":2: user and password: both or neither"),
        ("[smtpda]\nuser = hans\npassword = ü\n", ":2: user and password have to be ASCII"),
        ("[smtpda]\nssl = yes\nstarttls = yes\n", ":2: ssl speaks TLS from the first byte"),
        ("[smtpda]\nuser = a\npassword = b\npassword_file = c\n", ":4: password_file stands beside password"),
        ("[smtpda]\nuser = a\npassword_file = c\n", ":3: password_file: .*c cannot be read"),
        ("[smtpda]\ncafile = none.pem\n", ":2: cafile: there is no file .*none.pem"),
    ],
)
def test_mistakes(places: Places, text: str, words: str) -> None:
    with pytest.raises(ConfigErrors, match=words):
        load(places, text)


def test_variables_of_the_agent_are_no_misspelt_ones_of_a_server(places: Places) -> None:
    environ = {key.environment: "" for key in DAEMON_TABLES["smtpda"].values()}
    assert load_server(None, environ=environ).origins == {}


def test_mistakes_of_other_sources(places: Places) -> None:
    with pytest.raises(
        ConfigErrors, match="SKITAI_SMTPDA_USERS is no setting; did you mean 'SKITAI_SMTPDA_USER'"
    ):
        load(places, "", environ={"SKITAI_SMTPDA_USERS": "x"})
    with pytest.raises(ConfigErrors, match="environment SKITAI_SMTPDA_TIMEOUT: timeout = x: not a time"):
        load(places, "", environ={"SKITAI_SMTPDA_TIMEOUT": "x"})
    with pytest.raises(ConfigErrors, match="command line --user: user and password: both or neither"):
        load(places, "", overrides={"user": "hans"})


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("mail.example.com", ("mail.example.com", 0)),
        ("mail.example.com:587", ("mail.example.com", 587)),
        ("[::1]:25", ("::1", 25)),
        ("[::1]", ("::1", 0)),
        ("10.0.0.1:465", ("10.0.0.1", 465)),
    ],
)
def test_servers(text: str, place: tuple[str, int]) -> None:
    assert read_smtp_server(text) == place
    assert write_smtp_server(place) == text


@pytest.mark.parametrize("text", ["", ":25", "a:0", "a:65536", "a:x", "300.1.1.1", "a b", "a:99999999999"])
def test_what_is_no_server(text: str) -> None:
    with pytest.raises(Mistake):
        read_smtp_server(text)


def test_the_usual_ports() -> None:
    assert [str(SmtpServer("h")), str(SmtpServer("h", ssl=True)), str(SmtpServer("::1", 587))] == [
        "h:25",
        "h:465",
        "[::1]:587",
    ]


@pytest.mark.parametrize(("host", "local"), [("127.0.0.9", 1), ("::1", 1), ("localhost", 1), ("10.0.0.1", 0)])
def test_what_passes_no_network(host: str, local: int) -> None:
    assert SmtpServer(host).is_local == bool(local)
