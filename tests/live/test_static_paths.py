"""Which paths lead to files, and that none leads out of the folder, in both builds."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.program import LiveServer, Serve
from tests.live.static_site import BUILDS, cases, serve_site, write
from tests.live.wire import Wire

SECRET = b"only the server may read this"

FILES = {
    "www/index.html": b"home",
    "www/page.html": b"page",
    "www/sub/index.htm": b"sub",
    "www/sub/deep/x.txt": b"deep",
    "www/bare/x.txt": b"bare",
    "www/.env": SECRET,
    "www/.git/config": SECRET,
    "www/sub/.htpasswd": SECRET,
    "www/.well-known/acme": b"known",
    "www/.well-known/.hidden": SECRET,
    "www/a b+c.txt": b"plus",
    "www/a%20b.txt": b"percent",
    "www/caf\u00e9 \u2603.txt": b"utf-8",
    "www/semi;colon=1,2.txt": b"semicolon",
    "www/~user/x.txt": b"tilde",
    "www/...": b"three dots",
    "www-secret/x.txt": SECRET,
    "secret.txt": SECRET,
}
LINKS = {
    "www/inside.txt": "sub/deep/x.txt",
    "www/folder": "sub",
    "www/chain": "inside.txt",
    "www/hidden.txt": ".well-known/acme",
    "www/out.txt": "../secret.txt",
    "www/up": "..",
    "www/beside": "../www-secret",
    "www/absolute.txt": "/etc/passwd",
    "www/loop": "loop",
    "www/astray": "nowhere",
    "www/through": "up/secret.txt",
}
CONF = """
[routes:line]
/ = www
/any = www
/dots = www
[mount /any]
follow_links = any
[mount /dots]
dotfiles = yes
"""


@pytest.fixture(scope="module", params=BUILDS)
def server(request: pytest.FixtureRequest, serve_conf_module: Serve, module_path: Path) -> LiveServer:
    for name, content in FILES.items():
        write(module_path / name, content)
    write(module_path / os.fsdecode(b"www/latin-\xe9.txt"), b"latin-1")
    for name, target in LINKS.items():
        if not (module_path / name).is_symlink():
            (module_path / name).symlink_to(target)
    return serve_site(serve_conf_module, module_path, request.param, CONF, {})


@pytest.fixture
def wire(server: LiveServer) -> Iterator[Wire]:
    with server.connect() as wire:
        yield wire


PATHS = """
# target                              status  body, or where to

/                                     200     home
/index.html                           200     home
/page.html                            200     page
/page.html?v=1&path=/etc/passwd       200     page
/sub                                  301     /sub/
/sub?a=b                              301     /sub/?a=b
/sub/                                 200     sub
/sub/deep/x.txt                       200     deep
/bare                                 404     -
/bare/                                404     -
/page.html/                           404     -
/page.html/x                          404     -
/none                                 404     -
http://testserver/page.html           200     page

# escapes, decoded once
/%70age.html                          200     page
/sub%2Fdeep/x.txt                     200     deep
/a%20b+c.txt                          200     plus
/a b+c.txt                            400     -
/a%2520b.txt                          200     percent
/caf%C3%A9%20%E2%98%83.txt            200     utf-8
/caf%c3%a9%20%e2%98%83.txt            200     utf-8
/latin-%E9.txt                        200     latin-1
/semi;colon=1,2.txt                   200     semicolon
/~user/x.txt                          200     tilde
/%7Euser/x.txt                        200     tilde
/page.html%00                         400     -
/page.html%00.txt                     400     -
/page%2ehtml                          200     page
/page.html%                           404     -
/page.html%zz                         404     -

# nothing above the folder, however it is written
/../secret.txt                        404     -
/sub/../../secret.txt                 404     -
/sub/../page.html                     404     -
/./page.html                          404     -
/sub/./index.htm                      404     -
/%2e%2e/secret.txt                    404     -
/%2e%2e%2fsecret.txt                  404     -
/..%2fsecret.txt                      404     -
/.%2e/secret.txt                      404     -
/%252e%252e/secret.txt                404     -
/..%252fsecret.txt                    404     -
/..%c0%afsecret.txt                   404     -
/%c0%ae%c0%ae/secret.txt              404     -
/..\\secret.txt                       404     -
/..%5csecret.txt                      404     -
/%5c..%5csecret.txt                   404     -
/..;/secret.txt                       404     -
/....//secret.txt                     404     -
/..                                   404     -
/%2e%2e                               404     -
/sub/..                               404     -
//secret.txt                          404     -
//etc/passwd                          404     -
///page.html                          404     -
/sub//index.htm                       404     -
/%2fetc%2fpasswd                      404     -
/sub/deep/../../../secret.txt         404     -
/../www-secret/x.txt                  404     -
http://testserver/../secret.txt       404     -

# hidden names
/.env                                 404     -
/%2eenv                               404     -
/.git/config                          404     -
/.git                                 404     -
/.git/                                404     -
/sub/.htpasswd                        404     -
/...                                  404     -
/.well-known/acme                     200     known
/.well-known/.hidden                  404     -

# links: those that stay inside
/inside.txt                           200     deep
/chain                                200     deep
/folder/                              200     sub
/folder/deep/x.txt                    200     deep
/hidden.txt                           200     known
/out.txt                              404     -
/up/secret.txt                        404     -
/up/www/page.html                     200     page
/beside/x.txt                         404     -
/absolute.txt                         404     -
/loop                                 404     -
/astray                               404     -
/through                              404     -

# follow_links = any
/any/inside.txt                       200     deep
/any/out.txt                          200     only the server may read this
/any/up/secret.txt                    200     only the server may read this
/any/beside/x.txt                     200     only the server may read this
/any/loop                             404     -
/any/astray                           404     -
/any/../secret.txt                    404     -
/any/.env                             404     -

# dotfiles = yes
/dots/.env                            200     only the server may read this
/dots/.git/config                     200     only the server may read this
/dots/...                             200     three dots
/dots/../secret.txt                   404     -
/dots/.                               404     -
/dots/./.env                          404     -
/dots/out.txt                         404     -
"""


@pytest.mark.parametrize(("target", "status", "body"), cases(PATHS, 3))
def test_a_path(wire: Wire, target: str, status: str, body: str) -> None:
    reply = wire.get(target)
    assert reply.status == int(status)
    if reply.status == 301:
        assert reply.get("Location") == body
    elif reply.status == 200:
        assert reply.text == body
    else:
        assert SECRET not in reply.body
