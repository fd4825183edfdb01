"""Which file a request is for, as C reads routes of files (``skitai/_speedups/grounds.h``), held to what the
service says: it may leave anything to that, and never differ."""

from __future__ import annotations

import ctypes
import hashlib
import os
import re
import subprocess
import textwrap
from collections.abc import Callable
from fnmatch import translate
from pathlib import Path
from typing import cast

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from skitai._kernels import engine, percent_decode
from skitai.core.apps import MountedApp
from skitai.core.caching import CachePolicy
from skitai.core.config import load
from skitai.core.config.routelines import find_rule
from skitai.core.config.targets import AppTarget, ClusterTarget, StaticTarget
from skitai.core.grounds import grounds_of
from skitai.core.mediatypes import MEDIA_TYPES, UNKNOWN, media_type
from skitai.core.plans import Chains, ListenerInfo
from skitai.core.relays import Relay
from skitai.core.representation import _entity_tag
from skitai.core.routes import RouteTable, host_name
from skitai.core.static import StaticFolder, _is_hidden, _segments, error_pages
from skitai.limits import Limits

REPO = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory, require_program: Callable[[str], str]) -> ctypes.CDLL:
    target = tmp_path_factory.mktemp("c") / "grounding.so"
    flags = ["-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-O1", "-shared", "-fPIC"]
    sources = ["-I", str(REPO / "skitai/_speedups"), str(REPO / "tests/c/grounding.c")]
    subprocess.run([require_program("cc"), *flags, *sources, "-o", str(target)], check=True, timeout=60)
    return ctypes.CDLL(str(target))


# -- paths ----------------------------------------------------------------------------------------

PIECES = (
    *(
        "/",
        "//",
        ".",
        "..",
        "a",
        "b.txt",
        "%2e",
        "%2E%2e",
        "%2f",
        "%5c",
        "\\",
        "%00",
        "%",
        "%4",
        "%zz",
        "%25",
    ),
    *("%41", "..;", "%c3%a9", "%ff", "app", "ping", "%70ing", ".well-known", ".env", "%c0%af", "~", " ", "~"),
)
ASKED = st.lists(st.sampled_from(PIECES), max_size=8).map(lambda pieces: "/" + "".join(pieces))
MOUNTS = st.sampled_from(["", "/a", "/a/b.txt", "/app/a"])


UNSURE_WHAT, SOME_FILE, NO_FILE = range(3)


def nearest_mount(mount: str, path: str) -> str | None:
    """Where `HttpService._route` comes to; None: another answer."""
    decoded = percent_decode(path).decode("utf-8", "surrogateescape")
    mounts = sorted([mount, "/app"], key=len, reverse=True)
    nearest = next((m for m in mounts if decoded == m or decoded.startswith(m + "/")), None)
    return None if decoded == "/ping" or "\0" in decoded else nearest


def place_in_python(mount: str, dotfiles: bool, index: str, path: str) -> str | None:
    """As `HttpService._route` and `StaticFolder.answer` come to a file's name; None: there is none."""
    decoded = percent_decode(path).decode("utf-8", "surrogateescape")
    if nearest_mount(mount, path) != mount:
        return None
    below = decoded[len(mount) :]
    segments = _segments(below)
    if segments is None or not (dotfiles or not any(map(_is_hidden, segments))):
        return None
    return "/" + "/".join([*segments, index] if below.endswith("/") else segments)


@given(MOUNTS, st.booleans(), st.sampled_from(["", "index.html"]), ASKED)
@example("/a", False, "index.html", "/a")
@example("", False, "index.html", "/")
@example("", True, "index.html", "/.env/")
def test_a_path_is_no_other_file_than_in_python(
    library: ctypes.CDLL, mount: str, dotfiles: bool, index: str, path: str
) -> None:
    found = ctypes.create_string_buffer(4096)
    named = library.find_place(mount.encode(), dotfiles, index.encode(), path.encode("latin-1"), found)
    expected = place_in_python(mount, dotfiles, index, path)
    if named == NO_FILE:
        assert expected is None
        assert nearest_mount(mount, path) == mount
    if named == SOME_FILE:
        assert expected is not None
        assert found.value == expected.encode("utf-8", "surrogateescape")
        assert not {b"", b".", b".."} & set(found.value.split(b"/")[1:])


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/page.html", b"/page.html"),
        ("/a/b/c", b"/a/b/c"),
        ("/", b"/index.html"),
        ("/a/", b"/a/index.html"),
        ("/%70age%2ehtml", b"/page.html"),
        ("/caf%C3%A9", "/café".encode()),
        ("/.well-known/x", b"/.well-known/x"),
        ("/app2/x", b"/app2/x"),
        ("/app/x", None),
        ("/.env", NO_FILE),
        ("/a//b", NO_FILE),
        ("/a/../b", NO_FILE),
        ("/a%2fb", None),
        ("/" + "a" * 1022, b"/" + b"a" * 1022),
        ("/" + "a" * 1023, None),
        ("/" + "%61" * 400, None),
    ],
)
def test_what_is_found_in_c(library: ctypes.CDLL, path: str, expected: bytes | int | None) -> None:
    found = ctypes.create_string_buffer(4096)
    named = library.find_place(b"", False, b"index.html", path.encode("latin-1"), found)
    assert (found.value if named == SOME_FILE else named or None) == expected


