"""C code that holds the GIL for seconds stops every Python thread, and no client that asks for a file.

The first calls of ``/hold`` are surprises in the leader, later ones run in a thread of their own, and the
leader waits for the GIL: both ways the monitor serves in its place (``skitai/_speedups/relief.h``).  The pure
build has none.

By hand: ``python -m tests.live.test_gil_held ROUNDS`` tells how long clients wait.
"""

from __future__ import annotations

import select
import sys
import tempfile
import time
from pathlib import Path

import pytest

from skitai._kernels import implementation
from tests.live.program import LiveServer, Serve, skitaid_instance
from tests.live.static_site import cases
from tests.live.wire import Reply, Wire
from tests.waiting import wait_until

pytestmark = pytest.mark.skipif(
    implementation() != "compiled", reason="the pure build serves in Python, and so under the GIL"
)

CONF = """
[server]
threads = {threads}
[routes:line]
/files = {home}/files
/ = tests.live.apps.holding:app

: files.test
/files = {home}/files
"""

#: Seconds: how long the GIL is held, and how long that may make a client wait.  The issue's 20 ms are
#: for the soak run, on a machine with nothing else to do; here a wait of 2 s has to be told from none.
HELD = 1.0
WAIT_MAX = 0.25
TEXT = b"".join(b"line %d of a text\n" % number for number in range(1000))
SMALL, LARGE = b"small" * 200, b"large" * 600_000
#: Files that are asked for once, where that is measured.
NEW = 3000


def lay_out(home: Path) -> Path:
    """Files that are old enough to be kept: `tests/live/test_kept_files.py`."""
    files = home / "files"
    files.mkdir()
    (files / "small.txt").write_bytes(SMALL)
    (files / "large.bin").write_bytes(LARGE)
    time.sleep(2.1)
    return files


def lay_out_new(files: Path) -> None:
    """What `measure` asks for."""
    (files / "new").mkdir(exist_ok=True)
    for number in range(NEW):
        (files / f"new/{number}.bin").write_bytes(SMALL)
        (files / f"new/{number}.txt").write_bytes(TEXT)
        (files / f"new/{number}.css").write_bytes(TEXT)
        (files / f"new/{number}.css.gz").write_bytes(SMALL)
    time.sleep(2.1)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return lay_out(tmp_path_factory.mktemp("site"))


#: What is asked for once: how its name ends, what the client says, and the status that it gets.
NEVER_ASKED: dict[str, tuple[str, tuple[str, ...], int]] = {
    "first": (".bin", (), 200),
    "coded": (".txt", ("Accept-Encoding: gzip",), 200),
    "formed": (".css", ("Accept-Encoding: gzip, br",), 200),
    "absent": (".none", (), 404),
    "failed": (".bin", ('If-Match: "other"',), 412),
    "beyond": (".bin", ("Range: bytes=1000000-",), 416),
    "parts": (".bin", ("Range: bytes=0-9, 20-29",), 206),
}


class Crowd:
    """A server whose files are kept, clients of it, and the GIL held when one wants it."""

    def __init__(self, server: LiveServer, kept: int = 4) -> None:
        self.server = server
        self.kept = [server.connect() for _ in range(kept)]
        self.asked = 0
        for wire in self.kept:
            for target in ("/files/small.txt", "/files/large.bin", "/app", "/ping"):
                assert self.ask(wire, target).status == 200

    def ask(self, wire: Wire, target: str, *fields: str) -> Reply:
        self.asked += 1
        return wire.get(target, *fields)

    def ask_for_file(self, wire: Wire, target: str, *fields: str) -> Reply:
        """At a host where there is no application."""
        self.asked += 1
        wire.send("\r\n".join([f"GET {target} HTTP/1.1", "Host: files.test", *fields, "", ""]))
        return wire.read_reply()

    def hold(self, seconds: float = HELD) -> tuple[Wire, float]:
        """The GIL is held from now on."""
        times = self.server.stderr_text().count("holding")
        wire = self.server.connect()
        wire.request("GET", f"/hold?{seconds}")
        wait_until(lambda: self.server.stderr_text().count("holding") > times)
        self.asked += 1
        return wire, time.monotonic()


def took(since: float) -> float:
    return time.monotonic() - since


