"""Unusual asking in a real log: over months with their own keys, on a page and in the report."""

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
from service import CITY, FUND, OTHER_FUND, Service, add_resident, insz_of
from sqlalchemy import event

from app import access_log, administration, asking, log_search, population, unusual
from app.administration import Office
from app.asking import Asked, Count, Sign
from app.database import Database
from app.errors import Outcome
from app.log_search import Asking, Counted, Search
from app.moments import brussels_date
from app.month_keys import MonthKeyMissing, MonthKeys
from app.record import Origin, RecordType, Trace, entry_of
from app.unusual import Report, Signs, Unusual
from app.visit import Visit, new_event_id

NOW = datetime(2026, 6, 1, 9, 30, tzinfo=UTC)
START = NOW - timedelta(days=500)
ORIGIN = Origin("sha256:catalogue", "1.0", "node-1")
DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
ANY = (date(2020, 1, 1), date(2030, 1, 1))
PERSON, OTHER = "90722501478", "85073000101"
DATES, PERSONS = Sign.TEST_DATES, Sign.PERSONS


@dataclass(frozen=True)
class Question:
    """What a test knows of a record; its place in the list is its index."""

    at: datetime
    test_date: str | None = None
    person: str | None = PERSON
    organisation: str | None = FUND
    outcome: Outcome = Outcome.ALLOWED
    type: RecordType = RecordType.ACCESS
    operation: str = "queryAdvies"


@pytest.fixture
def keys(tmp_path: Path) -> MonthKeys:
    """A key for every month of a test."""
    made = MonthKeys(tmp_path / "month-keys")
    made.create(START, months=24)
    return made


def fill(store: Database, keys: MonthKeys, questions: Iterable[Question]) -> list[str]:
    """Append a record for each, as of its own moment; their ids."""
    entries = [
        entry_of(
            Visit(
                operation=one.operation,
                route="/adviezen/query",
                started_at=one.at,
                correlation_id="",
                event_id=new_event_id(one.at),
                trace_id="",
                span_id="",
                organisation=one.organisation,
            ),
            Trace(
                type=one.type,
                outcome=one.outcome,
                as_of=date.fromisoformat(one.test_date) if one.test_date else None,
                subject=one.person,
            ),
            keys.at(one.at),
            ORIGIN,
            one.at,
            None,
        )
        for one in questions
    ]
    with store.writing() as session:
        results = access_log.write(session, entries)
    assert not [one for one in results if isinstance(one, Exception)]
    return [entry.event_id for entry in entries]


def reported(store: Database, keys: MonthKeys, first: date = ANY[0], last: date = ANY[1]) -> Report:
    """The report of a period."""
    with store.reading() as session:
        within = unusual.indexes(session, first, last)
        return unusual.report(session, keys, first, last, within)


def signed(store: Database, keys: MonthKeys, most: int | None = None) -> Signs:
    """The signs on a page with every record, or the newest ones."""
    with store.reading() as session:
        found = log_search.search(session, Search(limit=most or 10**6))
        return unusual.signs(session, keys, found.records)


def dates(
    *days: float, person: str = PERSON, organisation: str = FUND, first: int = 1
) -> list[Question]:
    """A question so many days after START for each, all for different test dates."""
    return [
        Question(START + timedelta(day), f"2022-01-{number:02}", person, organisation)
        for number, day in enumerate(days, start=first)
    ]


def persons(day: datetime, count: int, organisation: str = CITY) -> list[Question]:
    """Dossiers of so many persons on a day."""
    return [
        Question(day, None, f"{number:011}", organisation, operation="queryDossier")
        for number in range(count)
    ]


# Test dates for one person


def test_a_person_is_one_over_months_with_their_own_keys(store: Database, keys: MonthKeys) -> None:
    ids = fill(store, keys, [*dates(0, 40, 80, 120), Question(START + 121 * DAY, "2022-01-04")])

    page, report = signed(store, keys), reported(store, keys)

    assert page == Signs({3: [DATES], 4: [DATES]})
    days = brussels_date(START), brussels_date(START + 121 * DAY)
    newest = (ids[4], ids[2], ids[1], ids[0])
    assert report == Report([Unusual(DATES, FUND, *days, 4, 3, newest)], 0)


