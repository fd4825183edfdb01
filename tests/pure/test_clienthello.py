"""The server's name in what a client says first, however it comes; OpenSSL's own clients have written it."""

from __future__ import annotations

import ssl

import pytest

from skitai._pure.engine.clienthello import HANDSHAKE, ClientHello
from tests.pure.certificates import client_context

NAME = "a-name.example"


def flight(name: str | None = NAME) -> bytes:
    context = client_context()
    context.check_hostname = False
    outgoing = ssl.MemoryBIO()
    client = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


def record(content: bytes, size: int | None = None, kind: int = HANDSHAKE) -> bytes:
    return bytes([kind, 3, 1]) + (len(content) if size is None else size).to_bytes(2, "big") + content


def read(*pieces: bytes) -> tuple[bool, str]:
    hello = ClientHello()
    whole = False
    for piece in pieces:
        assert not whole
        whole = hello.take(piece)
    assert hello.received == b"".join(pieces)
    return whole, hello.server_name


def test_the_name() -> None:
    assert read(flight()) == (True, NAME)
    assert read(flight() + b"what comes behind") == (True, NAME)


def test_no_name() -> None:
    assert read(flight(None)) == (True, "")
    assert read(flight("127.0.0.1")) == (True, "")


def test_a_name_that_is_not_ascii_is_somebody_elses() -> None:
    odd = "b\xfccher.\xe9xampl\x00"
    assert len(odd) == len(NAME)
    assert read(flight().replace(NAME.encode(), odd.encode("latin-1"))) == (True, odd)


def test_it_comes_byte_by_byte() -> None:
    data = flight()
    assert read(*(bytes([byte]) for byte in data)) == (True, NAME)


@pytest.mark.parametrize("size", [1, 3, 100])
def test_it_comes_in_many_records(size: int) -> None:
    message = flight()[5:]
    pieces = [record(message[start : start + size]) for start in range(0, len(message), size)]
    assert read(b"".join(pieces)) == (True, NAME)
    assert read(*pieces) == (True, NAME)


def test_a_part_is_waited_for() -> None:
    data = flight()
    for size in (0, 1, 4, 5, 8, 9, len(data) - 1):
        assert read(data[:size])[0] is False


@pytest.mark.parametrize(
    "data",
    [
        record(b"hello"),  # another message
        record(b"\x01\xff\xff\xff"),  # too long for us
        record(b"", 0),
        record(b"", 65535),
        record(flight()[5:10]) + record(b"\x02\x28", kind=21),  # an alert in the midst of it
        flight()[:5] + b"\x02" + flight()[6:],
    ],
    ids=["message", "long", "empty", "record", "alert", "server hello"],
)
def test_what_openssl_will_refuse_has_no_name(data: bytes) -> None:
    assert read(data) == (True, "")


def test_lengths_that_lead_astray() -> None:
    """Each byte of it made another one: a name may come out or none, but nothing else happens."""
    data = flight()
    for place in range(5, len(data)):
        for byte in (0, 1, 255, data[place] ^ 1):
            whole, name = read(data[:place] + bytes([byte]) + data[place + 1 :])
            assert whole or byte != data[place]
            assert len(name) <= len(data)
