"""The opening handshake, both ends: RFC 6455 section 4, RFC 7692 section 7.1."""

from __future__ import annotations

import pytest

from skitai._kernels import http1, websocket
from skitai.errors import RemoteProtocolError
from skitai.limits import Limits

GOOD = {
    "Host": "server.example.com",
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version": "13",
}


def request(
    line: str = "GET /chat HTTP/1.1", *further: tuple[str, str], **changes: str | None
) -> http1.RequestHead:
    """The sample of section 1.3, with changes (None leaves a field out) and further fields."""
    fields = {**GOOD, **{name.replace("_", "-"): value for name, value in changes.items()}}
    lines = [f"{name}: {value}" for name, value in [*fields.items(), *further] if value is not None]
    kernel = http1.ServerConnection(Limits())
    kernel.receive_data("\r\n".join([line, *lines, "", ""]).encode("latin-1"))
    head = kernel.next_event()
    assert isinstance(head, http1.RequestHead)
    return head


def response(asking: websocket.Asking, status: int = 101, **changes: str | None) -> http1.ResponseHead:
    """What a good server answers, with changes."""
    asked = dict(asking.fields)
    accepted = websocket.accept(request(Sec_WebSocket_Key=asked["Sec-WebSocket-Key"]))
    fields = {**dict(accepted.fields), "Connection": "Upgrade"}
    fields.update({name.replace("_", "-"): value for name, value in changes.items()})
    kernel = http1.ClientConnection(Limits())
    kernel.send_request("GET", "/chat", [("Host", "server"), *asking.fields])
    kernel.end_of_message()
    head = [
        f"HTTP/1.1 {status} OK",
        *(f"{name}: {value}" for name, value in fields.items() if value is not None),
    ]
    kernel.receive_data("\r\n".join([*head, "", ""]).encode())
    event = kernel.next_event()
    assert isinstance(event, http1.ResponseHead)
    return event


def test_the_sample_of_the_rfc() -> None:
    opened = websocket.accept(request())
    assert opened == websocket.Opened(
        None, None, [("Upgrade", "websocket"), ("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")]
    )


@pytest.mark.parametrize(
    "head",
    [
        request(Upgrade="WebSocket"),
        request(Upgrade="h2c, websocket"),
        request(Connection="keep-alive, upgrade"),
        request("GET /chat HTTP/1.1", ("Content-Length", "0")),
    ],
)
def test_other_spellings_are_good_too(head: http1.RequestHead) -> None:
    assert websocket.is_asked_for(head)
    assert websocket.accept(head).fields[0] == ("Upgrade", "websocket")


@pytest.mark.parametrize(
    ("head", "status", "words"),
    [
        (request("POST /chat HTTP/1.1"), 405, "by GET"),
        (request("GET /chat HTTP/1.0"), 400, "needs HTTP/1.1"),
        (request("GET /chat HTTP/1.1", ("Content-Length", "1")), 400, "has a body"),
        (request(Upgrade=None), 426, "Upgrade does not ask"),
        (request(Upgrade="websockets"), 426, "Upgrade does not ask"),
        (request(Connection=None), 400, "Connection does not say"),
        (request(Connection="keep-alive"), 400, "Connection does not say"),
        (request(Sec_WebSocket_Version=None), 426, "is not 13"),
        (request(Sec_WebSocket_Version="8"), 426, "is not 13"),
        (request("GET / HTTP/1.1", ("Sec-WebSocket-Version", "13")), 426, "is not 13"),
        (request(Sec_WebSocket_Key=None), 400, "16 bytes"),
        (request(Sec_WebSocket_Key="dGhlIHNhbXBsZSBub25jZQ="), 400, "16 bytes"),
        (request(Sec_WebSocket_Key="dGhlIHNhbXBsZSBub25jZQ==AAAA"), 400, "16 bytes"),
        (request("GET / HTTP/1.1", ("Sec-WebSocket-Key", GOOD["Sec-WebSocket-Key"])), 400, "16 bytes"),
        (request(Sec_WebSocket_Protocol="chat, chat"), 400, "different names"),
        (request(Sec_WebSocket_Protocol="a b"), 400, "different names"),
        (request(Sec_WebSocket_Extensions="permessage-deflate; "), 400, "cannot be read"),
        (request(Sec_WebSocket_Extensions="a b"), 400, "cannot be read"),
    ],
)
def test_what_is_no_handshake(head: http1.RequestHead, status: int, words: str) -> None:
    with pytest.raises(RemoteProtocolError, match=words) as caught:
        websocket.accept(head)
    assert caught.value.status == status


@pytest.mark.parametrize(
    ("offered", "ours", "chosen"),
    [
        ("chat, superchat", ("superchat", "chat"), "chat"),
        ("chat", ("other",), None),
        ("chat", (), None),
        (None, ("chat",), None),
    ],
)
def test_the_clients_order_decides_about_the_subprotocol(
    offered: str | None, ours: tuple[str, ...], chosen: str | None
) -> None:
    opened = websocket.accept(request(Sec_WebSocket_Protocol=offered), ours)
    assert opened.subprotocol == chosen
    assert dict(opened.fields).get("Sec-WebSocket-Protocol") == chosen


