"""`log check`: whatever somebody with every right changes in the log, it is named by its index."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from evidence import (
    LOG,
    NOW,
    append,
    disarm,
    entry,
    execute,
    forge,
    leaves,
    moment_after,
    open_notary,
    record,
    rows,
    shrink,
    sign_over,
    write,
)
from service import ORIGIN
from sqlalchemy.exc import DBAPIError

from app import access_log, checkpoints, log_check, log_keys
from app.database import Database
from app.log_keys import create_file
from app.models.access import AccessRecord
from app.month_keys import MonthKeys
from app.policy import Operation
from app.record import Allowance, Entry, Trace, Turn, columns_of, entry_of
from app.tlog.note import Checkpoint, Signer
from app.visit import Visit, new_event_id

DETAILED, COUNTED, CHANGED = 7, 8, 41
SIGNED, SIZE = 280, 300
FULL = {
    "reference": "ref-1",
    "user": "user",
    "functionProfile": "trajectondersteuner",
    "protocol": "proef-2026",
    "purpose": "lokaalIntegratiebeleid",
    "requestedFields": ["contact.email"],
    "deliveredFields": ["contact.email", "personalia.insz"],
    "outcome": "denied",
    "reasonCode": "field",
    "subject": "subject",
}
COLUMNS = sorted({*columns_of(record())} - {"record"})
NULLABLE = sorted(set(COLUMNS) - {"event_id", "leaf_hash", "recorded_at", "type"})
OTHER = Signer(LOG, bytes(32))


@dataclass
class Log:
    """A log of 300 records, 280 of them signed, and a checkpoint of 100 that was kept."""

    store: Database
    keys: MonthKeys
    signer: Signer
    older: str

    def check(self, *older: str) -> list[str]:
        """What is wrong with it."""
        with self.store.snapshot() as session:
            return list(log_check.check(session, self.keys, LOG, older))

    def change(self, statement: str, **values: Any) -> None:
        """One statement, behind every guard."""
        disarm(self.store)
        execute(self.store, statement, **values)


def opened(store: Database, folder: Path) -> Log:
    """The log in a database, with what stands in the folder beside it."""
    signer = log_keys.read_file(folder / "log.key", LOG)
    return Log(store, MonthKeys(folder / "month-keys"), signer, (folder / "older").read_text())


def fill(store: Database, folder: Path) -> None:
    """Make the log, its keys, and the checkpoint that is kept elsewhere."""
    keys = MonthKeys(folder / "month-keys")
    keys.create(NOW, months=2)
    create_file(LOG, folder / "log.key")
    notary = open_notary(store, LOG, folder / "log.key", NOW)
    visit = Visit("queryAdvies", "/adviezen/query", NOW, "", new_event_id(NOW), "", "")
    detail = {"code": "O20", "situatie": "vrijgesteld"}
    turn = Turn("proef-2026", "x", "nis:71016", Operation.QUERY_DOSSIER, date(2026, 1, 1))
    counted = record(**FULL)
    entries = [entry(**FULL) for _ in range(SIZE)]
    entries[DETAILED] = entry_of(visit, Trace(detail=detail), keys.at(NOW), ORIGIN, NOW, None)
    entries[COUNTED] = Entry(
        columns_of(counted), None, None, Allowance(turn, date(2026, 1, 1), 3), counted
    )
    write(store, entries[:100])
    notary.turn(NOW)
    with store.reading() as session:
        (folder / "older").write_text(checkpoints.published(session).note)
    write(store, entries[100:SIGNED])
    notary.turn(moment_after(1))
    write(store, entries[SIGNED:])


@pytest.fixture(scope="module")
def prepared(migrated_file: bytes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the log on SQLite; it is only copied."""
    folder = tmp_path_factory.mktemp("prepared")
    (folder / "log.db").write_bytes(migrated_file)
    store = Database(f"sqlite:///{folder}/log.db")
    fill(store, folder)
    store.dispose()
    return folder