@pytest.mark.parametrize(
    "questions",
    [
        dates(0, 1, 2),
        [*dates(0, 1), *dates(2, 3, organisation=OTHER_FUND, first=3)],
        [*dates(0, 1), *dates(2, 3, person=OTHER, first=3)],
        dates(0, 1, 2, 365),
        [Question(START + n * HOUR, "2022-01-01") for n in range(4)],
        [*dates(0, 1, 2), Question(START + 3 * DAY, None, operation="queryDossier")],
        [*dates(0, 1, 2), Question(START + 3 * DAY, "2022-01-09", type=RecordType.LOG_READ)],
        [*dates(0, 1, 2), Question(START + 3 * DAY, "2022-01-09", person=None)],
        [Question(START, "2022-01-09", organisation=None), *dates(0, 1, 2)],
    ],
    ids=[
        *("three dates", "two organisations", "two persons", "more than a year", "one date"),
        *("a dossier", "an auditor", "nobody", "no organisation"),
    ],
)
def test_what_is_usual_is_not_marked(
    store: Database, keys: MonthKeys, questions: Sequence[Question]
) -> None:
    fill(store, keys, questions)

    assert signed(store, keys) == Signs({})
    assert reported(store, keys) == Report([], 0)


@pytest.mark.parametrize("outcome", [Outcome.DENIED, Outcome.INVALID, Outcome.NO_ADVICE])
@pytest.mark.parametrize("operation", ["queryAdvies", "queryAdviesBatch"])
def test_asking_is_asking_whatever_the_answer(
    store: Database, keys: MonthKeys, outcome: Outcome, operation: str
) -> None:
    last = Question(START + 364 * DAY, "2021-12-31", outcome=outcome, operation=operation)
    fill(store, keys, [*dates(0, 1, 2), last])

    assert signed(store, keys) == Signs({3: [DATES]})
    assert [one.count for one in reported(store, keys).found] == [4]


def test_the_report_gives_the_worst_year_that_ends_in_its_period(
    store: Database, keys: MonthKeys
) -> None:
    ids = fill(store, keys, dates(0, 1, 2, 3, 4, 366, 370))
    first = brussels_date(START)

    def found(*period: int) -> list[tuple[date, date, int]]:
        since, until = (first + timedelta(days) for days in period)
        return [
            (each.first, each.last, each.count)
            for each in reported(store, keys, since, until).found
        ]

    five = (first, first + 4 * DAY, 5)
    assert found(0, 400) == [five]
    assert found(4, 4) == [five]
    assert found(3, 3) == [(first, first + 3 * DAY, 4)]
    assert found(0, 2) == found(5, 365) == found(367, 400) == []
    assert found(366, 366) == [(first + 2 * DAY, first + 366 * DAY, 4)]
    assert reported(store, keys).found[0].event_ids == tuple(ids[4:0:-1])


def test_the_page_counts_what_is_not_on_it(store: Database, keys: MonthKeys) -> None:
    fill(store, keys, [*dates(0, 0, 100), *dates(364, 364, first=4)])

    assert signed(store, keys, most=1) == Signs({4: [DATES]})


def test_what_came_later_does_not_count_on_the_page(store: Database, keys: MonthKeys) -> None:
    fill(store, keys, dates(0, 1, 2, 3))

    with store.reading() as session:
        [part] = log_search.about_persons(session, range(3))
        assert unusual.signs(session, keys, part) == Signs({})


# Keys that are gone, or not what they should be


def test_what_stands_in_a_destroyed_month_is_nobodys(store: Database, keys: MonthKeys) -> None:
    questions = dates(0, 40, 80, 120, 121)
    fill(store, keys, questions)
    before = signed(store, keys)

    keys.destroy(f"{questions[1].at:%Y-%m}")
    fewer = signed(store, keys), reported(store, keys)
    keys.destroy(f"{questions[0].at:%Y-%m}")

    assert before == Signs({3: [DATES], 4: [DATES]})
    assert fewer[0] == Signs({4: [DATES]})
    assert ([one.count for one in fewer[1].found], fewer[1].unreadable) == ([4], 1)
    assert (signed(store, keys), reported(store, keys)) == (Signs({}), Report([], 2))