@pytest.mark.parametrize(
    ("offer", "answer", "agreement"),
    [
        ("permessage-deflate", "; server_max_window_bits=12", (True, True, 12, 15)),
        (
            "permessage-deflate; client_max_window_bits",
            "; server_max_window_bits=12; client_max_window_bits=12",
            (True, True, 12, 12),
        ),
        (
            'permessage-deflate; client_max_window_bits="10"; server_max_window_bits=9',
            "; server_max_window_bits=9; client_max_window_bits=10",
            (True, True, 9, 10),
        ),
        (
            "permessage-deflate; server_no_context_takeover;client_no_context_takeover",
            "; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=12",
            (False, False, 12, 15),
        ),
        ("unknown, permessage-deflate", "; server_max_window_bits=12", (True, True, 12, 15)),
        (
            "permessage-deflate; server_max_window_bits=7, permessage-deflate; server_max_window_bits=8",
            "; server_max_window_bits=8",
            (True, True, 8, 15),
        ),
        ("unknown", None, None),
        ("permessage-deflate; unknown", None, None),
        ("permessage-deflate; server_no_context_takeover=1", None, None),
        ("permessage-deflate; server_max_window_bits", None, None),
        ("permessage-deflate; server_max_window_bits=08", None, None),
        ("permessage-deflate; server_max_window_bits=16", None, None),
        ("permessage-deflate; client_max_window_bits=8; client_max_window_bits=8", None, None),
    ],
)
def test_compression_is_agreed_upon(
    offer: str, answer: str | None, agreement: tuple[bool, bool, int, int] | None
) -> None:
    opened = websocket.accept(request(Sec_WebSocket_Extensions=offer), deflate_window=12)
    said = dict(opened.fields).get("Sec-WebSocket-Extensions")
    assert said == (None if answer is None else f"permessage-deflate{answer}")
    assert opened.deflate == (None if agreement is None else websocket.Agreement(*agreement))


def test_the_window_is_one_that_zlib_can_write() -> None:
    opened = websocket.accept(request(Sec_WebSocket_Extensions="permessage-deflate"), deflate_window=1)
    assert opened.deflate == websocket.Agreement(True, True, 9, 15)


def test_compression_can_be_off() -> None:
    opened = websocket.accept(request(Sec_WebSocket_Extensions="permessage-deflate"), deflate_window=0)
    assert opened.deflate is None
    assert "permessage-deflate" not in str(websocket.Asking().fields)


@pytest.mark.parametrize(
    ("origin", "scheme", "host", "same"),
    [
        ("http://example.com", "http", "example.com", True),
        ("http://example.com", "http", "example.com:80", True),
        ("https://example.com:443", "https", "example.com", True),
        ("http://EXAMPLE.com:8080", "http", "example.com:8080", True),
        ("http://example.com:8080", "http", "example.com", False),
        ("http://example.com", "https", "example.com", False),
        ("http://example.com.evil.org", "http", "example.com", False),
        ("http://evil.org/example.com", "http", "example.com", False),
        ("http://a@example.com", "http", "example.com", False),
        ("null", "http", "null", False),
        ("", "http", "", False),
    ],
)
def test_whose_page_asks(origin: str, scheme: str, host: str, same: bool) -> None:
    assert websocket.is_same_origin(origin, scheme, host) is same


def test_both_ends_agree() -> None:
    asking = websocket.Asking(("chat", "other"), deflate_window=11)
    asked = dict(asking.fields)
    assert asked["Sec-WebSocket-Protocol"] == "chat, other"
    server = websocket.accept(
        request(
            Sec_WebSocket_Key=asked["Sec-WebSocket-Key"],
            Sec_WebSocket_Protocol=asked["Sec-WebSocket-Protocol"],
            Sec_WebSocket_Extensions=asked["Sec-WebSocket-Extensions"],
        ),
        ("other",),
        deflate_window=13,
    )
    said = {name.replace("-", "_"): value for name, value in server.fields}
    client = asking.read(response(asking, **said))
    assert (client.subprotocol, client.deflate) == (server.subprotocol, server.deflate)
    assert client.deflate == websocket.Agreement(True, True, 11, 11)


def test_every_asking_has_its_own_key() -> None:
    assert len({dict(websocket.Asking().fields)["Sec-WebSocket-Key"] for _ in range(100)}) == 100


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"Upgrade": None}, "Upgrade"),
        ({"Upgrade": "h2c"}, "Upgrade"),
        ({"Connection": "close"}, "Connection"),
        ({"Sec_WebSocket_Accept": None}, "our key"),
        ({"Sec_WebSocket_Accept": "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="}, "our key"),
        ({"Sec_WebSocket_Protocol": "unasked"}, "subprotocol that was not offered"),
        ({"Sec_WebSocket_Extensions": "x-unknown"}, "extension that was not offered"),
        ({"Sec_WebSocket_Extensions": "permessage-deflate; server_max_window_bits=13"}, "not offered"),
        ({"Sec_WebSocket_Extensions": "permessage-deflate; client_max_window_bits"}, "not offered"),
        ({"Sec_WebSocket_Extensions": "permessage-deflate, permessage-deflate"}, "not offered"),
    ],
)
def test_an_answer_that_opens_nothing(changes: dict[str, str | None], words: str) -> None:
    asking = websocket.Asking(("chat",), deflate_window=12)
    with pytest.raises(RemoteProtocolError, match=words) as caught:
        asking.read(response(asking, **changes))
    assert caught.value.status == 502


def test_an_answer_of_another_status() -> None:
    asking = websocket.Asking()
    with pytest.raises(RemoteProtocolError, match="answered 404"):
        asking.read(response(asking, 404, Upgrade=None, Connection=None))


def test_an_extension_that_nobody_offered() -> None:
    asking = websocket.Asking()
    with pytest.raises(RemoteProtocolError, match="not offered"):
        asking.read(response(asking, Sec_WebSocket_Extensions="permessage-deflate"))


def test_a_subprotocol_is_a_token() -> None:
    with pytest.raises(ValueError, match="'a b' is no name of a subprotocol"):
        websocket.Asking(("a b",))
