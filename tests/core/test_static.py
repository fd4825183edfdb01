"""Static files: what is found, what is refused, and what the answer says."""

from __future__ import annotations

import os
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from skitai._httpdate import format_date, parse_date
from skitai._kernels import http1
from skitai.core import beneath
from skitai.core.answer import Answer
from skitai.core.caching import CachePolicy
from skitai.core.mediatypes import media_type
from skitai.core.static import StaticFolder
from skitai.limits import Limits

SECRET = b"only the server may read this"
MODIFIED = 1_000_000_000


def head(*fields: tuple[str, str], query: str = "") -> http1.RequestHead:
    return http1.RequestHead(
        method="GET",
        target="/",
        http_version="1.1",
        headers=list(fields),
        form="origin",
        scheme="",
        host="here",
        path="/",
        query=query,
        content_length=None,
        chunked=False,
        keep_alive=True,
        expect_continue=False,
    )


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder ``root`` to serve, and beside it what must not be served."""
    root = tmp_path / "root"
    (root / "sub" / "deep").mkdir(parents=True)
    (root / ".git").mkdir()
    (root / ".well-known").mkdir()
    (tmp_path / "secret.txt").write_bytes(SECRET)
    (tmp_path / "root-secret").mkdir()
    (tmp_path / "root-secret" / "x.txt").write_bytes(SECRET)
    (root / "page.html").write_bytes(b"<p>page")
    (root / "empty.txt").write_bytes(b"")
    (root / "sub" / "index.html").write_bytes(b"index of sub")
    (root / "sub" / "deep" / "data.json").write_bytes(b"{}")
    (root / ".git" / "config").write_bytes(SECRET)
    (root / ".env").write_bytes(SECRET)
    (root / ".well-known" / "security.txt").write_bytes(b"Contact:")
    os.utime(root / "page.html", (MODIFIED, MODIFIED))
    return root


def folder_of(root: Path, max_age: int = 300, **options: Any) -> StaticFolder:
    return StaticFolder(root, Limits(), policy=CachePolicy(max_age=max_age), **options)


class Client:
    """Asks a folder, and closes the files of its answers."""

    def __init__(self, folder: StaticFolder) -> None:
        self.folder = folder
        self.answers: list[Answer] = []

    def get(self, path: str, *fields: tuple[str, str], query: str = "") -> Answer | None:
        answer = self.folder.answer(path, head(*fields, query=query), path)
        if answer is not None:
            self.answers.append(answer)
        return answer

    def found(self, path: str, *fields: tuple[str, str]) -> Answer:
        answer = self.get(path, *fields)
        assert answer is not None, path
        return answer

    def close(self) -> None:
        for answer in self.answers:
            if answer.file is not None:
                answer.file.close()

    def read(self, path: str) -> bytes:
        answer = self.found(path)
        assert answer.status == 200
        assert answer.file is not None
        return os.pread(answer.file.fileno(), answer.count + 1, answer.offset)


@pytest.fixture
def client(root: Path) -> Iterator[Client]:
    before = len(os.listdir("/dev/fd"))
    client = Client(folder_of(root, max_age=77))
    yield client
    client.close()
    assert len(os.listdir("/dev/fd")) == before, "a descriptor was left open"


# -- what the answer says -----------------------------------------------------------------


def test_a_file_is_answered_with_its_fields(client: Client) -> None:
    answer = client.found("/page.html")
    fields = dict(answer.headers)
    assert answer.status == 200
    assert fields["Content-Type"] == "text/html; charset=utf-8"
    assert fields["Content-Length"] == "7"
    assert fields["Last-Modified"] == "Sun, 09 Sep 2001 01:46:40 GMT"
    assert fields["Cache-Control"] == "max-age=77"
    assert fields["X-Content-Type-Options"] == "nosniff"
    assert fields["ETag"].startswith('"')
    assert (answer.offset, answer.count) == (0, 7)
    assert client.read("/page.html") == b"<p>page"


def test_deep_files_empty_files_and_paths_without_a_slash_in_front(client: Client) -> None:
    assert client.read("/sub/deep/data.json") == b"{}"
    assert client.read("/empty.txt") == b""
    assert client.read("page.html") == b"<p>page"


def test_names_beyond_ascii_and_beyond_utf8(client: Client, root: Path) -> None:
    (root / "süß ☃.txt").write_bytes(b"utf-8")
    (root / os.fsdecode(b"latin-\xe9.txt")).write_bytes(b"bytes")
    assert client.read("/süß ☃.txt") == b"utf-8"
    assert client.read("/" + b"latin-\xe9.txt".decode("utf-8", "surrogateescape")) == b"bytes"


@pytest.mark.parametrize(
    ("name", "type_"),
    [
        ("a.CSS", "text/css; charset=utf-8"),
        ("a.min.js", "text/javascript; charset=utf-8"),
        ("a.json", "application/json"),
        ("a.svg", "image/svg+xml"),
        ("a.tar.gz", "application/gzip"),
        ("a.exe", "application/octet-stream"),
        ("LICENSE", "application/octet-stream"),
        ("html", "application/octet-stream"),
        ("a.", "application/octet-stream"),
    ],
)
def test_types_come_from_our_own_table(name: str, type_: str) -> None:
    assert media_type(name) == type_


def test_a_tag_changes_with_content_even_if_size_and_time_are_kept(client: Client, root: Path) -> None:
    """As ``cp -p`` or ``rsync`` leave them: a new file under the old name."""
    before = dict(client.found("/page.html").headers)["ETag"]
    (root / "new").write_bytes(b"<p>PAGE")
    os.utime(root / "new", (MODIFIED, MODIFIED))
    (root / "new").rename(root / "page.html")
    assert dict(client.found("/page.html").headers)["ETag"] != before


def test_a_modification_in_the_future_is_now(client: Client, root: Path) -> None:
    """RFC 9110 section 8.8.2.1."""
    os.utime(root / "page.html", (time.time() + 9999,) * 2)
    modified = parse_date(dict(client.found("/page.html").headers)["Last-Modified"])
    assert modified is not None
    assert modified <= time.time()


# -- conditions ---------------------------------------------------------------------------

AT = format_date(MODIFIED)
BEFORE = format_date(MODIFIED - 1)


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ([("If-None-Match", "ETAG")], 304),
        ([("if-none-match", "W/ETAG")], 304),
        ([("If-None-Match", '"a,b", W/"c", ETAG')], 304),
        ([("If-None-Match", '"a"'), ("If-None-Match", "ETAG")], 304),
        ([("If-None-Match", "*")], 304),
        ([("If-None-Match", '"other"')], 200),
        ([("If-None-Match", "unquoted")], 200),
        ([("If-None-Match", "")], 200),
        ([("If-Modified-Since", AT)], 304),
        ([("If-Modified-Since", format_date(MODIFIED + 1))], 304),
        ([("If-Modified-Since", BEFORE)], 200),
        ([("If-Modified-Since", "Sunday, 09-Sep-01 01:46:40 GMT")], 304),
        ([("If-Modified-Since", "Sun Sep  9 01:46:40 2001")], 304),
        ([("If-Modified-Since", "2001-09-09T01:46:40Z")], 200),
        ([("If-Modified-Since", AT), ("If-Modified-Since", AT)], 200),
        # 13.2.2 steps 3 and 4: the tag decides, the date is not looked at.
        ([("If-None-Match", '"other"'), ("If-Modified-Since", AT)], 200),
        ([("If-None-Match", "ETAG"), ("If-Modified-Since", BEFORE)], 304),
        # Steps 1 and 2 come first.
        ([("If-Match", "ETAG")], 200),
        ([("If-Match", "*")], 200),
        ([("If-Match", '"other"')], 412),
        ([("If-Match", "W/ETAG")], 412),
        ([("If-Match", '"other"'), ("If-None-Match", "ETAG")], 412),
        ([("If-Match", "ETAG"), ("If-None-Match", "ETAG")], 304),
        ([("If-Unmodified-Since", AT)], 200),
        ([("If-Unmodified-Since", BEFORE)], 412),
        ([("If-Unmodified-Since", "nonsense")], 200),
        ([("If-Match", "ETAG"), ("If-Unmodified-Since", BEFORE)], 200),
        ([("If-Range", "ETAG")], 200),
    ],
)
def test_conditions_in_the_order_of_rfc_9110_section_13_2_2(
    client: Client, fields: list[tuple[str, str]], status: int
) -> None:
    etag = dict(client.found("/page.html").headers)["ETag"]
    answer = client.found("/page.html", *[(name, value.replace("ETAG", etag)) for name, value in fields])
    assert answer.status == status
    if status == 304:
        assert dict(answer.headers) == {"ETag": etag, "Cache-Control": "max-age=77"}
        assert (answer.body, answer.count) == (b"", 0)
        # From now on the engine can say so itself, and give the whole to others.
        assert answer.file is not None
        assert answer.lasting is not None
        assert answer.lasting.headers == client.found("/page.html").headers


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("Sun, 06 Nov 1994 08:49:37 GMT", 784111777),
        ("Sunday, 06-Nov-94 08:49:37 GMT", 784111777),
        ("Sun Nov  6 08:49:37 1994", 784111777),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
        ("Sat, 31 Dec 2016 23:59:60 GMT", 1483228799),
        ("Sun, 06 Nov 1994 08:49:37 UTC", None),
        ("Sun, 31 Feb 1994 08:49:37 GMT", None),
        ("Sun, 06 Nov 1994 24:49:37 GMT", None),
        ("Sun, 06 Nov 0000 08:49:37 GMT", None),
        ("Sun, 6 Nov 1994 08:49:37 GMT", None),
        ("Sun, 06 Nov 1994 08:49:37 GMT ", None),
        ("", None),
    ],
)
def test_http_dates(text: str, seconds: int | None) -> None:
    """RFC 9110 section 5.6.7, its own three examples first."""
    assert parse_date(text) == seconds


def test_a_year_of_two_digits_is_not_far_in_the_future() -> None:
    """RFC 9110 section 5.6.7: more than 50 years ahead is the past."""
    this_year = time.gmtime().tm_year
    for ahead, expected in ((50, this_year + 50), (51, this_year - 49)):
        moment = parse_date(f"Monday, 01-Jun-{(this_year + ahead) % 100:02} 00:00:00 GMT")
        assert moment is not None
        assert time.gmtime(moment).tm_year == expected


# -- folders ------------------------------------------------------------------------------


def test_a_folder_shows_its_index_and_redirects_to_its_slash(client: Client) -> None:
    assert client.read("/sub/") == b"index of sub"
    answer = client.get("/sub", query="a=b&c=%20")
    assert answer is not None
    assert answer.status == 301
    assert dict(answer.headers)["Location"] == "/sub/?a=b&c=%20"
    assert answer.file is None


def test_the_first_index_name_wins(root: Path) -> None:
    (root / "sub" / "default.txt").write_bytes(b"default")
    client = Client(folder_of(root, index=("none", "default.txt", "index.html")))
    assert client.read("/sub/") == b"default"
    client.close()


def test_a_folder_without_an_index_is_left_to_the_application(client: Client, root: Path) -> None:
    (root / "sub" / "deep" / "index.html").mkdir()
    for path in ("/", "", "/sub/deep", "/sub/deep/"):
        assert client.get(path) is None, path


def test_the_mount_itself_without_its_slash(root: Path) -> None:
    (root / "index.html").write_bytes(b"home")
    answer = folder_of(root).answer("", head(), "/files")
    assert answer is not None
    assert dict(answer.headers)["Location"] == "/files/"


@pytest.mark.parametrize(
    ("url_path", "location"),
    [
        ("//evil.example/sub", "/evil.example/sub/"),
        ("/a b/sub", "/a%20b/sub/"),
        ("/ü\udce9?#\r\n/sub", "/%C3%BC%E9%3F%23%0D%0A/sub/"),
        ("/\\evil.example/sub", "/%5Cevil.example/sub/"),
        ("/a:b@c/sub", "/a:b@c/sub/"),
    ],
)
def test_a_redirect_stays_on_this_site(root: Path, url_path: str, location: str) -> None:
    answer = folder_of(root).answer("/sub", head(), url_path)
    assert answer is not None
    assert dict(answer.headers)["Location"] == location


def test_a_file_is_no_folder(client: Client) -> None:
    assert client.get("/page.html/") is None
    assert client.get("/page.html/x") is None


# -- what is refused ----------------------------------------------------------------------

BAD_PATHS = [
    "/../secret.txt",
    "/sub/../../secret.txt",
    "/sub/../page.html",
    "/./page.html",
    "//page.html",
    "/sub//index.html",
    "//",
    "/sub//",
    "/..",
    "/../",
    "/..\\secret.txt",
    "\\..\\secret.txt",
    "/page.html\0",
    "/\0",
    "/secret.txt\0.html",
    "/.env",
    "/.git/config",
    "/.git/",
    "/.",
    "/.well-known/../page.html",
    "//etc/passwd",
    "/...",
    "/" + "a" * 5000,
    "/" + "a/" * 3000,
    "/../root-secret/x.txt",
]


@pytest.mark.parametrize("path", BAD_PATHS, ids=lambda path: path[:30])
def test_paths_that_nobody_needs_to_send(client: Client, path: str) -> None:
    assert client.get(path) is None


def test_a_backslash_is_refused_even_where_it_is_a_letter(client: Client, root: Path) -> None:
    (root / "a\\b.txt").write_bytes(b"x")
    assert client.get("/a\\b.txt") is None


def test_well_known_is_there(client: Client) -> None:
    """RFC 8615."""
    assert client.read("/.well-known/security.txt") == b"Contact:"


def test_links_within_the_root_work(client: Client, root: Path) -> None:
    (root / "to-file").symlink_to("page.html")
    (root / "sub" / "up").symlink_to("../page.html")
    (root / "to-folder").symlink_to(root / "sub")
    (root / "itself").symlink_to(".")
    # As Kubernetes lays out a ConfigMap.
    (root / "..2026").mkdir()
    (root / "..2026" / "conf.txt").write_bytes(b"mapped")
    (root / "..data").symlink_to("..2026")
    (root / "conf.txt").symlink_to("..data/conf.txt")
    assert client.read("/to-file") == b"<p>page"
    assert client.read("/sub/up") == b"<p>page"
    assert client.read("/to-folder/deep/data.json") == b"{}"
    assert client.read("/to-folder/") == b"index of sub"
    assert client.found("/to-folder").status == 301
    assert client.read("/itself/page.html") == b"<p>page"
    assert client.get("/itself") is None
    assert client.read("/conf.txt") == b"mapped"


def test_links_out_of_the_root_do_not(client: Client, root: Path, tmp_path: Path) -> None:
    (root / "file").symlink_to(tmp_path / "secret.txt")
    (root / "sub" / "relative").symlink_to("../../secret.txt")
    (root / "up").symlink_to("..")
    (root / "sibling").symlink_to(tmp_path / "root-secret")
    (root / "twice").symlink_to("file")
    (root / "round").symlink_to("round")
    (root / "nowhere").symlink_to("missing")
    for path in ("/file", "/sub/relative", "/up/secret.txt", "/up", "/up/", "/up/root/page.html/x"):
        assert client.get(path) is None, path
    for path in ("/sibling/x.txt", "/twice", "/round", "/round/x", "/nowhere"):
        assert client.get(path) is None, path


def test_a_root_that_is_a_link_may_be_switched(root: Path, tmp_path: Path) -> None:
    """How releases are deployed."""
    current = tmp_path / "current"
    current.symlink_to(root)
    client = Client(folder_of(current))
    assert client.read("/page.html") == b"<p>page"
    assert client.read("/sub/deep/data.json") == b"{}"
    (tmp_path / "next").symlink_to(tmp_path / "root-secret")
    (tmp_path / "next").rename(current)
    assert client.read("/x.txt") == SECRET
    client.close()


def test_a_link_swapped_in_between_gains_nothing(
    client: Client, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name is resolved while it is harmless, and leads out when it is opened."""
    (root / "to-file").symlink_to("sub/deep/data.json")
    resolve = beneath._resolve

    def resolve_and_swap(base: bytes, segments: list[bytes]) -> tuple[bytes, list[bytes]]:
        result = resolve(base, segments)
        (root / "sub").rename(root / "was-sub")
        (root / "sub").symlink_to(tmp_path)
        (tmp_path / "deep").mkdir()
        (tmp_path / "deep" / "data.json").write_bytes(SECRET)
        return result

    monkeypatch.setattr(beneath, "_resolve", resolve_and_swap)
    assert client.get("/to-file") is None


