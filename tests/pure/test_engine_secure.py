"""Every conversation of test_engine.py once more, over TLS: nobody above the socket can tell.

Left out are those whose client does to its socket what one of TLS does otherwise; tests/pure/test_secure.py
has its own of them.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable

import pytest

from skitai.limits import Limits
from tests.pure import engine_world, test_engine
from tests.pure.certificates import Unnamed, client_context, server_context
from tests.pure.engine_world import Client, ScriptedService, World
from tests.pure.tls_by_hand import SecureClient

LEFT_OUT = {
    "test_a_half_closed_client_gets_its_answer",
    "test_an_aborted_message_that_ends_with_the_connection_is_a_reset",
    "test_one_address_may_be_limited",
    "test_resets_at_every_moment_leave_nothing_behind",
}

for name, test in vars(test_engine).items():
    if name.startswith("test_") and name not in LEFT_OUT:
        globals()[name] = test


class SecureWorld(World):
    def __init__(
        self, service: ScriptedService, limits: Limits, secure: Callable[[], ssl.SSLContext] | None
    ) -> None:
        super().__init__(service, limits, secure or Unnamed(server_context))

    def client(self, *, crossing: bool = False) -> Client:
        if crossing:  # Python's own has no lock for that before 3.13
            return Client(SecureClient(self.address))
        sock = socket.create_connection(self.address, timeout=20)
        return Client(client_context().wrap_socket(sock, server_hostname="test.example"))


@pytest.fixture(autouse=True)
def over_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_world, "World", SecureWorld)


def test_what_is_left_out_exists() -> None:
    assert all(hasattr(test_engine, name) for name in LEFT_OUT)