@pytest.fixture
def log(prepared: Path, tmp_path: Path) -> Iterator[Log]:
    """The log on SQLite."""
    shutil.copytree(prepared, tmp_path, dirs_exist_ok=True)
    store = Database(f"sqlite:///{tmp_path}/log.db")
    yield opened(store, tmp_path)
    store.dispose()


@pytest.fixture
def log_on_each(store: Database, tmp_path: Path) -> Log:
    """The log on SQLite and on PostgreSQL."""
    fill(store, tmp_path)
    return opened(store, tmp_path)


# A log that is whole


def test_an_intact_log_has_no_fault(log_on_each: Log) -> None:
    assert log_on_each.check() == []
    assert log_on_each.check(log_on_each.older) == []


UNSIGNED = "there is no checkpoint: nothing vouches for this log"


def test_an_empty_log_has_no_fault_once_it_is_signed(store: Database, tmp_path: Path) -> None:
    create_file(LOG, tmp_path / "log.key")
    notary = open_notary(store, LOG, tmp_path / "log.key", NOW)
    before = faults_of(store, tmp_path)

    notary.turn(NOW)

    assert (before, faults_of(store, tmp_path)) == ([UNSIGNED], [])


def faults_of(store: Database, folder: Path) -> list[str]:
    """What is wrong with a log whose records have no explanation."""
    with store.snapshot() as session:
        return list(log_check.check(session, MonthKeys(folder), LOG))


def test_a_log_whose_checkpoint_was_taken_away_is_vouched_for_by_nothing(
    log_on_each: Log,
) -> None:
    log_on_each.change("UPDATE log_checkpoint SET size = 0, note = '', signed_at = NULL")

    assert log_on_each.check() == [UNSIGNED]
    assert log_on_each.check(log_on_each.older) == [UNSIGNED]


def test_each_of_several_older_checkpoints_is_compared(log_on_each: Log) -> None:
    with log_on_each.store.reading() as session:
        newest = checkpoints.published(session).note
    others = [
        log_on_each.signer.sign(Checkpoint(LOG, size, bytes(32)).text) for size in (200, 290, 301)
    ]

    assert log_on_each.check(log_on_each.older, newest) == []
    assert log_on_each.check(log_on_each.older, *others, "", newest) == [
        "the older checkpoint does not hold: "
        "a note ends in an empty line and lines with signatures",
        "199: up to here the tree is not that of the older checkpoint",
        "289: up to here the tree is not that of the older checkpoint",
        "the older checkpoint covers 301 records, 300 are there",
    ]


def test_it_says_how_far_it_is(log: Log) -> None:
    seen: list[int] = []

    with log.store.snapshot() as session:
        list(log_check.check(session, log.keys, LOG, (), seen.append))

    assert seen == [256, 300]


def prune(log: Log, minimum: int = 256, **record: Any) -> None:
    """Take away what is below the minimum with a record of it, as the owner of the tables may."""
    remove(log, minimum)
    announce(log.store, minimum, **record)


def remove(log: Log, minimum: int) -> None:
    """Take away what is below the minimum, and say nothing."""
    with log.store.writing() as session:
        access_log.raise_minimum(session, minimum)
        access_log.remove_below(session, minimum, 1000)


def announce(store: Database, minimum: int, **members: Any) -> None:
    """The record of a pruning, or with some members changed one that is none."""
    said = {
        "type": "admin",
        "operation": "logPrune",
        "reference": f"logPrune {minimum}",
        "counts": {"minimum": minimum},
    }
    assert write(store, [entry(**{**said, **members})])


def test_pruned_records_leave_a_log_without_fault(log_on_each: Log) -> None:
    prune(log_on_each)

    assert [
        row[0] for row in rows(log_on_each.store, "SELECT min(log_index) FROM access_record")
    ] == [256]
    assert log_on_each.check() == []
    assert log_on_each.check(log_on_each.older) == []


