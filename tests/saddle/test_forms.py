"""Forms of both kinds, as browsers and libraries send them, and as nobody should."""

from __future__ import annotations

import io
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from skitai.errors import HTTPError
from skitai.limits import FormLimits
from skitai.saddle import Saddle
from skitai.saddle.body import Body
from skitai.saddle.forms import merged
from skitai.saddle.uploads import UploadedFile
from skitai.saddle.urlencoded import parse_urlencoded
from tests.saddle.asking import Reply, ask
from tests.saddle.multipartbody import BOUNDARY, CONTENT_TYPE, body, file, part, text

URLENCODED = "application/x-www-form-urlencoded"


class Site:
    """An application whose handler hands its request to ``look``; what it saw is in ``seen``."""

    def __init__(self, look: Callable[[Any], Any]) -> None:
        self.app = Saddle(__name__)
        self.seen: Any = None

        @self.app.route("/")
        def index(was):
            self.seen = look(was.request)
            return "seen"

    def post(self, data: bytes, content_type: str = URLENCODED, **environ: Any) -> Reply:
        return ask(self.app, "/", "POST", data, CONTENT_TYPE=content_type, **environ)


@pytest.fixture
def site() -> Site:
    return Site(lambda request: request.form())


def content_of(value: Any) -> Any:
    if isinstance(value, list):
        return [content_of(item) for item in value]
    return (value.name, value.mimetype, value.read()) if isinstance(value, UploadedFile) else value


@pytest.fixture
def contents() -> Site:
    return Site(lambda request: {name: content_of(value) for name, value in request.form().items()})


# -- url-encoded -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "form"),
    [
        (b"", {}),
        (b"&&", {}),
        (b"a=1&b=2", {"a": "1", "b": "2"}),
        (b"a=1&a=2&a=3", {"a": ["1", "2", "3"]}),
        (b"a+b=c+d%2Be", {"a b": "c d+e"}),
        (b"a=b=c", {"a": "b=c"}),
        (b"a", {"a": ""}),
        (b"=a", {"": "a"}),
        (b"a=%EA%B0%80", {"a": "가"}),
        ("a=가".encode(), {"a": "가"}),
        (b"a=%FF%", {"a": "�%"}),
        (b"a=%zz;b=1", {"a": "%zz;b=1"}),
        (b"a=%EF%BB%BFx", {"a": "\ufeffx"}),
        (b"_charset_=iso-8859-1&a=%E9", {"_charset_": "iso-8859-1", "a": "é"}),
        (b"_charset_=utf-7&a=%E9", {"_charset_": "utf-7", "a": "�"}),
    ],
)
def test_url_encoded_as_the_url_standard_says(site, data, form):
    assert site.post(data).code == 200
    assert site.seen == form


@pytest.mark.parametrize(("charset", "encoded"), [("euc-kr", b"%B0%A1"), ('"UTF-8"', b"%EA%B0%80")])
def test_the_charset_of_the_content_type(site, charset, encoded):
    assert site.post(b"a=" + encoded, f"{URLENCODED}; charset={charset}").code == 200
    assert site.seen == {"a": "가"}


@pytest.mark.parametrize("charset", ["klingon", "punycode", "zip", "utf-16", "\0"])
def test_a_charset_that_forms_do_not_have_is_415(site, charset):
    reply = site.post(b"a=1", f"{URLENCODED}; charset={charset}")
    assert reply.code == 415
    assert "none that forms have" in reply.text


@given(st.lists(st.tuples(st.text(), st.text())))
def test_what_the_standard_library_encodes_is_read_back(pairs):
    encoded = urlencode(pairs, errors="replace").encode()
    wanted = [(name.encode("utf-8", "replace").decode(), value) for name, value in pairs]
    wanted = [(name, value.encode("utf-8", "replace").decode()) for name, value in wanted]
    assert parse_urlencoded(encoded, 1000) == wanted


@given(st.text(alphabet="a=&+%41zéf;", max_size=60))
def test_it_agrees_with_the_standard_library(data):
    assert parse_urlencoded(data.encode(), 1000) == parse_qsl(data, keep_blank_values=True)


