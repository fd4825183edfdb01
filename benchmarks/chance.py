"""A load of two kinds of requests on the same connections, each chosen by chance: what wrk cannot tell
apart in its latencies.

    python -m benchmarks.chance HOST:PORT SECONDS CONNECTIONS PATH OTHER_PATH SHARE

Each connection asks for OTHER_PATH with the probability SHARE, otherwise for PATH, and asks anew when
the answer has come.  Prints JSON: all answers, and the latencies in milliseconds of those to PATH.
One thread of Python: for loads that their server bounds, up to some thousand requests per second.
"""

from __future__ import annotations

import json
import random
import re
import selectors
import socket
import sys
import time
from dataclasses import dataclass

__all__ = ["PERCENTILES", "percentile", "run"]

PERCENTILES = ("50", "75", "90", "99")
#: The same for all servers and rounds.
SEED = 20261123


def _request(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


@dataclass(slots=True)
class _Client:
    sock: socket.socket
    answer: bytes = b""
    sent_at: float = 0.0
    is_other: bool = False


def _is_whole(answer: bytes) -> bool:
    """By its Content-Length, which all these applications give; some servers send head and body apart."""
    head, end, body = answer.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
    if not answer.startswith(b"HTTP/1.1 200 "[: len(answer)]) or (end and not length):
        raise ValueError(f"a bad answer: {answer[:80]!r}")
    return length is not None and bool(end) and len(body) == int(length[1])


def run(
    address: tuple[str, int], seconds: float, connections: int, path: str, other: str, share: float
) -> dict[str, object]:
    """The figures of one run; ValueError for an answer that is not 200."""
    dice = random.Random(SEED)
    requests = (_request(path), _request(other))
    latencies: list[float] = []
    answers = 0
    with selectors.DefaultSelector() as selector:

        def ask(client: _Client) -> None:
            client.is_other = dice.random() < share
            client.sent_at = time.perf_counter()
            client.sock.sendall(requests[client.is_other])

        clients = [_Client(socket.create_connection(address, timeout=10)) for _ in range(connections)]
        for client in clients:
            selector.register(client.sock, selectors.EVENT_READ, client)
            ask(client)
        began = time.perf_counter()
        while time.perf_counter() - began < seconds:
            for key, _ in selector.select(1.0):
                client = key.data
                client.answer += client.sock.recv(65536)
                now = time.perf_counter()
                if not _is_whole(client.answer):
                    continue
                client.answer = b""
                answers += 1
                if not client.is_other:
                    latencies.append((now - client.sent_at) * 1000)
                ask(client)
        took = time.perf_counter() - began
        for client in clients:
            client.sock.close()
    latencies.sort()
    figures = {name: percentile(latencies, float(name)) for name in PERCENTILES}
    return {"requests": answers, "rate": answers / took, "latency": {**figures, "max": latencies[-1]}}


def percentile(sorted_values: list[float], percent: float) -> float:
    """By the nearest rank."""
    return sorted_values[min(len(sorted_values) - 1, int(len(sorted_values) * percent / 100))]


if __name__ == "__main__":
    target, duration, count, usual, unusual, probability = sys.argv[1:]
    host, _, port = target.rpartition(":")
    print(json.dumps(run((host, int(port)), float(duration), int(count), usual, unusual, float(probability))))