def test_an_explanation_whose_key_is_destroyed_can_no_longer_be_wrong(
    log: Log, tmp_path: Path
) -> None:
    (tmp_path / "month-keys" / "2026-06.key").unlink()
    log.change('UPDATE access_detail SET detail = \'{"code": "O21"}\'')

    assert log.check() == []


# Records and what stands beside them


def changed_record(log: Log, index: int, old: bytes, new: bytes) -> bytes:
    """The bytes of a record after a change."""
    found = leaves(log.store)[index]
    assert old in found
    return found.replace(old, new, 1)


@pytest.mark.parametrize("index", [0, CHANGED, 255, 256, SIZE - 1])
def test_one_byte_of_a_record(log: Log, index: int) -> None:
    changed = changed_record(log, index, b"nis:71016", b"nis:71017")

    log.change(
        "UPDATE access_record SET record = :record WHERE log_index = :index",
        record=changed,
        index=index,
    )

    faults = log.check()
    assert faults[:2] == [
        f"{index}: the column leaf_hash does not say what the record says",
        f"{index}: the column organisation does not say what the record says",
    ]
    assert f"the head of the log does not agree with its {SIZE} records" in faults


@pytest.mark.parametrize("index", [0, CHANGED, 255])
def test_a_record_whose_columns_were_changed_along(log: Log, index: int) -> None:
    rewrite(log, index)

    assert log.check() == [
        f"{SIGNED - 1}: up to here the tree is not that of the checkpoint",
        f"the head of the log does not agree with its {SIZE} records",
        f"{index}: tile 0/0 is not what stands below it",
    ]
    assert (
        "99: up to here the tree is not that of the older checkpoint" in log.check(log.older)
    ) == (index < 100)


def rewrite(log: Log, index: int) -> None:
    """Change a record and all that is computed from it."""
    columns = columns_of(json.loads(changed_record(log, index, b"nis:71016", b"nis:71017")))
    log.change(
        "UPDATE access_record SET record = :record, leaf_hash = :leaf_hash,"
        " organisation = :organisation WHERE log_index = :index",
        index=index,
        **{name: columns[name] for name in ("record", "leaf_hash", "organisation")},
    )


def test_a_record_that_is_not_signed_yet_and_was_changed_with_all_its_columns(log: Log) -> None:
    rewrite(log, SIZE - 1)

    assert log.check() == [f"the head of the log does not agree with its {SIZE} records"]


def test_every_column_that_is_searched_is_compared() -> None:
    assert {*COLUMNS, "log_index", "record"} == {*AccessRecord.model_fields}


@pytest.mark.parametrize("name", COLUMNS)
def test_a_column_beside_a_record(log_on_each: Log, name: str) -> None:
    values = {"recorded_at": "2026-06-01 09:30:00.001+00:00", "leaf_hash": bytes(32)}
    if log_on_each.store.engine.dialect.name == "sqlite":
        values["recorded_at"] = "2026-06-01 09:30:00.001000"

    log_on_each.change(
        f"UPDATE access_record SET {name} = :value WHERE log_index = {CHANGED}",  # noqa: S608
        value=values.get(name, "other"),
    )

    fault, *more = log_on_each.check()
    assert fault == f"{CHANGED}: the column {name} does not say what the record says"
    assert more == ["41: tile 0/0 is not what stands below it"] * (name == "leaf_hash")


@pytest.mark.parametrize("name", NULLABLE)
def test_a_column_that_was_emptied(log: Log, name: str) -> None:
    log.change(f"UPDATE access_record SET {name} = NULL WHERE log_index = {CHANGED}")  # noqa: S608

    assert log.check() == [f"{CHANGED}: the column {name} does not say what the record says"]


@pytest.mark.parametrize(
    "content",
    [b"", b"x", b"\xff", b"null", b"1", b'"x"', b"[]", b"[1]", b"{}", b'{"v":1}', b"[[[[1]]]]"],
)
def test_a_record_that_is_no_record(log: Log, content: bytes) -> None:
    log.change(
        f"UPDATE access_record SET record = :record WHERE log_index = {CHANGED}",  # noqa: S608
        record=content,
    )

    assert log.check()[0] == f"{CHANGED}: the record is none"


