"""The sections ``[@name]``: members, numbers, and what is told when they are wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from skitai._kernels import engine
from skitai.core.config import ClusterSettings, ConfigErrors, Member, MemberSource, load
from skitai.core.config.members import has_passwords
from skitai.core.config.settings import TABLES


def read(keys: str, name: str = "@search", base: Path = Path("/base")) -> ClusterSettings:
    (cluster,) = load(Path("x.conf"), text=f"[{name}]\n{keys}", base=base).clusters
    return cluster


def complaints(keys: str, name: str = "@search") -> list[str]:
    with pytest.raises(ConfigErrors) as caught:
        read(keys, name)
    return str(caught.value).split("\n")


def members(text: str) -> tuple[Member, ...]:
    return read(f"members = {text}").members


def test_the_sample_of_the_readme() -> None:
    cluster = read("ssl = yes\nmembers = search1.mayserver.com:443, search2.mayserver.com:443", "@mysearch")
    assert (cluster.name, cluster.title, cluster.ssl, cluster.type) == ("mysearch", "@mysearch", True, "http")
    assert cluster.members == (Member("search1.mayserver.com", 443), Member("search2.mayserver.com", 443))


@pytest.mark.parametrize("word", ["postresql", "postgresql", "PostgreSQL"])
def test_databases_are_read_and_kept(word: str) -> None:
    """The first is the spelling of 0.11's README."""
    keys = f"type = {word}\nmembers = s1.yourserver.com:5432/mydb/user/pass wd/1, s2/mydb/user/passwd"
    cluster = read(keys, "@mydb")
    assert cluster.type == "postgresql"
    assert cluster.members == (
        Member("s1.yourserver.com", 5432, database="mydb/user/pass wd/1"),
        Member("s2", 0, database="mydb/user/passwd"),
    )
    assert "passwd" not in repr(cluster)


def test_databases_as_libpq_has_them() -> None:
    uri = "postgresql://user:pass%2Cwd@S1.example.com:5433/mydb?sslmode=require"
    local = r"host=/run/pg dbname = mydb password='a, \'b' port=5434"
    cluster = read(
        f"type = postgresql\nmembers = {uri}, {local}, dbname=x, postgres:///y?host=/run/pg", "@mydb"
    )
    assert cluster.members == (
        Member("s1.example.com", 5433, database=uri, is_dsn=True),
        Member("/run/pg", 5434, database=local, is_dsn=True),
        Member("localhost", 0, database="dbname=x", is_dsn=True),
        Member("/run/pg", 0, database="postgres:///y?host=/run/pg", is_dsn=True),
    )
    assert cluster.members[0].address == "s1.example.com:5433"
    assert "pass%2Cwd" not in repr(cluster)


def test_a_member_may_be_a_unix_socket() -> None:
    one, other = members("unix:/run/a.sock, unix:b.sock 3")
    assert (one, one.address) == (Member("/run/a.sock"), "unix:/run/a.sock")
    assert (other.host, other.weight) == ("/base/b.sock", 3)
    assert not has_passwords("unix:/run/a.sock, b:80 2")
    assert has_passwords("unix:/run/a.sock, b/db/user/secret")


def test_a_member_may_be_written_in_many_ways() -> None:
    assert members("A.example.com, b:81, c 2, d:82  3, 10.0.0.1:83, [fd00::1], [fd00::2]:84 4, fd00::3,") == (
        Member("a.example.com"),
        Member("b", 81),
        Member("c", 0, 2),
        Member("d", 82, 3),
        Member("10.0.0.1", 83),
        Member("fd00::1"),
        Member("fd00::2", 84, 4),
        Member("fd00::3"),
    )
    assert members("bücher.example:80") == (Member("xn--bcher-kva.example", 80),)


def test_names_that_stand_for_several() -> None:
    assert members("dns:web.default.svc:80, dns:web 5, dns:_http._tcp.web.example.com") == (
        Member("web.default.svc", 80, 1, MemberSource.ADDRESSES),
        Member("web", 0, 5, MemberSource.ADDRESSES),
        Member("_http._tcp.web.example.com", source=MemberSource.SERVICES),
    )


def test_numbers_of_the_kernel_are_keys_with_its_defaults() -> None:
    keys = TABLES["cluster"]
    assert {
        name: keys[name].default for name in engine.MemberPolicy._fields
    } == engine.MemberPolicy()._asdict()


def test_every_number_can_be_set() -> None:
    cluster = read(
        "members = a\nhedge = P99\nbase_ejection_time = 1m\nslow_start_window = 0\nnum_retries = 7"
    )
    assert (cluster.hedge, cluster.base_ejection_time, cluster.slow_start_window) == (0.99, 60.0, 0.0)
    assert cluster.num_retries == 7


def test_origins_are_kept() -> None:
    settings = load(Path("x.conf"), text="[@a]\nmembers = x\nnum_retries = 1", base=Path("/base"))
    assert settings.origin("@a", "num_retries") == "x.conf:3"
    assert settings.origin("@a", "hedge") == "default"