@pytest.mark.parametrize("content", ["x", "", f"{'ab' * 32}\n"], ids=["text", "empty", "another"])
def test_a_key_that_is_not_right_is_never_taken_for_destroyed(
    store: Database, keys: MonthKeys, tmp_path: Path, content: str
) -> None:
    questions = dates(0, 40, 80, 120)
    fill(store, keys, questions)
    month = f"{questions[1].at:%Y-%m}"
    (tmp_path / "month-keys" / f"{month}.key").write_text(content)

    with pytest.raises(MonthKeyMissing, match=month):
        reported(store, keys)
    assert signed(store, keys) == Signs({}, whole=False)


def test_a_key_that_the_machine_cannot_read_is_not_destroyed(
    store: Database, keys: MonthKeys, tmp_path: Path
) -> None:
    fill(store, keys, dates(0, 1, 2, 3))
    file = tmp_path / "month-keys" / f"{START:%Y-%m}.key"
    file.unlink()
    file.mkdir()

    with pytest.raises(IsADirectoryError):
        reported(store, keys)
    assert signed(store, keys) == Signs({}, whole=False)


def test_a_page_without_test_dates_needs_no_key(
    store: Database, keys: MonthKeys, tmp_path: Path
) -> None:
    fill(store, keys, persons(NOW, 11))
    for file in (tmp_path / "month-keys").iterdir():
        file.write_text("x")

    assert signed(store, keys) == Signs({index: [PERSONS] for index in range(11)})


# Replaced numbers


async def test_a_person_with_a_replaced_number_is_one(service_on_each: Service) -> None:
    service = service_on_each
    first, second, third, other = (insz_of(f"85073000{serial}") for serial in (1, 2, 3, 4))
    add_resident(service, second, vorigeInsz=[first.digits])
    add_resident(service, third, vorigeInsz=[second.digits])
    add_resident(service, other)
    for insz, on in ((first, 1), (second, 2), (third, 3), (other, 4), (first, 5)):
        await service.advice(FUND, insz, f"2024-01-{on:02}")
        service.clock.forward(days=7)
    store, keys = service.office.database, service.office.keys
    with store.reading() as session:
        numbers = [first.digits, second.digits, third.digits, other.digits]
        current = [third.digits] * 3 + [other.digits]
        assert population.all_numbers(session, numbers) == dict(zip(numbers, current, strict=True))
        assert population.all_numbers(session, numbers[1:2]) == dict(
            zip(numbers[:3], current, strict=False)
        )
        assert population.all_numbers(session, []) == {}
        assert population.all_numbers(session, [PERSON]) == {PERSON: PERSON}

    page, report = signed(store, keys), reported(store, keys)

    newest = service.records()[-1]["eventId"]
    assert [one.event_ids[0] for one in report.found] == [newest]
    assert [*page.of.values()] == [[DATES]]
    add_resident(service, third, vorigeInsz=[])
    assert (signed(store, keys), reported(store, keys)) == (Signs({}), Report([], 0))


# Persons on a day


def history(*counts: int) -> list[Question]:
    """So many persons on each of the days before that of NOW."""
    return [
        question
        for ago, count in zip(range(len(counts), 0, -1), counts, strict=True)
        for question in persons(NOW - ago * DAY, count)
    ]


@pytest.mark.parametrize(
    ("before", "today", "normal"),
    [([], 11, 0), ([4, 4, 4], 13, 4), ([3, 5, 9, 1], 13, 4), ([2, 0, 0, 2], 11, 2)],
)
def test_far_more_persons_than_normal_are_marked(
    store: Database, keys: MonthKeys, before: list[int], today: int, normal: int
) -> None:
    fill(store, keys, [*history(*before), *persons(NOW, today)])

    page, report = signed(store, keys), reported(store, keys)

    day = brussels_date(NOW)
    assert report.found == [Unusual(PERSONS, CITY, day, day, today, normal)]
    assert page == Signs({index + sum(before): [PERSONS] for index in range(today)})


@pytest.mark.parametrize(("before", "today"), [([], 10), ([4, 4, 4], 12), ([1, 1], 10)])
def test_not_more_than_that_is_normal(
    store: Database, keys: MonthKeys, before: list[int], today: int
) -> None:
    fill(store, keys, [*history(*before), *persons(NOW, today), *persons(NOW, today)])

    assert (signed(store, keys), reported(store, keys)) == (Signs({}), Report([], 0))


