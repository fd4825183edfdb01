"""A server that breaks off anywhere: an answer is whole and one's own, or there is an error.

Where the connection ends between two reads, libpq has forgotten whose the answers are that it has not parsed
(`skitai._pure.pipeline`); a real server ends there only beside a machine that is busy.
"""

from __future__ import annotations

import contextlib
import random
import re
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

import psycopg2
import pytest

from skitai._kernels import Pipeline, PipelineError
from skitai._pure.pipeline import Pipeline as PurePipeline
from skitai.was._postgres import pipelined
from skitai.was._postgres.casting import casts_of
from skitai.was._postgres.libpq import Libpq, PipeliningUnavailable, libpq
from skitai.was._postgres.statement import Rows, Statement
from tests.was.postgres.asking import Asked, Asking, eventually
from tests.was.postgres.sharing import SharesAll


def _message(kind: bytes, body: bytes = b"") -> bytes:
    return kind + struct.pack("!I", len(body) + 4) + body


_READY = _message(b"Z", b"I")
_HELLO = b"".join(
    (
        _message(b"R", struct.pack("!I", 0)),
        *(
            _message(b"S", b"\0".join(setting) + b"\0")
            for setting in (
                (b"client_encoding", b"UTF8"),
                (b"server_version", b"15.4"),
                (b"standard_conforming_strings", b"on"),
                (b"DateStyle", b"ISO, MDY"),
                (b"integer_datetimes", b"on"),
            )
        ),
        _message(b"K", struct.pack("!II", 1, 2)),
        _READY,
    )
)
_COLUMN = _message(b"T", struct.pack("!H", 1) + b"?column?\0" + struct.pack("!IHIhih", 0, 0, 23, 4, -1, 0))
_WARNING = _message(b"N", b"SWARNING\0VWARNING\0C57P02\0Mterminating connection\0\0")
_FATAL = _message(b"E", b"SFATAL\0VFATAL\0C57P01\0Mterminating connection\0\0")
_LAST_WORDS = (b"", _WARNING, _FATAL, _WARNING + _FATAL)


def _row(sql: bytes) -> bytes:
    """What ``SELECT 24`` gives."""
    found = re.search(rb"\d+", sql)
    assert found is not None
    value = found[0]
    return _message(b"D", struct.pack("!HI", 1, len(value)) + value) + _message(b"C", b"SELECT 1\0")


class _Session:
    """Messages of a client in, those of a server out."""

    def __init__(self) -> None:
        self._received = b""
        self._sql = b""

    def answers(self, data: bytes) -> bytes:
        self._received += data
        out = b""
        while (size := _size(self._received)) <= len(self._received):
            kind, body = self._received[:1], self._received[5:size]
            self._received = self._received[size:]
            out += self._answer(kind, body)
        return out

    def _answer(self, kind: bytes, body: bytes) -> bytes:
        if kind == b"Q":
            return _COLUMN + _row(body) + _READY if b"SELECT" in body else _message(b"C", b"OK\0") + _READY
        if kind == b"P":
            self._sql = body
        known = {b"P": _message(b"1"), b"B": _message(b"2"), b"D": _COLUMN, b"S": _READY}
        return _row(self._sql) if kind == b"E" else known.get(kind, b"")


def _size(data: bytes) -> int:
    return 1 + struct.unpack("!I", data[1:5])[0] if len(data) >= 5 else 5


def _whole_messages(data: bytes) -> bytes:
    end = 0
    while end + _size(data[end:]) <= len(data):
        end += _size(data[end:])
    return data[:end]


def _serve(sock: socket.socket, chance: random.Random) -> None:
    left = chance.randrange(chance.choice((200, 3000, 20_000)))
    session = _Session()
    with contextlib.suppress(OSError), sock:
        sock.recv(9999)
        sock.sendall(_HELLO)
        while data := sock.recv(65536):
            out = session.answers(data)
            if len(out) < left:
                left -= len(out)
                sock.sendall(out)
                continue
            last_words = chance.choice(_LAST_WORDS)
            out = _whole_messages(out[:left]) + last_words if last_words else out[:left]
            half = chance.randrange(len(out) + 1)
            sock.sendall(out[:half])
            time.sleep(chance.choice((0, 0, 0.001, 0.005)))
            sock.sendall(out[half:])
            time.sleep(chance.choice((0, 0, 0.001, 0.01)))
            if chance.random() < 0.5:  # RST in place of FIN
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return