@pytest.fixture(params=[0, 4])
def crowd(request: pytest.FixtureRequest, files: Path, serve_conf: Serve) -> Crowd:
    text = CONF.format(home=files.parent, threads=request.param)
    return Crowd(serve_conf(text, env={"PYTHONPATH": str(Path(__file__).parents[2])}))


def test_files_and_ping_do_not_wait(crowd: Crowd) -> None:
    etag = crowd.kept[0].get("/files/small.txt").get("ETag")
    crowd.asked += 1
    expected = [("/ping", 200, b"pong"), ("/files/small.txt", 200, SMALL), ("/files/large.bin", 200, LARGE)]
    for _ in range(3):
        holder, began = crowd.hold()
        waits = []
        while took(began) < HELD - 2 * WAIT_MAX:
            for target, status, body in expected:
                for wire in [*crowd.kept, crowd.server.connect()]:
                    at = time.monotonic()
                    reply = crowd.ask(wire, target)
                    waits.append(took(at))
                    assert (reply.status, reply.body) == (status, body)
                wire.close()
            assert crowd.ask(crowd.kept[0], "/files/small.txt", f"If-None-Match: {etag}").status == 304
            with crowd.server.connect() as wire:
                assert crowd.ask(wire, "/ping", "Connection: close").body == b"pong"
                assert wire.sock.recv(1) == b""
            time.sleep(0.05)
        assert sorted(waits)[len(waits) * 9 // 10] < WAIT_MAX, sorted(waits)[-5:]
        assert holder.read_reply().body == b"/hold"
        assert took(began) > HELD - WAIT_MAX, "the GIL was not held"
        for wire in [*crowd.kept, holder]:
            assert crowd.ask(wire, "/app").body == b"/app"
    wait_until(lambda: crowd.server.stdout_text().count(" HTTP/1.1 ") == crowd.asked)


CONDITIONS = """
# fields                                                        status  body

If-None-Match: "a", W/"b", ETAG                                 304     0:0
If-None-Match: *                                                304     0:0
If-None-Match: "other" | If-Modified-Since: DATE                200     :
If-Modified-Since: Sat, 01 Jan 2050 00:00:00 GMT                304     0:0
If-Modified-Since: Saturday, 01-Jan-50 00:00:00 GMT             304     0:0
If-Modified-Since: Sat Jan 01 00:00:00 2050                     304     0:0
If-Modified-Since: Thu, 01 Jan 1970 00:00:00 GMT                200     :
If-Match: "other", ETAG                                         200     :
If-Match: *                                                     200     :
If-Unmodified-Since: DATE                                       200     :
Range: bytes=0-9                                                206     0:10
Range: bytes=-10                                                206     990:
Range: bytes=0-4, 5-9                                           206     0:10
Range: bytes=5-4                                                200     :
Range: items=0-4                                                200     :
Range: bytes=0-9 | If-Range: ETAG                               206     0:10
Range: bytes=0-9 | If-Range: DATE                               206     0:10
Range: bytes=0-9 | If-Range: "other"                            200     :
Range: bytes=0-9 | If-None-Match: "other"                       206     0:10
Range: bytes=0-9 | If-None-Match: ETAG                          304     0:0
"""


def test_conditions_and_ranges_do_not_wait(crowd: Crowd) -> None:
    first = crowd.kept[0].get("/files/small.txt")
    questions = []
    for fields, status, place in cases(CONDITIONS, 3):
        for word, said in (("ETAG", first.get("ETag")), ("DATE", first.get("Last-Modified"))):
            fields = fields.replace(word, said or "")
        begin, _, end = place.partition(":")
        body = SMALL[int(begin or 0) : int(end) if end else None]
        questions.append((fields.split(" | "), int(status), body))
    holder, began = crowd.hold(2 * HELD)
    waits = []
    for fields, status, body in questions:
        at = time.monotonic()
        reply = crowd.kept[0].get("/files/small.txt", *fields)
        waits.append(took(at))
        assert (reply.status, reply.body) == (status, body), fields
    assert took(began) < 2 * HELD - WAIT_MAX
    assert sorted(waits)[len(waits) * 9 // 10] < WAIT_MAX, waits
    holder.read_reply()


def test_what_is_not_on_the_shelf_waits_and_is_not_lost(crowd: Crowd) -> None:
    holder, began = crowd.hold()
    fresh = [crowd.server.connect() for _ in range(20)]
    for number, wire in enumerate([*crowd.kept, *fresh]):
        wire.send("GET /ping HTTP/1.1\r\nHost: h\r\n\r\nGET /app HTTP/1.1\r\nHost: h\r\n\r\nGET /pi")
        if number % 4 == 3:
            wire.reset()
    for wire in crowd.kept[:3]:
        assert wire.read_reply().body == b"pong"
    assert not select.select([holder.sock], [], [], 0)[0], f"they have waited, for {took(began):.2f} s"
    holder.read_reply()
    for number, wire in enumerate([*crowd.kept, *fresh]):
        if number % 4 != 3:
            if number >= 4:
                assert wire.read_reply().body == b"pong"
            assert wire.read_reply().body == b"/app"
            wire.send("ng HTTP/1.1\r\nHost: h\r\n\r\n")
            assert wire.read_reply().body == b"pong"


def test_a_client_that_does_not_read_gets_all_of_it_afterwards(crowd: Crowd) -> None:
    holder, began = crowd.hold()
    fresh = [crowd.server.connect() for _ in range(5)]
    for wire in [*crowd.kept, *fresh]:
        for target in ("/files/large.bin", "/files/large.bin", "/app"):
            wire.request("GET", target)
    assert crowd.server.connect().get("/ping").body == b"pong"
    assert not select.select([holder.sock], [], [], 0)[0], f"they have waited, for {took(began):.2f} s"
    holder.read_reply()
    for wire in [*crowd.kept, *fresh]:
        assert [wire.read_reply().body for _ in range(3)] == [LARGE, LARGE, b"/app"]


def test_a_server_that_is_to_stop_meanwhile_cuts_nobody(crowd: Crowd) -> None:
    holder, _ = crowd.hold()
    fresh = [crowd.server.connect() for _ in range(5)]
    for wire in fresh:
        assert wire.get("/ping").body == b"pong"
        wire.request("GET", "/app")
    crowd.server.process.terminate()
    assert holder.read_reply().body == b"/hold"
    for wire in fresh:
        assert wire.read_reply().body == b"/app"
    assert crowd.server.wait(10) == 0


def measure(crowd: Crowd, rounds: int) -> dict[str, list[float]]:
    """Milliseconds that clients wait who ask each 10 ms while the GIL is held for 2 s, in order; those in
    `NEVER_ASKED` for what nobody has asked for."""
    waits: dict[str, list[float]] = {"kept": [], "new": [], **{kind: [] for kind in NEVER_ASKED}}
    files = iter(range(NEW))
    for _ in range(rounds):
        holder, began = crowd.hold(2.0)
        turn = 0
        while took(began) < 1.9:
            turn += 1
            target = "/ping" if turn % 2 else "/files/small.txt"
            at = time.monotonic()
            crowd.ask(crowd.kept[turn % len(crowd.kept)], target)
            waits["kept"].append(took(at) * 1000)
            at = time.monotonic()
            with crowd.server.connect() as wire:
                crowd.ask(wire, target)
                waits["new"].append(took(at) * 1000)
            number = next(files)
            for kind, (ending, fields, status) in NEVER_ASKED.items():
                at = time.monotonic()
                wire = crowd.kept[turn % len(crowd.kept)]
                reply = crowd.ask_for_file(wire, f"/files/new/{number}{ending}", *fields)
                waits[kind].append(took(at) * 1000)
                assert reply.status == status
            time.sleep(0.01)
        holder.read_reply()
        holder.close()
    return {kind: sorted(each) for kind, each in waits.items()}


@pytest.mark.soak
@pytest.mark.timeout(120)
def test_nobody_waits_for_20_ms(crowd: Crowd, files: Path) -> None:
    lay_out_new(files)
    for kind, waits in measure(crowd, 10).items():
        assert waits[-1 - len(waits) // 100] < 20, f"{kind}: {waits[-len(waits) // 50 :]}"


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch)
        lay_out_new(lay_out(home))
        conf = home / "held.conf"
        conf.write_text(CONF.format(home=home, threads=8))
        server = LiveServer(skitaid_instance(conf, "--home", scratch)).wait_ready()
        try:
            for kind, waits in measure(Crowd(server), int(sys.argv[1])).items():
                p50, p99 = waits[len(waits) // 2], waits[len(waits) * 99 // 100]
                print(f"{kind}: {len(waits)} asked, p50 {p50:.2f}, p99 {p99:.2f}, max {waits[-1]:.2f} ms")
        finally:
            server.kill()