def test_organisations_are_apart_and_auditors_do_not_count(
    store: Database, keys: MonthKeys
) -> None:
    ten, eleventh = persons(NOW, 10), "12345678901"
    fill(
        store,
        keys,
        [
            *ten,
            *persons(NOW, 10, FUND),
            Question(NOW, None, eleventh, FUND, type=RecordType.LOG_READ),
            Question(NOW, None, eleventh, FUND, type=RecordType.DISCLOSURE),
            Question(NOW, None, None, FUND),
            Question(NOW, None, eleventh, CITY, Outcome.DENIED),
            Question(NOW, None, eleventh, CITY, type=RecordType.LOG_READ),
        ],
    )

    assert {one.organisation for one in reported(store, keys).found} == {CITY}
    assert sorted(signed(store, keys).of) == [*range(10), 23]


def test_a_day_is_one_of_brussels(store: Database, keys: MonthKeys) -> None:
    midnight = datetime(2026, 5, 31, 22, 0, tzinfo=UTC)  # the first of June begins in Brussels
    everyone, ms = persons(NOW, 20), timedelta(milliseconds=1)

    def asked(at: datetime, *numbers: int) -> list[Question]:
        return [replace(everyone[number], at=at) for number in numbers]

    fill(store, keys, asked(midnight - ms, 17, 18) + asked(midnight, 0, 1, 2, 3))
    fill(store, keys, asked(midnight - ms, 19) + asked(midnight + 24 * HOUR - ms, *range(4, 10)))
    assert (signed(store, keys), reported(store, keys)) == (Signs({}), Report([], 0))

    fill(store, keys, asked(midnight + 24 * HOUR, 11) + asked(midnight + 24 * HOUR - ms, 10))

    found = [(each.first, each.count) for each in reported(store, keys).found]
    assert found == [(date(2026, 6, 1), 11)]
    assert sorted(signed(store, keys).of) == [2, 3, 4, 5, *range(7, 13), 14]


def test_where_the_time_was_set_back_every_record_counts_on_its_own_day(
    store: Database, keys: MonthKeys
) -> None:
    everyone = persons(NOW, 12)
    fill(store, keys, [*persons(NOW - DAY, 1), *everyone[:6], *persons(NOW + 40 * DAY, 3)])
    administration.accept_clock(Office(store, keys, ORIGIN), "klok liep voor", NOW + MINUTE)
    later = [Question(NOW + MINUTE, None, one.person, CITY) for one in everyone[6:]]
    fill(store, keys, later)

    assert [one.count for one in reported(store, keys).found] == [12]
    assert sorted(signed(store, keys).of) == [*range(1, 7), *range(11, 17)]


# Any log


def history_of(chance: Random) -> list[Question]:
    """Some hundreds of questions of three organisations about a few persons, over 200 days."""
    steps = sorted(chance.sample(range(200 * 24 * 60), 500))
    return [
        Question(
            START + step * MINUTE,
            chance.choice([None, None, *(f"2022-01-0{number}" for number in range(1, 6))]),
            f"{min(chance.randrange(90), chance.randrange(90)):011}",
            chance.choice(["nis:1", "nis:2", "nis:2", "nis:2"]),
        )
        for step in steps + [steps[-1]] * 60
    ]


