"""Engine and sessions: durable, serial for writers, free for readers, moments with a zone."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, StatementError
from sqlmodel import Session, select

from app import database, protocols
from app.database import Database
from app.models.dossiers import CompleteDelivery
from app.models.persons import Person, Residence

SUMMER = timezone(timedelta(hours=2))
NOW = datetime(2026, 6, 1, 9, 30, tzinfo=UTC)


def setting(session: Session, name: str) -> str:
    """A setting of this connection, as text."""
    ask = "PRAGMA " if session.get_bind().dialect.name == "sqlite" else "SHOW "
    return str(session.connection().exec_driver_sql(ask + name).scalar_one())


SETTINGS = {
    "sqlite": {
        "journal_mode": "wal",
        "synchronous": "2",
        "foreign_keys": "1",
        "busy_timeout": "10000",
        "trusted_schema": "0",
        "secure_delete": "1",
    },
    "postgresql": {
        "synchronous_commit": "on",
        "lock_timeout": "10s",
        "statement_timeout": "1min",
        "idle_in_transaction_session_timeout": "1min",
        "timezone": "UTC",
    },
}


def test_every_connection_is_durable_and_waits_no_longer_than_ten_seconds(store: Database) -> None:
    expected = SETTINGS[store.engine.dialect.name]

    with store.writing() as writer, store.reading() as reader:
        found = [{name: setting(each, name) for name in expected} for each in (writer, reader)]

    assert found == [expected, expected]


def test_two_writers_lose_no_update(store: Database) -> None:
    together = threading.Barrier(8)

    def move() -> None:
        together.wait()
        for _ in range(5):
            with store.writing() as session:
                protocols.bump(session)

    with ThreadPoolExecutor(8) as threads:
        for done in [threads.submit(move) for _ in range(8)]:
            done.result()

    with store.reading() as session:
        assert protocols.read_version(session) == 40


def test_a_reader_neither_waits_for_a_writer_nor_sees_its_half_work(store: Database) -> None:
    with store.writing() as writer:
        protocols.bump(writer)
        writer.flush()
        with store.reading() as reader:
            assert protocols.read_version(reader) == 0

    with store.reading() as reader:
        assert protocols.read_version(reader) == 1


def test_an_exception_takes_the_whole_transaction_back(store: Database) -> None:
    def move_and_break() -> None:
        with store.writing() as session:
            protocols.bump(session)
            session.flush()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        move_and_break()

    with store.reading() as session:
        assert protocols.read_version(session) == 0


async def test_reads_run_in_a_thread_of_their_own(store: Database) -> None:
    def work(session: Session, add: int) -> tuple[int, int]:
        return threading.get_ident(), protocols.read_version(session) + add

    thread, version = await store.read(work, add=3)

    assert thread != threading.get_ident()
    assert version == 3


def test_a_fact_needs_its_person_and_goes_with_it(store: Database) -> None:
    def stay() -> Residence:
        return Residence(insz="90722501478", nis="71016", first=date(2020, 1, 1))

    with pytest.raises(IntegrityError), store.writing() as session:
        session.add(stay())
    with store.writing() as session:
        session.add(Person(insz="90722501478"))
        session.flush()
        session.add(stay())
    with store.writing() as session:
        session.delete(session.get_one(Person, "90722501478"))

    with store.reading() as session:
        assert session.exec(select(Residence)).all() == []


def test_the_text_of_a_statement_error_holds_no_value(store: Database) -> None:
    statement = text("INSERT INTO nowhere VALUES (:insz)")

    with pytest.raises(StatementError) as caught, store.writing() as session:
        session.connection().execute(statement, {"insz": "90722501478"})

    assert "90722501478" not in str(caught.value)


def test_a_moment_comes_back_in_utc(store: Database) -> None:
    moment = datetime(2026, 6, 1, 0, 30, 0, 125000, tzinfo=SUMMER)

    with store.writing() as session:
        session.add(CompleteDelivery(fetched_at=moment, learned_at=moment))
    with store.reading() as session:
        found = session.exec(select(CompleteDelivery)).one()

    moments = {found.fetched_at.isoformat(), found.learned_at.isoformat()}
    assert moments == {"2026-05-31T22:30:00.125000+00:00"}


def test_a_moment_without_a_zone_is_refused(store: Database) -> None:
    naive = NOW.replace(tzinfo=None)

    with pytest.raises(StatementError, match="needs a time zone"), store.writing() as session:
        session.add(CompleteDelivery(fetched_at=naive, learned_at=NOW))


def test_no_contact_details_are_null_and_not_a_json_null(store: Database) -> None:
    with store.writing() as session:
        session.add(Person(insz="90722501478", contact=None))

    with store.reading() as session:
        found = session.connection().exec_driver_sql("SELECT contact IS NULL FROM person")
        assert bool(found.scalar_one()) is True


def test_an_upgrade_makes_the_folder_of_the_database(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/var/new/protocolpoort.db"

    database.upgrade(url)

    opened = Database(url)
    assert database.is_current(opened)
    opened.dispose()
