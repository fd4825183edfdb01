"""What Prometheus is told, of workers that say anything."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

import pytest

from skitai.counters import BOUNDS, MONITOR, Latency, MountSlots, count_status, observe, private_row
from tests.master.prometheus import parse

if sys.platform != "win32":
    from skitai.master.child import Phase
    from skitai.master.exposition import Family, encode
    from skitai.master.live import Live
    from skitai.master.metrics import metrics

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no master on Windows")

EVIL = '<script>alert("1")</script>\\\n\0\x1b[2J{}=,"}'
MANY = 500


def figures() -> dict[str, Any]:
    pool = {"idle": 1, "busy": 2, "connecting": 0, "waiting": 3}
    names = [f"{number}{EVIL}" for number in range(MANY)]
    member = {"in_flight": 5, "latency": 0.25, "ejections": 2, "ejected_for": 1.5, "healthy": False}
    handler = {"seconds": 1.5, "request": EVIL, "how": "thread", "waits": "", "where": "", "stack": []}
    return {
        "LIVE": {
            "loop lag": 0.5,
            "threads": 4,
            "threads inside": 3,
            "queued": 2,
            "parked": 1,
            "coroutines": 0,
            "connections": 7,
            "websockets": 6,
            "handlers": [handler],
        },
        "CALLS": {"calls": 2, "origins": dict.fromkeys(names, pool)},
        "DB": {"statements": 3, "databases": [{"database": name, "shared": 0, **pool} for name in names]},
        f"CLUSTER:{EVIL}": {"members": [{"member": name, **member} for name in names]},
        "WEBSOCKETS": {"rooms": dict.fromkeys(names, 2)},
        "MAIL": {"waiting": 9},
    }


class Worker:
    pid = 7

    def __init__(self) -> None:
        self.phase = Phase.SERVING


class House:
    title = EVIL

    def __init__(self, *mounts: tuple[str, str]) -> None:
        self.mounts = MountSlots(mounts)
        self.row = private_row()

    def workers(self) -> Sequence[Any]:
        return [Worker()]

    def sums(self) -> list[int]:
        return list(self.row)

    def unreadiness(self) -> str:
        return ""


def house_and_live() -> tuple[House, Live]:
    house = House((EVIL, EVIL), ("bytes", "/\udcff"), *((f"h{number}", "/") for number in range(MANY)))
    live = Live(house)
    live.told(7, figures())
    return house, live


def test_names_from_the_network_are_escaped_and_few() -> None:
    house, live = house_and_live()
    count_status(house.row, house.mounts.of(EVIL, EVIL), 200)
    count_status(house.row, house.mounts.of(f"h{MANY - 1}", "/"), 200)
    text = metrics(house, live)
    found = parse(text)
    responses = found["skitai_responses_total"]
    assert responses.value(host=EVIL, mount=EVIL, status="2xx") == 1
    assert responses.value(host="bytes", mount="/\\udcff", status="2xx") == 0
    assert responses.value(host="*", mount="*", status="2xx") == 1
    assert found["skitai_member_latency_seconds"].value(pid="7", cluster=EVIL, member=f"3{EVIL}") == 0.25
    assert len(text) < 400_000  # of 2,000 names
    assert (found["skitai_rooms"].value(), found["skitai_room_members"].value()) == (MANY, 2 * MANY)
    assert found["skitai_call_connections"].value(pid="7", state="waiting") == 3 * MANY
    json.dumps(live.snapshot()).encode()  # which is text for any client
    assert len(live.snapshot()["rooms"]) <= 100


def test_what_was_counted_is_told() -> None:
    house, live = house_and_live()
    for seconds in (0.0, BOUNDS[3], 1e6):
        observe(house.row, Latency.QUEUE, seconds)
    house.row[MONITOR + 4] += 1
    found = parse(metrics(house, live))
    queue = found["skitai_queue_seconds"]
    assert queue.value("_count") == 3
    assert queue.value("_bucket", le="0.0001") == 1
    assert queue.value("_bucket", le="0.001") == 2
    assert queue.value("_bucket", le="60") == 2
    assert queue.value("_sum") == pytest.approx(1e6, rel=1e-6)
    assert found["skitai_responses_total"].value(host="", mount="", status="4xx") == 1
    assert found["skitai_worker_answers"].value(pid="7") == 1
    assert found["skitai_mail_waiting"].value() == 9
    assert found["skitai_lasting_handlers"].value(pid="7") == 1


def test_a_worker_that_never_spoke_is_silent() -> None:
    house = House(("default", "/"))
    live = Live(house)
    found = parse(metrics(house, live))
    assert found["skitai_worker_answers"].value(pid="7") == 0
    assert "skitai_threads_inside" not in found
    assert live.snapshot()["workers"][0]["answers"] is False
    live.told(7, figures())
    live.forget(7)
    assert live.snapshot()["handlers"] == []


NONSENSE: list[Any] = [None, 1, "a", [1], {}, {"failed": "KeyError: 1"}, [{"pid": []}], {"a": {"b": None}}]


@pytest.mark.parametrize("nonsense", NONSENSE)
def test_the_master_stumbles_over_nothing_that_a_worker_says(nonsense: Any) -> None:
    """An application may have a section of that name, and a part may be out of order."""
    house = House(("default", "/"))
    live = Live(house)
    said: list[Any] = [nonsense]
    for name, section in figures().items():
        said.append({**figures(), name: nonsense})
        said += [{**figures(), name: {**section, key: nonsense}} for key in section]
    for answer in said:
        live.told(7, answer)
        parse(metrics(house, live))
        json.dumps(live.snapshot())


def test_help_is_escaped_too() -> None:
    assert "# HELP a b\\\\c\\nd\n" in encode([Family("a", "gauge", "b\\c\nd").add(1)])