@pytest.mark.parametrize(
    "change",
    [
        {"eventId": 1},
        {"recordedAt": "x"},
        {"recordedAt": 1},
        {"requestedFields": [1, "x"]},
        {"requestedFields": 7},
        {"outcome": ["x"]},
        {"reasonReference": "x" * 65_535},
    ],
    ids=str,
)
def test_a_record_with_a_member_that_is_none(log: Log, change: dict[str, Any]) -> None:
    held = {**json.loads(leaves(log.store)[CHANGED]), **change}

    log.change(
        f"UPDATE access_record SET record = :record WHERE log_index = {CHANGED}",  # noqa: S608
        record=json.dumps(held).encode(),
    )

    assert log.check()[0].startswith(f"{CHANGED}: ")


def test_a_record_in_another_spelling_than_the_canonical_one(log: Log) -> None:
    held = json.loads(leaves(log.store)[CHANGED])

    log.change(
        f"UPDATE access_record SET record = :record WHERE log_index = {CHANGED}",  # noqa: S608
        record=json.dumps(held).encode(),
    )

    assert log.check()[0] == f"{CHANGED}: the column record does not say what the record says"


@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")
@pytest.mark.parametrize(
    "assignment",
    ["record = 'text'", "recorded_at = 'soon'", "leaf_hash = 'text'", "event_id = x'ff'"],
)
def test_a_row_that_sqlite_keeps_and_nobody_can_read(log: Log, assignment: str) -> None:
    log.change(f"UPDATE access_record SET {assignment} WHERE log_index = {CHANGED}")  # noqa: S608

    first, *_ = log.check()
    assert first.startswith(("0: from here on a row cannot be read", "41: the column "))


# Places


@pytest.mark.parametrize("index", [0, CHANGED, 255, 256, SIGNED, SIZE - 1])
def test_a_record_that_was_taken_out(log: Log, index: int) -> None:
    disarm(log.store)
    log.change("DELETE FROM access_detail")

    log.change("DELETE FROM access_record WHERE log_index = :index", index=index)

    assert f"{index}: the record is missing" in log.check()


@pytest.mark.parametrize("index", [-1, SIZE, SIZE + 5000])
def test_a_record_that_was_put_in_outside_the_log(log: Log, index: int) -> None:
    columns = {**columns_of(made := record(**FULL)), "log_index": index}
    columns["recorded_at"] = columns["recorded_at"].strftime("%Y-%m-%d %H:%M:%S.000000")
    names = ", ".join(columns)

    log.change(
        f"INSERT INTO access_record ({names}) VALUES (:{', :'.join(columns)})",  # noqa: S608
        **columns,
    )

    assert log.check() == [f"{made['eventId']} stands outside the log"]


def test_a_record_that_was_put_in_between(log: Log) -> None:
    held = leaves(log.store)
    note = rows(log.store, "SELECT size, note FROM log_checkpoint")

    forge(log.store, [*held[:100], entry(**FULL).columns["record"], *held[100:]])

    assert rows(log.store, "SELECT size, note FROM log_checkpoint") == note
    assert f"{SIGNED - 1}: up to here the tree is not that of the checkpoint" in log.check()
    assert [fault for fault in log.check(log.older) if "older" in fault] == []


def test_two_records_that_changed_places(log_on_each: Log) -> None:
    for old, new in ((41, -2), (42, 41), (-2, 42)):
        log_on_each.change(
            "UPDATE access_record SET log_index = :new WHERE log_index = :old", new=new, old=old
        )

    assert log_on_each.check() == [
        f"{SIGNED - 1}: up to here the tree is not that of the checkpoint",
        f"the head of the log does not agree with its {SIZE} records",
        "41: tile 0/0 is not what stands below it",
    ]