@contextmanager
def _breaking_off(chance: random.Random) -> Iterator[int]:
    """The port of a server whose connections each end after some bytes."""
    with socket.create_server(("127.0.0.1", 0), backlog=200) as listener:

        def accept() -> None:
            with contextlib.suppress(OSError):  # it is closed
                while True:
                    sock, _ = listener.accept()
                    own = random.Random(chance.random())
                    threading.Thread(target=_serve, args=(sock, own), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def _dsn(port: int) -> str:
    return f"host=127.0.0.1 port={port} dbname=a user=a sslmode=disable gssencmode=disable"


@pytest.fixture
def library(missing: Callable[[str], NoReturn]) -> Libpq:
    try:
        return libpq()
    except PipeliningUnavailable as error:
        missing(f"a libpq that pipelines: {error}")


@pytest.fixture(params=[Pipeline, PurePipeline], ids=["own", "pure"])
def kernel(
    request: pytest.FixtureRequest, library: Libpq, monkeypatch: pytest.MonkeyPatch
) -> type[PurePipeline]:
    """It is that of the connections, too."""
    monkeypatch.setattr(pipelined, "Pipeline", request.param)
    found: type[PurePipeline] = request.param
    return found


@pytest.mark.usefixtures("kernel")
@pytest.mark.parametrize("rounds", [15, pytest.param(1000, marks=pytest.mark.soak)])
def test_an_answer_is_whole_and_ones_own(rounds: int) -> None:
    chance = random.Random(rounds)
    answered = failed = 0
    for _ in range(rounds):
        with _breaking_off(chance) as port:
            db = Asking(_dsn(port), "127.0.0.1", port, db_connections_max=4)
            db.client.sharing = SharesAll()
            for _ in range(12):
                asked = [db.begin("SELECT %s", (number,)) for number in range(chance.choice((3, 40, 100)))]
                for number, one in enumerate(asked):
                    rows = one.rows()
                    if rows.error is None:
                        assert rows.rows == [(number,)], rows
                        answered += 1
                    else:
                        assert isinstance(rows.error, psycopg2.Error), rows
                        failed += 1
            db.end()
    assert answered > 100 * rounds
    assert failed > 10 * rounds


@pytest.mark.usefixtures("kernel")
def test_what_has_come_is_taken_before_the_end_is_seen() -> None:
    """Sixteen answers are taken in a turn; the end of the connection waits behind all of them."""
    count = 60
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            sock, _ = listener.accept()
            session = _Session()
            with sock:
                sock.recv(9999)
                sock.sendall(_HELLO)
                kept = b""
                while kept.count(_COLUMN) < count:
                    out = session.answers(sock.recv(65536))
                    if out.count(_COLUMN) == 1 and not kept:
                        sock.sendall(out)  # the one that makes the connection a shared one
                    else:
                        kept += out
                sock.sendall(kept)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        port = listener.getsockname()[1]
        db = Asking(_dsn(port), "127.0.0.1", port, db_connections_max=1)
        db.client.sharing = SharesAll()
        assert db.give("SELECT 1") == [(1,)]
        found: list[Asked] = []
        db.loop.call_soon(
            lambda: found.extend(db.begin("SELECT %s", (number,)) for number in range(count))
        )  # in one turn, so they leave together
        thread.join(10)
        answers = [one.rows() for one in found]
        assert [rows.rows for rows in answers] == [[(number,)] for number in range(count)]
        db.end()


def test_columns_without_rows_are_no_answer(library: Libpq, kernel: type[PurePipeline]) -> None:
    """What libpq makes of the columns when it has forgotten that a statement is under way."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            sock, _ = listener.accept()
            session = _Session()
            with sock:
                sock.recv(9999)
                sock.sendall(_HELLO)
                answers = b""
                while answers.count(_READY) < 2:
                    answers += session.answers(sock.recv(65536))
                sock.sendall(answers)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        port = listener.getsockname()[1]
        with contextlib.closing(psycopg2.connect(_dsn(port))) as connection:
            connection.autocommit = True
            address = connection.pgconn_ptr
            assert library.functions.PQenterPipelineMode(library.ffi.cast("PGconn *", address))
            pipeline = kernel(library, address, casts_of(connection))
            cursor = connection.cursor()
            for sql in (b"SELECT 1", b"SELECT 2"):
                pipeline.send(sql)
                pipeline.mark()
            assert not pipeline.flush()
            thread.join(10)
            pipeline.read()
            first = pipeline.take(cursor, 10)
            assert first is not None
            assert [taken[3] for taken in first] == [[(1,)]]
            with pytest.raises(PipelineError):
                pipeline.read()
            assert pipeline.take(cursor, 10) is None
            assert [taken for taken in pipeline.drop() if not taken[0]] == []


def test_what_an_adapter_refuses_fails_though_something_has_come() -> None:
    """A notice that is read before the refusal is told of is no answer to what was never sent."""
    notice = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            sock, _ = listener.accept()
            session = _Session()
            with sock:
                sock.recv(9999)
                sock.sendall(_HELLO)
                sock.sendall(session.answers(sock.recv(65536)))
                notice.wait(10)
                sock.sendall(_WARNING)
                sock.recv(9999)

        threading.Thread(target=serve, daemon=True).start()
        port = listener.getsockname()[1]
        db = Asking(_dsn(port), "127.0.0.1", port, db_connections_max=1)
        assert db.give("SELECT 1") == [(1,)]
        found: list[Rows] = []

        def ask() -> None:
            (pool,) = db.client._pools.values()
            (connection,) = pool._idle
            notice.set()
            time.sleep(0.1)  # it is there, and the loop has not looked
            connection.run(Statement("SELECT %s", db.database, (object(),)), found.append)

        db.loop.call_soon(ask)
        eventually(lambda: found)
        assert isinstance(found[0].error, psycopg2.ProgrammingError)
        db.end()
