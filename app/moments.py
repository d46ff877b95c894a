"""Days are Brussels days, moments are UTC: the two ways this service speaks of time. Pure."""

import re
from calendar import monthrange
from datetime import UTC, date, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
BRUSSELS = ZoneInfo("Europe/Brussels")


def brussels_date(moment: datetime) -> date:
    """The date on the calendar in Brussels; every date of a protocol or a dossier is one."""
    return moment.astimezone(BRUSSELS).date()


def rfc3339(moment: datetime) -> str:
    """UTC with milliseconds and Z, as in `2026-11-21T09:30:00.125Z`."""
    # In UTC first: elsewhere two moments of one night can be equal.
    return _written(moment.astimezone(UTC))


# The records of a batch, and of a commit, tell of the same moments.
@lru_cache(maxsize=64)
def _written(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def to_millisecond(moment: datetime) -> datetime:
    """The moment as `rfc3339` writes it."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def read_moment(text: str) -> datetime:
    """What `rfc3339` wrote: a moment in UTC. Raises ValueError for what is none."""
    return datetime.fromisoformat(text).astimezone(UTC)


def read_day(text: str) -> date | None:
    """A date that exists, written as `2026-01-31`, or None; other ISO 8601 forms are none."""
    days = possible_days(text)
    return days[0] if days and days[0] == days[1] and not text.endswith("-00") else None


def possible_days(text: str) -> tuple[date, date] | None:
    """The first and last day that a date can stand for: `1957-00-00` is a whole year."""
    # Nothing but a date is remembered, whatever a caller wrote in its place.
    return _days(text) if _DAY.fullmatch(text) else None


# The days of one person stand in several places, and those of a batch are often the same.
@lru_cache(maxsize=4096)
def _days(text: str) -> tuple[date, date] | None:
    year, month, day = int(text[:4]), int(text[5:7]), int(text[8:])
    try:
        if month and day:
            return date(year, month, day), date(year, month, day)
        last_month = month or 12
        return date(year, month or 1, 1), date(year, last_month, monthrange(year, last_month)[1])
    except ValueError:
        return None
