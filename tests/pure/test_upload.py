from __future__ import annotations

from skitai._pure.engine.upload import Upload
from skitai.limits import Limits

LIMITS = Limits(body_rate_min=100, body_rate_grace=10.0)


def test_fast_enough() -> None:
    upload = Upload(LIMITS, began=50.0)
    assert upload.deadline == 60.0
    upload.taken += 1000
    assert not upload.is_too_slow(60.0)
    assert upload.deadline == 70.0


def test_what_came_before_is_no_credit() -> None:
    upload = Upload(LIMITS, began=0.0)
    upload.taken += 1_000_000
    assert not upload.is_too_slow(10.0)
    upload.taken += 999
    assert upload.is_too_slow(20.0)


def test_no_minimum() -> None:
    assert not Upload(Limits(body_rate_min=0), began=0.0).is_too_slow(10.0)