def test_a_log_that_was_cut_off(log: Log) -> None:
    shrink(log.store, 250)

    assert "the checkpoint covers 280 records, 250 are there" in log.check()
    assert [fault for fault in log.check(log.older) if "older" in fault] == []


def test_a_log_that_was_cut_off_and_signed_again(log_on_each: Log) -> None:
    shrink(log_on_each.store, 90)
    sign_over(log_on_each.store, log_on_each.signer)

    assert "the older checkpoint covers 100 records, 90 are there" in log_on_each.check(
        log_on_each.older
    )


def test_rows_that_were_cut_off_below_the_head(log: Log) -> None:
    log.change("DELETE FROM access_record WHERE log_index >= 290")

    assert log.check() == ["290: the record is missing"]


def test_a_log_that_was_built_anew_with_its_own_key(log_on_each: Log) -> None:
    held = leaves(log_on_each.store)
    rewritten = held[50].replace(b"nis:71016", b"nis:71017")
    forge(log_on_each.store, [*held[:DETAILED], *held[DETAILED + 1 : 50], rewritten, *held[51:]])
    sign_over(log_on_each.store, log_on_each.signer)

    assert log_on_each.check() == []
    assert log_on_each.check(log_on_each.older) == [
        "99: up to here the tree is not that of the older checkpoint"
    ]


# Explanations


def test_an_explanation_that_was_changed(log_on_each: Log) -> None:
    log_on_each.change('UPDATE access_detail SET detail = \'{"code": "O21"}\'')

    fault = f"{DETAILED}: the explanation beside the record is not the one that was given"
    assert log_on_each.check() == [fault]


@pytest.mark.parametrize("content", ["[]", "1.5", '"x"', '{"code": 1.5}', '{"a": {"b": null}}'])
def test_an_explanation_that_is_none(log: Log, content: str) -> None:
    log.change("UPDATE access_detail SET detail = :detail", detail=content)

    [fault] = log.check()
    assert fault.startswith(f"{DETAILED}: the explanation beside the record is ")


def test_an_explanation_that_was_removed(log: Log) -> None:
    log.change("DELETE FROM access_detail")

    fault = f"{DETAILED}: the explanation beside the record is missing, or too much"
    assert log.check() == [fault]


def test_an_explanation_that_was_added(log: Log) -> None:
    log.change(
        "INSERT INTO access_detail (event_id, detail) "
        'SELECT event_id, \'{"code": "O21"}\' FROM access_record WHERE log_index = 41'
    )

    assert log.check() == [f"{CHANGED}: the explanation beside the record is missing, or too much"]


# Tiles, head, checkpoints


def test_a_tile_of_other_hashes(log_on_each: Log) -> None:
    [(hashes,)] = rows(log_on_each.store, "SELECT hashes FROM log_tile")
    changed = bytearray(hashes)
    changed[CHANGED * 32 + 5] ^= 1

    log_on_each.change("UPDATE log_tile SET hashes = :hashes", hashes=bytes(changed))

    assert log_on_each.check() == [f"{CHANGED}: tile 0/0 is not what stands below it"]


@pytest.mark.parametrize("statement", ["root = :value", "hashes = :value"])
@pytest.mark.parametrize("value", [b"", b"x", bytes(32), bytes(8192)])
def test_a_tile_that_is_none(log: Log, statement: str, value: bytes) -> None:
    log.change(f"UPDATE log_tile SET {statement}", value=value)  # noqa: S608

    [fault] = log.check()
    assert fault.endswith("tile 0/0 is not what stands below it")


def test_a_tile_that_was_removed(log: Log) -> None:
    log.change("DELETE FROM log_tile")

    assert log.check() == ["tile 0/0 is not what stands below it"]


@pytest.mark.parametrize("edge", [b"", b"x", bytes(32), bytes(4 * 32)])
def test_an_edge_that_is_not_that_of_the_records(log: Log, edge: bytes) -> None:
    log.change("UPDATE log_head SET edge = :edge", edge=edge)

    assert log.check() == [f"the head of the log does not agree with its {SIZE} records"]


