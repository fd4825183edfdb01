"""Logs: what a line looks like, and what happens when it cannot be written."""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from skitai._kernels import AccessRecord
from skitai.core.logs import facade, sinks, writer
from skitai.core.logs.facade import Logs
from skitai.core.logs.lines import LineFormat
from skitai.core.logs.sinks import ConsoleSink, FileSink
from skitai.errors import ConfigError

PREFIX = r"\d{4}\.\d\d\.\d\d \d\d:\d\d:\d\d "


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "logs"


@pytest.fixture
def logs(folder: Path) -> Iterator[Logs]:
    logs = Logs(folder)
    yield logs
    logs.close()


def read(logs: Logs, folder: Path, name: str) -> str:
    assert logs.flush()
    return (folder / f"{name}.log").read_text("utf-8")


def asked(target: str) -> AccessRecord:
    return (time.time(), "127.0.0.1", 1, "GET", target, "1.1", 200, 12, 0.001, 0.002)


def warning(text: str) -> bytes:
    return f"[warn] {text}\n".encode()


def pieces(descriptor: int) -> bytes:
    """What is in the pipe by now."""
    os.set_blocking(descriptor, False)
    found = b""
    with suppress(BlockingIOError):
        while piece := os.read(descriptor, 65536):
            found += piece
    return found


# -- lines --------------------------------------------------------------------------------


def test_the_three_logs_and_their_lines(logs: Logs, folder: Path) -> None:
    logs.server("listening")
    logs.server("the port is taken", "fail")
    logs.request(asked("/"))
    logs.app("hello", "info:bp1")
    logs.app_warning("careful")
    assert re.fullmatch(
        rf"{PREFIX}\[info\] listening\n{PREFIX}\[fail\] the port is taken\n", read(logs, folder, "server")
    )
    assert re.fullmatch(
        rf"{PREFIX}\[info\] 127\.0\.0\.1:1 GET / HTTP/1\.1 200 12 1ms 2ms\n", read(logs, folder, "request")
    )
    assert re.fullmatch(rf"{PREFIX}\[info:bp1\] hello\n{PREFIX}\[warn\] careful\n", read(logs, folder, "app"))


def test_the_date_is_local_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "XXX-02:00")
    time.tzset()
    form = LineFormat()
    assert form.encode(0.9, "info", "x") == b"1970.01.01 02:00:00 [info] x\n"
    assert form.encode(61.0, "info", "x") == b"1970.01.01 02:01:01 [info] x\n"
    monkeypatch.undo()
    time.tzset()


def test_a_traceback_keeps_its_lines(logs: Logs, folder: Path) -> None:
    try:
        raise LookupError("no such thing")
    except LookupError:
        logs.trace("accepting")
    text = read(logs, folder, "server")
    assert re.match(rf"{PREFIX}\[expt\] accepting\nTraceback \(most recent call last\):\n  File ", text)
    assert text.endswith("\nLookupError: no such thing\n")


def test_nothing_in_a_text_passes_for_an_entry() -> None:
    form = LineFormat()
    forged = "one\n2026.11.22 10:00:00 [info] forged\r\n2026.11.22 \x1b[2Jx\r2026.11.22 y\u20282026.11.22 z"
    lines = form.encode(0.0, "warn]\n2026.11.22 [x", forged).decode().splitlines()
    assert [line for line in lines if re.match(r"\d{4}\.\d\d\.\d\d", line)] == lines[:1]
    assert lines[0].endswith("[warn]\\n2026.11.22 [x] one")
    assert lines[1:] == [
        "    2026.11.22 10:00:00 [info] forged",
        "    2026.11.22 \\x1b[2Jx\\r2026.11.22 y\\u20282026.11.22 z",
    ]


def test_any_text_can_be_written() -> None:
    line = LineFormat().encode(0.0, "info", "süß \udce9 \x9b \u202e\tend\n\n")
    assert line.endswith("[info] süß \\udce9 \\x9b \\u202e\tend\n".encode())


def test_a_very_long_text_keeps_its_ends(logs: Logs, folder: Path) -> None:
    logs.app("BEGIN" + "x" * 200_000 + "END")
    text = read(logs, folder, "app")
    assert "] BEGINxxx" in text
    assert text.endswith("xxxEND\n")
    assert f"... {200_008 - facade.TEXT_MAX} characters left out ..." in text
    assert len(text) < facade.TEXT_MAX + 100