@pytest.mark.parametrize(
    ("keys", "complaint"),
    [
        ("", "x.conf:1: [@search] lacks members; host[:port][ weight] or unix:/path[ weight], with commas "
         "between them; "
         "dns:name:port is a member for each address of the name, "
         "dns:_http._tcp.name one for each of its SRV records; of databases "
         "host[:port]/database/user/password, a URI or a DSN"),
        ("members = ,", "x.conf:2: [@search] has no members; write members = host:port"),
        ("members =", "x.conf:2: members = : the value is empty; leave the line out for the default"),
        ("member = a", "x.conf:2: [@search] has no key 'member'; did you mean 'members'?"),
        ("members = a b", "x.conf:2: members = a b: 'b' is no weight; write a whole number from 1 to 65535"),
        ("members = a 0", "x.conf:2: members = a 0: '0' is no weight; write a whole number from 1 to 65535"),
        ("members = a:0", "x.conf:2: members = a:0: 'a:0': '0' is no port; write host:8080"),
        ("members = a:b", "x.conf:2: members = a:b: 'a:b': 'b' is no port; write host:8080"),
        ("members = :80", "x.conf:2: members = :80: ':80' has no host; write host:8080"),
        ("members = a!", "x.conf:2: members = a!: 'a!' is neither an IP address nor a host name"),
        ("members = 1.2.3", "x.conf:2: members = 1.2.3: '1.2.3' is not an IPv4 address"),
        ("members = [1:2]:80", "x.conf:2: members = [1:2]:80: '[1:2]' is not an IPv6 address"),
        ("members = http://a:80", "x.conf:2: members: a member has no scheme; write host:port, and ssl = yes "
         "where it speaks TLS"),
        ("members = a, a:80", "x.conf:2: a:80 is twice among the members; give it a weight"),
        ("members = dns:_http._tcp.a:80", "x.conf:2: members = dns:_http._tcp.a:80: _http._tcp.a: "
         "its SRV records say port and weight; write dns:_http._tcp.a"),
        ("members = dns:_http.a", "x.conf:2: members = dns:_http.a: _http.a is no name of SRV records; "
         "write dns:_http._tcp.example.com"),
        ("members = a/db/user/secret", "x.conf:2: a has a path, which no member of type http has; "
         "write host:port, or type = postgresql"),
        ("members = a/db/user", "x.conf:2: members: a lacks a part of its database; "
         "write host:5432/database/user/password"),
        ("members = b\ntype = postgresql", "x.conf:2: b lacks its database; "
         "write host:5432/database/user/password, or its URI"),
        ("members = b/db/user/secret\ntype = postgresql\nssl = yes", "x.conf:4: b: a database says "
         "itself how it speaks TLS; write sslmode in its URI"),
        ("members = b/db/user/secret\ntype = postgresql\nhedge = p95", "x.conf:4: hedge is for "
         "members that speak HTTP; leave it out"),
        ("members = postgresql://u:secret@a/db", "x.conf:2: a has a path, which no member of type http has; "
         "write host:port, or type = postgresql"),
        ("members = host=a dbname='db", "x.conf:2: members: keywords of a database that cannot be read; "
         "quote values: password='a b'"),
        ("members = b\ntype = mysql", "x.conf:3: type = mysql: not one of its words; "
         "write http or postgresql"),
        ("members = b\nhedge = 95", "x.conf:3: hedge = 95: neither no nor a quantile; "
         "write p95, or another one from p50 to p99.9"),
        ("members = b\nhedge = p10", "x.conf:3: hedge = p10: neither no nor a quantile; "
         "write p95, or another one from p50 to p99.9"),
        ("members = b\nmax_ejection_percent = 101", "x.conf:3: max_ejection_percent = 101: more than 100"),
        ("members = b\nhealth_check_path = health", "x.conf:3: health_check_path = health: "
         "not the path of a URL; write /health, and percent-encode what is not ASCII"),
        ("members = b\nverify = no", "x.conf:3: verify says nothing without TLS; write ssl = yes"),
        ("members = b\nssl = yes\ncafile = none.pem", "x.conf:4: cafile: there is no file /base/none.pem"),
        ("members = b\nssl = yes\nkeyfile = none.pem", "x.conf:4: [@search] has a keyfile but no certfile; "
         "name both"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_line(keys: str, complaint: str) -> None:
    assert complaint in complaints(keys)


@pytest.mark.parametrize("name", ["@", "@-a", "@a/b", "@ä"])
def test_a_name_that_no_url_could_have(name: str) -> None:
    (told,) = complaints("members = a", name)
    assert told.startswith(f"x.conf:1: [{name}] is no name of a cluster; write [@name]")


@pytest.mark.parametrize(
    "text",
    [
        *("a/db/user", "a:x/db/user/hunter2", "dns:b/db/u/hunter2", "a b/c/d/hunter2"),
        *("postgresql://u:hunter2@[a/db", "postgresql://u:hunter2@a:b/db", "host=a password=hunter2 'b"),
    ],
)
def test_passwords_are_not_told(text: str) -> None:
    assert "hunter2" not in "".join(complaints(f"type = postgresql\nmembers = {text}"))


def test_what_is_written_reads_as_the_same() -> None:
    text = "a, b:81 3, [fd00::1], [fd00::2]:82, dns:c, dns:d:83 2, dns:_http._tcp.e"
    key = TABLES["cluster"]["members"]
    value = key.read(text, Path("/"))
    assert key.kind.write(value) == text