# -- multipart ---------------------------------------------------------------------------------


def test_texts_and_files(contents):
    data = body(
        text("submit-hidden", "Genious"),
        text("submit-name", "Hans Röh"),
        file("file", "a b.txt", b"one\r\n--\r\ntwo", "text/plain; charset=latin-1"),
        file("none", "", b"", "application/octet-stream"),
        file("empty", "empty.bin", b"", "application/x-empty"),
        file("nameless", "", b"data", "image/png"),
    )
    assert contents.post(data, CONTENT_TYPE).code == 200
    assert contents.seen == {
        "submit-hidden": "Genious",
        "submit-name": "Hans Röh",
        "file": ("a b.txt", "text/plain", b"one\r\n--\r\ntwo"),
        "none": "",
        "empty": ("empty.bin", "application/x-empty", b""),
        "nameless": ("", "image/png", b"data"),
    }


def test_several_of_one_name_are_a_list(contents):
    data = body(file("f", "1", b"1"), text("t", "a"), file("f", "2", b"2"), text("t", "b"), text("f", "x"))
    assert contents.post(data, CONTENT_TYPE).code == 200
    assert contents.seen == {
        "f": [("1", "text/plain", b"1"), ("2", "text/plain", b"2"), "x"],
        "t": ["a", "b"],
    }


def test_no_parts_are_no_fields(site):
    assert site.post(body(), CONTENT_TYPE).code == 200
    assert site.seen == {}


def test_names_and_texts_in_other_charsets(contents):
    latin = part('Content-Disposition: form-data; name="naïf"', "café".encode("latin-1"), "latin-1")
    charset = text("_charset_", "windows-1252")
    assert contents.post(body(latin, charset), CONTENT_TYPE).code == 200
    assert contents.seen == {"naïf": "café", "_charset_": "windows-1252"}
    own = part(
        'Content-Disposition: form-data; name="t"\r\nContent-Type: text/plain; charset=koi8-r',
        "Да".encode("koi8-r"),
    )
    assert contents.post(body(own, file("f", "가.txt", b"")), CONTENT_TYPE).code == 200
    assert contents.seen == {"t": "Да", "f": ("가.txt", "text/plain", b"")}


def test_what_requests_sends(contents):
    request = requests.Request(
        "POST",
        "http://a/",
        data=[("name", "Ünï"), ("tag", "a"), ("tag", "b")],
        files=[("f", ("größe.bin", b"\0" * 100_000, "image/png"))],
    ).prepare()
    assert contents.post(request.body, request.headers["Content-Type"]).code == 200
    assert contents.seen == {
        "name": "Ünï",
        "tag": ["a", "b"],
        "f": ("größe.bin", "image/png", b"\0" * 100_000),
    }


@pytest.mark.parametrize(
    ("data", "content_type"),
    [
        (b"", CONTENT_TYPE),
        (b"no form at all", CONTENT_TYPE),
        (body(text("a", "1"))[:-4], CONTENT_TYPE),
        (body(text("a", "1"))[:-20], CONTENT_TYPE),
        (body(part("Content-Disposition: form-data", b"nameless")), CONTENT_TYPE),
        (body(part('Content-Disposition: attachment; name="a"', b"")), CONTENT_TYPE),
        (body(part("Content-Type: text/plain", b"")), CONTENT_TYPE),
        (body(part("no head", b"")), CONTENT_TYPE),
        (body(text("a", "1")).replace(b"\r\n", b"\n"), CONTENT_TYPE),
        (body(text("a", "1")), "multipart/form-data"),
        (body(text("a", "1")), "multipart/form-data; boundary="),
        (body(text("a", "1")), f"multipart/form-data; boundary={'x' * 71}"),
        (body(text("a", "1")), "multipart/form-data; boundary=other"),
        (body(text("a", "1")), 'multipart/form-data; boundary="a\tb"'),
    ],
)
def test_what_is_no_multipart_form_is_400(site, data, content_type):
    reply = site.post(data, content_type)
    assert reply.code == 400
    assert site.seen is None


