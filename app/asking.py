"""Which asking is unusual: test dates for one person, and persons on one day. Pure.

It breaks no rule of a protocol: it is what an auditor looks at first.
"""

from collections import OrderedDict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from enum import StrEnum
from math import inf
from statistics import median
from typing import NamedTuple

# An advice is about the day of an application, which may be corrected or made again. Who asks for
# many days can read from the answers when what happened in the dossier.
MOST_DATES = 3
YEAR = 365  # days, the last one included; a leap year is no other year

HISTORY = 90  # days before, that tell what is normal: a quarter, so that a busy week is not
MOST_TIMES = 3  # the normal: a busy Monday is within it, going through a list is not
# Of a few persons three times as many says nothing, nor is anything normal for who begins.
FEW = 10


class Sign(StrEnum):
    """In which way asking is unusual, by its name on the wire."""

    TEST_DATES = "toetsdata"
    PERSONS = "personenPerDag"


class Asked(NamedTuple):
    """That a test date was asked for a person; in the order of days and of the log."""

    day: date  # on which it was asked
    place: int  # in the log
    test_date: str
    event_id: str


class Count(NamedTuple):
    """How many persons: `most` is infinite when not all was counted."""

    least: int
    most: float

    @classmethod
    def of(cls, number: int, *, whole: bool = True) -> "Count":
        """So many, or at least so many."""
        return cls(number, number if whole else inf)


def years(asked: Iterable[Asked]) -> Iterator[Collection[Asked]]:
    """For each question, in their order, the newest one of every test date in the year up to it.

    What is yielded goes on to change: take from it what is to stay.
    """
    newest: OrderedDict[str, Asked] = OrderedDict()  # by when they were asked last
    for one in asked:
        newest[one.test_date] = one
        newest.move_to_end(one.test_date)
        while one.day - next(iter(newest.values())).day >= timedelta(YEAR):
            newest.popitem(last=False)
        yield newest.values()


def has_many_dates(year: Collection[Asked]) -> bool:
    """True for more test dates in a year than asking needs."""
    return len(year) > MOST_DATES


def normal(before: Iterable[float]) -> float:
    """The median of the persons on the days on which one asked; 0 for who never did."""
    found = float(median([persons for persons in before if persons] or [0]))
    return int(found) if found.is_integer() else found


def is_busy(persons: Count, before: Sequence[Count]) -> bool | None:
    """Whether these are far more persons than on the days before; None where it was not counted."""
    if persons.least > _limit(count.most for count in before):
        return True
    if persons.most <= _limit(count.least for count in before):
        return False
    return None


def days_before(day: date) -> list[date]:
    """The days that tell what is normal on this one."""
    return [day - timedelta(days) for days in range(1, HISTORY + 1)]


def busy_days(persons: Mapping[date, int], first: date, last: date) -> Iterator[tuple[date, float]]:
    """The days with far more persons than is normal for one organisation, and what that is."""
    for day in sorted(persons):
        if not first <= day <= last:
            continue
        before = [persons.get(each, 0) for each in days_before(day)]
        if persons[day] > _limit(before):
            yield day, normal(before)


def _limit(before: Iterable[float]) -> float:
    return max(FEW, MOST_TIMES * normal(before))
