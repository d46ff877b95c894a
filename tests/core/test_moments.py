"""Days of Brussels, moments of UTC."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from app import moments
from app.moments import BRUSSELS, brussels_date, possible_days, read_day, rfc3339


@pytest.mark.parametrize(
    ("moment", "day"),
    [
        (datetime(2026, 1, 31, 22, 59, 59, tzinfo=UTC), date(2026, 1, 31)),  # winter: UTC+1
        (datetime(2026, 1, 31, 23, 0, tzinfo=UTC), date(2026, 2, 1)),
        (datetime(2026, 6, 30, 21, 59, 59, tzinfo=UTC), date(2026, 6, 30)),  # summer: UTC+2
        (datetime(2026, 6, 30, 22, 0, tzinfo=UTC), date(2026, 7, 1)),
        (datetime(2026, 3, 28, 23, 0, tzinfo=UTC), date(2026, 3, 29)),  # the day summer begins
        (datetime(2026, 3, 29, 21, 59, tzinfo=UTC), date(2026, 3, 29)),
        (datetime(2026, 3, 29, 22, 0, tzinfo=UTC), date(2026, 3, 30)),
        (datetime(2026, 1, 1, 8, 0, tzinfo=timezone(timedelta(hours=9))), date(2026, 1, 1)),
        (datetime(2026, 1, 1, 7, 59, tzinfo=timezone(timedelta(hours=9))), date(2025, 12, 31)),
    ],
)
def test_a_day_is_that_of_the_calendar_in_brussels(moment: datetime, day: date) -> None:
    assert brussels_date(moment) == day


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2026, 11, 21, 9, 30, 0, 125999, tzinfo=UTC), "2026-11-21T09:30:00.125Z"),
        (datetime(2026, 11, 21, 9, 30, 0, 999, tzinfo=UTC), "2026-11-21T09:30:00.000Z"),
        (datetime(2026, 12, 31, 23, 59, 59, 999999, tzinfo=UTC), "2026-12-31T23:59:59.999Z"),
        (datetime(2026, 7, 1, 1, 0, tzinfo=BRUSSELS), "2026-06-30T23:00:00.000Z"),
    ],
)
def test_a_moment_is_told_in_utc_with_whole_milliseconds(moment: datetime, text: str) -> None:
    assert rfc3339(moment) == text


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("2026-01-31", date(2026, 1, 31), date(2026, 1, 31)),
        ("2024-02-29", date(2024, 2, 29), date(2024, 2, 29)),
        ("1957-00-00", date(1957, 1, 1), date(1957, 12, 31)),
        ("2024-02-00", date(2024, 2, 1), date(2024, 2, 29)),
        ("2023-02-00", date(2023, 2, 1), date(2023, 2, 28)),
        ("1957-12-00", date(1957, 12, 1), date(1957, 12, 31)),
        ("0001-00-00", date(1, 1, 1), date(1, 12, 31)),
    ],
)
def test_an_incomplete_date_stands_for_all_days_that_it_allows(
    text: str, first: date, last: date
) -> None:
    assert possible_days(text) == (first, last)
    assert read_day(text) == (first if first == last else None)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-02-29",
        "2026-13-01",
        "2026-13-00",
        "2026-01-32",
        "0000-00-00",
        "0000-01-01",
        "20260131",
        "2026-1-31",
        "2026-01-31T00:00",
        "2026-01-31\n",
        "2026-W05-6",
        "\u0662026-01-31",
        " 2026-01-31",
    ],
)
def test_what_is_no_day_is_none(text: str) -> None:
    assert possible_days(text) is None
    assert read_day(text) is None


def test_nothing_but_a_date_is_remembered() -> None:
    before = moments._days.cache_info().currsize

    for text in ("90722501478" + "x" * 1000, "2026-1-01", "2026-01-011", "x" * 10, ""):
        assert possible_days(text) is None

    assert moments._days.cache_info().currsize == before


def test_two_moments_of_one_night_are_two() -> None:
    first = datetime(2026, 10, 25, 2, 30, tzinfo=BRUSSELS)

    told = [rfc3339(each) for each in (first, first.replace(fold=1))]

    assert told == ["2026-10-25T00:30:00.000Z", "2026-10-25T01:30:00.000Z"]
