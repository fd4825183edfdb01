"""What `skitai top` shows, as lines: two looks at an instance (`skitai.master.live`), and what lies between.

Without a terminal, and so without curses.  Much of what is shown was chosen by clients: what is not printable
is replaced.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from typing import Any

__all__ = ["Line", "Style", "quantile", "view"]

_CLASSES = ("gone", "1xx", "2xx", "3xx", "4xx", "5xx")
_UNITS = ("B", "K", "M", "G", "T")


class Style(Enum):
    PLAIN = "plain"
    TITLE = "title"
    HEAD = "head"
    ALARM = "alarm"


Line = tuple[Style, str]
Look = Mapping[str, Any]


def view(now: Look, before: Look, seconds: float) -> Iterator[Line]:
    """``before`` was ``seconds`` ago; it may be ``now``."""
    seconds = max(seconds, 1e-3)
    yield from _summary(now, before, seconds)
    yield from _handlers(now)
    yield from _workers(now, before, seconds)
    yield from _mounts(now, before, seconds)
    yield from _members(now)
    yield from _rooms(now)


def _summary(now: Look, before: Look, seconds: float) -> Iterator[Line]:
    requests = (now["counts"]["requests"] - before["counts"]["requests"]) / seconds
    state = f"not ready: {now['unready']}" if now["unready"] else "ready"
    title = f"skitai {now['version']}  {now['name']}  up {_span(now['uptime'])}  {state}"
    yield (Style.ALARM if now["unready"] else Style.TITLE), _printable(title)
    counts = _difference(now["latencies"]["app"], before["latencies"]["app"])
    p50, p99 = (_time(quantile(now["bounds"], counts, share)) for share in (0.5, 0.99))
    statuses = [0] * len(_CLASSES)
    for mount, delta in _mount_deltas(now, before):
        del mount
        statuses = [total + number for total, number in zip(statuses, delta, strict=True)]
    shown = "  ".join(
        f"{name} {_rate(number / seconds)}" for name, number in zip(_CLASSES, statuses, strict=True) if number
    )
    yield Style.PLAIN, f"{_rate(requests)} requests/s   app p50 {p50}  p99 {p99}   {shown}"
    totals = now["counts"]
    mail = "" if now["mail"] is None else f"   mail waiting {now['mail']}"
    yield (
        Style.PLAIN,
        f"since start: {totals['requests']} requests, {totals['server_errors']} errors, "
        f"{totals['overdue']} overdue, {totals['restarts']} restarts{mail}",
    )


def _handlers(now: Look) -> Iterator[Line]:
    handlers = now["handlers"]
    if not handlers:
        return
    yield Style.PLAIN, ""
    yield Style.HEAD, f"{'RUNNING':>8} {'PID':>8} {'HOW':8} REQUEST, AND WHERE IT IS ({len(handlers)})"
    for handler in handlers:
        yield (
            Style.ALARM,
            _printable(
                f"{handler['seconds']:7.1f}s {handler['pid']:>8} {handler['how']:8} {handler['request']}"
            ),
        )
        waits = f"  waits for {handler['waits']}" if handler["waits"] else ""
        yield Style.PLAIN, _printable(f"{'':27}{handler['where'] or 'no Python code'}{waits}")


def _workers(now: Look, before: Look, seconds: float) -> Iterator[Line]:
    cpu = {one["pid"]: one["cpu"] for one in (before["master"], *before["workers"])}
    yield Style.PLAIN, ""
    yield (
        Style.HEAD,
        f"{'PID':>8} {'PHASE':9} {'CPU':>5} {'RSS':>6} {'PSS':>6} {'THREADS':>8} {'QUEUED':>6} {'PARKED':>6} "
        f"{'CONNS':>6} {'WS':>5} {'CALLS':>5} {'LAG':>7}",
    )
    for one in ({"phase": "master", **now["master"]}, *now["workers"]):
        used, was = one["cpu"], cpu.get(one["pid"])
        share = "" if used is None or was is None else f"{(used - was) / seconds:.0%}"
        line = (
            f"{one['pid']:>8} {one['phase']:9} {share:>5} {_size(one['resident']):>6} "
            f"{_size(one['proportional']):>6} "
        )
        if "loop_lag" in one:
            inside = f"{one['threads_inside']}/{one['threads']}"
            line += (
                f"{inside:>8} {one['queued']:>6} {one['parked']:>6} {one['connections']:>6} "
                f"{one['websockets']:>5} {one['calls']:>5} {_time(one['loop_lag']):>7}"
            )
        is_silent = one["phase"] in ("serving", "retiring") and not one["answers"]
        yield (Style.ALARM, f"{line}  silent: no Python runs there") if is_silent else (Style.PLAIN, line)


def _mounts(now: Look, before: Look, seconds: float) -> Iterator[Line]:
    yield Style.PLAIN, ""
    yield Style.HEAD, f"{'REQ/S':>8} {'2xx':>8} {'3xx':>8} {'4xx':>8} {'5xx':>8} MOUNT"
    for mount, delta in _mount_deltas(now, before):
        if not any(mount["statuses"]):
            continue
        name = f"{mount['host']} {mount['path']}" if mount["path"] else "(no mount)"
        rates = " ".join(f"{_rate(number / seconds):>8}" for number in (sum(delta), *delta[2:]))
        yield Style.PLAIN, _printable(f"{rates} {name}")


def _members(now: Look) -> Iterator[Line]:
    if not now["members"]:
        return
    yield Style.PLAIN, ""
    yield Style.HEAD, f"{'PID':>8} {'CLUSTER':16} {'UNDER WAY':>9} {'LATENCY':>8} MEMBER"
    for member in now["members"]:
        is_out = member["ejected_for"] > 0 or not member["healthy"]
        why = f"  ejected for {_span(member['ejected_for'])}" if member["ejected_for"] > 0 else ""
        why = why or ("" if member["healthy"] else "  not healthy")
        line = (
            f"{member['pid']:>8} {member['cluster']:16} {member['in_flight']:>9} "
            f"{_time(member['latency']):>8} {member['member']}{why}"
        )
        yield (Style.ALARM if is_out else Style.PLAIN), _printable(line)


def _rooms(now: Look) -> Iterator[Line]:
    if not now["rooms"]:
        return
    yield Style.PLAIN, ""
    yield Style.HEAD, f"{'MEMBERS':>8} ROOM"
    for name, members in now["rooms"].items():
        yield Style.PLAIN, _printable(f"{members:>8} {name}")


def _mount_deltas(now: Look, before: Look) -> Iterator[tuple[Look, list[int]]]:
    known = {(mount["host"], mount["path"]): mount["statuses"] for mount in before["mounts"]}
    for mount in now["mounts"]:
        was = known.get((mount["host"], mount["path"]), [0] * len(_CLASSES))
        yield mount, _difference(mount["statuses"], was)


def quantile(bounds: Sequence[float], counts: Sequence[int], share: float) -> float | None:
    """Seconds within which ``share`` of them were, as evenly as they may lie in their bucket; None: there are
    none.  Beyond the last bound: that."""
    wanted = sum(counts) * share
    if not wanted:
        return None
    least, sofar = 0.0, 0
    for bound, count in zip(bounds, counts, strict=False):
        if sofar + count >= wanted:
            return least + (bound - least) * (wanted - sofar) / count
        least, sofar = bound, sofar + count
    return bounds[-1]


def _difference(now: Sequence[int], before: Sequence[int]) -> list[int]:
    return [max(0, one - other) for one, other in zip(now, before, strict=True)]


def _rate(number: float) -> str:
    return f"{number:.0f}" if number >= 10 or not number else f"{number:.1f}"


def _time(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    if seconds < 0.001:
        return f"{seconds * 1e6:.0f}us"
    return f"{seconds * 1e3:.1f}ms" if seconds < 1 else f"{seconds:.1f}s"


def _span(seconds: float) -> str:
    minutes, left = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days}d {hours}h"
    return f"{hours}h {minutes}m" if hours else f"{minutes}m {left}s" if minutes else f"{left}s"


def _size(number: float | None) -> str:
    if number is None:
        return "-"
    for unit in _UNITS:
        if number < 1024 or unit == _UNITS[-1]:
            break
        number /= 1024
    return f"{number:.0f}{unit}"


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in text)