def naive_signs(questions: Sequence[Question]) -> dict[int, list[Sign]]:
    """The signs of each question by looking at every one before it, and at every day."""
    days = [brussels_date(one.at) for one in questions]
    asked = defaultdict(set)
    for one, day in zip(questions, days, strict=True):
        asked[one.organisation, day].add(one.person)
    found = {}
    for index, (one, day) in enumerate(zip(questions, days, strict=True)):
        year = {
            each.test_date
            for each, on in zip(questions[: index + 1], days, strict=False)
            if (each.organisation, each.person) == (one.organisation, one.person)
            and each.test_date
            and (day - on).days < 365
        }
        today, *before = [len(asked[one.organisation, day - ago * DAY]) for ago in range(91)]
        counts = sorted(count for count in before if count)
        middle = counts[(len(counts) - 1) // 2 : len(counts) // 2 + 1] or [0]
        marks = [
            *([DATES] if one.test_date and len(year) > 3 else []),
            *([PERSONS] if today > max(10, 3 * sum(middle) / len(middle)) else []),
        ]
        if marks:
            found[index] = marks
    return found


@pytest.mark.parametrize("seed", range(4))
def test_any_log_is_marked_as_looking_at_every_record_marks_it(
    store: Database, keys: MonthKeys, seed: int
) -> None:
    questions = history_of(Random(seed))  # noqa: S311
    fill(store, keys, questions)
    expected = naive_signs(questions)

    page, report = signed(store, keys), reported(store, keys)

    assert page == Signs(expected)
    assert {sign for marks in expected.values() for sign in marks} == {DATES, PERSONS}
    for sign, of_one in ((DATES, ("organisation", "person")), (PERSONS, ("organisation", "day"))):
        marked = {
            tuple(brussels_date(one.at) if name == "day" else getattr(one, name) for name in of_one)
            for one in (questions[index] for index, marks in expected.items() if sign in marks)
        }
        assert len([one for one in report.found if one.sign is sign]) == len(marked)


# What a page costs


@contextmanager
def statements(store: Database) -> Iterator[list[str]]:
    """The statements that are executed meanwhile."""
    told: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        told.append(statement)

    event.listen(store.engine, "before_cursor_execute", note)
    yield told
    event.remove(store.engine, "before_cursor_execute", note)


def busy_page(count: int) -> list[Question]:
    """So many questions about so many persons, by twelve organisations, on many days."""
    return [
        Question(NOW - (500 - number) * HOUR, "2022-01-01", f"{number:011}", f"nis:{number % 12}")
        for number in range(count)
    ]


def test_a_page_takes_as_many_statements_whatever_stands_on_it(
    store: Database, keys: MonthKeys
) -> None:
    fill(
        store,
        keys,
        [*busy_page(400), *(one for n in range(12) for one in persons(NOW, 12, f"nis:{n}"))],
    )
    counted = []
    with store.reading() as session:
        rows = [row for part in log_search.about_persons(session, range(10**6)) for row in part]
        for page in (rows[:400], rows[396:410], rows[-1:], rows[-400:]):
            with statements(store) as told:
                unusual.signs(session, keys, page)
            counted.append(len(told))

    assert counted == [7, 11, 8, 11]


def test_a_page_that_would_cost_too_much_says_what_it_did_not_count(
    store: Database, keys: MonthKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(store, keys, [*dates(0, 1, 2, 3, 4, 5), *history(30, 30), *persons(NOW, 91)])
    whole = signed(store, keys)
    assert whole.of == {
        **{index: [DATES] for index in (3, 4, 5)},
        **{index: [PERSONS] for index in range(6, 6 + 30)},  # nothing is normal yet
        **{index: [PERSONS] for index in range(66, 66 + 91)},
    }
    assert whole.whole

    def bounded(**bounds: int) -> Signs:
        with monkeypatch.context() as patch:
            for name, bound in bounds.items():
                patch.setattr(unusual, name, bound)
            return signed(store, keys)

    fewer = bounded(MOST_RECORDS=4)
    assert (sorted(fewer.of)[:2], fewer.whole) == ([5, 6], False)
    assert bounded(MOST_RECORDS=6) == bounded(MOST_TOKENS=1) == whole
    # Of CITY the 92 days before the three of the page, of each half as many records as today.
    enough = 92 * (91 // 2 + 1)
    assert not bounded(MOST_DAYS=91).whole
    assert bounded(MOST_DAYS=92) == whole
    assert not bounded(MOST_LOOKS=enough - 1).whole
    assert bounded(MOST_LOOKS=enough) == whole
    assert bounded(MOST_OF_DAY=92) == whole
    assert not bounded(MOST_OF_DAY=90).whole


def test_the_least_costly_history_goes_first(
    store: Database, keys: MonthKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = [replace(one, organisation=FUND) for one in [*history(2), *persons(NOW, 11)]]
    fill(store, keys, sorted([*small, *history(40), *persons(NOW, 90)], key=lambda one: one.at))
    monkeypatch.setattr(unusual, "MOST_LOOKS", 90 * 20)

    found = signed(store, keys)

    assert (len(found.of), found.whole) == (11, False)


def test_counting_persons_looks_at_so_many_records_and_says_so(
    store: Database, keys: MonthKeys
) -> None:
    fill(store, keys, [*persons(NOW, 5), *persons(NOW, 5)])

    def counted(*most: int, since: datetime = NOW) -> list[Counted]:
        wanted = [Asking(CITY, since, since + MINUTE, each) for each in most]
        with store.reading() as session:
            return log_search.count_persons(session, wanted)

    cut = {most: counted(most) for most in (3, 7, 10, 11)}
    assert cut == {
        3: [Counted(3, 3, whole=False)],
        7: [Counted(5, 7, whole=False)],
        10: [Counted(5, 10, whole=False)],
        11: [Counted(5, 10, whole=True)],
    }
    assert counted(9, since=NOW - HOUR) == [Counted(0, 0, whole=True)]
    several = counted(11, 3, 12)
    assert several[::2] == [Counted(5, 10, whole=True)] * 2
    assert several[1] in (Counted(3, 3, whole=False), Counted(5, 10, whole=True))


# What the report keeps


def test_the_report_keeps_no_number_and_no_token(
    store: Database, keys: MonthKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(store, keys, [*dates(0, 1, 2, 3), *persons(NOW, 11)])
    kept: list[str] = []
    connect = sqlite3.connect

    class Seen(sqlite3.Connection):
        def close(self) -> None:
            kept.extend(self.iterdump())
            super().close()

    monkeypatch.setattr(sqlite3, "connect", lambda name: connect(name, factory=Seen))
    report = reported(store, keys)

    text = "\n".join(kept)
    assert text.count("INSERT INTO") == 4 + 4 + 11
    with store.reading() as session:
        [rows] = log_search.about_persons(session, range(100))
    for secret in [PERSON, *(f"{number:011}" for number in range(11))]:
        assert secret not in text
        assert secret not in repr(report)
        assert secret.encode().hex() not in text.lower()
    assert not [record for _, record in rows if record["subject"] in text]


def test_progress_is_told_by_index_to_the_end(
    store: Database, keys: MonthKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_search, "READ", 4)
    fill(store, keys, [*persons(NOW, 9), *dates(*range(501, 505))])
    told: list[int] = []

    with store.reading() as session:
        within = unusual.indexes(session, *ANY)
        report = unusual.report(session, keys, *ANY, within, told.append)

    assert told == [4, 8, 12, 13]
    assert [one.count for one in report.found] == [4]


def test_an_empty_log_has_nothing_unusual(store: Database, keys: MonthKeys) -> None:
    assert reported(store, keys) == Report([], 0)
    with store.reading() as session:
        assert unusual.signs(session, keys, []) == Signs({})
        assert unusual.indexes(session, *ANY) == range(0)


def test_the_report_reads_a_year_before_its_period(store: Database, keys: MonthKeys) -> None:
    fill(store, keys, dates(0, 1, 2, 364, 365, 366))
    last = brussels_date(START) + 364 * DAY

    with store.reading() as session:
        assert unusual.indexes(session, last, last) == range(4)
        assert unusual.indexes(session, last + DAY, last + DAY) == range(1, 5)


def test_what_came_just_after_the_period_does_not_count(store: Database, keys: MonthKeys) -> None:
    midnight = datetime(2026, 5, 31, 22, 0, tzinfo=UTC)  # the first of June begins in Brussels
    last = date(2026, 5, 31)
    before = [Question(midnight - MINUTE, f"2022-01-0{number}") for number in (1, 2, 3)]
    fill(store, keys, [*before, Question(midnight, "2022-01-04")])

    with store.reading() as session:  # records lag up to a minute, so it is read
        assert unusual.indexes(session, last, last) == range(4)
    assert reported(store, keys, last, last) == Report([], 0)
    assert len(reported(store, keys, last, last + DAY).found) == 1


def test_the_naive_count_agrees_with_the_rule() -> None:
    """What the test above rests on, by a case that is worked out by hand."""
    assert naive_signs(dates(0, 1, 2, 3)) == {3: [DATES]}
    assert naive_signs(persons(NOW, 11)) == {index: [PERSONS] for index in range(11)}
    assert asking.is_busy(Count.of(11), []) is True
    assert Asked(date.max, 0, "", "") > Asked(date.min, 1, "", "")
