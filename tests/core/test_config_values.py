"""The types of values: read, refused with a reason, written back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from skitai.core.config import CacheRule, SendfileRoot, kinds
from skitai.core.config.address import Address, read_address
from skitai.core.config.kinds import Kind
from skitai.core.config.problems import Mistake

BASE = Path("/base")


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (kinds.INT, "0", 0),
        (kinds.INT, "0042", 42),
        *[(kinds.YES_NO, word, True) for word in ("yes", "true", "on", "1", "YES", "True")],
        *[(kinds.YES_NO, word, False) for word in ("no", "false", "off", "0", "No")],
        (kinds.SECONDS, "10", 10.0),
        (kinds.SECONDS, "10s", 10.0),
        (kinds.SECONDS, "1.5 s", 1.5),
        (kinds.SECONDS, "500ms", 0.5),
        (kinds.SECONDS, "2m", 120.0),
        (kinds.SECONDS, "1h", 3600.0),
        (kinds.SECONDS, "30d", 2592000.0),
        (kinds.SECONDS, "0", 0.0),
        (kinds.WHOLE_SECONDS, "5m", 300),
        (kinds.BYTES, "100", 100),
        (kinds.BYTES, "64k", 65536),
        (kinds.BYTES, "64K", 65536),
        (kinds.BYTES, "1 MB", 1 << 20),
        (kinds.BYTES, "1MiB", 1 << 20),
        (kinds.BYTES, "4g", 4 << 30),
        (kinds.MODE, "660", 0o660),
        (kinds.MODE, "0660", 0o660),
        (kinds.MODE, "0o600", 0o600),
        (kinds.PATH, "", None),
        (kinds.PATH, "a/b", Path("/base/a/b")),
        (kinds.PATH, "/a/b", Path("/a/b")),
        (kinds.PATHS, "a, /b,", (Path("/base/a"), Path("/b"))),
        (kinds.HOST, "", ""),
        (kinds.HOST, "[::1]", "::1"),
        (kinds.HOST, "0:0::1", "::1"),
        (kinds.HOST, "Localhost", "localhost"),
        (kinds.SITE, "HTTPS://WWW.example.com:8443/", "https://www.example.com:8443"),
        (kinds.NETWORKS, "10.0.0.0/8, ::1, unix", ("10.0.0.0/8", "::1", "unix")),
        (kinds.NETWORKS, "", ()),
        (kinds.NAME_SERVERS, "", ()),
        (kinds.NAME_SERVERS, "System", ("system",)),
        (kinds.NAME_SERVERS, "10.0.0.53, 10.0.0.54:053", ("10.0.0.53", "10.0.0.54:53")),
        (kinds.NAME_SERVERS, "FD00::53,[fd00::54],[::1]:5353", ("[fd00::53]", "[fd00::54]", "[::1]:5353")),
        (kinds.FILE_NAMES, "index.html,index.htm", ("index.html", "index.htm")),
        (kinds.ADDRESSES, "systemd, systemd:web", (Address(handed=""), Address(handed="web"))),
        (kinds.HSTS, "", ""),
        (kinds.HSTS, "0", "max-age=0"),
        (kinds.HSTS, "365d", "max-age=31536000"),
        (kinds.HSTS, "730d;INCLUDESUBDOMAINS; preload", "max-age=63072000; includeSubDomains; preload"),
        (kinds.VERIFY, "Optional", "optional"),
        (kinds.TLS_VERSION, "1.3", "1.3"),
        (kinds.SITE, "", ""),
        (kinds.FOLDER, "", None),
        (kinds.FOLDER, "/", Path("/")),
        (kinds.LINKS, "Any", "any"),
        (kinds.CACHE_RULES, "", ()),
        (
            kinds.CACHE_RULES,
            "*.html: no-cache,/a b/[xy]?.js :  public   max-age=60",
            (CacheRule("*.html", "no-cache"), CacheRule("/a b/[xy]?.js", "public, max-age=60")),
        ),
        (
            kinds.SENDFILE_ROOTS,
            "/, /protected/ = /",
            (SendfileRoot(Path("/")), SendfileRoot(Path("/"), "/protected")),
        ),
        (kinds.ADDRESSES, ":80, unix:x.sock", (Address(port=80), Address(path=Path("/base/x.sock")))),
    ],
)
def test_a_value_is_read_and_reads_the_same_when_written(kind: Kind, text: str, value: Any) -> None:
    assert kind.parse(text, BASE) == value
    assert kind.parse(kind.write(value), BASE) == value


@pytest.mark.parametrize(
    ("kind", "text", "complaint"),
    [
        (kinds.INT, "-1", "not a whole number"),
        (kinds.INT, "1_000", "not a whole number"),
        (kinds.INT, "٤", "not a whole number"),
        (kinds.INT, "9" * 5000, "not a whole number"),
        (kinds.INT, "4.0", "not a whole number"),
        (kinds.YES_NO, "maybe", "neither yes nor no"),
        (kinds.SECONDS, "-1", "not a time"),
        (kinds.HSTS, "yes", "not a time"),
        (kinds.HSTS, "1d; sub", "'sub' is no part of hsts"),
        (kinds.HSTS, "365d; preload", "lists of browsers want more for preload"),
        (kinds.HSTS, "30d; includeSubDomains; preload", "lists of browsers want more for preload"),
        (kinds.TLS_VERSION, "1.1", "not one of its words"),
        (kinds.SECONDS, "inf", "not a time"),
        (kinds.SECONDS, "1e3", "not a time"),
        (kinds.SECONDS, "10 minutes", "not a time"),
        (kinds.SECONDS, "9000h", "longer than a year"),
        (kinds.WHOLE_SECONDS, "500ms", "not whole seconds"),
        (kinds.BYTES, "1.5m", "not a size"),
        (kinds.BYTES, "1t", "not a size"),
        (kinds.MODE, "999", "not a file mode"),
        (kinds.MODE, "7777", "not a file mode"),
        (kinds.HOST, "256.1.1.1", "not an IPv4 address"),
        (kinds.HOST, "[::g]", "not an IPv6 address"),
        (kinds.HOST, "a b", "neither an IP address nor a host name"),
        (kinds.HOST, "*", "not a host"),
        (kinds.SITE, "www.example.com", "not the address of a site"),
        (kinds.SITE, "ftp://example.com", "not the address of a site"),
        (kinds.SITE, "https://example.com/path", "not the address of a site"),
        (kinds.SITE, "https://user@example.com", "not the address of a site"),
        (kinds.SITE, "https://exa mple.com", "not a host"),
        (kinds.NETWORKS, "10.0.0.1/8", "bits below its mask"),
        (kinds.NETWORKS, "everyone", "no address"),
        (kinds.NAME_SERVERS, "10.0.0.53, system", "'system' is not the address of a name server"),
        (kinds.NAME_SERVERS, "ns.example", "not the address of a name server"),
        (kinds.NAME_SERVERS, "256.0.0.1", "not the address of a name server"),
        (kinds.NAME_SERVERS, "fe80::1%eth0", "not the address of a name server"),
        (kinds.NAME_SERVERS, "[::1]:", "not the address of a name server"),
        (kinds.NAME_SERVERS, "10.0.0.53:0", "not a number from 1 to 65535"),
        (kinds.NAME_SERVERS, "10.0.0.53:65536", "not a number from 1 to 65535"),
        (kinds.FILE_NAMES, "../index.html", "not a plain file name"),
        (kinds.FOLDER, "none", "there is no such folder"),
        (kinds.FOLDER, __file__, "there is no such folder"),
        (kinds.LINKS, "yes", "not one of its words"),
        (kinds.CACHE_RULES, "no-cache", "not 'pattern: directives'"),
        (kinds.CACHE_RULES, "*.html:", "not 'pattern: directives'"),
        (kinds.CACHE_RULES, "assets/*: no-cache", "neither a path nor a name"),
        (kinds.CACHE_RULES, "*.html: nocache", "no directive of Cache-Control"),
        (kinds.CACHE_RULES, "*.html: no-cache=1", "no-cache has no value"),
        (kinds.CACHE_RULES, "*.html: max-age", "lacks its seconds"),
        (kinds.CACHE_RULES, "*.html: max-age=1h", "lacks its seconds"),
        (kinds.CACHE_RULES, "*.html: no-store max-age=60, *.css", "not 'pattern: directives'"),
        (kinds.SENDFILE_ROOTS, "none", "there is no folder /base/none"),
        (kinds.SENDFILE_ROOTS, "protected = /", "not a path"),
        (kinds.SENDFILE_ROOTS, "/ = /srv", "would be every path"),
        (kinds.SENDFILE_ROOTS, "/protected =", "lacks its folder"),
    ],
)
def test_a_value_is_refused(kind: Kind, text: str, complaint: str) -> None:
    with pytest.raises(Mistake, match=complaint):
        kind.parse(text, BASE)


@pytest.mark.parametrize(
    ("text", "address", "written"),
    [
        ("127.0.0.1:5000", Address("127.0.0.1", 5000), "127.0.0.1:5000"),
        ("[::1]:5000", Address("::1", 5000), "[::1]:5000"),
        ("[0::0:1]:80", Address("::1", 80), "[::1]:80"),
        (":5000", Address("", 5000), ":5000"),
        ("localhost:0", Address("localhost", 0), "localhost:0"),
        ("unix:/run/x.sock", Address(path=Path("/run/x.sock")), "unix:/run/x.sock"),
        ("unix:x.sock", Address(path=Path("/base/x.sock")), "unix:/base/x.sock"),
    ],
)
def test_an_address(text: str, address: Address, written: str) -> None:
    assert read_address(text, BASE) == address
    assert str(address) == written


@pytest.mark.parametrize(
    ("text", "complaint", "hint"),
    [
        ("5000", "not an address with a port", "write :5000"),
        ("127.0.0.1", "not an address with a port", "write 127.0.0.1:5000"),
        ("::1:5000", "IPv6 address without brackets", "write [::1]:5000"),
        ("127.0.0.1:65536", "port '65536'", ""),
        ("127.0.0.1:http", "port 'http'", ""),
        ("127.0.0.1:", "port ''", ""),
        ("*:80", "not a host", "leave it empty"),
        ("unix:", "has no path", "write unix:/path"),
    ],
)
def test_an_address_is_refused(text: str, complaint: str, hint: str) -> None:
    with pytest.raises(Mistake, match=complaint) as caught:
        read_address(text, BASE)
    assert hint in caught.value.hint