@pytest.mark.parametrize(
    ("signer", "change", "fault"),
    [
        (OTHER, {}, "the checkpoint does not hold: no known key signed the note"),
        (
            None,
            {"origin": "gate.example/log"},
            "the checkpoint does not hold: the checkpoint is of another log",
        ),
        (None, {"root": bytes(32)}, "299: up to here the tree is not that of the checkpoint"),
        (None, {"size": 301}, "the checkpoint covers 301 records, 300 are there"),
        (None, {"size": 0}, "the checkpoint is not of this tree"),
        (
            None,
            {"size": 20},
            "19: up to here the tree is not that of the checkpoint",
        ),
    ],
    ids=["key", "origin", "root", "size", "nothing", "part"],
)
def test_a_checkpoint_that_is_not_of_this_log(
    log: Log, signer: Signer | None, change: dict[str, Any], fault: str
) -> None:
    sign_over(log.store, signer or log.signer, **change)

    assert log.check() == [fault]


def test_a_checkpoint_beside_another_size(log: Log) -> None:
    log.change("UPDATE log_checkpoint SET size = size + 1")

    assert log.check() == ["the checkpoint is of another size than stands beside it"]


BROKEN_CHAIN = "a public key is listed that the one before it did not sign for: "


def test_a_public_key_that_is_none(log: Log) -> None:
    log.change("UPDATE log_key SET vkey = 'x'")

    [fault] = log.check(log.older)
    assert fault.startswith(BROKEN_CHAIN)


def list_next(log: Log, key: Signer, signer: Signer, size: int = SIZE, said: int = SIZE) -> None:
    """A row for the key after the first; what was signed for it says another size, when asked."""
    disarm(log.store)
    with log.store.writing() as session:
        endorsement = signer.sign(log_keys.endorsed_text(key.vkey, said))
        log_keys.add(session, key.vkey, size, endorsement, NOW)


def test_a_key_that_the_one_before_it_signed_for_may_sign(log_on_each: Log) -> None:
    list_next(log_on_each, OTHER, log_on_each.signer)
    append(log_on_each.store, 10)
    sign_over(log_on_each.store, OTHER)

    assert log_on_each.check(log_on_each.older) == []


@pytest.mark.parametrize(
    ("by_itself", "said"),
    [(True, SIZE), (False, SIZE - 1)],
    ids=["by itself", "another size"],
)
def test_a_key_that_the_one_before_it_did_not_sign_for(
    log_on_each: Log, by_itself: bool, said: int
) -> None:
    list_next(log_on_each, OTHER, OTHER if by_itself else log_on_each.signer, said=said)
    sign_over(log_on_each.store, OTHER)

    [fault] = log_on_each.check(log_on_each.older)
    assert fault.startswith(BROKEN_CHAIN)


def test_a_key_in_the_place_of_the_first_one_vouches_for_nothing_older(log_on_each: Log) -> None:
    log_on_each.change("UPDATE log_key SET vkey = :vkey", vkey=OTHER.vkey.text)
    sign_over(log_on_each.store, OTHER)

    assert log_on_each.check(log_on_each.older) == [
        "the older checkpoint does not hold: no known key signed the note"
    ]


def test_a_key_signs_no_tree_that_grew_after_it_was_replaced(log_on_each: Log) -> None:
    list_next(log_on_each, OTHER, log_on_each.signer)
    append(log_on_each.store, 1)
    sign_over(log_on_each.store, log_on_each.signer)

    assert log_on_each.check() == [
        "the checkpoint does not hold: the key that signed it had been replaced by then"
    ]


