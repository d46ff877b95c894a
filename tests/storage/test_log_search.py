"""Searching the log by period: a stretch of indexes, and exactly the records that lie in it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import event
from sqlmodel import Session

from app import access_log, administration, log_search
from app.administration import Office
from app.database import Database
from app.errors import ClockBehind, Outcome
from app.log_search import Search
from app.month_keys import MonthKey, MonthKeys
from app.record import CLOCK_TOLERANCE, Origin, Trace, entry_of
from app.visit import Visit, new_event_id

NOW = datetime(2026, 6, 1, 9, 30, tzinfo=UTC)
ORIGIN = Origin("sha256:catalogue", "1.0", "node-1")
KEY = MonthKey(bytes(range(32)))
MS, SECOND, MINUTE = timedelta(milliseconds=1), timedelta(seconds=1), timedelta(minutes=1)
FIRST, LAST = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999999, UTC)
PERSON, OTHER = "90722501478", "85073000101"


@dataclass(frozen=True)
class Row:
    """What a test knows of a record; its place in the list is its index."""

    at: datetime
    organisation: str = "nis:71016"
    outcome: Outcome = Outcome.ALLOWED
    person: str | None = None


def write(session: Session, rows: list[Row]) -> list[access_log.Result]:
    """Append a record for each row, as of its own moment."""
    entries = [
        entry_of(
            Visit(
                operation="queryDossier",
                route="/dossiers/query",
                started_at=row.at,
                correlation_id="",
                event_id=new_event_id(row.at),
                trace_id="",
                span_id="",
                organisation=row.organisation,
            ),
            Trace(outcome=row.outcome, subject=row.person),
            KEY,
            ORIGIN,
            row.at,
            None,
        )
        for row in rows
    ]
    return access_log.write(session, entries)


def fill(store: Database, rows: list[Row]) -> None:
    with store.writing() as session:
        assert not [one for one in write(session, rows) if isinstance(one, Exception)]


def naive(rows: list[Row], wanted: Search) -> list[int]:
    """The indexes that a search should find, newest first, by looking at every record."""
    subjects = {KEY.hide("subject", person): person for person in (PERSON, OTHER)}
    return [
        index
        for index, row in reversed([*enumerate(rows)])
        if (wanted.before is None or index < wanted.before)
        and (wanted.since is None or row.at >= wanted.since)
        and (wanted.until is None or row.at <= wanted.until)
        and wanted.organisation in (None, row.organisation)
        and (wanted.among is None or row.organisation in wanted.among)
        and wanted.outcome in (None, row.outcome)
        and (wanted.subjects is None or row.person in {subjects[one] for one in wanted.subjects})
    ]


def pages(session: Session, wanted: Search) -> Iterator[list[int]]:
    """The pages of a search, each with the cursor of the one before it."""
    while True:
        found = log_search.search(session, wanted)
        page = [index for index, _ in found.records]
        assert wanted.before is None or all(index < wanted.before for index in page)
        yield page
        if not found.more:
            return
        assert len(page) == wanted.limit
        wanted = replace(wanted, before=page[-1])


def agrees(session: Session, rows: list[Row], wanted: Search) -> list[int]:
    """What is found, once every way of asking gives what the naive filter gives."""
    expected = naive(rows, wanted)
    found = [*pages(session, wanted)]
    assert [index for page in found for index in page] == expected
    assert all(page for page in found) or found == [[]]
    if wanted.before is None:
        rising = log_search.indexes(session, replace(wanted, limit=len(rows)))
        assert rising == expected[::-1]
    return expected


def asked(store: Database, rows: list[Row], **wanted: Any) -> list[int]:
    with store.reading() as session:
        return agrees(session, rows, Search(**wanted))


# One era


def test_a_period_holds_its_first_and_its_last_moment(store: Database) -> None:
    rows = [Row(NOW + MS * number) for number in range(5)]
    fill(store, rows)

    assert asked(store, rows, since=NOW + MS, until=NOW + 3 * MS) == [3, 2, 1]
    assert asked(store, rows, since=NOW + 2 * MS, until=NOW + 2 * MS) == [2]
    assert asked(store, rows, since=NOW + 4 * MS) == [4]
    assert asked(store, rows, since=NOW + 5 * MS) == []
    assert asked(store, rows, until=NOW) == [0]
    assert asked(store, rows, until=NOW - MS) == []
    assert asked(store, rows, since=NOW + 3 * MS, until=NOW + MS) == []


def test_a_record_that_lags_is_found_by_its_own_moment(store: Database) -> None:
    ahead = NOW + CLOCK_TOLERANCE
    rows = [Row(NOW), Row(ahead), Row(NOW), Row(NOW + 59 * SECOND), Row(ahead + MS), Row(NOW + MS)]
    fill(store, rows)

    assert asked(store, rows, since=NOW, until=NOW) == [2, 0]
    assert asked(store, rows, until=NOW + MS) == [5, 2, 0]
    assert asked(store, rows, since=ahead) == [4, 1]
    assert asked(store, rows, since=ahead + MS) == [4]
    assert asked(store, rows, since=NOW + MS, until=ahead - MS) == [5, 3]


def test_a_record_lags_a_minute_and_no_more(store: Database) -> None:
    """What the stretch of a period rests on."""
    with store.writing() as session:
        results = write(session, [Row(NOW), Row(NOW - MINUTE), Row(NOW - MINUTE - MS)])

    assert results[:2] == [0, 1]
    assert isinstance(results[2], ClockBehind)


def test_many_records_come_page_by_page(store: Database) -> None:
    rows = [
        Row(
            NOW + number * SECOND - (number * 7 % 60) * SECOND,
            f"nis:{number % 3}",
            person=PERSON if number % 5 else None,
        )
        for number in range(700)
    ]
    fill(store, rows)
    since, until = NOW + 100 * SECOND, NOW + 500 * SECOND

    for more in (
        {},
        {"organisation": "nis:1"},
        {"organisation": "nis:1", "subjects": (KEY.hide("subject", PERSON),)},
        {"organisation": "nis:9"},
        {"among": ("nis:1", "nis:2")},
        {"among": ("nis:1", "nis:2"), "organisation": "nis:2"},
        {"among": ("nis:1", "nis:2"), "organisation": "nis:0"},
        {"among": ()},
        {"before": 300},
        {"before": 0},
        {"before": 10**18 - 1},
    ):
        for limit in (7, 50, 400):
            found = asked(store, rows, since=since, until=until, limit=limit, **more)

            assert len(found) < 450


def test_a_page_looks_at_the_stretch_of_its_period_alone(store: Database) -> None:
    rows = [Row(NOW + number * MINUTE * 2) for number in range(200)]
    fill(store, rows)
    statements: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        statements.append((statement, parameters))

    event.listen(store.engine, "before_cursor_execute", note)
    found = asked(store, rows, since=rows[150].at, until=rows[152].at)
    event.remove(store.engine, "before_cursor_execute", note)

    assert found == [152, 151, 150]
    read = "SELECT access_record.log_index, access_record.record "
    [given, *_] = [given for text, given in statements if text.startswith(read)]
    values = given.values() if isinstance(given, dict) else given
    assert [each for each in values if isinstance(each, int)][:2] == [150, 153]


@pytest.mark.parametrize("since", [None, FIRST, FIRST + MINUTE - MS, NOW])
@pytest.mark.parametrize("until", [None, LAST, LAST - MINUTE + MS, NOW])
def test_the_ends_of_the_calendar_are_moments_too(
    store: Database, since: datetime | None, until: datetime | None
) -> None:
    rows = [Row(NOW - MS), Row(NOW), Row(NOW + MS)]
    fill(store, rows)

    found = asked(store, rows, since=since, until=until)

    expected = [2, 1, 0]
    if since == NOW:
        expected.remove(0)
    if until == NOW:
        expected.remove(2)
    assert found == expected
    assert asked(store, rows, since=LAST) == asked(store, rows, until=FIRST) == []


@pytest.mark.parametrize("year", [1, 2, 3, 20, 500, 999, 1000, 2026])
def test_a_person_is_searched_under_every_key_since_any_year(tmp_path: Path, year: int) -> None:
    keys = MonthKeys(tmp_path / "month-keys")
    keys.create(NOW, months=3)
    since = datetime(year, 1, 1, tzinfo=UTC)

    assert len([*keys.kept(since, LAST)]) == 3
    assert [*keys.kept(FIRST, since)] == []


def test_an_empty_log_has_no_records_of_any_time(store: Database) -> None:
    for wanted in ({}, {"since": NOW}, {"until": NOW}, {"since": FIRST, "until": LAST}):
        assert asked(store, [], **wanted) == []


# Where an operator set the time back


def test_records_of_every_era_are_found_by_their_own_moment(
    store: Database, tmp_path: Path
) -> None:
    keys = MonthKeys(tmp_path / "month-keys")
    keys.create(NOW - timedelta(days=70), months=6)
    office = Office(store, keys, ORIGIN)
    ahead, back, further = NOW + timedelta(days=40), NOW + MINUTE, NOW - timedelta(days=60)
    rows: list[Row] = []
    for begin in (NOW, ahead, back, further, NOW):
        if begin in (back, further) or (rows and begin == NOW):
            administration.accept_clock(office, "klok liep voor", begin)
            rows.append(Row(begin, organisation=""))
        these = [Row(begin + lag) for lag in (0 * MS, SECOND, -MINUTE + SECOND, 2 * SECOND)]
        fill(store, these)
        rows += these

    for begin in (NOW, ahead, back, further):
        own = [index for index, row in enumerate(rows) if abs(row.at - begin) <= 2 * SECOND]
        found = asked(store, rows, since=begin, until=begin + 2 * SECOND)
        assert {*found} == {*own}, begin
        assert len(found) >= 3
        asked(store, rows, since=begin - MINUTE, until=begin + MINUTE, limit=2)
        asked(store, rows, since=begin, before=12)
        asked(store, rows, until=begin, organisation="nis:71016", limit=3)
    assert len(asked(store, rows, since=FIRST, until=LAST)) == len(rows) == 23


# Any log, any question

offsets = st.integers(-60_000, 200_000) | st.sampled_from([-60_000, -59_999, -1, 0, 1])
organisations = st.sampled_from(["nis:1", "nis:2"])
outcomes = st.sampled_from([Outcome.ALLOWED, Outcome.DENIED])
persons = st.sampled_from([None, PERSON, OTHER])
steps = st.lists(
    st.tuples(st.just("record"), offsets, organisations, outcomes, persons)
    | st.tuples(st.just("era"), st.integers(-5_000_000, 500_000), *[st.none()] * 3),
    max_size=24,
)
margins = st.sampled_from([0, 1, -1, 60_000, -60_000, 60_001, -60_001]) | st.integers(-90000, 90000)
bounds = st.none() | st.tuples(st.integers(0, 30), margins) | st.sampled_from([FIRST, LAST])
questions = st.lists(
    st.tuples(
        *(bounds, bounds, st.none() | organisations, st.none() | outcomes),
        *(st.none() | st.sampled_from([PERSON, OTHER]), st.none() | st.integers(0, 30)),
        st.integers(1, 6),
    ),
    min_size=1,
    max_size=4,
)


@contextmanager
def undone(store: Database) -> Iterator[Session]:
    """A transaction that leaves nothing behind."""
    with Session(store.engine) as session:
        session.begin()
        yield session
        session.rollback()


def append_steps(session: Session, history: Any) -> list[Row]:
    """Records in the order of the log; an era begins where the operator accepts the clock."""
    rows, newest = [Row(NOW)], NOW
    write(session, rows)
    for kind, offset, organisation, outcome, person in history:
        moment = newest + offset * MS
        if kind == "era":
            access_log.reset_clock(session, moment)
            row = Row(moment)
        else:
            row = Row(moment, organisation, outcome, person)
        [result] = write(session, [row])
        assert result == len(rows)
        rows.append(row)
        newest = moment if kind == "era" else max(newest, moment)
    return rows


def test_a_search_finds_what_looking_at_every_record_finds(store: Database) -> None:
    eras = []

    @settings(max_examples=40, deadline=None, database=None)
    @given(steps, questions)
    def check(history: Any, asked: Any) -> None:
        with undone(store) as session:
            rows = append_steps(session, history)
            eras.append(sum(step[0] == "era" for step in history))
            for since, until, organisation, outcome, person, before, limit in asked:
                wanted = Search(
                    organisation=organisation,
                    outcome=outcome,
                    subjects=(KEY.hide("subject", person),) if person else None,
                    since=moment_of(rows, since),
                    until=moment_of(rows, until),
                    before=before,
                    limit=limit,
                )
                agrees(session, rows, wanted)

    check()
    assert max(eras) > 1


def moment_of(rows: list[Row], bound: tuple[int, int] | datetime | None) -> datetime | None:
    """A moment at or near that of a record, so that bounds are met."""
    if bound is None or isinstance(bound, datetime):
        return bound
    place, margin = bound
    return rows[place % len(rows)].at + margin * MS
