from __future__ import annotations

from typing import Any

import pytest

from skitai.core.admission import LimitedSink, admission_hook, early_refusal
from skitai.core.apps import MountedApp
from skitai.core.bodies import RequestBody, Spool
from skitai.core.config import AppTarget
from skitai.errors import HTTPError


class Mounted:
    """An application that is mounted; only what `admission_hook` looks at."""

    def __init__(self, admit: Any = None) -> None:
        self._admit = admit

    def hook(self, name: str) -> Any:
        return self._admit if name == "skitai_admit" else None


def refusal_of(mounted: Mounted, failures: list[str] | None = None) -> Any:
    said = [] if failures is None else failures
    hook = admission_hook(mounted)  # type: ignore[arg-type]  # a stand-in
    assert hook is not None
    return early_refusal(hook, {"PATH_INFO": "/x"}, said.append)


def test_an_application_without_a_word_is_not_asked() -> None:
    assert admission_hook(Mounted()) is None  # type: ignore[arg-type]  # a stand-in


def test_what_is_not_loaded_has_no_word() -> None:
    assert admission_hook(MountedApp(AppTarget(None, "no.such.module", "app", "no.such.module"))) is None


def test_yes_and_no() -> None:
    assert refusal_of(Mounted(lambda environ: None)) is None
    answer = refusal_of(
        Mounted(lambda environ: ("401 Unauthorized", [("Content-Length", "99"), ("A", "b")], b"no"))
    )
    assert (answer.status, answer.headers, answer.body) == (401, [("A", "b"), ("Content-Length", "2")], b"no")


@pytest.mark.parametrize("error", [ValueError("x"), SystemExit(1)])
def test_a_failure_is_the_applications_and_ends_nothing_else(error: BaseException) -> None:
    def hook(environ: dict[str, Any]) -> None:
        raise error

    failures: list[str] = []
    with pytest.raises(HTTPError) as caught:
        refusal_of(Mounted(hook), failures)
    assert caught.value.status == 500
    assert failures == ["skitai_admit"]


def test_a_body_beyond_its_mounts_limit() -> None:
    sink = LimitedSink(RequestBody(Spool(None, 1000), 100), 5, lambda limit, text: None)
    sink.write(b"12345")
    with pytest.raises(HTTPError) as caught:
        sink.write(b"6")
    assert caught.value.status == 413
    sink.close()


def test_a_full_spool_is_told_in_full_to_the_operator_only() -> None:
    noted: list[tuple[str, str]] = []
    spool = Spool(None, 10)
    sink = LimitedSink(RequestBody(spool, 1), 1000, lambda limit, text: noted.append((limit, text)))
    with pytest.raises(HTTPError) as caught:
        sink.write(b"x" * 11)
    assert caught.value.status == 507
    assert spool.directory not in caught.value.why
    assert [limit for limit, text in noted if spool.directory in text] == ["spool_total_max"]
    sink.close()
    assert spool.used == 0
