"""The environ of a request: what the network may not do to it."""

from __future__ import annotations

import tracemalloc

from skitai._kernels import http1
from skitai.core.environ import build_environ, make_template
from skitai.limits import Limits


def environ_of(*fields: str) -> dict[str, object]:
    connection = http1.ServerConnection(Limits())
    connection.receive_data("".join(["GET / HTTP/1.1\r\nHost: a\r\n", *fields, "\r\n"]).encode())
    head = connection.next_event()
    assert isinstance(head, http1.RequestHead)
    return build_environ(
        make_template(threads=1, processes=1, errors=None, was=None),
        head,
        script_name="",
        path_info="/",
        client=("127.0.0.1", 1),
        scheme="http",
        host="a",
        server=("127.0.0.1", 80),
    )


def test_made_up_field_names_do_not_fill_the_memory() -> None:
    # By what it takes, since the tables of the two builds are not the same (`tests/pure/test_environ.py`).
    tracemalloc.start()
    try:
        for number in range(2000):
            name = f"X{number}-".ljust(5000, "y")
            assert environ_of(f"{name}: z\r\n")["HTTP_" + name.upper().replace("-", "_")] == "z"
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 1_000_000
