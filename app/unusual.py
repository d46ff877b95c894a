"""Asking that an auditor looks at first: found in a period, or marked on a page of records.

A person has another token in every month: over a year she is known again by opening the tokens.
What stands in a month whose key is destroyed is nobody's any more, and counts for no test date.
"""

import hashlib
import secrets
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import groupby
from typing import Any

from sqlmodel import Session

from app import asking, log_search, population
from app.asking import FEW, YEAR, Asked, Count, Sign
from app.log_search import Asking, Counted, Search
from app.moments import BRUSSELS, brussels_date, read_moment
from app.month_keys import MonthKey, MonthKeyMissing, MonthKeys, Opener
from app.record import RecordType

PROOF = asking.MOST_DATES + 1  # ids in a line of the report: so many dates are too many

# What one page may cost, however much was asked. What goes beyond it is said to be not counted.
MOST_RECORDS = 20_000  # about the persons on the page
MOST_TOKENS = 10_000  # in one statement
MOST_DAYS = 4_000  # of history, each of one organisation
MOST_LOOKS = 100_000  # at records, on the days of the page; and as many in their history
MOST_OF_DAY = 5_000  # of those on one day

Records = Sequence[tuple[int, Mapping[str, Any]]]


@dataclass(frozen=True)
class Unusual:
    """One line of the report: never whom it is about, but the records that show it."""

    sign: Sign
    organisation: str
    first: date
    last: date
    count: int
    normal: float
    event_ids: tuple[str, ...] = ()


@dataclass(frozen=True)
class Report:
    """What was unusual, and how many records of destroyed months could not be looked at."""

    found: list[Unusual]
    unreadable: int


@dataclass(frozen=True)
class Signs:
    """The signs of the records on a page, by index; `whole` is False when not all was counted."""

    of: Mapping[int, Sequence[Sign]]
    whole: bool = True


def report(
    session: Session,
    keys: MonthKeys,
    first: date,
    last: date,
    within: range,
    progress: Callable[[int], None] = lambda _: None,
) -> Report:
    """All unusual asking from one day to another: a year that ends there, a day that lies there.

    `within` holds the records that tell, as `indexes` gives it. What is kept meanwhile stands in a
    database of its own, which goes with this run, under hashes with a secret that goes too.

    Raises MonthKeyMissing for a key that is there and is not that of its records.
    """
    with closing(sqlite3.connect("")) as tally:
        unreadable = _tally(tally, session, Opener(keys), within, progress)
        found = [*_many_dates(tally, first, last), *_busy_days(tally, first, last)]
    return Report(found, unreadable)


def indexes(session: Session, first: date, last: date) -> range:
    """The records that tell whether asking was unusual in these days: from a year before."""
    return log_search.span(session, _start(first - timedelta(YEAR - 1)), _start(last, after=1))


def signs(session: Session, keys: MonthKeys, records: Records) -> Signs:
    """What is unusual in the records of a page, as of each of them."""
    asked = [
        (index, record)
        for index, record in records
        if record["type"] == RecordType.ACCESS.value and {"subject", "organisation"} <= {*record}
    ]
    try:
        dated, whole = _dated(session, keys, [each for each in asked if _is_dated(each[1])])
    except (MonthKeyMissing, OSError):  # a key cannot be read: the page is still worth seeing
        dated, whole = set(), False
    busy, all_counted = _busy(session, asked)
    of = {
        index: [
            *([Sign.TEST_DATES] if index in dated else []),
            *([Sign.PERSONS] if index in busy else []),
        ]
        for index in dated | busy
    }
    return Signs(of, whole and all_counted)


def _is_dated(record: Mapping[str, Any]) -> bool:
    """Whether an advice was asked, by whatever operation and with whatever answer."""
    return "asOf" in record


def _asked(index: int, record: Mapping[str, Any]) -> Asked:
    return Asked(_day(record), index, record["asOf"], record["eventId"])


def _day(record: Mapping[str, Any]) -> date:
    return brussels_date(read_moment(record["recordedAt"]))


