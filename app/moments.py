"""Days are Brussels days, moments are UTC: the two ways this service speaks of time. Pure."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

BRUSSELS = ZoneInfo("Europe/Brussels")


def brussels_date(moment: datetime) -> date:
    """The date on the calendar in Brussels; every date of a protocol or a dossier is one."""
    return moment.astimezone(BRUSSELS).date()


def rfc3339(moment: datetime) -> str:
    """UTC with milliseconds and Z, as in `2026-11-21T09:30:00.125Z`."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03}Z"