@pytest.mark.parametrize(
    ("older", "fault"),
    [
        ("", "the older checkpoint does not hold: "),
        ("x", "the older checkpoint does not hold: "),
        (OTHER.sign(Checkpoint(LOG, 100, bytes(32)).text), "the older checkpoint does not hold: "),
    ],
    ids=["empty", "no note", "another key"],
)
def test_an_older_checkpoint_that_cannot_be_believed(log: Log, older: str, fault: str) -> None:
    [said] = log.check(older)

    assert said.startswith(fault)


@pytest.mark.parametrize("size", [1, 100, 255, 256, 299, 300])
def test_an_older_checkpoint_of_another_tree(log: Log, size: int) -> None:
    older = log.signer.sign(Checkpoint(LOG, size, bytes(32)).text)

    assert log.check(older) == [
        f"{size - 1}: up to here the tree is not that of the older checkpoint"
    ]


# Of what was pruned the hashes are left


@pytest.mark.parametrize("size", [1, 100, 255, 256])
def test_an_older_checkpoint_of_another_tree_over_pruned_records(log: Log, size: int) -> None:
    prune(log)
    older = log.signer.sign(Checkpoint(LOG, size, bytes(32)).text)

    assert log.check(older) == ["the older checkpoint is not of this tree"]


@pytest.mark.parametrize("value", [b"", b"x", bytes(8192)])
def test_a_tile_over_pruned_records_that_is_none(log: Log, value: bytes) -> None:
    prune(log)

    log.change("UPDATE log_tile SET hashes = :value", value=value)

    assert "tile 0/0 is not what stands below it" in log.check()[-1] or (
        "the hashes of the pruned records are not all there" in log.check()[-1]
    )


def test_a_tile_over_pruned_records_that_was_removed(log: Log) -> None:
    prune(log)

    log.change("DELETE FROM log_tile")

    [fault] = log.check()
    assert fault.startswith("the hashes of the pruned records are not all there: ")


def test_records_that_were_removed_beyond_what_was_pruned(log: Log) -> None:
    prune(log)

    log.change("DELETE FROM access_record WHERE log_index = 256")

    assert log.check() == ["256: the record is missing"]


def untold(minimum: int) -> str:
    return f"the records below {minimum} are gone, and no record says that they were pruned"


@pytest.mark.parametrize(
    ("minimum", "fault"), [(400, "the minimum index 400 is no border of a bundle"), (512, None)]
)
def test_a_minimum_that_was_raised_beyond_the_log(
    log: Log, minimum: int, fault: str | None
) -> None:
    log.change("UPDATE log_head SET minimum = :minimum", minimum=minimum)

    first, second = log.check()
    assert first == (fault or untold(minimum))
    assert second.startswith("the hashes of the pruned records are not all there: ")


@pytest.mark.parametrize("removed", [False, True])
def test_a_minimum_that_was_raised_without_a_record(log_on_each: Log, removed: bool) -> None:
    if removed:
        remove(log_on_each, 256)
    else:
        log_on_each.change("UPDATE log_head SET minimum = 256")

    assert untold(256) in log_on_each.check()
    announce(log_on_each.store, 256)
    assert untold(256) not in log_on_each.check()


@pytest.mark.parametrize("minimum", [1, 255, 257, 290, 300])
def test_a_minimum_within_a_bundle_is_a_fault_whatever_a_record_says(
    log_on_each: Log, minimum: int
) -> None:
    prune(log_on_each, minimum)

    assert f"the minimum index {minimum} is no border of a bundle" in log_on_each.check()


@pytest.mark.parametrize(
    "change",
    [
        {"type": "access"},
        {"operation": "keysCreate"},
        {"reference": "logPrune 512"},
        {"reference": "logPrune 0256"},
        {"counts": {"minimum": 512}},
        {"counts": {"records": 256}},
        {"counts": {}},
    ],
    ids=str,
)
def test_a_record_that_is_not_that_of_the_pruning(log_on_each: Log, change: dict[str, Any]) -> None:
    prune(log_on_each, **change)

    assert log_on_each.check() == [untold(256)]


