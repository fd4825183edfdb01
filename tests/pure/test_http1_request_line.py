"""Request lines, targets and Host: RFC 9112 section 3, RFC 9110 sections 4 and 7."""

from __future__ import annotations

import pytest

from tests.pure.http1_talk import get, head_of, hear, refusal, server


def test_the_parts_of_an_origin_form_request():
    head = head_of(b"GET /a%20b/c?d=e&f HTTP/1.1\r\nHost: Example.COM:8080\r\nX-A:\t 1 \t\r\n\r\n")
    assert (head.method, head.target, head.http_version) == ("GET", "/a%20b/c?d=e&f", "1.1")
    assert (head.form, head.scheme, head.host) == ("origin", "", "example.com:8080")
    assert (head.path, head.query) == ("/a%20b/c", "d=e&f")
    assert head.headers == [("Host", "Example.COM:8080"), ("X-A", "1")]
    assert head.content_length is None
    assert not head.chunked
    assert head.keep_alive
    assert not head.expect_continue
    assert not head.has_body


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        ("/", "/", ""),
        ("/?", "/", ""),
        ("/?a?b", "/", "a?b"),
        ("//evil/x", "//evil/x", ""),
        ("/%zz", "/%zz", ""),
        ('/"<>\\^`{|}', '/"<>\\^`{|}', ""),
        ("/http://x/", "/http://x/", ""),
    ],
)
def test_origin_form_keeps_path_and_query_raw(target, path, query):
    head = head_of(get(line=f"GET {target} HTTP/1.1"))
    assert (head.form, head.path, head.query) == ("origin", path, query)


@pytest.mark.parametrize(
    ("target", "scheme", "host", "path", "query"),
    [
        ("http://Other:81/p?q", "http", "other:81", "/p", "q"),
        ("HTTPS://other", "https", "other", "/", ""),
        ("http://other?q", "http", "other", "/", "q"),
        ("http://[2001:DB8::1]:80/", "http", "[2001:db8::1]:80", "/", ""),
        ("http://a%20b/", "http", "a%20b", "/", ""),
    ],
)
def test_absolute_form_wins_over_host(target, scheme, host, path, query):
    """RFC 9112 section 3.2.2."""
    head = head_of(get(line=f"GET {target} HTTP/1.1"))
    assert (head.form, head.scheme, head.host) == ("absolute", scheme, host)
    assert (head.path, head.query) == (path, query)


def test_absolute_form_still_needs_host():
    assert refusal(get(line="GET http://other/ HTTP/1.1", host=False))[0] == 400


def test_asterisk_form_is_for_options_only():
    """RFC 9112 section 3.2.4."""
    head = head_of(get(line="OPTIONS * HTTP/1.1"))
    assert (head.form, head.path) == ("asterisk", "*")
    assert refusal(get(line="GET * HTTP/1.1"))[0] == 400


def test_options_for_a_uri_without_path_is_for_the_server():
    """RFC 9112 section 3.2.4, the example with a proxy before us."""
    assert head_of(get(line="OPTIONS http://h:8001 HTTP/1.1")).path == "*"
    assert head_of(get(line="OPTIONS http://h:8001/ HTTP/1.1")).path == "/"


@pytest.mark.parametrize("target", ["example.com:443", "[::1]:1", "1.2.3.4:65535"])
def test_authority_form_is_for_connect(target):
    """RFC 9112 section 3.2.3."""
    head = head_of(get(line=f"CONNECT {target} HTTP/1.1"))
    assert (head.form, head.host, head.path) == ("authority", target, "")
    assert refusal(get(line=f"GET {target} HTTP/1.1"))[0] == 400


@pytest.mark.parametrize(
    "target",
    ["example.com", "example.com:", ":443", "h:0", "h:65536", "h:99999999", "h:4x", "/", "*", "[::1]"],
)
def test_connect_needs_host_and_port(target):
    """RFC 9110 section 9.3.6."""
    assert refusal(get(line=f"CONNECT {target} HTTP/1.1"))[0] == 400


