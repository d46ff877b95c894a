"""When facts about persons are learned: after every record that was made without them."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from evidence import NOW, entry, rows, write
from sqlalchemy.exc import OperationalError

from app import access_log, database, protocols
from app.database import Database
from app.errors import ClockBehind, FactsChanged, RegisterChanged
from app.moments import rfc3339
from app.record import CLOCK_TOLERANCE, Entry

TICK, SECOND, DAY = timedelta(milliseconds=1), timedelta(seconds=1), timedelta(days=1)
NEVER = datetime(1970, 1, 1, tzinfo=UTC)


def learn(store: Database, now: datetime) -> datetime:
    """An import at this moment of the clock: when it learned what it says."""
    with store.writing() as session:
        return access_log.learn(session, now)


def known_at(store: Database) -> datetime:
    """When the newest facts were learned, as an advice reads it."""
    with store.reading() as session:
        return access_log.known_at(session)


def recorded(at: datetime, **more: Any) -> Entry:
    """A record of this moment."""
    return replace(entry(recordedAt=rfc3339(at)), **more)


def results(store: Database, *entries: Entry) -> list[str | int]:
    """The index of each, or the name of why it is not there."""
    return [
        each if isinstance(each, int) else type(each).__name__ for each in write(store, entries)
    ]


# Learning


def test_of_a_new_database_nothing_was_ever_learned(store: Database) -> None:
    assert known_at(store) == NEVER


def test_what_is_learned_is_of_the_moment_of_the_clock_to_the_millisecond(store: Database) -> None:
    at = NOW + timedelta(microseconds=125_999)

    learned = learn(store, at)

    assert learned == known_at(store) == NOW + timedelta(milliseconds=125)


@pytest.mark.parametrize("step", [timedelta(0), -TICK, -SECOND, timedelta(microseconds=999)])
def test_an_import_is_later_than_the_one_before_wherever_the_clock_stands(
    store: Database, step: timedelta
) -> None:
    first = learn(store, NOW)

    learned = [learn(store, NOW + step) for _ in range(3)]

    assert learned == [first + count * TICK for count in (1, 2, 3)]
    assert known_at(store) == learned[-1]


@pytest.mark.parametrize("step", [timedelta(0), -TICK, -SECOND, timedelta(microseconds=999)])
def test_an_import_is_later_than_the_newest_record_wherever_the_clock_stands(
    store: Database, step: timedelta
) -> None:
    write(store, [recorded(NOW), recorded(NOW - SECOND)])

    learned = learn(store, NOW + step)

    assert learned == NOW + TICK


def test_nothing_is_learned_under_a_clock_that_is_behind(store: Database) -> None:
    """Nor behind the newest record, nor behind the import before: else it would be misdated."""
    minute = timedelta(minutes=1)
    learn(store, NOW)
    with pytest.raises(ClockBehind):
        learn(store, NOW - minute - TICK)
    write(store, [recorded(NOW + DAY)])
    with pytest.raises(ClockBehind):
        learn(store, NOW + DAY - minute - TICK)

    assert learn(store, NOW + DAY - minute) == NOW + DAY + TICK


def test_an_import_is_later_than_a_record_that_was_made_after_the_last_import(
    store: Database,
) -> None:
    learn(store, NOW)
    write(store, [recorded(NOW + SECOND)])

    assert learn(store, NOW) == NOW + SECOND + TICK


def test_a_record_of_before_the_last_import_does_not_date_the_next_one_back(
    store: Database,
) -> None:
    write(store, [recorded(NOW - SECOND)])
    learn(store, NOW)

    assert learn(store, NOW - SECOND) == NOW + TICK


def test_a_newest_moment_between_two_milliseconds_lies_before_what_is_learned(
    store: Database,
) -> None:
    with store.writing() as session:
        access_log.reset_clock(session, at := NOW + timedelta(microseconds=700))

    assert learn(store, NOW) == NOW + TICK > at


def test_an_import_that_is_taken_back_has_learned_nothing(store: Database) -> None:
    learn(store, NOW)

    def learn_and_break() -> None:
        with store.writing() as session:
            access_log.learn(session, NOW + DAY)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        learn_and_break()

    assert known_at(store) == NOW


def test_learning_twice_in_one_transaction_is_twice(store: Database) -> None:
    with store.writing() as session:
        learned = [access_log.learn(session, NOW) for _ in range(2)]
        protocols.bump(session)

    assert learned == [NOW, NOW + TICK]
    assert known_at(store) == NOW + TICK
    assert rows(store, "SELECT version FROM register_state") == [(1,)]


@pytest.fixture
def other(store: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """Another process on the same database, which does not wait long for a lock."""
    monkeypatch.setattr(database, "LOCK_TIMEOUT", 300)
    opened = Database(store.engine.url.render_as_string(hide_password=False))
    yield opened
    opened.dispose()


def test_a_record_waits_for_an_import_and_an_import_for_a_record(
    store: Database, other: Database
) -> None:
    with store.writing() as session:
        access_log.learn(session, NOW)
        with pytest.raises(OperationalError, match="lock"):
            write(other, [recorded(NOW)])
    with store.writing() as session:
        access_log.write(session, [recorded(NOW)])
        with pytest.raises(OperationalError, match="lock"):
            learn(other, NOW)

    assert learn(other, NOW) == NOW + TICK


def test_imports_of_many_at_once_are_each_of_a_moment_of_their_own(store: Database) -> None:
    learned: list[datetime] = []

    def work() -> None:
        for _ in range(5):
            learned.append(learn(store, NOW))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(learned) == [NOW + count * TICK for count in range(20)]


# Records that rest on what is known


def test_a_record_that_rests_on_older_facts_is_not_written(store: Database) -> None:
    learn(store, NOW)
    read = known_at(store)
    learn(store, NOW + SECOND)

    overtaken = recorded(NOW + SECOND, known_at=read)
    current = recorded(NOW + SECOND, known_at=NOW + SECOND)
    unrelated = recorded(NOW + SECOND)

    told = results(store, overtaken, current, unrelated)
    assert told == [FactsChanged.__name__, 0, 1]
    ids = [event for (event,) in rows(store, "SELECT event_id FROM access_record ORDER BY 1")]
    assert ids == sorted([current.event_id, unrelated.event_id])


def test_facts_of_a_later_moment_than_is_known_are_none_of_ours(store: Database) -> None:
    """As after a backup was put back."""
    learn(store, NOW)

    assert results(store, recorded(NOW, known_at=NOW + TICK)) == [FactsChanged.__name__]


def test_before_anything_was_learned_a_record_can_rest_on_that(store: Database) -> None:
    assert results(store, recorded(NOW, known_at=NEVER)) == [0]


@pytest.mark.parametrize("known", [NOW, None])
def test_a_register_that_moved_still_refuses_the_record(
    store: Database, known: datetime | None
) -> None:
    learn(store, NOW)
    with store.writing() as session:
        protocols.bump(session)
    learn(store, NOW)

    told = results(
        store,
        recorded(NOW, known_at=known, register_version=0),
        recorded(NOW, known_at=NOW + TICK, register_version=1),
    )
    assert told == [RegisterChanged.__name__, 0]


def test_a_clock_that_is_behind_still_refuses_the_record(store: Database) -> None:
    learn(store, NOW)
    write(store, [recorded(NOW)])

    told = results(
        store,
        recorded(NOW - CLOCK_TOLERANCE - TICK, known_at=NOW),
        recorded(NOW - CLOCK_TOLERANCE, known_at=NOW),
    )
    assert told == [ClockBehind.__name__, 1]


def test_an_import_ahead_of_the_clock_holds_no_record_back(store: Database) -> None:
    """The moment of an import is of facts, and dates no record."""
    learn(store, NOW + DAY)

    assert results(store, recorded(NOW, known_at=NOW + DAY)) == [0]


def test_the_same_record_again_keeps_its_index_whatever_was_learned_since(store: Database) -> None:
    first = recorded(NOW, known_at=NEVER)
    index = results(store, first)
    learn(store, NOW)

    assert results(store, first) == index