def test_a_first_bundle_that_was_deleted_below_a_minimum_that_was_not_raised(
    log_on_each: Log,
) -> None:
    log_on_each.change("DELETE FROM access_detail")

    log_on_each.change("DELETE FROM access_record WHERE log_index < 256")

    assert log_on_each.check() == ["0: the record is missing"]


# The turns of a quota


def turn(number: object, most: object = 3, quota: object = "q/2026-01-01") -> Entry:
    """A record that says which turn it took."""
    return entry(quotaId=quota, quotaOrdinal=number, quotaMaximum=most)


TAKEN = "a quota was taken before, or is one too many"


@pytest.mark.parametrize(
    ("turns", "faults"),
    [
        ([turn(1), turn(2), turn(3)], []),
        ([turn(2), turn(3)], []),  # the first was pruned
        ([turn(1), turn(3)], []),
        ([turn(1), turn(1, quota="q/2026-07-01"), turn(2)], []),
        ([turn(1), turn(2), turn(2)], [f"302: the turn 2 of {TAKEN}"]),
        ([turn(1), turn(2), turn(1)], [f"302: the turn 1 of {TAKEN}"]),
        ([turn(3, 3), turn(4, 3)], [f"301: the turn 4 of {TAKEN}"]),
        ([turn(3, 3), turn(4, 5), turn(5, 5)], []),  # a later version allows more
        ([turn(0)], [f"300: the turn 0 of {TAKEN}"]),
        ([turn(-1)], [f"300: the turn -1 of {TAKEN}"]),
        ([turn(None)], ["300: the turn of a quota is none"]),
        ([turn("1")], ["300: the turn of a quota is none"]),
        ([turn(1, None)], ["300: the turn of a quota is none"]),
        ([turn(1, "3")], ["300: the turn of a quota is none"]),
        ([turn(1, quota=["q"])], ["300: the turn of a quota is none"]),
        ([turn(1, quota={"q": 1})], ["300: the turn of a quota is none"]),
    ],
)
def test_the_turns_of_a_quota_only_rise(log: Log, turns: list[Entry], faults: list[str]) -> None:
    write(log.store, turns)

    assert log.check() == faults


def test_turns_that_were_given_again_after_their_count_was_set_back(
    log_on_each: Log,
) -> None:
    store = log_on_each.store
    quota = Turn("proef-2026", "x", "nis:71016", Operation.QUERY_DOSSIER, date(2026, 1, 1))
    allowance = Allowance(quota, date(2026, 1, 1), 3)  # one turn is taken already

    def take(number: int) -> list[bool]:
        said = {"quotaId": allowance.id, "quotaMaximum": allowance.maximum}
        made = [record(**said) for _ in range(number)]
        entries = [Entry(columns_of(each), None, None, allowance, each) for each in made]
        return [isinstance(index, int) for index in write(store, entries)]

    before = take(3)
    with pytest.raises(DBAPIError, match="quota_use is append-only"):
        execute(store, "UPDATE quota_use SET used = 0")
    still = take(1)
    if store.engine.dialect.name == "postgresql":
        execute(store, "ALTER TABLE quota_use DISABLE TRIGGER ALL")
    log_on_each.change("UPDATE quota_use SET used = 0")
    after = take(4)

    assert (before, still, after) == ([True, True, False], [False], [True, True, True, False])
    assert log_on_each.check() == [
        f"{index}: the turn {turn} of {TAKEN}" for index, turn in ((302, 1), (303, 2), (304, 3))
    ]


def test_a_minimum_that_was_lowered(log: Log) -> None:
    prune(log)

    log.change("UPDATE log_head SET minimum = 0")

    assert log.check() == ["0: the record is missing"]


def test_a_long_log_is_checked_over_more_tiles(store: Database, tmp_path: Path) -> None:
    append(store, 1100)
    disarm(store)
    execute(store, "UPDATE log_tile SET root = :root WHERE tile_index = 2", root=bytes(32))

    assert faults_of(store, tmp_path) == [UNSIGNED, "tile 0/2 is not what stands below it"]