@pytest.mark.parametrize(
    "target",
    [
        "http://user@h/",
        "http://u:p@h/",
        "http:///p",
        "http://:80/",
        "ftp://h/",
        "http:/h",
        "h",
        "http://[::g]/",
    ],
)
def test_targets_that_are_refused(target):
    """RFC 9110 section 4.2: no user information, no empty host; no other scheme is served."""
    assert refusal(get(line=f"GET {target} HTTP/1.1"))[0] == 400


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("GET  / HTTP/1.1", 400),
        ("GET /  HTTP/1.1", 400),
        ("GET / HTTP/1.1 ", 400),
        (" GET / HTTP/1.1", 400),
        ("GET\t/ HTTP/1.1", 400),
        ("GET /a b HTTP/1.1", 400),
        ("GET /", 400),
        ("GET", 400),
        ("GET / http/1.1", 400),
        ("GET / HTTP/1.1x", 400),
        ("GET / HTTP/11", 400),
        ("GET / HTTP/1.10", 400),
        ("GET / HTTP/+1.1", 400),
        ("GET / HTTPS/1.1", 400),
        ("GET / HTTP/2.0", 505),
        ("GET / HTTP/0.9", 505),
        ("PRI * HTTP/2.0", 505),
        ("G(T / HTTP/1.1", 400),
        ("GET /#f HTTP/1.1", 400),
        ("GET /\x00 HTTP/1.1", 400),
        ("GET /\x7f HTTP/1.1", 400),
        ("GET /\xe9 HTTP/1.1", 400),
        ("GET /a\rb HTTP/1.1", 400),
        ("GET / HTTP/1.1\r", 400),
    ],
)
def test_bad_request_lines(line, status):
    """RFC 9112 sections 2.3 and 3.  The line is refused before a field has come."""
    assert refusal(f"{line}\r\n".encode("latin-1"))[0] == status


@pytest.mark.parametrize(("minor", "version"), [(0, "1.0"), (1, "1.1"), (2, "1.1"), (9, "1.1")])
def test_higher_minor_versions_count_as_1_1(minor, version):
    """RFC 9110 section 2.5."""
    assert head_of(get(line=f"GET / HTTP/1.{minor}")).http_version == version


def test_methods_are_any_token_in_their_own_case():
    assert head_of(get(line="get / HTTP/1.1")).method == "get"
    assert head_of(get(line="M-SEARCH! / HTTP/1.1")).method == "M-SEARCH!"


@pytest.mark.parametrize("raw", [b"GET / HTTP/1.1\nHost: h\n\n", b"\nGET / HTTP/1.1\r\nHost: h\r\n\r\n"])
def test_a_bare_lf_ends_no_line(raw):
    """RFC 9112 section 2.2 lets a recipient accept it; we do not."""
    assert refusal(raw)[0] == 400


def test_one_empty_line_before_a_request_is_skipped():
    """RFC 9112 section 2.2; old clients sent one behind a POST."""
    heard = hear(b"\r\n" + get() + b"\r\n" + get())
    assert len(heard.heads) == 2
    assert refusal(b"\r\n\r\n" + get())[0] == 400
    assert refusal(b"\rGET / HTTP/1.1\r\n")[0] == 400


def test_what_cannot_begin_a_request_is_refused_at_its_first_byte():
    tls_hello = b"\x16\x03\x01"
    assert refusal(tls_hello) == (400, "a message cannot begin with byte 0x16 (RFC 9112 section 2.1)")


def test_the_longest_request_line():
    """RFC 9112 section 3: 414."""
    line = "GET /" + "a" * 91 + " HTTP/1.1"
    assert len(line) == 105
    assert head_of(get(line=line), request_line_max=105)
    assert refusal(get(line=line), request_line_max=104)[0] == 414


def test_414_does_not_wait_for_the_end_of_the_line():
    connection = server(request_line_max=100)
    assert hear(b"GET /" + b"a" * 96, connection=connection).refusal is None
    assert hear(b"a", connection=connection).refusal[0] == 414


@pytest.mark.parametrize(
    "host",
    [
        "",
        "h",
        "H:80",
        "h:",
        "1.2.3.4",
        "[::1]",
        "[::ffff:1.2.3.4]:8080",
        "[v1.a:b]",
        "a_b-c.d~",
        "a%2Db",
        "x,y",
    ],
)
def test_valid_hosts(host):
    """RFC 9112 section 3.2, RFC 3986 section 3.2.2."""
    assert head_of(get(f"Host: {host}", host=False)).host == host.lower()


@pytest.mark.parametrize(
    "host",
    [
        "a b",
        "a/b",
        "u@h",
        "h:8x",
        "h:1:2",
        "::1",
        "[::1",
        "[::1]x",
        "[:::1]",
        "[fe80::1%25eth0]",
        "a%2",
        "h\xe9",
        "<h>",
    ],
)
def test_invalid_hosts(host):
    assert refusal(get(f"Host: {host}", host=False))[0] == 400
    assert refusal(get(f"Host: {host}", host=False, line="GET / HTTP/1.0"))[0] == 400


def test_host_is_needed_once():
    assert refusal(get(host=False))[0] == 400
    assert refusal(get("Host: h"))[0] == 400
    assert refusal(get("host: other", line="GET / HTTP/1.0"))[0] == 400
    assert head_of(get(host=False, line="GET / HTTP/1.0")).host == ""