def test_a_body_that_is_no_form_has_no_fields(site):
    assert site.post(b'{"a": 1}', "application/json").code == 200
    assert site.seen == {}


# -- limits ------------------------------------------------------------------------------------

LIMITS: list[tuple[str, int, bytes, str]] = [
    ("form_max", 10, b"a=123456789", URLENCODED),
    ("form_fields_max", 2, b"a&b&c", URLENCODED),
    ("form_max", 10, body(text("a", "12345"), text("b", "678901")), CONTENT_TYPE),
    ("form_fields_max", 2, body(*[text("a", "")] * 3), CONTENT_TYPE),
    ("form_fields_max", 2, body(*[file("a", "", b"")] * 3), CONTENT_TYPE),
    ("upload_max", 300, body(file("a", "a", b"x" * 200)), CONTENT_TYPE),
    ("upload_file_max", 10, body(file("a", "a", b"12345678901")), CONTENT_TYPE),
    ("upload_files_max", 2, body(*[file("a", "a", b"")] * 3), CONTENT_TYPE),
]


@pytest.mark.parametrize("length", [True, False])
@pytest.mark.parametrize(("name", "limit", "data", "content_type"), LIMITS)
def test_beyond_a_limit_is_413_which_names_it(site, name, limit, data, content_type, length):
    setattr(site.app.limits, name, limit)
    environ = {} if length else {"CONTENT_LENGTH": "", "wsgi.input_terminated": True}
    reply = site.post(data, content_type, **environ)
    assert reply.code == 413
    assert f"{name} allows ({limit}" in reply.text
    assert site.seen is None
    setattr(site.app.limits, name, getattr(FormLimits(), name))
    assert site.post(data, content_type, **environ).code == 200


@pytest.mark.parametrize("head", ["X: " + "a" * 5000, "\r\n".join(["X: a"] * 9)])
def test_the_head_of_a_part_is_bounded(site, head):
    reply = site.post(body(part(head, b"")), CONTENT_TYPE)
    assert reply.code == 413
    assert "head of a part" in reply.text


def test_the_limits_have_the_names_and_sizes_of_the_documentation():
    app = Saddle(__name__)
    assert app.limits == FormLimits()
    assert app.upload_file_max_size == 20 << 20
    app.upload_file_max_size = 1
    assert app.limits.upload_file_max == 1
    with pytest.raises(AttributeError):
        app.limits.upload_maximum = 1


# -- bodies ------------------------------------------------------------------------------------


def test_the_body_is_there_behind_a_form_where_the_server_keeps_it():
    site = Site(lambda request: (request.form(), request.get_body(), request.form(), request.get_body()))
    assert site.post(b"a=1").code == 200
    assert site.seen == ({"a": "1"}, b"a=1", {"a": "1"}, b"a=1")


def test_a_form_is_read_from_a_body_that_was_read():
    site = Site(lambda request: (request.get_body(), content_of(request.form()["f"])))
    data = body(file("f", "a", b"x"))
    assert site.post(data, CONTENT_TYPE).code == 200
    assert site.seen == (data, ("a", "text/plain", b"x"))


def test_a_multipart_body_is_read_once_where_the_server_keeps_nothing():
    site = Site(lambda request: (request.form(), request.get_body()))
    with pytest.raises(RuntimeError, match="before form"):
        site.post(body(text("a", "1")), CONTENT_TYPE)


@pytest.mark.parametrize(
    ("length", "why"),
    [("5", "shorter than"), ("-1", "no number"), ("x", "no number"), ("1" * 19, "no number")],
)
def test_a_content_length_that_is_not_kept_to_is_400(length, why):
    with pytest.raises(HTTPError, match=f"400 .*{why}"):
        Body({"wsgi.input": io.BytesIO(b"a=1"), "CONTENT_LENGTH": length}).read_all(10, "form_max")


@pytest.mark.parametrize(("length", "read"), [("2", b"a="), ("0", b""), ("", b""), (None, b"")])
def test_nothing_is_read_behind_the_content_length(length, read):
    assert Body({"wsgi.input": io.BytesIO(b"a=1"), "CONTENT_LENGTH": length}).read_all() == read