# -- files --------------------------------------------------------------------------------


def test_reopen_goes_on_in_new_files(logs: Logs, folder: Path) -> None:
    logs.server("before")
    assert logs.flush()
    (folder / "server.log").rename(folder / "server-old.log")
    logs.server("still before")
    logs.reopen()
    logs.server("after")
    assert re.fullmatch(rf"{PREFIX}\[info\] after\n", read(logs, folder, "server"))
    assert (folder / "server-old.log").read_text().endswith("still before\n")


def test_a_log_that_cannot_be_reopened_goes_on_in_the_old_file(logs: Logs, folder: Path) -> None:
    (folder / "server.log").rename(folder / "old.log")
    (folder / "server.log").mkdir()
    logs.reopen()
    logs.server("after")
    assert logs.flush()
    assert logs.flush()  # the complaint is queued behind the first
    text = (folder / "old.log").read_text()
    assert "[error] cannot reopen" in text
    assert "[info] after" in text


def test_existing_logs_are_continued(folder: Path) -> None:
    for text in ("first", "second"):
        logs = Logs(folder)
        logs.server(text)
        logs.close()
    assert re.search(r"first\n.*second\n", (folder / "server.log").read_text())
    assert (folder / "request.log").stat().st_mode & 0o007 == 0


def test_close_writes_what_waits_and_ends_the_thread(folder: Path) -> None:
    before = threading.active_count()
    descriptors = len(os.listdir("/dev/fd"))
    logs = Logs(folder)
    for number in range(5000):
        logs.request(asked(str(number)))
    logs.close()
    assert (folder / "request.log").read_text().count("\n") == 5000
    assert threading.active_count() == before
    assert len(os.listdir("/dev/fd")) == descriptors
    logs.server("too late")


def test_a_folder_that_cannot_be_made_names_home(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"cannot be written to .*file/logs.*--home"):
        Logs(tmp_path / "file" / "logs")


def test_a_folder_that_may_not_be_written_to_names_home(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_arguments: object) -> int:
        raise PermissionError(errno.EACCES, "Permission denied", str(folder / "server.log"))

    monkeypatch.setattr("skitai.core.logs.sinks.os.open", refuse)
    with pytest.raises(ConfigError, match=r"Permission denied .*server\.log.*; let .* --home DIR"):
        Logs(folder)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full on this system")
