"""HTTP dates (RFC 9110 section 5.6.7): seconds since 1970 to text and back.

Pure functions for any thread, below everything else: the engine writes the Date of each response
by them, the static files their Last-Modified.  Both directions are remembered, in bounded number:
files have few modification times, and clients send back what they were given.
"""

from __future__ import annotations

import re
import time
from functools import lru_cache
from typing import TYPE_CHECKING

from skitai._lazy import LazyModule

if TYPE_CHECKING:
    import datetime
else:
    datetime = LazyModule("datetime")

__all__ = ["format_date", "parse_date"]

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

_DAY_NAME = "(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
_LONG_DAY_NAME = "(?:Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday)"
_MONTH = f"(?P<month>{'|'.join(_MONTHS)})"
_TIME = "(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2}):(?P<second>[0-9]{2})"
_FORMS = (
    re.compile(rf"{_DAY_NAME}, (?P<day>[0-9]{{2}}) {_MONTH} (?P<year>[0-9]{{4}}) {_TIME} GMT"),
    # The obsolete two, which a recipient MUST accept: RFC 850's and asctime()'s.
    re.compile(rf"{_LONG_DAY_NAME}, (?P<day>[0-9]{{2}})-{_MONTH}-(?P<year>[0-9]{{2}}) {_TIME} GMT"),
    re.compile(rf"{_DAY_NAME} {_MONTH} (?P<day>[0-9 ][0-9]) {_TIME} (?P<year>[0-9]{{4}})"),
)


@lru_cache(maxsize=1024)
def format_date(seconds: int) -> str:
    """IMF-fixdate, ``Sun, 06 Nov 1994 08:49:37 GMT``.  ``seconds``: 0 to the end of the year 9999."""
    year, month, day, hour, minute, second, weekday, *_ = time.gmtime(seconds)
    date = f"{_DAYS[weekday]}, {day:02} {_MONTHS[month - 1]} {year:04}"
    return f"{date} {hour:02}:{minute:02}:{second:02} GMT"


@lru_cache(maxsize=1024)
def parse_date(text: str) -> int | None:
    """Seconds since 1970 of any of the three forms, None if ``text`` is no HTTP-date."""
    match = next(filter(None, (form.fullmatch(text) for form in _FORMS)), None)
    if match is None:
        return None
    year, month = int(match["year"]), _MONTHS.index(match["month"]) + 1
    if len(match["year"]) == 2:
        year = _full_year(year)
    day, hour, minute, second = (int(match[part]) for part in ("day", "hour", "minute", "second"))
    if second == 60:
        second = 59  # a leap second (RFC 5322 section 3.3), which Unix time does not have
    try:
        moment = datetime.datetime(year, month, day, hour, minute, second, tzinfo=datetime.timezone.utc)
    except ValueError:
        return None
    return int(moment.timestamp())


def _full_year(two_digits: int) -> int:
    """The most recent year that ends so, unless the date would be over 50 years in the future."""
    this_year = time.gmtime().tm_year
    year = this_year - this_year % 100 + two_digits
    return year - 100 if year > this_year + 50 else year