# -- hosts ------------------------------------------------------------------------------------------

NAME = st.lists(st.sampled_from(["a", "B", "www", "default", ".", "..", "-"]), max_size=6).map("".join)


@given(
    st.lists(st.sampled_from(["a", "b", ".a", ".b.a", "www.a", ".www.a", "default", "."]), max_size=5),
    NAME,
    st.sampled_from(["", ":", ":80"]),
)
@example(["default"], "a" * 300, "")
@example([".a"], "b." * 125 + "a", "")
@example([".a"], "b." * 130 + "a", "")
def test_the_rule_of_a_host(library: ctypes.CDLL, hosts: list[str], name: str, port: str) -> None:
    rule = ctypes.create_string_buffer(512)
    known = (ctypes.c_char_p * (len(hosts) + 1))(*(host.encode() for host in hosts), None)
    library.host_rule(known, (name + port).encode(), rule)
    expected = find_rule(host_name(name + port), hosts)
    longest = len(host_name(name + port)) > 253
    assert rule.value.decode() == ("" if longest or expected is None else expected)


# -- what is said of a file -----------------------------------------------------------------------------


@given(st.text("ab*/.\n", max_size=8), st.text("ab/.\n", max_size=10))
def test_patterns(library: ctypes.CDLL, pattern: str, name: str) -> None:
    expected = re.compile(translate(pattern)).match(name) is not None
    assert bool(library.fits(pattern.encode(), name.encode())) == expected


HASHES = st.text("09afgAFG_.-", max_size=20)


@given(HASHES, st.sampled_from(["", ".", "-"]), HASHES, st.integers(0, 70))
@example("", ".", "3f2a9c1b", 0)
@example("", "-", "BkX3a9fQ", 0)
@example("", ".", "3F2A9C1B", 0)
def test_names_with_a_hash(library: ctypes.CDLL, before: str, mark: str, text: str, length: int) -> None:
    name = f"{before}{mark}{text}{'a' * length}.js"
    policy = CachePolicy(immutable=True)
    assert bool(library.has_hash(name.encode())) == ("immutable" in policy.field("/" + name))


@given(st.sampled_from(sorted(MEDIA_TYPES)), st.text("aAgGzZ.0", max_size=4), st.booleans())
def test_types(library: ctypes.CDLL, suffix: str, stem: str, upper: bool) -> None:
    for name in (f"{stem}.{suffix.upper() if upper else suffix}", f"{stem}{suffix}", f"{stem}.{suffix}x"):
        is_known = library.has_type(suffix.encode(), name.encode())
        expected = media_type(name)
        if is_known:
            assert expected == MEDIA_TYPES[suffix]
        elif expected == MEDIA_TYPES[suffix]:
            other = name.rpartition(".")[2].lower()
            assert other != suffix
            assert MEDIA_TYPES.get(other, UNKNOWN) == expected


def test_a_letter_that_becomes_another_in_lower_case_is_left_to_python(library: ctypes.CDLL) -> None:
    assert media_type("x.m\N{KELVIN SIGN}v") == MEDIA_TYPES["mkv"]
    assert library.has_type(b"mkv", "x.m\N{KELVIN SIGN}v".encode()) == -1


NUMBER = st.integers(0, 2**64 - 1)


@given(NUMBER, NUMBER, st.integers(-(2**63), 2**63 - 1), NUMBER, st.sampled_from(["", "zstd", "br", "gzip"]))
@example(2**64 - 1, 2**64 - 1, -(2**63), 2**64 - 1, "zstd")
def test_tags(library: ctypes.CDLL, device: int, inode: int, modified: int, size: int, coding: str) -> None:
    etag = ctypes.create_string_buffer(64)
    library.write_etag(
        ctypes.c_ulonglong(device),
        ctypes.c_ulonglong(inode),
        ctypes.c_longlong(modified),
        ctypes.c_ulonglong(size),
        coding.encode(),
        etag,
    )
    assert etag.value.decode() == _entity_tag(device, inode, modified, size, coding)