def _start(day: date, after: int = 0) -> datetime:
    """The first moment of a day in Brussels, or of one that many days after."""
    return datetime.combine(day + timedelta(after), time(), BRUSSELS).astimezone(UTC)


# The report

_TABLES = """
PRAGMA journal_mode = OFF;
CREATE TABLE dated (
  organisation TEXT, person BLOB, test_date TEXT, day TEXT, place INTEGER, event_id TEXT,
  PRIMARY KEY (organisation, person, test_date, day)
) WITHOUT ROWID;
CREATE TABLE asked (
  organisation TEXT, day TEXT, person BLOB, PRIMARY KEY (organisation, day, person)
) WITHOUT ROWID;
"""
_DATED = """
INSERT INTO dated VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET place = excluded.place, event_id = excluded.event_id
"""
_ASKED = "INSERT OR IGNORE INTO asked VALUES (?, ?, ?)"
_MANY = """
SELECT organisation, person, day, place, test_date, event_id
FROM dated JOIN (
  SELECT organisation, person FROM dated
  GROUP BY organisation, person HAVING count(DISTINCT test_date) > ?
) USING (organisation, person)
ORDER BY organisation, person, day, place
"""
_DAYS = "SELECT organisation, day, count(*) FROM asked GROUP BY organisation, day"


def _tally(
    tally: sqlite3.Connection,
    session: Session,
    opener: Opener,
    within: range,
    progress: Callable[[int], None],
) -> int:
    """Take up every question about a person; how many of those with a date could not be opened."""
    tally.executescript(_TABLES)
    secret, unreadable = secrets.token_bytes(32), 0

    def hashed(text: str) -> bytes:
        return hashlib.blake2b(text.encode(), key=secret, digest_size=16).digest()

    for part in log_search.about_persons(session, within):
        tally.executemany(
            _ASKED,
            [
                (record["organisation"], _day(record).isoformat(), hashed(record["subject"]))
                for _, record in part
            ],
        )
        dated = [(_asked(*each), each[1]) for each in part if _is_dated(each[1])]
        opened = [(one, record["organisation"], opener.subject(record)) for one, record in dated]
        current = population.all_numbers(session, {number for *_, number in opened if number})
        tally.executemany(
            _DATED,
            [
                (
                    *(organisation, hashed(current[number])),
                    *(one.test_date, one.day.isoformat(), one.place, one.event_id),
                )
                for one, organisation, number in opened
                if number
            ],
        )
        unreadable += sum(number is None for *_, number in opened)
        progress(part[-1][0] - within.start + 1)
    return unreadable


def _many_dates(tally: sqlite3.Connection, first: date, last: date) -> Iterator[Unusual]:
    """For each person and organisation the year with the most dates, the newest of those."""
    rows = tally.execute(_MANY, [asking.MOST_DATES])
    for (organisation, _), group in groupby(rows, key=lambda row: row[:2]):
        asked = [
            Asked(date.fromisoformat(day), place, test_date, event_id)
            for *_, day, place, test_date, event_id in group
        ]
        worst: list[Asked] = []
        for one, year in zip(asked, asking.years(asked), strict=True):
            if first <= one.day <= last and len(year) >= len(worst):
                worst = [*year]
        if asking.has_many_dates(worst):
            newest = tuple(one.event_id for one in worst[: -PROOF - 1 : -1])
            yield Unusual(
                *(Sign.TEST_DATES, organisation, worst[0].day, worst[-1].day),
                *(len(worst), asking.MOST_DATES, newest),
            )


def _busy_days(tally: sqlite3.Connection, first: date, last: date) -> Iterator[Unusual]:
    for organisation, rows in groupby(tally.execute(_DAYS), key=lambda row: row[0]):
        persons = {date.fromisoformat(day): count for _, day, count in rows}
        for day, normal in asking.busy_days(persons, first, last):
            yield Unusual(Sign.PERSONS, organisation, day, day, persons[day], normal)


# The page


