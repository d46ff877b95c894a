"""Pruning: ended months lose their key, whole bundles their records, and every proof stays."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import combinations_with_replacement
from pathlib import Path
from typing import Any

import naive_tree
import pytest
from alembic import command
from evidence import open_notary
from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError

from app import (
    access_log,
    checkpoints,
    log_check,
    log_keys,
    log_search,
    log_tree,
    month_keys,
    notices,
    pruning,
)
from app.access_log import AccessLog
from app.administration import Office
from app.checkpoints import Notary
from app.database import Database, alembic_config
from app.errors import ClockBehind
from app.log_search import Search
from app.month_keys import MonthKeys
from app.notice_rules import Event, IncidentState, Outcome
from app.notices import Incident, Notice
from app.pruning import Pruned, PruningRefused, prune
from app.record import Entry, Origin, Trace, entry_of
from app.tlog import tree
from app.visit import Visit, new_event_id

LOG = "protocolpoort.test/log"
NOW = datetime(2026, 11, 28, 21, 0, tzinfo=UTC)
BORDER = datetime(2026, 9, 1, tzinfo=UTC)
JULY, AUGUST, SEPTEMBER = (datetime(2026, month, 15, tzinfo=UTC) for month in (7, 8, 9))
TERM = 2  # months: July and August have ended, September has not
ENDED = ("2026-07", "2026-08")
KEPT = ["2026-09", "2026-10", "2026-11"]
ORIGIN = Origin("sha256:catalogue", "1.0", "node-1")
PERSON = "90722501478"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "month-keys"


@pytest.fixture
def office(store: Database, folder: Path) -> Office:
    """An empty log, with the keys of July to November."""
    keys = MonthKeys(folder)
    keys.create(JULY, months=5)
    return Office(store, keys, ORIGIN, "uitbater-3")


@pytest.fixture
def notary(office: Office, tmp_path: Path) -> Notary:
    """The signer of the log."""
    log_keys.create_file(LOG, tmp_path / "log.key")
    return open_notary(office.database, LOG, tmp_path / "log.key", NOW)


def visit(at: datetime) -> Visit:
    return Visit(
        operation="queryDossier",
        route="/dossiers/query",
        started_at=at,
        correlation_id="",
        event_id=new_event_id(at),
        trace_id="",
        span_id="",
        organisation="nis:71016",
    )


def entry(office: Office, at: datetime, detail: Mapping[str, str] | None = None) -> Entry:
    """A record about the person, as of that moment."""
    trace = Trace(subject=PERSON, detail=detail)
    return entry_of(visit(at), trace, office.keys.at(at), ORIGIN, at, None)


def fill(office: Office, *parts: tuple[datetime, int]) -> None:
    """Append so many records of each moment; the first of each has a detail."""
    entries = [
        entry(office, at, None if number else {"code": "O20"})
        for at, count in parts
        for number in range(count)
    ]
    with office.database.writing() as session:
        access_log.write(session, entries)


def run(office: Office, now: datetime = NOW, term: int = TERM, **more: Any) -> Pruned:
    return prune(office, LOG, term, now, **more)


def execute(store: Database, statement: str) -> None:
    """Change something behind the back of the service."""
    with store.writing() as session:
        session.connection().execute(text(statement))


def rows(store: Database, statement: str) -> list[tuple[Any, ...]]:
    with store.reading() as session:
        return [tuple(row) for row in session.connection().exec_driver_sql(statement)]


def indexes(store: Database) -> list[int]:
    return [row[0] for row in rows(store, "SELECT log_index FROM access_record ORDER BY 1")]


def minimum(store: Database) -> int:
    with store.reading() as session:
        return log_tree.head(session).minimum


def acts(store: Database) -> list[dict[str, Any]]:
    """The records of pruning, oldest first."""
    found = rows(store, "SELECT record FROM access_record WHERE type = 'admin' ORDER BY log_index")
    return [json.loads(bytes(row[0])) for row in found]


def everything(office: Office, folder: Path) -> list[Any]:
    """Every row of the log and every byte of the keys."""
    tables = ("access_record", "access_detail", "log_head", "log_tile", "log_checkpoint")
    return [
        *(sorted(rows(office.database, f"SELECT * FROM {table}"), key=str) for table in tables),  # noqa: S608
        {path.name: path.read_bytes() for path in folder.iterdir()},
    ]


def months(folder: Path) -> list[str]:
    return sorted(path.name.removesuffix(".key") for path in folder.iterdir())


# What has ended


FIRST_DAY = datetime(2026, 11, 1, tzinfo=UTC)


def test_records_go_on_the_first_day_and_not_on_the_last(office: Office, notary: Notary) -> None:
    last_moment = datetime(2026, 8, 31, 23, 59, 59, 999000, tzinfo=UTC)
    fill(office, (JULY, 256), (last_moment, 256), (datetime(2026, 9, 1, tzinfo=UTC), 256))
    notary.turn(NOW)

    day_before = run(office, FIRST_DAY - timedelta(microseconds=1))
    on_the_day = run(office, FIRST_DAY)

    assert (day_before.months, day_before.minimum) == (("2026-07",), 256)
    assert (on_the_day.months, on_the_day.minimum) == (("2026-08",), 512)
    assert indexes(office.database)[0] == 512


@pytest.mark.parametrize(
    ("ended", "kept", "expected"),
    [
        (0, 10, 0),
        (1, 10, 0),
        (255, 10, 0),
        (256, 10, 256),
        (257, 10, 256),
        (511, 1, 256),
        (512, 0, 512),
        (513, 300, 512),
        (255, 0, 0),
        (256, 0, 256),
        (257, 0, 256),
    ],
)
def test_the_minimum_is_the_last_whole_bundle_of_ended_months(
    office: Office, notary: Notary, ended: int, kept: int, expected: int
) -> None:
    fill(office, (JULY, ended), (SEPTEMBER, kept))
    notary.turn(NOW)

    pruned = run(office)

    assert (pruned.minimum, pruned.records) == (expected, expected)
    assert minimum(office.database) == expected
    assert indexes(office.database) == list(range(expected, ended + kept + 1))  # and the act


def test_a_record_out_of_order_at_the_border_of_a_month_is_kept(
    office: Office, notary: Notary
) -> None:
    """Two processes may differ by a minute: after the first of September comes one of August."""
    late = BORDER - timedelta(seconds=20)
    fill(office, (JULY, 200), (BORDER, 1), (late, 100), (SEPTEMBER, 300))
    notary.turn(NOW)

    pruned = run(office)

    assert (pruned.minimum, pruned.months) == (0, ENDED)


# What goes, and what is written of it


def test_keys_and_records_of_ended_months_go_and_one_record_says_so(
    office: Office, notary: Notary, folder: Path
) -> None:
    fill(office, (JULY, 300), (AUGUST, 300), (SEPTEMBER, 300))
    notary.turn(NOW)

    pruned = run(office, reason="bewaartermijn")

    store = office.database
    assert pruned == Pruned(ENDED, minimum=512, records=512, details=2)
    assert months(folder) == KEPT
    assert indexes(store) == list(range(512, 901))
    assert rows(store, "SELECT count(*) FROM access_detail") == [(1,)]
    [act] = acts(store)
    expected = {
        "type": "admin",
        "operation": "logPrune",
        "reference": "logPrune 512",
        "reasonReference": "2026-07, 2026-08: bewaartermijn",
        "counts": {"minimum": 512, "records": 512, "details": 2, "keys": 2, "reports": 0},
        "user": office.keys.at(NOW).hide("user", "uitbater-3"),
        "recordedAt": "2026-11-28T21:00:00.000Z",
    }
    assert {name: act.get(name) for name in expected} == expected


def reported(store: Database, ended: datetime | None, received: datetime = JULY) -> list[str]:
    """A report of wrong data and an incident, with what is told of each; when both ended."""
    notice, incident = new_event_id(JULY), new_event_id(JULY)
    agreed: dict[str, Any] = {
        "protocol": "proef-2026",
        "version": "1",
        "hash": "sha256:0",
        "organisation": "a",
    }
    with store.writing() as session:
        first = Notice(
            **agreed,
            id=notice,
            access_id=new_event_id(JULY),
            kind="foutief",
            explanation="zij is verhuisd",
            found_on=JULY.date(),
            received_at=received,
            reference="m",
            state="ontvangen",
        )
        second = Incident(
            **agreed,
            id=incident,
            by_agency=False,
            kind="incident",
            obliged=True,
            found_at=JULY,
            reported_at=JULY,
            description="een gestolen sleutel",
            contacts=[],
            state="gemeld",
        )
        notices.add(session, first)
        notices.add(session, second)
        if ended:
            notices.settle(session, first, Outcome.CORRECTED, "hersteld", ended)
            notices.go_on(session, second, IncidentState.CLOSED, "nieuwe sleutel", ended)
        else:
            notices.go_on(session, second, IncidentState.EXAMINED, "gezocht", JULY)
        for about, of in ((notice, "a"), (notice, "b"), (incident, "b")):
            notices.notify(session, new_event_id(JULY), about, Event.INCIDENT, of, [], JULY)
    return [notice, incident]


def test_what_was_reported_goes_with_the_month_in_which_it_ended(
    office: Office, notary: Notary
) -> None:
    fill(office, (JULY, 1), (SEPTEMBER, 1))
    notary.turn(NOW)
    store = office.database
    reported(store, BORDER - timedelta(milliseconds=1))
    _, goes_on = reported(store, None)  # and a report that nobody can answer any more
    stays = [goes_on, *reported(store, BORDER), *reported(store, None, BORDER)]

    foreseen = run(office, dry_run=True)
    pruned = run(office)

    assert (foreseen.reports, pruned.reports) == (3, 3)
    assert acts(store)[-1]["counts"]["reports"] == 3
    left = rows(store, "SELECT id FROM notice UNION SELECT id FROM incident ORDER BY id")
    assert [id_ for (id_,) in left] == sorted(stays)
    assert rows(store, "SELECT count(*), count(DISTINCT about) FROM notification") == [(7, 5)]


def test_what_was_reported_goes_also_where_nothing_else_does(
    office: Office, notary: Notary, folder: Path
) -> None:
    fill(office, (JULY, 300), (SEPTEMBER, 1))
    notary.turn(NOW)
    run(office)
    reported(office.database, AUGUST)

    told = [run(office, dry_run=True), run(office)]

    assert told == [Pruned((), minimum=256, records=0, details=0, reports=2)] * 2
    assert acts(office.database)[-1]["counts"]["reports"] == 2
    assert rows(office.database, "SELECT count(*) FROM notification") == [(0,)]
    before = everything(office, folder)
    assert run(office) == Pruned((), minimum=256, records=0, details=0)
    assert everything(office, folder) == before


def test_of_two_runs_at_once_one_tells_what_was_reported(
    office: Office, notary: Notary, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(office, (JULY, 300), (SEPTEMBER, 1))
    notary.turn(NOW)
    reported(office.database, AUGUST)
    check, told = pruning._check, []

    def overtaken(*arguments: Any) -> None:
        check(*arguments)
        monkeypatch.setattr(pruning, "_check", check)
        told.append(run(office))

    monkeypatch.setattr(pruning, "_check", overtaken)
    told.append(run(office))

    assert [each.reports for each in told] == [2, 0]
    assert len(acts(office.database)) == 1


def test_a_second_run_finds_nothing_and_writes_nothing(
    office: Office, notary: Notary, folder: Path
) -> None:
    fill(office, (JULY, 300), (SEPTEMBER, 300))
    notary.turn(NOW)
    run(office)
    before = everything(office, folder)

    again = run(office)

    assert again == Pruned((), minimum=256, records=0, details=0)
    assert everything(office, folder) == before


def test_a_log_in_which_nothing_has_ended_is_left_alone(
    office: Office, notary: Notary, folder: Path
) -> None:
    fill(office, (JULY, 300))
    before = everything(office, folder)

    pruned = run(office, term=5)

    assert pruned == Pruned((), minimum=0, records=0, details=0)
    assert everything(office, folder) == before


def test_a_dry_run_tells_what_a_run_does_and_changes_nothing(
    office: Office, notary: Notary, folder: Path
) -> None:
    fill(office, (JULY, 300), (AUGUST, 300), (SEPTEMBER, 300))
    notary.turn(NOW)
    before = everything(office, folder)

    told = run(office, dry_run=True)

    assert everything(office, folder) == before
    assert run(office) == told


def test_a_month_without_a_whole_bundle_loses_its_key_alone(
    office: Office, notary: Notary, folder: Path
) -> None:
    fill(office, (JULY, 100), (SEPTEMBER, 10))

    pruned = run(office)  # no checkpoint is needed: no record goes

    assert pruned == Pruned(ENDED, minimum=0, records=0, details=0)
    assert months(folder) == KEPT
    assert len(acts(office.database)) == 1


def test_records_go_in_parts(
    office: Office, notary: Notary, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(office, (JULY, 600), (SEPTEMBER, 10))
    notary.turn(NOW)
    monkeypatch.setattr(pruning, "PART", 100)
    commits: list[None] = []
    remove, parts = access_log.remove_below, []

    def removing(*arguments: Any) -> tuple[int, int]:
        parts.append((remove(*arguments), len(commits)))
        return parts[-1][0]

    monkeypatch.setattr(access_log, "remove_below", removing)
    event.listen(office.database.engine, "commit", lambda _: commits.append(None))

    run(office)

    assert [part for (part, _), _ in parts] == [100, 100, 100, 100, 100, 12, 0]
    assert len({commit for _, commit in parts}) == len(parts)


def test_a_person_is_no_longer_found_in_an_ended_month_and_still_in_the_others(
    office: Office, notary: Notary
) -> None:
    fill(office, (JULY, 10), (AUGUST, 10), (SEPTEMBER, 10), (NOW, 10))
    others = MonthKeys(office.keys._folder)  # another process, which goes on
    before = found(office.database, others)

    run(office)

    assert (before, found(office.database, others)) == (list(range(40)), list(range(20, 40)))
    with office.database.reading() as session:
        page = log_search.search(session, Search(organisation="nis:71016", limit=100))
    assert len(page.records) == 40  # the records of what is left of the bundle stay


def found(store: Database, keys: MonthKeys) -> list[int]:
    """Where the person is found under every kept key."""
    subjects = tuple(key.hide("subject", PERSON) for key in keys.kept())
    with store.reading() as session:
        records = log_search.search(session, Search(subjects=subjects, limit=100)).records
    return sorted(index for index, _ in records)


# Cut off


class Killed(Exception):
    """The process ended here."""


PLACES: Mapping[str, tuple[Any, str]] = {
    "lock": (access_log, "lock"),
    "raise": (access_log, "raise_minimum"),
    "record": (access_log, "write_command"),
    "key": (MonthKeys, "destroy"),
    "shred": (month_keys, "shred"),  # twice for each key
    "unlink": (Path, "unlink"),  # overwritten, and still there
    "part": (access_log, "remove_below"),
}
KILLS = (
    *("lock", "raise", "record"),
    *("key 1", "shred 2", "unlink 1", "key 2", "shred 4", "unlink 2"),
    *("part 1", "part 2"),
)


@pytest.mark.parametrize("place", KILLS)
def test_a_run_that_was_cut_off_is_finished_by_the_next(
    office: Office, notary: Notary, folder: Path, place: str, tmp_path: Path
) -> None:
    fill(office, (JULY, 300), (AUGUST, 300), (SEPTEMBER, 300))
    notary.turn(NOW)
    before = everything(office, folder)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pruning, "PART", 200)
        kill(patch, place)
        with pytest.raises(Killed):
            run(office)

    store = office.database
    if place in KILLS[:3]:
        assert everything(office, folder) == before
    if everything(office, folder) != before:  # nothing goes before there is a record of it
        assert (acts(store)[0]["counts"]["minimum"], minimum(store)) == (512, 512)
    if place.startswith("part"):
        assert months(folder) == KEPT

    finished = run(office)

    assert (finished.minimum, minimum(store)) == (512, 512)
    assert indexes(store)[0] == 512
    assert rows(store, "SELECT count(*) FROM access_detail") == [(1,)]
    assert months(folder) == KEPT
    assert len(acts(store)) == (1 if place in (*KILLS[:3], "part 1", "part 2") else 2)
    assert run(office) == Pruned((), 512, 0, 0)
    notary.turn(NOW + timedelta(seconds=2))


def kill(patch: pytest.MonkeyPatch, place: str) -> None:
    """End the next run at this place, or at the so manyth time that it comes there."""
    step, _, number = place.partition(" ")
    left = int(number or 1)
    owner, name = PLACES[step]
    whole = getattr(owner, name)

    def broken(*arguments: Any, **more: Any) -> Any:
        nonlocal left
        left -= 1
        if left == 0:
            raise Killed
        return whole(*arguments, **more)

    patch.setattr(owner, name, broken)


def test_of_two_runs_at_once_one_announces(
    office: Office, notary: Notary, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(office, (JULY, 600), (SEPTEMBER, 10))
    notary.turn(NOW)
    check, reports = pruning._check, []

    def overtaken(*arguments: Any) -> None:
        check(*arguments)
        monkeypatch.setattr(pruning, "_check", check)
        reports.append(run(office))

    monkeypatch.setattr(pruning, "_check", overtaken)
    reports.append(run(office))

    assert [report.records for report in reports] == [512, 0]
    assert (minimum(office.database), len(acts(office.database))) == (512, 1)


def test_a_later_run_with_a_longer_term_does_not_lower_the_minimum(
    office: Office, notary: Notary
) -> None:
    fill(office, (JULY, 300), (AUGUST, 300), (SEPTEMBER, 10))
    notary.turn(NOW)
    run(office)

    again = run(office, term=120)

    assert (again, minimum(office.database)) == (Pruned((), 512, 0, 0), 512)


# Refused


def no_checkpoint(_office: Office, _notary: Notary) -> None:
    pass


def too_small_a_checkpoint(office: Office, notary: Notary) -> None:
    fill(office, (JULY, 511))
    notary.turn(NOW)
    fill(office, (JULY, 1))


def unlocked(store: Database, table: str, statement: str) -> None:
    """Change a row of a guarded table, as who owns the database can."""
    if store.engine.dialect.name == "postgresql":
        execute(store, f"ALTER TABLE {table} DISABLE TRIGGER USER")
        execute(store, statement)
        execute(store, f"ALTER TABLE {table} ENABLE TRIGGER USER")
        return
    found = rows(
        store,
        f"SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = '{table}'",  # noqa: S608
    )
    for name, _ in found:
        execute(store, f"DROP TRIGGER {name}")
    execute(store, statement)
    for _, made in found:
        with store.writing() as session:
            session.connection().exec_driver_sql(made)


def signed(office: Office, notary: Notary) -> None:
    fill(office, (JULY, 512), (SEPTEMBER, 10))
    notary.turn(NOW)


def a_forged_checkpoint(office: Office, notary: Notary) -> None:
    signed(office, notary)
    forged = rows(office.database, "SELECT note FROM log_checkpoint")[0][0].replace("522", "523")
    unlocked(office.database, "log_checkpoint", f"UPDATE log_checkpoint SET note = '{forged}'")  # noqa: S608


def another_key(office: Office, notary: Notary) -> None:
    signed(office, notary)
    unlocked(office.database, "log_key", "DELETE FROM log_key")


def another_tree(office: Office, notary: Notary) -> None:
    signed(office, notary)
    unlocked(office.database, "log_head", "UPDATE log_head SET size = 512")
    edge = "x'" + "00" * 32 + "'"
    if office.database.engine.dialect.name == "postgresql":
        edge = "'\\x" + "00" * 32 + "'"
    unlocked(office.database, "log_head", f"UPDATE log_head SET edge = {edge}")  # noqa: S608


def another_record(office: Office, notary: Notary) -> None:
    signed(office, notary)
    statement = "UPDATE access_record SET record = (SELECT record FROM access_record WHERE "
    unlocked(office.database, "access_record", f"{statement} log_index = 4) WHERE log_index = 300")


def a_record_too_few(office: Office, notary: Notary) -> None:
    signed(office, notary)
    unlocked(office.database, "access_record", "DELETE FROM access_record WHERE log_index = 300")


def a_tile_too_few(office: Office, notary: Notary) -> None:
    signed(office, notary)
    unlocked(office.database, "log_tile", "DELETE FROM log_tile WHERE tile_index = 1")


def another_tile(office: Office, notary: Notary) -> None:
    signed(office, notary)
    statement = "UPDATE log_tile SET hashes = (SELECT hashes FROM log_tile WHERE tile_index = 0)"
    unlocked(office.database, "log_tile", statement)


PUSHED_BACK = "UPDATE access_record SET recorded_at = '2026-07-15 00:00:00.000000'"


def columns_that_were_pushed_back(office: Office, notary: Notary) -> None:
    fill(office, (NOW, 600))
    notary.turn(NOW)
    unlocked(office.database, "access_record", PUSHED_BACK)


def one_column_that_was_pushed_back(office: Office, notary: Notary) -> None:
    fill(office, (JULY, 511), (datetime(2026, 9, 1, tzinfo=UTC), 2), (SEPTEMBER, 10))
    notary.turn(NOW)
    unlocked(office.database, "access_record", f"{PUSHED_BACK} WHERE log_index = 511")


def a_record_without_a_moment(office: Office, notary: Notary) -> None:
    """What only somebody who writes in the log by himself can have signed."""
    entries = [entry(office, JULY) for _ in range(512)]
    odd = b'{"recordedAt":7}'
    columns = {**entries[300].columns, "record": odd, "leaf_hash": tree.leaf_hash(odd)}
    entries[300] = replace(entries[300], columns=columns)
    with office.database.writing() as session:
        access_log.write(session, entries)
    fill(office, (SEPTEMBER, 10))
    notary.turn(NOW)


def a_minimum_that_nobody_announced(office: Office, notary: Notary) -> None:
    signed(office, notary)
    execute(office.database, "UPDATE log_head SET minimum = 256")


def a_minimum_over_all_that_would_go(office: Office, notary: Notary) -> None:
    """Only the records that somebody marked are left to remove, and a key to destroy."""
    signed(office, notary)
    execute(office.database, "UPDATE log_head SET minimum = 512")


def a_minimum_within_a_bundle(office: Office, notary: Notary) -> None:
    signed(office, notary)
    execute(office.database, "UPDATE log_head SET minimum = 290")


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (no_checkpoint, "no checkpoint covers the first 512 records"),
        (too_small_a_checkpoint, "no checkpoint covers the first 512 records"),
        (a_forged_checkpoint, "the log is not what was signed"),
        (another_key, "the log is not what was signed"),
        (another_tree, "the log is not what was signed"),
        (another_record, "a record from index 256 on is not what was signed"),
        (a_record_too_few, "a record from index 256 on is not what was signed"),
        (a_tile_too_few, "hashes are missing"),
        (another_tile, "is not what was signed"),
        (columns_that_were_pushed_back, "a record from index 0 on is of a month that is kept"),
        (one_column_that_was_pushed_back, "a record from index 256 on is of a month that is kept"),
        (a_record_without_a_moment, "a record from index 256 on is of a month that is kept"),
        (a_minimum_that_nobody_announced, "below 256 are gone, and no record says"),
        (a_minimum_over_all_that_would_go, "below 512 are gone, and no record says"),
        (a_minimum_within_a_bundle, "290 is no border of a bundle"),
    ],
)
@pytest.mark.parametrize("dry_run", [False, True])
def test_what_is_not_signed_does_not_go(
    office: Office, notary: Notary, folder: Path, make: Any, says: str, dry_run: bool
) -> None:
    make(office, notary)
    if not indexes(office.database):
        fill(office, (JULY, 512), (SEPTEMBER, 10))
    before = everything(office, folder)

    with pytest.raises(PruningRefused, match=says):
        run(office, dry_run=dry_run)

    assert everything(office, folder) == before


def test_records_go_whose_own_moment_is_just_before_that_of_the_first_kept_one(
    office: Office, notary: Notary
) -> None:
    """Whatever a column says that was pushed back: the record decides, to the millisecond."""
    last = datetime(2026, 8, 31, 23, 59, 59, 999000, tzinfo=UTC)
    fill(office, (JULY, 511), (last, 1), (datetime(2026, 9, 1, tzinfo=UTC), 1))
    notary.turn(NOW)
    unlocked(office.database, "access_record", f"{PUSHED_BACK} WHERE log_index = 511")

    assert run(office).minimum == 512


def test_a_clock_behind_the_log_prunes_nothing(
    office: Office, notary: Notary, folder: Path
) -> None:
    signed(office, notary)
    fill(office, (NOW, 1))
    before = everything(office, folder)

    with pytest.raises(ClockBehind):
        run(office, NOW - timedelta(minutes=2))

    assert everything(office, folder) == before


def test_the_database_removes_nothing_above_the_minimum(office: Office, notary: Notary) -> None:
    fill(office, (JULY, 600))
    execute(office.database, "UPDATE log_head SET minimum = 256")

    with (
        pytest.raises(DBAPIError, match="is append-only"),
        office.database.writing() as session,
    ):
        access_log.remove_below(session, 257, 1000)

    assert len(indexes(office.database)) == 600


# What stays


SIZES = (0, 1, 2, 3, 127, 255, 256, 257, 300, 511, 512, 513, 600, 767, 768, 769, 900)


@pytest.fixture
def pruned(office: Office, notary: Notary) -> list[bytes]:
    """A log of which the first 768 of 900 records went; what they were."""
    fill(office, (JULY, 400), (AUGUST, 400), (SEPTEMBER, 100))
    notary.turn(NOW)
    records = [
        bytes(row[0])
        for row in rows(office.database, "SELECT record FROM access_record ORDER BY log_index")
    ]
    run(office)
    assert minimum(office.database) == 768
    return records


def test_every_old_tree_remains_provable(office: Office, pruned: list[bytes]) -> None:
    roots = {size: naive_tree.root(pruned[:size]) for size in SIZES}

    with office.database.reading() as session:
        for old, new in combinations_with_replacement(SIZES, 2):
            proof = tree.consistency_proof(old, new, log_tree.reader(session, new))
            assert tree.verify_consistency(old, roots[old], new, roots[new], proof), (old, new)
        for size in SIZES[1:]:
            for index in {0, 1, 254, 255, 256, 257, 511, 512, 700, 767, size - 1}:
                if index >= size:
                    continue
                proof = tree.inclusion_proof(index, size, log_tree.reader(session, size))
                leaf = tree.leaf_hash(pruned[index])
                assert tree.verify_inclusion(leaf, index, size, proof, roots[size]), (index, size)


def test_pruned_records_are_not_there_and_kept_ones_are(
    office: Office, pruned: list[bytes]
) -> None:
    with office.database.reading() as session:
        kept = [record for _, record in log_tree.records(session, 768, 900)]
        for first, end in ((0, 1), (0, 256), (512, 768), (767, 769)):
            with pytest.raises(LookupError):
                list(log_tree.records(session, first, end))
        page = log_search.search(session, Search(before=800, limit=100))
        until = log_search.search(session, Search(until=AUGUST, limit=100))

    assert kept == pruned[768:]
    assert [index for index, _ in page.records] == list(range(799, 767, -1))
    assert [index for index, _ in until.records] == list(range(799, 767, -1))


async def test_the_log_grows_on_and_is_signed_on(
    office: Office, notary: Notary, pruned: list[bytes], tmp_path: Path
) -> None:
    log = AccessLog(office.database, office.keys, ORIGIN)

    index = await log.append(visit(NOW), Trace(), NOW, None)
    fill(office, (NOW, 300))
    notary.turn(NOW + timedelta(seconds=2))
    another = open_notary(office.database, LOG, tmp_path / "log.key", NOW)
    another.turn(NOW + timedelta(seconds=4))

    with office.database.reading() as session:
        assert index == 901  # after the record of the pruning
        assert checkpoints.published(session).size == 1202
        assert checkpoints.verified(session, LOG) is not None
        assert list(log_check.check(session, office.keys, LOG)) == []


def test_a_pruned_log_keeps_its_tiles_also_from_a_downgrade(
    office: Office, pruned: list[bytes]
) -> None:
    url = office.database.engine.url.render_as_string(hide_password=False)

    with pytest.raises(ValueError, match="was pruned"):
        command.downgrade(alembic_config(url), "0002")

    assert rows(office.database, "SELECT count(*) FROM log_tile") == [(3,)]
