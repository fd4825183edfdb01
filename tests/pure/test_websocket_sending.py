"""What the core sends, read again by the other end; and what it refuses to send."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skitai._pure.websocket import Agreement, Close, CloseCode, Ping, Pong, Side
from skitai.errors import LocalProtocolError
from tests.pure.ws_talk import both, client, frame, server

agreements = st.builds(Agreement, st.booleans(), st.booleans(), st.integers(8, 15), st.integers(8, 15))
messages = st.lists(
    st.text(max_size=40) | st.binary(max_size=40) | st.sampled_from(["ab" * 3000, b"\x00\x01" * 40_000]),
    max_size=6,
)


@both
@given(said=messages, deflate=st.none() | agreements, to_server=st.booleans())
def test_what_one_end_sends_the_other_reads(
    core: Any, said: list[str | bytes], deflate: Agreement | None, to_server: bool
) -> None:
    ends = client(core, deflate=deflate, ws_deflate_min=1), server(core, deflate=deflate, ws_deflate_min=1)
    sender, receiver = ends if to_server else ends[::-1]
    stream = b"".join(sender.send_message(message) for message in said)
    stream += sender.send_ping(b"?") + sender.send_pong() + sender.send_close(1001, "bye")
    assert receiver.receive(stream) == [*said, Ping(b"?"), Pong(b""), Close(1001, "bye")]


@both
def test_small_messages_are_not_compressed(core: Any) -> None:
    sender = server(core, deflate=Agreement(), ws_deflate_min=100)
    assert sender.send_message("a" * 99) == frame(1, b"a" * 99, mask=None)
    assert len(sender.send_message("a" * 100)) < 30


@both
def test_a_window_that_zlib_cannot_write_is_agreed_to_and_not_used(core: Any) -> None:
    sender = server(core, deflate=Agreement(server_window_bits=8), ws_deflate_min=1)
    assert sender.send_message("a" * 99) == frame(1, b"a" * 99, mask=None)


@both
def test_a_clients_masks_are_all_different(core: Any) -> None:
    sender = client(core)
    assert len({sender.send_message("")[2:6] for _ in range(100)}) == 100


@both
def test_nothing_follows_a_close(core: Any) -> None:
    sender = server(core)
    assert sender.send_close(1000, "é") == frame(8, b"\x03\xe8\xc3\xa9", mask=None)
    assert sender.our_side is Side.CLOSED
    for send in (sender.send_message, sender.send_ping, sender.send_pong):
        with pytest.raises(LocalProtocolError, match="nothing may follow a close"):
            send(b"")
    with pytest.raises(LocalProtocolError, match="nothing may follow a close"):
        sender.send_close()


@both
@pytest.mark.parametrize(
    ("code", "reason"), [(999, ""), (1004, ""), (1005, "x"), (1006, ""), (1015, ""), (2000, ""), (5000, "")]
)
def test_a_code_that_may_not_be_sent(core: Any, code: int, reason: str) -> None:
    sender = server(core)
    with pytest.raises(LocalProtocolError, match="is no code to close with"):
        sender.send_close(code, reason)
    assert sender.our_side is Side.OPEN


@both
def test_control_frames_are_short(core: Any) -> None:
    sender = server(core)
    with pytest.raises(LocalProtocolError, match="125 is the most"):
        sender.send_ping(bytes(126))
    with pytest.raises(LocalProtocolError, match="124 bytes, more than 123"):
        sender.send_close(1000, "x" * 124)


@both
def test_a_close_is_answered_with_its_code_once(core: Any) -> None:
    for code, payload in ((1000, b"\x03\xe8"), (CloseCode.NO_CODE, b"")):
        sender = server(core)
        assert sender.answer_close(Close(code, "reason")) == frame(8, payload, mask=None)
        assert sender.answer_close(Close(code, "reason")) == b""
