"""Unusual asking: the first and the last that is usual, of dates, of days and of persons."""

from collections.abc import Sequence
from datetime import date, timedelta
from functools import partial
from math import inf

import pytest

from app import asking
from app.asking import Asked, Count, busy_days, days_before, has_many_dates, is_busy, normal, years

MONDAY = date(2026, 6, 1)
LEAP = date(2028, 2, 29)


def asked(*questions: tuple[int, str], start: date = MONDAY) -> list[Asked]:
    """Questions so many days after the first, each for a test date."""
    return [
        Asked(start + timedelta(days), place, test_date, f"e{place}")
        for place, (days, test_date) in enumerate(questions)
    ]


def marked(questions: Sequence[Asked]) -> list[int]:
    """The places of the questions by which there are too many dates."""
    return [
        one.place
        for one, year in zip(questions, years(questions), strict=True)
        if has_many_dates(year)
    ]


DATES: list[tuple[str, list[tuple[int, str]], list[int]]] = [
    ("none", [], []),
    ("three dates", [(0, "a"), (0, "b"), (0, "c")], []),
    ("four dates on a day", [(0, "a"), (0, "b"), (0, "c"), (0, "d")], [3]),
    ("one date four times", [(0, "a"), (1, "a"), (2, "a"), (3, "a")], []),
    ("three dates again", [(0, "a"), (1, "b"), (2, "c"), (3, "a"), (4, "b")], []),
    ("a fifth, and one again", [(0, "a"), (1, "b"), (2, "c"), (3, "d"), (4, "a")], [3, 4]),
    ("364 days apart", [(0, "a"), (1, "b"), (2, "c"), (364, "d")], [3]),
    ("365 days apart", [(0, "a"), (1, "b"), (2, "c"), (365, "d")], []),
    ("366 days apart", [(0, "a"), (1, "b"), (2, "c"), (366, "d")], []),
    ("asked again meanwhile", [(0, "a"), (1, "b"), (2, "c"), (3, "a"), (365, "d")], [4]),
    ("many, and a year later none", [(n, str(n)) for n in range(5)] + [(500, "a")], [3, 4]),
    ("each year two", [(0, "a"), (0, "b"), (365, "c"), (365, "d"), (729, "e")], []),
    ("a year that slides", [(0, "a"), (200, "b"), (300, "c"), (400, "d"), (500, "e")], [4]),
]


@pytest.mark.parametrize(("questions", "expected"), [row[1:] for row in DATES])
@pytest.mark.parametrize("start", [MONDAY, LEAP, date(2027, 3, 1)])
def test_more_than_three_dates_in_365_days(
    questions: list[tuple[int, str]], expected: list[int], start: date
) -> None:
    assert marked(asked(*questions, start=start)) == expected


def test_a_leap_year_is_no_other_year() -> None:
    common = [date(2026, 3, 1), date(2027, 2, 28), date(2027, 3, 1)]
    leap = [date(2027, 3, 1), date(2028, 2, 28), date(2028, 2, 29)]

    for first, last_within, first_without in (common, leap):
        three = [Asked(first, place, str(place), "") for place in range(3)]
        assert marked([*three, Asked(last_within, 3, "x", "")]) == [3]
        assert marked([*three, Asked(first_without, 3, "x", "")]) == []


def test_a_year_holds_the_newest_question_of_each_date() -> None:
    questions = asked((0, "a"), (1, "b"), (2, "a"), (3, "c"))

    assert [[one.place for one in year] for year in years(questions)] == [
        [0],
        [0, 1],
        [1, 2],
        [1, 2, 3],
    ]


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        ([], 0),
        ([0, 0], 0),
        ([7], 7),
        ([1, 9, 2], 2),
        ([1, 2, 3, 10], 2.5),
        ([4, 2], 3),
        ([0, 5, 0, 0], 5),
        ([1, inf, inf], inf),
        ([1, 2, inf], 2),
        ([1, inf], inf),
    ],
)
def test_normal_is_the_median_of_the_days_on_which_one_asked(
    before: list[float], expected: float
) -> None:
    found = normal(before)

    assert found == expected
    assert isinstance(found, int) == (expected in (0, 2, 3, 5, 7))


@pytest.mark.parametrize(
    ("persons", "before", "expected"),
    [
        (10, [], False),
        (11, [], True),
        (10, [1, 1, 1], False),
        (11, [1, 1, 1], True),
        (11, [3, 3, 3], True),
        (11, [4], False),
        (12, [4, 4], False),
        (13, [4, 4], True),
        (10, [3, 4], False),
        (11, [3, 4], True),
        (13, [4, 5], False),
        (14, [4, 5], True),
        (300, [100] * 90, False),
        (301, [100] * 90, True),
        (0, [], False),
    ],
)
def test_busy_is_more_than_ten_and_than_three_times_the_normal(
    persons: int, before: list[int], expected: bool
) -> None:
    assert is_busy(Count.of(persons), [Count.of(number) for number in before]) is expected


EXACT, AT_LEAST = Count.of, partial(Count.of, whole=False)


@pytest.mark.parametrize(
    ("persons", "before", "expected"),
    [
        (EXACT(301), [AT_LEAST(100)] * 3, None),  # it may be 101
        (EXACT(300), [AT_LEAST(100)] * 3, False),  # and it is no fewer
        (EXACT(301), [EXACT(100), EXACT(100), AT_LEAST(100)], True),  # the median is 100
        (EXACT(301), [EXACT(100), AT_LEAST(100), AT_LEAST(100)], None),
        (AT_LEAST(301), [EXACT(100)], True),
        (AT_LEAST(300), [EXACT(100)], None),
        (AT_LEAST(301), [AT_LEAST(100)], None),
        (EXACT(10), [AT_LEAST(0)], False),
        (EXACT(11), [AT_LEAST(0)], None),
    ],
)
def test_what_was_not_counted_is_not_guessed(
    persons: Count, before: list[Count], expected: bool | None
) -> None:
    assert is_busy(persons, before) is expected


def test_the_90_days_before_tell_what_is_normal() -> None:
    days = days_before(MONDAY)

    assert (days[0], days[-1], len(days)) == (date(2026, 5, 31), date(2026, 3, 3), 90)


@pytest.mark.parametrize(("ago", "expected"), [(90, []), (91, [(MONDAY, 0)])])
def test_a_day_is_held_against_those_before_it(ago: int, expected: list[object]) -> None:
    persons = {MONDAY: 60, MONDAY - timedelta(ago): 20, MONDAY + timedelta(1): 1}

    assert [*busy_days(persons, MONDAY, MONDAY)] == expected


def test_only_days_of_the_period_are_busy() -> None:
    persons = {MONDAY + timedelta(days): 11 * 4**days for days in range(4)}

    found = [*busy_days(persons, MONDAY + timedelta(1), MONDAY + timedelta(2))]

    assert found == [(MONDAY + timedelta(1), 11), (MONDAY + timedelta(2), 27.5)]
    assert [*busy_days(persons, MONDAY, MONDAY + timedelta(9))] == [
        (MONDAY, 0),
        *found,
        (MONDAY + timedelta(3), 44),
    ]


def test_the_bounds_are_those_that_the_help_tells() -> None:
    assert (asking.MOST_DATES, asking.YEAR, asking.HISTORY) == (3, 365, 90)
    assert (asking.FEW, asking.MOST_TIMES) == (10, 3)
