"""The schema: from nothing to the newest, back, and the same as the tables of the code."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlmodel import SQLModel

from app import access_log, database, main, protocols
from app.database import MIGRATIONS, Database, alembic_config
from app.settings import Mode, Settings

LEFT_OVER = {
    "sqlite": "SELECT name FROM sqlite_master WHERE type = 'trigger'",
    "postgresql": "SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace",
}


def url_of(store: Database) -> str:
    return store.engine.url.render_as_string(hide_password=False)


def tables(store: Database) -> set[str]:
    return set(inspect(store.engine).get_table_names())


def test_there_is_one_newest_revision() -> None:
    heads = ScriptDirectory(str(MIGRATIONS)).get_heads()

    assert len(heads) == 1


def test_the_migrations_make_the_tables_of_the_code(store: Database) -> None:
    command.check(alembic_config(url_of(store)))

    assert tables(store) == {*SQLModel.metadata.tables, "alembic_version"}
    assert database.is_current(store)


def test_a_new_log_and_a_new_register_are_empty(store: Database) -> None:
    with store.reading() as session:
        head = session.connection().exec_driver_sql(
            "SELECT id, size, minimum, newest FROM log_head"
        )
        state = session.connection().exec_driver_sql("SELECT id, version FROM register_state")

        assert [tuple(row) for row in head] == [(1, 0, 0, None)]
        assert [tuple(row) for row in state] == [(1, 0)]


def test_the_migrations_go_down_to_nothing_and_up_again(store: Database) -> None:
    command.downgrade(alembic_config(url_of(store)), "base")
    with store.reading() as session:
        left_over = session.connection().exec_driver_sql(LEFT_OVER[store.engine.dialect.name]).all()
    emptied = tables(store)

    database.upgrade(url_of(store))

    assert (emptied, left_over) == ({"alembic_version"}, [])
    assert database.is_current(store)


def test_a_second_upgrade_changes_nothing(store: Database) -> None:
    with store.writing() as session:
        session.connection().exec_driver_sql("UPDATE register_state SET version = 7")

    database.upgrade(url_of(store))

    with store.reading() as session:
        assert session.connection().exec_driver_sql(
            "SELECT version FROM register_state"
        ).scalars().all() == [7]


# From the first tables to the register in full, with data in them


LOADED, RECORDED = "2026-03-01 08:00:00", ("2026-03-01 08:00:00", "2026-06-01 09:30:00.125")


def rows(store: Database, statement: str) -> list[tuple[Any, ...]]:
    """What a statement finds."""
    with store.reading() as session:
        return [tuple(row) for row in session.connection().exec_driver_sql(statement)]


def filled(store: Database, recorded: tuple[str, ...] = RECORDED) -> None:
    """The first tables, with a version in force, a suspended one, a draft, and records."""
    command.downgrade(alembic_config(url_of(store)), "0001")
    document = '\'{"formaat": "x"}\''
    with store.writing() as session:
        run = session.connection().exec_driver_sql
        for version, draft, suspended in (
            ("1", "FALSE", "NULL"),
            ("2", "FALSE", "'2026-04-01'"),
            ("3", "TRUE", "NULL"),
        ):
            run(
                "INSERT INTO sharing_protocol (protocol, version, hash, document, draft, loaded_at,"  # noqa: S608
                f" suspended_since) VALUES ('proef-2026', '{version}', 'sha256:{version}',"
                f" {document}, {draft}, '{LOADED}', {suspended})"
            )
        for index, moment in enumerate(recorded):
            run(
                "INSERT INTO access_record (log_index, event_id, record, leaf_hash, recorded_at,"  # noqa: S608
                f" type) VALUES ({index}, 'event-{index}', '', '', '{moment}', 'admin')"
            )
        run(f"UPDATE log_head SET size = {len(recorded)}")  # noqa: S608
        run("UPDATE register_state SET version = 7")


def test_what_was_in_force_stays_in_force_since_its_load_and_a_draft_stays_a_draft(
    store: Database,
) -> None:
    filled(store)

    database.upgrade(url_of(store))

    with store.reading() as session:
        found = [
            (row.version, row.in_force_at, row.suspended_since, row.ended_on)
            for row in protocols.versions_of(session, "proef-2026")
        ]
        version = protocols.read_version(session)
    loaded = datetime(2026, 3, 1, 8, tzinfo=UTC)
    assert found == [
        ("1", loaded, None, None),
        ("2", loaded, date(2026, 4, 1), None),
        ("3", None, None, None),
    ]
    assert version == 7
    command.check(alembic_config(url_of(store)))


@pytest.mark.parametrize(
    ("recorded", "newest"),
    [
        ((), None),
        (RECORDED, datetime(2026, 6, 1, 9, 30, 0, 125_000, tzinfo=UTC)),
        # a clock that jumped back before the log held it
        (RECORDED[::-1], datetime(2026, 6, 1, 9, 30, 0, 125_000, tzinfo=UTC)),
    ],
    ids=["empty", "in order", "jumped"],
)
def test_the_log_starts_from_its_newest_record(
    store: Database, recorded: tuple[str, ...], newest: datetime | None
) -> None:
    filled(store, recorded)

    database.upgrade(url_of(store))

    with store.reading() as session:
        assert access_log.newest_moment(session) == newest
    assert rows(store, "SELECT size, minimum FROM log_head") == [(len(recorded), 0)]


def test_the_register_in_full_goes_down_to_the_first_tables_and_keeps_its_drafts(
    store: Database,
) -> None:
    filled(store)
    database.upgrade(url_of(store))

    command.downgrade(alembic_config(url_of(store)), "0001")

    found = rows(store, "SELECT version, draft, suspended_since FROM sharing_protocol ORDER BY id")
    drafts = [(version, bool(draft), str(since or "")) for version, draft, since in found]
    assert drafts == [("1", False, ""), ("2", False, "2026-04-01"), ("3", True, "")]
    assert rows(store, "SELECT size FROM log_head") == [(len(RECORDED),)]
    columns = {
        table: {column["name"] for column in inspect(store.engine).get_columns(table)}
        for table in ("sharing_protocol", "log_head")
    }
    assert "quota_use" not in tables(store)
    assert not columns["sharing_protocol"] & {"in_force_at", "ended_on"}
    assert "newest" not in columns["log_head"]


def test_what_ended_is_suspended_in_the_first_tables_and_does_not_open_again(
    store: Database,
) -> None:
    filled(store)
    database.upgrade(url_of(store))
    with store.writing() as session:
        session.connection().exec_driver_sql(
            "UPDATE sharing_protocol SET ended_on = '2026-05-31' WHERE version IN ('1', '2')"
        )

    command.downgrade(alembic_config(url_of(store)), "0001")

    found = rows(store, "SELECT version, suspended_since FROM sharing_protocol ORDER BY id")
    suspended = {version: str(since) for version, since in found if since}
    assert suspended == {"1": "2026-05-31", "2": "2026-04-01"}


def test_the_log_takes_no_change_after_a_way_down_and_up(store: Database) -> None:
    filled(store)
    database.upgrade(url_of(store))

    for statement in (
        "UPDATE log_head SET size = 0",
        "DELETE FROM log_head",
        "UPDATE access_record SET type = 'access'",
        "DELETE FROM access_record",
    ):
        with pytest.raises(DBAPIError, match="append-only"), store.writing() as session:
            session.connection().exec_driver_sql(statement)


@pytest.mark.parametrize("state", ["empty", "older", "unknown"])
def test_the_service_does_not_start_on_another_schema(
    database_url: str, own_folder: Path, state: str
) -> None:
    if state != "empty":
        database.upgrade(database_url)
    if state == "older":
        command.downgrade(alembic_config(database_url), "base")
    if state == "unknown":
        opened = Database(database_url)
        with opened.writing() as session:
            session.connection().execute(text("UPDATE alembic_version SET version_num = 'later'"))
        opened.dispose()
    settings = Settings(Mode.DEMO, database_url, month_keys=own_folder / "month-keys")

    with pytest.raises(main.NotReady, match="run `protocolpoort db upgrade`"):
        main.create_app(settings)


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO log_head (id, size, minimum) VALUES (2, 0, 0)",
        "INSERT INTO register_state (id, version) VALUES (2, 0)",
    ],
)
def test_there_is_one_head_and_one_register_version(store: Database, statement: str) -> None:
    with pytest.raises(IntegrityError), store.writing() as session:
        session.connection().exec_driver_sql(statement)