@pytest.mark.parametrize("opener", [beneath.open_beneath, beneath._open_by_name])
def test_both_ways_to_open_keep_to_the_root(root: Path, tmp_path: Path, opener: object) -> None:
    """The second is for systems without openat."""
    assert callable(opener)
    (root / "out").symlink_to(tmp_path / "secret.txt")
    (root / "in").symlink_to("page.html")
    for name, content in ((b"page.html", b"<p>page"), (b"in", b"<p>page")):
        descriptor = opener(os.fsencode(root), [name])
        assert os.read(descriptor, 99) == content
        os.close(descriptor)
    for segments in ([b"out"], [b"missing"], [b"missing", b"x"]):
        with pytest.raises(FileNotFoundError):
            opener(os.fsencode(root), segments)


@pytest.mark.parametrize("first", [b"page.html", b"in", b"loop", b"dangling"])
def test_thousands_of_names_behind_a_file_are_not_looked_for_one_by_one(
    root: Path, monkeypatch: pytest.MonkeyPatch, first: bytes
) -> None:
    for name, target in (("in", "page.html"), ("loop", "loop"), ("dangling", "nowhere")):
        (root / name).symlink_to(target)
    looked_at: list[object] = []
    lstat = os.lstat
    monkeypatch.setattr("os.lstat", lambda path: looked_at.append(path) or lstat(path))
    with pytest.raises(OSError, match=r"Not a directory|No such file|symbolic links|too long"):
        beneath.open_beneath(os.fsencode(root), [first, *[b"a"] * 4000])
    assert len(looked_at) <= 100