@pytest.mark.parametrize(
    ("first", "second", "both"),
    [
        ({}, {"a": "1"}, {"a": "1"}),
        ({"a": "1"}, {"b": "2"}, {"a": "1", "b": "2"}),
        ({"a": "1"}, {"a": "2"}, {"a": ["1", "2"]}),
        ({"a": ["1", "2"]}, {"a": ["3"]}, {"a": ["1", "2", "3"]}),
    ],
)
def test_a_name_in_query_and_form_has_all_values(first, second, both):
    assert merged(first, second) == both


# -- without the package -----------------------------------------------------------------------


def test_a_missing_package_is_named(site, monkeypatch):
    monkeypatch.setitem(sys.modules, "multipart", None)
    with pytest.raises(ImportError, match=r"needs the package multipart.*skitai\[forms\]"):
        site.post(body(text("a", "1")), CONTENT_TYPE)


def test_a_package_of_the_same_name_is_named(site, monkeypatch):
    monkeypatch.setitem(sys.modules, "multipart", types.ModuleType("multipart"))
    with pytest.raises(ImportError, match="python-multipart stands in its place"):
        site.post(body(text("a", "1")), CONTENT_TYPE)


# -- fuzz --------------------------------------------------------------------------------------

ATOMS = [
    b"--" + BOUNDARY.encode(),
    b"--",
    b"\r\n",
    b"\n",
    b"\r",
    b"\r\n\r\n",
    b'Content-Disposition: form-data; name="a"',
    b'Content-Disposition: form-data; name="_charset_"',
    b'Content-Disposition: form-data; name=a; filename="..\\..\\a%22\xff.txt"',
    b"; filename=x",
    b"Content-Type: text/plain; charset=",
    b"Content-Length: 3",
    b"iso2022_jp",
    b"big5",
    b"\xa1\x1b$B\xff",
    b"a=1&%zz=+",
    b"&_charset_=",
    b"x" * 5000,
    b" ",
    b"\x00\xff\x85\xa0",
]
BODIES = st.lists(st.sampled_from(ATOMS) | st.binary(max_size=8), max_size=24).map(b"".join)
PARTS = st.lists(
    st.tuples(st.lists(st.sampled_from(ATOMS[5:]), max_size=4).map(b"\r\n".join), st.binary(max_size=20)),
    max_size=5,
).map(
    lambda parts: (
        b"".join(
            b"--" + BOUNDARY.encode() + b"\r\n" + head + b"\r\n\r\n" + data + b"\r\n" for head, data in parts
        )
        + f"--{BOUNDARY}--".encode()
    )
)


@given(BODIES | PARTS, st.sampled_from([CONTENT_TYPE, URLENCODED, f"{URLENCODED}; charset=big5"]))
def test_no_form_is_a_failure_of_the_server(tmp_path_factory, data, content_type):
    folder = tmp_path_factory.getbasetemp()
    site = Site(lambda request: [value.save(folder) for value in _files(request.form())])
    reply = site.post(data, content_type)
    assert reply.code in (200, 400, 413)
    for path in site.seen or ():
        assert Path(path).parent == folder


def _files(form: dict[str, Any]) -> list[UploadedFile]:
    values = [value for held in form.values() for value in (held if isinstance(held, list) else [held])]
    return [value for value in values if isinstance(value, UploadedFile)]


@given(
    st.text(max_size=80)
    | st.sampled_from([URLENCODED, CONTENT_TYPE]).flatmap(
        lambda kind: st.text(max_size=20).map(lambda rest: kind + rest)
    )
)
def test_no_content_type_is_a_failure_of_the_server(content_type):
    site = Site(lambda request: request.form())
    latin = content_type.encode("utf-8", "replace").decode("latin-1")
    assert site.post(b"a=1", latin, **{"wsgi.input": io.BytesIO(b"a=1")}).code in (200, 400, 413, 415)


def test_http_error_is_what_parsers_raise():
    with pytest.raises(HTTPError, match="form_fields_max"):
        parse_urlencoded(b"a&b", 1)
