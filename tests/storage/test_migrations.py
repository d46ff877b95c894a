"""The schema: from nothing to the newest, back, and the same as the tables of the code."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import stores
from alembic import command
from alembic.script import ScriptDirectory
from evidence import Naive, entry, execute, record
from service import insz_of
from sqlalchemy import inspect, text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlmodel import SQLModel

from app import access_log, database, dossiers, log_tree, main, population, protocols
from app.database import MIGRATIONS, Database, UpgradeRefused, alembic_config
from app.insz import Insz
from app.moments import to_millisecond
from app.record import columns_of
from app.register_lines import read_line
from app.settings import Mode, Settings
from app.tlog import tree

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


@pytest.mark.parametrize("store", ["postgresql"], indirect=True)
def test_what_is_long_in_the_log_is_compressed_by_lz4_where_the_server_has_it(
    store: Database,
) -> None:
    [(has_lz4,)] = rows(
        store,
        "SELECT 'lz4' = ANY (enumvals) FROM pg_settings WHERE name = 'default_toast_compression'",
    )
    compressed = rows(
        store,
        "SELECT attrelid::regclass::text, attname, attcompression::text FROM pg_attribute "
        "WHERE attcompression = 'l' ORDER BY 1, 2",
    )

    columns = [
        ("access_detail", "detail"),
        ("access_record", "fields"),
        ("access_record", "record"),
    ]
    assert compressed == ([(*each, "l") for each in columns] if has_lz4 else [])


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
            session.connection().execute(
                text(
                    "INSERT INTO access_record (log_index, event_id, record, leaf_hash,"  # noqa: S608
                    f" recorded_at, type) VALUES ({index}, 'event-{index}', :record, :hash,"
                    f" '{moment}', 'admin')"
                ),
                {"record": b"{}", "hash": tree.leaf_hash(b"{}")},
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


# From records in a row to a tree


SET_BACK = 256


def at_0002(store: Database) -> Naive:
    """A log of before the tree: 600 records, of which one set the clock back."""
    command.downgrade(alembic_config(url_of(store)), "0002")
    made = [columns_of(record()) for _ in range(600)]
    made[SET_BACK] = columns_of(record(type="admin", operation="clockAccept"))
    # What only looks like one.
    made[300] = columns_of(record(organisation='"operation":"clockAccept"'))
    made[301] = columns_of(record(counts={"clockAccept": 1}, operation="queryDossier"))
    made[302] = columns_of(record(ruleSet={"operation": "clockAccept"}, operation="queryDossier"))
    names = ("event_id", "record", "leaf_hash", "type")
    with store.writing() as session:
        session.connection().execute(
            text(
                "INSERT INTO access_record"
                " (log_index, event_id, record, leaf_hash, recorded_at, type) VALUES"
                " (:index, :event_id, :record, :leaf_hash, '2026-06-01 09:30:00.000000', :type)"
            ),
            [
                {"index": index, **{name: columns[name] for name in names}}
                for index, columns in enumerate(made)
            ],
        )
        session.connection().execute(text("UPDATE log_head SET size = 600"))
    return Naive([columns["record"] for columns in made])


def is_the_tree_of(store: Database, told: Naive) -> None:
    """Look whether head, edge and tiles are those of these records."""
    found = rows(store, "SELECT level, tile_index, hashes, root FROM log_tile")
    tiles = {(level, index): (bytes(held), bytes(root)) for level, index, held, root in found}
    with store.reading() as session:
        head = log_tree.head(session)

    assert tiles == told.tiles()
    assert rows(store, "SELECT edge FROM log_head") == [(b"".join(told.edge()),)]
    assert (head.size, head.minimum, head.root) == (len(told.leaves), 0, told.root())


def test_the_tree_grows_over_the_records_that_are_there(store: Database) -> None:
    told = at_0002(store)

    database.upgrade(url_of(store))

    is_the_tree_of(store, told)
    assert rows(store, "SELECT first_index FROM log_era") == [(SET_BACK,)]
    assert rows(store, "SELECT id, size, note, signed_at FROM log_checkpoint") == [(1, 0, "", None)]
    assert rows(store, "SELECT * FROM log_key") == []
    command.check(alembic_config(url_of(store)))


def test_the_log_goes_on_growing_where_the_migration_left_it(store: Database) -> None:
    told = at_0002(store)
    database.upgrade(url_of(store))

    with store.writing() as session:
        access_log.write(session, more := [entry() for _ in range(300)])

    is_the_tree_of(store, Naive([*told.leaves, *(each.columns["record"] for each in more)]))


def test_the_tree_goes_down_and_is_built_again(store: Database) -> None:
    told = at_0002(store)
    database.upgrade(url_of(store))

    command.downgrade(alembic_config(url_of(store)), "0002")
    without = tables(store)
    database.upgrade(url_of(store))

    assert not without & {"log_tile", "log_checkpoint", "log_key", "log_era"}
    is_the_tree_of(store, told)
    assert rows(store, "SELECT first_index FROM log_era") == [(SET_BACK,)]


def schema(store: Database) -> list[Any]:
    """Tables, columns, triggers and the revision."""
    trigger = {
        "sqlite": LEFT_OVER["sqlite"],
        "postgresql": "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal",
    }
    inspector = inspect(store.engine)
    return [
        {name: [each["name"] for each in inspector.get_columns(name)] for name in tables(store)},
        sorted(rows(store, trigger[store.engine.dialect.name])),
        sorted(rows(store, LEFT_OVER[store.engine.dialect.name])),
        rows(store, "SELECT version_num FROM alembic_version"),
        rows(store, "SELECT size, minimum, newest FROM log_head"),
    ]


@contextmanager
def without_guards(store: Database) -> Iterator[None]:
    """Meanwhile no trigger refuses anything."""
    if store.engine.dialect.name == "postgresql":
        for table in ("access_record", "log_head"):
            execute(store, f"ALTER TABLE {table} DISABLE TRIGGER ALL")
        yield
        for table in ("access_record", "log_head"):
            execute(store, f"ALTER TABLE {table} ENABLE TRIGGER ALL")
        return
    held = rows(store, "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
    for name, _ in held:
        execute(store, f"DROP TRIGGER {name}")
    yield
    with store.writing() as session:
        for _, statement in held:
            session.connection().exec_driver_sql(statement)


@pytest.mark.parametrize(
    ("change", "back", "said"),
    [
        (
            "UPDATE access_record SET record = leaf_hash WHERE log_index = 41",
            None,
            "record 41 of the log is not what was written",
        ),
        (
            "UPDATE access_record SET leaf_hash = record WHERE log_index = 599",
            None,
            "record 599 of the log is not what was written",
        ),
        (
            "UPDATE access_record SET log_index = 900 WHERE log_index = 41",
            "UPDATE access_record SET log_index = 41 WHERE log_index = 900",
            "record 41 of the log is missing",
        ),
        (
            "UPDATE access_record SET log_index = -1 WHERE log_index = 0",
            "UPDATE access_record SET log_index = 0 WHERE log_index = -1",
            "record 0 of the log is missing",
        ),
        (
            "DELETE FROM access_record WHERE log_index >= 590",
            None,
            "the log does not hold as many records as its head says",
        ),
        (
            "UPDATE log_head SET size = 599",
            "UPDATE log_head SET size = 600",
            "the log does not hold as many records as its head says",
        ),
    ],
    ids=["record", "hash", "gap", "first", "cut off", "head"],
)
def test_a_log_that_was_changed_before_stops_the_upgrade_and_nothing_is_changed(
    store: Database, change: str, back: str | None, said: str
) -> None:
    told = at_0002(store)
    with without_guards(store):
        execute(store, change)
    before = schema(store)

    with pytest.raises(UpgradeRefused, match=f"^{said}$"):
        database.upgrade(url_of(store))

    assert schema(store) == before
    if back:
        with without_guards(store):
            execute(store, back)
        database.upgrade(url_of(store))
        is_the_tree_of(store, told)


COUNT = (
    "INSERT INTO quota_use (protocol, purpose, organisation, operation, first, used)"
    " VALUES ('proef-2026', 'x', 'nis:71016', 'queryDossier', '2026-01-01', 3)"
)
KEY = "INSERT INTO log_key (id, vkey, size, endorsement, since) VALUES"
REFUSED = (
    "UPDATE quota_use SET used = 0",
    "UPDATE quota_use SET used = 2",
    f"{KEY} (0, 'a', 0, '', '2026-06-01 09:30:00')",
    f"{KEY} (2, 'b', 0, '', '2026-06-01 09:30:00')",
    f"{KEY} (7, 'c', 0, '', '2026-06-01 09:30:00')",
    "UPDATE log_key SET size = 0",
    "UPDATE log_key SET endorsement = 'x'",
    "DELETE FROM log_key",
)
ALLOWED = (
    "UPDATE quota_use SET used = 3",
    "UPDATE quota_use SET used = used + 1",
    f"{KEY} (8, 'd', 0, '', '2026-06-01 09:30:00')",
)


@pytest.mark.parametrize("way", ["up", "down and up"])
def test_a_count_never_goes_down_and_a_key_is_only_added_after_the_others(
    store: Database, way: str
) -> None:
    if way == "down and up":
        command.downgrade(alembic_config(url_of(store)), "0002")
        database.upgrade(url_of(store))
    for statement in (COUNT, f"{KEY} (7, 'x', 0, '', '2026-06-01 09:30:00')"):
        execute(store, statement)

    for statement in REFUSED:
        with pytest.raises(DBAPIError, match="append-only"):
            execute(store, statement)
    for statement in ALLOWED:
        execute(store, statement)

    assert rows(store, "SELECT used FROM quota_use") == [(4,)]
    assert rows(store, "SELECT id, vkey FROM log_key ORDER BY id") == [(7, "x"), (8, "d")]
    command.check(alembic_config(url_of(store)))


def test_the_way_down_from_the_tree_leaves_the_schema_of_before(database_url: str) -> None:
    config = alembic_config(database_url)
    if database_url.startswith("sqlite"):
        Path(database_url.removeprefix("sqlite:///")).touch()
    command.upgrade(config, "0002")
    store = Database(database_url)
    before = schema(store)

    command.upgrade(config, "0003")
    command.downgrade(config, "0002")

    assert schema(store) == before
    execute(store, COUNT)
    execute(store, "UPDATE quota_use SET used = 0")  # nothing is left that would refuse it
    store.dispose()


def test_tiles_that_are_all_that_is_left_do_not_go_down(store: Database) -> None:
    at_0002(store)
    command.upgrade(alembic_config(url_of(store)), "0003")
    with store.writing() as session:
        access_log.raise_minimum(session, 256)
        access_log.remove_below(session, 256, 1000)
    before = schema(store)

    with pytest.raises(ValueError, match=r"^the log was pruned"):
        command.downgrade(alembic_config(url_of(store)), "0002")

    assert schema(store) == before
    assert len(rows(store, "SELECT root FROM log_tile")) == 2


# From what holds to what was known when


HOLDER, SECOND, FAULTY, BESIDE, SILENT, OLD, MOVED = (
    insz_of(f"90020100{number}") for number in range(1, 8)
)
NEWEST = datetime(2026, 3, 1, 8, 0, 0, 123456, tzinfo=UTC)


def at(text: str) -> datetime:
    """A moment of this year, as `02-05`."""
    return datetime.fromisoformat(f"2026-{text}T08:00:00+00:00")


def at_0003(store: Database) -> None:
    """Dossiers, marks and replaced numbers as they were kept before."""
    command.downgrade(alembic_config(url_of(store)), "0003")
    version = (
        "INSERT INTO dossier_version (insz, digest, doelgroep, learned_at, fetched_at)"
        " VALUES (:insz, :digest, :group, :learned, :fetched)"
    )
    for insz, code, learned, fetched in (
        (HOLDER, "A", at("01-01"), at("01-01")),
        (SECOND, "V", at("01-10"), at("01-09")),  # made before it was imported
        (HOLDER, "B", at("02-01"), at("02-05")),  # given again
        (HOLDER, "A", NEWEST, NEWEST),
        (BESIDE, "A", at("01-01"), at("01-20")),
        (BESIDE, "B", at("01-20"), at("01-20")),  # of one moment with the last of the other
        (FAULTY, "A", at("01-01"), at("01-01")),
    ):
        values = {"learned": naive(store, learned), "fetched": naive(store, fetched)}
        group = json.dumps({"code": code})
        execute(store, version, insz=insz.digits, digest=f"sha256:{code}", group=group, **values)
    mark = "INSERT INTO source_fault (insz, code, marked_at) VALUES (:insz, :code, :marked)"
    for insz, code, marked in (
        (FAULTY, "99996", at("02-20")),
        (SILENT, "99997", at("02-20")),
        (BESIDE, "30001", at("01-20")),
    ):
        execute(store, mark, insz=insz.digits, code=code, marked=naive(store, marked))
    numbers = {"old": OLD.digits, "current": HOLDER.digits}
    execute(store, "INSERT INTO person (insz) VALUES (:insz)", insz=HOLDER.digits)
    execute(store, "INSERT INTO replaced_number (old, current) VALUES (:old, :current)", **numbers)


def naive(store: Database, moment: datetime) -> datetime | str:
    """A moment as the database keeps it."""
    if store.engine.dialect.name == "sqlite":
        return f"{moment:%Y-%m-%d %H:%M:%S.%f}"
    return moment


def group_of(store: Database, insz: Insz, known_at: datetime | None) -> tuple[str, datetime] | None:
    """The target group in the current dossier, and how old it is."""
    with store.reading() as session:
        found = stores.read(session, [insz.digits], ["doelgroep"], known_at)
    return (found.blocks["doelgroep"]["code"], found.fetched_at) if found else None


def test_versions_become_answers_and_equal_ones_one_version(store: Database) -> None:
    at_0003(store)

    database.upgrade(url_of(store))

    known = {
        when and f"{when:%m-%d}": group_of(store, HOLDER, when)
        for when in (at("01-15"), at("02-03"), at("02-10"), None)
    }
    assert known == {
        "01-15": ("A", at("01-01")),
        "02-03": ("B", at("02-01")),
        "02-10": ("B", at("02-05")),
        None: ("A", NEWEST),
    }
    with store.reading() as session:
        groups = stores.target_groups(session, [HOLDER.digits])
    assert [each["code"] for each in groups] == ["B", "A"]
    assert group_of(store, HOLDER, at("01-01") - timedelta(milliseconds=1)) is None
    assert rows(store, "SELECT count(*) FROM dossier_version") == [(6,)]


def test_what_was_made_before_its_import_keeps_both_moments(store: Database) -> None:
    at_0003(store)

    database.upgrade(url_of(store))

    assert group_of(store, SECOND, at("01-10")) == ("V", at("01-09"))
    assert group_of(store, SECOND, at("01-10") - timedelta(milliseconds=1)) is None


def test_of_one_moment_the_later_version_counts_and_a_mark_before_both(store: Database) -> None:
    at_0003(store)

    database.upgrade(url_of(store))

    assert group_of(store, BESIDE, None) == ("B", at("01-20"))
    with store.reading() as session:
        found = {
            insz: stores.last_word(session, [insz.digits]).fault
            for insz in (HOLDER, SECOND, FAULTY, SILENT, BESIDE)
        }
        before = stores.last_word(session, [FAULTY.digits], at("02-19"))
        delivered = dossiers.last_delivery(session)
    assert [*found.values()] == [None, None, "99996", "99997", "30001"]
    assert (before.fault, delivered) == (None, None)


def test_replaced_numbers_were_always_known(store: Database) -> None:
    at_0003(store)

    database.upgrade(url_of(store))

    numbers = (HOLDER.digits, OLD.digits)
    with store.reading() as session:
        for insz in (HOLDER, OLD):
            assert population.numbers_of(session, insz) == numbers
            assert population.numbers_of(session, insz, at("01-01")) == numbers


def test_an_advice_after_the_upgrade_sees_all_that_was_there(store: Database) -> None:
    """Whatever the clock says: its moment is in whole milliseconds."""
    at_0003(store)

    database.upgrade(url_of(store))

    with store.reading() as session:
        asked_at = to_millisecond(access_log.known_at(session))
    assert asked_at > NEWEST
    assert group_of(store, HOLDER, asked_at) == ("A", NEWEST)
    with store.writing() as session:
        assert access_log.learn(session, asked_at) > asked_at


def test_the_next_import_goes_on_where_the_upgrade_left_it(store: Database) -> None:
    at_0003(store)
    database.upgrade(url_of(store))

    with store.writing() as session:
        now = access_log.learn(session, at("04-01"))
        new = dossiers.store(session, HOLDER, {"doelgroep": {"code": "C"}}, at("04-01"), now)
        facts = read_line(json.dumps({"insz": MOVED.digits, "vorigeInsz": [OLD.digits]}))
        population.store(session, facts, now)

    assert new
    assert group_of(store, HOLDER, None) == ("C", at("04-01"))
    with store.reading() as session:
        assert population.numbers_of(session, OLD) == (MOVED.digits, OLD.digits)
        assert population.numbers_of(session, OLD, at("03-31")) == (HOLDER.digits, OLD.digits)
    command.check(alembic_config(url_of(store)))


def test_of_an_empty_database_nothing_was_ever_learned(store: Database) -> None:
    command.downgrade(alembic_config(url_of(store)), "0003")

    database.upgrade(url_of(store))

    with store.reading() as session:
        assert access_log.known_at(session) == datetime(1970, 1, 1, tzinfo=UTC)
    assert rows(store, "SELECT count(*) FROM source_answer") == [(0,)]


def test_the_way_down_keeps_what_holds(store: Database) -> None:
    at_0003(store)
    database.upgrade(url_of(store))
    with store.writing() as session:
        now = access_log.learn(session, at("04-01"))
        dossiers.store(session, FAULTY, {"doelgroep": {"code": "A"}}, at("03-31"), now)
        dossiers.store_fault(session, MOVED, "30001", at("03-31"), now)
        dossiers.store_fault(session, HOLDER, "99998", at("03-31"), now)
        dossiers.declare_complete(session, at("03-31"), now)
        facts = read_line(json.dumps({"insz": MOVED.digits, "vorigeInsz": [OLD.digits]}))
        population.store(session, facts, now)

    command.downgrade(alembic_config(url_of(store)), "0003")

    held = rows(
        store,
        "SELECT insz, digest, learned_at, fetched_at FROM dossier_version ORDER BY insz, digest",
    )
    told = [(insz, digest, str(one)[:10], str(other)[:10]) for insz, digest, one, other in held]
    assert told == [
        (HOLDER.digits, "sha256:A", "2026-01-01", "2026-03-01"),
        (HOLDER.digits, "sha256:B", "2026-02-01", "2026-02-05"),
        (SECOND.digits, "sha256:V", "2026-01-10", "2026-01-09"),
        (FAULTY.digits, told[3][1], "2026-04-01", "2026-03-31"),
        (FAULTY.digits, "sha256:A", "2026-01-01", "2026-01-01"),
        (BESIDE.digits, "sha256:A", "2026-01-01", "2026-01-20"),
        (BESIDE.digits, "sha256:B", "2026-01-20", "2026-01-20"),
    ]
    marks = rows(store, "SELECT insz, code FROM source_fault ORDER BY insz")
    assert marks == [
        (HOLDER.digits, "99998"),
        (BESIDE.digits, "30001"),
        (SILENT.digits, "99997"),
    ]
    assert rows(store, "SELECT old, current FROM replaced_number") == [(OLD.digits, MOVED.digits)]
    assert not tables(store) & {"source_answer", "complete_delivery"}
    database.upgrade(url_of(store))
    assert group_of(store, HOLDER, None) == ("A", NEWEST)


# What the service starts on


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
        "INSERT INTO register_state (id, version, known_at) VALUES (2, 0, '2026-06-01 09:30:00')",
        "INSERT INTO log_checkpoint (id, size, note) VALUES (2, 0, '')",
    ],
)
def test_there_is_one_head_and_one_register_version(store: Database, statement: str) -> None:
    with pytest.raises(IntegrityError), store.writing() as session:
        session.connection().exec_driver_sql(statement)