@given(st.binary(max_size=128), st.integers(1, 64))
def test_blake2(library: ctypes.CDLL, data: bytes, length: int) -> None:
    found = ctypes.create_string_buffer(64)
    library.blake2(data, ctypes.c_size_t(len(data)), found, ctypes.c_size_t(length))
    assert found.raw[:length] == hashlib.blake2b(data, digest_size=length).digest()


# -- which folders they are -------------------------------------------------------------------------------

ADMITTING = """
class Application:
    def __call__(self, environ, start_response): ...
    def skitai_admit(self, environ): ...
app = Application()
"""


def grounds(site: Path, conf: str, info: ListenerInfo | None = None) -> dict[str, str | None]:
    """For each host and mount the name of the folder that is asked, None where others are."""
    return {
        ground.host + ground.mount: None
        if ground.terms is None
        else f"{Path(os.fsdecode(ground.terms.root)).name} from {ground.folder_mount or '/'}"
        for ground in found_grounds(site, conf, info)
    }


def found_grounds(site: Path, conf: str, info: ListenerInfo | None = None) -> tuple[engine.Ground, ...]:
    site.mkdir(exist_ok=True)
    for folder in ("www", "other"):
        (site / folder).mkdir(exist_ok=True)
    (site / "plain.py").write_text("def app(environ, start_response): ...\n")
    (site / "admitting.py").write_text(ADMITTING)
    table = RouteTable.of(load(Path("x.conf"), text=conf, base=site))
    apps = {mount: MountedApp(mount.target) for mount in table.mounts if isinstance(mount.target, AppTarget)}
    for app in apps.values():
        app.load()
    folders = {
        mount: StaticFolder(
            mount.target.folder,
            Limits(),
            policy=CachePolicy(mount.options.cache_control),
            index=mount.options.index,
        )
        for mount in table.mounts
        if isinstance(mount.target, StaticTarget)
    }
    relays = {
        mount: cast(Relay, mount.target) for mount in table.mounts if isinstance(mount.target, ClusterTarget)
    }
    return grounds_of(table, Chains(apps, folders, relays), info or ListenerInfo("http", ("h", 80)), {})


def test_a_folder_is_asked_where_nobody_else_has_a_word(tmp_path: Path) -> None:
    conf = """
        [routes:line]
        / = www
        / = plain:app
        /api = plain:app
        /both = other
        /both/app = plain:app
        : a.com
        /only = www
        : b.com
        / = www
        /inner = other
    """
    assert grounds(tmp_path, textwrap.dedent(conf)) == {
        "default": "www from /",
        "default/api": None,
        "default/both": "other from /both",
        "default/both/app": None,
        "a.com": None,
        "a.com/only": "www from /only",
        "b.com": "www from /",
        "b.com/inner": "other from /inner",
    }


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ("/ = plain:app", "www from /"),
        ("/ = admitting:app", None),
        (": a.com\n[host a.com]\nredirect_to = https://b.com", "www from /"),
        ("[host default]\nhttps_only = yes", None),
        ("[mount /]\ncache_control = *.js: no-cache", "www from /"),
        ("[mount /]\ncache_control = *.?s: no-cache", None),
        ("[mount /]\ncache_control = [ab].js: no-cache", None),
    ],
)
def test_who_has_a_word(tmp_path: Path, more: str, expected: str | None) -> None:
    found = grounds(tmp_path / "site", f"[routes:line]\n/ = www\n{more}")
    assert found.pop("default") == expected
    assert not any(found.values())


def test_a_listener_may_want_https(tmp_path: Path) -> None:
    info = ListenerInfo("http", ("h", 80), https_only=True)
    assert grounds(tmp_path, "[routes:line]\n/ = www", info) == {"default": None}


def test_who_answers_errors_with_our_pages(tmp_path: Path) -> None:
    conf = """
        [routes:line]
        / = www
        /files = other
        : a.com
        / = www
        / = plain:app
        : b.com
        / = www
        : c.com
        / = www
        / = @others
        [host b.com]
        error_pages = other
        [@others]
        members = 127.0.0.1:81
    """
    found = found_grounds(tmp_path, textwrap.dedent(conf))
    assert {ground.host + ground.mount: (ground.our_errors, ground.ends) for ground in found} == {
        "default": (True, True),
        "default/files": (True, False),  # the folder at / is asked next
        "a.com": (True, False),  # so is the application
        "b.com": (False, False),
        "c.com": (True, False),  # so are other servers
    }


def test_each_refusal_has_a_page_in_each_type() -> None:
    pages = error_pages()
    assert len({(page.status, page.media_type, page.has_forms) for page in pages}) == len(pages) == 15
    for page in pages:
        assert (page.size > 0) == (page.status == 416)
        if page.size:
            assert ("Content-Range", f"bytes */{page.size}") in page.headers
            assert str(page.size).encode() in page.body
        assert ("Vary", "Accept-Encoding") in page.headers or not page.has_forms
