"""The schema: from nothing to the newest, back, and the same as the tables of the code."""

from pathlib import Path

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text
from sqlalchemy.exc import IntegrityError
from sqlmodel import SQLModel

from app import database, main
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
        head = session.connection().exec_driver_sql("SELECT id, size, minimum FROM log_head")
        state = session.connection().exec_driver_sql("SELECT id, version FROM register_state")

        assert [tuple(row) for row in head] == [(1, 0, 0)]
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