def _dated(session: Session, keys: MonthKeys, asked: Records) -> tuple[set[int], bool]:
    """Where, as of that record, too many dates were asked; and whether all of them were counted."""
    if not asked:
        return set(), True
    opener = Opener(keys)
    opened = [(index, record, opener.subject(record)) for index, record in asked]
    readable = [(record, number) for _, record, number in opened if number]
    person = population.all_numbers(session, {number for _, number in readable})
    numbers = defaultdict(set)
    for number, current in person.items():
        numbers[current].add(number)
    by_month = defaultdict(set)
    for record, number in readable:
        by_month[record["recordedAt"][:7]].add(person[number])
    subject_of = {
        key.hide("subject", number): current
        for month, persons in by_month.items()
        for key in _keys_of_year(keys, month)
        for current in persons
        for number in numbers[current]
    }
    histories, whole = defaultdict(list), True
    tokens, before = [*subject_of], max(index for index, _ in asked) + 1
    for start in range(0, len(tokens), MOST_TOKENS):
        subjects = tuple(tokens[start : start + MOST_TOKENS])
        wanted = Search(
            subjects=subjects, types=(RecordType.ACCESS.value,), before=before, limit=MOST_RECORDS
        )
        found = log_search.search(session, wanted)
        whole = whole and not found.more
        for index, record in found.records:
            if _is_dated(record):
                asker = record.get("organisation"), subject_of[record["subject"]]
                histories[asker].append(_asked(index, record))
    many = {
        one.place
        for history in map(sorted, histories.values())
        for one, year in zip(history, asking.years(history), strict=True)
        if asking.has_many_dates(year)
    }
    return many & {index for index, _ in asked}, whole


def _keys_of_year(keys: MonthKeys, month: str) -> Iterator[MonthKey]:
    """Those under which a person can stand in the year up to a record of this month."""
    start = datetime.fromisoformat(f"{month}-01").replace(tzinfo=UTC)
    return keys.kept(start - timedelta(YEAR), start)


Cell = tuple[str, date]  # an organisation and a day


def _busy(session: Session, asked: Records) -> tuple[set[int], bool]:
    """The records of days on which far more persons were asked about than is normal; and whether
    all that it takes was counted."""
    on = {(record["organisation"], _day(record)) for _, record in asked}
    most = min(MOST_OF_DAY, MOST_LOOKS // max(len(on), 1))
    counted = _counted(session, dict.fromkeys(on, most))
    history = _counted(session, _history(counted))
    unknown = Count.of(0, whole=False)
    busy = {
        (organisation, day): asking.is_busy(
            Count.of(found.persons, whole=found.whole),
            [
                Count.of(before.persons, whole=before.whole) if before else unknown
                for before in (
                    history.get((organisation, each)) for each in asking.days_before(day)
                )
            ],
        )
        for (organisation, day), found in counted.items()
    }
    marked = {index for index, record in asked if busy[record["organisation"], _day(record)]}
    return marked, None not in busy.values()


def _history(counted: Mapping[Cell, Counted]) -> dict[Cell, int]:
    """How many records to look at on which days, to tell what is normal for who asked on these.

    To hold a day against a third of it half of it is enough, also when before each person was
    asked about more often. Of whom it would take too much, nothing; the least costly go first.
    """
    days: defaultdict[str, set[date]] = defaultdict(set)
    most: defaultdict[str, int] = defaultdict(int)
    for (organisation, day), found in counted.items():
        if not found.whole or found.persons > FEW:
            days[organisation].update(asking.days_before(day))
            most[organisation] = max(most[organisation], found.records // 2 + 1)
    wanted: dict[Cell, int] = {}
    looks = 0
    for organisation in sorted(days, key=lambda each: (len(days[each]) * most[each], each)):
        looks += len(days[organisation]) * most[organisation]
        if looks > MOST_LOOKS or len(wanted) + len(days[organisation]) > MOST_DAYS:
            break
        wanted |= {(organisation, day): most[organisation] for day in days[organisation]}
    return wanted


def _counted(session: Session, most: Mapping[Cell, int]) -> dict[Cell, Counted]:
    """How many persons each organisation asked about on each day, in so many records."""
    if not most:
        return {}
    wanted = [
        Asking(organisation, _start(day), _start(day, after=1), looks)
        for (organisation, day), looks in most.items()
    ]
    return dict(zip(most, log_search.count_persons(session, wanted), strict=True))
