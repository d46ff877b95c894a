"""The turns of a quota: counted with the record under one lock, never more than there are."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app import access_log
from app.access_log import AccessLog
from app.database import Database
from app.errors import QuotaTaken
from app.month_keys import MonthKeys
from app.record import Allowance, Origin, Trace, Turn, entry_of
from app.visit import Visit, new_event_id

NOW = datetime(2026, 6, 1, 9, 30, tzinfo=UTC)
ORIGIN = Origin("sha256:catalogue", "1.0", "node-1")
TURN = Turn(
    protocol="voorbeeldstad-2026",
    purpose="lokaalIntegratiebeleid",
    organisation="voorbeeldstad",
    operation="queryDossier",
    first=date(2026, 1, 1),
)
ALLOWANCE = Allowance(TURN, since=TURN.first, maximum=3, until=date(2026, 7, 1))


def visit() -> Visit:
    """A visit with an id of its own."""
    return Visit(
        operation="queryDossier",
        route="/dossiers/query",
        started_at=NOW,
        correlation_id="c",
        event_id=new_event_id(NOW),
        trace_id="1" * 32,
        span_id="2" * 16,
    )


@pytest.fixture
def keys(tmp_path: Path) -> MonthKeys:
    """The key of this month."""
    made = MonthKeys(tmp_path / "month-keys")
    made.create(NOW, months=1)
    return made


@pytest.fixture
def log(store: Database, keys: MonthKeys) -> AccessLog:
    """The one writer on an empty log."""
    return AccessLog(store, keys, ORIGIN)


@pytest.fixture
def other(store: Database, keys: MonthKeys) -> Iterator[AccessLog]:
    """The writer of another process on the same database."""
    database = Database(store.engine.url.render_as_string(hide_password=False))
    yield AccessLog(database, keys, ORIGIN)
    database.dispose()


async def take(*logs: AccessLog, allowance: Allowance = ALLOWANCE, each: int = 1) -> int:
    """Append so many records to each log at once; how many there was a turn for."""
    trace = Trace(allowance=allowance)
    async with asyncio.timeout(60):
        results = await asyncio.gather(
            *(log.append(visit(), trace, NOW, None) for log in logs for _ in range(each)),
            return_exceptions=True,
        )
    assert all(isinstance(result, int | QuotaTaken) for result in results)
    return sum(isinstance(result, int) for result in results)


def records(store: Database) -> list[dict[str, Any]]:
    """Every record, oldest first."""
    with store.reading() as session:
        rows = session.connection().exec_driver_sql(
            "SELECT record FROM access_record ORDER BY log_index"
        )
        return [json.loads(bytes(row[0])) for row in rows]


def used(store: Database, allowance: Allowance = ALLOWANCE) -> int:
    """How many turns are taken, as a decision reads it."""
    with store.reading() as session:
        return access_log.used(session, allowance)


def execute(store: Database, statement: str) -> None:
    """Change something behind the back of the service."""
    with store.writing() as session:
        session.connection().execute(text(statement))


async def test_every_turn_has_its_ordinal_in_the_record(log: AccessLog, store: Database) -> None:
    taken = [await take(log) for _ in range(5)]

    assert taken == [1, 1, 1, 0, 0]
    assert used(store) == 3
    quota_id = "voorbeeldstad-2026/lokaalIntegratiebeleid/voorbeeldstad/queryDossier/2026-01-01"
    assert [
        (each["quotaId"], each["quotaOrdinal"], each["quotaMaximum"]) for each in records(store)
    ] == [(quota_id, ordinal, 3) for ordinal in (1, 2, 3)]


async def test_two_processes_never_take_more_turns_than_there_are(
    log: AccessLog, other: AccessLog, store: Database
) -> None:
    taken = await take(log, other, allowance=replace(ALLOWANCE, maximum=17), each=15)

    assert taken == used(store) == 17
    assert [each["quotaOrdinal"] for each in records(store)] == list(range(1, 18))


async def test_a_party_takes_one_turn_after_another_under_whatever_identifier(
    log: AccessLog, store: Database
) -> None:
    names = ("stad-tweede", TURN.organisation)
    first = replace(ALLOWANCE, turn=TURN._replace(organisation=names[0]), names=names)

    # Another version names another identifier first.
    taken = [await take(log, allowance=each) for each in (ALLOWANCE, first, ALLOWANCE, first)]
    with_names = replace(ALLOWANCE, names=names[::-1])

    assert taken == [1, 1, 1, 0]
    assert [used(store, each) for each in (ALLOWANCE, first, with_names)] == [2, 3, 3]
    assert await take(log, allowance=with_names) == 0


OTHERS = [
    Allowance(turn, since=turn.first, maximum=3)
    for turn in (
        TURN._replace(protocol="voorbeeldstad-2027"),
        TURN._replace(purpose="controle"),
        TURN._replace(organisation="elderstad"),
        TURN._replace(operation="queryAdvies"),
        TURN._replace(first=date(2026, 7, 1)),
    )
]


@pytest.mark.parametrize("another", OTHERS)
async def test_another_quota_has_turns_of_its_own(
    log: AccessLog, store: Database, another: Allowance
) -> None:
    taken = [await take(log, each=4), await take(log, allowance=another, each=4)]

    assert taken == [3, 3]
    assert [used(store), used(store, another)] == [3, 3]


async def test_quotas_that_come_together_are_counted_apart(log: AccessLog, store: Database) -> None:
    taken = await asyncio.gather(*(take(log, allowance=each, each=5) for each in OTHERS))

    assert taken == [3] * len(OTHERS)
    by_quota: dict[str, list[int]] = {}
    for record in records(store):
        by_quota.setdefault(record["quotaId"], []).append(record["quotaOrdinal"])
    assert list(by_quota.values()) == [[1, 2, 3]] * len(OTHERS)


async def test_a_quota_of_a_year_counts_both_halves(log: AccessLog, store: Database) -> None:
    july, next_year = date(2026, 7, 1), date(2027, 1, 1)
    # Counts since January.
    year = replace(ALLOWANCE, turn=TURN._replace(first=july), until=next_year)
    next_ = Allowance(TURN._replace(first=next_year), since=next_year, maximum=3)

    taken = [await take(log, each=2), await take(log, allowance=year, each=4)]
    taken += [await take(log, allowance=next_, each=4)]

    assert taken == [2, 1, 3]
    assert [each["quotaOrdinal"] for each in records(store)] == [1, 2, 3, 1, 2, 3]
    assert [used(store, each) for each in (ALLOWANCE, year, next_)] == [2, 3, 3]


async def test_an_answer_of_before_july_that_is_written_after_one_of_july_takes_the_next_turn(
    log: AccessLog, store: Database
) -> None:
    """Decided before midnight, recorded after it."""
    year = replace(ALLOWANCE, until=date(2027, 1, 1))
    july = replace(year, turn=TURN._replace(first=date(2026, 7, 1)))

    for allowance in (year, july, year, july):
        await take(log, allowance=allowance)

    assert [each["quotaOrdinal"] for each in records(store)] == [1, 2, 3]


async def test_a_quota_that_becomes_one_of_a_year_or_half_year_keeps_what_was_taken(
    log: AccessLog, store: Database
) -> None:
    """What was taken in July counts for the half-year, what was taken in May for the year alone."""
    july = TURN._replace(first=date(2026, 7, 1))
    half, year = (Allowance(july, since, maximum=5) for since in (july.first, TURN.first))

    taken = [await take(log, each=3), await take(log, allowance=half, each=1)]
    counts = [used(store, half), used(store, year)]
    taken += [await take(log, allowance=year, each=5), await take(log, allowance=half, each=5)]

    assert counts == [1, 4]
    assert taken == [3, 1, 1, 3]
    assert [each["quotaOrdinal"] for each in records(store)] == [1, 2, 3, 1, 5, 3, 4, 5]


async def test_a_quota_that_changes_goes_on_counting(log: AccessLog, store: Database) -> None:
    """A later version of the protocol may allow more, or less."""
    more, less = replace(ALLOWANCE, maximum=5), replace(ALLOWANCE, maximum=2)

    taken = [await take(log, allowance=each, each=6) for each in (ALLOWANCE, less, more, less)]

    assert taken == [3, 0, 2, 0]
    assert [each["quotaOrdinal"] for each in records(store)] == [1, 2, 3, 4, 5]


def test_a_quota_that_changes_while_records_wait_gives_no_turn_twice(
    store: Database, keys: MonthKeys
) -> None:
    """What was decided before midnight and after it may share a commit."""
    maxima = (3, 5, 3, 5, 3, 5, 3)
    traces = [Trace(allowance=replace(ALLOWANCE, maximum=maximum)) for maximum in maxima]

    with store.writing() as session:
        entries = [entry_of(visit(), each, keys.at(NOW), ORIGIN, NOW, None) for each in traces]
        results = access_log.write(session, entries)

    assert [isinstance(each, int) for each in results] == [
        True,
        True,
        True,
        True,
        False,
        True,
        False,
    ]
    assert [each["quotaOrdinal"] for each in records(store)] == [1, 2, 3, 4, 5]
    assert used(store) == 5


@pytest.mark.parametrize("count", ["0", "2", "used - 1", "-used"])
async def test_the_database_gives_no_turn_back(log: AccessLog, store: Database, count: str) -> None:
    taken = await take(log, each=4)

    with pytest.raises(DBAPIError, match="quota_use is append-only"):
        execute(store, f"UPDATE quota_use SET used = {count}")  # noqa: S608

    assert (taken, used(store)) == (3, 3)
    assert await take(log) == 0


async def test_the_same_event_takes_one_turn(log: AccessLog, store: Database) -> None:
    once, trace = visit(), Trace(allowance=ALLOWANCE)

    indexes = [await log.append(once, trace, NOW, None) for _ in range(2)]
    together = await asyncio.gather(*(log.append(once, trace, NOW, None) for _ in range(3)))

    assert {*indexes, *together} == {0}
    assert used(store) == 1


async def test_a_record_without_a_quota_takes_no_turn(log: AccessLog, store: Database) -> None:
    await take(log)

    await log.append(visit(), Trace(), NOW, None)

    assert used(store) == 1
    assert not {"quotaId", "quotaOrdinal", "quotaMaximum"} & records(store)[-1].keys()


async def test_a_record_that_cannot_be_written_takes_no_turn(
    log: AccessLog, store: Database
) -> None:
    await take(log)
    execute(store, "ALTER TABLE access_detail RENAME TO elsewhere")
    explained = Trace(allowance=ALLOWANCE, detail={"code": "O20"})

    results = await asyncio.gather(
        *(log.append(visit(), explained, NOW, None) for _ in range(3)), return_exceptions=True
    )
    execute(store, "ALTER TABLE elsewhere RENAME TO access_detail")

    assert [type(each).__name__ for each in results] == ["LogUnavailable"] * 3
    assert used(store) == 1
    assert await take(log, each=4) == 2
    assert [each["quotaOrdinal"] for each in records(store)] == [1, 2, 3]


async def test_a_decision_that_was_overtaken_takes_no_turn(log: AccessLog, store: Database) -> None:
    stale = 1  # the register stands at 0

    results = await asyncio.gather(
        *(log.append(visit(), Trace(allowance=ALLOWANCE), NOW, stale) for _ in range(3)),
        return_exceptions=True,
    )

    assert [type(each).__name__ for each in results] == ["RegisterChanged"] * 3
    assert used(store) == 0
    assert await take(log, each=4) == 3


async def test_the_turns_stand_or_fall_with_their_commit(log: AccessLog, store: Database) -> None:
    def write_and_break() -> None:
        key = log.keys.at(NOW)
        with store.writing() as session:
            trace = Trace(allowance=ALLOWANCE)
            access_log.write(session, [entry_of(visit(), trace, key, ORIGIN, NOW, None)])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_and_break()

    assert used(store) == 0
    assert records(store) == []