def test_a_full_disk_costs_lines_and_says_so(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "x.log"
    path.symlink_to("/dev/full")
    sink = FileSink(path, warning)
    sink.write([b"one\n", b"two\n"])
    sink.write([b"three\n"])
    path.unlink()
    sink.reopen()
    sink.write([b"four\n"])
    sink.write([b"five\n"])
    sink.close()
    reason = os.strerror(errno.ENOSPC)
    said = f"skitai: {path} cannot be written to: {reason}; lines are lost until it can\n"
    assert capfd.readouterr().err == said
    assert path.read_text() == f"[warn] 3 lines are missing here: {reason}\nfour\nfive\n"


def test_a_line_that_was_cut_by_a_full_disk_does_not_swallow_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = 6
    write = os.write

    def write_while_there_is_room(descriptor: int, data: bytes) -> int:
        nonlocal room
        if not room:
            raise OSError(errno.ENOSPC, "full")
        written = write(descriptor, data[:room])
        room -= written
        return written

    sink = FileSink(tmp_path / "x.log", warning)
    with monkeypatch.context() as patched:
        patched.setattr("skitai.core.logs.sinks.os.write", write_while_there_is_room)
        sink.write([b"one\n", b"two\n", b"three\n"])
        room = 1
        sink.write([b"four\n"])  # room for the line end only
    sink.write([b"five\n"])
    sink.close()
    assert (tmp_path / "x.log").read_text() == "one\ntw\n[warn] 3 lines are missing here: full\nfive\n"


def test_a_flood_is_cut_and_counted(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "ENTRIES_MAX", 100)
    held = threading.Event()
    write = FileSink.write

    def write_when_let(self: FileSink, lines: list[bytes]) -> None:
        held.wait()
        write(self, lines)

    monkeypatch.setattr(FileSink, "write", write_when_let)
    logs = Logs(folder)
    logs.request(asked("/the-disk-hangs-on-this-one"))
    started = time.monotonic()
    while logs._writer._queue.qsize():
        assert time.monotonic() - started < 5
        time.sleep(0.01)
    time.sleep(0.1)
    for number in range(1000):
        logs.request(asked(str(number)))
    assert not logs.flush(timeout=0.1), "the disk hangs"
    held.set()
    assert "900 log lines were dropped" in read(logs, folder, "server")
    assert (folder / "request.log").read_text().count("\n") == 101
    logs.close()


def test_long_texts_are_bounded_together(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "LONG_TOTAL_MAX", 10_000)
    logs = Logs(folder)
    for _ in range(3):
        for _ in range(5):
            logs.app("x" * 4000)
        logs.app("short")
        assert logs.flush()  # the room is given back
    text = (folder / "app.log").read_text()
    assert (text.count("x" * 4000), text.count("short")) == (6, 3)
    assert "3 log lines were dropped" in read(logs, folder, "server")
    logs.close()


def test_a_defect_costs_a_batch_and_not_the_log(logs: Logs, folder: Path) -> None:
    logs.app(b"bytes")  # type: ignore[arg-type]  # what the types forbid
    logs.flush(timeout=0.3)
    logs.server("still here")
    text = read(logs, folder, "server")
    assert "[expt] log writer\nTraceback" in text
    assert "[info] still here" in text


def test_many_threads_lose_nothing(logs: Logs, folder: Path) -> None:
    def talk(name: int) -> None:
        for number in range(1000):
            logs.request(asked(f"{name}:{number}"))

    threads = [threading.Thread(target=talk, args=(name,)) for name in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = [line.split()[5] for line in read(logs, folder, "request").splitlines()]
    assert len(lines) == 8000
    for name in range(8):
        mine = [line for line in lines if line.startswith(f"{name}:")]
        assert mine == [f"{name}:{number}" for number in range(1000)]


# -- consoles -----------------------------------------------------------------------------


def test_without_a_folder_access_lines_go_to_stdout_and_the_rest_to_stderr(
    capfd: pytest.CaptureFixture[str],
) -> None:
    logs = Logs()
    logs.server("server")
    logs.request(asked("/request"))
    logs.app("app")
    logs.reopen()  # means nothing to a console
    logs.close()
    out, err = capfd.readouterr()
    assert re.fullmatch(rf"{PREFIX}\[info\] 127\.0\.0\.1:1 GET /request HTTP/1\.1 200 12 1ms 2ms\n", out)
    assert re.fullmatch(rf"{PREFIX}\[info\] server\n{PREFIX}\[info\] app\n", err)


def test_verbose_is_a_copy(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    logs = Logs(folder, console=True)
    logs.server("server")
    logs.request(asked("/request"))
    logs.close()
    out, err = capfd.readouterr()
    assert out == (folder / "request.log").read_text()
    assert err == (folder / "server.log").read_text()


def test_one_terminal_for_both_keeps_the_order(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, end = os.pipe()
    monkeypatch.setattr("skitai.core.logs.sinks._console_descriptor", lambda *_: end)
    logs = Logs()
    for number in range(100):
        if number % 3:
            logs.request(asked(str(number)))
        else:
            logs.server(f"- - {number}")
    logs.close()
    found = [line.split()[5] for line in pieces(reader).decode().splitlines()]
    assert found == [str(number) for number in range(100)]
    os.close(reader)
    os.close(end)


def test_a_console_closed_before_the_start_is_none(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout", None)
    monkeypatch.setattr("sys.stderr", None)
    logs = Logs(folder, console=True)
    logs.server("quiet")
    assert "quiet" in read(logs, folder, "server")
    logs.close()


def test_a_reader_that_left_costs_nothing() -> None:
    reader, end = os.pipe()
    sink = ConsoleSink(end, warning)
    os.close(end)
    sink.write([b"one\n"])
    assert os.read(reader, 99) == b"one\n"
    os.close(reader)
    for _ in range(3):
        sink.write([b"two\n"])  # EPIPE
    sink.close()


@pytest.mark.parametrize("blocking", [True, False])
def test_a_reader_that_does_not_read_is_left_behind(monkeypatch: pytest.MonkeyPatch, blocking: bool) -> None:
    """A stopped pager; the second time nobody waits for it.  Then it reads on."""
    monkeypatch.setattr(sinks, "_CONSOLE_PATIENCE", 0.1)
    reader, end = os.pipe()
    os.set_blocking(end, blocking)
    sink = ConsoleSink(end, warning)
    line = b"x" * 999 + b"\n"
    started = time.monotonic()
    for _ in range(20):
        sink.write([line] * 50)
    assert time.monotonic() - started < 2
    first = pieces(reader)
    sink.write([b"again\n"])
    last = pieces(reader).decode()
    missing = 1000 - first.count(b"\n")
    assert last.endswith(f"[warn] {missing} lines are missing here: the console took no more\nagain\n")
    assert bool(fcntl.fcntl(end, fcntl.F_GETFL) & os.O_NONBLOCK) is not blocking, "the flag is not ours"
    sink.close()
    os.close(reader)
    os.close(end)


# -- logging and wsgi.errors --------------------------------------------------------------


@pytest.fixture
def captured(logs: Logs) -> Logs:
    logs.capture_logging()
    return logs


def test_logging_goes_to_the_applications_log(captured: Logs, folder: Path) -> None:
    logger = logging.getLogger("shop.cart")
    logger.warning("%d left", 3)
    logger.error("bad")
    logger.critical("worse")
    logger.info("not asked for")
    try:
        raise ValueError("inner")
    except ValueError:
        logger.exception("failed")
    text = read(captured, folder, "app")
    assert re.match(
        rf"{PREFIX}\[warn:shop\.cart\] 3 left\n{PREFIX}\[error:shop\.cart\] bad\n"
        rf"{PREFIX}\[fail:shop\.cart\] worse\n{PREFIX}\[expt:shop\.cart\] failed\nTraceback ",
        text,
    )
    assert text.endswith("ValueError: inner\n")


def test_logging_is_given_back_on_close(folder: Path) -> None:
    before = logging.getLogger().handlers[:]
    logs = Logs(folder)
    logs.capture_logging()
    logs.capture_logging()
    assert len(logging.getLogger().handlers) == len(before) + 1
    logs.close()
    assert logging.getLogger().handlers == before


def test_a_bad_format_string_does_not_raise(
    captured: Logs, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging, "raiseExceptions", False)
    logging.getLogger("shop").warning("%d", "text")
    logging.getLogger("shop").warning("next")
    assert "next" in read(captured, folder, "app")


def test_wsgi_errors_makes_entries_of_lines(logs: Logs, folder: Path) -> None:
    """PEP 3333, "Input and Error Streams"."""
    errors = logs.wsgi_errors
    print("printed", 1, file=errors)
    assert errors.write("two\nlines\nand a ") == 16
    errors.write("beginning\n")
    errors.writelines(["a", "b\n", "c\n"])
    errors.write("unfinished")
    errors.flush()
    errors.flush()
    text = read(logs, folder, "app")
    assert [line.partition("] ")[2] or line for line in text.splitlines()] == [
        "printed 1",
        "two",
        "lines",
        "and a beginning",
        "ab",
        "c",
        "unfinished",
    ]
    assert text.count("[error]") == 5


def test_wsgi_errors_takes_text_only(logs: Logs) -> None:
    errors = logs.wsgi_errors
    assert (errors.writable(), errors.readable(), errors.seekable(), errors.isatty()) == (
        True,
        False,
        False,
        False,
    )
    with pytest.raises(TypeError, match=r"wsgi\.errors takes str, not bytes"):
        logs.wsgi_errors.write(b"bytes")  # type: ignore[arg-type]  # what the test is about


def test_a_line_without_end_is_written_in_pieces(logs: Logs, folder: Path) -> None:
    for _ in range(40):
        logs.wsgi_errors.write("x" * 2000)
    assert read(logs, folder, "app").count("x") > 60_000


def test_threads_do_not_cut_into_each_others_lines(logs: Logs, folder: Path) -> None:
    barrier = threading.Barrier(4)

    def talk(name: str) -> None:
        for _ in range(100):
            logs.wsgi_errors.write(name)
            if not _:
                barrier.wait(5)
            logs.wsgi_errors.write(name + "\n")

    run_all([lambda name=name: talk(name) for name in "abcd"])  # type: ignore[misc]  # a default binds it
    words = {line.rpartition(" ")[2] for line in read(logs, folder, "app").splitlines()}
    assert words == {"aa", "bb", "cc", "dd"}


def run_all(functions: list[Callable[[], None]]) -> None:
    threads = [threading.Thread(target=function) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