def test_only_regular_files_are_served_and_nothing_blocks(client: Client, root: Path) -> None:
    os.mkfifo(root / "fifo")
    with socket.socket(socket.AF_UNIX) as listener:
        here = os.getcwd()
        os.chdir(root)  # a unix socket's path has room for 100 characters
        listener.bind("socket")
        os.chdir(here)
        started = time.monotonic()
        assert client.get("/fifo") is None
        assert client.get("/socket") is None
        assert time.monotonic() - started < 5
    client_of_devices = Client(folder_of(Path("/dev")))
    assert client_of_devices.get("/null") is None


# -- failures -----------------------------------------------------------------------------


@pytest.fixture
def guarded() -> Iterator[Path]:
    """A folder of which some may not be read, asked by somebody who is not root."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        closed = Path(name) / "closed"
        root = Path(name) / "root"
        (root / "passage").mkdir(parents=True)
        closed.mkdir(mode=0)
        (root / "out").symlink_to("../closed/x.txt")
        (root / "page.html").write_bytes(SECRET)
        (root / "passage" / "index.html").write_bytes(b"index")
        (root / "page.html").chmod(0)
        (root / "passage").chmod(0o311)
        root.chmod(0o755)
        was_root = os.geteuid() == 0
        if was_root:
            os.seteuid(65534)
        yield root
        if was_root:
            os.seteuid(0)
        (root / "passage").chmod(0o755)
        closed.chmod(0o755)


def test_an_unreadable_file_is_403(guarded: Path) -> None:
    answer = folder_of(guarded).answer("/page.html", head(), "/page.html")
    assert answer is not None
    assert answer.status == 403


def test_a_folder_that_may_only_be_passed_through(guarded: Path) -> None:
    client = Client(folder_of(guarded))
    assert client.read("/passage/") == b"index"
    assert client.found("/passage").status == 301
    client.close()


def test_a_link_into_a_folder_that_may_not_be_passed_leads_out(guarded: Path) -> None:
    assert folder_of(guarded).answer("/out", head(), "/out") is None


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (PermissionError(13, "Permission denied"), 403),
        (OSError(24, "Too many"), 503),
        (OSError(5, "I/O"), 500),
    ],
)
def test_what_the_system_says_becomes_a_status(
    root: Path, monkeypatch: pytest.MonkeyPatch, error: OSError, status: int
) -> None:
    def fail(*_args: object, **_options: object) -> int:
        raise error

    monkeypatch.setattr("skitai.core.static.open_beneath", fail)
    answer = Client(folder_of(root)).found("/page.html", ("Accept", "text/html"))
    assert answer.status == status
    assert dict(answer.headers)["Content-Type"] == "text/html; charset=utf-8"


def test_a_failure_after_opening_leaves_no_descriptor(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fixture counts them."""

    def fail(descriptor: int) -> os.stat_result:
        raise OSError(116, "Stale file handle")

    with monkeypatch.context() as patched:
        patched.setattr("skitai.core.static.os.fstat", fail)
        status = client.found("/page.html").status
    assert status == 500
